"""Language model over an encoder, in each of the directions in which it reads (Peters et al. 2018)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from sunhwan.config import ModelConfig
from sunhwan.data import Ragged
from sunhwan.models.encoder import Encoder
from sunhwan.models.inputs import InputLayer
from sunhwan.models.loss import Loss
from sunhwan.ops import output_cross_entropy


class Neighbours(NamedTuple):
    """Outputs (R, H), and the tokens (R) that stand one step ahead of, or behind, what each has read."""

    outputs: Tensor
    tokens: Tensor


class BidirectionalLanguageModel(nn.Module):
    r"""p(token_{t+1} | token_1 … token_t) and, of both directions, p(token_{t-1} | token_t … token_T).

    The two directions share the embedding and the output layer (Peters et al. 2018). No layer may read
    both: of a bidirectional encoder there is one layer.

    sequences (N, T) of ids, or (N, T, 1 + C) of a word's id and its letters.
    """

    def __init__(self, config: ModelConfig, inputs: InputLayer, vocabulary_size: int) -> None:
        super().__init__()
        self.encoder = Encoder(config, inputs)
        self.dropout = nn.Dropout(config.dropout)
        width = self.encoder.output_size // self.encoder.recurrent.directions
        self.output = nn.Linear(width, vocabulary_size)
        nn.init.xavier_uniform_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def neighbours(self, sequences: Ragged) -> Neighbours:
        """Targets of the outputs: R rows, those of the forward direction first."""
        ids = sequences.values if sequences.values.dim() == 2 else sequences.values[..., 0]
        y = self.dropout(self.encoder(sequences))
        width = self.output.in_features
        later = sequences.is_real()[:, 1:]
        outputs, tokens = [y[:, :-1, :width][later]], [ids[:, 1:][later]]
        if y.shape[-1] > width:
            outputs.append(y[:, 1:, width:][later])
            tokens.append(ids[:, :-1][later])
        return Neighbours(torch.cat(outputs), torch.cat(tokens))

    def loss(self, sequences: Ragged) -> Loss:
        """The mean cross-entropy over both directions."""
        outputs, tokens = self.neighbours(sequences)
        nats = output_cross_entropy(outputs, self.output.weight, self.output.bias, tokens)
        nats = nats / max(len(tokens), 1)
        return Loss(nats, nats, terms=len(tokens))
