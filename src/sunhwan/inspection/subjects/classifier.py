"""Classifier as a subject: one prediction for the whole example."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from sunhwan.inspection.subjects.base import Passage
from sunhwan.inspection.subjects.examples import ExampleSubject
from sunhwan.tasks import Classify, Task
from sunhwan.tasks.common.examples import Example
from sunhwan.tasks.common.questions import Pair, Question, question_of
from sunhwan.tasks.common.word_input import WordsKind


class ClassifierSubject(ExampleSubject):
    """A classifier: one prediction, made when all is read."""

    task: Classify

    def __init__(self, task: Classify) -> None:
        self.task, self.recurrents = task, {"encoder": task.model.encoder.recurrent}
        if isinstance(task.input_kind, WordsKind):
            self.unit = "words"

    def passages(self, text: str) -> list[Passage]:
        example = self._example(text)
        guess = self.task.log_probabilities([example])[0].argmax()
        return [self.of_example(example._replace(target=guess))]

    def to_encode(self, text: str) -> Passage:
        return self.of_example(self._example(text)._replace(target=torch.tensor(0)))

    def beside(self, passages: Sequence[Passage]) -> Tensor | None:
        linear = self.task.model.linear
        return None if linear is None else linear(self._batch(passages).inputs[0])

    def _example(self, text: str) -> Example:
        question = question_of(text, len(self.task.columns.inputs), "the question")
        return Example(question.where, self.source.read(question), None, question.cells)

    def _pieces(self, example: Example) -> tuple[list[str], list[str]]:
        if isinstance(self.source, WordsKind):
            words = tuple(example.raw[0].split())
            return super()._pieces(example._replace(raw=words))
        return super()._pieces(example)

    def predicted(self, passage: Passage) -> list[str]:
        return [self.task.labels[int(passage.given.target)]]

    def _pair(self, example: Example, task: Task, folder: Path) -> Pair:
        assert example.target is not None
        assert task.labels is not None
        question = Question(example.raw, example.where, folder)
        return Pair(question, task.labels[int(example.target)])

    def _predict(self, passages: Sequence[Passage], last: bool) -> tuple[Tensor, Tensor, list[Any]]:
        batch = self._batch(passages)
        losses = functional.cross_entropy(
            self.task.model(batch.inputs), batch.labels, reduction="none"
        )
        lengths = batch.inputs[0].lengths
        real = torch.ones_like(losses, dtype=torch.bool).unsqueeze(1)
        places = (lengths - 1).clamp(min=0).unsqueeze(1)
        return losses.unsqueeze(1), real, [(lengths, places)]
