"""Question answering: which word of a passage answers a question, by attention over the passage."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from sunhwan.config import ModelConfig
from sunhwan.data import Ragged
from sunhwan.layers import Attention, Pooling
from sunhwan.layers.sequences import is_padding
from sunhwan.models.encoder import Encoder
from sunhwan.models.inputs import InputLayer
from sunhwan.models.loss import Loss

LEAST = 1e-30
"""A probability below this counts as this much: of float32 it would be 0."""


class AskedPassages(NamedTuple):
    """A batch: passages and questions, and which steps of a passage are the answer (N, T) bool."""

    passages: Ragged
    questions: Ragged
    targets: Tensor

    def to(self, device: torch.device) -> "AskedPassages":
        """The same on a device."""
        return AskedPassages(
            self.passages.to(device), self.questions.to(device), self.targets.to(device)
        )


class PassageReader(nn.Module):
    r"""p(step s is the answer) = softmax_s(q W y_s), q = pool(y of the question) (Kadlec et al. 2016).

    One encoder reads both. The answer is the word with the largest sum of weights, so that where the model
    looked is where the answer is from.
    """

    def __init__(self, config: ModelConfig, inputs: InputLayer) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config, inputs)
        E = self.encoder.output_size
        self.pooling = Pooling("max", E, 2 if config.bidirectional else 1)
        self.attention = Attention("general", E, E)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, passages: Ragged, questions: Ragged) -> Tensor:
        """Passages of T steps, questions → the weight of every step (N, T), 0 behind a row's end."""
        y = self.encoder(passages)
        query = self.pooling(self.encoder(questions), questions.lengths)
        padding = is_padding(y.shape[1], passages.lengths).T
        weights: Tensor = self.attention(self.dropout(query), y, padding=padding).weights
        return weights

    def losses(self, batch: AskedPassages) -> Tensor:
        """−log of the weight on the answer, (N)."""
        found = self(batch.passages, batch.questions)
        right: Tensor = (found * batch.targets).sum(1)
        return -right.clamp(min=LEAST).log()

    def loss(self, batch: AskedPassages) -> Loss:
        """The mean of `losses`."""
        nats = self.losses(batch).mean()
        return Loss(nats, nats, terms=len(batch.targets))
