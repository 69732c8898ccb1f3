"""Synthetic memory tasks: an input is shown, `delay` steps pass, and it is asked for.

Every sequence is drawn afresh from a generator that the caller owns, so a network is always scored
on sequences that it has not learned from.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Generator, Tensor
from torch.nn import functional

from sunhwan.errors import ConfigError, did_you_mean

SYMBOLS = 8
"""Among how many symbols one has to be remembered: guessing is right 1 time in 8."""

LONGEST = 100_000
"""The longest delay: what is beyond is a slip of the keyboard."""


class MemoryBatch(NamedTuple):
    """inputs (N, T, D), and targets (N, A): the answers at the last A steps."""

    inputs: Tensor
    targets: Tensor


@dataclass(frozen=True)
class MemoryTask:
    """A task at one delay. What is asked for at the end was shown at least `delay` steps before.

    A network reads inputs (N, T, D) and gives outputs (N, A, O) at the last A steps. As written here
    the outputs are logits of O classes and the score is the accuracy over the last `recalled`
    steps; a task with another kind of answer overrides `loss`, `score` and `solved`.
    """

    delay: int

    name: ClassVar[str]
    input_size: ClassVar[int]
    output_size: ClassVar[int]
    recalled: ClassVar[int] = 1
    measure: ClassVar[str] = "accuracy"
    chance: ClassVar[float] = 1 / SYMBOLS
    """The score without any memory."""
    threshold: ClassVar[float] = 0.95
    """From which score on the task is solved: just above what confusing two of the eight symbols
    leaves (15/16 = 0.94), or losing one of ten (0.9 + 0.1/8 = 0.91)."""

    def __post_init__(self) -> None:
        if not 1 <= self.delay <= LONGEST:
            raise ConfigError(f"a delay must be between 1 and {LONGEST:,} steps, not {self.delay}")

    @property
    def length(self) -> int:
        """T: steps of a sequence."""
        raise NotImplementedError

    @property
    def answers(self) -> int:
        """A: at how many of the last steps the loss asks for an answer."""
        return 1

    def draw(self, batch_size: int, generator: Generator) -> MemoryBatch:
        """N fresh sequences."""
        raise NotImplementedError

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """outputs (N, A, O), targets (N, A) → the mean cross-entropy in nats, a scalar."""
        return functional.cross_entropy(outputs.flatten(0, 1), targets.flatten())

    def score(self, outputs: Tensor, targets: Tensor) -> float:
        """outputs (N, A, O), targets (N, A) → the share of the recalled symbols that is right."""
        right = outputs.argmax(-1) == targets
        return float(right[:, -self.recalled :].double().mean())

    def solved(self, score: float) -> bool:
        """Whether a score is good enough; one that is not a number never is."""
        return score >= self.threshold


class Recall(MemoryTask):
    """One symbol, `delay` distractors, a cue: which symbol was it?

    T = delay + 2. Step 0 shows one of 8 symbols, each further step one of 8 others drawn at random,
    which wear the state away, and the last step the cue. The answer is the symbol of step 0. The
    one-hot inputs are 8 symbols, 8 distractors, cue. After the latch problem of Bengio, Simard and
    Frasconi 1994 and experiment 2 of Hochreiter and Schmidhuber 1997.
    """

    name = "recall"
    input_size = 2 * SYMBOLS + 1
    output_size = SYMBOLS

    @property
    def length(self) -> int:
        return self.delay + 2

    def draw(self, batch_size: int, generator: Generator) -> MemoryBatch:
        symbol = torch.randint(SYMBOLS, (batch_size, 1), generator=generator)
        distractors = torch.randint(SYMBOLS, (batch_size, self.delay), generator=generator)
        cue = torch.full((batch_size, 1), 2 * SYMBOLS)
        steps = torch.cat((symbol, SYMBOLS + distractors, cue), 1)
        return MemoryBatch(functional.one_hot(steps, self.input_size).float(), symbol)


class Adding(MemoryTask):
    """Numbers in [0, 1), two of them marked: what is their sum?

    Hochreiter and Schmidhuber 1997, in the form of Le, Jaitly and Hinton 2015: the inputs are the
    numbers and the marks (D = 2), the answer is asked for at the last step. As in Arjovsky et al.
    2016 the first mark is at a random step of the first half, the second at one of the second
    half. T = 2 · delay, so that the first number is kept for at least `delay` steps.

    The score is the mean squared error. Always answering 1 gives the variance of a sum of two
    uniform numbers, 1/6; knowing one of the two, 1/12. Solved is 0.01: off by a tenth, typically.
    """

    name = "adding"
    input_size = 2
    output_size = 1
    measure = "mean squared error"
    chance = 1 / 6
    threshold = 0.01

    @property
    def length(self) -> int:
        return 2 * self.delay

    def draw(self, batch_size: int, generator: Generator) -> MemoryBatch:
        numbers = torch.rand(batch_size, self.length, generator=generator)
        first = torch.randint(self.delay, (batch_size, 1), generator=generator)
        second = self.delay + torch.randint(self.delay, (batch_size, 1), generator=generator)
        marked = torch.cat((first, second), 1)
        marks = torch.zeros_like(numbers).scatter_(1, marked, 1.0)
        total = numbers.gather(1, marked).sum(1, keepdim=True)
        return MemoryBatch(torch.stack((numbers, marks), 2), total)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """outputs (N, 1, 1), targets (N, 1) → the mean squared error, a scalar."""
        return functional.mse_loss(outputs.squeeze(2), targets)

    def score(self, outputs: Tensor, targets: Tensor) -> float:
        """outputs (N, 1, 1), targets (N, 1) → the mean squared error."""
        return float(self.loss(outputs.double(), targets.double()))

    def solved(self, score: float) -> bool:
        return score <= self.threshold


class CopyMemory(MemoryTask):
    """Ten symbols, `delay` blanks, a cue: repeat the ten in their order.

    Hochreiter and Schmidhuber 1997; as in Arjovsky, Shah and Bengio 2016, whose T is delay + 1.
    Ten of 8 symbols are shown, then blanks, then the cue, then ten blanks during which they are
    answered: delay + 21 steps, and each symbol is kept for delay + 11. The classes are 8 symbols and
    blank, which is to be answered until the cue was read; the one-hot inputs have the cue too.
    """

    name = "copy"
    input_size = SYMBOLS + 2
    output_size = SYMBOLS + 1
    recalled = 10

    @property
    def length(self) -> int:
        return self.delay + 2 * self.recalled + 1

    @property
    def answers(self) -> int:
        return self.length

    @property
    def memoryless_loss(self) -> float:
        """The published baseline: blanks until the cue, then guesses; 10 ln 8 / T nats a step."""
        return self.recalled * math.log(SYMBOLS) / self.length

    def draw(self, batch_size: int, generator: Generator) -> MemoryBatch:
        blank, cue = SYMBOLS, SYMBOLS + 1
        symbols = torch.randint(SYMBOLS, (batch_size, self.recalled), generator=generator)
        inputs = torch.full((batch_size, self.length), blank)
        inputs[:, : self.recalled] = symbols
        inputs[:, self.recalled + self.delay] = cue
        targets = torch.full_like(inputs, blank)
        targets[:, -self.recalled :] = symbols
        return MemoryBatch(functional.one_hot(inputs, self.input_size).float(), targets)


TASKS: dict[str, type[MemoryTask]] = {task.name: task for task in (Recall, Adding, CopyMemory)}


def get_task(name: str, delay: int) -> MemoryTask:
    """The task of that name at a delay; ConfigError lists the names that exist."""
    if name not in TASKS:
        raise ConfigError(
            f"there is no task {name!r}{did_you_mean(name, TASKS)}: choose from {', '.join(TASKS)}"
        )
    return TASKS[name](delay)
