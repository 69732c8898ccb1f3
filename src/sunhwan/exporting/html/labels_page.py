"""Classifiers of a text or two, and taggers of words, as a page."""

import random
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sunhwan.exporting.html.encoder_parts import Parts
from sunhwan.exporting.html.page_parts import Answering
from sunhwan.models import Classifier
from sunhwan.models.tagger import Tagger
from sunhwan.tasks.classify.task import Classify
from sunhwan.tasks.common.input_kind import InputKind
from sunhwan.tasks.common.input_kinds import TextKind
from sunhwan.tasks.common.word_input import WordsKind
from sunhwan.tasks.tag.task import Tag

LENGTHS = (0, 1, 2, 9, 50)
"""Of the texts that a page is compared with the model on, in tokens or words."""

OUTPUTS = "given => MODEL.pooling ? logitsOf(given.map(read)) : emissionsOf(read(given[0])).flat()"


def labels_page(task: Classify | Tag) -> Answering | None:
    """The page; None for a model that reads no text."""
    if not isinstance(task.input_kind, TextKind | WordsKind):
        return None
    count = 1 if isinstance(task, Tag) else task.input_kind.sequences(len(task.columns.inputs))
    texts = random_texts(task.input_kind)
    asked = [texts[n:] + texts[:n] for n in range(len(texts))]
    questions = [some[:count] for some in asked]
    return Answering(
        engine=("reading.js", "labels.js"),
        body="answers.html",
        scripts=("shell.js", "answers.js"),
        facts=partial(_facts, task),
        questions=questions,
        outputs=OUTPUTS,
        wanted=partial(_wanted, task.input_kind, questions),
    )


def _facts(task: Classify | Tag, parts: Parts, model: Any) -> dict[str, Any]:
    assert isinstance(model, Classifier | Tagger)
    facts: dict[str, Any] = {
        "labels": task.labels,
        "columns": list(task.columns.inputs) if isinstance(task, Classify) else [],
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
    return facts


@torch.no_grad()
def _wanted(kind: InputKind, questions: list[list[str]], model: nn.Module) -> NDArray[Any]:
    """Logits of each text or pair, or emissions (T, L) of its words."""
    found = []
    for question in questions:
        batches = tuple(kind.collate([kind.encode(text, Path(), "")]) for text in question)
        if isinstance(model, Classifier):
            found.append(model(batches).numpy().ravel())
        else:
            found.append(model(batches[0])[0][: int(batches[0].lengths[0])].numpy().ravel())
    return np.concatenate(found)


def random_texts(kind: InputKind) -> list[str]:
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
