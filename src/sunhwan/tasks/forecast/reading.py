"""Reading for forecasting: the training, validation and test windows of series."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np

from sunhwan.config import Config, own
from sunhwan.data import Series, seasonal_period
from sunhwan.data.calendar import longer_cycles
from sunhwan.data.windows import naive_error
from sunhwan.errors import DataError
from sunhwan.tasks.forecast.settings import ForecastConfig
from sunhwan.tasks.forecast.tracks import Layout, Window, changing, tracks_of, windows_of

STEPS_WITHOUT_SEASON = 6
CONTEXT = 72
HIDDEN_SIZE = 64


class Mark(NamedTuple):
    """A row by which a file that continues another is known: its time and its values."""

    time: str
    values: tuple[float, ...]

    @classmethod
    def at(cls, series: Series, row: int, count: int) -> Self:
        """The mark of a row, of the first `count` columns."""
        return cls(series.times[row], tuple(series.values[row, :count].tolist()))


class Split(NamedTuple):
    """Windows to learn from and to validate on, what is read of a file, and each file's marks: of
    the last row that is learned from, and of its last row."""

    learned: list[Window]
    held: list[Window]
    layout: Layout
    marks: list[tuple[Mark, Mark]]


def complete_sizes(config: Config, files: Sequence[Series]) -> Config:
    """The configuration with season, horizon, context and hidden size chosen where they are left to auto.

    - season: guessed from the distance of the times, 1 where there is no guess or fewer than four
      seasons; horizon: a season, or 6 steps without one, at most a quarter of the shortest file;
    - context: 72 steps or three seasons, at most half of what is learned from; 64 hidden units.
    """
    task, model = own(config.task, ForecastConfig), config.model
    rows = min(len(file.times) for file in files)
    guess = seasonal_period(files[0].times) or 1
    season = task.season or (guess if 4 * guess <= rows else 1)
    usual = season if season > 1 else STEPS_WITHOUT_SEASON
    horizon = task.horizon or max(1, min(usual, rows // 4))
    share = 0.0 if config.text.validation else config.text.validation_share
    learned = rows - held_out(rows, horizon, share)
    context = task.context or max(1, min(max(CONTEXT, 3 * season), learned // 2))
    return dataclasses.replace(
        config,
        task=dataclasses.replace(task, season=season, horizon=horizon, context=context),
        model=dataclasses.replace(model, hidden_size=model.hidden_size or HIDDEN_SIZE),
    )


def split_files(files: Sequence[Series], config: Config) -> Split:
    """The end of each file is for validation; nothing of it is in a window to learn from.

    DataError: a file is too short, or repeats itself exactly.
    """
    task = own(config.task, ForecastConfig)
    share = 0.0 if config.text.validation else config.text.validation_share
    least = task.season + min(task.season, task.context)
    ends = []
    for file in files:
        rows = len(file.times)
        held = held_out(rows, task.horizon, share)
        if rows - held < least + task.horizon:
            kept = f" and the last {held} rows kept to validate on" if held else ""
            raise DataError(
                f"{file.name} has {rows} rows, but with a season of {task.season}, a context of "
                f"{task.context}, a horizon of {task.horizon}{kept} it needs at least "
                f"{least + task.horizon + held}: give more rows, or lower task.season, task.context "
                "or task.horizon"
            )
        ends.append(rows - held)
    layout = _layout(files, ends, config)
    found = Split([], [], layout, [])
    for file, end in zip(files, ends, strict=True):
        count = len(file.columns) - len(layout.inputs)
        found.marks.append((Mark.at(file, end - 1, count), Mark.at(file, -1, count)))
        for track in tracks_of(file, layout, task.horizon, named=len(files) > 1):
            error = naive_error(track.values[:end], task.season)
            track = dataclasses.replace(track, error=error)
            found.learned.extend(windows_of(track, range(least, end - task.horizon + 1), task))
            last = len(track.values) - task.horizon
            found.held.extend(windows_of(track, range(end, last + 1), task))
    learned = changing(found.learned, task.season)
    if not learned:
        raise DataError(
            f"{', '.join(file.name for file in files)}: each value is the one a season of "
            f"{task.season} before, so there is nothing to learn: check the columns"
        )
    return found._replace(learned=learned)


def windows_to_compare(
    file: Series, layout: Layout, marks: Sequence[tuple[Mark, Mark]], task: ForecastConfig
) -> list[Window]:
    """A window before each row that is followed by a whole horizon: of the rows after those that the
    model knows where the file continues them, else of all. DataError: the file is too short."""
    last, least = len(file.times) - task.horizon, task.season + 1
    if last < least:
        raise DataError(
            f"{file.name} has {len(file.times)} rows, but to compare a forecast of {task.horizon} "
            f"steps with what came at least {least + task.horizon} are needed"
        )
    start, part = _continued(file, marks, least, last)
    learned = start
    if not part:
        start, learned = min(task.season + min(task.season, task.context), last), len(file.times)
        part = "all of the file, which goes on from no row that the model knows"
    windows = []
    for track in tracks_of(file, layout, task.horizon):
        error = naive_error(track.values[:learned], task.season)
        track = dataclasses.replace(track, error=error, part=part)
        windows += windows_of(track, range(start, last + 1), task)
    return windows


def _continued(
    file: Series, marks: Sequence[tuple[Mark, Mark]], least: int, last: int
) -> tuple[int, str]:
    """The first row that is new to the model, and which rows that are; 0 and "" where none is."""
    rows = {time: row for row, time in enumerate(file.times)}
    for learned, known in marks:
        for mark, why in ((known, "never seen before"), (learned, "held out in training")):
            start = rows.get(mark.time, -1) + 1
            same = start and Mark.at(file, start - 1, len(mark.values)) == mark
            if same and least <= start <= last:
                return start, f"the rows after {mark.time}, {why}"
    return 0, ""


def held_out(rows: int, horizon: int, share: float) -> int:
    """How many of the last rows are kept for validation: a horizon at least, if any."""
    return min(max(round(share * rows), horizon), rows) if share else 0


def _layout(files: Sequence[Series], ends: Sequence[int], config: Config) -> Layout:
    """What all files have in common; scales and cycles are those of the rows learned from."""
    first, beside = files[0], len(config.task.input)
    names = first.columns[: len(first.columns) - beside]
    alike = all(f.columns[: len(f.columns) - beside] == names for f in files)
    learned = [
        f.values[:end, len(f.columns) - beside :] for f, end in zip(files, ends, strict=True)
    ]
    rows = np.concatenate(learned)
    deviations = rows.std(0)
    return Layout(
        targets=names if alike else (),
        inputs=first.columns[len(first.columns) - beside :],
        means=tuple(rows.mean(0).tolist()),
        deviations=tuple(np.where(deviations > 0, deviations, 1.0).tolist()),
        cycles=longer_cycles(first.times[: ends[0]], own(config.task, ForecastConfig).season),
    )
