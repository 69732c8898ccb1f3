"""Which columns of a table are time, series and names of series: as named, or found by evidence."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from sunhwan.data.headers import ROW_NAMES
from sunhwan.data.named_columns import column
from sunhwan.data.numbers import MISSING, is_number
from sunhwan.data.series_groups import (
    VALUE_NAMES,
    cells,
    check_named,
    dates_filled_down,
    filled_down,
    group_of,
    is_numeric,
    static_of,
)
from sunhwan.data.tables import Table
from sunhwan.data.time_columns import PART_NAMES, time_column, time_of
from sunhwan.errors import DataError, UsageError, listed, quoted

_AMOUNT = re.compile(r"\W*[0-9][0-9.,]*+\W*(?![KMB]\s*$)\w{1,3}\W*")
"""A number with a unit, such as 1,200원: a mistake in a column of numbers, and no word."""


@dataclass(frozen=True)
class Wanted:
    """The columns of a table as its user names them; "" and (): found by evidence.

    Attributes:
        time: the column of times.
        targets: the series. inputs: columns read beside each, of the past alone.
        future: columns that are known ahead.
        group: columns that together name the series of a long table.
        dates, zone: as `read_times` takes them. order, usual_zone: those of the dates a model was
            trained on, taken where several fit.
        rows: whether rows are counted, whatever their times.
        filled: whether an empty line is an error, also where times tell the steps.
        joined: whether rows of different times are one series, whatever names stand in them, as for a
            model that was trained so.
        writings, currencies: of columns that a model was trained on, how their numbers were written, which
            decides where a file does not, and their currency or "%", which no other may replace.
    """

    time: str = ""
    targets: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    future: tuple[str, ...] = ()
    group: tuple[str, ...] = ()
    dates: str = ""
    order: str = ""
    zone: str = ""
    usual_zone: str = ""
    rows: bool = False
    filled: bool = False
    joined: bool = False
    writings: tuple[tuple[str, str], ...] = ()
    currencies: tuple[tuple[str, str], ...] = ()


FOUND = Wanted()
"""Every column found by evidence."""


class Columns(NamedTuple):
    """The role of each column of a table.

    time: its name, or "" where there is none; times: its cells, joined where it is several columns.
    joined: the columns that the times are joined from, none where it is one.
    left: columns that are not read; words: those of them that hold words, and can be no series; empty:
    those without any number.
    """

    time: str
    times: Sequence[str]
    group: tuple[str, ...]
    targets: tuple[str, ...]
    inputs: tuple[str, ...]
    future: tuple[str, ...]
    static: tuple[str, ...]
    left: tuple[str, ...]
    words: tuple[str, ...] = ()
    joined: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()


def without_blank_rows(table: Table, wanted: Wanted) -> Table:
    """The table without rows of empty cells alone, as spreadsheets save them, if a column has times."""
    kept, blank = list[int](), list[int]()
    for place, row in enumerate(table.rows):
        (kept if any(map(str.strip, row.values.values())) else blank).append(place)
    if not kept or not blank:
        return table
    found = replace(
        table,
        rows=tuple(table.rows[place] for place in kept),
        written=tuple(table.written[place] for place in kept) if table.written else (),
        empty=(*table.empty, *(table.rows[place].where for place in blank)),
    )
    return found if wanted.time or time_column(found, set()) else table


def with_names_filled(table: Table, wanted: Wanted) -> tuple[Table, tuple[str, ...]]:
    """The table with the times and names of its series in every row, and notes; see `filled_down` and
    `dates_filled_down`."""
    if all(cell.strip() for row in table.rows for cell in row.values.values()):
        return table, ()
    when = wanted.time or time_column(table, set())
    table, dated = dates_filled_down(table, when) if when in table.columns else (table, ())
    when, times, parts = time_of(table, wanted.time, set())
    used = {*parts, *wanted.targets, *wanted.inputs, *wanted.future}
    free = [name for name in table.columns if name not in used]
    table, named = filled_down(table, times, free) if when else (table, ())
    return table, dated + named


def columns_of(table: Table, wanted: Wanted) -> Columns:
    """Find what each column is. DataError: one is missing; UsageError: one is named twice."""
    given = [_named(table, names) for names in (wanted.group, wanted.inputs, wanted.future)]
    targets = _named(table, wanted.targets)
    named = {*targets, *(name for names in given for name in names)}
    when, times, parts = time_of(table, wanted.time, named)
    counts = Counter([when, *targets, *(name for names in given for name in names)])
    for name, count in counts.items():
        if count > 1:
            raise UsageError(f"The column {quoted(name)} is named twice; name each one once.")
    group, inputs, future = given
    if not wanted.rows:
        _check_times(table, when, times)
    if when and not group:
        used = {*parts, *targets, *inputs, *future}
        used |= {name for name in table.columns if name.casefold() in PART_NAMES}
        free = [name for name in table.columns if name not in used]
        group = group_of(table, times, free, joined=wanted.joined, whole=not targets)
    check_named(table, group)
    taken = {*parts, *group, *inputs, *future, *targets}
    rest = [name for name in table.columns if name not in taken]
    static = static_of(table, group, rest) if group else ()
    rest = [name for name in rest if name not in static]
    words = [name for name in rest if _holds_words(table, name)]
    empty = [name for name in rest if _is_empty(table, name)]
    if not targets:
        others = {*words, *empty}
        numbers = [n for n in rest if (is_numeric(table, n) if group else n not in others)]
        counted = [name for name in numbers if _counts_rows(table, name)]
        numbers = [name for name in numbers if name not in counted] or numbers
        usual = [name for name in numbers if name.casefold() in VALUE_NAMES] if group else []
        targets = tuple(usual[:1] or numbers)
    if not targets:
        if inputs or future:
            raise DataError(f"{table.name}: every column is an input: leave one to be forecast")
        raise DataError(
            f"{table.name} has no column of numbers to forecast, only {listed(table.columns)}: give one, "
            "with commas, semicolons or tabs between the cells"
        )
    read = set(targets)
    left = tuple(name for name in rest if name not in read)
    joined = parts if len(parts) > 1 else ()
    unread = tuple(name for name in words if name not in read)
    bare = tuple(name for name in empty if name not in read)
    return Columns(
        when, times, group, targets, inputs, future, static, left, unread, joined, bare
    )  # fmt: skip


def _check_times(table: Table, when: str, times: Sequence[str]) -> None:
    """DataError: a row lacks a time, which others have."""
    empty = [row for row, cell in enumerate(times) if not cell.strip(" -")]
    if empty and len(empty) < len(times):
        raise DataError(
            f"{table.rows[empty[0]].where}: the column {quoted(when)} has no time, as in {len(empty):,} of "
            f"{len(times):,} rows; write the time in every row, or take the row out"
        )


def _named(table: Table, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(column(table, name, (), "series") for name in names)


def _holds_words(table: Table, name: str) -> bool:
    """Whether most cells of a column are words, so that it can be no series."""
    some = [cell for cell in cells(table, name) if cell.strip().casefold() not in MISSING]
    words = [
        cell for cell in some
        if not is_number(cell) and any(map(str.isalpha, cell)) and not _AMOUNT.fullmatch(cell)
    ]  # fmt: skip
    return 2 * len(words) > len(some)


def _is_empty(table: Table, name: str) -> bool:
    return all(cell.strip().casefold() in MISSING for cell in cells(table, name))


def _counts_rows(table: Table, name: str) -> bool:
    """Whether a column without a name, or one called an index, numbers the rows."""
    unnamed = name == str(table.columns.index(name) + 1) and not all(
        column == str(place) for place, column in enumerate(table.columns, 1)
    )
    if not (unnamed or name.casefold() in ROW_NAMES):
        return False
    found = [cell.strip() for cell in cells(table, name)]
    return any(found == [str(n) for n in range(first, first + len(found))] for first in (0, 1))
