"""Baseline of forecasting: exponential smoothing, its form chosen by the AICc (Hyndman et al. 2002)."""

import warnings
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sunhwan.data.windows import filled, seasonal_naive

FEWEST, MOST, SEASONS = 8, 500, 4
"""Values that a fit needs, and to how many of the last it is made: at least so many seasons."""


def is_installed() -> bool:
    """Whether statsforecast, of which AutoETS is, can be imported."""
    return find_spec("statsforecast") is not None


class Smoothing:
    """AutoETS of one series, asked from one origin after another.

    It is fitted to what lies before the first origin, and anew whenever that has doubled; between, the
    fitted model is carried on over the values that came. Values that are missing are filled (`filled`).
    """

    def __init__(self, values: NDArray[np.float64], season: int) -> None:
        """values: (T,), NaN where one is missing. season: in steps, 1 for none."""
        self.values, self.season = values, season
        self._fitted: Any = None
        self._start = self._origin = 0

    def forecast(self, origin: int, horizon: int) -> NDArray[np.float64]:
        """The mean of the steps from an origin on, (H,); of fewer than 8 values the seasonal naive."""
        if np.isfinite(self.values[:origin]).sum() < FEWEST:
            return seasonal_naive(self.values[:origin], min(self.season, origin), horizon)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            if self._fitted is None or origin >= 2 * self._origin:
                self._fit(origin)
            past = filled(self.values[self._start : origin], self.season)
            return np.asarray(self._fitted.forward(past, h=horizon)["mean"], np.float64)

    def _fit(self, origin: int) -> None:
        from statsforecast.models import AutoETS

        self._origin = origin
        self._start = max(0, origin - max(MOST, SEASONS * self.season))
        past = filled(self.values[self._start : origin], self.season)
        self._fitted = AutoETS(season_length=self.season).fit(past)
