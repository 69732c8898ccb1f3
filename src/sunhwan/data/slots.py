"""Slots: the rows of a series by what the clock of its zone shows, so that a day ago is the same hour."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sunhwan.data.calendar import DAY
from sunhwan.data.zones import offsets_of

Places = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Slots:
    """Where the rows of a series lie on a grid of the local clock, on which every day has as many steps.

    An hour that the clock skips is a slot without a row, as a missing value is. Of an hour that it
    shows twice the later value that is known stands for both.

    Attributes:
        at: (T,) the slot of each row.
        day: the steps of a day.
    """

    at: Places
    day: int

    @classmethod
    def on_clock(cls, points: Places, zone: str, step: int) -> Self | None:
        """Those of points of UTC, so many microseconds apart; None: the clock moves by no step.

        A change of less than a step moves the rows to the nearest slots.
        """
        if not zone or DAY % step:
            return None
        offsets = offsets_of(points, zone)
        moved = np.rint((offsets - offsets[:1]) / step).astype(np.int64)
        return cls(np.arange(len(points)) + moved, DAY // step) if moved.any() else None

    def part(self, start: int, stop: int) -> Self:
        """Those of some rows alone."""
        return replace(self, at=self.at[start:stop])

    def grid(self, values: NDArray[np.float64], start: int, stop: int) -> NDArray[np.float64]:
        """The values of the first rows → those of slots from start to stop, NaN where none is known."""
        at = self.at[: len(values)]
        known = ~np.isnan(values) & (at >= start) & (at < stop)
        found = np.full(stop - start, np.nan)
        found[at[known] - start] = values[known]
        return found


def of_season(slots: Slots | None, season: int) -> Slots | None:
    """The slots to count a season in: only whole days are those of a clock."""
    return slots if slots and season % slots.day == 0 else None
