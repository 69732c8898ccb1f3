"""What comes after a list of times, and where in the day, the week and the year a time lies."""

import re
from calendar import monthrange
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice, pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from sunhwan.data.numbers import is_number
from sunhwan.data.times import moment

CYCLES = {"day": 1.0, "week": 7.0, "year": 365.25}
"""What recurs in a calendar, in days."""

_ZONE = re.compile(r"(?<=:[0-9]{2})(?:Z|[+-][0-9]{2}:?[0-9]{2})$")
Step = TypeVar("Step")
_LONGEST = 40
"""Characters of a number that counts time."""

_FIELDS = ("year", "month", "day", "hour", "minute", "second")


def following(times: Sequence[str], count: int) -> tuple[str, ...]:
    """So many times after the last, at the usual distance and written as those before.

    Months keep their day, or their last one; days of which none is a weekend's go on without
    weekends; numbers grow by their usual step. What is neither date nor number goes on as +1, +2 ….
    """
    zones = {match[0] if (match := _ZONE.search(time.strip())) else "" for time in times}
    zone = zones.pop() if len(zones) == 1 else ""
    plain = [time.strip().removesuffix(zone) for time in times]
    dates = [date for time in plain if (date := moment(time)) is not None]
    if len(times) > 1 and len(dates) == len(times):
        write = _writer(plain)
        try:
            return tuple(write(date) + zone for date in islice(_dates(dates), count))
        except OverflowError:
            pass
    elif len(times) > 1 and all(map(_is_plain, times)):
        numbers = [Decimal(time.strip()) for time in times]
        step = _usual([after - before for before, after in pairwise(numbers)])
        return tuple(f"{numbers[-1] + step * n:f}" for n in range(1, count + 1))
    return tuple(f"+{n}" for n in range(1, count + 1))


def longer_cycles(times: Sequence[str], season: int) -> tuple[str, ...]:
    """The cycles of the calendar that are longer than a season and that the times went through twice.

    None where the times are no dates.
    """
    dates = [date for time in times if (date := moment(time)) is not None]
    if len(dates) < 2 or len(dates) < len(times):
        return ()
    days = (dates[-1] - dates[0]) / timedelta(days=1)
    a_season = 1.05 * season * days / (len(dates) - 1)
    return tuple(name for name, length in CYCLES.items() if a_season < length <= days / 2)


def phases(times: Sequence[str], cycles: Sequence[str]) -> NDArray[np.float32]:
    """Dates → sine and cosine of where each lies in each cycle, (T, 2 · cycles).

    ValueError: a time is no date.
    """
    angles = np.zeros((len(times), len(cycles)))
    for row, time in zip(angles, times if cycles else (), strict=bool(cycles)):
        date = moment(time)
        if date is None:
            raise ValueError(time)
        day = (date - datetime(date.year, date.month, date.day)) / timedelta(days=1)
        done = {
            "day": day,
            "week": date.weekday() + day,
            "year": date.timetuple().tm_yday - 1 + day,
        }
        row[:] = [2 * np.pi * done[name] / CYCLES[name] for name in cycles]
    return np.concatenate((np.sin(angles), np.cos(angles)), 1).astype(np.float32)


def _is_plain(time: str) -> bool:
    """Whether this is a number that can be written without an exponent, and is no longer than usual."""
    return (
        len(time) <= _LONGEST
        and is_number(time)
        and abs(Decimal(time.strip()).adjusted()) < _LONGEST
    )


def _dates(dates: Sequence[datetime]) -> Iterator[datetime]:
    last = dates[-1]
    months = _usual([_month(after) - _month(before) for before, after in pairwise(dates)])
    day = max(date.day for date in dates)
    if months and all(date.day == min(day, _length(_month(date))) for date in dates):
        for n in range(_month(last) + months, 12 * 10_000, months):
            yield last.replace(year=n // 12, month=n % 12 + 1, day=min(day, _length(n)))
        raise OverflowError
    step = _usual([after - before for before, after in pairwise(dates)])
    longer = dates[-1] - dates[0] >= timedelta(days=7)
    workdays = longer and step == timedelta(days=1) and all(d.weekday() < 5 for d in dates)
    while True:
        last += step
        if not workdays or last.weekday() < 5:
            yield last


def _month(date: datetime) -> int:
    return 12 * date.year + date.month - 1


def _length(month: int) -> int:
    """Days of a month, counted from the year 0."""
    return monthrange(month // 12, month % 12 + 1)[1]


def _usual(steps: Sequence[Step]) -> Step:
    return Counter(steps).most_common(1)[0][0]


def _writer(texts: Sequence[str]) -> Callable[[datetime], str]:
    """How to write a date so that it looks like these."""
    last = re.sub(r"(?<![0-9])([0-9]{4})([0-9]{2})([0-9]{2})(?![0-9])", "\\1\0\\2\0\\3", texts[-1])
    parts = [re.findall("[0-9]+", text) for text in (*texts[:-1], last)]
    quarters = "q" in last.lower()
    fields = ("year", "quarter") if quarters else _FIELDS
    same = [part for part in parts if len(part) == len(parts[-1])]
    widths = [min(map(len, column)) for column in zip(*same, strict=True)]

    def write(date: datetime) -> str:
        values = {name: getattr(date, name) for name in _FIELDS}
        values["quarter"] = (date.month + 2) // 3
        numbers = iter(zip(fields, widths, strict=False))

        def one(_: re.Match[str]) -> str:
            name, width = next(numbers)
            return f"{values[name]:0{width}}"

        return re.sub("[0-9]+", one, last).replace("\0", "")

    fits = len(parts[-1]) <= len(fields) and moment(write(_moment(texts[-1]))) == _moment(texts[-1])
    return write if fits else str


def _moment(text: str) -> datetime:
    found = moment(text)
    assert found is not None
    return found
