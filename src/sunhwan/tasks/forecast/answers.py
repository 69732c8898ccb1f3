"""Answers of a forecaster: a row for each step of a window, and the panel that shows it."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sunhwan.models.forecaster import MEDIAN, QUANTILES
from sunhwan.tasks.common.results import Answer
from sunhwan.tasks.forecast.tracks import Window


def window_answers(
    windows: Sequence[Window],
    found: NDArray[np.float64],
    scales: NDArray[np.float64],
    time_column: str,
) -> Iterator[Answer]:
    """Of each window all steps, from quantiles (n, H, Q) and scales (n,).

    time_column: what the file calls its times; "": nothing.
    """
    for window, rows, scale in zip(windows, found, scales, strict=True):
        track = window.track
        times = track.times[window.origin : window.origin + len(rows)]
        before = f"{track.name}  " if len(windows) > 1 or track.key else ""
        for time, row in zip(times, rows.tolist(), strict=True):
            median, lower, upper = (_shown(row[q], scale) for q in (MEDIAN, 0, -1))
            values = {
                **dict(track.key),
                "series": track.name,
                "time": time,
                "median": row[MEDIAN],
                "lower": row[0],
                "upper": row[-1],
                "quantiles": dict(zip(map(str, QUANTILES), row, strict=True)),
            }
            cells = (time, track.name, median, lower, upper)
            named = {
                **(dict(track.key) or {"series": track.name}),
                time_column or "time": time,
                **{name: values[name] for name in ("median", "lower", "upper")},
                **values["quantiles"],
            }
            text = f"{before}{time}  {median}  ({lower} … {upper})"
            yield Answer(values, cells, text, named=named)


def panel_of(windows: Sequence[Window], found: NDArray[np.float64], of: int) -> dict[str, Any]:
    """Forecasts of one series of so many, the oldest first, and the values before and around them."""
    track, _, context, horizon = windows[0]
    begin, end = windows[0].origin - context, windows[-1].origin + horizon
    return {
        "series": track.name,
        "of": of,
        "times": list(track.times[begin:end]),
        "actual": [None if v != v else v for v in track.values[begin:end].tolist()],
        "forecasts": [
            {
                "start": window.origin - begin,
                "median": rows[:, MEDIAN].tolist(),
                "lower": rows[:, 0].tolist(),
                "upper": rows[:, -1].tolist(),
            }
            for window, rows in zip(windows, found, strict=True)
        ],
    }


def _shown(value: float, scale: float) -> str:
    """With as many decimals as the scale makes meaningful."""
    decimals = 3 if not scale else min(max(2 - math.floor(math.log10(scale)), 0), 12)
    return f"{value:.{decimals}f}"
