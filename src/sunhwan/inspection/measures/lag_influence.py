"""Lags of a forecast: how far its median moves with each value of the past, and what it reads matters."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from sunhwan.errors import UsageError
from sunhwan.inspection.progress import Progress, no_progress
from sunhwan.inspection.subjects import ForecasterSubject, Passage, Subject
from sunhwan.layers import Look
from sunhwan.models.forecaster import MEDIAN
from sunhwan.tasks.forecast.tracks import Window

Values = npt.NDArray[np.float64]

MOVED = 0.05
"""How far a value is moved each way, in units of its window's scale."""
TOGETHER = 64
"""Copies of a window, each with one value moved, that are read side by side."""


class LagInfluence(NamedTuple):
    """Influence of the past on a forecast.

    season: steps of one. ahead: (A,), steps of the horizon, from 1. lags: (K,), 1 is the last value.
    slopes: (A, K), the mean over windows of ∂median_{t+h} / ∂y_{t+1−k}, in units of the series; sizes:
    the same of its absolute value. inputs: by what is read beside the series, its share of the loss:
    how much the loss rises where it is that of another window. windows: how many were asked.
    """

    season: int
    ahead: tuple[int, ...]
    lags: tuple[int, ...]
    slopes: Values
    sizes: Values
    inputs: dict[str, float]
    windows: int


def lag_influence(
    subject: Subject,
    passages: Sequence[Passage],
    *,
    count: int = 16,
    progress: Progress = no_progress,
) -> LagInfluence:
    r"""The slope of the median by each value that the network and the seasonal profile read.

    .. math:: \frac{\partial \hat y_{t+h}}{\partial y_{t+1-k}} \approx
              \frac{\hat y_{t+h}(y_{t+1-k} + \delta) - \hat y_{t+h}(y_{t+1-k} - \delta)}{2 \delta}

    The value moves the level, the season, the scale and what the network reads, all at once, so the
    seasonal naive would have 1 at one lag and 0 elsewhere. Central differences, for the scale is no part
    of PyTorch's graph; δ is a twentieth of it. Values farther back, of longer seasons, are not moved.

    UsageError for a model that forecasts nothing, or where no window has a scale.
    """
    forecaster = subject.as_forecaster()
    if forecaster is None:
        raise UsageError("lags are those of a model that forecasts series")
    some = forecaster.windows(passages, 0, 4 * count)
    some = [p for p in some if _scale(forecaster, p.given.window)]
    some = some[:: -(-len(some) // count)] if some else []
    if not some:
        raise UsageError("no value changes in these windows: there are no slopes to see")
    horizon, season = forecaster.task.horizon, forecaster.task.season
    ahead = tuple(sorted({1, (horizon + 1) // 2, horizon}))
    longest = max(p.given.window.context for p in some) + season
    found = np.full((len(some), len(ahead), longest), np.nan)
    for place, passage in enumerate(some):
        slopes = _slopes(forecaster, passage.given.window)[:, [h - 1 for h in ahead]]
        found[place, :, : len(slopes)] = slopes.T
        progress((place + 1) / len(some))
    known = ~np.isnan(found).all((0, 1))
    found = found[..., known]
    lags = tuple((np.flatnonzero(known) + 1).tolist())
    return LagInfluence(
        season,
        ahead,
        lags,
        np.nanmean(found, 0),
        np.nanmean(np.abs(found), 0),
        _inputs(forecaster, passages),
        len(some),
    )


def _scale(subject: ForecasterSubject, window: Window) -> float:
    return window.stretch(subject.task.season).scale


def _slopes(subject: ForecasterSubject, window: Window) -> Values:
    """∂ median (K, H) by lag; NaN at a value that is missing."""
    task, track, origin = subject.task, window.track, window.origin
    step = MOVED * _scale(subject, window)
    lags = np.arange(1, window.context + task.season + 1)
    found = np.full((len(lags), task.horizon), np.nan)
    asked = [k for k in lags.tolist() if not np.isnan(track.values[origin - k])]
    for start in range(0, len(asked), TOGETHER // 2):
        some = asked[start : start + TOGETHER // 2]
        moved = []
        for k in some:
            for sign in (1, -1):
                values = track.values.copy()
                values[origin - k] += sign * step
                moved.append(window._replace(track=replace(track, values=values)))
        medians = task.quantiles(moved)[0][..., MEDIAN]
        found[[k - 1 for k in some]] = (medians[::2] - medians[1::2]) / (2 * step)
    return found


def _inputs(subject: ForecasterSubject, passages: Sequence[Passage]) -> dict[str, float]:
    """The rise of the loss where a part of what is read is that of another window, by its name.

    None where that is the series alone.
    """
    some = subject.windows(passages, 0, 256)
    length = max(passage.given.steps for passage in some)
    some = [passage for passage in some if passage.given.steps == length]
    if len(some) < 2:
        return {}
    whole = torch.stack([passage.given.inputs[0] for passage in some])
    other = whole.roll(max(len(some) // 2, 1), 0)

    def loss(inputs: torch.Tensor) -> float:
        given = [
            passage._replace(given=passage.given._replace(inputs=(row,)))
            for passage, row in zip(some, inputs, strict=True)
        ]
        with torch.no_grad():
            seen = subject.observe(given, Look.STATES)
        return float(seen.losses.sum() / seen.real.sum().clamp(min=1))

    usual = loss(whole)
    found = {}
    for name, columns in subject.task.layout.columns.items():
        mixed = whole.clone()
        mixed[..., columns] = other[..., columns]
        if not torch.equal(mixed, whole) and usual:
            found[name] = loss(mixed) / usual - 1
    return found if len(found) > 1 else {}
