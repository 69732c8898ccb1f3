"""Forecasting: the past of series to their future, with an interval."""

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray

from sunhwan.config import Config, TrainingConfig, Value, own
from sunhwan.data import BUILT_IN_SERIES, Series, pad
from sunhwan.errors import DataError, StoreError, SunhwanError, UsageError
from sunhwan.models.forecaster import (
    MEDIAN,
    QUANTILES,
    Forecaster,
    Windows,
    fitted_spread,
    mixed_spread,
)
from sunhwan.models.loss import Loss
from sunhwan.tasks.common.examples import ExampleTask
from sunhwan.tasks.common.interface import Prepared
from sunhwan.tasks.common.recipe import complete_examples
from sunhwan.tasks.common.results import Answer, Baselines, Review, Scores
from sunhwan.tasks.forecast.answerable import answerable, with_numbers
from sunhwan.tasks.forecast.answers import panel_of, window_answers
from sunhwan.tasks.forecast.beside import beside
from sunhwan.tasks.forecast.known_ahead import with_known_ahead
from sunhwan.tasks.forecast.layout import Layout, wanted_of
from sunhwan.tasks.forecast.reading import (
    Mark,
    Marks,
    complete_sizes,
    split_files,
    windows_to_compare,
)
from sunhwan.tasks.forecast.scores import ForecastScores, by_series
from sunhwan.tasks.forecast.settings import ForecastConfig
from sunhwan.tasks.forecast.tracks import (
    Window,
    as_series,
    check_ahead,
    lengthened,
    open_series,
    parse_series,
    shortened,
    tracks_of,
    windows_of,
    with_scales,
)

ASKED, FITTED, MOST_WIDENED = 2000, 500, 2.0
"""Windows of which it is asked how far the series went; windows learned from to which the bands are
fitted, too; and the most that a calm end widens them."""

PANELS, FORECASTS = 6, 8
"""Series in a picture, and forecasts of each."""


