"""Gradient clipping and gradient norms over training, from a run's log."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sunhwan.errors import UsageError
from sunhwan.store.run import Run, has_numbers

POINTS = 100

Values = npt.NDArray[np.float64]


class Clipping(NamedTuple):
    """The gradient's norm over training, in at most 100 stretches of as many steps each.

    ends: the last step of each. low, median, high: the least, middle and largest norm of those of
    its steps that were logged. share: of its steps, how many were clipped, 0 … 1. limit: the norm
    above which a gradient is clipped; None: there is none. clipped: how many steps were, of `steps`.
    """

    ends: npt.NDArray[np.int64]
    low: Values
    median: Values
    high: Values
    share: Values
    limit: float | None
    clipped: int
    steps: int


def clipping(run: Run) -> Clipping:
    """What a run's log says of its gradients; UsageError when it tells of no step."""
    norms: dict[int, float] = {}
    cut = []
    for event in run.events():
        if not has_numbers(event, "step"):
            continue
        if event["event"] == "step" and has_numbers(event, "grad_norm"):
            norms[event["step"]] = event["grad_norm"]
        elif event["event"] == "clip":
            cut.append(event["step"])
    if not norms:
        raise UsageError(f"the log of {run.folder} tells of no training step")
    last = max([*norms, *cut])
    borders = np.unique(np.linspace(0, last, POINTS + 1).round().astype(np.int64))
    logged = np.array(sorted(norms))
    values = np.array([norms[step] for step in logged.tolist()])
    stretches = [
        (end, values[(logged > start) & (logged <= end)], start)
        for start, end in pairwise(borders.tolist())
    ]
    stretches = [(end, inside, start) for end, inside, start in stretches if len(inside)]
    clips = np.array(cut, dtype=np.int64)
    share = [((clips > s) & (clips <= e)).sum() / (e - s) for e, _, s in stretches]
    return Clipping(
        np.array([end for end, *_ in stretches]),
        np.array([inside.min() for _, inside, _ in stretches]),
        np.array([np.median(inside) for _, inside, _ in stretches]),
        np.array([inside.max() for _, inside, _ in stretches]),
        np.array(share),
        run.config().training.clip_norm or None,
        len(cut),
        last,
    )
