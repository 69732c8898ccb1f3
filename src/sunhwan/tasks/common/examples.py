"""Examples: tasks whose questions are independent of each other."""

import hashlib
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sunhwan.config import Config
from sunhwan.data import Batches
from sunhwan.data.batches import STEPS, in_batches
from sunhwan.models.mode import evaluating
from sunhwan.tasks.common.interface import Task

EVALUATION_BATCH = 128
PIECES = 250
"""Of data, for the spread of a loss."""


class Example(NamedTuple):
    """One question and its answer as a model sees them.

    where: file and line. inputs: (T, …) each. target: None for a question. raw: as it was read.
    left_out: of a training row, what a linear part fitted without it says of it. evidence: see `Question`.
    spelled: what a tokenizer learns of a sentence.
    """

    where: str
    inputs: tuple[Tensor, ...]
    target: Tensor | None
    raw: tuple[str, ...] = ()
    left_out: Tensor | None = None
    evidence: str = ""
    spelled: Any = None

    @property
    def steps(self) -> int:
        """How long it is: what a batch's rows have alike."""
        return max(sum(len(x) for x in self.inputs), 1)


class ExampleTask(Task):
    """A task of questions that are apart from each other: the state starts anew in each."""

    def batches(self, train: Sequence[Example], config: Config) -> Batches[Example, Any]:
        steps = [example.steps for example in train]
        size, seed = config.data.batch_size, config.training.seed
        return Batches(train, steps, size, self.collate, seed=seed)

    @abstractmethod
    def collate(self, examples: Sequence[Example]) -> Any:
        """Examples → a batch on the CPU, with a `to(device)`."""

    def piece_losses(self, data: Sequence[Any]) -> NDArray[np.float64]:
        each = -(-len(data) // PIECES)
        found = []
        for start in range(0, len(data), each):
            piece = data[start : start + each]
            count = sum(self.targets_of(example) for example in piece)
            found.append((self.evaluate_data(piece).loss * count, count))
        return np.array(found)

    def targets_of(self, example: Any) -> int:
        """Of how many targets the loss of an example is the mean: tokens, labels, or 1."""
        return 1 if example.target is None else example.target.numel()

    def digest(self, data: Sequence[Example]) -> str:
        sha = hashlib.sha256()
        for example in data:
            parts = (*example.inputs, *([] if example.target is None else [example.target]))
            for part in parts:
                sha.update(f"{tuple(part.shape)}".encode())
                sha.update(part.contiguous().numpy().tobytes())
        return sha.hexdigest()

    def each_batch(
        self,
        examples: Sequence[Example],
        *,
        interrupted: Callable[[], bool] = lambda: False,
        size: int = EVALUATION_BATCH,
    ) -> Iterator[tuple[list[int], Any]]:
        """The examples in batches, in evaluation mode: their places, and the batch on the device.

        The caller turns gradients off.
        """
        with evaluating(self.model):
            for places in in_batches([e.steps for e in examples], size):
                if interrupted():
                    raise InterruptedError("the evaluation was interrupted")
                batch = self.collate([examples[place] for place in places])
                yield places, batch.to(self.device)


def longest_note(examples: Sequence[Example]) -> list[str]:
    """A sentence on an example far longer than the others, which decides how much memory is needed."""
    longest = max(examples, key=lambda example: example.steps)
    usual = median(example.steps for example in examples)
    if longest.steps <= max(STEPS / 16, 20 * usual):
        return []
    return [
        f"{longest.where}: this row has {longest.steps:,} steps, the median {usual:,.0f}; it is read whole "
        "and needs memory in proportion"
    ]


def first_ones(examples: Sequence[Example], limit: int) -> Sequence[Example]:
    """As many from the start as hold `limit` steps; 0: all."""
    if not limit:
        return examples
    seen = 0
    for place, example in enumerate(examples):
        seen += example.steps
        if seen > limit:
            return examples[: place + 1]
    return examples
