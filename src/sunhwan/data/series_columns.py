"""Which columns of a table are time, series and names of series: as named, or found by evidence."""

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from typing import NamedTuple

from sunhwan.data.dates import looks_like_date, orders_of
from sunhwan.data.headers import ROW_NAMES
from sunhwan.data.numbers import MISSING, is_number
from sunhwan.data.tables import Table, column
from sunhwan.data.times import read_times
from sunhwan.errors import DataError, UsageError, listed, quoted, shortened

# fmt: off
TIME_NAMES = frozenset((
    "date", "time", "datetime", "timestamp", "ds", "day", "month", "quarter", "year", "epoch",
    "날짜", "일자", "일시", "시간", "시각", "연도", "월", "측정일시", "기준일", "기준일자", "거래일",
))
GROUP_NAMES = frozenset((
    "unique_id", "series", "series_id", "item", "item_id", "store", "store_id", "product",
    "product_id", "sku", "id", "shop", "shop_id", "region", "location", "station", "symbol", "ticker",
    "branch", "customer", "sensor", "device", "지점", "상품", "품목", "매장", "점포", "지역", "종목",
    "관측소", "지점명", "상품코드",
))
VALUE_NAMES = frozenset((
    "y", "value", "sales", "target", "demand", "quantity", "qty", "units", "count", "sold", "amount",
    "price", "close", "값", "판매량", "매출", "수량", "수요", "가격", "종가",
))
# fmt: on
_CLOCK_NAMES = frozenset(("time", "hour", "시간", "시각", "시"))
_CLOCK_CELL = re.compile(r"(?:[01]?[0-9]|2[0-4])(?:시|(?::[0-9]{2}){0,2})(?: ?[AaPp][Mm])?")
_QUARTER_NAMES = ("quarter", "qtr", "분기")
_QUARTER_CELL = re.compile(r"[qQ]?([1-4])(?:[qQ]|/4)? ?(?:분기)?")
_PARTS = (("year", "연도", "년"), ("month", "월"), ("day", "일"))
PART_NAMES = frozenset(
    (*_PARTS[0], *_PARTS[1], *_PARTS[2], "quarter", "week", "hour", "분기", "주", "시")
)
"""Names of columns that hold a part of a date each."""
_AMOUNT = re.compile(r"\W*[0-9][0-9.,]*+\W*(?![KMB]\s*$)\w{1,3}\W*")
"""A number with a unit, such as 1,200원: a mistake in a column of numbers, and no word."""
FEWEST_TIMES = 8
"""Rows from which on plain numbers under another name are told to be times."""


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
    """What each column of a table is.

    time: its name, or "" where there is none; times: its cells, joined where it is several columns.
    left: columns that are not read; words: those of them that hold words, and can be no series.
    """

    time: str
    times: list[str]
    group: tuple[str, ...]
    targets: tuple[str, ...]
    inputs: tuple[str, ...]
    future: tuple[str, ...]
    static: tuple[str, ...]
    left: tuple[str, ...]
    words: tuple[str, ...] = ()


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
    return found if wanted.time or _time_column(found, set()) else table


def columns_of(table: Table, wanted: Wanted) -> Columns:
    """Find what each column is. DataError: one is missing; UsageError: one is named twice."""
    given = [_named(table, names) for names in (wanted.group, wanted.inputs, wanted.future)]
    targets = _named(table, wanted.targets)
    named = {*targets, *(name for names in given for name in names)}
    when, times, parts = _times(table, wanted.time, named)
    counts = Counter([when, *targets, *(name for names in given for name in names)])
    for name, count in counts.items():
        if count > 1:
            raise UsageError(f"The column {quoted(name)} is named twice; name each one once.")
    group, inputs, future = given
    if when and not group:
        used = {*parts, *targets, *inputs, *future}
        free = [name for name in table.columns if name not in used]
        group = _group_of(table, times, free, joined=wanted.joined, whole=not targets)
    _check_named(table, group)
    taken = {*parts, *group, *inputs, *future, *targets}
    rest = [name for name in table.columns if name not in taken]
    static = _static(table, group, rest) if group else ()
    rest = [name for name in rest if name not in static]
    words = [name for name in rest if _holds_words(table, name)]
    if not targets:
        numbers = [n for n in rest if (_numeric(table, n) if group else n not in words)]
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
    unread = tuple(name for name in words if name not in read)
    return Columns(when, times, group, targets, inputs, future, static, left, unread)


