"""Classifiers and taggers of text written as one HTML file, run in Node.js and compared with the model."""

import copy
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sunhwan.data import Ragged
from sunhwan.errors import ConfigError
from sunhwan.exporting.html.encoder_parts import Parts
from sunhwan.exporting.html.page_parts import (
    foundation,
    framed,
    in_script,
    laid_out,
    node_or_none,
    run_in_node,
    source,
)
from sunhwan.exporting.parity import checked
from sunhwan.models import Classifier
from sunhwan.models.tagger import Tagger
from sunhwan.tasks.classify.task import Classify
from sunhwan.tasks.common.input_kind import InputKind
from sunhwan.tasks.common.input_kinds import TextKind
from sunhwan.tasks.common.word_input import WordsKind
from sunhwan.tasks.tag.task import Tag

LENGTHS = (0, 1, 2, 9, 50)
"""Of the texts that a page is compared with the model on, in tokens or words."""

PRINT = """
console.log(JSON.stringify(TEXTS_TO_READ.map(text =>
  MODEL.pooling ? [logitsOf(read(text))] : emissionsOf(read(text)))));
"""


def serves(task: object) -> bool:
    """Whether a page answers for a task: it labels one text, or its words."""
    if isinstance(task, Classify):
        one = task.input_kind.sequences(len(task.columns.inputs)) == 1
        return one and isinstance(task.input_kind, TextKind | WordsKind)
    return isinstance(task, Tag) and isinstance(task.input_kind, WordsKind)


def answer_page(task: Classify | Tag, title: str, made: str, weights: str) -> tuple[str, float]:
    """The page, and the largest deviation of its numbers from the model's."""
    node = node_or_none()
    if node is None:
        raise ConfigError(
            f"a page for {task.title} is run and compared with the model before it is kept: install Node.js"
        )
    model = copy.deepcopy(task.model).cpu().float().eval()
    kept = copy.deepcopy(model)
    if weights == "fp16":
        _round(kept)
    facts, steps, numbers = _parts(task, kept, weights)
    engine = foundation(facts) + steps + source("encoder.js")
    off = _compare(node, task.input_kind, model, kept, numbers, engine, weights)
    page = framed(
        "answers.html", title=title, made_by=made, weights=numbers, engine=engine,
        scripts=["answers.js"],
    )  # fmt: skip
    return page, off


@torch.no_grad()
def _round(model: nn.Module) -> None:
    """Round matrices, and the frequencies of n-grams, to float16."""
    for name, value in [*model.named_parameters(), *model.named_buffers()]:
        if value.is_floating_point() and (value.dim() > 1 or name.endswith("frequency")):
            value.copy_(value.half().float())
            if not bool(value.isfinite().all()):
                raise ConfigError("a weight is too large for fp16: export the page with fp32")


def _parts(task: Classify | Tag, model: nn.Module, weights: str) -> tuple[str, str, str]:
    """What is known of the model (JSON), its steps (JavaScript), its weights (`packing`)."""
    assert isinstance(model, Classifier | Tagger)
    parts = Parts()
    facts: dict[str, Any] = {
        "labels": task.labels,
        "source": task.input_kind.to_dict(),
        "inputs": parts.inputs(model.encoder.inputs),
        "stack": parts.stack(model.encoder.recurrent),
        "output": parts.linear("output", model.output),
    }
    if isinstance(model, Classifier):
        facts |= {"pooling": parts.pooling(model.pooling), "temperature": model.temperature}
        if model.linear is not None:
            facts["ngrams"] = parts.ngrams(model.linear)
    elif model.crf is not None:
        scores = model.crf._scores(constrained=True)
        names = ("start", "transitions", "end")
        facts["crf"] = {name: s.tolist() for name, s in zip(names, scores, strict=True)}
    halves = [
        name
        for name, numbers in parts.arrays.items()
        if weights == "fp16" and np.array_equal(numbers, numbers.astype(np.float16))
    ]
    stored = laid_out(parts.arrays, halves)
    facts |= {**stored.facts, "room": parts.room}
    return in_script(facts), parts.source(), stored.text


def _compare(
    node: str,
    kind: InputKind,
    model: nn.Module,
    kept: nn.Module,
    numbers: str,
    engine: str,
    weights: str,
) -> float:
    """The deviation from the model; the page must be exact in the weights that it keeps."""
    texts = _texts(kind)
    script = f"const WEIGHTS_TEXT = {json.dumps(numbers)};\n{engine}"
    said = run_in_node(node, script + PRINT.replace("TEXTS_TO_READ", json.dumps(texts)))
    found = np.concatenate([np.array(rows, np.float32) for rows in said if rows])

    def wanted(by: nn.Module) -> np.ndarray[Any, Any]:
        return np.concatenate([_logits(by, kind, text) for text in texts])

    ours, whole = wanted(kept), copy.deepcopy(kept).double()
    off = checked("the page", "its logits are", found, ours, lambda: wanted(whole))
    if weights == "fp32":
        return off
    return checked(
        "the page", "its logits are", found, wanted(model), lambda: None, weights=weights
    )


@torch.no_grad()
def _logits(model: nn.Module, kind: InputKind, text: str) -> np.ndarray[Any, Any]:
    """Logits (1, L) of a text, or emissions (T, L) of its words."""
    batch: Ragged = kind.collate([kind.encode(text, Path(), "")])
    if isinstance(model, Classifier):
        found: Tensor = model((batch,))
    else:
        found = model(batch)[0][: int(batch.lengths[0])]
    return found.numpy()


def _texts(kind: InputKind) -> list[str]:
    """Texts of the vocabulary's tokens at random, among them unknown ones."""
    draw = random.Random(1)
    if isinstance(kind, WordsKind):
        words = [*kind.words.tokens, "".join(draw.choices(kind.letters.tokens, k=70)), "Zyxw🙂"]
        words = [word for word in words if word.split() == [word]]
        return [" ".join(draw.choices(words, k=length)) for length in LENGTHS]
    vocabulary = kind.vocabulary
    assert vocabulary is not None
    size = len(vocabulary)
    return [vocabulary.decode(draw.choices(range(size), k=length)) for length in LENGTHS]
