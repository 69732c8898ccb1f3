"""Rating as a subject of inspection: one number for the whole text."""

import torch

from sunhwan.inspection.subjects import ExampleSubject, Passage
from sunhwan.tasks.common.questions import as_question


class RateSubject(ExampleSubject):
    def __init__(self, task):
        self.task, self.recurrents = task, {"encoder": task.model.encoder.recurrent}

    def passages(self, text: str) -> list[Passage]:
        question = as_question(text, 1)
        (answer,) = self.task.predict([question])
        ((example,),) = (self.task.examples([(question, str(answer.values["score"]))]),)
        return [self.of_example(example)]

    def predicted(self, passage: Passage) -> list[str]:
        return [f"{float(passage.given.target):.2f}"]

    def _predict(self, passages, last):
        batch = self._batch(passages)
        losses = (self.task.model(batch.inputs[0]) - batch.labels).square().unsqueeze(1)
        lengths = batch.inputs[0].lengths
        places = (lengths - 1).clamp(min=0).unsqueeze(1)
        return losses, torch.ones_like(losses, dtype=torch.bool), [(lengths, places)]
