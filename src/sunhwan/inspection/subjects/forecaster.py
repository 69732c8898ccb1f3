"""Forecaster as a subject: the steps of a series, and a prediction for each step of its future."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sunhwan.config import Config
from sunhwan.data import pad
from sunhwan.errors import UsageError
from sunhwan.inspection.subjects.base import Passage
from sunhwan.inspection.subjects.examples import ExampleSubject
from sunhwan.models.forecaster import Windows, pinball
from sunhwan.tasks.forecast.task import Forecast
from sunhwan.tasks.forecast.tracks import Window

MOST_READ = 4_000
"""Windows that are read of a file; of more, so many of them, evenly spread."""


class WindowExample(NamedTuple):
    """A window, and what the network reads of it: inputs, one of (c + H, F), and the future (H,)."""

    window: Window
    inputs: tuple[Tensor, ...]
    target: Tensor

    @property
    def steps(self) -> int:
        """How many steps are read, those of the future among them."""
        return len(self.inputs[0])


class ForecasterSubject(ExampleSubject):
    """A forecaster: a prediction for each step of the horizon, its loss the mean of its quantiles'.

    A passage is a window: the past that is read, and the horizon through which the network reads on.
    """

    task: Forecast
    unit, measure = "steps", "pinball"

    def __init__(self, task: Forecast) -> None:
        self.task, self.recurrents = task, {"encoder": task.model.encoder.recurrent}
        self.steps_ahead = task.horizon

    def as_forecaster(self) -> "ForecasterSubject":
        return self

    def passages(self, text: str) -> list[Passage]:
        return [self.of_window(w) for w in self.task.asked(self.task.parse_question(text))]

    def of_window(self, window: Window) -> Passage:
        """A window as a passage, each step named by its time."""
        batch = self.task.collate([window])
        track, origin = window.track, window.origin
        labels = track.times[origin - window.context : origin + window.horizon]
        given = WindowExample(window, (batch.inputs.values[0],), batch.targets[0])
        return Passage("", ("",) * len(labels), labels, f"{track.name}, {labels[-1]}", given)

    def read(self, path: Path) -> list[Passage]:
        return self._some(self.task.read(path))

    def held_out(self, config: Config) -> list[Passage]:
        # It makes a fresh model too, which draws random numbers.
        with torch.random.fork_rng(devices=[]):
            found = type(self.task).prepare(config).validation
        if not found:
            raise UsageError("the run kept no rows for validation: name a file")
        return self._some(found)

    def _some(self, windows: Sequence[Window]) -> list[Passage]:
        return [self.of_window(window) for window in windows[:: -(-len(windows) // MOST_READ)]]

    def windows(self, passages: Sequence[Passage], length: int, count: int) -> list[Passage]:
        return super().windows(passages, max(len(p.labels) for p in passages), count)

    def predicted(self, passage: Passage) -> list[str]:
        return list(passage.labels[-self.steps_ahead :])

    def _batch(self, passages: Sequence[Passage]) -> Windows:
        given = [passage.given for passage in passages]
        batch = Windows(pad([g.inputs[0] for g in given]), torch.stack([g.target for g in given]))
        return batch.to(self.task.device)

    def _predict(self, passages: Sequence[Passage], last: bool) -> tuple[Tensor, Tensor, list[Any]]:
        batch = self._batch(passages)
        found, real = pinball(self.task.model(batch.inputs), batch.targets), ~batch.targets.isnan()
        losses = torch.where(real, found.mean(-1), 0)
        lengths = batch.inputs.lengths
        places = lengths.unsqueeze(1) + torch.arange(-self.steps_ahead, 0, device=lengths.device)
        if last:
            losses, real, places = losses[:, -1:], real[:, -1:], places[:, -1:]
        return losses, real, [(lengths, places)]
