"""Gradient flow: the gradient of a prediction's loss with respect to every state before it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from sunhwan.inspection.progress import Progress, no_progress
from sunhwan.inspection.subjects import Observation, Passage, Subject
from sunhwan.layers import Look, Recurrent, Traced, joined, observing
from sunhwan.layers.spectra import DIRECTIONS

Norms = np.ndarray
"""float64, NaN where there is nothing to measure."""

LEAD = 100
"""Steps that are read before the earliest state that is looked at, so that it is one of many."""
ROWS = 16
"""Windows at once: every step of theirs is in memory."""
CANDIDATES = 4
"""Windows for each one that is drawn."""
FORGOTTEN = 0.01
"""The share of its start under which a gradient counts as gone."""


class FlowCurve(NamedTuple):
    """‖∂L/∂field_{t−k}‖₂ of one field of one layer's state, k steps before the step t that predicts.

    norms: (windows, lags + 1), NaN where a row was shorter. median, low, high: (lags + 1), of them
    the median and the quartiles. start: the median's first value that is not 0; 0 where there is
    none. horizon: the first lag from which on the median stays under 1 % of its start; None where
    it does not within the lags that were measured.
    """

    stack: str
    layer: int
    direction: str
    field: str
    norms: Norms
    median: Norms
    low: Norms
    high: Norms
    start: float
    horizon: int | None

    @classmethod
    def of(cls, stack: str, layer: int, direction: str, field: str, norms: Norms) -> Self:
        """The curve with what follows from its norms."""
        low, median, high = np.full((3, norms.shape[1]), np.nan)
        known = ~np.isnan(norms).all(0)
        if known.any():
            low[known], median[known], high[known] = np.nanquantile(
                norms[:, known], (0.25, 0.5, 0.75), 0
            )
        start = float(median[median > 0][0]) if (median > 0).any() else 0.0
        reach = horizon(median, start)
        return cls(stack, layer, direction, field, norms, median, low, high, start, reach)


class Flow(NamedTuple):
    """The curves of every stack, layer, direction and field; lags; how many windows were read."""

    curves: list[FlowCurve]
    lags: int
    windows: int


def gradient_flow(
    subject: Subject,
    passages: Sequence[Passage],
    *,
    lags: int = 100,
    count: int = 64,
    seed: int = 1,
    progress: Progress = no_progress,
) -> Flow:
    r"""∂L/∂state_{t−k} for k = 0 … lags, over windows of text (Pascanu et al. 2013).

    L is the loss of a window's last prediction, t the step whose output makes it. By the chain rule

    .. math:: \frac{\partial L}{\partial s_{t-k}} = \frac{\partial L}{\partial s_t}
              \prod_{j=t-k+1}^{t} \frac{\partial s_j}{\partial s_{j-1}}

    so the curve falls as fast as the product of Jacobians shrinks. Each field of a state is taken
    apart from the others, as the next step reads it: c of an LSTM has no part in its own step's h,
    and so 0 at lag 0.

    A backward direction counts its lags the other way, from the start of the row; in a tagger, whose
    predictions are made at the steps, it is then the loss of the first one. In an encoder lags count
    from the row's end, wherever a pooling looks.

    count: windows, drawn with the seed; each has `lags` + 101 steps where the passages are as long.
    """
    found = subject.windows(passages, lags + LEAD + 1, CANDIDATES * count)
    found = [window for window in found if len(window.labels) >= subject.steps_to_predict]
    drawn = torch.randperm(len(found), generator=torch.Generator().manual_seed(seed))[:count]
    windows = [found[k] for k in drawn.tolist()]
    parts: dict[tuple[str, int, str, str], list[Norms]] = {}
    for start in range(0, len(windows), ROWS):
        for key, norms in _of_batch(subject, windows[start : start + ROWS], lags):
            parts.setdefault(key, []).append(norms)
        progress(min((start + ROWS) / len(windows), 1.0))
    curves = [FlowCurve.of(*key, np.concatenate(norms)) for key, norms in parts.items()]
    return Flow(curves, lags, len(windows))


def flow_of(
    recurrent: Recurrent, losses: Callable[[], Tensor], *, lags: int, stack: str = "recurrent"
) -> list[FlowCurve]:
    """The same of any network: losses runs it once, on rows of one length, → the loss (N) of each
    row's last step."""
    with observing(recurrent, Look.STEPS) as calls, torch.enable_grad():
        found = losses()
    _, traced = joined(calls)
    at = torch.full((len(found),), len(traced.steps[0]) - 1)
    return [
        FlowCurve.of(stack, *where, lagged(norms, at, lags))
        for where, norms in step_gradients(recurrent, traced, found)
    ]


