"""Trained models in a few lines of Python: `load(run).sample("…")`, `load(run).predict(["…"])`."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sunhwan import generation
from sunhwan.data import encode
from sunhwan.errors import StoreError, UsageError
from sunhwan.generation import Sample, ScoredLine, engine_for, score_lines
from sunhwan.metrics import Scores as TextScores
from sunhwan.metrics import evaluate_tokens
from sunhwan.models import LanguageModel
from sunhwan.store import load_model
from sunhwan.tasks import Answer, LanguageModelTask, Review, Scores, Task
from sunhwan.text import Document, Vocabulary, load_corpus, normalize


class Language:
    """A trained language model with its vocabulary: sample, evaluate, score."""

    def __init__(
        self, model: LanguageModel, vocabulary: Vocabulary, training: dict[str, Any] | None = None
    ) -> None:
        self.model, self.vocabulary, self.training = model.eval(), vocabulary, training or {}

    def sample(self, prompt: str = "", **options: Any) -> list[Sample]:
        """Let it write; the options are those of `sunhwan.generation.sample` (n, length, seed …)."""
        return generation.sample(self.model, self.vocabulary, prompt, **options)

    def stream(self, prompt: str = "", **options: Any) -> Iterator[str]:
        """The same piece by piece; the options are those of `sunhwan.generation.stream`."""
        return generation.stream(self.model, self.vocabulary, prompt, **options)

    def evaluate(self, *sources: str | Path, precision: str = "fp32") -> TextScores:
        """Loss, accuracy and sizes on files, folders or globs, the state carried throughout.

        precision: of the weights; fp16 and int8 are what `sample` computes in these.
        """
        documents = load_corpus(sources).documents
        return self._evaluate(documents, ", ".join(map(str, sources)), precision)

    def evaluate_text(self, text: str, precision: str = "fp32") -> TextScores:
        """The same on a text."""
        return self._evaluate([Document("text", normalize(text))], "the text", precision)

    def _evaluate(self, documents: Sequence[Document], what: str, precision: str) -> TextScores:
        tokens = encode(self.vocabulary, documents, what)
        engine = None if precision == "fp32" else engine_for(self.model, precision)[0]
        return evaluate_tokens(self.model, tokens, read=engine)

    def score(self, lines: Sequence[str]) -> Iterator[ScoredLine]:
        """The log-probability of each line, each read from the initial state.

        A line's first token is predicted from the beginning of a document (EOS), or from a line
        break where the vocabulary has no EOS; where it has neither, the first token goes unscored.
        """
        return score_lines(self.model, self.vocabulary, lines)

    def facts(self) -> dict[str, Any]:
        """What it is and how it was trained, as plain values."""
        return {
            **asdict(self.model.config),
            "parameters": sum(p.numel() for p in self.model.parameters()),
            "vocabulary": self.vocabulary.kind,
            "vocabulary_size": len(self.vocabulary),
            **self.training,
        }


class Predictor:
    """A trained model of any task but the language model: predict, evaluate, review."""

    def __init__(self, task: Task, training: dict[str, Any] | None = None) -> None:
        self.task, self.training = task, training or {}

    def predict(self, questions: Iterable[Any], **options: Any) -> list[Answer]:
        """An answer a question: a text, or a sequence of the question's parts.

        options: those of the task's own `predict`, such as `beam` of one that writes.
        """
        return list(self.answers(questions, **options))

    def predict_file(self, path: str | Path, **options: Any) -> Iterator[Answer]:
        """An answer to each question of a file; "-": standard input."""
        return self.answers(self.task.questions(Path(path)), **options)

    def answers(self, questions: Iterable[Any], **options: Any) -> Iterator[Answer]:
        """The same as `predict`, answer by answer."""
        answers: Callable[..., Iterator[Answer]] = self.task.predict
        return answers(questions, **options)

    def evaluate(self, path: str | Path) -> Scores:
        """The figures on a file that holds the right answers."""
        return self.task.evaluate(self.task.read(Path(path)))

    def review(self, path: str | Path) -> Review:
        """The figures, and what else there is to see: confusions, mistakes."""
        return self.task.review(self.task.read(Path(path)))

    def facts(self) -> dict[str, Any]:
        """What it is and how it was trained, as plain values."""
        return {
            "task": self.task.name,
            **asdict(self.task.config.model),
            "parameters": sum(p.numel() for p in self.task.model.parameters()),
            **self.task.about(),
            **self.training,
        }


def load(run: str | Path, device: str = "cpu") -> "Language | Predictor":
    """The model of a run folder, or of a model folder; StoreError when it is missing or damaged."""
    task, facts = load_model(Path(run), device)
    if isinstance(task, LanguageModelTask):
        return Language(task.model, task.vocabulary, facts)
    return Predictor(task, facts)


def load_language(run: str | Path, device: str = "cpu") -> Language:
    """The same where only a language model will do: StoreError for one of another task."""
    found = load(run, device)
    if not isinstance(found, Language):
        raise StoreError(
            f"{run} holds a model to {found.task.name}, not a language model: use `sunhwan predict`"
        )
    return found


def embedding(run: str | Path) -> tuple[list[str], npt.NDArray[np.float32]]:
    """The printable tokens of a model that reads text, and the vector of each, (V, D).

    UsageError when the model reads no tokens through an embedding.
    """
    task, _ = load_model(Path(run))
    readings = task.readings()
    if not readings:
        raise UsageError(f"{run} reads no tokens through an embedding: there is nothing to compare")
    vocabulary, table = readings[0].vocabulary, readings[0].by_token[0]
    return vocabulary.token_texts(range(len(vocabulary))), table.detach().float().cpu().numpy()
