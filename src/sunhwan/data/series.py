"""Numbers in time: the series of a table, a column each or below one another."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sunhwan.data.amounts import currencies_of, same_mark
from sunhwan.data.calendar import Calendar, Points, UnevenTimesError, calendar_of
from sunhwan.data.clock import Clock
from sunhwan.data.date_orders import UnreadTimeError
from sunhwan.data.numbers import MISSING, finite
from sunhwan.data.series_columns import (
    FOUND,
    PART_NAMES,
    Columns,
    Wanted,
    alike,
    cells,
    columns_of,
    keys_of,
    without_blank_rows,
)
from sunhwan.data.tables import Table, read_table
from sunhwan.data.times import Times, named, read_times
from sunhwan.errors import DataError, listed, quoted, shortened

_CURE = "write a number such as 12.5 or leave the cell empty, or choose the columns that are series"
MOST_EMPTY = 50
"""Steps of a calendar a row has at most; beyond, the calendar is not that of the rows."""

_FEWEST_STEPS = 2


@dataclass(frozen=True, eq=False)
class Series:
    """Numbers in time, of one place: the columns of a table, or of one series of a long table.

    Attributes:
        name: the path as it was given, or the name of a built-in series.
        times: T of them as they are written, the oldest first; "1", "2", … where there are none.
        columns: the names of the C columns: series, then inputs, then what is known ahead.
        values: (T, C) float64, NaN where a number is missing.
        said: what was inferred, such as "comma-separated, with a header: Month, Sales; the time is
            Month, the series Sales".
        clock: how the times go on.
        key: in a long table the columns that name this series, with its cells.
        static: columns of words that stay the same, with their cells.
        order: of the parts of its dates, "" for others.
        ahead: (F, C) of the steps after the last, NaN in all columns but those known ahead.
        time: the name of the column of the times, "" where there is none.
        writings, currencies: of its columns, where they were not plain: how numbers were written, and their
            currency or "%".
    """

    name: str
    times: tuple[str, ...]
    columns: tuple[str, ...]
    values: NDArray[np.float64]
    said: str
    clock: Clock = field(default_factory=lambda: Clock.counting(0))
    key: tuple[tuple[str, str], ...] = ()
    static: tuple[tuple[str, str], ...] = ()
    order: str = ""
    ahead: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    time: str = ""
    writings: tuple[tuple[str, str], ...] = ()
    currencies: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if not self.clock.count and self.times:
            object.__setattr__(self, "clock", Clock.of(self.times))


def read_series(path: str | Path, *, time: str = "", columns: Sequence[str] = ()) -> Series:
    """Read the series of a table (see `read_table`) that has a column for each.

    Args:
        path: the file.
        time: the column of times; "": one with a usual name (date, time, month, ds, 날짜, …), else
            one of dates, else none.
        columns: the series; none: all other columns.

    Raises:
        TextError: the file is missing, unreadable or in no known encoding.
        DataError: it is no table, a column is missing, a cell holds no number, the times are not
            understood or uneven, or the table is long.
        UsageError: a column is named twice.
    """
    wanted = (columns,) if isinstance(columns, str) else tuple(columns)
    found = read_panel(path, Wanted(time=time, targets=wanted))
    if len(found) > 1:
        raise DataError(f"{path} holds {len(found)} series below one another: use read_panel")
    return found[0]


def read_panel(
    path: str | Path, wanted: Wanted = FOUND, calendar: Calendar | None = None
) -> list[Series]:
    """Read a table of series: one with a column for each, or a long one, in which rows name theirs.

    Rows are put in order of time, and steps of the calendar that have no row are NaN.
    calendar: that of a trained model; None: found in the times.
    """
    table = read_table(path, empty_lines=True, amounts=True, usual=dict(wanted.writings))
    table = without_blank_rows(table, wanted)
    columns = columns_of(table, wanted)
    _check_marks(table, wanted)
    keys = keys_of(table, columns.group)
    places = {key: np.array(rows) for key, rows in _grouped(keys).items()}
    where = [row.where for row in table.rows]
    times = named(len(where))
    if columns.time:
        try:
            times = read_times(
                columns.times, where, columns.time, dates=wanted.dates, usual=wanted.order,
                zone=wanted.zone, usual_zone=wanted.usual_zone,
                groups=list(places.values()), calendar=calendar,
            )  # fmt: skip
        except UnreadTimeError:
            if not wanted.rows:
                raise
    order, notes = _in_order(times, places, where, columns)
    if wanted.rows:
        calendar = Calendar()
    elif calendar is None or (calendar.unit == "row") != (times.kind == "name"):
        try:
            calendar, more = calendar_of(
                [times.points[rows] for rows in order.values()], times.kind
            )
        except UnevenTimesError as error:
            raise UnevenTimesError(
                f"{table.name}: {error}; bring them to equal steps, or count rows, whatever their "
                "times, with --set task.steps=rows"
            ) from None
        notes += more
    elif calendar.unit != "row":
        _check_step(
            table, columns, [times.points[rows] for rows in order.values()], times, calendar
        )
    if calendar.unit == "row" or wanted.filled:
        table.check_filled()  # it may stand for a value that is missing
    if times.zone and calendar.unit == "time":
        holes, clock = "UTC, too, for its week has holes", f"the clock of {times.zone}"
        notes += (f"days are those of {holes if calendar.slots else clock}",)
    values = np.array([_numbers(table, name, columns) for name in _read(columns)]).T
    writes = times.writes or [times.write] * len(order)
    made = [
        _series(table, columns, key, rows, replace(times, write=write), calendar, values)
        for (key, rows), write in zip(order.items(), writes, strict=True)
    ]
    notes += _shown_twice(max(made, key=lambda series: len(series.times)).clock)
    notes += alike(order) + _outside(times, calendar, where, columns)
    gaps = sum(len(s.times) + len(s.ahead) for s in made) - len(where)
    notes += _counted(times, columns, values, gaps, len(made))
    said = "; ".join((table.said, *table.left_out, *_chosen(columns), *times.notes, *notes))
    read = _read(columns)
    writings = tuple((name, table.writings[name]) for name in read if name in table.writings)
    currencies = tuple((name, table.marks[name]) for name in read if table.marks.get(name))
    return [replace(s, said=said, writings=writings, currencies=currencies) for s in made]


def _check_marks(table: Table, wanted: Wanted) -> None:
    """DataError: amounts are in another currency than those of the training file."""
    by_case = {name.casefold(): (name, mark) for name, mark in table.marks.items()}
    for asked, known in wanted.currencies:
        name, mark = by_case.get(asked.casefold(), ("", ""))
        if not same_mark(mark, known):
            raise DataError(
                f"{table.name}: the column {quoted(name)} has amounts in {mark}, but the model was "
                f"trained on amounts in {known}; bring them to {known}"
            )


def _check_step(
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


def _shown_twice(clock: Clock) -> tuple[str, ...]:
    """A note about times that the clock of a zone shows twice, as it is set back."""
    slots = clock.slots(0)
    twice = len(slots.at) - len(np.unique(slots.at)) if slots else 0
    shown = f"{twice:,} of the times are shown twice as the clock is set back"
    return (f"{shown}, and the later value of both stands for the days after",) if twice else ()


def _outside(
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


def _grouped(keys: Sequence[tuple[str, ...]]) -> dict[tuple[str, ...], list[int]]:
    found: dict[tuple[str, ...], list[int]] = {}
    for row, key in enumerate(keys):
        found.setdefault(key, []).append(row)
    return found


def _read(columns: Columns) -> tuple[str, ...]:
    return columns.targets + columns.inputs + columns.future


def _chosen(columns: Columns) -> tuple[str, ...]:
    found = f"the time is {columns.time or 'the row'}, the series {listed(columns.targets)}"
    if columns.group:
        found += f" of each {', '.join(columns.group)}"
    left = [name for name in columns.left if name not in columns.words]
    notes = [f"not read: {listed(left)} (--input or --future reads them)"] if left else []
    notes += [f"columns of words are left out: {listed(columns.words)}"] if columns.words else []
    return (found, *notes)


def _counted(
    times: Times, columns: Columns, values: NDArray[np.float64], gaps: int, count: int
) -> tuple[str, ...]:
    notes = []
    if columns.group:
        notes.append(f"{count:,} series below one another")
    if times.kind == "name" and columns.time:
        notes.append(f"the times of {columns.time} have no order, so rows are counted")
    if gaps > 0:
        notes.append(
            "1 step of the calendar has no row and is a gap"
            if gaps == 1
            else f"{gaps:,} steps of the calendar have no row and are gaps"
        )
    if empty := int(np.isnan(values).sum()):
        notes.append(f"{empty:,} number{' is' if empty == 1 else 's are'} missing")
    return tuple(notes)


def _numbers(table: Table, name: str, columns: Columns) -> NDArray[np.float64]:
    currencies = currencies_of(cells(table, name))
    if len(currencies) > 1:
        raise DataError(
            f"{table.name}: the column {quoted(name)} has amounts in {', '.join(currencies)}; bring "
            "them to one currency, or give each a column of its own"
        )
    return np.array(
        [
            np.nan if cell.strip().casefold() in MISSING else finite(cell, row.where, name, _CURE)
            for row, cell in zip(table.rows, cells(table, name), strict=True)
        ]
    )


def _in_order(
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
        several = len(others) > 1
        return ", or name the columns that tell series apart with --group" if several else ""
    return ", or tell the clock's zone, such as --set task.zone=Europe/Berlin, or series apart by --group"


def _series(
    table: Table,
    columns: Columns,
    key: tuple[str, ...],
    rows: NDArray[np.intp],
    times: Times,
    calendar: Calendar,
    values: NDArray[np.float64],
) -> Series:
    """One series on its calendar."""
    calendar = _begun(calendar, times.points[rows])
    cells_of = dict(zip(columns.group, key, strict=True))
    static = tuple((name, table.rows[rows[0]].values[name]) for name in columns.static)
    if calendar.unit == "row":
        places = np.arange(len(rows))
    else:
        points = times.points[rows]
        rows, points = rows[calendar.on_grid(points)], points[calendar.on_grid(points)]
        places = calendar.places(points)
        _check_places(table, columns, rows, places)
    grid = np.full((int(places[-1] - places[0]) + 1, values.shape[1]), np.nan)
    grid[places - places[0]] = values[rows]
    ahead = 0
    if columns.future:
        empty = np.isnan(grid[:, : len(columns.targets)]).all(1)
        ahead = int(np.argmin(empty[::-1])) if not empty.all() else 0
    kept = len(grid) - ahead
    clock = (
        Clock.counting(kept)
        if calendar.unit == "row"
        else Clock.at(times, calendar, places[[0, -1]] - np.array([0, ahead]))
    )
    written = dict(zip((places - places[0]).tolist(), rows.tolist(), strict=True))
    texts = tuple(
        (columns.times[written[step]] if columns.times else str(step + 1))
        if step in written
        else clock.text(step)
        for step in range(kept)
    )
    return Series(
        table.name, texts, _read(columns), grid[:kept], "", clock, tuple(cells_of.items()), static,
        times.order, grid[kept:], columns.time,
    )  # fmt: skip


def _begun(calendar: Calendar, points: Points) -> Calendar:
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


def _check_places(
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
