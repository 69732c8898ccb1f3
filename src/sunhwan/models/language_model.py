"""A recurrent language model: the next token from those before it."""

import math
from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from sunhwan.cells import State
from sunhwan.config import ModelConfig
from sunhwan.data import Block
from sunhwan.errors import ConfigError
from sunhwan.layers import Recurrent


class LanguageModel(nn.Module):
    r"""p(token_{t+1} | token_1 … token_t), after Mikolov et al. 2010.

    .. math:: e_t = E[\text{token}_t], \quad y_t = \mathrm{Recurrent}(e_t), \quad
              \text{logits}_t = y_t W + b

    ids (N, T) → logits (N, T, V). The input is an embedding E (V, D), or one-hot, in which case
    D = V and the first layer's W_x is the embedding. With `tied` the output layer is Eᵀ. Dropout
    acts between layers and on the output (Zaremba et al. 2014), not on the embeddings: among so few
    tokens a lost one is a lost input.
    """

    def __init__(self, config: ModelConfig, vocabulary_size: int) -> None:
        super().__init__()
        H, V = config.hidden_size, vocabulary_size
        sizes = (H, config.num_layers, config.embedding_size)
        if min(sizes) < 1 or not config.input or config.dropout < 0:
            raise ConfigError(
                "a model needs its hidden_size, num_layers, embedding_size, input and dropout: "
                "settings left to auto are completed by sunhwan.training.recipe"
            )
        if config.tied and config.input == "one-hot":
            raise ConfigError("model.tied needs an embedding: set model.input to 'embedding'")
        D = V if config.input == "one-hot" else H if config.tied else config.embedding_size
        self.config, self.vocabulary_size = config, V
        self.embedding = nn.Embedding(V, D) if config.input == "embedding" else None
        if self.embedding is not None:
            # Tied, the same rows are output weights, whose scale must not grow with H.
            nn.init.normal_(self.embedding.weight, std=1 / math.sqrt(H) if config.tied else 1.0)
        self.dropout = nn.Dropout(config.dropout)
        self.recurrent = Recurrent(
            config.cell,
            D,
            H,
            config.num_layers,
            dropout=config.dropout,
            bias=config.bias,
            learned_initial_state=config.learned_initial_state,
        )
        self.output = nn.Linear(H, V)
        if config.tied and self.embedding is not None:
            self.output.weight = self.embedding.weight
        else:
            nn.init.xavier_uniform_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def initial_state(self, batch_size: int) -> list[State]:
        """The state before the first token, one NamedTuple of (N, H) a layer."""
        return self.recurrent.initial_state(batch_size)

    def forward(
        self, ids: Tensor, state: Sequence[State] | None = None, resets: Tensor | None = None
    ) -> tuple[Tensor, list[State]]:
        """ids (N, T), state, resets (N, T) → logits (N, T, V), state."""
        # Embedded in (T, N) order, so that the layer's time-major view costs no copy.
        x = self._embed(ids.T).transpose(0, 1)
        y, last = self.recurrent(x, state, resets)
        return self.output(self.dropout(y)), last

    def loss(
        self, block: Block, state: Sequence[State] | None = None
    ) -> tuple[Tensor, list[State]]:
        """Teacher forcing: mean cross-entropy in nats of the block's targets, and the last state."""
        logits, last = self(block.inputs, state, block.resets)
        time_major = logits.transpose(0, 1).flatten(0, 1)
        return functional.cross_entropy(time_major, block.targets.T.flatten()), last

    def _embed(self, ids: Tensor) -> Tensor:
        if self.embedding is None:
            return functional.one_hot(ids, self.vocabulary_size).to(self.output.weight.dtype)
        embedded: Tensor = self.embedding(ids)
        return embedded