def step_gradients(
    recurrent: Recurrent, traced: Traced, losses: Tensor, directions: Iterable[str] = DIRECTIONS
) -> Iterator[tuple[tuple[int, str, str], Norms]]:
    """Losses (N), a row each → layer, direction and field, ‖∂L_n/∂field‖₂ (N, T).

    The steps are in the order of reading. traced: with `Look.STEPS`. The graph is kept.
    """
    wanted = [
        (divmod(i, recurrent.directions), steps)
        for i, steps in enumerate(traced.steps)
        if DIRECTIONS[i % recurrent.directions] in directions
    ]
    states = [field for _, steps in wanted for state in steps for field in state]
    # A row's loss depends on that row alone: the gradient of the sum holds every row's own.
    gradients = iter(
        torch.autograd.grad(
            losses.sum(), states, retain_graph=True, allow_unused=True, materialize_grads=True
        )
    )
    for (layer, direction), steps in wanted:
        norms = [[next(gradients).double().norm(dim=1) for _ in state] for state in steps]
        for field, over_time in zip(steps[0]._fields, zip(*norms, strict=True), strict=True):  # type: ignore[attr-defined]
            values = torch.stack(over_time, 1).cpu().numpy()
            yield (layer, DIRECTIONS[direction], field), values


def lagged(norms: Norms, at: Tensor, lags: int) -> Norms:
    """norms (N, T), each row's step `at` (N) → (N, lags + 1): lag k is step at − k; NaN before 0."""
    steps = at.cpu().numpy()[:, None] - np.arange(lags + 1)
    found = np.take_along_axis(norms, steps.clip(0, norms.shape[1] - 1), 1)
    found[steps < 0] = np.nan
    return found


def horizon(median: Norms, start: float) -> int | None:
    """The first lag from which on a curve stays under 1 % of its start; None: not within its lags."""
    if not start:
        return None
    beyond = int(np.flatnonzero(median >= FORGOTTEN * start)[-1]) + 1
    return beyond if beyond < len(median) and not np.isnan(median[beyond]) else None


def _of_batch(
    subject: Subject, windows: Sequence[Passage], lags: int
) -> Iterator[tuple[tuple[str, int, str, str], Norms]]:
    tags = subject.predicts_each_step
    with torch.enable_grad():
        seen = subject.observe(windows, Look.STEPS, last=not tags)
    for name, recurrent in subject.recurrents.items():
        stack = seen.runs[name]
        for direction in DIRECTIONS[: recurrent.directions]:
            losses, at, real = _prediction(seen, name, tags, direction)
            found = step_gradients(recurrent, stack.traced, losses, (direction,))
            for (layer, _, field), norms in found:
                curve = lagged(norms, at, lags)
                curve[~real.cpu().numpy()] = np.nan
                yield (name, layer, direction, field), curve


def _prediction(
    seen: Observation, name: str, tags: bool, direction: str
) -> tuple[Tensor, Tensor, Tensor]:
    """Which prediction a direction is asked about: its losses (N), the step in the order of reading
    at which the direction has read what it has for it (N), and whether there is one (N)."""
    places, lengths = seen.runs[name].places, seen.runs[name].lengths
    real = seen.real
    if not tags:
        return seen.losses[:, -1], places[:, -1], real[:, -1]
    # Some steps of a sentence may have no label.
    column = torch.arange(real.shape[1], device=real.device).expand_as(real)
    last = torch.where(real, column, -1).amax(1)
    first = torch.where(real, column, real.shape[1]).amin(1).clamp(max=real.shape[1] - 1)
    chosen = (last if direction == "forward" else first).clamp(min=0)
    at = chosen if direction == "forward" else lengths - 1 - chosen
    return seen.losses.gather(1, chosen.unsqueeze(1)).squeeze(1), at, real.any(1)
