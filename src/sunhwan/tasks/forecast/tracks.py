"""Tracks and windows: a series to forecast with its calendar and inputs, cut into examples."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sunhwan.data import BUILT_IN_SERIES, Series, load_built_in, read_series
from sunhwan.data.calendar import following, phases
from sunhwan.data.numbers import is_number
from sunhwan.data.times import check_ascending, moment
from sunhwan.data.windows import Stretch, stretch
from sunhwan.errors import DataError, UsageError, listed
from sunhwan.files import is_plain
from sunhwan.tasks.forecast.settings import ForecastConfig


class Layout(NamedTuple):
    """What is read of a file.

    targets: the columns that are forecast; none: all but the inputs. inputs: columns that are read
    beside each, with the mean and the deviation of their training rows. cycles: of the calendar.
    """

    targets: tuple[str, ...]
    inputs: tuple[str, ...]
    means: tuple[float, ...]
    deviations: tuple[float, ...]
    cycles: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Track:
    """One series to forecast, with all that is read beside it.

    Attributes:
        name: of its column, after that of the file where there are several files.
        times: T of the values, then H more.
        values: (T,) float64.
        known: (T + H, K) float32, what is known of the future too: the calendar.
        seen: (T, M) float32, what is known of the past alone: the inputs, scaled.
        error: of the seasonal naive where the model learned, by which MASE divides.
        part: which rows are evaluated, for people.
    """

    name: str
    times: tuple[str, ...]
    values: NDArray[np.float64]
    known: NDArray[np.float32]
    seen: NDArray[np.float32]
    error: float = 1.0
    part: str = ""


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
        """What came, (H,)."""
        return self.track.values[self.origin : self.origin + self.horizon]

    def stretch(self, season: int) -> Stretch:
        """What is read of the series itself; nothing from the origin on is looked at."""
        start = self.origin - self.context - season
        return stretch(self.track.values[start : self.origin], season, self.horizon)

    def inputs(self, read: NDArray[np.float64]) -> NDArray[np.float32]:
        """(c + H, F): the series (2), how far into the future (2), calendar (K), inputs (M)."""
        track, c, H = self.track, self.context, self.horizon
        start, end = self.origin - c, self.origin + H
        ahead = np.zeros((c + H, 2))
        ahead[c:] = np.stack((np.ones(H), np.arange(1, H + 1) / H), 1)
        past = np.pad(np.concatenate((read, track.seen[start : self.origin]), 1), ((0, H), (0, 0)))
        columns = (past[:, :2], ahead, track.known[start:end], past[:, 2:])
        return np.concatenate(columns, 1).astype(np.float32)


def open_series(source: str, targets: Sequence[str], inputs: Sequence[str]) -> Series:
    """A file, or a built-in series by name: its targets, then its inputs, as columns.

    targets: none: all columns but the inputs. Raises a SunhwanError for a file that cannot be used.
    """
    if source in BUILT_IN_SERIES and not is_plain(Path(source)):
        series = load_built_in(source)
        missing = next((name for name in (*targets, *inputs) if name not in series.columns), None)
        if missing:
            raise DataError(
                f"the series {source} has no column {missing!r}, only {listed(series.columns)}"
            )
        chosen: Sequence[str] = inputs
    elif targets:
        return read_series(source, columns=(*targets, *inputs))
    else:
        series = read_series(source)
        chosen = read_series(source, columns=inputs).columns if inputs else ()
    rest = targets or [name for name in series.columns if name not in chosen]
    if not rest:
        raise DataError(f"{source}: every column is an input: leave one to be forecast")
    columns = (*rest, *chosen)
    values = series.values[:, [series.columns.index(name) for name in columns]]
    return Series(series.name, series.times, columns, values, series.said)


def tracks_of(series: Series, layout: Layout, horizon: int, named: bool = False) -> list[Track]:
    """The tracks of a file as `open_series` gives it; named: after the file too."""
    count = len(series.columns) - len(layout.inputs)
    times = (*series.times, *following(series.times, horizon))
    try:
        known = phases(times, layout.cycles)
    except ValueError as error:
        raise DataError(
            f"{series.name}: the time {error} is no date, but the model reads where in the "
            f"{' and the '.join(layout.cycles)} it is: write dates, as in the training file"
        ) from None
    seen = (series.values[:, count:] - layout.means) / layout.deviations
    before = f"{Path(series.name).stem} " if named else ""
    return [
        Track(before + name, times, values, known, seen.astype(np.float32))
        for name, values in zip(series.columns, series.values.T[:count], strict=False)
    ]


def as_series(question: Any, layout: Layout) -> Series:
    """Numbers (T,) or (T, columns), the targets first → a series without dates; UsageError."""
    try:
        values = np.array(question, dtype=np.float64)
    except (TypeError, ValueError):
        values = np.array("")
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or not np.isfinite(values).all():
        raise UsageError("a question is a series: finite numbers, or rows of as many columns")
    targets, inputs = layout[:2]
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

    Before the numbers of each there may be a date, which with its time of day is one.
    """
    lines = question.splitlines() if isinstance(question, str) else question
    rows = [_TIME_OF_DAY.sub("T", line).replace(",", " ").split() for line in lines]
    times = [row[0] for row in rows if row and moment(row[0]) and not is_number(row[0])]
    if not times or len(times) < len(rows):
        return rows
    check_ascending(times, [f"line {number}" for number in range(1, len(times) + 1)], "date")
    return replace(as_series([row[1:] for row in rows], layout), times=tuple(times))


_TIME_OF_DAY = re.compile(r"(?<=[0-9]) (?=[0-9]{1,2}:[0-9])")


def windows_of(track: Track, origins: Iterable[int], task: ForecastConfig) -> list[Window]:
    """A window at each origin: of so much context as there is, behind a first season."""
    longest = task.context
    return [Window(track, o, min(longest, o - task.season), task.horizon) for o in origins]


def changing(windows: Sequence[Window], season: int) -> list[Window]:
    """Those with a scale: what repeats itself exactly teaches nothing."""
    sums: dict[int, NDArray[np.float64]] = {}
    found = []
    for window in windows:
        values, end = window.track.values, window.origin - season
        if id(values) not in sums:
            sums[id(values)] = np.cumsum(values[season:] != values[:-season])
        total = sums[id(values)]
        if total[end - 1] > (total[end - window.context - 1] if end > window.context else 0):
            found.append(window)
    return found
