"""Points in time as tables write them: their order and their season."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import median

from sunhwan.data.numbers import is_number
from sunhwan.errors import DataError, quoted, shortened

_QUARTER = re.compile(r"([0-9]{4})[-/ ]?[qQ]([1-4])")
_MONTH = re.compile(r"([0-9]{4})(?:[-/]|년 ?)([0-9]{1,2})월?")
_DAY = re.compile(
    r"([0-9]{4})(?:[-/]|[.년] ?)([0-9]{1,2})(?:[-/]|[.월] ?)([0-9]{1,2})[.일]?(?:(?: |T)(.+))?"
)
_PLAIN_DAY = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})()")
_START, _A_DAY = datetime(1970, 1, 1), timedelta(days=1)
_YEARS = (1000, 3000)
_SEASONS = ((7, 7, 52), (28, 31, 12), (89, 92, 4), (365, 366, 1))  # days from … to, period


def moment(text: str) -> datetime | None:
    """The time of an ISO date (2024-01-31, with a time perhaps), or None.

    Also read are months (2024-01), quarters (2024Q1), 20240131, and dates with slashes, points or
    년, 월, 일 in the order of ISO. Times with a zone become UTC.
    """
    text = text.strip()
    try:
        if match := _QUARTER.fullmatch(text):
            return datetime(int(match[1]), 3 * int(match[2]) - 2, 1)
        if match := _MONTH.fullmatch(text):
            return datetime(int(match[1]), int(match[2]), 1)
        if match := _DAY.fullmatch(text) or _PLAIN_DAY.fullmatch(text):
            year, month, day, clock = match.groups()
            iso = f"{year}-{month:0>2}-{day:0>2}"
            if clock:
                iso += f"T{clock:0>5}" if re.fullmatch("[0-9]:[0-9]{2}", clock) else f"T{clock}"
            found = datetime.fromisoformat(iso)
            return found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found
    except (ValueError, OverflowError):
        return None
    return None


def check_ascending(times: Sequence[str], where: Sequence[str], column: str) -> None:
    """DataError, with its place of `where`, for the first time that is not after the one before.

    Dates are compared with dates and numbers with numbers; where the first time is neither, as in
    "Jan", nothing is checked.
    """
    if not times:
        return
    kind, points = _points(times)
    if not points:
        return
    for place, point in enumerate(points):
        if point is None:
            raise DataError(
                f"{where[place]}: column {column!r} holds {quoted(times[place])}, which is no {kind} "
                f"like {quoted(times[0])}; write all times alike."
            )
        before = points[place - 1] if place else None
        if before is not None and point <= before:
            raise DataError(
                f"{where[place]}: the time {shortened(times[place])} does not come after "
                f"{shortened(times[place - 1])} in the row before; sort the rows by {column!r}, oldest "
                "first, and keep one row for each time."
            )


def seasonal_period(times: Sequence[str]) -> int | None:
    """How many steps a season has, guessed from the steps' usual length; None: no guess.

    Yearly data has 1, quarterly 4, monthly 12, weekly 52, daily 7 or, without weekends, 5, and
    what is closer together as many steps as a day: hourly 24. Years may be numbers (1958.25).
    """
    kind, points = _points(times)
    if len(points) < 3 or None in points:
        return None
    known = [point for point in points if point is not None]
    if kind == "number":
        if known[0] < _YEARS[0] or known[-1] >= _YEARS[1] or known[-1] <= known[0]:
            return None
        steps = (len(known) - 1) / (known[-1] - known[0])
        return next((n for n in (1, 4, 12) if abs(steps - n) < 0.02 * n), None)
    lengths = [after - before for before, after in pairwise(known)]
    usual = median(lengths)
    if sum(0.9 * usual <= length <= 1.12 * usual for length in lengths) < 0.75 * len(lengths):
        return None
    if usual == 1:
        weekend = any((_START + day * _A_DAY).weekday() > 4 for day in known)
        return 7 if weekend or known[-1] - known[0] < 7 else 5
    if 0 < usual < 1:
        per_day = 1 / usual
        return round(per_day) if abs(per_day - round(per_day)) < 1e-3 else None
    return next((period for low, high, period in _SEASONS if low <= usual <= high), None)


def _points(times: Sequence[str]) -> tuple[str, list[float | None]]:
    """What the times are, "date" or "number", and each as a number: of days, for a date.

    None stands where one is not what the others are; the list is empty where the first is neither.
    """
    dates = [moment(time) for time in times]
    numbers = [float(time.strip()) if is_number(time) else None for time in times]
    if None not in dates or (dates[0] is not None and numbers[0] is None):
        return "date", [None if date is None else (date - _START) / _A_DAY for date in dates]
    return "number", numbers if numbers[0] is not None else []