class Forecast(ExampleTask):
    """Forecasts, with quantiles, of one series or of several that share a model.

    A window's own season, level and scale are taken off what is read and put back on what is said
    (`sunhwan.data.windows`), so the network learns only how a series departs from repeating itself.
    """

    name: ClassVar[str] = "forecast"
    titles: ClassVar[tuple[str, str]] = ("forecast", "예측")
    forecasts: ClassVar[bool] = True
    scores_type: ClassVar[type[Any]] = ForecastScores
    built_in: ClassVar[tuple[str, ...]] = tuple(BUILT_IN_SERIES)

    def __init__(self, config: Config, layout: Layout, marks: Marks) -> None:
        """marks: of each series the last row that was learned from, and its last row."""
        self.config, self.layout, self.marks = config, layout, dict(marks)
        self.settings = own(config.task, ForecastConfig)
        self.season, self.horizon = self.settings.season, self.settings.horizon
        self.moved = 0.0
        """How far, in units of a window's scale, the series went in the rows learned from."""
        self.sample: Sequence[Window] = ()
        """Of the windows learned from, those to which the bands are fitted, too; none once restored."""
        self.model: Forecaster = Forecaster(
            config.model, layout.features, self.horizon, calibrated=layout.drawn
        )

    @classmethod
    def prepare(cls, config: Config) -> Prepared:
        settings = own(config.task, ForecastConfig)
        wanted = replace(wanted_of(settings), filled=config.data.strict)
        found = [series for s in config.data.source for series in open_series(s, wanted)]
        files = [shortened(series, settings.leave_out) for series in found]
        config = complete_sizes(config, files)
        learned, held, layout, marks, notes = split_files(files, config)
        chosen = {**AUTOMATIC, "model.dropout": dropout_of(len(learned))}
        config = complete_examples(config, [], len(learned), chosen)
        made = cls(config, layout, marks)
        made.moved = _largest(made._targets(learned[:: -(-len(learned) // ASKED)]))
        made.sample = learned[:: -(-len(learned) // FITTED)]
        if config.text.validation:
            held = made.read(Path(config.text.validation))
        task, count = made.settings, len({id(window.track) for window in learned})
        season = f"a season of {task.season} steps" if task.season > 1 else "no season"
        said = (
            *dict.fromkeys(f"{file.name}: {file.said}" for file in files),
            *notes,
            f"{count:,} series to learn from, {season}; from {task.context} steps the next "
            f"{task.horizon}; {len(learned):,} windows to learn from, {len(held):,} to validate on",
        )
        return Prepared(config, made, learned, held or None, said)

    def collate(self, examples: Sequence[Any]) -> Windows:
        inputs, targets = [], []
        for window in examples:
            found = window.stretch(self.season)
            inputs.append(torch.from_numpy(window.inputs(found, self.season)))
            future = np.full(self.horizon, np.nan)
            future[: len(window.future)] = window.future
            scaled = (future - found.repeated) / (found.scale or 1.0)
            targets.append(torch.from_numpy(scaled).float())
        return Windows(pad(inputs), torch.stack(targets))

    def targets_of(self, example: Any) -> int:
        return max(int(np.isfinite(example.future).sum()), 1)

    def loss(self, batch: Windows, state: Any, training: TrainingConfig) -> Loss:
        return self.model.loss(batch.to(self.device))

    def quantiles(
        self, windows: Sequence[Any], interrupted: Callable[[], bool] = lambda: False
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Quantiles of each window's future, (n, H, Q), in the unit of its series; its scale, (n,)."""
        return self._placed(windows, *self._scaled(windows, interrupted))

    def _placed(
        self,
        windows: Sequence[Any],
        said: NDArray[np.float64],
        repeated: NDArray[np.float64],
        scales: NDArray[np.float64],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """`quantiles` of what `_scaled` gave."""
        found = repeated[..., None] + scales[:, None, None] * self._spread(said)
        if self.layout.drawn:
            for rows, window in zip(found, windows, strict=True):
                past = window.track.values[: window.origin]
                if np.nanmin(past, initial=np.inf) == 0:
                    np.maximum(rows, 0.0, out=rows)  # what was 0 and never less is a count
        return found, scales

    @torch.no_grad()
    def _scaled(
        self, windows: Sequence[Any], interrupted: Callable[[], bool] = lambda: False
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Quantiles (n, H, Q) as the network says them, what they are added to (n, H), scales (n,)."""
        said = np.empty((len(windows), self.horizon, len(QUANTILES)))
        repeated, scales = np.empty((len(windows), self.horizon)), np.empty(len(windows))
        for places, batch in self.each_batch(windows, interrupted=interrupted):
            said[places] = self.model(batch.inputs).cpu().double().numpy()
            for place in places:
                _, repeated[place], scales[place] = windows[place].stretch(self.season)
        return said, repeated, scales

    def _spread(self, said: NDArray[np.float64]) -> NDArray[np.float64]:
        """Quantiles moved from the median as held-out origins asked for, in ascending order."""
        if not self.model.calibrated:
            return said
        factors = self.model.spread.cpu().double().numpy()
        median = said[..., MEDIAN : MEDIAN + 1]
        moved: NDArray[np.float64] = np.sort(median + factors * (said - median), -1)
        return moved

    def validate(
        self,
        data: Sequence[Any],
        *,
        limit: int = 0,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> ForecastScores:
        """Fit how wide the bands are to held-out origins and to a sample of those learned from, then
        compute the figures (`mixed_spread`).
        """
        some = _spread_out(data, limit)
        scaled = said, _, _ = self._scaled(some, interrupted)
        targets = self._targets(some)
        learned = torch.ones(len(QUANTILES))
        if self.sample:
            learned = self._fitted(self._scaled(self.sample, interrupted)[0], self.sample)
        apart = Counter(id(window.track) for window in data)
        count = sum(-(-windows // self.horizon) for windows in apart.values())
        moved = _largest(targets)
        wider = min(max(self.moved / moved, 1.0), MOST_WIDENED) if moved else 1.0
        self.model.spread.copy_(mixed_spread(self._fitted(said, some), learned, wider, count))
        return ForecastScores.of(some, *self._placed(some, *scaled), self.season)

    def _fitted(self, said: NDArray[np.float64], windows: Sequence[Any]) -> torch.Tensor:
        return fitted_spread(torch.from_numpy(said), torch.from_numpy(self._targets(windows)))

    def _targets(self, windows: Sequence[Any]) -> NDArray[np.float64]:
        """The futures as they are learned, (n, H); NaN where one is unknown or has no scale."""
        found = np.full((len(windows), self.horizon), np.nan)
        for row, window in zip(found, windows, strict=True):
            _, repeated, scale = window.stretch(self.season)
            future = window.future
            row[: len(future)] = (future - repeated[: len(future)]) / (scale or np.nan)
        return found

    def evaluate_data(
        self,
        data: Sequence[Any],
        *,
        limit: int = 0,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> ForecastScores:
        data = _spread_out(data, limit)
        return ForecastScores.of(data, *self.quantiles(data, interrupted), self.season)

    def review_data(self, data: Sequence[Any]) -> Review:
        """The figures, those of each series, and forecasts to look at."""
        found, scales = self.quantiles(data)
        places: dict[str, list[int]] = {}
        for place, window in enumerate(data):
            places.setdefault(window.track.name, []).append(place)
        each = {
            name: ForecastScores.of([data[p] for p in some], found[some], scales[some], self.season)
            for name, some in places.items()
        }
        part = data[0].track.part
        panels: list[dict[str, Any]] = []
        for some in list(places.values())[:PANELS]:
            shown = some[:: -self.horizon][:FORECASTS][::-1]
            panels.append(panel_of([data[p] for p in shown], found[shown], len(places)))
        values = {
            "part": part,
            "series": {name: scores.to_dict() for name, scores in each.items()},
            "panels": panels,
        }
        scores = ForecastScores.of(data, found, scales, self.season)
        return Review(scores, [by_series(each, f"over {part}")], values)

    def baselines(
        self, train: Any, data: Any, scores: Scores, *, limit: int = 0
    ) -> Baselines | None:
        assert isinstance(scores, ForecastScores)
        return beside(_spread_out(data, limit), scores, self.season)

    def digest(self, data: Sequence[Any]) -> str:
        sha = hashlib.sha256()
        seen: set[int] = set()
        for track, *place in data:
            if id(track) not in seen:
                seen.add(id(track))
                slots = (track.slots.at,) if track.slots else ()
                for part in (track.values, track.known, track.seen, *slots):
                    sha.update(f"{part.shape}".encode() + np.ascontiguousarray(part).tobytes())
            sha.update(f"{place}".encode())
        return sha.hexdigest()

    def data_facts(self, train: Sequence[Any]) -> dict[str, Any]:
        return {"windows": len(train)}

    @property
    def subject(self) -> str:
        return "sunhwan.inspection.subjects.forecaster:ForecasterSubject"

    def about(self) -> dict[str, Any]:
        context = self.settings.context
        sizes = {"season": self.season, "context": context, "horizon": self.horizon}
        return {name: f"{size} steps" for name, size in sizes.items()}

    def preprocessing(self) -> dict[str, Any]:
        marks = [
            [*([mark.time, list(mark.values)] for mark in pair), list(key)]
            for key, pairs in self.marks.items()
            for pair in pairs
        ]
        return {**self.layout.to_dict(), "marks": marks}

    @classmethod
    def restored(cls, config: Config, preprocessing: Any) -> Self:
        marks: dict[tuple[str, ...], list[tuple[Mark, Mark]]] = {}
        try:
            layout = Layout.from_dict(preprocessing)
            for learned, last, *key in preprocessing["marks"]:
                name = tuple(map(str, key[0])) if key else ()
                marks.setdefault(name, []).append((_mark(*learned), _mark(*last)))
        except (KeyError, TypeError, ValueError, AttributeError):
            raise StoreError("The stored columns or scales are damaged") from None
        return cls(config, layout, marks)

    def read(self, path: Path) -> list[Window]:
        return self.read_noted(path)[0]

    def read_noted(self, path: Path, *, strict: bool = False) -> tuple[list[Window], list[str]]:
        """A file's windows: after the rows that the model knows if it continues them, else all.

        Forecasts are made from every row on, each with a whole horizon to compare with.
        """
        found = self._open(path, strict=strict)
        return windows_to_compare(found, self.layout, self.marks, self.settings), []

    def _open(
        self, path: Path, problems: list[SunhwanError] | None = None, *, strict: bool = False
    ) -> list[Series]:
        wanted = replace(self.layout.wanted(self.settings), filled=strict)
        return open_series(str(path), wanted, self.layout.calendar, problems)

    def questions(self, path: Path) -> Iterator[Series]:
        yield from self.sound_questions(path, None)

    def sound_questions(self, path: Path, problems: list[SunhwanError] | None) -> Iterator[Series]:
        if str(path) == "-":
            raise UsageError("forecasts are made of a file, not of standard input: name one")
        yield from self._open(path, problems)

    def asked(self, question: Any) -> list[Window]:
        """A `Series`, or numbers (T,) or (T, columns) → a window at its end for each column."""
        series = question if isinstance(question, Series) else as_series(question, self.layout)
        least = self.season + 1
        check_ahead(series, self.layout, self.horizon)
        if series.key and len(series.times) < least:
            series = lengthened(series, least)
        if len(series.times) < least:
            raise DataError(
                f"{series.name} has {len(series.times)} rows, but at least {least} are needed to go on "
                f"from: a season of {self.season} and one more"
            )
        tracks = with_numbers(tracks_of(series, self.layout, self.horizon), series)
        tracks = with_scales(tracks, self.layout, self.season)
        return [w for t in tracks for w in windows_of(t, [len(t.values)], self.settings)]

    def answers(self, questions: Iterable[Any]) -> Iterator[Answer]:
        """An answer a step: of each question's first series all steps, then of its second …"""
        for question in questions:
            windows = self.asked(question)
            yield from window_answers(
                windows, *self.quantiles(windows), getattr(question, "time", "")
            )

    def with_known_ahead(
        self, questions: Iterable[Any], path: Path
    ) -> tuple[list[Series], tuple[str, ...]]:
        if not self.layout.future:
            raise UsageError("--future: the model was trained without columns that are known ahead")
        return with_known_ahead(list(questions), path, self.layout, self.horizon)

    def answerable(self, questions: Iterable[Any]) -> tuple[list[Series], tuple[str, ...]]:
        return answerable(list(questions), self.layout)

    @property
    def columns_asked(self) -> list[str]:
        return [*self.layout.targets, *self.layout.inputs, *self.layout.future]

    def parse_question(self, text: str | list[str]) -> Any:
        return parse_series(text, self.layout)

    def panels(self, questions: Iterable[Any]) -> list[dict[str, Any]]:
        """The forecasts with the past they go on from, for `sunhwan.plots.draw_forecasts`."""
        windows = [window for question in questions for window in self.asked(question)]
        found, _ = self.quantiles(windows[:PANELS])
        return [
            panel_of([w], found[i : i + 1], len(windows)) for i, w in enumerate(windows[:PANELS])
        ]


AUTOMATIC: dict[str, Value] = {
    "data.batch_size": 32,
    "model.embedding_size": 32,
    "model.direction": "forward",
}


def _largest(targets: NDArray[np.float64]) -> float:
    """The distance that four of five futures stay within."""
    known = np.abs(targets[~np.isnan(targets)])
    return float(np.quantile(known, 0.8)) if len(known) else 0.0


def dropout_of(windows: int) -> float:
    """0.4 up to a thousand windows, then less with each factor of ten, none from a hundred thousand."""
    return round(0.4 * min(max(1 - (math.log10(windows) - 3) / 2, 0.0), 1.0), 2)


def _spread_out(data: Sequence[Any], limit: int) -> Sequence[Any]:
    """About so many steps of windows, spread over all series and times, for neighbours are alike."""
    every = -(-sum(window.steps for window in data) // limit) if limit else 1
    return data[:: max(every, 1)]


def _mark(time: Any, values: Any) -> Mark:
    return Mark(str(time), tuple(None if value is None else float(value) for value in values))
