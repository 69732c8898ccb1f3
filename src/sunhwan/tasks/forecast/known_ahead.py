"""What is known ahead, in a file of its own: a row for each step that comes after those of another file."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from sunhwan.data import Series
from sunhwan.data.named_columns import column
from sunhwan.data.numbers import finite
from sunhwan.data.series_groups import keys_of
from sunhwan.data.tables import Table, read_table
from sunhwan.data.time_columns import time_of
from sunhwan.errors import DataError, listed, quoted
from sunhwan.tasks.forecast.layout import Layout


def with_known_ahead(
    found: Sequence[Series], path: Path, layout: Layout, horizon: int
) -> tuple[list[Series], tuple[str, ...]]:
    """The series with what the file knows of the steps after their ends, and a note on its other series.

    A row is found by its time, written as those of the series, and by the columns that name a series.

    DataError: a column or a row is missing, a step stands twice, or a cell holds no number.
    """
    table = read_table(path, empty_lines=True, amounts=True, usual=dict(layout.writings))
    group = [column(table, name, (), "series") for name in layout.group]
    names = [column(table, name, (), "future") for name in layout.future]
    keys = keys_of(table, group)
    made = []
    for series in found:
        if not series.time:
            raise DataError(
                f"{series.name} has no column of times, by which --future finds its rows"
            )
        times = time_of(table, series.time, set(names)).cells
        rows = _places(table, keys, times, names)
        own = tuple(cell for _, cell in series.key)
        ahead = np.full((horizon, len(series.columns)), np.nan)
        for step, time in enumerate(series.clock.after(horizon)):
            if (own, time) not in rows:
                of = f" of {', '.join(own)}" if own else ""
                raise DataError(
                    f"{table.name} has no row for {quoted(time)}{of}, a step that is forecast: add one, "
                    "its time written as in the file of the past"
                )
            row = table.rows[rows[own, time]]
            for place, name in enumerate(names, len(series.columns) - len(names)):
                ahead[step, place] = finite(row.values[name], row.where, name, "fill it in")
        made.append(replace(series, ahead=ahead))
    return made, _without_past(table.name, found, keys)


def _without_past(
    name: str, found: Sequence[Series], keys: Sequence[tuple[str, ...]]
) -> tuple[str, ...]:
    """A note on the series of the file of which there is no past."""
    past = {tuple(cell for _, cell in series.key) for series in found}
    others = [key for key in dict.fromkeys(keys) if key not in past]
    if not others:
        return ()
    return (
        f"series of {name} without a past to go on from are left out: {len(others):,}, the first "
        f"{', '.join(others[0])}",
    )


def _places(
    table: Table, keys: Sequence[tuple[str, ...]], times: Sequence[str], names: Sequence[str]
) -> dict[tuple[tuple[str, ...], str], int]:
    """The row of each series and time. DataError: two rows of one hold other cells."""
    rows: dict[tuple[tuple[str, ...], str], int] = {}
    for place, (key, time) in enumerate(zip(keys, times, strict=True)):
        first = rows.setdefault((key, time.strip()), place)
        one, other = table.rows[first], table.rows[place]
        if any(one.values[name].strip() != other.values[name].strip() for name in names):
            raise DataError(
                f"{other.where}: the time {quoted(time)} is that of {one.where} too, which holds another "
                f"{listed(names)}; keep one row for each time of a series"
            )
    return rows
