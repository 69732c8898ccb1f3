"""Reading for forecasting: the training, validation and test windows of series."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Self

import numpy as np

from sunhwan.config import Config, own
from sunhwan.data import Series
from sunhwan.data.amounts import same_mark
from sunhwan.data.seasons import found_longer, found_season
from sunhwan.data.windows import naive_error
from sunhwan.errors import DataError, quoted
from sunhwan.tasks.forecast.layout import Layout, words_of
from sunhwan.tasks.forecast.settings import ForecastConfig
from sunhwan.tasks.forecast.tracks import (
    Window,
    changing,
    tracks_of,
    windows_of,
    with_scales,
)

STEPS_WITHOUT_SEASON = 6
CONTEXT = 72
HIDDEN_SIZE = 64
MOST_WINDOWS = 200_000
"""Windows to learn from; of more rows only some are origins, evenly spread."""

SEARCHED = 0.8
"""Share of a series, from its start, in which seasons are searched for: nothing held out is in it."""


class Mark(NamedTuple):
    """A row by which a file that continues another is known: its time and its values."""

    time: str
    values: tuple[float | None, ...]

    @classmethod
    def at(cls, series: Series, row: int, count: int) -> Self:
        """The mark of a row, of the first `count` columns; None stands for a missing number."""
        values = series.values[row, :count].tolist()
        return cls(series.times[row], tuple(None if v != v else v for v in values))


Marks = Mapping[tuple[str, ...], Sequence[tuple[Mark, Mark]]]
"""By the key of a series, () where it has none: the last row that was learned from, and the last row,
of each file."""


class Split(NamedTuple):
    """Windows to learn from and to validate on, what is read of a file, its marks, and notes."""

    learned: list[Window]
    held: list[Window]
    layout: Layout
    marks: dict[tuple[str, ...], list[tuple[Mark, Mark]]]
    notes: tuple[str, ...] = ()


def complete_sizes(config: Config, files: Sequence[Series]) -> Config:
    """The configuration with season, horizon, context and hidden size chosen where they are left to auto.

    - season: that of the calendar; where it suggests none, the one in which the values repeat; 1 where
      there is none or fewer than four; horizon: a season, or 6 steps without one, at most a quarter
      of the shortest series, of a long table of the usual one;
    - context: 72 steps or three seasons, at most half of what is learned from; 64 hidden units.
    """
    task, model = own(config.task, ForecastConfig), config.model
    lengths = sorted(len(file.times) for file in files)
    rows = lengths[len(lengths) // 2 if files[0].key else 0]
    guess = files[0].clock.calendar.season or found_season(_searched(files, config)) or 1
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
    """The end of each series is for validation; nothing of it is in a window to learn from.

    DataError: a file is too short, or holds no number.
    """
    _check_currencies(files)
    task = own(config.task, ForecastConfig)
    share = 0.0 if config.text.validation else config.text.validation_share
    least = task.season + min(task.season, task.context)
    ends, short = [], 0
    for file in files:
        rows = len(file.times)
        held = held_out(rows, task.horizon, share)
        if rows - held < least + task.horizon:
            short += 1
            if not file.key:
                raise _too_short(file, held, least, task)
        ends.append(rows - held)
    if short == len(files):
        longest = max(range(len(files)), key=lambda n: ends[n])
        held = len(files[longest].times) - ends[longest]
        raise _too_short(files[longest], held, least, task)
    layout = _layout(files, ends, config)
    found = Split([], [], layout, {})
    beside = len(layout.inputs) + len(layout.future)
    several = len({file.name for file in files}) > 1
    every = max(1, -(-sum(ends) * _targets(files[0], beside) // MOST_WINDOWS))
    for file, end in zip(files, ends, strict=True):
        count = len(file.columns) - beside
        if end:
            pair = Mark.at(file, end - 1, count), Mark.at(file, -1, count)
            found.marks.setdefault(_key(file), []).append(pair)
        for track in tracks_of(file, layout, task.horizon, named=several):
            slots = track.slots_of(task.season)
            error = naive_error(track.values[:end], task.season, slots)
            (track,) = with_scales([replace(track, error=error)], layout, task.season)
            last = len(track.values) - task.horizon
            # From the last origin back, so that the newest rows are always learned from.
            origins = range(end - task.horizon, least - 1, -every)[::-1]
            found.learned.extend(windows_of(track, origins, task))
            found.held.extend(_known(windows_of(track, range(max(end, least), last + 1), task)))
    learned = changing(found.learned, task.season)
    repeats = not learned
    if repeats:  # then all there is to learn is that nothing changes
        learned = _known(found.learned)
    if not learned:
        names = ", ".join(dict.fromkeys(file.name for file in files))
        raise DataError(f"{names}: no number is known in the rows learned from: check the columns")
    notes = _notes(files, layout, short)
    if repeats:
        notes += (
            f"each value is the one a season of {task.season} before, and so are the forecasts"
            if task.season > 1
            else "each value is the one before, and so are the forecasts",
        )
    total, taught = (len({id(w.track) for w in some}) for some in (found.learned, learned))
    if taught < total:
        notes += (
            f"{total - taught:,} of {total:,} series repeat exactly or are empty, so they teach nothing",
        )
    return found._replace(learned=learned, notes=notes)


def windows_to_compare(
    files: Sequence[Series], layout: Layout, marks: Marks, task: ForecastConfig
) -> list[Window]:
    """A window before each row that is followed by a whole horizon: of the rows after those that the
    model knows where the file continues them, else of all. DataError: the file is too short."""
    windows: list[Window] = []
    for file in files:
        last, least = len(file.times) - task.horizon, task.season + 1
        if last < least:
            continue
        start, part = _continued(file, marks.get(_key(file), ()), least, last)
        learned = start
        if not part:
            start, learned = (
                min(task.season + min(task.season, task.context), last),
                len(file.times),
            )
            part = "all of the file, which goes on from no row that the model knows"
        if file.key:
            part = (
                "the rows after those that were learned from, of each series that the model knows"
            )
        for track in tracks_of(file, layout, task.horizon):
            slots = track.slots_of(task.season)
            error = naive_error(track.values[:learned], task.season, slots)
            track = replace(track, error=error, part=part)
            (track,) = with_scales([track], layout, task.season)
            windows += _known(windows_of(track, range(start, last + 1), task))
    if not windows:
        longest = max(files, key=lambda file: len(file.times))
        raise DataError(
            f"{longest.name} has {len(longest.times)} rows, but to compare a forecast of {task.horizon} "
            f"steps with what came at least {task.season + 1 + task.horizon} are needed"
        )
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


def _too_short(file: Series, held: int, least: int, task: ForecastConfig) -> DataError:
    kept = f" and the last {held} rows kept to validate on" if held else ""
    what = f"the longest series of {file.name}" if file.key else file.name
    return DataError(
        f"{what} has {len(file.times)} rows, but with a season of {task.season}, a context of "
        f"{task.context}, a horizon of {task.horizon}{kept} it needs at least "
        f"{least + task.horizon + held}: give more rows, or lower task.season, task.context "
        "or task.horizon"
    )


def _key(file: Series) -> tuple[str, ...]:
    return tuple(cell for _, cell in file.key)


def _targets(file: Series, beside: int) -> int:
    return len(file.columns) - beside


def _known(windows: list[Window]) -> list[Window]:
    """Those of whose future at least one value is known."""
    return [window for window in windows if not np.isnan(window.future).all()]


def _searched(files: Sequence[Series], config: Config) -> list[Any]:
    beside = len(config.task.input) + len(own(config.task, ForecastConfig).future)
    found = []
    for file in files:
        end, slots = int(SEARCHED * len(file.times)), file.clock.slots(0)
        some = file.values[:end, : _targets(file, beside)].T
        found += [slots.grid(x, 0, int(slots.at[:end].max()) + 1) if slots else x for x in some]
    return found


def _layout(files: Sequence[Series], ends: Sequence[int], config: Config) -> Layout:
    """What all files have in common; scales and seasons are those of the rows learned from."""
    task = own(config.task, ForecastConfig)
    first, beside = files[0], len(task.input) + len(task.future)
    count = _targets(first, beside)
    names = first.columns[:count]
    alike = all(f.columns[: _targets(f, beside)] == names for f in files)
    learned = [f.values[:end, _targets(f, beside) :] for f, end in zip(files, ends, strict=True)]
    rows = np.concatenate(learned)
    known = ~np.isnan(rows)
    if beside and not known.any(0).all():
        raise DataError(f"{first.name}: a column of inputs has no number in the rows learned from")
    means = (
        np.where(known, rows, 0).sum(0) / np.maximum(known.sum(0), 1) if beside else rows.mean(0)
    )
    squares = np.where(known, (rows - means) ** 2, 0).sum(0) / np.maximum(known.sum(0), 1)
    deviations = np.sqrt(squares)
    longest = max(range(len(files)), key=lambda n: ends[n])
    calendar = files[longest].clock.calendar
    same = all(replace(f.clock.calendar, start=calendar.start) == calendar for f in files)
    return Layout(
        targets=names if alike else (),
        inputs=first.columns[count : count + len(task.input)],
        means=tuple(means.tolist()) if beside else (),
        deviations=tuple(np.where(deviations > 0, deviations, 1.0).tolist()) if beside else (),
        cycles=files[longest].clock.longer_cycles(task.season),
        future=first.columns[count + len(task.input) :],
        group=tuple(name for name, _ in first.key),
        static=words_of(files),
        longer=found_longer(_searched(files, config), task.season, calendar.cycles),
        gaps=any(
            np.isnan(f.values[:end, : _targets(f, beside)]).any()
            for f, end in zip(files, ends, strict=True)
        ),
        drawn=True,
        calendar=calendar if same and calendar.unit != "row" else None,
        order=first.order,
        on_clock=True,
        zone=files[longest].clock.zone,
        writings=_of_all([file.writings for file in files]),
        currencies=_of_all([file.currencies for file in files]),
    )


def _check_currencies(files: Sequence[Series]) -> None:
    """DataError: a column has amounts in one currency in one file, and in another one in another."""
    first: dict[str, tuple[str, str]] = {}
    for file in files:
        for name, mark in file.currencies:
            other, known = first.setdefault(name.casefold(), (file.name, mark))
            if not same_mark(mark, known):
                raise DataError(
                    f"{file.name}: the column {quoted(name)} has amounts in {mark}, but those of {other} "
                    f"are in {known}; bring them to one currency, or train a model for each"
                )


def _of_all(files: Sequence[tuple[tuple[str, str], ...]]) -> tuple[tuple[str, str], ...]:
    """What files say of their columns, each time the first that says it."""
    return tuple({name: told for file in reversed(files) for name, told in file}.items())


def _notes(files: Sequence[Series], layout: Layout, short: int) -> tuple[str, ...]:
    notes = []
    if layout.longer:
        notes.append(f"the values repeat after {' and '.join(map(str, layout.longer))} steps too")
    if layout.static:
        notes.append(f"each series is told apart by {', '.join(name for name, _ in layout.static)}")
    if short:
        notes.append(f"{short:,} of {len(files):,} series are too short to learn from")
    return tuple(notes)
