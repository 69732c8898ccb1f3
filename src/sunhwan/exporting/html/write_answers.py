"""A model that answers written as one HTML file, run in Node.js and compared with the model."""

import copy
import json
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import nn

from sunhwan.errors import ConfigError
from sunhwan.exporting.html.encoder_parts import PageParts
from sunhwan.exporting.html.page_parts import (
    Answering,
    foundation,
    framed,
    in_script,
    laid_out,
    node_or_none,
    run_in_node,
    source,
)
from sunhwan.exporting.parity import checked
from sunhwan.tasks import Task

PAGES = {
    "classify": "labels_page:classifier_page",
    "tag": "labels_page:tagger_page",
    "answer": "passage_page:passage_page",
    "forecast": "forecast_page:forecast_page",
    "translate": "encoder_decoder_page:encoder_decoder_page",
    "describe": "encoder_decoder_page:encoder_decoder_page",
}
"""By task; the function that makes the parts of its page, as MODULE:FUNCTION."""


def answering(task: Task) -> Answering | None:
    """What the page of a task is made of; None where there is none. ConfigError says what forbids it."""
    if task.name not in PAGES:
        return None
    module, _, name = PAGES[task.name].partition(":")
    make: Callable[[Any], Answering | None] = getattr(
        import_module(f"sunhwan.exporting.html.{module}"), name
    )
    return make(task)


def answer_page(
    task: Task, page: Answering, title: str, made: str, weights: str
) -> tuple[str, float]:
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
    facts, steps, numbers = _parts(page, kept, weights)
    engine = foundation(facts) + steps + "".join(map(source, ("layers.js", *page.engine)))
    off = _compare(node, page, model, kept, numbers, engine, weights)
    text = framed(
        page.body, title=title, made_by=made, weights=numbers, engine=engine, scripts=page.scripts
    )
    return text, off


@torch.no_grad()
def _round(model: nn.Module) -> None:
    """Round matrices, and the frequencies of n-grams, to float16."""
    for name, value in [*model.named_parameters(), *model.named_buffers()]:
        if value.is_floating_point() and (value.dim() > 1 or name.endswith("frequency")):
            value.copy_(value.half().float())
            if not bool(value.isfinite().all()):
                raise ConfigError("a weight is too large for fp16: export the page with fp32")


def _parts(page: Answering, model: nn.Module, weights: str) -> tuple[str, str, str]:
    """What is known of the model (JSON), its steps (JavaScript), its weights (`packing`)."""
    parts = PageParts()
    facts = page.facts(parts, model)
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
    page: Answering,
    model: nn.Module,
    kept: nn.Module,
    numbers: str,
    engine: str,
    weights: str,
) -> float:
    """The deviation from the model; the page must be exact in the weights that it keeps."""
    script = f"const WEIGHTS_TEXT = {json.dumps(numbers)};\n{engine}"
    asked = f"{json.dumps(page.questions)}.map({page.outputs.strip()})"
    rows = run_in_node(node, f"{script}\nconsole.log(JSON.stringify({asked}));")
    found = np.array([number for row in rows for number in row], np.float32)
    ours, whole = page.wanted(kept), copy.deepcopy(kept).double()
    off = checked("the page", "its numbers are", found, ours, lambda: page.wanted(whole))
    if weights == "fp32":
        return off
    return checked(
        "the page", "its numbers are", found, page.wanted(model), lambda: None, weights=weights
    )
