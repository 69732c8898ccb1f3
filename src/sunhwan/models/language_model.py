"""A recurrent language model: the next token from those before it."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

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
from sunhwan.ops import Embedded, output_cross_entropy, pays


class SequenceMasks(NamedTuple):
    """What is dropped throughout a block: tokens (V, 1), in the layers, outputs (1, N, H)."""

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
    """

    def __init__(self, config: ModelConfig, vocabulary_size: int) -> None:
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
        last = get_cell(config.cells[-1]).output_size(sizes[-1])
        D = V if one_hot else last if config.tied else 1 if number else config.embedding_size
        self.config, self.vocabulary_size = config, V
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
        self.output = nn.Linear(self.recurrent.output_size, V)
        if config.tied and self.embedding is not None:
            self.output.weight = self.embedding.weight
        else:
            nn.init.xavier_uniform_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def initial_state(self, batch_size: int) -> list[State]:
        """The state before the first token, one NamedTuple of (N, H) a layer."""
        return self.recurrent.initial_state(batch_size)

    def draw_masks(self, batch_size: int) -> SequenceMasks:
        """Fresh masks for a block of this many rows; none in evaluation."""
        config = self.config
        layers = self.recurrent.draw_masks(batch_size)
        if not self.training:
            return SequenceMasks(None, layers, None)
        weight = self.output.weight
        locked = config.dropout if config.locked_dropout else 0.0
        tokens = mask(config.embedding_dropout, weight, (self.vocabulary_size, 1))
        return SequenceMasks(tokens, layers, mask(locked, weight, (1, batch_size, weight.shape[1])))

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
        totals: list[Tensor] = [self.output.bias.new_zeros(())] * 3
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
        nats = output_cross_entropy(rows, self.output.weight, self.output.bias, targets)
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

    def _embed(self, ids: Tensor, dropped_tokens: Tensor | None) -> Tensor | Embedded:
        if self.embedding is None:
            V, like = self.vocabulary_size, self.output.weight
            if pays(V, ids.numel()):
                return Embedded(ids, torch.eye(V, dtype=like.dtype, device=like.device))
            return functional.one_hot(ids, V).to(like.dtype)
        weight = self.embedding.weight
        return Embedded(ids, weight if dropped_tokens is None else weight * dropped_tokens)
