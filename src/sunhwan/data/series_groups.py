"""Names of series: the columns of a long table whose cells tell the series of its rows apart."""

import re
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from sunhwan.data.numbers import MISSING, is_number
from sunhwan.data.tables import Table
from sunhwan.data.times import read_times
from sunhwan.errors import DataError, listed, quoted, shortened

# fmt: off
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
_CODE = re.compile(r"[a-z](?:_(?:id|nbr|no|code)|Id|ID|Code)$|^dept$|코드$", re.IGNORECASE)
"""What ends the name of a column of numbers that name something: store_nbr, 지역코드."""


def cells(table: Table, name: str) -> list[str]:
    """The cells of a column."""
    return [row.values[name] for row in table.rows]


def _is_usual(name: str) -> bool:
    """Whether a column is called as those that name series are."""
    return name.casefold() in GROUP_NAMES or bool(_CODE.search(name))


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


def check_named(table: Table, group: Sequence[str]) -> None:
    """DataError: a row lacks a name of its series, which others have."""
    for name in group:
        filled = [bool(cell.strip()) for cell in cells(table, name)]
        if any(filled) and not all(filled):
            raise DataError(
                f"{table.rows[filled.index(False)].where}: the column {quoted(name)}, which names the "
                "series, is empty; write the name in every row"
            )


def group_of(
    table: Table, times: Sequence[str], free: Sequence[str], *, joined: bool, whole: bool
) -> tuple[str, ...]:
    """The columns that name the series of a long table; () where each row has its own time and no name.

    whole: whether what is forecast is among the free columns, too.
    """
    if "unique_id" in (name.casefold() for name in free):
        return tuple(name for name in free if name.casefold() == "unique_id")
    if len(set(times)) == len(times):
        blocks = () if joined else _blocks(table, free) or _apart(table, times, free)
        return () if whole and len(blocks) == len(free) else blocks
    likely = [
        n for n in free
        if (_is_usual(n) or not is_numeric(table, n)) and len(set(cells(table, n))) < len(times)
    ]  # fmt: skip
    for count in range(1, min(len(likely), 4) + 1):
        for some in combinations(likely, count):
            rows = zip(times, keys_of(table, some), strict=True)
            if len(set(rows)) == len(times):
                return some
    if whole and (anew := _apart(table, times, free)):
        return anew
    named = [n for n in free if may_name(table, n)]
    if not named:
        return ()
    several = (some for count in range(1, 5) for some in combinations(named, count))
    apart = (one for one in several if not _same([*zip(times, keys_of(table, one), strict=True)]))
    named = list(next(apart, named))
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
    raise _uncertain(table, named[0])


def _uncertain(table: Table, name: str) -> DataError:
    return DataError(
        f"{table.name}: the column {quoted(name)} seems to name series, but each time stands once, so "
        f"it is not certain; say --group {name} to take each as a series of its own, or leave the "
        "column out of the file to have one series"
    )


def _apart(table: Table, times: Sequence[str], free: Sequence[str]) -> tuple[str, ...]:
    """The column of another name whose cells change where the times begin anew, and nowhere else.

    DataError: they change where the times leave a gap as nowhere else, so it is not certain.
    """
    for name in free:
        found = [cell.strip() for cell in cells(table, name)]
        changes = [row for row, (a, b) in enumerate(pairwise(found)) if a != b]
        part_of_time = all(cell in time for cell, time in zip(found, times, strict=True))
        if len(changes) + 1 != len(set(found)) or not changes or part_of_time:
            continue
        steps = np.diff(points_of(table, times)) if _are_names(found) else np.empty(0)
        within = np.delete(steps, changes) if len(steps) else steps
        if not len(within) or len(set(np.sign(within))) > 1:
            continue
        across = steps[changes]
        if (np.sign(across) != np.sign(within[0])).all():
            return (name,)
        if np.abs(across).min() > np.abs(within).max():
            raise _uncertain(table, name)
    return ()


def points_of(table: Table, times: Sequence[str]) -> NDArray[np.int64] | NDArray[np.float64]:
    """The points of times; none where they are not understood, or are no times."""
    try:
        read = read_times(times, [row.where for row in table.rows], "")
    except DataError:
        return np.empty(0)
    return np.empty(0) if read.kind == "name" else read.points


