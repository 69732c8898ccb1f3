"""A stretch of a series as a network reads it: without its season, its level and its unit."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


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


def stretch(history: NDArray[np.float64], season: int, horizon: int) -> Stretch:
    """The last m + c values before an origin, m = season, c ≥ 1 → what a network reads of them.

    The season is removed and the rest divided by a scale of the stretch itself, as Smyl (2020) and
    Salinas et al. (2020) do, but by fixed rules: nothing is to be learned of a series before it is
    read, and the forecast of a x + b, a > 0, is a times that of x, plus b.
    """
    m, L = season, len(history)
    profile = seasonal_profile(history[L % m :].reshape(-1, m))
    season_of = profile[(np.arange(L + horizon) - L) % m]
    z = history - season_of[:L]
    scale = float(np.abs(history[m:] - history[:-m]).mean())
    read = np.stack((z[m:] - z[-1], np.diff(z)[m - 1 :]), 1) / (scale or 1.0)
    return Stretch(read, z[-1] + season_of[L:], scale)


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


def seasonal_naive(history: NDArray[np.float64], season: int, horizon: int) -> NDArray[np.float64]:
    """The last season again and again, (H,): what every forecast is compared with."""
    found: NDArray[np.float64] = history[len(history) - season + np.arange(horizon) % season]
    return found


def naive_error(values: NDArray[np.float64], season: int) -> float:
    """The mean of |x_t − x_{t−m}|, by which MASE divides (Hyndman and Koehler 2006).

    1 where that is 0, so that of a series that repeats itself MASE is MAE.
    """
    return float(np.abs(values[season:] - values[:-season]).mean()) or 1.0
