"""Tagging: a label for each word of a sentence, or each frame of a recording."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import torch

from sunhwan.baselines.labels import majority
from sunhwan.baselines.tags import FrequentTags
from sunhwan.config import Config, TrainingConfig, Value, own
from sunhwan.data.tag_schemes import BIO, marks_entities, scheme_of
from sunhwan.errors import ConfigError, DataError, StoreError, listed
from sunhwan.layers.crf import bio_constraints
from sunhwan.models import Tagger
from sunhwan.models.loss import Loss
from sunhwan.models.tagger import NO_LABEL, Tagged
from sunhwan.tasks.common.examples import Example, first_ones, longest_note
from sunhwan.tasks.common.input_kind import InputKind
from sunhwan.tasks.common.input_kind_task import InputKindTask
from sunhwan.tasks.common.input_kinds import fit_input_kind, input_kind_from_dict
from sunhwan.tasks.common.interface import Prepared, PretrainedParts
from sunhwan.tasks.common.labels import count_labels, most_common, restored_labels
from sunhwan.tasks.common.pairs import split
from sunhwan.tasks.common.questions import Pair, Question, chunks
from sunhwan.tasks.common.recipe import complete_examples, kind_of_text
from sunhwan.tasks.common.results import Answer, Baselines, Review, Scores
from sunhwan.tasks.common.word_input import WordsKind
from sunhwan.tasks.tag.reading import (
    as_sequence,
    as_words,
    is_treebank,
    read_sequences,
    sequences_asked,
)
from sunhwan.tasks.tag.scores import TaggedSequences, TagScores, review_labels, review_words
from sunhwan.tasks.tag.settings import TagModelConfig


class Guesses(NamedTuple):
    """The labels of each example, and the mean −log p of those that are known."""

    labels: list[list[str]]
    loss: float


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
    ) -> None:
        self.config, self.input_kind, self.labels = config, input_kind, list(labels)
        self.scheme = scheme
        output_layer = own(config.model, TagModelConfig).output_layer
        layer = input_kind.layer(config.model)
        self.model: Tagger = Tagger(config.model, layer, self.labels, output_layer, scheme)

    @classmethod
    def prepare(cls, config: Config) -> Prepared:
        output_layer = own(config.model, TagModelConfig).output_layer
        if config.training.label_smoothing > 0 and output_layer == "crf":
            raise ConfigError(
                "training.label_smoothing is for the output layer softmax, not for crf"
            )
        pairs: list[Pair] = []
        said = []
        for path in config.data.source:
            found = read_sequences(Path(path), config)
            pairs, config = pairs + found.pairs, found.config
            said.append(found.said)
        if config.text.validation:
            train = pairs
            held_out = read_sequences(Path(config.text.validation), config).pairs
        else:
            train, held_out = split(pairs, config.text.validation_share)
        labels = (label for pair in train for label in pair.answer.split("\t"))
        counts = count_labels(labels, config.data.source, "name the right column with --target")
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
            f"to validate on; {len(counts)} labels: {most_common(counts)}"
        )
        scheme = scheme_of(pair.answer.split("\t") for pair in train)
        if scheme:
            said.append(f"the labels mark entities by the scheme {scheme}")
        task = cls(config, input_kind, sorted(counts), scheme if output_layer == "crf" else None)
        examples = task.examples(train)
        said += longest_note(examples)
        return Prepared(config, task, examples, task.examples(held_out) or None, tuple(said))

    def examples(self, pairs: Iterable[Pair]) -> list[Example]:
        """Labelled sequences → examples; DataError where labels and frames are not as many."""
        numbers = {label: number for number, label in enumerate(self.labels)}
        made = []
        for question, answer in pairs:
            target = torch.tensor([numbers.get(label, NO_LABEL) for label in answer.split("\t")])
            example = self._example(question)
            if len(example.inputs[0]) != len(target):
                raise DataError(
                    f"{question.where}: {question.cells[0]} has {len(example.inputs[0])} frames, but "
                    f"there are {len(target)} labels: give one a frame"
                )
            made.append(example._replace(target=target, raw=(*question.cells, answer)))
        return made

    def _example(self, question: Question) -> Example:
        if isinstance(self.input_kind, WordsKind):
            inputs: tuple[torch.Tensor, ...] = (self.input_kind.encode_words(question.cells),)
        else:
            inputs = self.input_kind.read(question)
        return Example(question.where, inputs, None, question.cells)

    def collate(self, examples: Sequence[Example]) -> Tagged:
        inputs = self.input_kind.collate([example.inputs[0] for example in examples])
        labels = torch.full(inputs.values.shape[:2], NO_LABEL)
        for row, example in zip(labels, examples, strict=True):
            if example.target is not None:
                row[: len(example.target)] = example.target
        return Tagged(inputs, labels)

    def loss(self, batch: Tagged, state: Any, training: TrainingConfig) -> Loss:
        return self.model.loss(batch.to(self.device), training.label_smoothing)

    @torch.no_grad()
    def guess(
        self, examples: Sequence[Example], interrupted: Callable[[], bool] = lambda: False
    ) -> Guesses:
        """The labels of each example, and the loss where they are known."""
        labels: list[list[str]] = [[] for _ in examples]
        nats, steps = 0.0, 0
        for places, batch in self.each_batch(examples, interrupted=interrupted):
            emissions = self.model(batch.inputs)
            total, count = self.model.nats(emissions.double(), batch)
            nats, steps = nats + total.item(), steps + int(count)
            found = self.model.decode(emissions, batch.inputs.lengths).tolist()
            for place, row, length in zip(
                places, found, batch.inputs.lengths.tolist(), strict=True
            ):
                labels[place] = [self.labels[number] for number in row[:length]]
        return Guesses(labels, nats / max(steps, 1))

    def evaluate_data(
        self,
        data: Sequence[Example],
        *,
        limit: int = 0,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> TagScores:
        data = first_ones(data, limit)
        guesses = self.guess(data, interrupted)
        return TagScores.of(self._labelled(data, guesses), guesses.loss)

    def review_data(self, data: Sequence[Example]) -> Review:
        """Figures, also by label or kind of entity, of known and unknown words, and mistakes."""
        guesses = self.guess(data)
        labelled = self._labelled(data, guesses)
        listings, values = review_labels(labelled)
        if isinstance(self.input_kind, WordsKind):
            words = [example.raw[:-1] for example in data]
            more, figures = review_words(labelled, words, self.input_kind.knows)
            listings, values = listings + more, values | figures
        return Review(TagScores.of(labelled, guesses.loss), listings, values)

    def baselines(
        self, train: Sequence[Example], data: Sequence[Example], scores: Scores, *, limit: int = 0
    ) -> Baselines:
        data = first_ones(data, limit)
        known = [(example.raw[:-1], example.raw[-1].split("\t")) for example in train]
        asked = [(example.raw[:-1], example.raw[-1].split("\t")) for example in data]
        most = majority([tag for _, tags in known for tag in tags], 1)
        methods = {"the most frequent label": [most * len(tags) for _, tags in asked]}
        if isinstance(self.input_kind, WordsKind):
            tagger = FrequentTags(known)
            methods["the most frequent label of the word or its ending"] = [
                [tagger.tag(word) for word in words] for words, _ in asked
            ]
        are, own_figures = [tags for _, tags in asked], scores.to_dict()
        figures = tuple(name for name in ("entity_f1", "accuracy") if name in own_figures)
        found: dict[str, dict[str, float]] = {}
        for name, said in methods.items():
            of = TagScores.of(TaggedSequences(self.labels, are, said), math.nan).to_dict()
            found[name] = {figure: of[figure] for figure in figures}
        return Baselines(figures, {figure: own_figures[figure] for figure in figures}, found)

    def _labelled(self, data: Sequence[Example], guesses: Guesses) -> TaggedSequences:
        are = [example.raw[-1].split("\t") for example in data]
        return TaggedSequences(self.labels, are, guesses.labels)

    def validation_sample(self, data: Any, length: int) -> str:
        """The first sentence to validate on, with what each of its words is said to be."""
        if not data or not isinstance(self.input_kind, WordsKind):
            return ""
        (answer,) = self.answers([Question(data[0].raw[:-1][:length])])
        return answer.text

    @property
    def subject(self) -> str:
        return "sunhwan.inspection.subjects.tagger:TaggerSubject"

    def pretrained_parts(self) -> list[PretrainedParts]:
        return self.input_kind.pretrained_parts(self.model.encoder)

    def data_facts(self, train: Sequence[Example]) -> dict[str, Any]:
        return {"sequences": len(train)}

    def about(self) -> dict[str, Any]:
        return {"input": self.input_kind.summary(), "labels": listed(self.labels)}

    def preprocessing(self) -> dict[str, Any]:
        found = {"source": self.input_kind.to_dict(), "labels": self.labels}
        usual = BIO if bio_constraints(self.labels) else ""
        # Only where the labels alone do not tell it, so that what was kept before stays the same.
        return found if self.scheme in (None, usual) else {**found, "scheme": self.scheme}

    @classmethod
    def restored(cls, config: Config, preprocessing: Any) -> Self:
        try:
            labels = restored_labels(preprocessing["labels"])
            input_kind = input_kind_from_dict(preprocessing["source"])
        except (KeyError, TypeError):
            raise StoreError("The stored labels or inputs are damaged.") from None
        return cls(config, input_kind, labels, preprocessing.get("scheme"))

    def asks_rows(self, path: Path) -> bool:
        return super().asks_rows(path) and not is_treebank(path)

    def row_question(self, cells: tuple[str, ...], where: str, folder: Path) -> Question:
        return as_words(Question(cells, where, folder), self.input_kind.kind)

    def questions(self, path: Path) -> Iterator[Question]:
        if self.is_input(path):
            return iter([Question((path.name,), str(path), path.parent)])
        return sequences_asked(path, self.config)

    def read(self, path: Path) -> list[Example]:
        return self.examples(read_sequences(path, self.config).pairs)

    def answers(self, questions: Iterable[Any]) -> Iterator[Answer]:
        """The labels of each sentence's words, or of each recording's frames."""
        kind = self.input_kind.kind
        for some in chunks(as_sequence(question, kind) for question in questions):
            found = self.guess([self._example(question) for question in some]).labels
            for question, tags in zip(some, found, strict=True):
                if kind == "words":
                    words = question.cells
                    text = " ".join(f"{word}/{tag}" for word, tag in zip(words, tags, strict=True))
                    values: dict[str, Any] = {"words": list(words), "tags": tags}
                else:
                    words = tuple(map(str, range(1, len(tags) + 1)))
                    text = f"{question.cells[0]}  {' '.join(tags)}"
                    values = {self.config.task.input[0]: question.cells[0], "tags": tags}
                yield Answer(
                    values, (text,), text, rows=tuple(zip(words, tags, strict=True)),
                    named={"tags": " ".join(tags)}, conllu=self._conllu(words, tags),
                )  # fmt: skip

    def _conllu(
        self, words: Sequence[str], tags: Sequence[str]
    ) -> tuple[tuple[str, ...], ...] | None:
        """Lines of CoNLL-U; tags of none of its columns, such as entities, go into its last one."""
        if self.input_kind.kind != "words":
            return None
        column = self.config.task.target.lower() or "upos"
        name = "misc" if marks_entities(self.labels) else column
        place = PLACES.get(name, PLACES["misc"])
        lines = []
        for number, (word, tag) in enumerate(zip(words, tags, strict=True), 1):
            line = [str(number), word, *"_" * 8]
            line[place] = tag if place != PLACES["misc"] else f"Tag={tag}"
            lines.append(tuple(line))
        return tuple(lines)


PLACES = {"lemma": 2, "upos": 3, "xpos": 4, "feats": 5, "deprel": 7, "misc": 9}
"""Where a column of CoNLL-U stands."""


AUTOMATIC: dict[str, Value] = {
    "data.batch_size": 32,
    "model.hidden_size": 128,
    "model.embedding_size": 64,
    "model.dropout": 0.3,
    "model.direction": "both",
}
