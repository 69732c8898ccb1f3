"""Losses at places of a text after a context of given length, many places side by side."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import functional

from sunhwan.cells import State
from sunhwan.generation import start_tokens
from sunhwan.inspection.progress import Progress
from sunhwan.inspection.subjects import Subject

PART = 64
"""Steps that are in memory at once."""


class ReadSoFar(NamedTuple):
    """What a model is after so many tokens: what its output layer is given (N, H), None where nothing
    was read, and the state."""

    y: Tensor | None
    state: list[State]


class ContextReader:
    """N places: the tokens before them (N, longest), and there (N).

    work: how many steps will be read at each, for the progress. Evaluation mode is the caller's.
    """

    def __init__(
        self, subject: Subject, before: Tensor, targets: Tensor, work: int, progress: Progress
    ) -> None:
        task: Any = subject.task  # of a language model
        self.model, self.vocabulary, self._resets = task.model, task.vocabulary, task.resets
        self.before, self.targets = before.to(subject.task.device), targets.to(subject.task.device)
        self._work, self._done, self._progress = max(work, 1), 0, progress

    def begun(self, context: int) -> ReadSoFar:
        """Before a text of so many tokens, with what leads to its first one."""
        state = self.model.initial_state(len(self.targets))
        lead = torch.tensor(start_tokens(self.vocabulary, [0] * context), dtype=torch.int64)
        return self.read(
            ReadSoFar(None, state), lead.to(self.targets).expand(len(self.targets), -1)
        )

    def last(self, context: int) -> Tensor:
        """The last tokens before each place (N, context)."""
        return self.before[:, self.before.shape[1] - context :]

    def read(self, reading: ReadSoFar, ids: Tensor) -> ReadSoFar:
        """ids (N, T): read on."""
        for start in range(0, ids.shape[1], PART):
            part = ids[:, start : start + PART]
            y, state = self.model.read(part, reading.state, self._resets(part))
            reading = ReadSoFar(y[-1].clone(), state)
            self._done += part.shape[1]
            self._progress(min(self._done / self._work, 1.0))
        return reading

    def losses(self, reading: ReadSoFar) -> np.ndarray:
        """−log p of the tokens at the places; nothing read, any is as likely as any other."""
        if reading.y is None:
            return np.full(len(self.targets), math.log(len(self.vocabulary)))
        logits = self.model.output(reading.y).double()
        return functional.cross_entropy(logits, self.targets, reduction="none").cpu().numpy()


def draw_places(
    texts: Sequence[Tensor], longest: int, positions: int, generator: Generator
) -> tuple[Tensor, Tensor]:
    """Places with so many tokens before them: these (N, longest), and the tokens there (N)."""
    ends = np.cumsum([max(len(text) - longest, 0) for text in texts])
    drawn = torch.randperm(int(ends[-1]), generator=generator)[:positions].numpy()
    before, targets = [], []
    for number, which in zip(drawn, np.searchsorted(ends, drawn, side="right"), strict=True):
        place = len(texts[which]) - int(ends[which] - number)
        before.append(texts[which][place - longest : place])
        targets.append(texts[which][place])
    return torch.stack(before), torch.stack(targets)
