"""Autoregressive decoder with optional attention over the steps of what was read."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from sunhwan.cells import State
from sunhwan.config import ModelConfig
from sunhwan.data import Ragged
from sunhwan.errors import ConfigError
from sunhwan.layers import Attention, Masks, RecurrentLayer
from sunhwan.layers.attention import PreparedKeys
from sunhwan.layers.sequences import is_padding
from sunhwan.models.inputs import TokenInput
from sunhwan.models.loss import Loss
from sunhwan.models.recurrence import recurrence
from sunhwan.ops import LazyEmbedding, materialised, output_cross_entropy


class Memory(NamedTuple):
    """Memory of a decoder: what the encoder gives it.

    summary: (N, S), one vector of all that was read. steps: (N, T_s, E), the outputs at each step,
    and lengths (N), how many are real; None where there is nothing to attend to.
    """

    summary: Tensor
    steps: Tensor | None = None
    lengths: Tensor | None = None


class Reader(nn.Module):
    """Inputs → `Memory`, of sizes S = `summary_size` and E = `step_size`; None: it has no steps."""

    summary_size: int
    step_size: int | None


class DecoderState(NamedTuple):
    """Where M texts about N inputs stand; M is a multiple of N, texts about one input side by side.

    layers: the recurrence's, of M rows. fed: the last attentional vectors (M, A), None without input
    feeding. summary (N, S) and keys, of N rows: what was read, ready to be looked at.
    """

    layers: list[State]
    fed: Tensor | None
    summary: Tensor
    keys: PreparedKeys | None

    def rows(self, texts: Tensor, inputs: Tensor | None = None) -> "DecoderState":
        """Those of these texts (indices, one may be there twice), and of these inputs; None: all."""
        layers = [type(layer)(*(field[texts] for field in layer)) for layer in self.layers]
        fed = None if self.fed is None else self.fed[texts]
        if inputs is None:
            return DecoderState(layers, fed, self.summary, self.keys)
        keys = self.keys
        if keys is not None:
            padding = None if keys.padding is None else keys.padding[inputs]
            keys = PreparedKeys(keys.keys[inputs], keys.projected[inputs], padding)
        return DecoderState(layers, fed, self.summary[inputs], keys)


class SummaryField(NamedTuple):
    """A field of a layer's state that begins at tanh(summary W_s + b_s)[:, start:stop]."""

    layer: int
    name: str
    start: int
    stop: int


