"""Task: what each gives the training loop, the store, the commands and the page."""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sunhwan.config import Config, TrainingConfig
from sunhwan.errors import SunhwanError, UsageError
from sunhwan.layers import Recurrent
from sunhwan.models.loss import Loss
from sunhwan.tasks.common.results import Answer, Baselines, Budget, Review, Scores
from sunhwan.text import Vocabulary

if TYPE_CHECKING:
    from sunhwan.tasks.common.input_kind import InputKind
    from sunhwan.tasks.language_model.task import LanguageModelTask


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

    def next_parts(self, own: Sequence[int], parts: int) -> Sequence[Any]:
        """Of the next batch, cut into so many parts by its rows, the own ones; None: it has no row."""

    def state(self) -> dict[str, Any]:
        """What `restore` needs to continue exactly here: plain values."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue where `state()` was taken."""


class PretrainedParts(NamedTuple):
    """A part of a model that reads text, which a pretrained model can give its weights.

    by_token: tensors (V, …) with a row a token, the embedding first; recurrent: what reads on. within:
    the parts that read a token's letters.
    """

    vocabulary: Vocabulary
    by_token: tuple[Tensor, ...]
    recurrent: Recurrent
    within: tuple["PretrainedParts", ...] = ()


class Prepared(NamedTuple):
    """A task ready to be trained.

    config: complete, no setting left to auto. train, validation: what its `batches` and `evaluate_data`
    take; validation is None where there is nothing to validate on. notes: what was found in the
    files, a sentence each.
    """

    config: Config
    task: "Task"
    train: Any
    validation: Any
    notes: tuple[str, ...] = ()


class Learner(ABC):
    """Learner: a network, its batches and its figures on held-out data, as the training loop needs them."""

    name: ClassVar[str]
    scores_type: ClassVar[type[Any]]

    config: Config
    model: nn.Module

    @abstractmethod
    def batches(self, train: Any, config: Config) -> Stream:
        """Endless batches of the training data."""

    @abstractmethod
    def loss(self, batch: Any, state: Any, training: TrainingConfig) -> Loss:
        """The loss of one batch, in training mode."""

    @abstractmethod
    def evaluate_data(
        self, data: Any, *, limit: int = 0, interrupted: Callable[[], bool] = lambda: False
    ) -> Scores:
        """The figures on data; limit: about so many tokens of it, 0: all.

        `interrupted` is asked between batches; InterruptedError is raised if it says so.
        """

    def validate(
        self, data: Any, *, limit: int = 0, interrupted: Callable[[], bool] = lambda: False
    ) -> Scores:
        """The figures on held-out data while it learns, after fitting to it what is no parameter."""
        return self.evaluate_data(data, limit=limit, interrupted=interrupted)

    def validation_sample(self, data: Any, length: int) -> str:
        """A sample of the model's output during training; "" where there is none."""
        return ""

    def fitted_weights(self) -> dict[str, Tensor]:
        """The tensors that the model folder has otherwise than training does, by name."""
        return {}

    def model_facts(self) -> dict[str, Any]:
        """What the model folder must keep of how it was trained."""
        return {}

    @abstractmethod
    def data_facts(self, train: Any) -> dict[str, Any]:
        """How much there is to learn from, for displays: counts by name."""

    @abstractmethod
    def about(self) -> dict[str, Any]:
        """What the model reads and says, for displays and its card."""

    @abstractmethod
    def digest(self, data: Any) -> str:
        """SHA-256: whether two sets of data are the same to a model."""

    @abstractmethod
    def fingerprint(self) -> dict[str, Any]:
        """What the training data alone decided before the first step, such as a vocabulary."""

    def data_digest(self, *data: Any) -> str:
        """SHA-256 of what the data is to a fresh model, of which a vocabulary is a part too."""
        own = hashlib.sha256(json.dumps(self.fingerprint()).encode()).hexdigest()
        return "+".join([own, *(self.digest(part) for part in data if part is not None)])

    def pretrained_parts(self) -> list[PretrainedParts]:
        """The parts of the model that read text."""
        return []

    @property
    def title(self) -> str:
        """What a trained model of it is called in a sentence."""
        return f"model to {self.name}"

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.model.parameters()).device


