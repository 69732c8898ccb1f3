"""Models of separate examples as subjects: each passage is one example."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sunhwan.config import Config
from sunhwan.errors import UsageError
from sunhwan.inspection.subjects.base import Passage, Subject
from sunhwan.inspection.subjects.token_texts import pieces_of
from sunhwan.models.inputs import InputLayer, TokenInput, WordInput
from sunhwan.tasks import Task
from sunhwan.tasks.common.examples import Example, ExampleTask
from sunhwan.tasks.common.input_kind import InputKind
from sunhwan.tasks.common.input_kinds import TextKind
from sunhwan.tasks.common.questions import Pair, Question
from sunhwan.tasks.common.word_input import WordsKind


class ExampleSubject(Subject):
    """A model of questions that are apart from each other: a passage is a question."""

    task: ExampleTask

    @property
    def source(self) -> InputKind:
        """The input that the model reads."""
        source: InputKind = self.task.input_kind  # type: ignore[attr-defined]
        return source

    def of_example(self, example: Example) -> Passage:
        """A question with its answer → a passage."""
        pieces, labels = self._pieces(example)
        return Passage("".join(pieces), tuple(pieces), tuple(labels), example.where, example)

    def _pieces(self, example: Example) -> tuple[list[str], list[str]]:
        source, steps = self.source, example.inputs[0]
        if isinstance(source, TextKind):
            ids = steps.tolist()
            return pieces_of(source.vocabulary, ids), source.vocabulary.token_texts(ids)
        if isinstance(source, WordsKind):
            words = list(example.raw[: len(steps)])
            return [word + " " * (i < len(words) - 1) for i, word in enumerate(words)], words
        return [""] * len(steps), [str(step + 1) for step in range(len(steps))]

    def read(self, path: Path) -> list[Passage]:
        return [self.of_example(example) for example in self.task.read(path)]

    def held_out(self, config: Config) -> list[Passage]:
        # It makes a fresh model too, which draws random numbers.
        with torch.random.fork_rng(devices=[]):
            prepared = type(self.task).prepare(config)
        if not prepared.validation:
            raise UsageError("the run kept no examples for validation: name a file")
        files = [config.text.validation] if config.text.validation else config.sources
        # Encoded anew: the vocabulary is the model's, which need not be that of its corpus.
        found = (
            self._pair(example, prepared.task, _folder(example, files))
            for example in prepared.validation
        )
        return [self.of_example(example) for example in self._examples(found)]

    def _pair(self, example: Example, task: Task, folder: Path) -> Pair:
        *cells, answer = example.raw
        return Pair(Question(tuple(cells), example.where, folder), answer)

    def _examples(self, pairs: Iterable[Pair]) -> list[Example]:
        examples: list[Example] = self.task.examples(pairs)  # type: ignore[attr-defined]
        return examples

    def windows(self, passages: Sequence[Passage], length: int, count: int) -> list[Passage]:
        short = [p for p in passages if 0 < len(p.labels) <= length] or list(passages)
        every = max(len(short) / max(count, 1), 1)
        return [short[int(k * every)] for k in range(min(count, len(short)))]

    @property
    def first_input(self) -> InputLayer:
        """The layer that embeds the steps of the first stack."""
        model: Any = self.task.model
        first: InputLayer = model.encoder.inputs
        return first

    @property
    def output_layer(self) -> nn.Linear:
        output: nn.Linear = self.task.model.output  # type: ignore[assignment]
        return output

    @property
    def input_layers(self) -> tuple[int, list[nn.Module]]:
        first = self.first_input
        if isinstance(first, TokenInput | WordInput):
            table = first.embedding if isinstance(first, TokenInput) else first.words
            return table.num_embeddings, [first]
        return 0, [first]

    def mean_input(self, x: Tensor) -> Tensor:
        if isinstance(self.first_input, TokenInput):
            return self.first_input.embedding.weight.detach().mean(0)
        return x.mean(0)

    def _batch(self, passages: Sequence[Passage]) -> Any:
        batch = self.task.collate([passage.given for passage in passages])
        return batch.to(self.task.device)


def _folder(example: Example, files: Sequence[str]) -> Path:
    """The folder of that file which an example is from: there are the files that it names."""
    own = [file for file in files if example.where.startswith(file)]
    return Path(max(own, key=len, default=files[0])).parent
