"""Wide tables of series: a row for each series and a column for each time, turned to a row a value."""

import re
from collections.abc import Sequence
from itertools import pairwise

from sunhwan.data.dates import orders_of
from sunhwan.data.month_names import MONTH_NUMBERS
from sunhwan.data.numbers import MISSING, is_number
from sunhwan.data.separated import Cells
from sunhwan.data.times import read_times
from sunhwan.errors import DataError, listed, quoted

FEWEST = 3
"""Columns named by times from which on they are those of a wide table."""

_FEWEST_NUMBERED = 8
_YEARS = range(1800, 2201)
_MARK = re.compile(r"(?<=\d) +월$|\s*\[YR\d{4}\]$")
"""What offices of statistics write behind a time: 2021.01 월, 1960 [YR1960]."""

_MONTH = re.compile(r"0?([0-9]+) ?(?:월|月)?")
_NUMBERED = re.compile(r"[Vv]([0-9]+)")
_COUNTED = re.compile(r"(d|day|w|wk|week|m|month|t|period)[_ ]?([0-9]+)", re.IGNORECASE)
# fmt: off
_PARTS = frozenset((
    "month", "day", "week", "weekday", "hour", "quarter", "date", "time", "doy", "dayofyear", "day of year",
    "월", "일", "주", "주차", "요일", "시", "시간", "분기", "월일", "날짜", "일자",
))
# fmt: on
"""Names of columns that hold times, or a part of them, and name no series."""


def time_columns(first: Sequence[str]) -> range:
    """The places of the cells of a first row that are times, one after the other; of length 0 where it
    has none, or begins with them."""
    names = [_MARK.sub("", cell.strip()) for cell in first]
    start = next((n for n, name in enumerate(names) if n and _may_be_time(name)), len(names))
    stop = next((n for n in range(start, len(names)) if not _may_be_time(names[n])), len(names))
    run = names[start:stop]
    if len(run) < FEWEST or is_number(names[0]) or not _go_on(run):
        return range(0)
    return range(start, stop)


def _may_be_time(name: str) -> bool:
    return any(map(str.isdigit, name)) and (_is_year(name) or bool(orders_of(name)))


def _is_year(name: str) -> bool:
    return len(name) == 4 and name.isdecimal() and int(name) in _YEARS


def _go_on(names: Sequence[str]) -> bool:
    """Whether names are dates in order, or years that are equally far apart."""
    try:
        times = read_times(names, [""] * len(names), "")
    except DataError:
        return False
    steps = {b - a for a, b in pairwise(times.points.tolist())}
    one_way = min(steps) > 0 or max(steps) < 0
    if times.kind == "number":
        return one_way and len(steps) == 1 and all(map(_is_year, names))
    return one_way and times.kind == "date"


def turned(rows: Cells, notes: tuple[str, ...], name: str) -> tuple[Cells, tuple[str, ...]]:
    """The rows of a wide table as a header and a row for each value, and a note more; others as they are.

    So is a table with a row for each year and a column for each month.

    Empty cells before the first and after the last number of a series are no rows: it begins later, or
    ends earlier.

    DataError: the rows name parts of times, or columns stand behind those of the times.
    """
    header = [cell.strip() for cell in rows[0][1]] if rows else []
    body = [row for row in rows[1:] if row[1] and row[1] != rows[0][1]]
    if are_months(header, [row for _, row in body]):
        return _months_turned(rows[0][0], header, body, notes)
    times, written = time_columns(header), [_MARK.sub("", cell) for cell in header]
    if not times and _are_numbered(header, [row for _, row in body]):
        times, written = range(1, len(header)), [str(n) for n in range(len(header))]
    if not times and (counted := _counted(header, [row for _, row in body])):
        times = counted
        written = [cell[len(cell.rstrip("0123456789")) :] for cell in header]
    if not times or not body or any(len(row) != len(header) for _, row in body):
        return rows, notes
    names = range(times.start)
    for n in names:
        found = [row[n].strip() for _, row in body]
        if _are_dates(found):
            return rows, notes
        parts = header[n].casefold() in _PARTS or all(
            cell.rstrip(".").casefold() in MONTH_NUMBERS for cell in found
        )
        if parts:
            raise DataError(
                f"{name}: the columns {quoted(header[times.start])} to {quoted(header[times[-1]])} are "
                f"times, and so are the rows of {quoted(header[n] or '1')}; give one row for each time, "
                "such as 2024-01"
            )
    behind = [header[n] for n in range(times.stop, len(header)) if header[n]]
    if behind:
        raise DataError(
            f"{name}: the columns {quoted(header[times.start])} to {quoted(header[times[-1]])} are "
            f"times, each row a series, but {listed(behind)} behind them is none; leave it out, or put "
            "what names the series before the times"
        )
    named = [header[n] or str(n + 1) for n in names]
    time = next(one for one in ("time", "ds", "time of column") if one not in named)
    value = next(one for one in ("value", "y", "value of row") if one not in named)
    long: Cells = [(rows[0][0], [*named, time, value])]
    for line, row in body:
        filled = [n for n in times if row[n].strip().casefold() not in MISSING] or list(times)
        long += [
            (line, [*(row[k] for k in names), written[n], row[n]])
            for n in times
            if filled[0] <= n <= filled[-1]
        ]
    note = (
        f"{len(body):,} rows of a series each, with a column for each time from "
        f"{header[times.start]} to {header[times[-1]]}, are read as {listed(long[0][1])}"
    )
    return long, (*notes, note)


