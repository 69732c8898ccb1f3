"""Calendar: the grid of points in time that a series has, with its holes, and its seasons."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sunhwan.errors import DataError

SECOND = 10**6
HOUR = 3600 * SECOND
DAY = 24 * HOUR
WEEK = 7 * DAY
MONDAY = -3 * DAY
"""A Monday in microseconds since 1970."""

_YEARS = (1000, 3000)

_MOST_SLOTS = 700_000
"""Steps of a week, those of seconds, beyond which no holes of a week are looked for."""

_TREMBLE = 0.001
"""The share of the usual step by which clocks and roundings move a time at most, or `_TREMOR`."""

_TREMOR = 2000
"""Microseconds."""

CYCLES = {"day": 1.0, "week": 7.0, "year": 365.25}
"""What recurs in a calendar, in days."""

LAST_WORKDAY = 32
"""A day of the month: the last one that is no Saturday or Sunday."""

Points = NDArray[Any]
"""Microseconds since 1970 (int64) or numbers (float64)."""

Places = NDArray[np.int64]


class UnevenTimesError(DataError):
    """Points in time that lie on no grid."""


@dataclass(frozen=True)
class Calendar:
    """A grid of points in time, each with its place 0, 1, 2, … from a start on.

    Attributes:
        unit: "months", "time" (microseconds), "number", or "row" where rows are counted.
        step: from point to point, in that unit.
        start: a point of the grid; of months the number of the month.
        day, within: of months: the day, the last one where there are fewer, and the microseconds
            into it.
        slots: of time: the steps of a week, from Monday on, that there are; none: all.
    """

    unit: str = "row"
    step: float = 1
    start: float = 0
    day: int = 1
    within: int = 0
    slots: tuple[int, ...] = ()

    def places(self, points: Points) -> Places:
        """The place of each point, of the nearest one where it lies beside the grid."""
        if self.unit == "months":
            return _nearest((_months(points) - self.start) / self.step)
        if not self.slots:
            return _nearest((points - self.start) / self.step)
        week, slot = np.divmod(self._steps(points), WEEK // int(self.step))
        return week * len(self.slots) + np.searchsorted(self.slots, slot)

    def on_grid(self, points: Points) -> NDArray[np.bool_]:
        """Whether the week has each point's step."""
        if not self.slots:
            return np.ones(len(points), dtype=bool)
        return np.isin(self._steps(points) % (WEEK // int(self.step)), self.slots)

    def points(self, places: Places) -> Points:
        """The points at these places; OverflowError beyond the years that can be written."""
        if self.unit == "months":
            return self._months_at(places * int(self.step) + int(self.start))
        if not self.slots:
            found = self.start + places * self.step
            return found.astype(np.int64) if self.unit == "time" else found.astype(np.float64)
        week, rank = np.divmod(places, len(self.slots))
        steps = week * (WEEK // int(self.step)) + np.array(self.slots)[rank]
        there: Points = self._phase + steps * int(self.step)
        return there

    @property
    def _phase(self) -> int:
        return MONDAY + (int(self.start) - MONDAY) % int(self.step)

    def _steps(self, points: Points) -> Places:
        near = max(int(_TREMBLE * self.step), min(_TREMOR, int(self.step) // 4))
        return (points.astype(np.int64) - self._phase + near) // int(self.step)

    def _months_at(self, months: Places) -> NDArray[np.int64]:
        first = months.astype("datetime64[M]").astype("datetime64[D]")
        after = (months + 1).astype("datetime64[M]").astype("datetime64[D]")
        if self.day == LAST_WORKDAY:
            days = np.busday_offset(after, -1, roll="forward")
        else:
            days = np.minimum(first + (self.day - 1), after - 1)
        return days.astype("datetime64[us]").astype(np.int64) + self.within

    @property
    def season(self) -> int | None:
        """How many steps a season has; None: the grid suggests none.

        Yearly data has 1, quarterly 4, monthly 12, weekly 52, daily as many as a week has days, and
        what is closer together as many as a day has steps, or as a week where days differ.
        """
        if self.unit == "months":
            return {1: 12, 2: 6, 3: 4, 4: 3, 6: 2}.get(int(self.step), 1)
        if self.unit == "number":
            years = _YEARS[0] <= self.start < _YEARS[1]
            return next((n for n in (1, 4, 12) if years and abs(self.step * n - 1) < 0.02), None)
        if self.unit == "row":
            return None
        if self.step >= DAY:
            known = {DAY: len(self.slots) or 7, WEEK: 52, 2 * WEEK: 26, 4 * WEEK: 13}
            return known.get(int(self.step))
        if self.slots:
            counts = {count for count in self._by_weekday() if count}
            return counts.pop() if len(counts) == 1 and counts != {1} else len(self.slots)
        return round(DAY / self.step) if DAY % int(self.step) == 0 else None

    @property
    def cycles(self) -> dict[str, float]:
        """How many steps a day, a week and a year have, where that is more than one."""
        if self.unit == "months":
            return {"year": 12 / self.step} if self.step < 12 else {}
        if self.unit != "time":
            return {}
        per_week = len(self.slots) or WEEK / self.step
        worked = sum(map(bool, self._by_weekday())) if self.slots else 7
        found = {"day": per_week / worked, "week": per_week, "year": per_week * 365.25 / 7}
        return {name: steps for name, steps in found.items() if steps > 1.5}

    def _by_weekday(self) -> list[int]:
        """How many steps each day of the week has."""
        a_day = DAY // int(self.step)
        counts: list[int] = np.bincount(np.array(self.slots) // a_day, minlength=7).tolist()
        return counts


def calendar_of(groups: Sequence[Points], kind: str) -> tuple[Calendar, tuple[str, ...]]:
    """The calendar of series of which each has its points in ascending order, and notes for people.

    kind: of `Times`. UnevenTimesError: the points lie on no grid.
    """
    several = [points for points in groups if len(points) > 1]
    if kind == "name" or not several:
        return Calendar(), ()
    steps = np.concatenate([np.diff(points) for points in several])
    if kind == "number":
        return _of_numbers(several, steps)
    months = _of_months(several)
    if months:
        return months
    found = _trembling(several, steps) or _exact(several, steps.astype(np.int64))
    found = found or _shaken(several, steps)
    if found is None:
        raise UnevenTimesError(
            f"the times are uneven: the usual step is {_length(_usual(steps))}, but "
            f"{(steps != _usual(steps)).sum():,} of {len(steps):,} steps are others"
        )
    return found


def phases(points: Points, cycles: Sequence[str]) -> NDArray[np.float32]:
    """Dates → sine and cosine of where each lies in each cycle, (T, 2 · cycles)."""
    micro = points.astype("int64").astype("datetime64[us]")
    days = micro.astype("datetime64[D]")
    part = (micro - days).astype(np.int64) / DAY
    done = {
        "day": part,
        "week": (days.astype(np.int64) + 3) % 7 + part,
        "year": (days - days.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.int64)
        + part,
    }
    angles = np.stack([2 * np.pi * done[name] / CYCLES[name] for name in cycles], 1)
    return np.concatenate((np.sin(angles), np.cos(angles)), 1).astype(np.float32)


def _nearest(places: NDArray[Any]) -> Places:
    found: Places = np.rint(places).astype(np.int64)
    return found


def _months(points: Points) -> NDArray[np.int64]:
    return points.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)


def _usual(steps: Points) -> float:
    values, counts = np.unique(steps, return_counts=True)
    return float(values[counts.argmax()])


def _length(step: float) -> str:
    for name, size in (("day", DAY), ("hour", HOUR), ("minute", 60 * SECOND), ("second", SECOND)):
        if step >= size:
            return f"{step / size:g} {name}{'s' * (step != size)}"
    return f"{step / SECOND:g} seconds"


def _of_months(groups: Sequence[Points]) -> tuple[Calendar, tuple[str, ...]] | None:
    """Points a whole number of months apart, at the same time of the same day or the last one."""
    all_points = np.concatenate(groups)
    micro = all_points.astype("int64").astype("datetime64[us]")
    months, days = micro.astype("datetime64[M]"), micro.astype("datetime64[D]")
    within = np.unique((micro - days).astype(np.int64))
    steps = np.concatenate([np.diff(_months(points)) for points in groups])
    if steps.min() < 1 or len(within) > 1:
        return None
    step = int(np.gcd.reduce(steps))
    day = (days - months.astype("datetime64[D]")).astype(np.int64) + 1
    last = ((months + 1).astype("datetime64[D]") - months.astype("datetime64[D]")).astype(np.int64)
    found = Calendar("months", step, _months(all_points[:1]).item(), within=int(within[0]))
    if (day == np.minimum(day.max(), last)).all():
        return replace(found, day=int(day.max())), ()
    workday = replace(found, day=LAST_WORKDAY)
    if (workday.points(workday.places(all_points)) == all_points).all():
        return workday, ()
    each = [_of_months([points]) for points in groups] if len(groups) > 1 else []
    clean = [one[0] for one in each if one and not one[1]]
    if clean and len(clean) == len(each):  # days of their own, as the first and the last of a month
        return replace(found, day=clean[0].day), ()
    usual = (steps == np.bincount(steps).argmax()).mean()
    even = len(np.unique(np.diff(groups[0]))) == 1
    if usual < 0.75 or even:
        return None
    middle = int(np.median(day))
    return replace(found, day=middle), (f"the days of the month differ; {middle} stands for all",)


def _exact(
    groups: Sequence[Points], steps: NDArray[np.int64]
) -> tuple[Calendar, tuple[str, ...]] | None:
    """A grid on which all points lie, with holes perhaps."""
    usual = int(_usual(steps))
    step = usual if (steps % usual == 0).all() else int(np.gcd.reduce(steps))
    found = Calendar("time", step, groups[0][0].item())
    if DAY % step == 0 and WEEK // step <= _MOST_SLOTS:
        same_phase = len({(points[0].item() - MONDAY) % step for points in groups}) == 1
        if same_phase:
            slots = _slots(found, groups)
            if len(slots) < WEEK // step:
                found = replace(found, slots=tuple(slots.tolist()))
            if len(slots) == 1 and usual == WEEK and (weekly := _weekly(found, groups)):
                return weekly
    on_grid = [points[found.on_grid(points)] for points in groups]
    spans = sum(np.ptp(found.places(p)).item() + 1 for p in on_grid if len(p))
    common = (steps == usual).mean() >= 0.5 and step == usual
    if not common and 4 * sum(map(len, on_grid)) < spans:
        return None
    return found, _holes(found)


def _weekly(slotted: Calendar, groups: Sequence[Points]) -> tuple[Calendar, tuple[str, ...]] | None:
    """Weeks of which a few rows stand on another day, as before a holiday; None: two share a week."""
    first = next(p for points in groups for p in points[slotted.on_grid(points)].tolist())
    found = Calendar("time", WEEK, first)
    return (found, _moved(WEEK)) if _near(found, groups, 0.3) else None


def _moved(step: float) -> tuple[str, ...]:
    return (f"the times lie beside a grid of {_length(step)} and are moved to it",)


def _holes(calendar: Calendar) -> tuple[str, ...]:
    if not calendar.slots:
        return ()
    return (f"the rows stand at {len(calendar.slots):,} times of a week, and so do the next ones",)


def _slots(calendar: Calendar, groups: Sequence[Points]) -> Places:
    """The steps of a week that there are: those that are seen, and those whose absence may be chance.

    Asked of the times of the day, of the days of the week, and of each step of the week: absent is
    what had so many chances to be seen that, at the rate of the others, chance does not explain it.
    """
    a_week, a_day = WEEK // int(calendar.step), DAY // int(calendar.step)
    flat, asked = np.zeros(a_week), np.zeros(a_week)
    for points in groups:
        steps = calendar._steps(points)
        flat += np.bincount(steps % a_week, minlength=a_week)
        first, count = int(steps[0]), int(steps[-1] - steps[0]) + 1
        asked += count // a_week
        asked[(first + np.arange(count % a_week)) % a_week] += 1
    seen, chances = flat.reshape(7, a_day), asked.reshape(7, a_day)
    there = np.ones((7, a_day), dtype=bool)
    there &= ~_absent(seen.sum(0), chances.sum(0), 0.003)
    days_seen, days_there = seen.sum(1), chances[:, there[0]].max(1)
    off = _absent(np.minimum(days_seen, days_there), days_there, 0.003)
    weekend = days_seen[5:].sum() == 0 and (chances[5:].sum(1) >= a_day).all()
    off[5:] |= weekend and days_seen[:5].sum() > 4 * a_day * 0.9 * there[0].mean()
    there &= ~off[:, None]
    rest = np.where(there, chances, 0)
    there &= ~_absent(np.where(there, seen, 0), rest, 1e-5)
    return np.flatnonzero(there.reshape(-1))


def _absent(
    seen: NDArray[np.float64], chances: NDArray[np.float64], chance: float
) -> NDArray[np.bool_]:
    """What is never seen, or so rarely beside the others that it is an exception."""
    usual = seen > 0
    rate = min(seen[usual].sum() / max(chances[usual].sum(), 1), 0.95)
    never: NDArray[np.bool_] = (seen == 0) & ((1 - rate) ** chances < chance)
    absent: NDArray[np.bool_] = never | ((chances >= 10) & (seen < 0.1 * rate * chances))
    return absent


def _trembling(groups: Sequence[Points], steps: Points) -> tuple[Calendar, tuple[str, ...]] | None:
    """A grid beside which points lie by a tiny part of its step, as roundings and clocks leave them."""
    middle = float(np.median(steps))
    whole = SECOND if middle >= 10 * SECOND else 1000
    if middle < whole or not any((points % whole != 0).any() for points in groups):
        return None
    step = round(middle / whole) * whole
    if step < 2 * whole or (steps % step == 0).all():
        return None
    start = int(np.median((groups[0] - groups[0][0] + step // 2) % step)) - step // 2
    first = groups[0][0].item() + start
    found = Calendar("time", step, round(first / whole) * whole)
    moved = [found.points(found.places(points)) for points in groups]
    off = max(int(np.abs(a - b).max()) for a, b in zip(moved, groups, strict=True))
    again = any((np.diff(found.places(points)) < 1).any() for points in groups)
    if again or off > max(_TREMBLE * step, min(_TREMOR, step // 4)):
        return None
    exact = _exact(moved, np.concatenate([np.diff(points) for points in moved]))
    if exact is None:
        return None
    return exact[0], (*_moved(exact[0].step), *exact[1])


def _shaken(groups: Sequence[Points], steps: Points) -> tuple[Calendar, tuple[str, ...]] | None:
    """A grid of a usual length beside which the points lie a little."""
    middle = float(np.median(steps))
    lengths = [
        n * unit
        for unit, several in (
            (SECOND, (1, 2, 5, 10, 15, 20, 30)),
            (60 * SECOND, (1, 2, 5, 10, 15, 20, 30)),
            (HOUR, (1, 2, 3, 4, 6, 8, 12)),
            (DAY, (1, 7, 14)),
        )
        for n in several
    ]
    step = min(lengths, key=lambda length: abs(length - middle))
    if abs(step - middle) > 0.1 * step:
        return None
    first = groups[0]
    beside = (first - first[0] + step // 2) % step - step // 2
    found = Calendar("time", step, first[0].item() + int(np.median(beside)))
    if not _near(found, groups, 0.3):
        return None
    return found, _moved(step)


def _near(calendar: Calendar, groups: Sequence[Points], share: float) -> bool:
    """Whether all points lie so near to the grid, no two at one place."""
    for points in groups:
        places = calendar.places(points)
        off = np.abs(calendar.points(places) - points)
        if off.max() > share * calendar.step or (np.diff(places) < 1).any():
            return False
    return True


def _of_numbers(groups: Sequence[Points], steps: Points) -> tuple[Calendar, tuple[str, ...]]:
    start = groups[0][0].item()
    usual, middle = _usual(np.round(steps, 9)), float(np.median(steps))
    exact = Calendar("number", usual, start)
    if _near(exact, groups, 1e-6):
        return exact, ()
    if (steps == np.rint(steps)).all():
        common = Calendar("number", float(np.gcd.reduce(steps.astype(np.int64))), start)
        spans = sum(np.ptp(common.places(points)).item() + 1 for points in groups)
        if 4 * sum(map(len, groups)) >= spans:
            return common, ()
    else:
        for step in (1 / n for n in (12, 4, 52) if abs(middle * n - 1) < 0.15):
            beside = Calendar("number", step, start)
            if _near(beside, groups, 0.3):
                return beside, ()
    raise UnevenTimesError(
        f"the times are uneven numbers: the usual step is {usual:g}, but others are no multiple of it"
    )
