"""One to many: numbers, an image or labels → a text, a tune among them."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from sunhwan.config import TEMPERATURE, Config, Value
from sunhwan.data.built_in_digits import BUILT_IN_DIGITS
from sunhwan.errors import DataError
from sunhwan.models.readers import StepReader
from sunhwan.tasks.base import Answer, Example
from sunhwan.tasks.descriptions import described_pairs, described_questions, read_described
from sunhwan.tasks.rows import Found, Pair, Question, in_words, split
from sunhwan.tasks.sources import complete_kind
from sunhwan.tasks.tunes import TUNE, whole_tune
from sunhwan.tasks.writing import WritingTask

MANY = 2
"""So many answers a question of labels has, on average, where they are drawn rather than searched."""


class Describe(WritingTask):
    """A text about numbers, an image or labels: captions, reports, tunes of a metre and key."""

    name: ClassVar[str] = "describe"
    built_in: ClassVar[tuple[str, ...]] = tuple(BUILT_IN_DIGITS)

    @classmethod
    def find(cls, config: Config) -> tuple[Config, Found]:
        pairs: list[Pair] = []
        said = []
        first = read_described(Path(config.text.corpus[0]), config)
        for name in config.text.corpus:
            described = read_described(Path(name), config)
            if (described.columns, described.kind) != (first.columns, first.kind):
                raise DataError(
                    f"{name} and {config.text.corpus[0]} hold different things to describe: give "
                    "files of one kind"
                )
            pairs += described.pairs
            said.append(described.said)
        task = dataclasses.replace(
            config.task, kind=first.kind, image_size=config.task.image_size or first.image_size
        )
        if task.kind not in ("vector", "labels"):
            raise DataError(
                f"a model to describe reads no {task.kind}: set task.kind to vector or labels, or "
                "take --task translate"
            )
        asked = {pair.question.cells for pair in pairs}
        answered = {(pair.question.cells, pair.answer) for pair in pairs}
        many = task.kind == "labels" and len(answered) >= MANY * len(asked)
        if task.temperature < 0:
            task = dataclasses.replace(task, temperature=TEMPERATURE if many else 0.0)
        if config.text.validation:
            train = pairs
            held_out = described_pairs(Path(config.text.validation), first.columns)
        else:
            train, held_out = split(pairs, config.text.validation_share, many_answers=many)
        said.append(in_words(first.columns, train, held_out))
        found = Found(first.columns, train, held_out, said)
        characters = sum(len(pair.answer) for pair in train)
        width = config.model.hidden_size or 32 * round(min(256, 64 + characters / 1_500) / 32)
        model = dataclasses.replace(config.model, hidden_size=width)
        config = dataclasses.replace(config, task=task, model=model)
        return complete_kind(config, [pair.question for pair in train]), found

    @classmethod
    def automatic(cls, config: Config, pairs: Sequence[Pair]) -> dict[str, Value]:
        return AUTOMATIC

    def reader(self) -> StepReader:
        return StepReader(self.config.model, self.source.layer(self.config.model))

    def predict(self, questions: Iterable[Any], **options: Any) -> Iterator[Answer]:
        """What the model writes, a tune with its header; options: as of any `WritingTask`."""
        for number, answer in enumerate(super().predict(questions, **options), 1):
            if self.columns == TUNE:
                metre, key = answer.values["input"]
                tune = whole_tune(number, metre, key, answer.text)
                answer = answer._replace(values=answer.values | {"tune": tune}, text=tune)
            yield answer

    def questions(self, path: Path) -> Iterator[Question]:
        return described_questions(path, self.columns)

    def read(self, path: Path) -> list[Example]:
        return self.examples(described_pairs(path, self.columns))


AUTOMATIC: dict[str, Value] = {
    "data.batch_size": 32,
    "model.embedding_size": 256,
    "model.dropout": 0.2,
    "model.attention": "none",
}
