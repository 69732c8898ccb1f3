"""Classifiers and taggers as a page."""

from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sunhwan.data import pad
from sunhwan.exporting.html.encoder_parts import PageParts
from sunhwan.exporting.html.page_parts import Answering
from sunhwan.exporting.html.random_questions import as_read, random_questions, scripts_of
from sunhwan.exporting.predictor_checks import in_precision_of
from sunhwan.models import Classifier
from sunhwan.models.tagger import Tagger
from sunhwan.tasks.classify.task import Classify
from sunhwan.tasks.common.input_kind import InputKind
from sunhwan.tasks.tag.task import Tag
from sunhwan.tasks.tag.tokenizer import LONGEST, MARGIN, WINDOW, Tokenizer

OUTPUTS = """
given => MODEL.pooling ? logitsOf(given.map(read)) : [
  ...emissionsOf(read(given[0])).flat(),
  ...(MODEL.tokenizer ? characterEmissions(CHARACTERS.encode(given[0])).flat() : []),
]
"""


def classifier_page(task: Classify) -> Answering | None:
    """A classifier's page; None for a kind of input that no page reads."""
    columns = list(task.columns.inputs)
    return _page(task, task.input_kind.sequences(len(columns)), columns, None)


def tagger_page(task: Tag) -> Answering | None:
    """A tagger's page; None for a kind of input that no page reads."""
    return _page(task, 1, [], task.tokenizer)


def _page(
    task: Classify | Tag, count: int, columns: list[str], tokenizer: Tokenizer | None
) -> Answering | None:
    """count: the sequences of a question; columns: their names."""
    kind = task.input_kind
    scripts = scripts_of(kind)
    if scripts is None:
        return None
    raw = () if tokenizer is None else ("tokenizer.js",)
    some = random_questions(kind)
    asked = [some[n:] + some[:n] for n in range(len(some))]
    questions = [row[:count] for row in asked]
    return Answering(
        engine=(*scripts.reading, *raw, "labels.js"),
        body="answers.html",
        scripts=(*scripts.asking, "answers.js"),
        facts=partial(_facts, task, columns, tokenizer),
        questions=questions,
        outputs=OUTPUTS,
        wanted=partial(_wanted, kind, tokenizer, questions),
    )


def _facts(
    task: Classify | Tag,
    columns: list[str],
    tokenizer: Tokenizer | None,
    parts: PageParts,
    model: Any,
) -> dict[str, Any]:
    assert isinstance(model, Classifier | Tagger)
    facts: dict[str, Any] = {
        "labels": task.labels,
        "columns": columns,
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
    if tokenizer is not None:
        facts["tokenizer"] = _tokenizer(tokenizer, parts, model.tokenizer)
    return facts


def _tokenizer(tokenizer: Tokenizer, parts: PageParts, model: Any) -> dict[str, Any]:
    assert isinstance(model, Tagger)
    return {
        "vocabulary": tokenizer.vocabulary.to_dict(),
        **tokenizer.splits._asdict(),
        "longest": LONGEST,
        "window": WINDOW,
        "margin": MARGIN,
        "inputs": parts.inputs(model.encoder.inputs),
        "stack": parts.stack(model.encoder.recurrent),
        "output": parts.linear("characters output", model.output),
    }


@torch.no_grad()
def _wanted(
    kind: InputKind, tokenizer: Tokenizer | None, questions: list[list[Any]], model: nn.Module
) -> NDArray[Any]:
    """Logits of each question or pair, or emissions (T, L) of its steps, and of its characters."""
    found = []
    for question in questions:
        batches = tuple(
            in_precision_of(model, kind.collate([as_read(kind, one)])) for one in question
        )
        if isinstance(model, Classifier):
            found.append(model(batches))
            continue
        assert isinstance(model, Tagger)
        found.append(model(batches[0])[0, : int(batches[0].lengths[0])])
        if tokenizer is not None and model.tokenizer is not None:
            characters = tokenizer.encode(question[0])
            found.append(model.tokenizer(pad([characters]))[0, : len(characters)])
    return np.concatenate([one.numpy().ravel() for one in found])
