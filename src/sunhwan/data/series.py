"""Numbers in time: the series of a table, a column each or below one another."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sunhwan.data.amounts import currencies_of, same_mark
from sunhwan.data.calendar import Calendar, UnevenTimesError, calendar_of
from sunhwan.data.clock import Clock
from sunhwan.data.date_orders import UnreadTimeError
from sunhwan.data.numbers import MISSING, SHEET_ERRORS, finite
from sunhwan.data.series_columns import (
    FOUND,
    Columns,
    Wanted,
    columns_of,
    with_names_filled,
    without_blank_rows,
)
from sunhwan.data.series_groups import alike, cells, keys_of
from sunhwan.data.series_steps import begun, check_places, check_step, in_order, outside
from sunhwan.data.tables import Table, read_table
from sunhwan.data.times import Times, named, read_times
from sunhwan.errors import DataError, SunhwanError, listed, quoted

_CURE = "write a number such as 12.5 or leave the cell empty, or choose the columns that are series"

_STAND_INS = (-99.0, -99.9, -999.0, -999.9, -9999.0, -99999.0)
"""Numbers by which offices for the weather and others say that one is missing."""


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
    path: str | Path,
    wanted: Wanted = FOUND,
    calendar: Calendar | None = None,
    problems: list[SunhwanError] | None = None,
) -> list[Series]:
    """Read a table of series: one with a column for each, or a long one, in which rows name theirs.

    Rows are put in order of time, and steps of the calendar that have no row are NaN.
    calendar: that of a trained model; None: found in the times. problems: gets the errors of series of
    a long table that have a cell that is no number, and are left out; None: the first one is raised.
    """
    table = read_table(path, empty_lines=True, amounts=True, usual=dict(wanted.writings))
    table, filled = with_names_filled(without_blank_rows(table, wanted), wanted)
    columns = columns_of(table, wanted)
    if problems is not None and columns.group:
        table, columns = _without_broken(table, columns, problems)
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
    order, notes = in_order(times, places, where, columns)
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
        check_step(table, columns, [times.points[rows] for rows in order.values()], times, calendar)
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
    notes += alike(order) + outside(times, calendar, where, columns)
    gaps = sum(len(s.times) + len(s.ahead) for s in made) - len(where)
    notes += _counted(times, columns, values, gaps, len(made))
    notes += _not_computed(table, columns) if np.isnan(values).any() else ()
    told = (*table.left_out, *filled, *_chosen(columns), *times.notes, *notes)
    said = "; ".join((table.said, *told))
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


def _shown_twice(clock: Clock) -> tuple[str, ...]:
    """A note about times that the clock of a zone shows twice, as it is set back."""
    slots = clock.slots(0)
    twice = len(slots.at) - len(np.unique(slots.at)) if slots else 0
    shown = f"{twice:,} of the times are shown twice as the clock is set back"
    return (f"{shown}, and the later value of both stands for the days after",) if twice else ()


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
    told = {*columns.words, *columns.empty}
    left = [name for name in columns.left if name not in told]
    notes = []
    if columns.joined:
        notes = [f"{listed(columns.joined)} are joined to one time, such as {columns.times[0]}"]
    notes += [f"not read: {listed(left)} (--input or --future reads them)"] if left else []
    notes += [f"columns of words are left out: {listed(columns.words)}"] if columns.words else []
    if columns.empty:
        notes.append(f"columns without a number are left out: {listed(columns.empty)}")
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
    for name, column in zip(_read(columns), values.T, strict=True):
        known = column[~np.isnan(column)]
        least = known.min(initial=0.0)
        count, others = int((known == least).sum()), known[known != least]
        if least in _STAND_INS and count > 1 and others.min(initial=0.0) > least / 9:
            notes.append(
                f"{least:g} stands {count:,} times in {name} and is read as a number; if it says that one "
                "is missing, leave these cells empty"
            )
    return tuple(notes)


def _not_computed(table: Table, columns: Columns) -> tuple[str, ...]:
    """A note on the missing numbers that are errors of a spreadsheet."""
    rows = table.written or [row.values for row in table.rows]
    found = [values[name].strip() for values in rows for name in _read(columns)]
    found = [cell for cell in found if cell.casefold() in SHEET_ERRORS]
    if not found:
        return ()
    return (
        f"errors of a spreadsheet are read as missing numbers: {len(found):,}, such as {found[0]}",
    )


def _without_broken(
    table: Table, columns: Columns, problems: list[SunhwanError]
) -> tuple[Table, Columns]:
    """The table without the series that have a cell that is no number, whose errors are told.

    DataError: every series has one.
    """
    keys, broken = keys_of(table, columns.group), dict[tuple[str, ...], SunhwanError]()
    for key, row in zip(keys, table.rows, strict=True):
        for name in _read(columns):
            if row.values[name].strip().casefold() in MISSING or key in broken:
                continue
            try:
                finite(row.values[name], row.where, name, _CURE)
            except DataError as error:
                broken[key] = error
    kept = [place for place, key in enumerate(keys) if key not in broken]
    if broken and not kept:
        raise next(iter(broken.values()))
    problems += broken.values()
    rows = tuple(table.rows[place] for place in kept)
    written = tuple(table.written[place] for place in kept) if table.written else ()
    times = [columns.times[place] for place in kept] if columns.times else columns.times
    return replace(table, rows=rows, written=written), columns._replace(times=times)


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
    calendar = begun(calendar, times.points[rows])
    cells_of = dict(zip(columns.group, key, strict=True))
    static = tuple((name, table.rows[rows[0]].values[name]) for name in columns.static)
    if calendar.unit == "row":
        places = np.arange(len(rows))
    else:
        points = times.points[rows]
        rows, points = rows[calendar.on_grid(points)], points[calendar.on_grid(points)]
        places = calendar.places(points)
        check_places(table, columns, rows, places)
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
