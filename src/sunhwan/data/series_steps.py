"""Steps of series: the rows of each in order of time, one at each step of a calendar."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sunhwan.data.calendar import Calendar, Points, UnevenTimesError, calendar_of
from sunhwan.data.series_columns import Columns
from sunhwan.data.tables import Table
from sunhwan.data.time_columns import PART_NAMES
from sunhwan.data.times import Times
from sunhwan.errors import DataError, listed, shortened

MOST_EMPTY = 50
"""Steps of a calendar a row has at most; beyond, the calendar is not that of the rows."""

_FEWEST_STEPS = 2


def in_order(
    times: Times,
    places: dict[tuple[str, ...], NDArray[np.intp]],
    where: Sequence[str],
    columns: Columns,
) -> tuple[dict[tuple[str, ...], NDArray[np.intp]], tuple[str, ...]]:
    """The rows of each series, the oldest first. DataError: two of a series have the same time."""
    order, turned, mixed = {}, 0, 0
    for key, rows in places.items():
        steps = np.diff(times.points[rows])
        if (steps < 0).any():
            turned, mixed = turned + bool((steps < 0).all()), mixed + bool((steps >= 0).any())
        order[key] = rows[np.argsort(times.points[rows], kind="stable")]
        again = np.flatnonzero(np.diff(times.points[order[key]]) == 0)
        if len(again):
            first, second = sorted(order[key][again[0] : again[0] + 2])
            name = f" of {', '.join(key)}" if key else ""
            raise DataError(
                f"{where[second]}: the time {shortened(columns.times[second])}{name} is that of "
                f"{where[first]} too; keep one row for each time{_cure(columns)}"
            )
    notes = ["the newest rows come first and are turned round"] if turned else []
    notes += ["rows are put in order of time"] if mixed else []
    return order, tuple(notes)


def _cure(columns: Columns) -> str:
    """What else may be done where two rows have the same time."""
    others = (*columns.targets, *columns.left)
    parts = [name for name in (columns.time, *others) if name.casefold() in PART_NAMES]
    if len(parts) > 1:
        return f", or join {listed(parts)} into one column of dates, such as 2024-04-29"
    if not any(":" in time for time in columns.times):
        several = len([name for name in others if name.casefold() not in PART_NAMES]) > 1
        return ", or name the columns that tell series apart with --group" if several else ""
    return ", or tell the clock's zone, such as --set task.zone=Europe/Berlin, or series apart by --group"


def check_step(
    table: Table, columns: Columns, groups: Sequence[Points], times: Times, calendar: Calendar
) -> None:
    """DataError: rows follow one another evenly, but with other steps than those of the calendar."""
    steps = np.concatenate([np.diff(calendar.places(points)) for points in groups])
    if len(steps) < _FEWEST_STEPS or steps.min() < 2:
        return
    try:
        own, _ = calendar_of(groups, times.kind)
    except UnevenTimesError:
        return
    alike = np.concatenate([np.diff(own.places(points)) == 1 for points in groups])
    if 4 * alike.sum() >= 3 * len(alike):
        first, second = (shortened(cell) for cell in columns.times[:2])
        raise DataError(
            f"{table.name}: no two rows follow one another on the calendar of the training file, such "
            f"as {first} and {second}; give rows that are as far apart as those of the training file"
        )


def outside(
    times: Times, calendar: Calendar, where: Sequence[str], columns: Columns
) -> tuple[str, ...]:
    """A note about rows at times that the calendar does not have; DataError where they are many."""
    off = [] if calendar.unit == "row" else np.flatnonzero(~calendar.on_grid(times.points)).tolist()
    if 20 * len(off) > len(where):
        raise DataError(
            f"{where[off[0]]}: the time {shortened(columns.times[off[0]])} is none of the calendar of "
            f"the training file, and neither are {len(off):,} of {len(where):,} rows; train on a file "
            "with such times"
        )
    first = f", the first {shortened(columns.times[off[0]])}" if off else ""
    return (f"{len(off):,} rows at exceptional times are left out{first}",) if off else ()


def begun(calendar: Calendar, points: Points) -> Calendar:
    """The calendar from the first point on, for series may begin on different days of the week, and of
    months on the days that the series has.

    Not where points lie beside the grid a little: then its start is between them.
    """
    if calendar.unit == "months" and (calendar.points(calendar.places(points)) != points).any():
        own, notes = calendar_of([points], "date")
        return replace(calendar, day=own.day) if own.unit == "months" and not notes else calendar
    if (
        calendar.unit != "time"
        or calendar.slots
        or not ((points - points[0]) % calendar.step == 0).all()
    ):
        return calendar
    return replace(calendar, start=points[0].item())


def check_places(
    table: Table, columns: Columns, rows: NDArray[np.intp], places: NDArray[np.int64]
) -> None:
    if len(rows) == 0:
        raise DataError(f"{table.name}: no time lies on the calendar of the training file")
    again = np.flatnonzero(np.diff(places) == 0)
    if len(again):
        first, second = rows[again[0]], rows[again[0] + 1]
        raise DataError(
            f"{table.rows[second].where}: the times {shortened(columns.times[first])} and "
            f"{shortened(columns.times[second])} fall on one step of the calendar; keep one row for each"
        )
    if places[-1] - places[0] > MOST_EMPTY * len(places):
        raise UnevenTimesError(
            f"{table.rows[rows[0]].where}: between {shortened(columns.times[rows[0]])} and "
            f"{shortened(columns.times[rows[-1]])} the calendar has {places[-1] - places[0] + 1:,} "
            f"steps, but there are only {len(places):,} rows; bring them to equal steps, or count rows "
            "with --set task.steps=rows"
        )
