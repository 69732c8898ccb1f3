"""The order of a date's parts, decided over all rows of a column: by their writing, or by evidence."""

import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from sunhwan.data.calendar import Calendar
from sunhwan.data.dates import ORDERS, DateReading, read_date
from sunhwan.data.numbers import is_number
from sunhwan.errors import DataError, quoted

EPOCH = datetime(1970, 1, 1)
MICROSECOND = timedelta(microseconds=1)
CHOICES = {
    "day-first": "day-month-year",
    "month-first": "month-day-year",
    "year-first": "year-month-day",
}
"""What `task.dates` may say of dates whose numbers could stand in several orders."""

_TURNED = {"day-month-year": "month-day-year", "month-day-year": "day-month-year"}
_IN_DIGITS = ("digits", "digits and hour", "digits of a month")
YEARS = (1900, 2100)
_SEASON = re.compile(r"([0-9]{4})[-/]([0-9]{2})")
_A_FEW = 4
"""Rows from which on they tell more of their order than that of other files does."""


class UnreadTimeError(DataError):
    """A column looks like times and is not understood."""


def order_of(
    unique: Sequence[str],
    cells: Sequence[str],
    where: Sequence[str],
    column: str,
    given: tuple[str, str],
    groups: Sequence[NDArray[np.intp]],
    calendar: Calendar | None = None,
) -> tuple[str, tuple[str, ...]]:
    """The order in which all dates are written, "" where they are none, and why.

    given: the order that was named, and the usual one, which yields to what fits better; see `read_times`.
    """
    if len(unique) >= _A_FEW and all(map(_is_season, unique)):
        raise UnreadTimeError(
            f"{where[0]}: column {quoted(column)} holds {quoted(cells[0])}, which may be a month or a year "
            "that ends in the next one; write the first year alone, such as 2000, or a day, such as "
            "2000-01-01"
        )
    numbers = all(map(is_number, unique))
    found = [o for o in ORDERS if all(read_date(text, o) is not None for text in unique)]
    found = [o for o in found if not numbers or _likely_in_digits(o, cells, groups)]
    found = [o for o in found if o != "name year" or _has_year(cells, groups)]
    wanted, usual = given
    order = wanted if wanted in found else ""
    if not order and not wanted and usual in found:
        order = _beside_usual(usual, found, cells, groups, calendar)
    if order:
        return order, (_as(column, order, cells[0]),)
    if wanted and found:
        raise UnreadTimeError(
            f"{where[0]}: the dates of {quoted(column)}, such as {quoted(cells[0])}, are not all "
            f"{wanted}, as task.dates says; leave task.dates out, or mend the dates"
        )
    if len(found) == 1 and found[0] in _TURNED:
        _check_not_swapped(found[0], cells, where, column, groups)
    if len(found) < 2:
        return (found[0], (_as(column, found[0], cells[0]),)) if found else ("", ())
    order = _by_evidence(found, cells, groups)
    if not order:
        names = " or ".join(found)
        options = " or ".join(
            f"--set task.dates={name}" for name, order in CHOICES.items() if order in found
        )
        raise UnreadTimeError(
            f"{where[0]}: the dates of {quoted(column)}, such as {quoted(cells[0])}, could be "
            f"{names}, and no row decides; say which with {options}"
        )
    why = "as all rows fit that order best"
    return order, (f"{_as(column, order, cells[0])}, {why}",)


def _is_season(cell: str) -> bool:
    """Whether a cell is 2000-01 or 2000/01 as a year that ends in the next one is written, too."""
    match = _SEASON.fullmatch(cell)
    return match is not None and int(match[2]) == (int(match[1]) + 1) % 100


def _check_not_swapped(
    order: str,
    cells: Sequence[str],
    where: Sequence[str],
    column: str,
    groups: Sequence[NDArray[np.intp]],
) -> None:
    """UnreadTimeError: the rows go one way if dates that have another reading are read so, else not.

    Spreadsheets of another country leave dates so, which read those that they can and keep the others.
    """
    both = [read_date(cell, _TURNED[order]) is not None for cell in cells]
    points = local_points(cells, order)
    if len(cells) < _A_FEW or not any(both) or goes_one_way(points, groups):
        return
    turned = points.copy()
    some = np.flatnonzero(both).tolist()
    turned[some] = local_points([cells[row] for row in some], _TURNED[order])
    if goes_one_way(turned, groups):
        first, other = some[0], both.index(False)
        raise UnreadTimeError(
            f"{where[first]}: column {quoted(column)} holds {quoted(cells[first])} and "
            f"{quoted(cells[other])}, and the rows are in order only if day and month are swapped in one "
            "of both; write all dates alike"
        )


