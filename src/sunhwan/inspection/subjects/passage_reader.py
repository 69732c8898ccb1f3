"""Reader of a passage as a subject: one prediction, the word that answers the question."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sunhwan.inspection.subjects.base import Passage
from sunhwan.inspection.subjects.examples import ExampleSubject
from sunhwan.tasks.answer.passage_words import places_of
from sunhwan.tasks.answer.scores import said
from sunhwan.tasks.answer.task import AnswerQuestions
from sunhwan.tasks.common.examples import Example
from sunhwan.tasks.common.questions import question_of


class PassageReaderSubject(ExampleSubject):
    """A reader of passages: what is looked at is how it reads the passage."""

    task: AnswerQuestions
    unit = "words"
    needs_whole_question = True

    def __init__(self, task: AnswerQuestions) -> None:
        self.task, self.recurrents = task, {"encoder": task.model.encoder.recurrent}

    def _pieces(self, example: Example) -> tuple[list[str], list[str]]:
        words = tuple(example.raw[0].split())
        return super()._pieces(example._replace(raw=words))

    def passages(self, text: str) -> list[Passage]:
        example = self._asked(text)
        words, (weights,) = example.raw[0].split(), self.task.weights([example])
        answer = said(example.raw[0], weights).word
        target = torch.zeros(len(words))
        target[places_of(answer, words)] = 1
        return [self.of_example(example._replace(target=target, raw=(*example.raw, answer)))]

    def to_encode(self, text: str) -> Passage:
        return self.of_example(self._asked(text)._replace(target=torch.zeros(0)))

    def _asked(self, text: str) -> Example:
        question = question_of(text, 2, "the question")
        inputs = tuple(self.source.encode_words(cell.split()) for cell in question.cells)  # type: ignore[attr-defined]
        return Example(question.where, inputs, None, question.cells)

    def predicted(self, passage: Passage) -> list[str]:
        return [passage.given.raw[2]]

    @property
    def output_layer(self) -> nn.Linear:
        key = self.task.model.attention.key
        assert isinstance(key, nn.Linear)
        return key

    def _predict(self, passages: Sequence[Passage], last: bool) -> tuple[Tensor, Tensor, list[Any]]:
        batch = self._batch(passages)
        losses = self.task.model.losses(batch)
        real = torch.ones_like(losses, dtype=torch.bool).unsqueeze(1)
        lengths = batch.passages.lengths
        places = (lengths - 1).clamp(min=0).unsqueeze(1)
        return losses.unsqueeze(1), real, [(lengths, places)]
