"""A column of times: in which order its dates are written, decided over all rows, and their points."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from functools import partial

import numpy as np
from numpy.typing import NDArray

from sunhwan.data.calendar import Calendar
from sunhwan.data.date_orders import (
    CHOICES,
    EPOCH,
    MICROSECOND,
    UnreadTimeError,
    local_points,
    odd_steps,
    order_of,
    read_known,
)
from sunhwan.data.dates import DateReading, Writing, looks_like_date, orders_of, read_date
from sunhwan.data.digit_dates import order_of_numbers, with_whole_months
from sunhwan.data.epochs import epoch_of
from sunhwan.data.numbers import is_number
from sunhwan.data.zones import (
    clocks_agree,
    instants_of,
    is_changing,
    named_zone,
    offsets_of,
    runs_round_the_clock,
    shown_offset,
    zone_of,
)
from sunhwan.errors import DataError, UsageError, listed, quoted

_SERIAL_1970, _DAY_MS = 25569, 86_400_000
_SERIALS = (20_000, 80_000)  # 1954 to 2119
_DATE_NAMES = ("date", "timestamp", "날짜", "일자", "일시", "기준일", "거래일")
_MOST_DIGITS = 15


@dataclass(frozen=True, eq=False)
class Times:
    """Points in time.

    Attributes:
        kind: "date", "number", or "name" of what has neither order nor distance.
        points: of each row: microseconds since 1970 on the clock that `write` undoes, a number, or
            the place of the row.
        write: a point → text like that of the column.
        order: of the parts of a date, "" for others.
        notes: what was decided, for people.
        zone: whose clock is written, where the points are those of UTC; "": points are as written.
        writes: `write` of each series, where they are on clocks of their own.
    """

    kind: str
    points: NDArray[np.int64] | NDArray[np.float64]
    write: Callable[[float], str]
    order: str = ""
    notes: tuple[str, ...] = ()
    zone: str = ""
    writes: tuple[Callable[[float], str], ...] = ()


def read_times(
    cells: Sequence[str],
    where: Sequence[str],
    column: str,
    *,
    dates: str = "",
    usual: str = "",
    zone: str = "",
    usual_zone: str = "",
    assume_zone: bool = False,
    groups: Sequence[NDArray[np.intp]] = (),
    calendar: Calendar | None = None,
) -> Times:
    """Read a column of times.

    Args:
        cells, where: the times, and where each stands; `column`: its name.
        dates: of `CHOICES`: the order of a date's parts; "": by evidence.
        usual: of `dates.ORDERS`: the order to take where several fit and none fits better.
        zone: where the clock stands whose times have no offset from UTC, "": it never changes; or
            on whose clock days are counted, whatever one offset the times have.
        usual_zone: the zone of times with offsets, where these are its own.
        assume_zone: take the usual zone for `zone`, where the times have no offset or one alone.
        groups: the rows of each series, in their order; none: all rows are of one.
        calendar: on which dates are expected, as evidence of their order.

    Raises:
        UnreadTimeError: the column looks like dates, and they are not understood or could be two things.
        DataError: one of the times is not like the others.
    """
    cells = [cell.strip() for cell in cells]
    groups = groups or [np.arange(len(cells))]
    cells, notes = with_whole_months(cells, groups)
    unique = list(dict.fromkeys(cells))
    wanted = CHOICES.get(dates, "")
    order = ""
    if all(map(is_number, unique)):
        called = _is_called_date(column)
        order = order_of_numbers(cells, where, column, usual, groups, called=called)
        notes += (f"{column} is read as {order} ({cells[0]})",) if order else ()
    if not order:
        order, more = order_of(unique, cells, where, column, (wanted, usual), groups, calendar)
        notes += more
    if order:
        return _dated(cells, order, (zone, usual_zone), groups, notes, assume=assume_zone)
    if all(map(is_number, unique)):
        epoch = epoch_of(unique)
        if epoch:
            size, unit = epoch
            points = np.array([round(Fraction(cell) * size) for cell in cells], dtype=np.int64)
            notes = (f"{column} counts {unit} since 1970",)
            zone = zone or (usual_zone if assume_zone else "")
            zone = zone and named_zone(zone).key
            places = max(_decimals(cell) for cell in unique)
            return Times(
                "date", points, lambda p: _counted(round(p), size, places), "epoch", notes, zone
            )
        if all(map(_is_moderate, unique)):
            if _are_serials(unique, column):
                return _serials(cells, column)
            decimals = max(_decimals(cell) for cell in unique)
            numbers = np.array([float(cell) for cell in cells])
            return Times("number", numbers, lambda point: f"{point:.{decimals}f}")
    _refuse_unread(unique, cells, where, column)
    return named(len(cells))


def named(count: int) -> Times:
    """Rows without a time: 0, 1, 2, … and then +1, +2, …"""
    return Times("name", np.arange(count), lambda point: f"+{round(point) - count + 1}")


def _dated(
    cells: Sequence[str],
    order: str,
    zones: tuple[str, str],
    groups: Sequence[NDArray[np.intp]],
    notes: tuple[str, ...],
    *,
    assume: bool = False,
) -> Times:
    """Dates on the clock on which their steps are most alike: that of the column, or UTC.

    zones: the one that was named, and the usual one of times with offsets. assume: as of `read_times`.
    """
    known = {cell: read_known(cell, order) for cell in dict.fromkeys(cells)}
    writing = Writing.of(known, order)
    local = local_points(cells, order)
    names = {reading.zone for reading in known.values() if reading.zone}
    offsets = {reading.offset for reading in known.values()}
    if assume and not zones[0] and not names and len(offsets) == 1:
        zones = (zones[1], zones[1])
    if len(names) == 1 or (zones[0] and offsets == {None}):
        if zones[0] and not all(clocks_agree(name, zones[0]) for name in names):
            raise UsageError(
                f"task.zone is {zones[0]}, but the times name {listed(sorted(names))}, as in "
                f"{quoted(cells[0])}: leave task.zone out"
            )
        place: tzinfo = named_zone(zones[0] or names.pop())
        points = np.empty(len(cells), dtype=np.int64)
        for rows in groups:
            forward = rows if len(rows) < 2 or local[rows[0]] <= local[rows[-1]] else rows[::-1]
            clock = [known[cells[row]].local for row in forward]
            instants = instants_of(clock, place)
            points[forward] = [(t - EPOCH) // MICROSECOND for t in instants]
            for row, instant in zip(forward, instants, strict=True):
                _check_shown(cells[row], known[cells[row]].local, instant, place, zones[0])
    elif None in offsets:
        return Times("date", local, lambda p: writing.write(_date(p)), order, notes)
    else:
        shifts = {cell: (known[cell].offset or timedelta(0)) // MICROSECOND for cell in known}
        points = local - np.array([shifts[cell] for cell in cells])
        rows = np.argsort(points, kind="stable")
        fits = [z for z in zones if z and (local - points == offsets_of(points, z)).all()]
        if zones[0] and zones[0] not in fits:
            return _with_days_of(zones[0], cells[0], writing, points, local, groups, notes)
        instants = [_date(points[row]) for row in rows]
        shown = [known[cells[row]].offset or timedelta(0) for row in rows]
        place = named_zone(fits[0]) if fits else zone_of(instants, shown)
        if isinstance(place, timezone) and len(offsets) > 1 and len(groups) > 1:
            return _on_own_clocks(cells, known, local, order, groups, notes)
    if not is_changing(place, points.min().item(), points.max().item()):
        place = timezone((local[-1] - points[-1]).item() * MICROSECOND)
    elif runs_round_the_clock(points, local, groups) or (
        odd_steps(points, groups) < odd_steps(local, groups)
    ):
        notes = (*notes, f"the clock of {place} changes, so steps are those of UTC")

        def write(point: float) -> str:
            offset = shown_offset(_date(point), place)
            return writing.write(_date(point) + offset, offset)

        return Times("date", points, write, order, notes, str(place))

    def write_local(point: float) -> str:
        return writing.write(_date(point), place.utcoffset(_date(point)))

    return Times("date", local, write_local, order, notes)


def _check_shown(cell: str, local: datetime, instant: datetime, place: tzinfo, wanted: str) -> None:
    """UsageError: the clock of the wanted zone skips this time; midnight may stand for its day."""
    if wanted and local.time() != time.min and instant + shown_offset(instant, place) != local:
        raise UsageError(
            f"task.zone is {wanted}, but its clock skips {quoted(cell)}: leave task.zone out, or mend the "
            "time"
        )


def _on_own_clocks(
    cells: Sequence[str],
    known: Mapping[str, DateReading],
    local: NDArray[np.int64],
    order: str,
    groups: Sequence[NDArray[np.intp]],
    notes: tuple[str, ...],
) -> Times:
    """Times of series of which each has an offset of its own; UnreadTimeError: one has several."""
    writes = []
    for rows in groups:
        own = dict.fromkeys(cells[row] for row in rows)
        offsets = {known[cell].offset: cell for cell in own}
        if len(offsets) > 1:
            raise UnreadTimeError(
                f"the times {' and '.join(map(quoted, list(offsets.values())[:2]))} of one series have "
                "offsets of no one clock, and other series have others; write the times in UTC"
            )
        writing, (offset,) = Writing.of(own, order), offsets
        writes.append(partial(_written, writing, offset))
    return Times("date", local, writes[0], order, notes, writes=tuple(writes))


def _written(writing: Writing, offset: timedelta | None, point: float) -> str:
    return writing.write(_date(point), offset)


def _with_days_of(
    zone: str,
    example: str,
    writing: Writing,
    points: NDArray[np.int64],
    local: NDArray[np.int64],
    groups: Sequence[NDArray[np.intp]],
    notes: tuple[str, ...],
) -> Times:
    """Times with one offset, such as those of UTC, whose days are counted on the clock of a zone.

    Midnights of the zone's clock, which are no even steps of UTC, are points of that clock.
    """
    shift = (local[0] - points[0]).item() * MICROSECOND
    if not (local - points == local[0] - points[0]).all():
        raise UsageError(
            f"task.zone is {zone}, but the offsets of the times, such as {quoted(example)}, are not "
            "those of its clock: leave task.zone out, or mend the times"
        )
    place, shown = named_zone(zone), points + offsets_of(points, zone)
    if odd_steps(shown, groups) < odd_steps(points, groups):
        notes = (*notes, f"steps are those of the clock of {zone}")

        def write(point: float) -> str:
            instant = instants_of([_date(point)], place)[0]
            return writing.write(instant + shift, shift)

        return Times("date", shown, write, writing.order, notes)
    return Times(
        "date", points, lambda p: writing.write(_date(p) + shift, shift), writing.order, notes, zone
    )


def _date(point: float) -> datetime:
    return EPOCH + int(point) * MICROSECOND


def _is_moderate(cell: str) -> bool:
    """Whether a number is neither so large nor so small that its steps would be lost."""
    try:
        return abs(Decimal(cell).adjusted()) < _MOST_DIGITS
    except InvalidOperation:  # beyond the range of exponents
        return False


def _are_serials(unique: Sequence[str], column: str) -> bool:
    """Whether numbers count days as spreadsheets do: of our time, in a column that is called a date."""
    return _is_called_date(column) and all(
        _SERIALS[0] <= Decimal(cell) < _SERIALS[1] for cell in unique
    )


def _is_called_date(column: str) -> bool:
    name = column.casefold()
    return any(word in name for word in _DATE_NAMES) or name == "ds"


def _has_digits(cell: str) -> bool:
    """Whether a cell has digits and is no number."""
    return any(map(str.isdigit, cell)) and not is_number(cell)


def _serials(cells: Sequence[str], column: str) -> Times:
    """Days since 1899-12-30, the time of day as their fraction, to the millisecond."""
    decimals = max(map(_decimals, cells))
    points = np.array(
        [round((Decimal(cell) - _SERIAL_1970) * _DAY_MS) * 1000 for cell in cells], dtype=np.int64
    )

    def write(point: float) -> str:
        days = Decimal(round(point)) / (1000 * _DAY_MS) + _SERIAL_1970
        return f"{days:.{decimals}f}"

    note = f"{column} counts days as spreadsheets do ({cells[0]} is {_date(points[0]):%Y-%m-%d})"
    return Times("date", points, write, "serial", (note,))


def _counted(point: int, size: int | Fraction, decimals: int) -> str:
    """Microseconds since 1970 in units of `size` microseconds, with so many decimals."""
    whole, rest = divmod(round(Fraction(point) / size * 10**decimals), 10**decimals)
    return f"{whole}.{rest:0{decimals}}" if decimals else str(whole)


def _decimals(cell: str) -> int:
    exponent = Decimal(cell).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _refuse_unread(
    unique: Sequence[str], cells: Sequence[str], where: Sequence[str], column: str
) -> None:
    """UnreadTime for what looks like dates; DataError for the one that is not like the others."""
    orders = Counter(order for text in unique[:500] for order in orders_of(text))
    order, count = orders.most_common(1)[0] if orders else ("", 0)
    numbers = sum(map(is_number, unique))
    like: Callable[[str], bool] | None = None
    if 2 * count >= min(len(unique), 500) or (count and read_date(cells[0], order)):
        like, kind = lambda cell: read_date(cell, order) is not None, "date"
    elif is_number(cells[0]) or 2 * numbers > len(unique):
        like, kind = is_number, "number"
    if like:
        good = next((cell for cell in cells if like(cell)), "")
        bad = next((row for row, cell in enumerate(cells) if not like(cell)), None)
        if bad is not None:
            raise DataError(
                f"{where[bad]}: column {column!r} holds {quoted(cells[bad])}, which is no {kind} "
                f"like {quoted(good)}; write all times alike."
            )
    called = _is_called_date(column)
    row = next(
        (
            row
            for row, cell in enumerate(cells)
            if looks_like_date(cell) or (called and _has_digits(cell))
        ),
        None,
    )
    if row is not None:
        raise UnreadTimeError(
            f"{where[row]}: column {column!r} holds {quoted(cells[row])}, which looks like a time and "
            "is not understood; write dates with their year, such as 2024-01-31 or 2024-01-31 13:05, or "
            "count rows with --set task.steps=rows"
        )