def _as(column: str, order: str, example: str) -> str:
    return f"{column} is read as {order} ({example})"


def _by_evidence(
    found: Sequence[str], cells: Sequence[str], groups: Sequence[NDArray[np.intp]]
) -> str:
    """Which order makes the rows go one way and their steps alike; "" where that does not decide."""
    if "day-month-year" in found and all("." in c.split()[0] for c in cells):
        long_years = [o for o in found if o != "year-month-day"]
        if len(found) == len(long_years):
            return "day-month-year"  # with points the month never comes first
    points = {order: local_points(cells, order) for order in found}
    one_way = [order for order in found if goes_one_way(points[order], groups)]
    if len(one_way) == 1:
        return one_way[0]
    odd = sorted((odd_steps(points[order], groups), order) for order in one_way or found)
    (least, best), (second, _) = odd[:2]
    return best if second > 0 and 3 * least <= second else ""


def _beside_usual(
    usual: str,
    found: Sequence[str],
    cells: Sequence[str],
    groups: Sequence[NDArray[np.intp]],
    calendar: Calendar | None,
) -> str:
    """The order in which the rows follow one another on the calendar, if the usual one does not.

    Without a calendar: the one that all rows fit best.
    """
    if len(found) < 2 or len(cells) < _A_FEW:
        return usual
    if calendar is None or calendar.unit not in ("time", "months"):
        return _by_evidence(found, cells, groups) or usual
    off = {}
    for order in found:
        places = calendar.places(local_points(cells, order))
        steps = np.concatenate([np.diff(np.sort(places[rows])) for rows in groups])
        off[order] = int((steps != 1).sum())
    best = min(off, key=off.__getitem__)
    return best if 3 * off[best] <= off[usual] > 0 else usual


def local_points(cells: Sequence[str], order: str) -> NDArray[np.int64]:
    known = {cell: (read_known(cell, order).local - EPOCH) // MICROSECOND for cell in set(cells)}
    return np.array([known[cell] for cell in cells], dtype=np.int64)


def goes_one_way(points: NDArray[np.int64], groups: Sequence[NDArray[np.intp]]) -> bool:
    """Whether the rows of every series go forward, or those of every series backward."""
    signs = {sign for rows in groups for sign in np.sign(np.diff(points[rows])).tolist()}
    return len(signs) < 2 and 0 not in signs


def odd_steps(points: NDArray[np.int64], groups: Sequence[NDArray[np.intp]]) -> int:
    """How many steps are unlike the usual one, as time or, if that is fewer, as whole months."""
    months = points.astype("datetime64[us]").astype("datetime64[M]")
    within = points - months.astype("datetime64[us]").astype(np.int64)
    counts = []
    for values in (points, months.astype(np.int64)):
        steps = np.concatenate([np.diff(np.sort(values[rows])) for rows in groups])
        usual = Counter(steps.tolist()).most_common(1)
        counts.append(len(steps) - usual[0][1] if usual else 0)
    return min(counts) if len(set(within.tolist())) == 1 else counts[0]


def _likely_in_digits(order: str, cells: Sequence[str], groups: Sequence[NDArray[np.intp]]) -> bool:
    """Whether plain numbers are dates: their years are of our time, and 2024.01 goes on by months."""
    if order == "year.month":
        points = local_points(cells, order)
        two = {len(cell.partition(".")[2]) for cell in cells}
        regular = 4 * odd_steps(points, groups) <= len(cells) and len(cells) > 2
        return regular and goes_one_way(points, groups) and (two == {2} or len(set(points)) > 9)
    if order not in _IN_DIGITS:
        return False
    return all(YEARS[0] <= int(cell[:4]) <= YEARS[1] for cell in cells)


def _has_year(cells: Sequence[str], groups: Sequence[NDArray[np.intp]]) -> bool:
    """Whether the two digits beside a month's name are its year: days would leave it or repeat it."""
    if all(any(len(run) > 2 for run in _digit_runs(cell)) for cell in cells):
        return True
    points = local_points(cells, "name year")
    months = {cell[:3].lower() for cell in cells}
    return goes_one_way(points, groups) and (len(months) > 1 or len(set(cells)) == 1)


def _digit_runs(cell: str) -> list[str]:
    return "".join(c if c.isdecimal() else " " for c in cell).split()


def read_known(text: str, order: str) -> DateReading:
    found = read_date(text, order)
    assert found is not None
    return found
