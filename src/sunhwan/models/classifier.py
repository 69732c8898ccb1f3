"""Classifier, many to one: a sequence, or a pair of them, → a label."""

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
from sunhwan.models.ngrams import NgramLinear


class Labelled(NamedTuple):
    """A batch: one sequence a row, or two, and the labels (N) int64.

    left_out: in training, what the linear part fitted without each row says of it, logits (N, L).
    """

    inputs: tuple[Ragged, ...]
    labels: Tensor
    left_out: Tensor | None = None

    def to(self, device: torch.device) -> "Labelled":
        """The same on a device."""
        left_out = None if self.left_out is None else self.left_out.to(device)
        inputs = tuple(x.to(device) for x in self.inputs)
        return Labelled(inputs, self.labels.to(device), left_out)


class Classifier(nn.Module):
    r"""p(label | sequence) = softmax((ρ (v W + b) + z) / τ), v = pool(y_1 … y_T).

    z, `linear`, are the logits of a linear model of the sequence's n-grams, or 0 where there is none.
    τ, `temperature`, and ρ, `share`, are 1 in training and are fitted afterwards to held-out examples (Guo
    et al. 2017). A stored model has ρ within W and b.
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
        linear: NgramLinear | None = None,
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
        self.linear = linear
        self.temperature = 1.0
        self.share = 1.0

    def encode(self, sequences: Ragged) -> Tensor:
        """Sequences → one vector (N, E) each."""
        encoded: Tensor = self.pooling(self.encoder(sequences), sequences.lengths)
        return encoded

    def forward(self, inputs: Sequence[Ragged]) -> Tensor:
        """One sequence a row, or two → logits (N, L)."""
        logits = self.network(inputs)
        if self.linear is not None:
            share = 1.0 if self.training else self.share
            logits = share * logits + self.linear(inputs[0])
        return logits if self.training or self.temperature == 1.0 else logits / self.temperature

    def network(self, inputs: Sequence[Ragged]) -> Tensor:
        """The logits without those of the linear part."""
        encoded = [self.encode(sequences) for sequences in inputs]
        if len(encoded) == 1:
            (v,) = encoded
        else:
            first, second = encoded
            v = torch.cat((first, second, (first - second).abs(), first * second), -1)
        logits: Tensor = self.output(self.dropout(v))
        return logits

    def loss(self, batch: Labelled, weights: Tensor | None = None, smoothing: float = 0.0) -> Loss:
        """The mean cross-entropy; the objective weighs each class with `weights` (L)."""
        if batch.left_out is None:
            logits = self(batch.inputs)
        else:
            logits = self.network(batch.inputs) + batch.left_out
        nats = functional.cross_entropy(logits, batch.labels)
        if weights is None and not smoothing:
            return Loss(nats, nats, terms=len(logits))
        objective = functional.cross_entropy(
            logits, batch.labels, weights, label_smoothing=smoothing
        )
        weight = None if weights is None else weights[batch.labels].sum()
        return Loss(nats, objective, terms=len(logits), weight=weight)
