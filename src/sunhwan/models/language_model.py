"""A recurrent language model: the next token from those before it."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from sunhwan.cells import State, get_cell
from sunhwan.config import ModelConfig
from sunhwan.data import Block
from sunhwan.errors import ConfigError
from sunhwan.layers import Masks, mask
from sunhwan.layers.sequences import is_padding
from sunhwan.models.loss import Loss
from sunhwan.models.recurrence import recurrence
from sunhwan.models.softmax import FULL, AdaptiveSoftmax, Softmax
from sunhwan.ops import (
    LazyEmbedding,
    folding_is_cheaper,
    output_cross_entropy,
    sampled_cross_entropy,
)


class SequenceMasks(NamedTuple):
    """Dropout masks of a block: tokens (V, 1), in the layers, outputs (1, N, H)."""

    embedding: Tensor | None
    layers: list[Masks]
    output: Tensor | None


class LanguageModel(nn.Module):
    r"""p(token_{t+1} | token_1 … token_t), after Mikolov et al. 2010.

    .. math:: e_t = E[\text{token}_t], \quad y_t = \mathrm{Recurrent}(e_t), \quad
              \text{logits}_t = y_t W + b

    ids (N, T) → logits (N, T, V). The input is an embedding E (V, D), or one-hot, in which case
    D = V and the first layer's W_x is the embedding, or the token's number 1 … V, in which case D = 1.
    With `tied` the output layer is Eᵀ (Press and Wolf 2017). Dropout acts between layers and on the
    output (Zaremba et al. 2014), not on the entries of an embedding: among so few tokens a lost one is
    a lost input. For words there is `embedding_dropout`, which drops whole tokens (Gal and Ghahramani
    2016).

    softmax: over many tokens an adaptive one, whose logits are log p, or one that is trained on sampled
    tokens; of both a step touches few rows of E, and its gradient is sparse.
    """

    output: Any
    """An `nn.Linear`, or an `AdaptiveSoftmax`: y (…, H) → logits (…, V)."""

    def __init__(self, config: ModelConfig, vocabulary_size: int, softmax: Softmax = FULL) -> None:
        super().__init__()
        V = vocabulary_size
        sizes = config.sizes
        unset = min(*sizes, config.num_layers, config.embedding_size) < 1 or config.dropout < 0
        if unset or not config.input:
            raise ConfigError(
                "a model needs its hidden_size, num_layers, embedding_size, input and dropout: "
                "settings left to auto are completed by sunhwan.tasks.common.recipe"
            )
        if config.bidirectional:
            raise ConfigError(
                "a language model must not see what it predicts: set model.direction to 'forward'"
            )
        one_hot = config.input == "one-hot"
        number = config.input == "number"
        if (one_hot or number) and (config.tied or config.embedding_dropout):
            setting = "tied" if config.tied else "embedding_dropout"
            raise ConfigError(f"model.{setting} needs an embedding: set model.input to 'embedding'")
        if config.tied and config.connection == "dense":
            raise ConfigError(
                "model.tied needs outputs of the embedding's size, which dense connections add to: "
                "set model.connection to another or model.tied to false"
            )
        if softmax.sparse and (one_hot or number):
            raise ConfigError(
                f"model.softmax {softmax.kind!r} is for many tokens, and they need an embedding: set "
                "model.input to 'embedding' or model.softmax to 'full'"
            )
        if softmax.kind == "adaptive" and config.tied:
            raise ConfigError(
                "the vectors of an adaptive softmax have several sizes, and no embedding has: set "
                "model.tied to false or model.softmax to 'sampled'"
            )
        last = get_cell(config.cells[-1]).output_size(sizes[-1])
        D = V if one_hot else last if config.tied else 1 if number else config.embedding_size
        self.config, self.vocabulary_size, self.softmax = config, V, softmax
        self.embedding = None if one_hot else nn.Embedding(V, D)
        if self.embedding is not None:
            # Tied, the same rows are output weights, whose scale must not grow with H.
            nn.init.normal_(self.embedding.weight, std=1 / math.sqrt(D) if config.tied else 1.0)
        if self.embedding is not None and number:
            # A table that is not learned, so that all that reads embeddings reads numbers.
            places = torch.arange(1, V + 1, dtype=self.embedding.weight.dtype).unsqueeze(1)
            self.embedding.weight = nn.Parameter(places, requires_grad=False)
        self.dropout = nn.Dropout(config.dropout)
        self.recurrent = recurrence(config, D, bidirectional=False)
        H = self.recurrent.output_size
        if softmax.kind == "adaptive":
            self.output = AdaptiveSoftmax(H, V, softmax.cutoffs)
            return
        # Of many tokens a second table is not made for nothing.
        self.output = nn.Linear(H, 1 if softmax.sparse and config.tied else V)
        if config.tied and self.embedding is not None:
            self.output.weight = self.embedding.weight
            self.output.out_features = V
        else:
            nn.init.xavier_uniform_(self.output.weight)
        if len(self.output.bias) < V:
            self.output.bias = nn.Parameter(self.output.bias.new_empty(V))
        nn.init.zeros_(self.output.bias)

    @property
    def like(self) -> Tensor:
        """A tensor of the type and on the device of the parameters."""
        return next(self.parameters())

    @property
    def sparse_parameters(self) -> list[nn.Parameter]:
        """Tables of which a step touches few rows: their gradients are sparse."""
        if not self.softmax.sparse or self.embedding is None:
            return []
        sampled = isinstance(self.output, nn.Linear) and not self.config.tied
        return [self.embedding.weight, *([self.output.weight] if sampled else [])]

    def initial_state(self, batch_size: int) -> list[State]:
        """The state before the first token, one NamedTuple of (N, H) a layer."""
        return self.recurrent.initial_state(batch_size)

    def draw_masks(self, batch_size: int) -> SequenceMasks:
        """Fresh masks for a block of this many rows; none in evaluation."""
        config = self.config
        layers = self.recurrent.draw_masks(batch_size)
        if not self.training:
            return SequenceMasks(None, layers, None)
        like, H = self.like, self.recurrent.output_size
        locked = config.dropout if config.locked_dropout else 0.0
        tokens = mask(config.embedding_dropout, like, (self.vocabulary_size, 1))
        return SequenceMasks(tokens, layers, mask(locked, like, (1, batch_size, H)))

    def forward(
        self, ids: Tensor, state: Sequence[State] | None = None, resets: Tensor | None = None
    ) -> tuple[Tensor, list[State]]:
        """ids (N, T), state, resets (N, T) → logits (N, T, V), state."""
        y, last = self.read(ids, state, resets)
        return self.output(y).transpose(0, 1), last

    def read(
        self, ids: Tensor, state: Sequence[State] | None = None, resets: Tensor | None = None
    ) -> tuple[Tensor, list[State]]:
        """ids (N, T), state, resets (N, T) → what the output layer is given (T, N, H), state."""
        masks = self.draw_masks(len(ids))
        y, last = self._read(ids, state, resets, masks)
        return self._dropped(y, masks), last

    def loss(
        self,
        block: Block,
        state: Sequence[State] | None = None,
        *,
        activation: float = 0.0,
        temporal_activation: float = 0.0,
        bptt_memory: str = "full",
    ) -> Loss:
        r"""Teacher forcing: the mean cross-entropy of the block's targets, padding left out.

        The objective adds α · mean(y²) of the dropped outputs, `activation`, and
        β · mean((y_t − y_{t−1})²), `temporal_activation` (Merity et al. 2018).

        bptt_memory: "full" keeps every step for the backward pass; "sqrt" only about 2 √T of them,
        and computes each step twice (Chen et al. 2016): the same numbers in less memory.

        The state in the outcome is that in which the next block begins: of a block that overlaps the
        one before, not the last one.
        """
        N, T = block.inputs.shape
        masks = self.draw_masks(N)
        now = self.initial_state(N) if state is None else list(state)
        length = T if bptt_memory == "full" else math.isqrt(max(T - 1, 0)) + 1
        new = T - block.overlap
        before: Tensor | None = None
        totals: list[Tensor] = [self.like.new_zeros(())] * 3
        carried = now
        for start, end in pairwise(sorted({*range(0, T, length), new, T})):
            part = block.part(start, end)
            arguments = (part, now, before, masks, activation > 0, temporal_activation > 0)
            if length == T:
                sums, before, now = self._sums(*arguments)
            else:
                sums, before, now = checkpoint(self._sums, *arguments, use_reentrant=False)
            totals = [total + more for total, more in zip(totals, sums, strict=True)]
            carried = now if end == new else carried
        nats, squares, changes = totals
        steps, pairs = N * new, N * (new - 1)
        if block.lengths is not None:
            steps, pairs = int(block.lengths.sum()), int((block.lengths - 1).clamp(min=0).sum())
        nats = nats / steps
        H = self.recurrent.output_size
        objective = nats + activation * squares / (steps * H)
        if pairs:
            objective = objective + temporal_activation * changes / (pairs * H)
        return Loss(nats, objective, carried, steps)

    def _sums(
        self,
        block: Block,
        state: list[State],
        before: Tensor | None,
        masks: SequenceMasks,
        activation: bool,
        temporal: bool,
    ) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor | None, list[State]]:
        """Of a piece of a block: Σ cross-entropy, Σ y², Σ (y_t − y_{t−1})²; the last y; the state.

        before: the y (N, H) of the step before the piece, or None where none is counted. The two sums
        of squares are 0 unless asked for.
        """
        y, last = self._read(block.inputs, state, block.resets, masks, block.lengths)
        dropped = self._dropped(y, masks)
        if block.overlap:
            y, dropped = y[block.overlap :], dropped[block.overlap :]
            if not len(y):
                return (y.new_zeros(()),) * 3, None, last
        # In the order of time, which a sum does not mind: only the ids are transposed.
        rows, targets = dropped.flatten(0, 1), block.targets[:, block.overlap :].T.flatten()
        real = None if block.lengths is None else ~is_padding(len(y), block.lengths)
        if real is not None:
            rows, targets = rows[real.flatten()], targets[real.flatten()]
        nats = self._nats(rows, targets)
        changes = nats.new_zeros(())
        if temporal:
            steps, first = y[1:] - y[:-1], None if before is None else y[0] - before
            if real is not None:
                # Between a row's last step and its padding nothing changes that counts.
                steps = steps * real[1:].unsqueeze(2)
                first = None if first is None else first * real[0].unsqueeze(1)
            changes = steps.square().sum()
            if first is not None:
                changes = changes + first.square().sum()
        kept = dropped if real is None else rows
        squares = kept.square().sum() if activation else nats.new_zeros(())
        # A copy, which does not keep all of y alive.
        return (nats, squares, changes), y[-1].clone(), last

    def _nats(self, y: Tensor, targets: Tensor) -> Tensor:
        """y (R, H), targets (R) → Σ −log p(target); an estimate where tokens are sampled in training."""
        output = self.output
        if isinstance(output, AdaptiveSoftmax):
            return output.nats(y, targets)
        if self.softmax.kind == "sampled" and self.training:
            samples = self.softmax.samples
            return sampled_cross_entropy(y, output.weight, output.bias, targets, samples)
        return output_cross_entropy(y, output.weight, output.bias, targets)

    def _read(
        self,
        ids: Tensor,
        state: Sequence[State] | None,
        resets: Tensor | None,
        masks: SequenceMasks,
        lengths: Tensor | None = None,
    ) -> tuple[Tensor, list[State]]:
        """ids (N, T) → y (T, N, H), state."""
        # In (T, N) order, so that the layer's time-major view costs no copy.
        x = self._embed(ids.T, masks.embedding).transpose(0, 1)
        y, last = self.recurrent(x, state, resets, lengths, masks=masks.layers)
        return y.transpose(0, 1), last

    def _dropped(self, y: Tensor, masks: SequenceMasks) -> Tensor:
        if self.config.locked_dropout:
            return y if masks.output is None else y * masks.output
        dropped: Tensor = self.dropout(y)
        return dropped

    def _embed(self, ids: Tensor, dropped_tokens: Tensor | None) -> Tensor | LazyEmbedding:
        if self.embedding is None:
            V, like = self.vocabulary_size, self.like
            if folding_is_cheaper(V, ids.numel()):
                return LazyEmbedding(ids, torch.eye(V, dtype=like.dtype, device=like.device))
            return functional.one_hot(ids, V).to(like.dtype)
        weight = self.embedding.weight
        if self.softmax.sparse:
            x = functional.embedding(ids, weight, sparse=True)
            return x if dropped_tokens is None else x * dropped_tokens[ids]
        return LazyEmbedding(ids, weight if dropped_tokens is None else weight * dropped_tokens)
