"""Chosen predictions: the most surprising one, a sure one and the last, with their attribution."""

from collections.abc import Sequence
from typing import NamedTuple

import torch

from sunhwan.errors import UsageError
from sunhwan.inspection.measures.attribution import Attribution, attribute
from sunhwan.inspection.progress import Progress, no_progress
from sunhwan.inspection.subjects import Passage, Subject
from sunhwan.layers import Look


class ChosenPrediction(NamedTuple):
    """A prediction and what mattered for it.

    kind: "surprising", "sure" or "last". place: the step at which what was predicted stands, None
    where it is no step of the passage.
    """

    kind: str
    where: str
    place: int | None
    attribution: Attribution


def choose_predictions(
    subject: Subject, passages: Sequence[Passage], *, progress: Progress = no_progress
) -> tuple[ChosenPrediction, ...]:
    """What mattered for three predictions of the passages; UsageError when nothing is predicted."""
    with torch.no_grad():
        seen = subject.observe(passages, Look.STATES)
    losses, real = seen.losses.double(), seen.real.clone()
    if real[:, subject.warm_up :].any():
        real[:, : subject.warm_up] = False
    if not real.any():
        raise UsageError("the model predicts nothing in this text")
    rows, places = real.nonzero(as_tuple=True)
    found = losses[rows, places]
    # That a blank follows a blank is sure, and says little.
    blank = torch.tensor([
        subject.predicts_blank(passages[row], place)
        for row, place in zip(rows.tolist(), places.tolist(), strict=True)
    ])  # fmt: skip
    three = {
        "surprising": int(found.argmax()),
        "sure": int(found.masked_fill(blank, torch.inf).argmin()),
        "last": len(found) - 1,
    }
    results = []
    for number, (kind, which) in enumerate(three.items()):
        passage, place = passages[int(rows[which])], int(places[which])
        attribution = attribute(subject, passage, prediction=place)
        results.append(
            ChosenPrediction(kind, passage.where, subject.step_predicted(place), attribution)
        )
        progress((number + 1) / len(three))
    return tuple(results)
