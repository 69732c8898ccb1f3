"""Numbers in time: one series or several."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sunhwan.data.numbers import finite, is_number
from sunhwan.data.tables import Table, column, read_table
from sunhwan.data.times import check_ascending
from sunhwan.errors import DataError, UsageError, listed, quoted

# fmt: off
_TIME_NAMES = frozenset((
    "date", "time", "datetime", "timestamp", "ds", "day", "month", "quarter", "year",
    "날짜", "일자", "일시", "시간", "시각", "연도", "월",
))
# fmt: on
_CURE = (
    "write a number such as 12.5 (for a missing one the mean of its neighbours, perhaps), or "
    "choose the columns that are series"
)


@dataclass(frozen=True, eq=False)
class Series:
    """Numbers in time.

    Attributes:
        name: the path as it was given, or the name of a built-in series.
        times: T of them as they are written, the oldest first; "1", "2", … where there are none.
        columns: the names of the C series.
        values: (T, C) float64, all finite.
        said: what was inferred, such as "comma-separated, with a header: Month, Sales; the time is
            Month, the series Sales".
    """

    name: str
    times: tuple[str, ...]
    columns: tuple[str, ...]
    values: NDArray[np.float64]
    said: str


def read_series(path: str | Path, *, time: str = "", columns: Sequence[str] = ()) -> Series:
    """Read the series of a table (see `read_table`).

    Args:
        path: the file.
        time: the column of times; "": one with a usual name (date, time, month, ds, 날짜, …), else
            the first without a single number, else none.
        columns: the series; none: all other columns.

    Raises:
        TextError: the file is missing, unreadable or in no known encoding.
        DataError: it is no table, a column is missing, a number is missing or none, or a time does
            not come after the one before (where they are dates or numbers).
        UsageError: a column is named twice.
    """
    table = read_table(path)
    when = column(table, time, (), "time") if time else _time_column(table)
    wanted = [columns] if isinstance(columns, str) else list(columns)
    chosen = [column(table, name, (), "series") for name in wanted]
    counts = Counter([when, *chosen])
    for name in chosen:
        if counts[name] > 1:
            raise UsageError(f"The column {quoted(name)} is named twice; name each one once.")
    chosen = chosen or [name for name in table.columns if name != when]
    if not chosen:
        raise DataError(f"{table.name} has no column but the time {when!r}; add one of numbers.")
    if when:
        times = tuple(row.values[when] for row in table.rows)
        check_ascending(times, [row.where for row in table.rows], when)
    else:
        times = tuple(str(number) for number in range(1, len(table.rows) + 1))
    values = np.array(
        [
            [finite(row.values[name], row.where, name, _CURE) for name in chosen]
            for row in table.rows
        ]
    )
    said = f"{table.said}; the time is {when or 'the row'}, the series {listed(chosen)}"
    return Series(table.name, times, tuple(chosen), values, said)


def _time_column(table: Table) -> str:
    """The name of the column of times, or ""."""
    for name in table.columns:
        if name.casefold() in _TIME_NAMES:
            return name
    for name in table.columns:
        cells = [row.values[name] for row in table.rows]
        if all(cell.strip() and not is_number(cell) for cell in cells):
            return name
    return ""
