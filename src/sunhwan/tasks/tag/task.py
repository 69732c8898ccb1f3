"""Tagging: a label for each word of a sentence, or each frame of a recording."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import torch

from sunhwan.config import Config, TrainingConfig, Value, own
from sunhwan.data import pad
from sunhwan.data.edit_scripts import is_script
from sunhwan.data.tag_schemes import BIO, told_scheme
from sunhwan.errors import ConfigError, DataError, StoreError, listed
from sunhwan.layers.crf import bio_constraints
from sunhwan.models import Tagger
from sunhwan.models.loss import Loss
from sunhwan.models.tagger import NO_LABEL, Tagged
from sunhwan.tasks.common.examples import Example, first_ones, longest_note
from sunhwan.tasks.common.input_kind import InputKind
from sunhwan.tasks.common.input_kind_task import InputKindTask
from sunhwan.tasks.common.input_kinds import fit_input_kind, input_kind_from_dict
from sunhwan.tasks.common.interface import Prepared
from sunhwan.tasks.common.labels import most_common, restored_labels
from sunhwan.tasks.common.pairs import split, unvalidated
from sunhwan.tasks.common.questions import Pair, Question, chunks
from sunhwan.tasks.common.recipe import complete_examples, kind_of_text
from sunhwan.tasks.common.results import Answer, Baselines, Listing, Review, Scores
from sunhwan.tasks.common.word_input import WordsKind
from sunhwan.tasks.tag.raw_text import (
    fit_tokenizer,
    one_sentence,
    raw_f1,
    raw_questions,
    raw_segments,
)
from sunhwan.tasks.tag.reading import (
    as_sequence,
    as_words,
    is_raw,
    is_treebank,
    read_sequences,
    sequences_asked,
)
from sunhwan.tasks.tag.scores import TaggedSequences, TagScores, review_labels, review_words
from sunhwan.tasks.tag.settings import TagModelConfig
from sunhwan.tasks.tag.simple_methods import simple_methods
from sunhwan.tasks.tag.tag_columns import NO_SCRIPTS, ONE_COLUMN, TagColumn, fit_columns, tags_of
from sunhwan.tasks.tag.tagged_answers import of_frames, of_words
from sunhwan.tasks.tag.tokenizer import Spelled, Tokenizer
from sunhwan.tasks.tag.word_lists import listed_words


class Guesses(NamedTuple):
    """The labels of each example, and the mean −log p of those that are known.

    columns: of each example and column the tags, which of edit scripts are the lemmas they make.
    """

    labels: list[list[str]]
    loss: float
    columns: list[list[list[str]]]


class Tag(InputKindTask):
    """Which label each word of a sentence has, or each frame of a recording."""

    name: ClassVar[str] = "tag"
    titles: ClassVar[tuple[str, str]] = ("tagging", "태깅")
    labels_steps: ClassVar[bool] = True
    scores_type: ClassVar[type[Any]] = TagScores

    labels: list[str]

    def __init__(
        self,
        config: Config,
        input_kind: InputKind,
        labels: Sequence[str],
        scheme: str | None = None,
        further: Sequence[TagColumn] = (),
        scripts: bool = False,
        tokenizer: Tokenizer | None = None,
    ) -> None:
        """further: the columns beside the first; scripts: the labels of the first are edit scripts."""
        self.config, self.input_kind, self.labels = config, input_kind, list(labels)
        self.scheme = scheme
        name = config.task.target or "upos"
        first = TagColumn(name.partition(",")[0] if further else name, self.labels, scripts)
        self.columns = [first, *further]
        self.answer_columns = ("tags", *(column.name for column in further))
        self.tokenizer = tokenizer
        self.not_exported = ONE_COLUMN if further else NO_SCRIPTS if scripts else ""
        output_layer = own(config.model, TagModelConfig).output_layer
        layer = input_kind.layer(config.model)
        sizes = [len(column.labels) for column in further]
        self.model: Tagger = Tagger(config.model, layer, self.labels, output_layer, scheme, sizes)
        if tokenizer is not None:
            self.model.tokenizer = tokenizer.tagger

    @classmethod
    def prepare(cls, config: Config) -> Prepared:
        output_layer = own(config.model, TagModelConfig).output_layer
        if config.training.label_smoothing > 0 and output_layer == "crf":
            raise ConfigError(
                "training.label_smoothing is for the output layer softmax, not for crf"
            )
        pairs, said, strict = list[Pair](), list[str](), config.data.strict
        for path in config.data.source:
            found = read_sequences(Path(path), config, strict=strict)
            pairs, config = pairs + found.pairs, found.config
            said.append(found.said)
        if config.text.validation:
            train = pairs
            held_out = read_sequences(Path(config.text.validation), config, strict=strict).pairs
        else:
            train, held_out = split(pairs, config.text.validation_share)
        columns, counts, more = fit_columns(train, config)
        said += more
        cells = [cell for pair in train for cell in pair.question.cells]
        automatic = AUTOMATIC | {"text.vocabulary": kind_of_text(cells)}
        config = complete_examples(config, cells, counts.total(), automatic)
        questions = [pair.question for pair in train]
        input_kind: InputKind
        if config.task.kind == "words":
            input_kind = WordsKind.fit([question.cells for question in questions], config)
        else:
            input_kind = fit_input_kind(config, questions)
        said.append(
            f"{len(train):,} sequences of {counts.total():,} labels to learn from, {len(held_out):,} "
            f"to validate on; {len(columns[0].labels)} labels: {most_common(counts)}"
        )
        scheme, told = told_scheme(tags_of(pair.answer)[0] for pair in train)
        said += [*unvalidated(train, held_out, config), *told]
        first, *further = columns
        kept = scheme if output_layer == "crf" else None
        tokenizer, more = fit_tokenizer(train, config)
        said += more
        task = cls(config, input_kind, first.labels, kept, further, first.scripts, tokenizer)
        examples = task.examples(train)
        said += longest_note(examples)
        return Prepared(config, task, examples, task.examples(held_out) or None, tuple(said))

    def examples(self, pairs: Iterable[Pair]) -> list[Example]:
        """Labelled sequences → examples; DataError where labels and frames are not as many."""
        pairs, made = list(pairs), []
        spelled: Sequence[Spelled | None] = [None] * len(pairs)
        if self.tokenizer is not None:
            spelled = self.tokenizer.spelled([pair.question.written for pair in pairs])
        for (question, answer), letters in zip(pairs, spelled, strict=True):
            target = self._targets(question.cells, tags_of(answer))
            example = self._example(question)
            if len(example.inputs[0]) != len(target):
                raise DataError(
                    f"{question.where}: {question.cells[0]} has {len(example.inputs[0])} frames, but "
                    f"there are {len(target)} labels: give one a frame"
                )
            raw = (*question.cells, answer)
            made.append(example._replace(target=target, raw=raw, spelled=letters))
        return made

    def _targets(self, words: Sequence[str], tags: list[list[str]]) -> torch.Tensor:
        """The numbers of the labels (T,), of several columns (T, columns)."""
        rows = [c.targets(words, some) for c, some in zip(self.columns, tags, strict=True)]
        return torch.tensor(rows[0] if len(rows) == 1 else list(zip(*rows, strict=True)))

    def targets_of(self, example: Example) -> int:
        return 1 if example.target is None else len(example.target)

    def _example(self, question: Question) -> Example:
        if isinstance(self.input_kind, WordsKind):
            inputs: tuple[torch.Tensor, ...] = (self.input_kind.encode_words(question.cells),)
        else:
            inputs = self.input_kind.read(question)
        return Example(question.where, inputs, None, question.cells)

    def collate(self, examples: Sequence[Example]) -> Tagged:
        inputs = self.input_kind.collate([example.inputs[0] for example in examples])
        labels = torch.full((len(self.columns), *inputs.values.shape[:2]), NO_LABEL)
        for row, example in enumerate(examples):
            if example.target is not None:
                target = example.target if example.target.dim() == 2 else example.target[:, None]
                labels[:, row, : len(target)] = target.mT
        more = labels[1:] if len(self.columns) > 1 else None
        spelled = [example.spelled for example in examples if example.spelled is not None]
        if not spelled:
            return Tagged(inputs, labels[0], more)
        characters = (
            pad([one.ids for one in spelled]),
            pad([one.labels for one in spelled], NO_LABEL),
        )
        return Tagged(inputs, labels[0], more, Tagged(characters[0], characters[1].values))

    def digest(self, data: Sequence[Example]) -> str:
        learned = [e.spelled for e in data if e.spelled is not None]
        if not learned:
            return super().digest(data)
        sha = hashlib.sha256(super().digest(data).encode())
        for one in learned:
            sha.update(one.ids.numpy().tobytes() + one.labels.numpy().tobytes())
        return sha.hexdigest()

    def loss(self, batch: Tagged, state: Any, training: TrainingConfig) -> Loss:
        return self.model.loss(batch.to(self.device), training.label_smoothing)

    @torch.no_grad()
    def guess(
        self, examples: Sequence[Example], interrupted: Callable[[], bool] = lambda: False
    ) -> Guesses:
        """The labels of each example, and the loss where they are known."""
        labels: list[list[str]] = [[] for _ in examples]
        columns: list[list[list[str]]] = [[] for _ in examples]
        nats, steps = 0.0, 0
        for places, batch in self.each_batch(examples, interrupted=interrupted):
            outputs = self.model.encode(batch.inputs)
            emissions = self.model.output(outputs)
            total, count = self.model.nats(emissions.double(), batch)
            further = self.model.further_emissions(outputs)
            total += self.model.further_nats(further, batch) + self.model.tokenizer_nats(batch)
            nats, steps = nats + total.item(), steps + int(count)
            first = self.columns[0].best(emissions)
            if self.model.crf is not None:
                first = self.model.decode(emissions, batch.inputs.lengths).unsqueeze(-1)
            pairs = zip(self.columns[1:], further, strict=True)
            tries = [first.tolist(), *(column.best(scores).tolist() for column, scores in pairs)]
            for row, place in enumerate(places):
                words = examples[place].raw[: (length := int(batch.inputs.lengths[row]))]
                labels[place] = [self.labels[first] for first, *_ in tries[0][row][:length]]
                columns[place] = [
                    column.said(words, some[row][:length])
                    for column, some in zip(self.columns, tries, strict=True)
                ]
        return Guesses(labels, nats / max(steps, 1), columns)

    def evaluate_data(
        self,
        data: Sequence[Example],
        *,
        limit: int = 0,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> TagScores:
        data = first_ones(data, limit)
        guesses = self.guess(data, interrupted)
        return self._scores(data, guesses, self._labelled(data, guesses))

    def _scores(
        self,
        data: Sequence[Example],
        guesses: Guesses,
        first: TaggedSequences,
        *,
        tagged: bool = False,
    ) -> TagScores:
        """first: the labels of the first column. tagged: words found in the raw text are tagged, too."""
        scores = TagScores.of(first, guesses.loss)
        names = [column.name for column in self.columns]
        if len(self.columns) > 1:
            further = (self._labelled(data, guesses, n) for n in range(1, len(self.columns)))
            shares = (labelled.accuracy for labelled in (first, *further))
            scores = scores._replace(columns=dict(zip(names, shares, strict=True)))
        if self.tokenizer is None:
            return scores
        known, right, found = raw_segments(self.tokenizer, data)
        if not known:
            return scores
        if not tagged:
            return scores._replace(raw=raw_f1(right, found))
        said = self.guess([self._example(Question(segment.words)) for segment in found]).columns
        are = [tags_of(example.raw[-1]) for example in known]
        return scores._replace(raw=raw_f1(right, found, names, are, said))

    def review_data(self, data: Sequence[Example]) -> Review:
        """Figures, also by label or kind of entity, of known and unknown words, and mistakes."""
        guesses = self.guess(data)
        labelled = self._labelled(data, guesses)
        listings: list[Listing] = []
        values: dict[str, Any] = {}
        if not self.columns[0].scripts:
            listings, values = review_labels(labelled)
        if isinstance(self.input_kind, WordsKind):
            words = [example.raw[:-1] for example in data]
            more, figures = review_words(labelled, words, self.input_kind.knows)
            listings, values = listings + more, values | figures
        return Review(self._scores(data, guesses, labelled, tagged=True), listings, values)

    def baselines(
        self, train: Sequence[Example], data: Sequence[Example], scores: Scores, *, limit: int = 0
    ) -> Baselines:
        words = isinstance(self.input_kind, WordsKind)
        return simple_methods(train, first_ones(data, limit), scores, self.labels, words=words)

    def _labelled(
        self, data: Sequence[Example], guesses: Guesses, place: int = 0
    ) -> TaggedSequences:
        """The tags of a column, as they are and as they were said to be."""
        are = [tags_of(example.raw[-1])[place] for example in data]
        said = [columns[place] for columns in guesses.columns]
        words = (word for example in data for word in example.raw[:-1])
        column = self.columns[place]
        known = column.known(words, chain(*are)) if column.scripts else column.labels
        return TaggedSequences(known, are, said)

    def validation_sample(self, data: Any, length: int) -> str:
        """The first sentence to validate on, with what each of its words is said to be."""
        if not data or not isinstance(self.input_kind, WordsKind):
            return ""
        (answer,) = self.answers([Question(data[0].raw[:-1][:length])])
        return answer.text

    @property
    def subject(self) -> str:
        return "sunhwan.inspection.subjects.tagger:TaggerSubject"

    def data_facts(self, train: Sequence[Example]) -> dict[str, Any]:
        return {"sequences": len(train)}

    def about(self) -> dict[str, Any]:
        shown = {column.name: f"{len(column.labels):,} labels" for column in self.columns[1:]}
        if self.columns[0].scripts:
            return {"input": self.input_kind.summary(), "edit scripts": len(self.labels), **shown}
        return {"input": self.input_kind.summary(), "labels": listed(self.labels), **shown}

    def preprocessing(self) -> dict[str, Any]:
        found: dict[str, Any] = {"source": self.input_kind.to_dict(), "labels": self.labels}
        if self.columns[0].scripts:
            found["edit_scripts"] = True
        if self.columns[1:]:
            found["further"] = [column.to_dict() for column in self.columns[1:]]
        if self.tokenizer is not None:
            found["tokenizer"] = self.tokenizer.to_dict()
        usual = BIO if bio_constraints(self.labels) else ""
        # Only where the labels alone do not tell it, so that what was kept before stays the same.
        return found if self.scheme in (None, usual) else {**found, "scheme": self.scheme}

    @classmethod
    def restored(cls, config: Config, preprocessing: Any) -> Self:
        try:
            labels = restored_labels(preprocessing["labels"])
            input_kind = input_kind_from_dict(preprocessing["source"])
        except (KeyError, TypeError):
            raise StoreError("The stored labels or inputs are damaged") from None
        further = preprocessing.get("further", [])
        scripts = preprocessing.get("edit_scripts", False)
        if not isinstance(further, list) or (scripts and not all(map(is_script, labels))):
            raise StoreError("The stored columns of tags are damaged")
        columns = [TagColumn.from_dict(record) for record in further]
        scheme = preprocessing.get("scheme")
        stored = preprocessing.get("tokenizer")
        tokenizer = None if stored is None else Tokenizer.from_dict(stored)
        return cls(config, input_kind, labels, scheme, columns, bool(scripts), tokenizer)

    def asks_rows(self, path: Path) -> bool:
        raw = self.tokenizer is not None and is_raw(path)
        return super().asks_rows(path) and not is_treebank(path) and not raw

    def row_question(self, cells: tuple[str, ...], where: str, folder: Path) -> Question:
        question = Question(cells, where, folder)
        if self.tokenizer is not None and listed_words(cells[0], where) is None:
            return one_sentence(self.tokenizer, question)
        return as_words(question, self.input_kind.kind)

    def questions(self, path: Path) -> Iterator[Question]:
        if self.is_input(path):
            return iter([Question((path.name,), str(path), path.parent)])
        if self.tokenizer is not None and is_raw(path):
            return raw_questions(self.tokenizer, path)
        return sequences_asked(path, self.config)

    def read_noted(self, path: Path, *, strict: bool = False) -> tuple[list[Example], list[str]]:
        found = read_sequences(path, self.config, strict=strict)
        return self.examples(found.pairs), found.notes

    def answers(self, questions: Iterable[Any]) -> Iterator[Answer]:
        """The labels of each sentence's words, or of each recording's frames."""
        kind = self.input_kind.kind

        def question_of(given: Any) -> Question:
            if self.tokenizer is not None and isinstance(given, str):
                return one_sentence(self.tokenizer, Question((given,)))
            return as_sequence(given, kind)

        for some in chunks(map(question_of, questions)):
            found = self.guess([self._example(question) for question in some]).columns
            for question, tags in zip(some, found, strict=True):
                if kind == "words":
                    yield of_words(question, self.columns, tags)
                else:
                    yield of_frames(question, self.config.task.input[0], tags[0])


AUTOMATIC: dict[str, Value] = {
    "data.batch_size": 32,
    "model.hidden_size": 128,
    "model.embedding_size": 64,
    "model.dropout": 0.3,
    "model.direction": "both",
}