def are_months(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether each row is a year, and the columns after it are its twelve months."""
    months = [MONTH_NUMBERS.get(cell.rstrip(".").casefold()) for cell in header[1:13]]
    numbers = [_MONTH.fullmatch(cell) for cell in header[1:13]]
    named = list(range(1, 13))
    if months != named and [int(match[1]) if match else 0 for match in numbers] != named:
        return False
    if len(rows) < 2 or not all(
        len(row) == len(header) and _is_year(row[0].strip()) for row in rows
    ):
        return False
    steps = [int(b[0]) - int(a[0]) for a, b in pairwise(rows)]
    return min(steps) > 0 or max(steps) < 0


def _months_turned(
    line: int, header: Sequence[str], body: Cells, notes: tuple[str, ...]
) -> tuple[Cells, tuple[str, ...]]:
    """A row a month, without the months before the first number and after the last."""
    long: Cells = [
        (place, [f"{row[0].strip()}-{month:02}", row[month]])
        for place, row in sorted(body, key=lambda row: int(row[1][0]))
        for month in range(1, 13)
    ]
    filled = [n for n, (_, cells) in enumerate(long) if cells[1].strip().casefold() not in MISSING]
    long = long[filled[0] : filled[-1] + 1] if filled else long
    said = [
        *notes,
        f"{len(body):,} rows of a year each, with a column for each month, are read as one series",
    ]
    if behind := [cell for cell in header[13:] if cell]:
        said.append(f"columns behind the months are left out: {listed(behind)}")
    return [(line, ["time", "value"]), *long], tuple(said)


def _are_dates(cells: Sequence[str]) -> bool:
    """Whether the rows are times of their own: dates that differ."""
    if len(cells) < 2 or len(set(cells)) < len(cells) or not any(map(orders_of, cells[:2])):
        return False
    try:
        return read_times(cells, [""] * len(cells), "").kind == "date"
    except DataError:
        return False


def _are_numbered(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether columns are V1, V2, … over words that differ, and numbers, as R names those of a matrix."""
    found = [_NUMBERED.fullmatch(cell) for cell in header]
    numbers = [int(match[1]) if match else 0 for match in found]
    first = [row[0].strip() for row in rows if row]
    return (
        len(header) > _FEWEST_NUMBERED
        and numbers == list(range(1, len(numbers) + 1))
        and len(set(first)) == len(first)
        and not any(is_number(cell) or orders_of(cell) for cell in first)
        and all(c.strip().casefold() in MISSING or is_number(c) for c in rows[0][1:])
        if rows
        else False
    )


def _counted(header: Sequence[str], rows: Sequence[Sequence[str]]) -> range:
    """The places of columns d_1, d_2, … or W0, W1, … over numbers, behind names that differ in each row."""
    found = [_COUNTED.fullmatch(cell) for cell in header]
    places = [place for place, match in enumerate(found) if match]
    if len(places) <= _FEWEST_NUMBERED or not places[0] or len(rows) < 2:
        return range(0)
    run = range(places[0], places[-1] + 1)
    parts = [(match[1], int(match[2])) for match in found if match]
    same = list(run) == places and len({name for name, _ in parts}) == 1
    even = all(b == a + 1 for (_, a), (_, b) in pairwise(parts)) and parts[0][1] in (0, 1)
    names = [tuple(row[: run.start]) for row in rows]
    words = not any(map(is_number, names[0])) or run.start > 1
    told = len(set(names)) == len(names) and words and not any(map(orders_of, names[0]))
    numbers = all(
        c.strip().casefold() in MISSING or is_number(c) for c in rows[0][run.start : run.stop]
    )
    return run if same and even and told and numbers else range(0)
