"""Attribution of a prediction to steps: gradient times input, and occlusion."""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sunhwan.errors import UsageError
from sunhwan.inspection.subjects import (
    Observation,
    Passage,
    Subject,
)
from sunhwan.layers import Look

Values = npt.NDArray[np.float64]

TOGETHER = 64
"""Copies of a passage, each without one step, that are read side by side."""


class Attribution(NamedTuple):
    """Attribution of one prediction of a passage to each of T steps.

    pieces, labels: of the steps. predicted: what it was a prediction of, probability: how likely that
    was. gradient_x_input, occlusion: (T), in nats; positive where the step made it likelier; 0 where
    the step comes after the prediction.
    """

    pieces: tuple[str, ...]
    labels: tuple[str, ...]
    predicted: str
    probability: float
    gradient_x_input: Values
    occlusion: Values


def attribute(subject: Subject, passage: Passage, *, prediction: int = -1) -> Attribution:
    r"""The part of each step's input x_t in log p of one of the passage's predictions.

    .. math:: \text{gradient × input}_t = \sum_D x_t \odot \partial \log p / \partial x_t, \qquad
              \text{occlusion}_t = \log p - \log p \,|_{x_t = \bar x}

    The first says how log p would change as x_t grew, in one pass for all steps (Denil, Demiraj and
    de Freitas 2014; Li, Chen, Hovy and Jurafsky 2016); where p is sure of itself it is nearly 0. The
    second reads the passage once for each step, with its input replaced by x̄: the mean of the
    embedding's rows or, where steps are no tokens, of the passage.

    prediction: its place among `subject.predicted(passage)`. UsageError where there is none such.
    """
    names = subject.predicted(passage)
    if not -len(names) <= prediction < len(names):
        raise UsageError(
            f"there is no prediction {prediction}: the model makes {len(names)} of this passage"
        )
    place = prediction % len(names)
    steps, name = len(passage.labels), names[place]
    pieces, labels = passage.pieces, passage.labels
    # What comes after the prediction has no part in it.
    passage, place = subject.until(passage, place)
    width = subject.own_width
    seen, x, gradient = _by_gradient(subject, passage, place, width)
    if not bool(seen.real[0, place]):
        raise UsageError(f"the model does not know {name!r}, and so cannot predict it")
    log_p = -float(seen.losses[0, place].detach())
    stack = seen.runs[subject.main]
    both = subject.recurrents[subject.main].bidirectional
    reach = len(passage.labels) if both else int(stack.places[0, place]) + 1
    mean = subject.mean_input(x)
    shown, hidden = np.zeros((2, steps))
    shown[:reach] = gradient[:reach]
    for start in range(0, reach, TOGETHER):
        some = range(start, min(start + TOGETHER, reach))
        found = subject.log_p_without(passage, some, mean, place, stack)
        hidden[some.start : some.stop] = log_p - found.double().cpu().numpy()
    return Attribution(pieces, labels, name, math.exp(log_p), shown, hidden)


def _by_gradient(
    subject: Subject, passage: Passage, place: int, width: int | None
) -> tuple[Observation, Tensor, Values]:
    """What was seen, the first columns of what each step read (T, width), and their gradient × input."""
    reads: list[Tensor] = []

    def note(x: Tensor) -> Tensor:
        reads.append(x)
        return x

    with torch.enable_grad():
        seen = subject.observe([passage], Look.STATES, edit=note, last=place == -1)
        slopes = torch.autograd.grad(
            -seen.losses[0, place], reads, allow_unused=True, materialize_grads=True
        )
    # An encoder reads a second text in a call of its own: that is behind the passage's steps.
    T = len(passage.labels)
    x = torch.cat([x.detach()[0, :, :width] for x in reads])[:T]
    slope = torch.cat([slope[0, :, :width] for slope in slopes])[:T]
    return seen, x, (x * slope).sum(-1).double().cpu().numpy()
