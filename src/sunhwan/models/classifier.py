"""Many to one: a sequence, or a pair of them, → a label."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from sunhwan.config import ModelConfig
from sunhwan.data import Ragged
from sunhwan.layers import Pooling
from sunhwan.models.encoder import Encoder
from sunhwan.models.inputs import InputLayer
from sunhwan.models.loss import Loss


class Labelled(NamedTuple):
    """A batch: one sequence a row, or two, and the labels (N) int64."""

    inputs: tuple[Ragged, ...]
    labels: Tensor

    def to(self, device: torch.device) -> "Labelled":
        """The same on a device."""
        return Labelled(tuple(x.to(device) for x in self.inputs), self.labels.to(device))


class Classifier(nn.Module):
    r"""p(label | sequence) = softmax((v W + b) / τ), v = pool(y_1 … y_T).

    τ, `temperature`, is 1 in training and is fitted afterwards to held-out examples (Guo et al. 2017).
    Of a pair both go through the same encoder, and v = [u; v; |u − v|; u ⊙ v] (Conneau et al. 2017;
    Mou et al. 2016).
    """

    def __init__(
        self,
        config: ModelConfig,
        inputs: InputLayer,
        labels: int,
        *,
        sequences: int = 1,
        pooling: str = "max",
    ) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config, inputs)
        directions = 2 if config.bidirectional else 1
        self.pooling = Pooling(pooling, self.encoder.output_size, directions)
        self.dropout = nn.Dropout(config.dropout)
        width = self.pooling.output_size * (1 if sequences == 1 else 4)
        self.output = nn.Linear(width, labels)
        nn.init.xavier_uniform_(self.output.weight)
        nn.init.zeros_(self.output.bias)
        self.temperature = 1.0

    def encode(self, sequences: Ragged) -> Tensor:
        """Sequences → one vector (N, E) each."""
        encoded: Tensor = self.pooling(self.encoder(sequences), sequences.lengths)
        return encoded

    def forward(self, inputs: Sequence[Ragged]) -> Tensor:
        """One sequence a row, or two → logits (N, L)."""
        encoded = [self.encode(sequences) for sequences in inputs]
        if len(encoded) == 1:
            (v,) = encoded
        else:
            first, second = encoded
            v = torch.cat((first, second, (first - second).abs(), first * second), -1)
        logits: Tensor = self.output(self.dropout(v))
        return logits if self.training or self.temperature == 1.0 else logits / self.temperature

    def loss(self, batch: Labelled, weights: Tensor | None = None, smoothing: float = 0.0) -> Loss:
        """The mean cross-entropy; the objective weighs each class with `weights` (L)."""
        logits = self(batch.inputs)
        nats = functional.cross_entropy(logits, batch.labels)
        if weights is None and not smoothing:
            return Loss(nats, nats, terms=len(logits))
        objective = functional.cross_entropy(
            logits, batch.labels, weights, label_smoothing=smoothing
        )
        weight = None if weights is None else weights[batch.labels].sum()
        return Loss(nats, objective, terms=len(logits), weight=weight)
