"""Subject: a trained model as inspection sees it, its steps and its predictions."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from sunhwan.config import Config
from sunhwan.layers import Edit, Look, Recurrent, Traced, joined, observing
from sunhwan.models.mode import evaluating
from sunhwan.tasks import Task


class Passage(NamedTuple):
    """A stretch that a model reads in one go, from its initial state on.

    text: as the model can say it, "" of what is no text. pieces: what each of its T steps adds to
    the text: "" at a token that only ends a character begun before. labels: each step's printable
    name. where: file and line. given: what the model takes.
    """

    text: str
    pieces: tuple[str, ...]
    labels: tuple[str, ...]
    where: str
    given: Any


class Stack(NamedTuple):
    """A recurrent stack at work on N passages.

    x: (N, T, D), what it read. lengths: (N), how many steps of each row are real. places: (N, P), the
    step with whose output each prediction was made.
    """

    x: Tensor
    traced: Traced
    lengths: Tensor
    places: Tensor


class Seen(NamedTuple):
    """What a model did with N passages: of each of P predictions −log p in nats, and the stacks.

    real: (N, P), whether there is such a prediction; the loss is 0 where there is none.
    """

    losses: Tensor
    real: Tensor
    stacks: dict[str, Stack]


class Subject(ABC):
    """A model of any task that reads or writes tokens; all is done in evaluation mode."""

    task: Task
    stacks: dict[str, Recurrent]
    """Its recurrent stacks by name; the first is the one whose steps are those of a passage."""
    unit = "tokens"
    """What a step reads."""

    @property
    def main(self) -> str:
        """The name of the first stack."""
        return next(iter(self.stacks))

    @abstractmethod
    def passages(self, text: str) -> list[Passage]:
        """What somebody typed → what the model reads; a question is answered by the model itself."""

    @abstractmethod
    def read(self, path: Path) -> list[Passage]:
        """A file of the kind the model learned from."""

    @abstractmethod
    def held_out(self, config: Config) -> list[Passage]:
        """What a run of this configuration kept for validation, read again from its corpus.

        Raises UsageError where it kept nothing, another SunhwanError where the corpus has gone.
        """

    @abstractmethod
    def windows(self, passages: Sequence[Passage], length: int, count: int) -> list[Passage]:
        """At most `count` stretches of at most `length` steps, evenly spread.

        Of a text the stretches are cut out of it; of examples the ones that are short enough.
        """

    @abstractmethod
    def predicted(self, passage: Passage) -> list[str]:
        """A name for each of the passage's predictions, as it is in the data."""

    def steps(self, passage: Passage, stack: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Pieces and labels of what a stack reads of a passage, the first stack the passage itself."""
        return passage.pieces, passage.labels

    @abstractmethod
    def _predict(self, passages: Sequence[Passage], last: bool) -> tuple[Tensor, Tensor, list[Any]]:
        """losses and real (N, P); of each stack lengths (N) and places (N, P)."""

    def see(
        self,
        passages: Sequence[Passage],
        look: Look = Look.GATES,
        *,
        edit: Edit | None = None,
        last: bool = False,
    ) -> Seen:
        """Let the model read the passages, in one batch.

        With gradients on, what is seen hangs together in PyTorch's graph. edit: changes what the
        first stack reads, (N, T, D). last: each row's last prediction alone, which is cheaper.
        """
        with evaluating(self.task.model), ExitStack() as open_:
            calls = [
                open_.enter_context(observing(stack, look, None if i else edit))
                for i, stack in enumerate(self.stacks.values())
            ]
            losses, real, where = self._predict(passages, last)
        stacks = {}
        for name, made, (lengths, places) in zip(self.stacks, calls, where, strict=True):
            # Of a pair of texts the encoder reads both: the first is looked at.
            x, traced = made[0] if name == "encoder" else joined(made)
            stacks[name] = Stack(x, traced, lengths, places)
        return Seen(losses, real, stacks)