class Task(Learner):
    """A task: how files become questions and answers, the network, and how good it is.

    One object is a trained model with all it needs to be used: what the model folder holds, and what
    `sunhwan.load` returns.
    """

    titles: ClassVar[tuple[str, str]]
    """What it is called on the page, in English and in Korean."""
    built_in: ClassVar[tuple[str, ...]] = ()
    """Names that stand for data which is always at hand; the first where none is named."""
    options: ClassVar[tuple[str, ...]] = ()
    """Names of what `answers` takes beside the questions."""
    command: ClassVar[str] = "predict"
    """The command that uses a trained model."""
    loss_of_tokens: ClassVar[bool] = False
    """Whether the loss is that of a token, and so has a perplexity."""
    answer_columns: tuple[str, ...] = ()
    """The columns that answers add to a table, where they are the same of every question."""
    labels_steps: ClassVar[bool] = False
    """Whether there is a prediction at each step that is read."""
    pools_outputs: ClassVar[bool] = False
    """Whether all outputs together make one prediction."""
    advice: ClassVar[tuple[str, str]] = (
        "train longer, or on more data",
        "더 오래 학습하거나 자료를 늘려 보세요",
    )
    """What to try where a baseline is ahead, in English and in Korean."""
    not_exported: str = ""
    """Why it is written in no other format, in a sentence; "": it may be."""
    forecasts: ClassVar[bool] = False
    """Whether a question is a series, and the answers are drawn by `panels`."""

    labels: list[str] | None = None
    """What there is to choose from, where that is a fixed set."""

    training: Mapping[str, Any] = MappingProxyType({})
    """What is known of the training, as plain values."""

    # Training

    @classmethod
    @abstractmethod
    def prepare(cls, config: Config) -> Prepared:
        """Read the files that a configuration names, complete it, and make a fresh model.

        The caller seeds the random numbers. Raises a SunhwanError for anything the user can mend.
        """

    @abstractmethod
    def piece_losses(self, data: Any) -> NDArray[np.float64]:
        """The loss of each of some hundred pieces of data: nats and how many they are of, (pieces, 2).

        What models are compared by, piece by piece, in the paired bootstrap.
        """

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

    def fingerprint(self) -> dict[str, Any]:
        """What of `preprocessing` the training data alone decided, before the first step."""
        return self.preprocessing()

    # Using

    def predict(self, questions: Iterable[Any], **options: Any) -> list[Answer]:
        """Answer questions, each a text or a sequence of the question's parts.

        options: those of the task's own `answers`, such as `beam` of one that writes.
        """
        answers: Callable[..., Iterator[Answer]] = self.answers
        return list(answers(questions, **options))

    def predict_file(self, path: str | Path, **options: Any) -> Iterator[Answer]:
        """Answer each question of a file; "-": standard input."""
        answers: Callable[..., Iterator[Answer]] = self.answers
        return answers(self.questions(Path(path)), **options)

    def evaluate(self, *files: str | Path, precision: str = "fp32", strict: bool = False) -> Scores:
        """Compute the figures on a file that holds the right answers.

        strict: refuse a row without an answer, which is left out otherwise.
        """
        return self.evaluate_data(self._one_file(files, precision, strict)[0])

    def review(self, *files: str | Path, precision: str = "fp32", strict: bool = False) -> Review:
        """Compute the figures, and what else there is to see: confusions, mistakes."""
        data, notes = self._one_file(files, precision, strict)
        return self.review_data(data)._replace(notes=notes, data=data)

    def _one_file(
        self, files: Sequence[str | Path], precision: str, strict: bool
    ) -> tuple[Any, list[str]]:
        if precision != "fp32":
            raise UsageError(f"--precision is for language models, not for {self.name}")
        if len(files) != 1:
            raise UsageError("give one file to evaluate on")
        return self.read_noted(Path(files[0]), strict=strict)

    @abstractmethod
    def questions(self, path: Path) -> Iterable[Any]:
        """A file → what `answers` takes, one a question; "-": standard input."""

    def sound_questions(self, path: Path, problems: list[SunhwanError] | None) -> Iterable[Any]:
        """The questions of a file; those that it spoils are left out, and `problems` gets why, unless it
        is None."""
        return self.questions(path)

    def asks_rows(self, path: Path) -> bool:
        """Whether the questions of a file are rows of a table, or lines, each by itself."""
        return False

    def row_question(self, cells: tuple[str, ...], where: str, folder: Path) -> Any:
        """The cells of a row under `columns_asked` → what `answers` takes."""
        raise UsageError(f"a {self.title} reads no rows of a table")

    @abstractmethod
    def answers(self, questions: Iterable[Any]) -> Iterator[Answer]:
        """An answer a question, in their order, as soon as it is known."""

    @abstractmethod
    def read(self, path: Path) -> Any:
        """A file with the right answers → what `evaluate_data` and `review_data` take."""

    def read_noted(self, path: Path, *, strict: bool = False) -> tuple[Any, list[str]]:
        """What `read` gives, and what was left out of it, in words; strict: refuse to leave out."""
        return self.read(path), []

    def review_data(self, data: Any) -> Review:
        """The figures on data and what else is worth seeing."""
        return Review(self.evaluate_data(data), [], {})

    def baselines(
        self, train: Any, data: Any, scores: Scores, *, limit: int = 0
    ) -> Baselines | None:
        """What simple methods, fitted to the training data, reach on the rows of `scores`.

        train, data: as `batches` and `evaluate_data` take them; limit: as of `evaluate_data`. None where
        no simple method can be asked.
        """
        return None

    def trained_baselines(
        self, train: Any, data: Any, scores: Scores, budget: Budget
    ) -> dict[str, dict[str, float]]:
        """Figures of simple methods that take a training of their own, by the name of each."""
        return {}

    def facts(self) -> dict[str, Any]:
        """What it is and how it was trained, as plain values."""
        return {
            "task": self.name,
            **asdict(self.config.model),
            "parameters": sum(p.numel() for p in self.model.parameters()),
            **self.about(),
            **self.training,
        }

    # For the commands, the page and the report

    @property
    def subject(self) -> str:
        """What inspection sees it as, "MODULE:CLASS"; "": there is nothing to see step by step."""
        return ""

    def explain(self) -> list[str]:
        """Which kernel runs each recurrent stack, and why."""
        lines = []
        for name, module in self.model.named_modules():
            if isinstance(module, Recurrent):
                lines += ([] if name == "recurrent" else [f"{name}:"]) + [module.explain()]
        return lines

    def as_language_model(self) -> "LanguageModelTask | None":
        """The same where it is a language model: it continues texts."""
        return None

    @property
    def pretraining_input(self) -> "InputKind | None":
        """The kind of input whose texts a language model can learn first; None: no text is read."""
        return None

    @property
    def main_vocabulary(self) -> Vocabulary | None:
        """The vocabulary of what is read, or else of what is written."""
        return None

    @property
    def columns_asked(self) -> list[str]:
        """The names of a question's parts; none where there may be any."""
        return list(self.config.task.input or ("text",))

    @property
    def reads_files(self) -> bool:
        """Whether a question's parts name files: sound, vectors, images."""
        return False

    def parse_question(self, text: str | list[str]) -> Any:
        """What was typed or sent as a question → what `answers` takes."""
        return text

    def with_known_ahead(
        self, questions: Iterable[Any], path: Path
    ) -> tuple[Iterable[Any], tuple[str, ...]]:
        """The questions with what a file knows of the steps ahead, and notes; UsageError: none is read."""
        raise UsageError(f"--future: a {self.title} reads nothing that is known ahead")

    def answerable(self, questions: Iterable[Any]) -> tuple[Iterable[Any], tuple[str, ...]]:
        """The questions that can be answered, and notes on those left out; DataError: none can."""
        return questions, ()

    def panels(self, questions: Iterable[Any]) -> list[dict[str, Any]]:
        """The answers with what they go on from, for `sunhwan.plots.draw_forecasts`."""
        return []
