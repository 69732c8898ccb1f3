"""What every task gives the training loop, the store and the commands."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol, Self

import torch
from torch import Tensor, nn

from sunhwan.config import Config, TrainingConfig
from sunhwan.data import Batches
from sunhwan.data.batches import in_batches
from sunhwan.layers import Recurrent
from sunhwan.models.loss import Loss
from sunhwan.models.mode import evaluating
from sunhwan.text import Vocabulary

EVALUATION_BATCH = 128


class Scores(Protocol):
    """How good a model is: a NamedTuple of plain numbers, the loss in nats among them."""

    @property
    def loss(self) -> float: ...

    @property
    def rank(self) -> float:
        """What the model that is kept has least of."""

    def to_dict(self) -> dict[str, Any]:
        """The figures by name, ready for JSON."""

    def said(self) -> str:
        """The figures in one line."""

    def table(self) -> list[tuple[str, str]]:
        """The figures as rows of name and value."""

    def __iter__(self) -> Iterator[Any]: ...


class Stream(Protocol):
    """Endless batches that know where they are."""

    @property
    def epoch(self) -> float:
        """How many times the data was read so far."""

    @property
    def tokens(self) -> int:
        """How many steps of sequences were read so far."""

    def steps(self, epochs: float) -> int:
        """How many batches so many passes are."""

    def __next__(self) -> Any: ...

    def state(self) -> dict[str, Any]:
        """What `restore` needs to continue exactly here: plain values."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue where `state()` was taken."""


class Alignment(NamedTuple):
    """Which step of the question (source) each piece of the answer (target) looked at.

    weights: (target, source), each row of sum 1.
    """

    source: list[str]
    target: list[str]
    weights: Tensor


class Answer(NamedTuple):
    """What a model says to one question: for JSON, as cells of a TSV, and as text.

    alignment: None where nothing was looked at. rows: cells line by line, of an answer that in a TSV
    is several lines, as a sentence of CoNLL is.
    """

    values: dict[str, Any]
    cells: tuple[str, ...]
    text: str
    alignment: Alignment | None = None
    rows: tuple[tuple[str, ...], ...] = ()

    def tsv(self) -> str:
        """The cells between tabs; several rows end in an empty line."""
        rows = ("\t".join(" ".join(c.split()) for c in row) for row in self.rows or [self.cells])
        return "\n".join([*rows, ""] if self.rows else rows)


class Listing(NamedTuple):
    """A table for people: its title, the names of its columns, its rows."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


class Review(NamedTuple):
    """The figures on a file, and what else there is to know: listings, and values for JSON."""

    scores: Scores
    listings: list[Listing]
    values: dict[str, Any]


class Reading(NamedTuple):
    """A part of a model that reads text: what pretraining can give it.

    by_token: tensors (V, …) with a row a token, the embedding first; recurrent: what reads on.
    """

    vocabulary: Vocabulary
    by_token: tuple[Tensor, ...]
    recurrent: Recurrent


class Prepared(NamedTuple):
    """A task ready to be trained.

    config: complete, no setting left to auto. train, validation: what its `stream` and `evaluate`
    take; validation is None where there is nothing to validate on. said: what was found in the
    files, a sentence each.
    """

    config: Config
    task: "Task"
    train: Any
    validation: Any
    said: tuple[str, ...] = ()


class Task(ABC):
    """A kind of job: how files become questions and answers, the model, and how good it is.

    One object is a model with all it needs to be used: what the model folder holds.
    """

    name: ClassVar[str]
    scores_type: ClassVar[type[Any]]
    built_in: ClassVar[tuple[str, ...]] = ()
    """Names that stand for data which is always at hand; the first where none is named."""
    config: Config
    model: nn.Module

    # Training

    @classmethod
    @abstractmethod
    def prepare(cls, config: Config) -> Prepared:
        """Read the files that a configuration names, complete it, and make a fresh model.

        The caller seeds the random numbers. Raises a SunhwanError for anything the user can mend.
        """

    @abstractmethod
    def stream(self, train: Any, config: Config) -> Stream:
        """Endless batches of the training data."""

    @abstractmethod
    def loss(self, batch: Any, state: Any, training: TrainingConfig) -> Loss:
        """The loss of one batch, in training mode."""

    @abstractmethod
    def evaluate(
        self, data: Any, *, limit: int = 0, interrupted: Callable[[], bool] = lambda: False
    ) -> Scores:
        """The figures on data; limit: about so many tokens of it, 0: all.

        `interrupted` is asked between batches; InterruptedError is raised if it says so.
        """

    def sample(self, data: Any, length: int) -> str:
        """What the model does now, to look at while it learns: "" where there is nothing to see."""
        return ""

    @abstractmethod
    def facts(self, train: Any) -> dict[str, Any]:
        """How much there is to learn from, for displays: counts by name."""

    @abstractmethod
    def about(self) -> dict[str, Any]:
        """What the model reads and says, for displays and its card."""

    @abstractmethod
    def digest(self, data: Any) -> str:
        """SHA-256: whether two sets of data are the same to a model."""

    # Keeping

    @abstractmethod
    def preprocessing(self) -> dict[str, Any]:
        """All beside configuration and weights that use needs: vocabularies, labels, scales."""

    @classmethod
    @abstractmethod
    def restored(cls, config: Config, preprocessing: Any) -> Self:
        """The task with fresh weights, from a complete configuration and what `preprocessing` gave.

        StoreError: the preprocessing is damaged.
        """

    # Using

    @abstractmethod
    def questions(self, path: Path) -> Iterable[Any]:
        """A file → what `predict` takes, one a question."""

    @abstractmethod
    def predict(self, questions: Iterable[Any]) -> Iterator[Answer]:
        """An answer a question, in their order."""

    @abstractmethod
    def read(self, path: Path) -> Any:
        """A file with the right answers → what `evaluate` and `review` take."""

    def review(self, data: Any) -> Review:
        """The figures on data and what else is worth seeing."""
        return Review(self.evaluate(data), [], {})

    def readings(self) -> list[Reading]:
        """The parts of the model that read text."""
        return []

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.model.parameters()).device


class Example(NamedTuple):
    """One question and its answer as a model sees them.

    where: file and line. inputs: (T, …) each. target: None for a question. raw: as it was read.
    """

    where: str
    inputs: tuple[Tensor, ...]
    target: Tensor | None
    raw: tuple[str, ...] = ()

    @property
    def steps(self) -> int:
        """How long it is: what a batch's rows have alike."""
        return max(sum(len(x) for x in self.inputs), 1)


class ExampleTask(Task):
    """A task of questions that are apart from each other: the state starts anew in each."""

    def stream(self, train: Sequence[Example], config: Config) -> Batches[Example, Any]:
        steps = [example.steps for example in train]
        size, seed = config.data.batch_size, config.training.seed
        return Batches(train, steps, size, self.collate, seed=seed)

    @abstractmethod
    def collate(self, examples: Sequence[Example]) -> Any:
        """Examples → a batch on the CPU, with a `to(device)`."""

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


def share_of(text: str) -> float:
    """A number in [0, 1) that a text alone decides: equal questions fall on one side of a split."""
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:8]) / 2**64
