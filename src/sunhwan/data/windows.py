"""A stretch of a series as a network reads it: without its season, its level and its unit."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sunhwan.data.slots import Slots


class Stretch(NamedTuple):
    """The steps before an origin, and where the future would be if nothing changed.

    read: (c, 2) float64, the deseasonalised values' distance from the last of them and their change
    at each step, in units of `scale`. repeated: (H,), the last deseasonalised value with the season
    put back: a future y is learned as (y − repeated) / scale.
    scale: the mean of |x_t − x_{t−m}| over the c steps, 0 where each repeats the one a season before.
    """

    read: NDArray[np.float64]
    repeated: NDArray[np.float64]
    scale: float


def stretch(
    history: NDArray[np.float64],
    season: int,
    horizon: int,
    usual: float | None = None,
    slots: Slots | None = None,
) -> Stretch:
    """The last m + c values before an origin, m = season, c ≥ 1 → what a network reads of them.

    The season is removed and the rest divided by a scale of the stretch itself, as Smyl (2020) and
    Salinas et al. (2020) do, but by fixed rules: nothing is to be learned of a series before it is
    read, and the forecast of a x + b, a > 0, is a times that of x, plus b. Where values are missing
    (NaN), `filled` stands in for them, and the scale is that of the others.

    usual: the mean of |x_t − x_{t−m}| over all of the series up to the origin. The scale is then drawn
    to it as if it were so many steps more, so that neither a quiet stretch nor a young series has a
    scale near 0; None: the scale is that of the stretch alone.

    slots: those of the m + c + H rows, on which the season is counted; None: on the rows themselves.
    """
    m, L = season, len(history)
    steps = seasonal_steps(history, m, slots)
    known = steps[~np.isnan(steps)]
    scale = float(known.mean()) if len(known) else 0.0
    if usual is not None:
        scale = (len(known) * scale + DRAWN * usual) / (len(known) + DRAWN)
    at = slots.at if slots else np.arange(L + horizon)
    until = int(at[:L].max()) + 1
    grid = slots.grid(history, min(int(at.min()), until - m), until) if slots else history
    if np.isnan(grid).any():
        grid = filled(grid, m)
        history = np.where(np.isnan(history), grid[at[:L] - until], history)
    profile = seasonal_profile(grid[len(grid) % m :].reshape(-1, m))
    season_of = profile[(at - until) % m]
    z = history - season_of[:L]
    read = np.stack((z[m:] - z[-1], np.diff(z)[m - 1 :]), 1) / (scale or 1.0)
    return Stretch(read, z[-1] + season_of[L:], scale)


DRAWN = 12
"""As how many steps the usual scale of a series counts beside those of a stretch."""


def filled(values: NDArray[np.float64], season: int) -> NDArray[np.float64]:
    """Fill what is missing on the line between its neighbours, with the season's mean deviation.

    Before the first value and after the last the line is level; where there is no value it is 0.
    """
    missing = np.isnan(values)
    if missing.all():
        return np.zeros(len(values))
    known = np.flatnonzero(~missing)
    places = np.arange(len(values))
    line = np.interp(places, known, values[known])
    kernel = np.ones(season) / season
    level = np.convolve(
        np.pad(line, (season // 2, season - 1 - season // 2), "edge"), kernel, "valid"
    )
    beside = np.where(missing, 0.0, values - level)
    counts = np.bincount(places % season, ~missing, season)
    profile = np.bincount(places % season, beside, season) / np.maximum(counts, 1)
    profile -= profile[counts > 0].mean()
    season_of = np.where(counts > 0, profile, 0.0)[places % season]
    flat = np.interp(places, known, (values - season_of)[known])
    return np.where(missing, flat + season_of, values)


def seasonal_profile(seasons: NDArray[np.float64]) -> NDArray[np.float64]:
    """(k, m), k seasons one a row → (m,): how far each place in a season lies from its mean.

    The mean over the seasons, less the slope from the first season's mean to the last one's.
    """
    k, m = seasons.shape
    means = seasons.mean(1)
    slope = (means[-1] - means[0]) / max((k - 1) * m, 1)
    found: NDArray[np.float64] = (
        seasons.mean(0) - means.mean() - slope * (np.arange(m) - (m - 1) / 2)
    )
    return found


def seasonal_naive(
    history: NDArray[np.float64], season: int, horizon: int, slots: Slots | None = None
) -> NDArray[np.float64]:
    """The last season again and again, (H,): what every forecast is compared with.

    Where a value of it is missing, the last one known at that place of a season, else the last one.
    slots: those of the rows and of the H after them, on which the season is counted; None: on rows.
    """
    L = len(history)
    if not slots and not np.isnan(history[-season:]).any():
        found: NDArray[np.float64] = history[L - season + np.arange(horizon) % season]
        return found
    places = (slots.at[: L + horizon] if slots else np.arange(L + horizon)) % season
    known = np.flatnonzero(~np.isnan(history))
    last = np.full(season, history[known[-1]] if len(known) else 0.0)
    last[places[known]] = history[known]
    return last[places[L:]]


def seasonal_steps(
    values: NDArray[np.float64], season: int, slots: Slots | None = None
) -> NDArray[np.float64]:
    """|x_t − x_{t−m}| of each row, (T,): NaN where one of the two is missing.

    slots: of the rows at least, on which the season is counted; None: on the rows themselves.
    """
    if slots:
        at = slots.at[: len(values)]
        first = int(at.min(initial=0)) - season
        before = slots.grid(values, first, int(at.max(initial=0)))[at - season - first]
    else:
        before = np.full(len(values), np.nan)
        before[season:] = values[: max(len(values) - season, 0)]
    return np.abs(values - before)


def naive_error(values: NDArray[np.float64], season: int, slots: Slots | None = None) -> float:
    """The mean of |x_t − x_{t−m}|, by which MASE divides (Hyndman and Koehler 2006).

    0 where each value repeats the one a season before or there are no two to compare: MASE is not
    defined there.
    """
    steps = seasonal_steps(values, season, slots)
    steps = steps[~np.isnan(steps)]
    return float(steps.mean()) if len(steps) else 0.0


def usual_scales(
    values: NDArray[np.float64], season: int, slots: Slots | None = None
) -> NDArray[np.float64]:
    """The mean of |x_t − x_{t−m}| before each origin 0 … T, (T + 1,): nothing from it on counts.

    With fewer than two values a season apart, that of neighbours; 0 without any.
    """
    means, counts = _means_before(seasonal_steps(values, season, slots))
    neighbours, _ = _means_before(seasonal_steps(values, 1))
    return np.where(counts > 0, means, neighbours)


def _means_before(
    steps: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The mean of the steps before each origin 0 … T, and of how many it is."""
    counts = np.concatenate(([0], np.cumsum(~np.isnan(steps))))
    sums = np.concatenate(([0.0], np.cumsum(np.nan_to_num(steps))))
    return sums / np.maximum(counts, 1), counts


