"""Rating: a text → a number."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import torch

from sunhwan.config import Config, TrainingConfig, Value, own
from sunhwan.models.classifier import Labelled
from sunhwan.models.loss import Loss
from sunhwan.tasks import Answer, Prepared
from sunhwan.tasks.common.columns import Columns
from sunhwan.tasks.common.examples import Example, first_ones
from sunhwan.tasks.common.input_kind import InputKind
from sunhwan.tasks.common.input_kind_task import InputKindTask
from sunhwan.tasks.common.input_kinds import complete_kind, fit_input_kind, input_kind_from_dict
from sunhwan.tasks.common.pairs import find_pairs, pairs_in
from sunhwan.tasks.common.questions import Pair, Question, as_question, chunks, questions_in
from sunhwan.tasks.common.recipe import complete_examples
from tests.tasks.toy.network import Rater
from tests.tasks.toy.settings import RateConfig

AUTOMATIC: dict[str, Value] = {
    "data.batch_size": 16, "model.hidden_size": 32, "model.embedding_size": 32,
    "model.dropout": 0.0, "model.direction": "forward",
}  # fmt: skip


class RateScores(NamedTuple):
    loss: float
    error: float
    examples: int

    @property
    def rank(self) -> float:
        return self.loss

    def to_dict(self) -> dict[str, Any]:
        return self._asdict()

    def summary(self) -> str:
        return f"loss {self.loss:.4f}  error {self.error:.3f}"

    def table(self) -> list[tuple[str, str]]:
        return [("error", f"{self.error:.3f}"), ("loss", f"{self.loss:.4f}")]


class Rate(InputKindTask):
    name: ClassVar[str] = "rate"
    titles: ClassVar[tuple[str, str]] = ("rating", "평점")
    scores_type: ClassVar[type[Any]] = RateScores

    def __init__(self, config: Config, columns: Columns, input_kind: InputKind) -> None:
        self.config, self.columns, self.input_kind = config, columns, input_kind
        self.unit = own(config.task, RateConfig).unit
        self.model: Rater = Rater(config.model, input_kind.layer(config.model))

    @classmethod
    def prepare(cls, config: Config) -> Prepared:
        columns, train, held_out, said = find_pairs(config, ("text",), ("score",))
        questions = [pair.question for pair in train]
        config = complete_kind(config, questions)
        cells = [question.cells[0] for question in questions]
        config = complete_examples(config, cells, len(train), AUTOMATIC)
        task = cls(config, columns, fit_input_kind(config, questions))
        held = task.examples(held_out) or None
        return Prepared(config, task, task.examples(train), held, tuple(said))

    def examples(self, pairs: Iterable[Pair]) -> list[Example]:
        return [
            self._example(question, torch.tensor(float(answer) / self.unit))
            for question, answer in pairs
        ]

    def _example(self, question: Question, target: torch.Tensor | None) -> Example:
        raw = question.cells if target is None else (*question.cells, str(float(target)))
        return Example(question.where, self.input_kind.read(question), target, raw)

    def collate(self, examples: Sequence[Example]) -> Labelled:
        inputs = self.input_kind.collate([example.inputs[0] for example in examples])
        targets = [0.0 if e.target is None else float(e.target) for e in examples]
        return Labelled((inputs,), torch.tensor(targets))

    def loss(self, batch: Labelled, state: Any, training: TrainingConfig) -> Loss:
        batch = batch.to(self.device)
        loss = (self.model(batch.inputs[0]) - batch.labels).square().mean()
        return Loss(loss.detach(), loss)

    @torch.no_grad()
    def _numbers(
        self, examples: Sequence[Example], interrupted: Callable[[], bool] = lambda: False
    ) -> torch.Tensor:
        found = torch.empty(len(examples))
        for places, batch in self.each_batch(examples, interrupted=interrupted):
            found[places] = self.model(batch.inputs[0]).cpu()
        return found

    def evaluate_data(
        self,
        data: Sequence[Example],
        *,
        limit: int = 0,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> RateScores:
        data = first_ones(data, limit)
        wrong = self._numbers(data, interrupted) - torch.tensor([float(e.target) for e in data])
        error = wrong.abs().mean().item() * self.unit
        return RateScores(wrong.square().mean().item(), error, len(data))

    def data_facts(self, train: Sequence[Example]) -> dict[str, Any]:
        return {"examples": len(train)}

    def about(self) -> dict[str, Any]:
        return {"reads": self.input_kind.summary()}

    def preprocessing(self) -> dict[str, Any]:
        return {"columns": list(self.columns.inputs), "source": self.input_kind.to_dict()}

    @classmethod
    def restored(cls, config: Config, preprocessing: Any) -> Self:
        columns = Columns(tuple(preprocessing["columns"]), "score")
        return cls(config, columns, input_kind_from_dict(preprocessing["source"]))

    @property
    def subject(self) -> str:
        return "tests.tasks.toy.subject:RateSubject"

    def questions(self, path: Path) -> Iterator[Question]:
        return questions_in(path, self.columns.inputs)

    def read(self, path: Path) -> list[Example]:
        return self.examples(pairs_in(path, self.columns).pairs)

    def answers(self, questions: Iterable[Any]) -> Iterator[Answer]:
        for some in chunks(as_question(question, 1) for question in questions):
            found = self._numbers([self._example(question, None) for question in some])
            for question, number in zip(some, (found * self.unit).tolist(), strict=True):
                values = {"input": question.cells[0], "score": number}
                yield Answer(values, (f"{number:.3f}", question.cells[0]), f"{number:.1f}")