def filled_down(
    table: Table, times: Sequence[str], free: Sequence[str]
) -> tuple[Table, tuple[str, ...]]:
    """The table with names of series in every row where they stand in the first of each block alone, as in
    cells that were merged, and a note.

    Only where the times begin anew at each name, and nowhere else.
    """
    found = {name: [cell.strip() for cell in cells(table, name)] for name in free}
    merged = [
        name
        for name, some in found.items()
        if some[0]
        and 2 * some.count("") > len(some)
        and (name.casefold() in GROUP_NAMES or not is_numeric(table, name))
    ]
    starts = [row for row in range(1, len(times)) if any(found[name][row] for name in merged)]
    steps = np.diff(points_of(table, times)) if starts else np.empty(0)
    if not len(steps):
        return table, ()
    anew = np.array(starts) - 1
    within = np.delete(steps, anew)
    if len(set(np.sign(within))) != 1 or (np.sign(steps[anew]) == np.sign(within[0])).any():
        return table, ()
    return _filled(table, merged)


def dates_filled_down(table: Table, when: str) -> tuple[Table, tuple[str, ...]]:
    """The table with times in every row where each stands in the first of its block alone, and a note.

    Only where another column has the same different cells in each block, as all stores or all hours of a
    day; the last block may lack some.
    """
    found = [cell.strip() for cell in cells(table, when)]
    starts = [row for row, cell in enumerate(found) if cell]
    several = len(starts) > 1 and 2 * len(starts) <= len(found)
    if not found[0] or not several or len({found[row] for row in starts}) < len(starts):
        return table, ()
    for name in table.columns:
        column = [cell.strip() for cell in cells(table, name)]
        blocks = [column[a:b] for a, b in pairwise((*starts, len(found)))]
        kinds = [frozenset(block) for block in blocks]
        different = all(len(kind) == len(block) for kind, block in zip(kinds, blocks, strict=True))
        if all(column) and different and len({*kinds[:-1]}) == 1 and kinds[-1] <= kinds[0]:
            return _filled(table, [when])
    return table, ()


def _filled(table: Table, merged: Sequence[str]) -> tuple[Table, tuple[str, ...]]:
    """The table with the last filled cell of each of the columns in the empty ones below it, and a note."""
    last = dict[str, str]()
    rows, written = [], []
    for place, row in enumerate(table.rows):
        last |= {name: row.values[name] for name in merged if row.values[name].strip()}
        rows.append(row._replace(values=row.values | last))
        written += [table.written[place] | last] if table.written else []
    note = f"in the first row of each block alone, and read for all of its rows: {listed(merged)}"
    return replace(table, rows=tuple(rows), written=tuple(written)), (note,)


def _are_names(found: Sequence[str]) -> bool:
    """Whether cells are few words or whole numbers that repeat."""
    whole = all(cell.strip().isdigit() for cell in found)
    few = len(set(found)) <= max(1, len(found) / 4)
    return all(map(str.strip, found)) and few and (whole or not any(map(is_number, found)))


def _same(keys: Sequence[Hashable]) -> tuple[int, ...]:
    """The first two places of the first key that comes again; () where none does."""
    seen: dict[Hashable, int] = {}
    found = ((seen.setdefault(key, place), place) for place, key in enumerate(keys))
    return next((pair for pair in found if pair[0] != pair[1]), ())


def may_name(table: Table, name: str) -> bool:
    """Whether a column may name series: cells that repeat, and are words or few whole numbers."""
    found = cells(table, name)
    different = len(set(found))
    if name.casefold() in GROUP_NAMES or not is_numeric(table, name):
        return 1 < different < len(found)
    whole = all(cell.strip().isdigit() for cell in found)
    return name.casefold() not in VALUE_NAMES and whole and 1 < different <= len(found) / 4


def static_of(table: Table, group: Sequence[str], rest: Sequence[str]) -> tuple[str, ...]:
    """Columns of words that stay the same in each series."""
    keys = keys_of(table, group)
    found = []
    for name in rest:
        values = cells(table, name)
        if not is_numeric(table, name) and len(set(zip(keys, values, strict=True))) == len(
            set(keys)
        ):
            found.append(name)
    return tuple(found)


def is_numeric(table: Table, name: str) -> bool:
    """Whether a column holds numbers, with holes perhaps."""
    some = [cell for cell in cells(table, name) if cell.strip().casefold() not in MISSING]
    return bool(some) and all(map(is_number, some))
