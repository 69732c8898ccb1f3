"""Figures of forecasts: of all series together, and of each."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from sunhwan.data.windows import seasonal_naive
from sunhwan.models.forecaster import MEDIAN, QUANTILES
from sunhwan.tasks.common.results import Listing
from sunhwan.tasks.forecast.tracks import Window


class ForecastScores(NamedTuple):
    """loss: mean pinball loss in the window's scale. mae: mean |y − median|, in the series' unit.
    mase: the same, divided by the mean |x_t − x_{t−m}| of the rows that were learned from (Hyndman
    and Koehler 2006). naive_mase: that of repeating the last season. coverage: the share of values
    in the band that should hold 80 % of them. forecasts: from how many origins."""

    loss: float
    mae: float
    mase: float
    naive_mase: float
    coverage: float
    forecasts: int

    @classmethod
    def of(
        cls,
        windows: Sequence[Window],
        found: NDArray[np.float64],
        scales: NDArray[np.float64],
        season: int,
    ) -> Self:
        """The figures of quantiles (n, H, Q) in the series' units; scales (n,): of the windows."""
        truth = np.stack([window.future for window in windows])
        naive = np.stack(
            [seasonal_naive(w.track.values[: w.origin], season, w.horizon) for w in windows]
        )
        unit = np.array([[window.track.error] for window in windows])
        above = truth[..., None] - found
        levels = np.array(QUANTILES)
        pinball = np.maximum(levels * above, (levels - 1) * above)
        errors = np.abs(above[..., MEDIAN])
        inside = (truth >= found[..., 0]) & (truth <= found[..., -1])
        return cls(
            loss=float((pinball / np.where(scales, scales, 1)[:, None, None]).mean()),
            mae=float(errors.mean()),
            mase=float((errors / unit).mean()),
            naive_mase=float((np.abs(truth - naive) / unit).mean()),
            coverage=float(inside.mean()),
            forecasts=len(windows),
        )

    @property
    def rank(self) -> float:
        return self.loss

    def to_dict(self) -> dict[str, Any]:
        return self._asdict()

    def summary(self) -> str:
        return (
            f"loss {self.loss:.4f}  MAE {self.mae:.4g}  MASE {self.mase:.3f} (seasonal naive "
            f"{self.naive_mase:.3f})  coverage {self.coverage:.2f}"
        )

    def table(self) -> list[tuple[str, str]]:
        return [
            ("MASE", f"{self.mase:.4f}"),
            ("MASE of the seasonal naive", f"{self.naive_mase:.4f}"),
            ("MAE", f"{self.mae:.5g}"),
            ("coverage of the 80 % band", f"{self.coverage:.3f}"),
            ("loss", f"{self.loss:.4f} (pinball, scaled)"),
            ("forecasts", f"{self.forecasts:,}"),
        ]


def by_series(scores: dict[str, ForecastScores], title: str) -> Listing:
    """The figures of each series."""
    rows = [
        (
            name, f"{s.mase:.3f}", f"{s.naive_mase:.3f}", f"{s.mae:.5g}", f"{s.coverage:.2f}",
            f"{s.forecasts:,}",
        )
        for name, s in scores.items()
    ]  # fmt: skip
    columns = ("series", "MASE", "seasonal naive", "MAE", "coverage", "forecasts")
    return Listing(title, columns, rows)