class Decoder(nn.Module):
    r"""p(y_t | y_1 … y_{t−1}, what was read), after Sutskever et al. 2014, Luong et al. 2015.

    .. math:: h_t = \mathrm{Recurrent}(E[y_{t-1}], h_{t-1}), \quad c_t = \mathrm{attend}(h_t), \quad
              \tilde h_t = \tanh([h_t; c_t] W_c), \quad p_t = \mathrm{softmax}(\tilde h_t W + b)

    Every text begins and ends with EOS. The state before it is tanh(summary W_s + b_s), in every
    layer and field.

    Without attention, by configuration or because there are no steps, c_t is the summary, which
    enters beside each token too, so that it is not forgotten (Cho et al. 2014). With input feeding
    h̃_{t−1} enters beside each token (Luong et al. 2015): the decoder then knows where it looked, and
    training goes step by step; without, all steps of a text are computed at once.

    Args:
        config: completed; `tied` and all of the recurrence.
        vocabulary_size: V.
        summary_size, step_size: S and E of the memory; step_size None: no steps.
        eos: the id of EOS.
        attention: a kind of `Attention`, or "none". input_feeding: as above.
    """

    def __init__(
        self,
        config: ModelConfig,
        vocabulary_size: int,
        summary_size: int,
        step_size: int | None,
        *,
        eos: int,
        attention: str = "additive",
        input_feeding: bool = False,
    ) -> None:
        super().__init__()
        if config.embedding_size < 1:
            raise ConfigError(
                "a decoder needs its embedding_size: sunhwan.tasks.common.recipe chooses one"
            )
        self.config, self.eos, self.input_feeding = config, eos, input_feeding
        D = config.embedding_size
        self.width = D if config.tied else config.sizes[-1]
        self.inputs = TokenInput(vocabulary_size, D, token_dropout=config.embedding_dropout)
        beside = self.width if input_feeding else 0
        keys = None if attention == "none" else step_size
        # The state before the text is made of the summary: one that is learned would be idle.
        settings = dataclasses.replace(config, learned_initial_state=False)
        self.recurrent = recurrence(
            settings, D + beside + (summary_size if keys is None else 0), bidirectional=False
        )
        H = self.recurrent.output_size
        self.attention = None if keys is None else Attention(attention, H, keys)
        self.first = nn.Linear(summary_size, self.summary_fields()[-1].stop)
        self.combine = nn.Linear(H + (keys or summary_size), self.width, bias=False)
        self.dropout = nn.Dropout(config.dropout)
        self.output = nn.Linear(self.width, vocabulary_size)
        for layer in (self.first, self.combine, self.output):
            nn.init.xavier_uniform_(layer.weight)
        if config.tied:
            nn.init.normal_(self.inputs.embedding.weight, std=1 / math.sqrt(D))
            self.output.weight = self.inputs.embedding.weight
        nn.init.zeros_(self.first.bias)
        nn.init.zeros_(self.output.bias)

    def forward(self, targets: Tensor, memory: Memory, *, sampled: float = 0.0) -> Tensor:
        """targets (N, T), what each text should say → h̃ (N, T, A) before each of its tokens.

        Teacher forcing: what was written so far is what should be. Of the share `sampled` of the
        tokens it is what the model itself would have said (Bengio et al. 2015).
        """
        state = self.start(memory)
        begin = torch.full_like(targets[:, :1], self.eos)
        ids = torch.cat((begin, targets[:, :-1]), 1)
        table = self.inputs.table()
        if state.fed is None and not sampled:
            y, _ = self.recurrent(self._beside(LazyEmbedding(ids, table), state), state.layers)
            return self._look(y, state)[0]
        masks = self.recurrent.draw_masks(len(ids))
        vectors: list[Tensor] = []
        for now in ids.unbind(1):
            if sampled and vectors:
                own = self.output(vectors[-1].detach()).argmax(-1)
                now = torch.where(torch.rand(now.shape, device=now.device) < sampled, own, now)
            vector, state, _ = self._advance(LazyEmbedding(now, table), state, masks)
            vectors.append(vector)
        return torch.stack(vectors, 1)

    def loss(
        self, targets: Ragged, memory: Memory, *, smoothing: float = 0.0, sampled: float = 0.0
    ) -> Loss:
        """targets (N, T), each with EOS at its end → the mean cross-entropy of a token.

        The objective spreads the share `smoothing` of the target over all tokens (Szegedy et al.
        2016).
        """
        vectors = self(targets.values, memory, sampled=sampled)
        real = targets.is_real()
        y, gold = vectors[real], targets.values[real]
        if not smoothing:
            total = output_cross_entropy(y, self.output.weight, self.output.bias, gold)
            nats = total / len(gold)
            return Loss(nats, nats, terms=len(gold))
        found = torch.log_softmax(self.output(y).to(self.output.weight.dtype), -1)
        nats = -found.gather(1, gold.unsqueeze(1)).mean()
        objective = (1 - smoothing) * nats - smoothing * found.mean()
        return Loss(nats, objective, terms=len(gold))

    def start(self, memory: Memory) -> DecoderState:
        """Before the first token of a text about each input."""
        summary, steps, lengths = memory
        values = torch.tanh(self.first(summary))
        layers: list[Any] = [layer.initial_state(len(summary)) for layer in self.recurrent.stack]
        for depth, name, begin, end in self.summary_fields():
            layers[depth] = layers[depth]._replace(**{name: values[:, begin:end]})
        fed = summary.new_zeros(len(summary), self.width) if self.input_feeding else None
        keys = None
        if self.attention is not None and steps is not None:
            padding = None if lengths is None else is_padding(steps.shape[1], lengths).T
            keys = self.attention.prepare(steps, padding)
        return DecoderState(layers, fed, summary, keys)

    def step(self, ids: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState, Tensor | None]:
        """The last tokens (M) of texts, EOS before the first → log p of the next (M, V) float64,
        the state after them, and where they looked (M, T_s), None without attention."""
        vector, state, weights = self._advance(LazyEmbedding(ids, self.inputs.table()), state)
        return torch.log_softmax(self.output(vector).double(), -1), state, weights

    def _advance(
        self, tokens: LazyEmbedding, state: DecoderState, masks: Sequence[Masks] | None = None
    ) -> tuple[Tensor, DecoderState, Tensor | None]:
        """A token (M) each → h̃ (M, A), state, weights (M, T_s)."""
        N, M = len(state.summary), len(tokens)
        # Texts about one input are to attention what the steps of one text are.
        x = self._beside(LazyEmbedding(tokens.ids.reshape(N, -1), tokens.weight), state)
        y, layers = self.recurrent(materialised(x).reshape(M, 1, -1), state.layers, masks=masks)
        vectors, weights = self._look(y.reshape(N, M // N, -1), state)
        vector = vectors.flatten(0, 1)
        fed = None if state.fed is None else vector
        return (
            vector,
            state._replace(layers=layers, fed=fed),
            None if weights is None else weights.flatten(0, 1),
        )

    def _beside(self, tokens: LazyEmbedding, state: DecoderState) -> Tensor | LazyEmbedding:
        """tokens (N, T) → what the recurrence reads: their vectors, and what stands beside them."""
        N, T = tokens.ids.shape
        beside = []
        if self.attention is None:
            beside.append(state.summary.unsqueeze(1).expand(N, T, -1))
        if state.fed is not None:
            beside.append(state.fed.reshape(N, T, -1))
        return torch.cat((tokens.materialise(), *beside), -1) if beside else tokens

    def _look(self, y: Tensor, state: DecoderState) -> tuple[Tensor, Tensor | None]:
        """h (N, T, H) → h̃ (N, T, A) and weights (N, T, T_s)."""
        if self.attention is None or state.keys is None:
            context, weights = state.summary.unsqueeze(1).expand(*y.shape[:2], -1), None
        else:
            context, weights = self.attention.attend(y, state.keys)
        vectors: Tensor = self.dropout(torch.tanh(self.combine(torch.cat((y, context), -1))))
        return vectors, weights

    def summary_fields(self) -> list[SummaryField]:
        """The fields of the state that the summary decides, in the order of their numbers."""
        found, start = list[SummaryField](), 0
        for depth, layer in enumerate(self.recurrent.stack):
            sizes = layer.cell.state_sizes(layer.hidden_size)
            for name, size in zip(layer.cell.state_type._fields, sizes, strict=True):
                if name in _learned(layer):
                    found.append(SummaryField(depth, name, start, start + size))
                    start += size
        return found


def _learned(layer: RecurrentLayer) -> tuple[str, ...]:
    """The fields of a layer's state that may begin at other values than 0."""
    fields: tuple[str, ...] = layer.cell.state_type._fields
    learned = layer.cell.learned_fields
    return fields if learned is None else tuple(name for name in fields if name in learned)
