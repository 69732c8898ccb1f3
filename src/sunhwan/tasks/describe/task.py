"""Description: numbers, an image or labels to a text, a tune among them."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from sunhwan.config import Config, Value, own
from sunhwan.data.built_in_digits import BUILT_IN_DIGITS
from sunhwan.models.readers import StepReader
from sunhwan.tasks.common.encoder_decoder_settings import EncoderDecoderConfig
from sunhwan.tasks.common.encoder_decoder_task import EncoderDecoderTask
from sunhwan.tasks.common.input_kinds import complete_kind
from sunhwan.tasks.common.pairs import Answered, Found, in_words, split, unvalidated
from sunhwan.tasks.common.questions import Pair, Question
from sunhwan.tasks.common.results import Answer
from sunhwan.tasks.describe.reading import (
    described_pairs,
    described_questions,
    holds_questions,
    read_corpus,
)
from sunhwan.tasks.describe.tunes import TUNE, whole_tune

DRAWN = 0.6
"""The temperature of drawn answers: bolder, tunes lose count of their bars."""
MANY = 2
"""So many answers a question of labels has, on average, where they are drawn rather than searched."""


class Describe(EncoderDecoderTask):
    """A text about numbers, an image or labels: captions, reports, tunes of a metre and key."""

    name: ClassVar[str] = "describe"
    titles: ClassVar[tuple[str, str]] = ("description", "설명")
    built_in: ClassVar[tuple[str, ...]] = tuple(BUILT_IN_DIGITS)

    @classmethod
    def find(cls, config: Config) -> tuple[Config, Found]:
        columns, kind, pairs, image_size, said = read_corpus(config)
        asked = {pair.question.cells for pair in pairs}
        answered = {(pair.question.cells, pair.answer) for pair in pairs}
        labels = kind == "labels"
        many = labels and len(answered) >= MANY * len(asked)
        if config.text.validation:
            other = described_pairs(Path(config.text.validation), columns, config.data.strict)
            train, held_out = pairs, other.pairs
            said = [*said, *other.notes]
        else:
            train, held_out = split(pairs, config.text.validation_share, labels=labels)
        said = [*said, in_words(columns, train, held_out), *unvalidated(train, held_out, config)]
        found = Found(columns, train, held_out, said)
        task, model = own(config.task, EncoderDecoderConfig), config.model
        config = dataclasses.replace(
            config,
            task=dataclasses.replace(
                task,
                kind=kind,
                image_size=task.image_size or image_size,
                temperature=task.temperature if task.temperature >= 0 else DRAWN * many,
            ),
            model=dataclasses.replace(model, hidden_size=model.hidden_size or _width(train)),
        )
        return complete_kind(config, [pair.question for pair in train]), found

    @classmethod
    def automatic(cls, config: Config, pairs: Sequence[Pair]) -> dict[str, Value]:
        drawn = own(config.task, EncoderDecoderConfig).temperature
        return AUTOMATIC_DRAWN if drawn else AUTOMATIC

    def reader(self) -> StepReader:
        return StepReader(self.config.model, self.input_kind.layer(self.config.model))

    def answers(self, questions: Iterable[Any], **options: Any) -> Iterator[Answer]:
        """What the model writes, a tune with its header; options: as of any `EncoderDecoderTask`."""
        for number, answer in enumerate(super().answers(questions, **options), 1):
            if self.columns == TUNE:
                metre, key = answer.values["input"]
                tune = whole_tune(number, metre, key, answer.text)
                answer = answer._replace(values=answer.values | {"tune": tune}, text=tune)
            yield answer

    def asks_rows(self, path: Path) -> bool:
        return super().asks_rows(path) and not holds_questions(path)

    def questions(self, path: Path) -> Iterator[Question]:
        if (self.is_input(path) or self.is_array(path)) and not holds_questions(path):
            return super().questions(path)
        return described_questions(path, self.columns)

    def pairs(self, path: Path, *, strict: bool = False) -> Answered:
        return described_pairs(path, self.columns, strict)


def _width(pairs: Sequence[Pair]) -> int:
    """Hidden units by how much there is to write, not by how many rows it is in."""
    characters = sum(len(pair.answer) for pair in pairs)
    return 32 * round(min(256, 64 + characters / 1_500) / 32)


AUTOMATIC: dict[str, Value] = {
    "data.batch_size": 32,
    "model.embedding_size": 256,
    "model.dropout": 0.2,
}
AUTOMATIC_DRAWN: dict[str, Value] = AUTOMATIC | {"model.dropout": 0.5, "training.epochs": 12}
"""Training data must not be memorised, as 900 tunes are after 9 passes with less dropout."""