def _check_named(table: Table, group: Sequence[str]) -> None:
    """DataError: a row lacks a name of its series, which others have."""
    for name in group:
        filled = [bool(cell.strip()) for cell in cells(table, name)]
        if any(filled) and not all(filled):
            raise DataError(
                f"{table.rows[filled.index(False)].where}: the column {quoted(name)}, which names the "
                "series, is empty; write the name in every row"
            )


def cells(table: Table, name: str) -> list[str]:
    """The cells of a column."""
    return [row.values[name] for row in table.rows]


def keys_of(table: Table, group: Sequence[str]) -> list[tuple[str, ...]]:
    """The cells of a row that name its series, for each row."""
    return [tuple(row.values[name].strip() for name in group) for row in table.rows]


def alike(keys: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """A note about the first two series whose names are alike but for case."""
    seen: dict[str, str] = {}
    for name in map(", ".join, keys):
        first = seen.setdefault(name.casefold(), name)
        if first != name:
            return (f"{first} and {name} are two series, for their names differ in case",)
    return ()


def _named(table: Table, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(column(table, name, (), "series") for name in names)


def _times(table: Table, wanted: str, taken: set[str]) -> tuple[str, list[str], tuple[str, ...]]:
    """The name of the time, its cells, and the columns it is made of; "" where there is none."""
    when = column(table, wanted, (), "time") if wanted else _time_column(table, taken)
    if not when:
        return "", [], ()
    times = cells(table, when)
    if len(set(times)) == len(times) or wanted:
        return when, times, (when,)
    by_name = {name.casefold(): name for name in table.columns if name != when}
    parts = [next((by_name[n] for n in names if n in by_name), "") for names in _PARTS]
    if when.casefold() in _PARTS[0] and parts[1]:
        parts = [when, *filter(None, parts[1:])]
        joined = zip(*(cells(table, name) for name in parts), strict=True)
        return " ".join(parts), ["-".join(_padded(c) for c in row) for row in joined], tuple(parts)
    quarter = next((by_name[name] for name in _QUARTER_NAMES if name in by_name), "")
    if when.casefold() in _PARTS[0] and quarter:
        found = [_QUARTER_CELL.fullmatch(cell.strip()) for cell in cells(table, quarter)]
        if all(found):
            pairs = zip(times, found, strict=True)
            joined_quarters = [f"{year.strip()}-Q{match[1]}" for year, match in pairs if match]
            return f"{when} {quarter}", joined_quarters, (when, quarter)
    clock = next((by_name[name] for name in _CLOCK_NAMES if name in by_name), "")
    if clock and all(_CLOCK_CELL.fullmatch(cell.strip()) for cell in cells(table, clock)):
        both = zip(times, cells(table, clock), strict=True)
        return f"{when} {clock}", [f"{a.strip()} {b.strip()}" for a, b in both], (when, clock)
    return when, times, (when,)


def _padded(cell: str) -> str:
    return f"{cell.strip():0>2}"


def _time_column(table: Table, taken: set[str]) -> str:
    """The name of the column of times, or ""; taken: columns that are named as something else."""
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
    return found or next((n for n in free[: len(table.columns) - 1] if _goes_on(table, n)), "")


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


def _group_of(
    table: Table, times: Sequence[str], free: Sequence[str], *, joined: bool, whole: bool
) -> tuple[str, ...]:
    """The columns that name the series of a long table; () where each row has its own time and no name.

    whole: whether what is forecast is among the free columns, too.
    """
    if "unique_id" in (name.casefold() for name in free):
        return tuple(name for name in free if name.casefold() == "unique_id")
    if len(set(times)) == len(times):
        blocks = () if joined else _blocks(table, free)
        return () if whole and len(blocks) == len(free) else blocks
    likely = [n for n in free if n.casefold() in GROUP_NAMES or not _numeric(table, n)]
    for count in range(1, min(len(likely), 4) + 1):
        for some in combinations(likely, count):
            rows = zip(times, keys_of(table, some), strict=True)
            if len(set(rows)) == len(times):
                return some
    named = [n for n in free if _may_name(table, n)]
    if not likely or not named:
        return ()
    first, second = _same([*zip(times, keys_of(table, likely), strict=True)]) or _same(times)
    raise DataError(
        f"{table.rows[second].where}: the time {shortened(times[second])} is that of "
        f"{table.rows[first].where} too, and no columns tell the two apart; keep one row for each time "
        f"of a series, or name the columns that tell series apart with --group, such as {listed(named)}"
    )


def _blocks(table: Table, free: Sequence[str]) -> tuple[str, ...]:
    """The columns named as those of series are, where the rows of each name stand together.

    DataError: they do not, so it cannot be told whether all rows are one series.
    """
    named = [
        name for name in free
        if name.casefold() in GROUP_NAMES and _are_names(cells(table, name))
    ]  # fmt: skip
    keys = keys_of(table, named)
    if 1 + sum(a != b for a, b in pairwise(keys)) == len(set(keys)):
        return tuple(named)
    name = named[0]
    raise DataError(
        f"{table.name}: the column {quoted(name)} seems to name series, but each time stands once, so "
        f"it is not certain; say --group {name} to take each as a series of its own, or leave the "
        "column out of the file to have one series"
    )


def _are_names(found: Sequence[str]) -> bool:
    """Whether cells are few words or whole numbers that come again."""
    whole = all(cell.strip().isdigit() for cell in found)
    few = len(set(found)) <= max(1, len(found) / 4)
    return all(map(str.strip, found)) and few and (whole or not any(map(is_number, found)))


def _holds_words(table: Table, name: str) -> bool:
    """Whether most cells of a column are words, so that it can be no series."""
    some = [cell for cell in cells(table, name) if cell.strip().casefold() not in MISSING]
    words = [
        cell for cell in some
        if not is_number(cell) and any(map(str.isalpha, cell)) and not _AMOUNT.fullmatch(cell)
    ]  # fmt: skip
    return 2 * len(words) > len(some)


def _same(keys: Sequence[Hashable]) -> tuple[int, ...]:
    """The first two places of the first key that comes again; () where none does."""
    seen: dict[Hashable, int] = {}
    found = ((seen.setdefault(key, place), place) for place, key in enumerate(keys))
    return next((pair for pair in found if pair[0] != pair[1]), ())


def _may_name(table: Table, name: str) -> bool:
    """Whether a column may name series: cells that come again, and are words or few whole numbers."""
    found = cells(table, name)
    different = len(set(found))
    if name.casefold() in GROUP_NAMES or not _numeric(table, name):
        return 1 < different < len(found)
    whole = all(cell.strip().isdigit() for cell in found)
    return name.casefold() not in VALUE_NAMES and whole and 1 < different <= len(found) / 4


def _static(table: Table, group: Sequence[str], rest: Sequence[str]) -> tuple[str, ...]:
    """Columns of words that stay the same in each series."""
    keys = keys_of(table, group)
    found = []
    for name in rest:
        values = cells(table, name)
        if not _numeric(table, name) and len(set(zip(keys, values, strict=True))) == len(set(keys)):
            found.append(name)
    return tuple(found)


def _counts_rows(table: Table, name: str) -> bool:
    """Whether a column without a name, or one called an index, numbers the rows."""
    unnamed = name == str(table.columns.index(name) + 1) and not all(
        column == str(place) for place, column in enumerate(table.columns, 1)
    )
    if not (unnamed or name.casefold() in ROW_NAMES):
        return False
    found = [cell.strip() for cell in cells(table, name)]
    return any(found == [str(n) for n in range(first, first + len(found))] for first in (0, 1))


def _numeric(table: Table, name: str) -> bool:
    """Whether a column holds numbers, with holes perhaps."""
    some = [cell for cell in cells(table, name) if cell.strip().casefold() not in MISSING]
    return bool(some) and all(map(is_number, some))
