"""Tracks and windows: a series to forecast with its calendar and inputs, cut into examples."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sunhwan.data import BUILT_IN_SERIES, Series, load_built_in, read_panel
from sunhwan.data.calendar import Calendar, calendar_of
from sunhwan.data.clock import Clock
from sunhwan.data.dates import orders_of
from sunhwan.data.numbers import is_number
from sunhwan.data.series_columns import FOUND, Wanted
from sunhwan.data.series_steps import MOST_EMPTY
from sunhwan.data.slots import Slots, of_season
from sunhwan.data.times import read_times
from sunhwan.data.windows import Stretch, past_seasons, seasonal_naive, stretch, usual_scales
from sunhwan.errors import DataError, SunhwanError, UsageError, listed, quoted
from sunhwan.files import is_plain
from sunhwan.tasks.forecast.layout import Layout
from sunhwan.tasks.forecast.settings import ForecastConfig


@dataclass(frozen=True, eq=False)
class Track:
    """One series to forecast, with all that is read beside it.

    Attributes:
        name: of its column, after that of the file where there are several files, or its key.
        times: T of the values, then H more.
        values: (T,) float64, NaN where one is missing.
        known: (T + H, K) float32, what is known of the future too: calendar, columns, words.
        seen: (T, M) float32, what is known of the past alone: the inputs, scaled.
        error: of the seasonal naive where the model learned, by which MASE divides; 0: undefined.
        part: which rows are evaluated, for people.
        key: in a long table the columns that name it, with its cells.
        usual: (T + 1,) the usual scale at each origin; None: that of a window is its own.
        longer: seasons beside the main one. gaps: whether it is told which values are missing.
        slots: of the T + H rows where the clock changes, to count seasons of whole days in.
    """

    name: str
    times: tuple[str, ...]
    values: NDArray[np.float64]
    known: NDArray[np.float32]
    seen: NDArray[np.float32]
    error: float = 1.0
    part: str = ""
    key: tuple[tuple[str, str], ...] = ()
    usual: NDArray[np.float64] | None = None
    longer: tuple[int, ...] = ()
    gaps: bool = False
    slots: Slots | None = None

    def slots_of(self, season: int) -> Slots | None:
        """The slots to count a season in; None: its rows."""
        return of_season(self.slots, season)


class Window(NamedTuple):
    """A track seen from an origin: c steps before it, a season before these, H steps from it on."""

    track: Track
    origin: int
    context: int
    horizon: int

    @property
    def steps(self) -> int:
        """How many steps are read, those of the future among them."""
        return self.context + self.horizon

    @property
    def future(self) -> NDArray[np.float64]:
        """The true future, (H,)."""
        return self.track.values[self.origin : self.origin + self.horizon]

    def stretch(self, season: int) -> Stretch:
        """What is read of the series itself; nothing from the origin on is looked at."""
        start = self.origin - self.context - season
        usual = None if self.track.usual is None else float(self.track.usual[self.origin])
        slots = self.track.slots_of(season)
        slots = slots and slots.part(start, self.origin + self.horizon)
        history = self.track.values[start : self.origin]
        return stretch(history, season, self.horizon, usual, slots)

    def naive(self, season: int) -> NDArray[np.float64]:
        """The last season again and again, (H,)."""
        past, slots = self.track.values[: self.origin], self.track.slots_of(season)
        return seasonal_naive(past, season, self.horizon, slots)

    def inputs(self, found: Stretch, season: int) -> NDArray[np.float32]:
        """(c + H, F): the series (2), how far into the future (2), what is known (K), inputs (M).

        Then, where there are gaps, which values are missing; and of each longer season what stood a
        season before, and whether that is known.
        """
        track, c, H = self.track, self.context, self.horizon
        start, end = self.origin - c, self.origin + H
        ahead = np.zeros((c + H, 2))
        ahead[c:] = np.stack((np.ones(H), np.arange(1, H + 1) / H), 1)
        seen = (found.read, track.seen[start : self.origin])
        past = np.pad(np.concatenate(seen, 1), ((0, H), (0, 0)))
        columns: list[NDArray[Any]] = [past[:, :2], ahead, track.known[start:end], past[:, 2:]]
        if track.gaps:
            missing = np.isnan(track.values[start : self.origin])
            columns.append(np.pad(missing, (0, H))[:, None])
        for longer in track.longer:
            slots = track.slots_of(longer)
            before = past_seasons(track.values, self.origin, c, H, season, longer, slots)
            there = ~np.isnan(before)
            scaled = np.where(there, before / (found.scale or 1.0), 0.0)
            columns.append(np.stack((scaled, there), 1))
        return np.concatenate(columns, 1).astype(np.float32)


def open_series(
    source: str,
    wanted: Wanted = FOUND,
    calendar: Calendar | None = None,
    problems: list[SunhwanError] | None = None,
) -> list[Series]:
    """The series of a file, or a built-in one by name: targets, inputs, what is known ahead.

    problems: as of `read_panel`.

    Raises a SunhwanError for a file that cannot be used.
    """
    if source not in BUILT_IN_SERIES or is_plain(Path(source)):
        return read_panel(source, wanted, calendar, problems)
    series = load_built_in(source)
    beside = wanted.inputs + wanted.future
    for name in wanted.targets + beside + wanted.group:
        if name not in series.columns:
            raise DataError(
                f"the series {source} has no column {name!r}, only {listed(series.columns)}"
            )
    rest = wanted.targets or tuple(name for name in series.columns if name not in beside)
    if not rest:
        raise DataError(f"{source}: every column is an input: leave one to be forecast")
    columns = rest + beside
    values = series.values[:, [series.columns.index(name) for name in columns]]
    return [Series(series.name, series.times, columns, values, series.said)]


def tracks_of(series: Series, layout: Layout, horizon: int, named: bool = False) -> list[Track]:
    """The tracks of a series as `open_series` gives it; named: after the file too."""
    count = len(series.columns) - len(layout.inputs) - len(layout.future)
    clock = series.clock
    try:
        phases = clock.phases(layout.cycles, horizon, layout.on_clock)
    except ValueError as error:
        raise DataError(
            f"{series.name}: the time {series.times[0] if series.times else error} is no date, but "
            f"the model reads where in the {' and the '.join(layout.cycles)} it is: write dates, as "
            "in the training file"
        ) from None
    beside = (_held(series.values[:, count:]) - layout.means) / layout.deviations
    split = len(layout.inputs)
    known: list[NDArray[Any]] = [phases, _ahead(series, layout, horizon, beside[:, split:])]
    words = layout.words(series)
    known.append(np.broadcast_to(words, (len(phases), len(words))))
    before = " ".join(cell for _, cell in series.key) or (Path(series.name).stem if named else "")
    many = count > 1 or not series.key
    slots = clock.slots(horizon) if layout.on_clock else None
    return [
        Track(
            f"{before} {name}".strip() if many else before,
            (*series.times, *clock.after(horizon)),
            values,
            np.concatenate(known, 1).astype(np.float32),
            beside[:, :split].astype(np.float32),
            key=series.key,
            usual=None,
            longer=layout.longer,
            gaps=layout.gaps,
            slots=slots,
        )
        for name, values in zip(series.columns, series.values.T[:count], strict=False)
    ]


def with_scales(tracks: Sequence[Track], layout: Layout, season: int) -> list[Track]:
    """The same tracks with the usual scale at each origin, where the model was trained with it."""
    if not layout.drawn:
        return list(tracks)
    return [
        replace(track, usual=usual_scales(track.values, season, track.slots_of(season)))
        for track in tracks
    ]


def _held(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each missing number is the last one known before it, else the first one known."""
    if not np.isnan(values).any():
        return values
    found = values.copy()
    for column in found.T:
        known = np.flatnonzero(~np.isnan(column))
        if len(known):
            last = np.maximum.accumulate(np.where(np.isnan(column), -1, np.arange(len(column))))
            column[:] = column[np.where(last < 0, known[0], last)]
        else:
            column[:] = 0.0
    return found


