"""Pretraining: a language model of the texts that a task reads, of the shapes of the task's encoder."""

import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from sunhwan.config import Config, ModelConfig, TrainingConfig
from sunhwan.data import Batches, Ragged
from sunhwan.data.batches import in_batches
from sunhwan.metrics import perplexity_text
from sunhwan.models.bidirectional_language_model import BidirectionalLanguageModel
from sunhwan.models.loss import Loss
from sunhwan.models.mode import evaluating
from sunhwan.tasks.common.examples import EVALUATION_BATCH, Example
from sunhwan.tasks.common.input_kind import InputKind
from sunhwan.tasks.common.interface import Learner, PretrainedParts
from sunhwan.text import Vocabulary

HELD_OUT, FEWEST = 20, 100
"""Of so many texts one tells when the language model is at its best, where there are enough."""


class PretrainingScores(NamedTuple):
    """The mean cross-entropy in nats a token, over both directions, and of how many it is the mean."""

    loss: float
    tokens: int

    @property
    def rank(self) -> float:
        """Model-selection criterion; lower is better."""
        return self.loss

    def to_dict(self) -> dict[str, Any]:
        """The figures by name, ready for JSON."""
        return self._asdict()

    def summary(self) -> str:
        """The figures in one line."""
        return f"loss {self.loss:.4f}  perplexity {perplexity_text(self.loss)}"

    def table(self) -> list[tuple[str, str]]:
        """The figures as rows of name and value."""
        return [("loss", f"{self.loss:.4f} nats per token")]


class Pretraining(Learner):
    """Language model of a task's texts: vocabulary, letters, cell, sizes and directions are the task's.

    Of a deep encoder that reads both ways only the first layer learns so, for those above it see what it
    would have to predict.
    """

    name: ClassVar[str] = "language_model"
    scores_type: ClassVar[type[Any]] = PretrainingScores

    def __init__(self, config: Config, input_kind: InputKind, vocabulary: Vocabulary) -> None:
        self.config, self.input_kind, self.vocabulary = config, input_kind, vocabulary
        shallow = _shallow(config.model)
        self.model: BidirectionalLanguageModel = BidirectionalLanguageModel(
            shallow, input_kind.layer(shallow), len(vocabulary)
        )

    @staticmethod
    def texts(train: Sequence[Example]) -> tuple[list[Tensor], list[Tensor] | None]:
        """The texts of two tokens and more, to learn from and to validate on."""
        texts = [text for example in train for text in example.inputs if len(text) > 1]
        if len(texts) < FEWEST:
            return texts, None
        learned = [text for place, text in enumerate(texts) if place % HELD_OUT]
        return learned, texts[::HELD_OUT]

    def batches(self, train: Sequence[Tensor], config: Config) -> Batches[Tensor, Ragged]:
        size, seed = config.data.batch_size, config.training.seed
        return Batches(train, list(map(len, train)), size, self.input_kind.collate, seed=seed)

    def loss(self, batch: Ragged, state: Any, training: TrainingConfig) -> Loss:
        return self.model.loss(batch.to(self.device))

    @torch.no_grad()
    def evaluate_data(
        self,
        data: Sequence[Tensor],
        *,
        limit: int = 0,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> PretrainingScores:
        total, count = 0.0, 0
        with evaluating(self.model):
            for batch in self._in_batches(_within(data, limit)):
                if interrupted():
                    raise InterruptedError("the evaluation was interrupted")
                found = self.model.loss(batch.to(self.device))
                tokens = int(found.terms or 0)
                total, count = total + found.nats.item() * tokens, count + tokens
        return PretrainingScores(total / count, count)

    def _in_batches(self, texts: Sequence[Tensor]) -> Iterator[Ragged]:
        for places in in_batches(list(map(len, texts)), EVALUATION_BATCH):
            yield self.input_kind.collate([texts[place] for place in places])

    def data_facts(self, train: Sequence[Tensor]) -> dict[str, Any]:
        return {"tokens": sum(map(len, train))}

    def about(self) -> dict[str, Any]:
        return {"vocabulary": f"{len(self.vocabulary)} {self.vocabulary.kind}"}

    def digest(self, data: Sequence[Tensor]) -> str:
        sha = hashlib.sha256()
        for text in data:
            sha.update(f"{tuple(text.shape)}".encode() + text.contiguous().numpy().tobytes())
        return sha.hexdigest()

    def fingerprint(self) -> dict[str, Any]:
        return self.input_kind.to_dict()

    @property
    def title(self) -> str:
        return "language model"

    def pretrained_parts(self) -> list[PretrainedParts]:
        return self.input_kind.pretrained_parts(self.model.encoder)


def _shallow(config: ModelConfig) -> ModelConfig:
    if not config.bidirectional:
        return config
    return dataclasses.replace(
        config, num_layers=1, cell=config.cells[0], hidden_size=config.sizes[0]
    )


def _within(texts: Sequence[Tensor], limit: int) -> Sequence[Tensor]:
    """The first texts, of so many tokens that limit is reached; 0: all."""
    total = 0
    for place, text in enumerate(texts):
        total += len(text)
        if 0 < limit <= total:
            return texts[: place + 1]
    return texts
