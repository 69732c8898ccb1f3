"""Forecasts beside baselines, from the same origins."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sunhwan.baselines.smoothing import Smoothing, is_installed
from sunhwan.tasks.common.results import Baselines
from sunhwan.tasks.forecast.scores import ForecastScores, mase
from sunhwan.tasks.forecast.tracks import Window

MOST = 20
"""Series that AutoETS is fitted to, for each takes a second or more."""


def beside(windows: Sequence[Window], scores: ForecastScores, season: int) -> Baselines | None:
    """The MASE of the seasonal naive and, if statsforecast is installed, of AutoETS.

    scores: the model's, of these windows. None where no series has a MASE.
    """
    if math.isnan(scores.mase):
        return None
    methods, notes = {"seasonal naive": {"mase": scores.naive_mase}}, []
    count = len({id(window.track) for window in windows})
    if is_installed() and count <= MOST:
        methods["AutoETS"] = {"mase": mase(windows, smoothed(windows, season))}
    elif is_installed():
        notes.append(
            f"AutoETS is fitted to each series, and left out where they are more than {MOST}: "
            f"there are {count:,}"
        )
    return Baselines(("mase",), {"mase": scores.mase}, methods, lower=True, notes=tuple(notes))


def smoothed(windows: Sequence[Window], season: int) -> NDArray[np.float64]:
    """Forecasts of exponential smoothing (n, H), each in the unit of its series."""
    found = np.empty((len(windows), windows[0].horizon))
    series: dict[int, Smoothing] = {}
    for place in sorted(range(len(windows)), key=lambda place: windows[place].origin):
        track, origin, _, horizon = windows[place]
        one = series.setdefault(id(track), Smoothing(track.values, season))
        found[place] = one.forecast(origin, horizon)
    return found
