"""The time of a table: the column of times, or the columns that hold its parts, joined row by row."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import combinations, pairwise
from typing import NamedTuple

from sunhwan.data.dates import looks_like_date, orders_of, read_date
from sunhwan.data.month_names import MONTH_NUMBERS
from sunhwan.data.named_columns import column
from sunhwan.data.numbers import is_number
from sunhwan.data.series_groups import cells, keys_of, may_name
from sunhwan.data.tables import Table
from sunhwan.data.times import read_times
from sunhwan.errors import DataError

# fmt: off
TIME_NAMES = frozenset((
    "date", "time", "datetime", "timestamp", "ds", "day", "month", "quarter", "year", "epoch",
    "날짜", "일자", "일시", "시간", "시각", "연도", "월", "측정일시", "기준일", "기준일자", "거래일",
    "시점", "연월", "년월", "기준년월", "기준연월", "time_period",
))
# fmt: on
_CLOCK_CELL = re.compile(r"(?:[01]?[0-9]|2[0-4])(?:시|(?::[0-9]{2}){0,2})(?: ?[AaPp][Mm])?")
_CLOCK_DIGITS = re.compile(r"(?:[0-9]|[01][0-9]|2[0-4])[0-5][0-9](?:[0-5][0-9])?")
_CLOCK_NAME = re.compile(
    r"(?:.*[ _])?(?:time|hours?|hr|hh|h)|(?:.*\S)?(?:시간|시각)|시", re.IGNORECASE
)
_PARTS = {
    "year": (("year", "yr", "연도", "년", "년도"), re.compile(r"([0-9]{4}) ?(?:년도?)?")),
    "month": (("month", "mon", "mnth", "mo", "월"), re.compile(r"([0-9]{1,2}|[^\W\d]{3,}\.?) ?월?")),
    "day": (("day", "일"), re.compile(r"([0-9]{1,2}) ?일?")),
    "quarter": (
        ("quarter", "qtr", "분기"),
        re.compile(r"[qQ]?([1-4])(?:[qQ]|/4)? ?(?:분기)?"),
    ),
    "week": (
        ("week", "isoweek", "iso_week", "weekofyear", "week_of_year", "kw", "주", "주차"),
        re.compile(r"(?:[wW]|[kK][wW] ?|[wW]eek ?)?([0-9]{1,2})\.? ?(?:주차?)?"),
    ),
}  # fmt: skip
"""Of each part of a date its usual names, in lower case, and how its cells are written."""
PART_NAMES = frozenset((*(name for names, _ in _PARTS.values() for name in names), "hour", "시"))
"""Names of columns that hold a part of a date each."""
_JOINED = (("month", "day"), ("month",), ("quarter",), ("week",))
"""What makes a time with the year, that which says most first."""
_MOST_NAMES = 6
FEWEST_TIMES = 8
"""Rows from which on plain numbers under another name are told to be times."""


class Time(NamedTuple):
    """The time of a table.

    name: its name, "" where there is none; of several columns their names, one after another.
    cells: of each row. parts: the columns that it is made of.
    """

    name: str = ""
    cells: Sequence[str] = ()
    parts: tuple[str, ...] = ()


def time_of(table: Table, wanted: str, taken: set[str]) -> Time:
    """The time that is wanted, or found by evidence.

    taken: columns that are named as something else.
    """
    if wanted:
        joined = (
            time_of(table, "", taken) if " " in wanted and wanted not in table.columns else None
        )
        if joined and joined.name == wanted:
            return joined
        return _one(table, column(table, wanted, (), "time"))
    free = [name for name in table.columns if name not in taken]
    found = time_column(table, taken)
    if found and len(set(cells(table, found))) == len(table.rows) and not _is_part(table, found):
        return _one(table, found)
    date = _joined_date(table, free, found) or _date_beside(table, free, found)
    if date is None:
        return _one(table, found) if found else _digits_and_clock(table, free)
    clock = _clock_beside(table, free, date) if _comes_again(date.cells) else None
    return clock or date


def _one(table: Table, name: str) -> Time:
    return Time(name, cells(table, name), (name,))


def _digits_and_clock(table: Table, free: Sequence[str]) -> Time:
    """Few dates in digits, which a time of day beside them makes times that stand once each."""
    for name in free:
        if _are_digits(table, name, 2):
            found = _clock_beside(table, free, _one(table, name))
            if found and not _comes_again(found.cells):
                return found
    return Time()


def _comes_again(times: Sequence[str]) -> bool:
    return len(set(times)) < len(times)


def _part(name: str) -> str:
    """Which part of a date a column of this name holds, or ""."""
    known = name.casefold()
    return next((part for part, (names, _) in _PARTS.items() if known in names), "")


def _is_part(table: Table, name: str) -> bool:
    """Whether a column holds months, days, quarters, weeks or times of day without their year."""
    part = _part(name)
    if part == "year":
        return False
    if part:
        return all(_PARTS[part][1].fullmatch(cell.strip()) for cell in cells(table, name))
    return _clock_cells(cells(table, name)) is not None


def _joined_date(table: Table, free: Sequence[str], found: str) -> Time | None:
    """The year and the parts beside it as one date, where the column that was found is one of them."""
    if found and not _part(found):
        return None
    by_part = {part: name for name in reversed(free) if (part := _part(name))}
    year = by_part.get("year", "")
    if not year or (found == year and not _comes_again(cells(table, year))):
        return None
    for others in _JOINED:
        names = [year, *(by_part.get(part, "") for part in others)]
        if not all(names):
            continue
        rows = zip(*(_plain(table, name) for name in names), strict=True)
        written = zip(*(cells(table, name) for name in names), strict=True)
        blank = [not all(map(str.strip, row)) for row in written]
        made = [_written(others, row) for row in rows]
        if all(time or empty for time, empty in zip(made, blank, strict=True)):
            return Time(" ".join(names), made, tuple(names))
    return None


def _plain(table: Table, name: str) -> list[str]:
    """What is written of a part without its unit; "" in a cell that holds no such part."""
    found = (_PARTS[_part(name)][1].fullmatch(cell.strip()) for cell in cells(table, name))
    return [match[1].lstrip() if match else "" for match in found]


def _written(others: Sequence[str], row: Sequence[str]) -> str:
    """A date of its parts, or "" where one is missing."""
    if not all(row):
        return ""
    named = others[0] == "month" and not row[1].isdigit()
    if named and row[1].rstrip(".").casefold() not in MONTH_NUMBERS:
        return ""
    mark = {"quarter": "Q", "week": "W"}.get(others[0], "")
    digits = 1 if mark == "Q" else 2
    return "-".join([row[0], *(mark + part.zfill(digits) for part in row[1:])])


def _date_beside(table: Table, free: Sequence[str], found: str) -> Time | None:
    """The column of dates, also where a time of day was found first."""
    if found and not (found in free and _is_part(table, found)):
        return _one(table, found)
    for name in free:
        if name != found and (_are_days(cells(table, name)) or _are_digits(table, name, 1)):
            return _one(table, name)
    return None


def _are_days(some: Sequence[str]) -> bool:
    """Whether all cells are dates, and no plain numbers."""
    unique = list(dict.fromkeys(some))
    if any(is_number(cell) or not cell.strip() for cell in unique[:1]):
        return False
    orders = orders_of(unique[0])
    return any(all(read_date(cell, order) for cell in unique) for order in orders)


def _are_digits(table: Table, name: str, fewest: int = FEWEST_TIMES) -> bool:
    """Whether all numbers of a column are dates in digits, such as 20240131, so many different ones."""
    unique = set(map(str.strip, cells(table, name)))
    years = all(len(cell) == 8 and "1900" <= cell[:4] <= "2100" for cell in unique)
    return len(unique) >= fewest and years and all(read_date(c, "digits") for c in unique)


def _clock_beside(table: Table, free: Sequence[str], date: Time) -> Time | None:
    """The dates with the time of day that stands in another column."""
    for name in free:
        if name in date.parts or not _CLOCK_NAME.fullmatch(name):
            continue
        clock = _clock_cells(cells(table, name))
        if clock:
            both = zip(date.cells, clock, strict=True)
            made = [f"{day.strip()} {hour}" for day, hour in both]
            return Time(f"{date.name} {name}", made, (*date.parts, name))
    return None


def _clock_cells(some: Sequence[str]) -> list[str] | None:
    """Times of day as a clock shows them; of 0 and 100 or 0000 and 0100, too; None: they are none."""
    some = [cell.strip() for cell in some]
    longest = max(map(len, some), default=0)
    if all(cell.isdigit() for cell in some) and longest > 2:
        full = [cell.zfill(4 if longest < 5 else 6) for cell in some]
        if not all(map(_CLOCK_DIGITS.fullmatch, full)):
            return None
        return [":".join(cell[at : at + 2] for at in range(0, len(cell), 2)) for cell in full]
    if not all(map(_CLOCK_CELL.fullmatch, some)):
        return None
    return [f"{cell.zfill(2)}:00" if cell.isdigit() else cell for cell in some]


def time_column(table: Table, taken: set[str]) -> str:
    """The name of the one column of times, or ""; taken: columns that are named as something else."""
    for name in table.columns:
        if name.casefold() in TIME_NAMES:
            return name
    texts = [
        name
        for name in table.columns
        if not any(not cell.strip() or is_number(cell) for cell in cells(table, name))
    ]
    for name in texts:
        first = table.rows[0].values[name]
        if looks_like_date(first) or orders_of(first):
            return name
    found = next((n for n in texts if len(set(cells(table, n))) == len(table.rows)), "")
    free = [n for n in table.columns if n not in taken and n not in texts]
    several = free[: len(table.columns) - 1]
    evidence: tuple[Callable[[Table, str], bool], ...] = (_goes_on, _are_digits, _goes_on_anew)
    return found or next((n for holds in evidence for n in several if holds(table, n)), "")


def _goes_on(table: Table, name: str) -> bool:
    """Whether plain numbers, one a row, are times: dates in digits in order, counts since 1970 in mostly
    equal steps, or, in the first column, 0, 1, 2 … or 1, 2, 3 …"""
    texts = [cell.strip() for cell in cells(table, name)]
    if len(texts) < FEWEST_TIMES or not all(map(is_number, texts)):
        return False
    steps = [b - a for a, b in pairwise(map(float, texts))]
    if not (min(steps) > 0 or max(steps) < 0):
        return False
    counted = set(map(abs, steps)) == {1} and {texts[0], texts[-1]} & {"0", "1"}
    if counted and name == table.columns[0]:
        return True
    try:
        times = read_times(texts, [row.where for row in table.rows], name)
    except DataError:
        return False
    _, most = Counter(steps).most_common(1)[0]
    return times.kind == "date" and (times.order != "epoch" or 2 * most >= len(steps))


def _goes_on_anew(table: Table, name: str) -> bool:
    """Whether plain numbers are the times of several series: dates in digits, years, counts since 1970 or
    0, 1, 2 … or 1, 2, 3 …, which go on in order in the rows of each name that other columns hold."""
    texts = [cell.strip() for cell in cells(table, name)]
    different = sorted({cell for cell in texts if is_number(cell)}, key=float)
    if not FEWEST_TIMES <= len(different) < len(texts) or not all(map(is_number, texts)):
        return False
    steps = Counter(round(b - a, 9) for a, b in pairwise(map(float, different)))
    counted = set(steps) == {1} and different[0] in ("0", "1")
    years = max(steps) <= 10 and all(c.isdigit() and 1800 <= int(c) <= 2200 for c in different)
    if not counted and not years:
        try:
            times = read_times(different, [""] * len(different), name)
        except DataError:
            return False
        even = 2 * max(steps.values()) >= len(different) - 1
        if times.kind != "date" or (times.order == "epoch" and not even):
            return False
    numbers = list(map(float, texts))
    named = [one for one in table.columns if one != name and may_name(table, one)][:_MOST_NAMES]
    some = (found for n in (1, 2, 3) for found in combinations(named, n))
    return any(_in_order(numbers, keys_of(table, names)) for names in some)


def _in_order(numbers: Sequence[float], keys: Sequence[tuple[str, ...]]) -> bool:
    """Whether numbers grow from row to row of each key, or shrink in all; of three rows on average."""
    last = dict[tuple[str, ...], float]()
    signs = set[int]()
    for number, key in zip(numbers, keys, strict=True):
        before = last.get(key)
        if before is not None:
            signs.add((number > before) - (number < before))
        last[key] = number
    return signs in ({1}, {-1}) and 3 * len(last) <= len(keys)
