"""Tagger as a subject: one prediction a step."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from sunhwan.inspection.subjects.base import Passage
from sunhwan.inspection.subjects.examples import ExampleSubject
from sunhwan.tasks import Tag
from sunhwan.tasks.common.examples import Example
from sunhwan.tasks.common.questions import Question
from sunhwan.tasks.common.word_input import WordsKind


class TaggerSubject(ExampleSubject):
    """A tagger: a prediction a step, −log softmax of what the step emits, also before a CRF."""

    task: Tag
    predicts_each_step = True

    def __init__(self, task: Tag) -> None:
        self.task, self.recurrents = task, {"encoder": task.model.encoder.recurrent}
        self.unit = "words" if isinstance(task.input_kind, WordsKind) else "steps"

    def passages(self, text: str) -> list[Passage]:
        words = tuple(text.split())
        inputs = self.source.read(Question((text,)))
        (found,) = self.task.guess([Example("the sentence", inputs, None, words)]).labels
        target = torch.tensor([self.task.labels.index(tag) for tag in found], dtype=torch.int64)
        return [
            self.of_example(Example("the sentence", inputs, target, (*words, "\t".join(found))))
        ]

    def step_labels(self, passages: Sequence[Passage]) -> list[str]:
        return [label for passage in passages for label in self.predicted(passage)]

    def predicted(self, passage: Passage) -> list[str]:
        return str(passage.given.raw[-1]).split("\t")

    def _predict(self, passages: Sequence[Passage], last: bool) -> tuple[Tensor, Tensor, list[Any]]:
        batch = self._batch(passages)
        emissions, lengths = self.task.model(batch.inputs), batch.inputs.lengths
        losses = functional.cross_entropy(
            emissions.transpose(1, 2), batch.labels, ignore_index=-1, reduction="none"
        )
        places = torch.arange(losses.shape[1], device=losses.device).expand_as(losses)
        real = batch.labels >= 0
        if last:
            places = (lengths - 1).clamp(min=0).unsqueeze(1)
            losses, real = losses.gather(1, places), real.gather(1, places)
        return losses, real, [(lengths, places)]
