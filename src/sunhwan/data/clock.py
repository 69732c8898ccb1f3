"""Clock: how the times of one series go on, how they are written, and where in the calendar they lie."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sunhwan.data.calendar import Calendar, calendar_of, phases
from sunhwan.data.slots import Slots
from sunhwan.data.times import Times, named, read_times
from sunhwan.data.zones import offsets_of
from sunhwan.errors import DataError


@dataclass(frozen=True, eq=False)
class Clock:
    """The times of a series that has a value at each place of a calendar.

    Attributes:
        kind: "date", "number", or "name" where rows are counted.
        calendar: the grid.
        write: a point → text like that of the column.
        first, count: the place of the first value, and how many there are.
        zone: whose clock the times are written on, where the calendar is one of UTC; "": none.
    """

    kind: str
    calendar: Calendar
    write: Callable[[float], str]
    first: int
    count: int
    zone: str = ""

    @classmethod
    def of(cls, times: Sequence[str], calendar: Calendar | None = None) -> "Clock":
        """The clock of times in ascending order, all of them there.

        Times of which no grid is known, as of a single one, are counted.
        """
        if len(times) < (1 if calendar else 2):
            return cls.counting(len(times))
        try:
            found = read_times(times, [f"time {n + 1}" for n in range(len(times))], "time")
            known = calendar or calendar_of([found.points], found.kind)[0]
        except DataError:
            return cls.counting(len(times))
        if known.unit == "row" or found.kind == "name":
            return cls.counting(len(times))
        places = known.places(found.points)
        whole = bool((np.diff(places) == 1).all())
        return cls.at(found, known, places) if whole else cls.counting(len(times))

    @classmethod
    def at(cls, times: Times, calendar: Calendar, places: NDArray[np.int64]) -> "Clock":
        """From the first of these places to the last."""
        first, last = int(places[0]), int(places[-1])
        return cls(times.kind, calendar, times.write, first, last - first + 1, times.zone)

    @classmethod
    def counting(cls, count: int) -> "Clock":
        """Rows without a time that could go on."""
        return cls("name", Calendar(), named(count).write, 0, count)

    def text(self, place: int) -> str:
        """The time of a row, counted from the first; OverflowError beyond the years there are."""
        return self.write(self._points(place, place + 1)[0].item())

    def after(self, count: int) -> tuple[str, ...]:
        """The times of so many steps after the last."""
        try:
            return tuple(self.text(self.count + step) for step in range(count))
        except (OverflowError, ValueError):
            return Clock.counting(self.count).after(count)

    def slots(self, ahead: int) -> Slots | None:
        """Where each time and so many after the last lie on the clock of the zone.

        None: the clock does not change, or the calendar has holes and is not one of that clock.
        """
        calendar = self.calendar
        if not self.zone or calendar.unit != "time" or calendar.slots:
            return None
        points = self._points(0, self.count + ahead).astype(np.int64)
        return Slots.on_clock(points, self.zone, int(calendar.step))

    def phases(
        self, cycles: Sequence[str], ahead: int, on_clock: bool = True
    ) -> NDArray[np.float32]:
        """Where each time and so many after the last lie in each cycle, (T + ahead, 2 · cycles).

        on_clock: of the zone, else of UTC. ValueError: the times are no dates.
        """
        if not cycles:
            return np.zeros((self.count + ahead, 0), dtype=np.float32)
        if self.kind != "date":
            raise ValueError(self.write(0))
        points = self._points(0, self.count + ahead)
        if self.zone and on_clock:
            points = points.astype(np.int64)
            points += offsets_of(points, self.zone)
        return phases(points, cycles)

    def _points(self, start: int, stop: int) -> NDArray[np.int64] | NDArray[np.float64]:
        return self.calendar.points(np.arange(self.first + start, self.first + stop))

    def longer_cycles(self, season: int) -> tuple[str, ...]:
        """The cycles of the calendar that are longer than a season and were gone through twice."""
        if self.kind != "date":
            return ()
        return tuple(
            name
            for name, steps in self.calendar.cycles.items()
            if 1.05 * season < steps <= self.count / 2
        )


def following(times: Sequence[str], count: int) -> tuple[str, ...]:
    """So many times after the last, on the calendar of those before and written as they are.

    What is neither date nor number goes on as +1, +2 ….
    """
    return Clock.of(times).after(count)


def seasonal_period(times: Sequence[str]) -> int | None:
    """How many steps a season has, as the calendar of the times suggests; None: no guess."""
    if len(times) < 3:
        return None
    try:
        found = read_times(times, [""] * len(times), "time")
        if (np.diff(found.points) <= 0).any():
            return None
        return calendar_of([found.points], found.kind)[0].season
    except DataError:
        return None
