"""Time zones: which one gave the offsets of a column, and what its clock shows at points of UTC."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
from numpy.typing import NDArray

from sunhwan.data.calendar import DAY, MONDAY, WEEK
from sunhwan.errors import UsageError, quoted

_USUAL = (
    "Europe/Berlin", "Europe/London", "Europe/Athens", "America/New_York", "America/Chicago",
    "America/Denver", "America/Los_Angeles", "Australia/Sydney", "Pacific/Auckland",
    "America/Santiago",
)  # fmt: skip
"""Asked first: where several zones gave the same offsets, one that many share stands for them."""


def named_zone(name: str) -> ZoneInfo:
    """The zone of a name such as Europe/Berlin; UsageError where there is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise UsageError(
            f"task.zone: there is no time zone {quoted(name)}; write one such as Asia/Seoul"
        ) from None


def zone_of(instants: Sequence[datetime], offsets: Sequence[timedelta]) -> tzinfo:
    """The zone whose clock was so far from UTC at each instant (UTC, without a zone, ascending).

    The usual zones are asked first; where none fits, the last offset stays.
    """
    last = timezone(offsets[-1])
    if len(set(offsets)) == 1:
        return last
    pairs = list(zip(instants, offsets, strict=True))
    # The clock changes twice a year: around a change, the rows beside it say all.
    near = [
        pair
        for k, pair in enumerate(pairs)
        if k in (0, len(pairs) - 1) or offsets[k - 1] != pair[1] or offsets[k + 1] != pair[1]
    ]
    for name in (*_USUAL, *_other_zones()):
        zone = ZoneInfo(name)
        if all(shown_offset(instant, zone) == offset for instant, offset in near):
            return zone
    return last


def shown_offset(instant: datetime, zone: tzinfo) -> timedelta:
    """How far the zone's clock is from UTC at an instant of UTC."""
    return instant.replace(tzinfo=UTC).astimezone(zone).utcoffset() or timedelta(0)


def instants_of(local: Sequence[datetime], zone: tzinfo) -> list[datetime]:
    """What a zone's clock showed, in its order → UTC; an hour that comes twice is told by the order."""
    found: list[datetime] = []
    for clock in local:
        first, second = (
            clock.replace(tzinfo=zone, fold=fold).astimezone(UTC).replace(tzinfo=None)
            for fold in (0, 1)
        )
        again = first < second and bool(found) and found[-1] >= first
        found.append(second if again else first)
    return found


def offsets_of(points: NDArray[np.int64], zone: str) -> NDArray[np.int64]:
    """How far the zone's clock is from UTC at microseconds since 1970, in microseconds."""
    days = points // DAY
    some, place = np.unique(days, return_inverse=True)
    begins = np.array([_offset(day * DAY, zone) for day in some.tolist()])
    ends = np.array([_offset((day + 1) * DAY, zone) for day in some.tolist()])
    found = begins[place]
    for row in np.flatnonzero(found != ends[place]):
        found[row] = _offset(points[row].item(), zone)
    return found


def is_changing(zone: tzinfo, first: int, last: int) -> bool:
    """Whether a zone's clock changes between two points, or in the year after them."""
    if isinstance(zone, timezone):
        return False
    some = range(first, last + 366 * DAY, 14 * DAY)
    return len({_offset(point, str(zone)) for point in some}) > 1


def runs_round_the_clock(
    points: NDArray[np.int64], local: NDArray[np.int64], groups: Sequence[NDArray[np.intp]]
) -> bool:
    """Whether points of UTC lie on a grid of parts of a day, and at nine of ten times of a week's clock.

    Office hours are no such grid: they begin at an hour of the clock.
    """
    steps = np.concatenate([np.diff(np.sort(points[rows])) for rows in groups])
    if not len(steps) or steps.min() <= 0:
        return False
    step: int = Counter(steps.tolist()).most_common(1)[0][0]
    if step >= DAY or DAY % step or bool((steps % step).any()):
        return False
    seen = len(np.unique((local - MONDAY) % WEEK // step))
    longest = max(int(np.ptp(points[rows])) for rows in groups) + step
    return 10 * seen * step >= 9 * min(WEEK, longest)


def clocks_agree(zone: str, other: str) -> bool:
    """Whether two zones show the same, as Asia/Calcutta and Asia/Kolkata do, from 1970 to 2100."""
    weeks = range(0, 130 * 366 * DAY, WEEK)
    return zone == other or all(_offset(week, zone) == _offset(week, other) for week in weeks)


_FIRST, _LAST = -62_135_510_400_000_000, 253_370_764_800_000_000
"""The second day of the year 1 and the first of 9999: no clock shows a date beyond those there are."""


@lru_cache(maxsize=100_000)
def _offset(point: int, zone: str) -> int:
    instant = datetime(1970, 1, 1) + timedelta(microseconds=min(max(point, _FIRST), _LAST))
    return shown_offset(instant, named_zone(zone)) // timedelta(microseconds=1)


@cache
def _other_zones() -> tuple[str, ...]:
    return tuple(
        sorted(name for name in available_timezones() if "/" in name and name not in _USUAL)
    )
