"""Endless batches of independent examples: rows of a table, sentences."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

import torch

from sunhwan.errors import DataError

Example = TypeVar("Example")
Batch = TypeVar("Batch")

STEPS = 1 << 16
"""Rows × longest row of a batch, at most, for its memory is in proportion to them."""
WINDOW = 50
"""Batches whose rows are sorted by length together: little padding, and other batches each epoch."""


class Batches(Generic[Example, Batch]):
    """Endless batches, each example once an epoch, rows of like lengths together.

    Each epoch draws a new order; of every 50 batches' worth the examples are sorted by length, cut
    into batches, and the batches shuffled. The last batch of an epoch may be smaller, and so may
    those of long rows: rows × longest are `STEPS` at most.

    The stream owns its generator and position: `state()` and `restore()` continue it exactly.

    Args:
        examples, lengths: what is read, and how long each is (its steps).
        batch_size: N.
        collate: examples → what the model reads.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        lengths: Sequence[int],
        batch_size: int,
        collate: Callable[[list[Example]], Batch],
        *,
        seed: int = 0,
    ) -> None:
        if not examples or batch_size < 1:
            raise DataError(
                f"{len(examples)} examples in batches of {batch_size}: both must be ≥ 1"
            )
        self.batch_size = min(batch_size, len(examples))
        self.tokens = 0
        self._examples, self._collate = examples, collate
        self._lengths = torch.tensor(lengths, dtype=torch.int64)
        self._generator = torch.Generator().manual_seed(seed)
        self._epochs = 0
        self._begin_epoch()

    @property
    def epoch(self) -> float:
        """How many times every example was read so far."""
        return self._epochs + self._index / len(self._order)

    def steps(self, epochs: float) -> int:
        """How many batches so many passes are."""
        return max(1, round(epochs * len(self._order)))

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        (batch,) = self.next_parts(range(1), 1)
        assert batch is not None
        return batch

    def next_parts(self, own: Sequence[int], parts: int) -> list[Batch | None]:
        """Of the next batch, cut into so many parts by its rows, the own ones; None: it has no row."""
        if self._index == len(self._order):
            self._epochs += 1
            self._begin_epoch()
        rows = self._order[self._index]
        self._index += 1
        self.tokens += int(self._lengths[rows].sum())
        cut = rows.tensor_split(parts)
        return [
            self._collate([self._examples[row] for row in cut[part].tolist()])
            if len(cut[part])
            else None
            for part in own
        ]

    def state(self) -> dict[str, Any]:
        """What `restore` needs to continue exactly here: plain values."""
        return {
            "epochs": self._epochs,
            "index": self._index,
            "tokens": self.tokens,
            "generator": self._drawn_from,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue where `state()` was taken."""
        generator = torch.tensor(list(bytes.fromhex(state["generator"])), dtype=torch.uint8)
        self._generator.set_state(generator)
        self._begin_epoch()
        self._epochs, self._index = int(state["epochs"]), int(state["index"])
        self.tokens = int(state["tokens"])

    def _begin_epoch(self) -> None:
        self._drawn_from = bytes(self._generator.get_state().tolist()).hex()
        shuffled = torch.randperm(len(self._lengths), generator=self._generator)
        batches: list[torch.Tensor] = []
        for window in torch.split(shuffled, WINDOW * self.batch_size):
            by_length = window[self._lengths[window].argsort(stable=True)]
            for rows in torch.split(by_length, self.batch_size):
                batches += torch.split(rows, _sizes(self._lengths[rows].tolist()))
        order = torch.randperm(len(batches), generator=self._generator).tolist()
        self._order = [batches[place] for place in order]
        self._index = 0


def in_batches(lengths: Sequence[int], batch_size: int) -> Iterator[list[int]]:
    """The place of each length once, longest first, in batches: for reading without training."""
    order = sorted(range(len(lengths)), key=lambda place: -lengths[place])
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        for size in reversed(_sizes([lengths[row] for row in reversed(rows)])):
            yield rows[:size]
            rows = rows[size:]


def _sizes(lengths: Sequence[int]) -> list[int]:
    """How a batch of ascending lengths is cut, so that rows × longest stay within `STEPS`.

    Where they do not, the longest go apart with those of at least half their length; a row that alone
    is longer is a batch of its own.
    """
    sizes: list[int] = []
    left = len(lengths)
    while left and left * lengths[left - 1] > STEPS:
        longest = lengths[left - 1]
        size = min(max(STEPS // longest, 1), left - bisect_left(lengths, longest / 2, 0, left))
        sizes.insert(0, size)
        left -= size
    return [left, *sizes] if left else sizes
