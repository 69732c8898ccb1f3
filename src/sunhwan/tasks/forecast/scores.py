"""Figures of forecasts: of all series together, and of each."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from sunhwan.models.forecaster import MEDIAN, QUANTILES
from sunhwan.tasks.common.results import Listing
from sunhwan.tasks.forecast.tracks import Window


class ForecastScores(NamedTuple):
    """loss: mean pinball loss in the window's scale. mae: mean |y − median|, in the series' unit.
    mase: the same, divided by the mean |x_t − x_{t−m}| of the rows that were learned from (Hyndman
    and Koehler 2006); series that only repeat themselves there have none and are left out, NaN where
    all do. naive_mase: that of repeating the last season. coverage: the share of values in the band
    that should hold 80 % of them. forecasts: from how many origins. smape: the mean of
    200 |y − median| / (|y| + |median|), in percent (M4). crps: that of the quantiles, 2 × pinball, as
    a share of the mean |y|. without_mase: of how many forecasts the MASE is not defined."""

    loss: float
    mae: float
    mase: float
    naive_mase: float
    coverage: float
    forecasts: int
    smape: float = 0.0
    crps: float = 0.0
    without_mase: int = 0

    @classmethod
    def of(
        cls,
        windows: Sequence[Window],
        found: NDArray[np.float64],
        scales: NDArray[np.float64],
        season: int,
    ) -> Self:
        """The figures of quantiles (n, H, Q) in the series' units; scales (n,): of the windows.

        Steps whose value is missing are not counted.
        """
        truth = np.stack([window.future for window in windows])
        naive = np.stack([window.naive(season) for window in windows])
        above = truth[..., None] - found
        levels = np.array(QUANTILES)
        pinball = np.maximum(levels * above, (levels - 1) * above)
        errors = np.abs(above[..., MEDIAN])
        inside = (truth >= found[..., 0]) & (truth <= found[..., -1])
        sizes = np.abs(truth) + np.abs(found[..., MEDIAN])
        known = ~np.isnan(truth)
        return cls(
            loss=_mean(pinball / np.where(scales, scales, 1)[:, None, None], known),
            mae=_mean(errors, known),
            mase=mase(windows, found[..., MEDIAN]),
            naive_mase=mase(windows, naive),
            coverage=_mean(inside, known),
            forecasts=len(windows),
            smape=_mean(200 * errors / np.where(sizes > 0, sizes, 1.0), known),
            crps=2 * _mean(pinball, known) / (_mean(np.abs(truth), known) or 1.0),
            without_mase=sum(window.track.error <= 0 for window in windows),
        )

    @property
    def rank(self) -> float:
        return self.loss

    def to_dict(self) -> dict[str, Any]:
        return {name: None if value != value else value for name, value in self._asdict().items()}

    def summary(self) -> str:
        mase = f"MASE {self.mase:.3f}  seasonal naive {self.naive_mase:.3f}  "
        return (
            f"loss {self.loss:.4f}  MAE {self.mae:.4g}  {'' if math.isnan(self.mase) else mase}"
            f"sMAPE {self.smape:.2f} %  coverage {self.coverage:.2f}"
        )

    def table(self) -> list[tuple[str, str]]:
        without = f" (not of {self.without_mase:,} forecasts)" if self.without_mase else ""
        return [
            ("MASE", f"{_shown(self.mase, 4)}{without}"),
            ("MASE of the seasonal naive", _shown(self.naive_mase, 4)),
            ("sMAPE", f"{self.smape:.3f} %"),
            ("CRPS", f"{self.crps:.4f} (share of the mean size)"),
            ("MAE", f"{self.mae:.5g}"),
            ("coverage of the 80 % band", f"{self.coverage:.3f}"),
            ("loss", f"{self.loss:.4f} (pinball, scaled)"),
            ("forecasts", f"{self.forecasts:,}"),
        ]


def _shown(figure: float, decimals: int) -> str:
    return "–" if math.isnan(figure) else f"{figure:.{decimals}f}"


def mase(windows: Sequence[Window], found: NDArray[np.float64]) -> float:
    """The MASE of forecasts (n, H) in the series' units; NaN where no series has one."""
    truth = np.stack([window.future for window in windows])
    unit = np.array([[window.track.error] for window in windows])
    errors = np.abs(truth - found) / np.where(unit > 0, unit, 1.0)
    return _mean(errors, ~np.isnan(truth) & (unit > 0))


def _mean(values: NDArray[Any], known: NDArray[np.bool_]) -> float:
    """The mean over the steps that are known; NaN without one."""
    if known.all():
        return float(values.mean())
    return float(values[known].mean()) if known.any() else math.nan


MOST_LISTED = 20
"""Series in a listing; of more only the worst."""


def by_series(scores: dict[str, ForecastScores], title: str) -> Listing:
    """The figures of each series, of many the worst."""
    shown = list(scores.items())
    if len(shown) > MOST_LISTED:
        shown.sort(key=lambda item: -item[1].mase if item[1].mase == item[1].mase else 0.0)
        shown = shown[:MOST_LISTED]
        title = f"the worst {MOST_LISTED} of {len(scores):,} series (--json has all), {title}"
    rows = [
        (
            name, _shown(s.mase, 3), _shown(s.naive_mase, 3),
            f"{s.smape:.2f} %", f"{s.crps:.4f}", f"{s.mae:.5g}", f"{s.coverage:.2f}", f"{s.forecasts:,}",
        )
        for name, s in shown
    ]  # fmt: skip
    columns = (
        "series", "MASE", "seasonal naive", "sMAPE", "CRPS", "MAE", "coverage", "forecasts",
    )  # fmt: skip
    return Listing(title, columns, rows)
