"""State reader: the states along long texts and many examples, batch by batch, in two halves."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sunhwan.inspection.subjects import Passage, Subject
from sunhwan.layers import Look, observing
from sunhwan.models.mode import evaluating

ROWS, CHUNK, STEPS = 64, 128, 8192
"""Rows of a text side by side, steps of them at a time, and steps of a batch of examples."""
SHORTEST = 1024
"""Steps of a row, below which there are fewer rows: each begins without what was before it."""


class Selection(NamedTuple):
    """Steps to read: rows of steps, the first of them for choosing and the others for testing.

    rows: of a language model ids (T), of other models passages. lengths: (R). steps: (n), the place
    of each step, row behind row, among all tokens of the passages. chosen_on: how many of the n
    steps are in the rows for choosing.
    """

    rows: tuple[Any, ...]
    lengths: NDArray[np.int64]
    steps: NDArray[np.int64]
    chosen_on: int

    @property
    def starts(self) -> NDArray[np.int64]:
        """Where each row begins among the n steps."""
        starts: NDArray[np.int64] = np.cumsum(self.lengths) - self.lengths
        return starts

    def halves(self) -> tuple[slice, slice]:
        """The steps for choosing and those for testing."""
        return slice(0, self.chosen_on), slice(self.chosen_on, len(self.steps))

    def part(self, limit: int) -> tuple["Selection", NDArray[np.int64]]:
        """About `limit` of the steps, of both halves, and their places among the n.

        Of a text the beginning of each row, of examples every k-th.
        """
        if limit >= len(self.steps):
            return self, np.arange(len(self.steps))
        if isinstance(self.rows[0], Tensor):
            length = max(limit // len(self.rows), 1)
            rows = tuple(row[:length] for row in self.rows)
            lengths = np.minimum(self.lengths, length)
            kept = range(len(self.rows))
        else:
            kept = range(0, len(self.rows), -(-len(self.steps) // max(limit, 1)))
            rows = tuple(self.rows[row] for row in kept)
            lengths = self.lengths[kept]
        places = _places(self.starts[kept], lengths)
        chosen_on = int((places < self.chosen_on).sum())
        return Selection(rows, lengths, self.steps[places], chosen_on), places


class StateBatch(NamedTuple):
    """The states of some rows over some steps.

    layers: as `Traced` has them, name → (N, T, H). places: (N, T), which of the n steps each is, −1
    behind a row's end.
    """

    layers: list[dict[str, Tensor]]
    places: Tensor


def select_steps(subject: Subject, passages: Sequence[Passage], limit: int) -> Selection:
    """At most about `limit` steps: of a text rows evenly spread over it, of examples every k-th."""
    lengths = np.array([_steps(passage) for passage in passages], np.int64)
    total = int(lengths.sum())
    if subject.running_text:
        # Not one row, which would leave nothing for testing.
        R = 2 * min(max(total // SHORTEST, 2) // 2, ROWS // 2) if total > 1 else 0
        every = total // max(R, 1)
        length = min(every, -(-limit // max(R, 1)))
        ids = torch.cat([p.given for p in passages]) if R else torch.zeros(0)
        starts = every * np.arange(R)
        rows: tuple[Any, ...] = tuple(ids[start : start + length] for start in starts.tolist())
        kept_lengths = np.full(R, length)
        chosen_on = R // 2 * length
    else:
        kept = range(0, len(passages), max(-(-total // max(limit, 1)), 1))
        rows = tuple(passages[row] for row in kept)
        kept_lengths = lengths[kept]
        starts = (np.cumsum(lengths) - lengths)[kept]
        ends = np.cumsum(kept_lengths)
        chosen_on = int(ends[ends <= ends[-1] // 2].max(initial=0)) if len(ends) else 0
    return Selection(rows, kept_lengths, _places(starts, kept_lengths), chosen_on)


def read_states(subject: Subject, stretches: Selection) -> Iterator[StateBatch]:
    """The states of the first stack along all stretches, batch by batch; no gradients."""
    if not len(stretches.steps):
        return
    with torch.no_grad(), evaluating(subject.task.model):
        batches = _of_text if subject.running_text else _of_examples
        yield from batches(subject, stretches)


def _of_text(subject: Subject, stretches: Selection) -> Iterator[StateBatch]:
    """Side by side, the state carried on."""
    task: Any = subject.task
    ids = torch.stack(stretches.rows).to(subject.task.device)
    starts = torch.from_numpy(stretches.starts).unsqueeze(1)
    state = None
    for start in range(0, ids.shape[1], CHUNK):
        part = ids[:, start : start + CHUNK]
        with observing(subject.recurrents[subject.main], Look.STATES) as calls:
            _, state = task.model.read(part, state, task.resets(part))
        places = starts + torch.arange(start, start + part.shape[1])
        yield StateBatch(calls[0].traced.layers, places.to(ids.device))


def _of_examples(subject: Subject, stretches: Selection) -> Iterator[StateBatch]:
    """Each from the initial state on, those of a length together."""
    order = np.argsort(-stretches.lengths, kind="stable").tolist()
    while order:
        size = max(1, min(ROWS, STEPS // max(int(stretches.lengths[order[0]]), 1)))
        rows, order = order[:size], order[size:]
        seen = subject.observe([stretches.rows[row] for row in rows], Look.STATES)
        layers = seen.runs[subject.main].traced.layers
        T = next(iter(layers[0].values())).shape[1]
        step = torch.arange(T)
        lengths = torch.from_numpy(stretches.lengths[rows]).unsqueeze(1)
        places = torch.from_numpy(stretches.starts[rows]).unsqueeze(1) + step
        yield StateBatch(layers, torch.where(step < lengths, places, -1).to(subject.task.device))


def _steps(passage: Passage) -> int:
    return len(passage.pieces)


def _places(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """The whole numbers from each start on, as many as each length."""
    before = np.cumsum(lengths) - lengths
    places: NDArray[np.int64] = np.repeat(starts - before, lengths) + np.arange(lengths.sum())
    return places