def _ahead(
    series: Series, layout: Layout, horizon: int, past: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What is known ahead, scaled, (T + H, A): NaN where the file does not say it."""
    count = len(layout.future)
    if not count:
        return np.zeros((len(past) + horizon, 0))
    after = np.full((horizon, count), np.nan)
    given = series.ahead[:horizon, -count:]
    after[: len(given)] = given
    scaled = (after - layout.means[-count:]) / layout.deviations[-count:]
    return np.concatenate((past, scaled))


def check_ahead(series: Series, layout: Layout, horizon: int) -> None:
    """DataError: what is known ahead is not given for all of the horizon."""
    count = len(layout.future)
    if count and np.isnan(series.ahead[:horizon, -count:]).sum() + (
        horizon - min(len(series.ahead), horizon)
    ):
        key = f" of {', '.join(cell for _, cell in series.key)}" if series.key else ""
        raise DataError(
            f"{series.name}: {listed(layout.future)} is known ahead, but the file does not give it for "
            f"the {horizon} steps after {series.times[-1]}{key}; add a row for each with its time and "
            f"{listed(layout.future)}, and leave {listed(layout.targets or ('the series',))} empty, or "
            "name a file of such rows with --future"
        )


def shortened(series: Series, steps: int) -> Series:
    """The same series without its last steps; what is known ahead of these stays so."""
    kept = len(series.times) - steps
    if not steps:
        return series
    if kept < 1:
        raise DataError(
            f"{series.name} has a series of {len(series.times)} rows, and task.leave_out leaves out "
            f"{steps}: lower it"
        )
    return replace(
        series,
        times=series.times[:kept],
        values=series.values[:kept],
        clock=replace(series.clock, count=kept),
        ahead=np.concatenate((series.values[kept:], series.ahead.reshape(-1, len(series.columns)))),
    )


def lengthened(series: Series, rows: int) -> Series:
    """The same series with missing values before the first, so that it has so many rows."""
    more = rows - len(series.times)
    clock = replace(series.clock, first=series.clock.first - more, count=rows)
    times = (*(clock.text(place) for place in range(more)), *series.times)
    values = np.pad(series.values, ((more, 0), (0, 0)), constant_values=np.nan)
    return replace(series, times=times, values=values, clock=clock)


def as_series(question: Any, layout: Layout) -> Series:
    """Numbers (T,) or (T, columns), the targets first → a series without dates; UsageError."""
    try:
        values = np.array(question, dtype=np.float64)
    except (TypeError, ValueError):
        values = np.array("")
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or not np.isfinite(values).all():
        raise UsageError("a question is a series: finite numbers, or rows of as many columns")
    targets, inputs = layout.targets, layout.inputs + layout.future
    count = values.shape[1]
    names = targets if targets else tuple(map(str, range(1, count - len(inputs) + 1)))
    if len(names) + len(inputs) != count or not names:
        raise UsageError(
            f"the question has {count} columns, but the model reads {', '.join(targets + inputs)}"
        )
    times = tuple(str(number) for number in range(1, len(values) + 1))
    return Series("the question", times, names + inputs, values, "")


def parse_series(question: str | list[str], layout: Layout) -> Series | list[list[str]]:
    """Parse rows of a series: a line or a text each, its numbers with spaces, tabs or commas between.

    Before the numbers of each there may be a date, which with its time of day is one. The dates follow the
    model's calendar, or else one of their own without gaps; DataError where they do neither.
    """
    lines = question.splitlines() if isinstance(question, str) else question
    rows = [_TIME_OF_DAY.sub("T", line).replace(",", " ").split() for line in lines]
    dated = [bool(row) and not is_number(row[0]) and bool(orders_of(row[0])) for row in rows]
    if not rows or not all(dated):
        return rows
    where = [f"line {number}" for number in range(1, len(rows) + 1)]
    times = tuple(row[0] for row in rows)
    read = read_times(
        times, where, "date", usual=layout.order, usual_zone=layout.zone, assume_zone=True
    )
    late = np.flatnonzero(np.diff(read.points) <= 0)
    if len(late):
        raise DataError(
            f"{where[late[0] + 1]}: the time {quoted(times[late[0] + 1])} does not come after the one "
            "before; give the rows in order of time, the oldest first"
        )
    made = as_series([row[1:] for row in rows], layout)
    own = calendar_of([read.points], read.kind)[0]
    for calendar in (layout.calendar, own):
        if calendar is None or calendar.unit == "row":
            continue
        places = calendar.places(read.points)
        clock = Clock.at(read, calendar, places)
        same = (calendar.points(places) == read.points).all() or calendar is own
        if same and clock.count <= MOST_EMPTY * len(places) and (np.diff(places) > 0).all():
            values = np.full((clock.count, made.values.shape[1]), np.nan)
            values[places - places[0]] = made.values
            written = dict(zip((places - places[0]).tolist(), times, strict=True))
            texts = tuple(written.get(step) or clock.text(step) for step in range(clock.count))
            return replace(made, times=texts, values=values, clock=clock)
    if len(times) > 1:
        raise DataError(
            f"the dates from {quoted(times[0])} to {quoted(times[-1])} are so far apart that most are "
            "missing; give the rows between"
        )
    return replace(made, times=times)


_TIME_OF_DAY = re.compile(r"(?<=[0-9]) (?=[0-9]{1,2}:[0-9])")


def windows_of(track: Track, origins: Iterable[int], task: ForecastConfig) -> list[Window]:
    """A window at each origin: of so much context as there is, behind a first season."""
    longest = task.context
    return [Window(track, o, min(longest, o - task.season), task.horizon) for o in origins]


def changing(windows: Sequence[Window], season: int) -> list[Window]:
    """Those with a usual scale and something to learn: what repeats itself exactly teaches nothing."""
    sums: dict[int, NDArray[np.int64]] = {}
    found = []
    for window in windows:
        (values, usual), origin = (window.track.values, window.track.usual), window.origin
        if id(values) not in sums:
            sums[id(values)] = np.concatenate(([0], np.cumsum(~np.isnan(values))))
        known = sums[id(values)]
        seen = known[origin] - known[origin - window.context - season]
        came = known[min(origin + window.horizon, len(values))] - known[origin]
        if seen and came and (usual is None or usual[origin] > 0):
            found.append(window)
    return found
