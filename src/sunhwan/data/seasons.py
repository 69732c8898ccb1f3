"""Seasons found in the values: which lags repeat, by autocorrelation."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from sunhwan.data.windows import filled

LONGEST = 400
"""Steps of a season that is searched for where the calendar suggests none."""

_SERIES = 50
"""How many series are asked, spread over all."""

_CLEAR, _LONGER = 0.3, 0.15
"""Autocorrelations from which a season is believed: one that is searched for, one of the calendar."""


def found_season(series: Sequence[NDArray[np.float64]]) -> int | None:
    """The lag at which the changes of the series repeat best, None where none does clearly.

    Changes from step to step, not values, so that a trend or a random walk is no season.
    """
    some = [np.diff(filled(x, 1)) for x in _spread(series) if (~np.isnan(x)).sum() > 8]
    some = [x for x in some if x.std() > 0]
    if not some:
        return None
    most = min(LONGEST, int(np.median([len(x) for x in some])) // 4)
    lags = np.arange(1, most + 2)
    total = np.nanmean([_autocorrelation(x, lags) for x in some], 0)
    length = sum(map(len, some))
    clear = max(_CLEAR, 3 / np.sqrt(length))
    peaks = [
        lag
        for lag in range(2, most + 1)
        if total[lag - 1] > clear and total[lag - 1] >= max(total[lag - 2], total[lag])
    ]
    if not peaks:
        return None
    best = max(total[lag - 1] for lag in peaks)
    # Multiples of a season repeat as well: the shortest of those that are nearly as good.
    return next(lag for lag in peaks if total[lag - 1] > 0.85 * best)


def found_longer(
    series: Sequence[NDArray[np.float64]], season: int, cycles: Mapping[str, float]
) -> tuple[int, ...]:
    """Which cycles of a calendar, longer than the season and gone through twice, repeat in the series."""
    found = []
    for steps in cycles.values():
        lag = round(steps)
        if lag % season and lag > 2 * season:
            lag = season * round(steps / season)
        long = [
            x for x in _spread(series) if len(x) >= 2 * lag + season and (~np.isnan(x)).sum() > lag
        ]
        if lag < 1.5 * season or not long:
            continue
        # Without the season, a value's distance from that a season before is what is left to repeat.
        left = [_without(filled(x, season), season, lag) for x in long]
        values = [_autocorrelation(x, np.array([lag]))[0] for x in left if x.std() > 0]
        least = max(_LONGER, 3 / np.sqrt(sum(map(len, left))))
        if values and np.nanmean(values) > least:
            found.append(lag)
    return tuple(found)


def _without(values: NDArray[np.float64], season: int, longer: int) -> NDArray[np.float64]:
    """The values less the mean of their season and of the last season, and without a slow level."""
    profile = np.array([values[place::season].mean() for place in range(season)])
    rest = values - profile[np.arange(len(values)) % season]
    kernel = np.ones(longer) / longer
    level = np.convolve(
        np.pad(rest, (longer // 2, longer - 1 - longer // 2), "edge"), kernel, "valid"
    )
    found: NDArray[np.float64] = rest - level
    return found


def _autocorrelation(x: NDArray[np.float64], lags: NDArray[np.int64]) -> NDArray[np.float64]:
    centred = x - x.mean()
    total = float(centred @ centred)
    return np.array(
        [centred[lag:] @ centred[:-lag] / total if lag < len(x) else np.nan for lag in lags]
    )


def _spread(series: Sequence[NDArray[np.float64]]) -> Sequence[NDArray[np.float64]]:
    return series[:: -(-len(series) // _SERIES)] if series else series
