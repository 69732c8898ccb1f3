"""Question answering: a passage and a question → the word that answers it, and the evidence."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from sunhwan.config import Config, TrainingConfig, Value
from sunhwan.data.built_in_passages import BUILT_IN_PASSAGES, made_questions
from sunhwan.errors import ConfigError, DataError, StoreError, quoted
from sunhwan.models.loss import Loss
from sunhwan.models.passage_reader import AskedPassages, PassageReader
from sunhwan.tasks.answer.baselines import beside_baselines
from sunhwan.tasks.answer.passage_words import key_of, places_of, sentence_texts
from sunhwan.tasks.answer.scores import AnswerScores, right_keys, said, scores_of
from sunhwan.tasks.common.columns import Columns
from sunhwan.tasks.common.examples import Example, first_ones, longest_note
from sunhwan.tasks.common.input_kind_task import TableTask
from sunhwan.tasks.common.input_kinds import fit_input_kind, input_kind_from_dict
from sunhwan.tasks.common.interface import Prepared
from sunhwan.tasks.common.pairs import Found, find_pairs, in_words, pairs_in, split
from sunhwan.tasks.common.questions import Pair, Question, as_question, chunks
from sunhwan.tasks.common.recipe import complete_examples
from sunhwan.tasks.common.results import Alignment, Answer, Baselines, Listing, Review
from sunhwan.tasks.common.word_input import WordsKind

INPUTS, TARGETS = ("passage", "question"), ("answer", "답", "정답")
BUILT_IN_ROWS, NEW_ROWS = 3000, 1000
"""Passages to learn from and to validate on; and others, which `evaluate RUN rooms` asks about."""
MISTAKES = 20


class AnswerQuestions(TableTask):
    """Which word of a passage answers a question: attention that the question guides."""

    name: ClassVar[str] = "answer"
    answer_columns = ("answer", "probability", "evidence")
    titles: ClassVar[tuple[str, str]] = ("question answering", "질의응답")
    scores_type: ClassVar[type[Any]] = AnswerScores
    built_in: ClassVar[tuple[str, ...]] = BUILT_IN_PASSAGES

    input_kind: WordsKind

    def __init__(self, config: Config, columns: Columns, input_kind: WordsKind) -> None:
        self.config, self.columns, self.input_kind = config, columns, input_kind
        self.model: PassageReader = PassageReader(config.model, input_kind.layer(config.model))

    @classmethod
    def prepare(cls, config: Config) -> Prepared:
        if config.task.kind not in ("", "words"):
            raise ConfigError(
                f"the task answer reads words, not {config.task.kind}: leave task.kind out"
            )
        if config.training.label_smoothing > 0:
            raise ConfigError(
                "training.label_smoothing spreads over labels, and the answers here are words of a "
                "passage: leave it out"
            )
        columns, found, other, said = _pairs(config)
        train, notes = answerable(found, strict=config.data.strict)
        held_out, more = answerable(other, strict=config.data.strict)
        if not train:
            raise DataError(
                "no answer is a word of its passage: this task answers with words that stand there, the "
                "task classify with labels"
            )
        config = config.override({"task.kind": "words"})
        cells = [cell for pair in train for cell in pair.question.cells]
        config = complete_examples(config, cells, len(train), AUTOMATIC, least=128)
        kind = fit_input_kind(config, [pair.question for pair in train])
        assert isinstance(kind, WordsKind)
        task = cls(config, columns, kind)
        examples = task.examples(train)
        said = [*said, *notes, *more, *longest_note(examples)]
        return Prepared(config, task, examples, task.examples(held_out) or None, tuple(said))

    def examples(self, pairs: Iterable[Pair]) -> list[Example]:
        """Rows → examples; DataError for an answer that is no word of its passage."""
        made = []
        for question, answer in pairs:
            places = places_of(answer, question.cells[0].split())
            if not places:
                raise DataError(_absent(question, answer))
            target = torch.zeros(len(question.cells[0].split()))
            target[places] = 1
            made.append(self._example(question, target, answer))
        return made

    def _example(self, question: Question, target: Tensor | None, answer: str = "") -> Example:
        passage, asked = question.cells
        inputs = tuple(self.input_kind.encode_words(text.split()) for text in (passage, asked))
        raw = question.cells if target is None else (*question.cells, answer)
        return Example(question.where, inputs, target, raw, evidence=question.evidence)

    def targets_of(self, example: Any) -> int:
        return 1

    def collate(self, examples: Sequence[Example]) -> AskedPassages:
        passages, questions = (
            self.input_kind.collate([example.inputs[part] for example in examples])
            for part in (0, 1)
        )
        targets = torch.zeros(passages.values.shape[:2])
        for row, example in enumerate(examples):
            if example.target is not None:
                targets[row, : len(example.target)] = example.target
        return AskedPassages(passages, questions, targets)

    def loss(self, batch: AskedPassages, state: Any, training: TrainingConfig) -> Loss:
        return self.model.loss(batch.to(self.device))

    @torch.no_grad()
    def weights(
        self, examples: Sequence[Example], interrupted: Callable[[], bool] = lambda: False
    ) -> list[Tensor]:
        """The weight of each step of the passages, (T) float64 each."""
        found: list[Tensor] = [torch.empty(0)] * len(examples)
        for places, batch in self.each_batch(examples, interrupted=interrupted):
            rows = self.model(batch.passages, batch.questions).double().cpu()
            for place, row in zip(places, rows, strict=True):
                found[place] = row[: len(examples[place].inputs[0])]
        return found

    def evaluate_data(
        self,
        data: Sequence[Example],
        *,
        limit: int = 0,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> AnswerScores:
        data = first_ones(data, limit)
        return scores_of(data, self.weights(data, interrupted))

    def review_data(self, data: Sequence[Example]) -> Review:
        """The figures, and the answers that are wrong."""
        weights = self.weights(data)
        mistakes = []
        for example, row in zip(data, weights, strict=True):
            found = said(example.raw[0], row)
            if key_of(found.word) not in right_keys(example):
                mistakes.append(
                    (example.where, example.raw[2], f"{found.word} {found.probability:.2f}",
                     example.raw[1], found.evidence)
                )  # fmt: skip
        columns = ("where", "is", "said to be", "question", "evidence")
        title = f"wrong answers, {len(mistakes):,} in all"
        listings = [Listing(title, columns, mistakes[:MISTAKES])] if mistakes else []
        return Review(scores_of(data, weights), listings, {"wrong": len(mistakes)})

    def baselines(
        self, train: Sequence[Example], data: Sequence[Example], scores: Any, *, limit: int = 0
    ) -> Baselines:
        return beside_baselines(train, first_ones(data, limit), scores)

    def read_noted(self, path: Path, *, strict: bool = False) -> tuple[list[Example], list[str]]:
        if str(path) in self.built_in:
            return self.examples(_made(NEW_ROWS, seed=2)), []
        found = self.pairs(path, strict=strict)
        pairs, notes = answerable(found.pairs, strict=strict)
        if not pairs:
            raise DataError(f"{path}: no answer is a word of its passage")
        return self.examples(pairs), [*found.notes, *notes]

    def about(self) -> dict[str, Any]:
        return {"reads": self.input_kind.summary()}

    @property
    def subject(self) -> str:
        return "sunhwan.inspection.subjects.passage_reader:PassageReaderSubject"

    def preprocessing(self) -> dict[str, Any]:
        return {**self.columns.to_dict(), "source": self.input_kind.to_dict()}

    @classmethod
    def restored(cls, config: Config, preprocessing: Any) -> Self:
        try:
            columns = Columns.from_dict(preprocessing)
            kind = input_kind_from_dict(preprocessing["source"])
        except (KeyError, TypeError, ValueError):
            raise StoreError("The stored inputs are damaged") from None
        if not isinstance(kind, WordsKind) or len(columns.inputs) != len(INPUTS):
            raise StoreError("The stored inputs are not those of a passage and a question")
        return cls(config, columns, kind)

    def answers(self, questions: Iterable[Any]) -> Iterator[Answer]:
        """The word that answers each, with its probability and the sentence that was looked at."""
        for some in chunks(as_question(question, 2) for question in questions):
            weights = self.weights([self._example(question, None) for question in some])
            for question, row in zip(some, weights, strict=True):
                found = said(question.cells[0], row)
                words = question.cells[0].split()
                values = {
                    "input": list(question.cells),
                    "answer": found.word,
                    "probability": found.probability,
                    "evidence": found.evidence,
                    "evidence_words": [found.places.start, found.places.stop],
                }
                named = {name: values[name] for name in self.answer_columns}
                cells = (found.word, f"{found.probability:.4f}", found.evidence, *question.cells)
                text = f"{found.word}  {found.probability:.2f}  {found.evidence}"
                looked = Alignment(words, [found.word], row.unsqueeze(0)) if words else None
                yield Answer(values, cells, text, looked, named=named)


def answerable(pairs: Sequence[Pair], *, strict: bool = False) -> tuple[list[Pair], list[str]]:
    """The rows whose answer is a word of the passage, and how many are not, in words."""
    kept: list[Pair] = []
    absent: list[Pair] = []
    for pair in pairs:
        there = places_of(pair.answer, pair.question.cells[0].split())
        (kept if there else absent).append(pair)
    if not absent:
        return kept, []
    if strict:
        raise DataError(_absent(*absent[0]))
    first = _absent(*absent[0])
    return kept, [f"{len(absent):,} of {len(pairs):,} rows are left out, the first is {first}"]


def _absent(question: Question, answer: str) -> str:
    return f"{question.where}: the answer {quoted(answer)} is no word of the passage"


def _pairs(config: Config) -> Found:
    """The rows of files, or of the built-in passages."""
    if config.data.source != BUILT_IN_PASSAGES:
        if not config.task.input:
            config = config.override({"task.input": INPUTS})
        if len(config.task.input) != len(INPUTS):
            raise ConfigError(
                "the task answer reads two columns, a passage and a question: name both with --input"
            )
        return find_pairs(config, INPUTS, TARGETS)
    columns, made = Columns(INPUTS, TARGETS[0]), _made(BUILT_IN_ROWS, seed=1)
    if config.text.validation:
        train, held_out = made, pairs_in(Path(config.text.validation), columns).pairs
    else:
        train, held_out = split(made, config.text.validation_share)
    return Found(columns, train, held_out, [in_words(columns, train, held_out)])


def _made(count: int, seed: int) -> list[Pair]:
    return [
        Pair(
            Question(
                (made.passage, made.question),
                f"rooms, line {number}",
                evidence=sentence_texts(made.passage)[made.evidence],
            ),
            made.answer,
        )
        for number, made in enumerate(made_questions(count, seed), 1)
    ]


AUTOMATIC: dict[str, Value] = {
    "data.batch_size": 32,
    "model.hidden_size": 128,
    "model.embedding_size": 64,
    "model.dropout": 0.1,
    "model.direction": "both",
}