def past_seasons(
    values: NDArray[np.float64],
    origin: int,
    context: int,
    horizon: int,
    season: int,
    longer: int,
    slots: Slots | None = None,
) -> NDArray[np.float64]:
    """What stood a longer season before each step from origin − c to origin + H, (c + H,).

    Each value is the distance from the last deseasonalised one before the place that the origin has
    there, as a future is learned; the mean over up to three longer seasons, NaN where none is known.
    slots: those of the T rows at least, on which seasons are counted; None: on the rows themselves.
    """
    if slots:
        at = slots.at[origin - context : origin + horizon]
        now, first = int(slots.at[origin]), int(at.min())
        c, H = now - first, int(at.max()) + 1 - now
        begin = max(first - season - (-(-H // longer) + 2) * longer, int(slots.at[0]))
        row = max(
            origin - (now - begin) - 2 * slots.day, 0
        )  # where no slot from begin on is before
        past = slots.part(row, origin).grid(values[row:origin], begin, now)
        return past_seasons(past, now - begin, c, H, season, longer)[at - first]
    back = -(-horizon // longer) * longer
    found = []
    for times in range(3):
        shift = back + times * longer
        start = origin - context - shift
        if start - season < 0:
            break
        part = values[start - season : origin - shift + horizon]
        if np.isnan(part).any():
            part = filled(part, season)
        until = season + context
        whole = part[until % season : until].reshape(-1, season)
        profile = seasonal_profile(whole)
        z = part - profile[(np.arange(len(part)) - until) % season]
        found.append((z - z[until - 1])[season:])
    return np.mean(found, 0) if found else np.full(context + horizon, np.nan)
