"""Dates in plain numbers without separators, such as 240131, told by the steps of a whole column."""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sunhwan.data.date_orders import YEARS, UnreadTimeError, goes_one_way, local_points, odd_steps
from sunhwan.data.dates import ORDERS_OF_NUMBERS, read_date
from sunhwan.errors import quoted

_OTHERS = ("digits", "digits of a month", "digits and hour", "year.month")
_QUARTER = "digits of a quarter"
_QUARTER_NAMES = ("quarter", "qtr", "분기")
_FEWEST = 4
_LONGEST, _SHORTEST_DATE = 8, 6
_MONTH_OR_YEAR = re.compile(r"(?:19|20)[0-9]{2}(?:\.?(?:0[1-9]|1[0-2])|\.1)?")
_MONTHS = re.compile(r"[0-9]{4}\.(?:0[1-9]|1[0-2]|1)")


def order_of_numbers(
    cells: Sequence[str],
    where: Sequence[str],
    column: str,
    usual: str,
    groups: Sequence[NDArray[np.intp]],
    *,
    called: bool,
) -> str:
    """The order of dates in plain numbers that `dates.ORDERS` has not; "" where they are no such dates.

    They are where they can be read so and their steps are more alike as dates than as numbers: after
    240131 comes 240201. usual: as of `read_times`. called: whether the column is called a date.

    UnreadTimeError: they could be several, are times of the day, or years stand among months.
    """
    unique = set(cells)
    year = next((cell for cell in cells if len(cell) == len("2020")), "")
    if year and all(map(_MONTH_OR_YEAR.fullmatch, unique)):
        month = next((cell for cell in cells if len(cell) > len(year)), "")
        if month:
            raise UnreadTimeError(
                f"{where[cells.index(year)]}: column {quoted(column)} holds the year {quoted(year)} among "
                f"months such as {quoted(month)}; leave out the rows of whole years, such as totals"
            )
    if max(map(len, unique)) > _LONGEST:
        return ""
    known = any(_all_read(order, unique) for order in _OTHERS)
    quarters = any(name in column.casefold() for name in _QUARTER_NAMES)
    found = [o for o in ORDERS_OF_NUMBERS if not known or (quarters and o == _QUARTER)]
    found = [order for order in found if _all_read(order, unique)]
    if usual in found or (known and not found):
        return usual if usual in found else ""
    plain = _odd(np.array([float(cell) for cell in cells]), groups)
    fits = dict[str, int]()
    for order in found:
        points = local_points(cells, order)
        odd = odd_steps(points, groups)
        even = len(cells) >= _FEWEST and odd < plain and 2 * odd <= len(cells)
        if goes_one_way(points, groups) and (even or (called and order == "short digits")):
            fits[order] = odd
    best = [order for order in fits if fits[order] == min(fits.values())]
    if len(best) == 1:
        return best[0]
    long = called and min(map(len, unique)) >= _SHORTEST_DATE and bool(found)
    if long or best or (not found and _is_clock(cells, plain, groups)):
        raise UnreadTimeError(
            f"{where[0]}: column {quoted(column)} holds {quoted(cells[0])}, which looks like a time in "
            "digits alone and is not certain; write times as 2024-01-31 or 2024-01-31 13:05, or count rows "
            "with --set task.steps=rows"
        )
    return ""


def with_whole_months(
    cells: Sequence[str], groups: Sequence[NDArray[np.intp]]
) -> tuple[list[str], tuple[str, ...]]:
    """2020.10 for 2020.1 between 2020.09 and 2020.11, as programs save it that take it for a number."""
    if not all(map(_MONTHS.fullmatch, cells)) or not any(".0" in cell for cell in cells):
        return list(cells), ()
    whole = [f"{cell}0" if len(cell) == len("2020.1") else cell for cell in cells]
    if whole == list(cells):
        return whole, ()
    points = local_points(whole, "year.month")
    if not goes_one_way(points, groups) or 4 * odd_steps(points, groups) > len(cells):
        return list(cells), ()
    short = next(cell for cell in cells if len(cell) == len("2020.1"))
    return whole, (f"{short} is the month {short}0, for it lost its last digit",)


def _all_read(order: str, cells: set[str]) -> bool:
    readings = (read_date(cell, order) for cell in cells)
    return all(one and YEARS[0] <= one.local.year <= YEARS[1] for one in readings)


def _odd(values: NDArray[np.float64], groups: Sequence[NDArray[np.intp]]) -> int:
    """How many steps are unlike the usual one."""
    steps = np.concatenate([np.diff(np.sort(values[rows])) for rows in groups]).round(9)
    return len(steps) - max(Counter(steps.tolist()).values(), default=0)


def _is_clock(cells: Sequence[str], plain: int, groups: Sequence[NDArray[np.intp]]) -> bool:
    """Whether numbers are hours, minutes and perhaps seconds: after 95900 comes 100000."""
    longest = max(map(len, cells))
    if not all(map(str.isdecimal, cells)) or longest not in (3, 4, 5, 6) or len(cells) < _FEWEST:
        return False
    parts = np.array([int(f"{cell:0>4}00" if longest < 5 else cell) for cell in cells])
    hours, minutes, seconds = parts // 10_000, parts // 100 % 100, parts % 100
    if hours.max() > 24 or minutes.max() > 59 or seconds.max() > 59:
        return False
    odd = _odd((3600 * hours + 60 * minutes + seconds).astype(np.float64), groups)
    return odd < plain and 2 * odd <= len(cells)
