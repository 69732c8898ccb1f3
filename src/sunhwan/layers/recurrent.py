"""A stack of recurrent layers: (x, state) → (output, state)."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any, Self, cast

import torch
from torch import Tensor, nn

from sunhwan.cells import Cell, State
from sunhwan.errors import ConfigError, ShapeError
from sunhwan.layers import torch_modules
from sunhwan.layers.checks import check_input, check_masks, check_stateful_call, checked_state
from sunhwan.layers.connections import CONNECTIONS, make_connection
from sunhwan.layers.layer import Look, RecurrentLayer
from sunhwan.layers.observer import LayerRun, Observer, Traced, run_observed
from sunhwan.layers.options import layers_of, whole
from sunhwan.layers.plain import run_plain
from sunhwan.layers.regularisation import Masks
from sunhwan.layers.row_layout import row_layout
from sunhwan.layers.sequences import in_order, resets_in_order
from sunhwan.layers.single_step import begun_anew, one_step_begins
from sunhwan.layers.states import as_weights, detach
from sunhwan.ops import LazyEmbedding, materialised
from sunhwan.ops.modes import eager, tracing

MERGES = ("concat", "sum")


class Recurrent(nn.Module):
    r"""A deep recurrent network: layer l reads the outputs of layer l − 1 (Graves 2013).

    x (N, T, D) → output (N, T, `output_size`), and the state: one NamedTuple a layer; in a
    bidirectional network (Schuster and Paliwal 1997) one a direction, forward before backward.

    The state is explicit, `output, state = layer(x, state)`; omitted, it is the initial state, or
    in stateful mode that in which the last call ended, cut off from its gradient (truncated
    backpropagation through time; Williams and Peng 1990).

    Args:
        cell: a name from `sunhwan.cells.CELLS` or a `Cell`, for all layers; or a list, one a layer.
        input_size: D.
        hidden_size: H, for all layers; or a list, one a layer.
        num_layers: the depth; with a list above, its length.
        bidirectional: whether each layer also reads from the end; a row's end is its last real step.
        merge: how the two directions become one output: "concat" (2 H) or "sum" (H).
        connection: what goes around a layer, from the second on: "none"; "residual", y + x (He et
            al. 2016; Wu et al. 2016); "highway", g ⊙ y + (1 − g) ⊙ x with a gate g = σ(x W_g + b_g)
            (Srivastava et al. 2015); "dense", every layer and the output read all outputs below and
            the input (Godin et al. 2017).
        layer_norm: normalise what goes from layer to layer (Ba et al. 2016).
        dropout: share of the outputs dropped between layers, in training.
        locked_dropout: drop the same units at every step of a sequence (Gal and Ghahramani 2016).
        weight_drop, recurrent_dropout, zoneout, zoneout_cell: inside the recurrence; see
            `RecurrentLayer`.
        bias: whether the gates have biases.
        learned_initial_state: whether the state before the first step is a parameter.
        start, start_scale: how W_h begins, and what it is multiplied with; see `RecurrentLayer`.
        lag: k of a skip connection over time, by which each layer also reads its own h_{t-k} (`Lagged`); 0:
            none.
        stateful: keep the state from call to call; `reset_state`, `set_state` change it.
        backend: force an implementation ("native", "reference", "fused", "scan", "unrolled") instead
            of the dispatcher's choice, which `explain` tells.
        device, dtype: of the parameters, as in `torch.nn`; on "meta" nothing is drawn.

    Raises ShapeError for an input or a state of the wrong size and ConfigError for unusable options.
    """

    _observers: tuple[Observer, ...] = ()

    def __init__(
        self,
        cell: str | Cell | Sequence[str | Cell],
        input_size: int,
        hidden_size: int | Sequence[int],
        num_layers: int | None = None,
        *,
        bidirectional: bool = False,
        merge: str = "concat",
        connection: str = "none",
        layer_norm: bool = False,
        dropout: float = 0.0,
        locked_dropout: bool = False,
        weight_drop: float = 0.0,
        recurrent_dropout: float = 0.0,
        zoneout: float = 0.0,
        zoneout_cell: float = 0.0,
        bias: bool = True,
        learned_initial_state: bool = False,
        start: str = "",
        start_scale: float = 1.0,
        lag: int = 0,
        stateful: bool = False,
        backend: str | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if dtype is not None and not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
            raise ConfigError(f"dtype must be a floating-point type of PyTorch, not {dtype}")
        input_size = whole("input_size", input_size)
        layers_wanted = layers_of(cell, input_size, hidden_size, num_layers, lag)
        if not 0 <= dropout < 1:
            raise ConfigError(f"dropout must be in [0, 1), not {dropout}")
        if merge not in MERGES or connection not in CONNECTIONS:
            raise ConfigError(
                f"merge {merge!r} must be one of {', '.join(MERGES)}, and connection "
                f"{connection!r} one of {', '.join(CONNECTIONS)}"
            )
        if stateful and bidirectional:
            raise ConfigError(
                "a bidirectional network reads from the end, where the next call has not begun: "
                "it cannot be stateful"
            )
        self.input_size, self.bidirectional, self.merge = input_size, bidirectional, merge
        self.stateful, self.locked_dropout = stateful, locked_dropout
        self.dropout = nn.Dropout(dropout)
        layers, norms, connections, width = [], [], [], input_size
        with torch.device(device) if device is not None else nullcontext():
            for level, (one, H) in enumerate(layers_wanted):
                for _ in range(self.directions):
                    layers.append(
                        RecurrentLayer(
                            one,
                            width,
                            H,
                            bias=bias,
                            learned_initial_state=learned_initial_state,
                            backend=backend,
                            weight_drop=weight_drop,
                            recurrent_dropout=recurrent_dropout,
                            zoneout=zoneout,
                            zoneout_cell=zoneout_cell,
                            start=start,
                            start_scale=start_scale,
                        )
                    )
                own = layers[-1].output_size * (self.directions if merge == "concat" else 1)
                norms.append(nn.LayerNorm(width) if layer_norm and level else nn.Identity())
                around = make_connection(connection, width, own, level)
                connections.append(around)
                width = around.output_size
        self.output_size = width
        self.layers = nn.ModuleList(layers)
        self.norms, self.connections = nn.ModuleList(norms), nn.ModuleList(connections)
        self._state: list[State] | None = None
        if dtype is not None:
            self.to(dtype)

    @property
    def directions(self) -> int:
        """1, or 2 when bidirectional."""
        return 2 if self.bidirectional else 1

    @property
    def stack(self) -> list[RecurrentLayer]:
        """The layers from the input to the output; of two directions the forward one first."""
        return cast(list[RecurrentLayer], list(self.layers))

    def initial_state(self, batch_size: int) -> list[State]:
        """The state before the first step, one NamedTuple of (N, H) a layer and direction."""
        return [layer.initial_state(batch_size) for layer in self.stack]

    def set_state(self, state: Sequence[State] | None) -> None:
        """Make this the state from which the next stateful call starts; None: the initial one.

        The values are copied. ConfigError when the layer is not stateful and would ignore it.
        """
        if not self.stateful:
            raise ConfigError("the layer keeps no state: make it with stateful=True")
        self._state = (
            None if state is None else detach(checked_state(self.stack, state, None), copy=True)
        )

    def reset_state(self) -> None:
        """Forget what was read: the next stateful call starts from the initial state."""
        self.set_state(None)

    @property
    def state(self) -> list[State] | None:
        """The state in which the last stateful call ended."""
        return self._state

    def draw_masks(self, batch_size: int) -> list[Masks]:
        """Dropout masks of a whole sequence; hand them to calls that are parts of one sequence."""
        locked = self.dropout.p if self.locked_dropout else 0.0
        below = self.directions  # the first layer's input is not between layers
        masks: list[Masks] = []
        for i, layer in enumerate(self.stack):
            second = i % self.directions > 0  # it reads what the first one reads
            own = layer.draw_masks(batch_size, locked if i >= below and not second else 0.0)
            masks.append(own._replace(x=masks[-1].x) if second else own)
        return masks

    def forward(
        self,
        x: Tensor | LazyEmbedding,
        state: Sequence[State] | None = None,
        resets: Tensor | None = None,
        lengths: Tensor | Sequence[int] | None = None,
        masks: Sequence[Masks] | None = None,
    ) -> tuple[Tensor, list[State]]:
        """x (N, T, D), state (one a layer) → output (N, T, H), state.

        One sequence (T, D) without a batch gives (T, H), its state fields (H).
        A state of another floating-point type is converted to the weights'.
        x may be `LazyEmbedding` (N, T): the first layer need not look it up where it alone reads it.
        resets (N, T) bool: a row whose resets[n, t] is true reads x_t from the initial state.
        lengths: how many steps of each row are real, (N) whole numbers, or a mask (N, T) that is
            true there. What lies behind them changes nothing; the output there is 0, and a row's
            last state is that of its last real step.
        masks: from `draw_masks`; drawn anew by default.
        """
        if self._observers:
            return run_observed(self, self._observers, x, state, resets, lengths, masks)
        if one_step_begins(x, resets, lengths) and not self.stateful:
            state, resets = begun_anew(self, x, state, resets), None
        if resets is None and lengths is None and eager():
            found = run_plain(self, x, state, masks)
            if found is not None:
                return found
        if isinstance(x, Tensor) and x.dim() == 2:
            return self._without_batch(x, state, resets, lengths, masks)
        output, last, _ = self._run(x, state, resets, lengths, masks)
        if tracing():
            # A trace gives plain tuples alone.
            return output, tuple(map(tuple, last))  # type: ignore[return-value]
        return output, last

    def _without_batch(
        self,
        x: Tensor,
        state: Sequence[State] | None,
        resets: Tensor | None,
        lengths: Tensor | Sequence[int] | None,
        masks: Sequence[Masks] | None,
    ) -> tuple[Tensor, list[State]]:
        """One sequence (T, D) with a state of (H), as a batch of one row."""
        check_input(x, self.input_size, self.stack[0].W_x)
        if lengths is not None:
            raise ShapeError("lengths belong to a batch (N, T, D): cut the one sequence instead")
        if state is not None:
            state = [
                tuple(f.unsqueeze(0) if isinstance(f, Tensor) else f for f in one) for one in state
            ]
        resets = None if resets is None else torch.as_tensor(resets).unsqueeze(0)
        output, last, _ = self._run(x.unsqueeze(0), state, resets, None, masks)
        alone = [type(one)(*(field.squeeze(0) for field in one)) for one in last]
        return output.squeeze(0), alone

    def trace(
        self,
        x: Tensor,
        state: Sequence[State] | None = None,
        resets: Tensor | None = None,
        lengths: Tensor | Sequence[int] | None = None,
        masks: Sequence[Masks] | None = None,
        look: Look = Look.GATES,
    ) -> Traced:
        """As `forward`, with every state, gate and candidate over time, of every layer.

        States carry their gradient, gates are for looking at; behind a row's end the states stay and
        gates mean nothing. look: less, which is faster, or the steps one by one.
        """
        output, last, seen = self._run(x, state, resets, lengths, masks, look)
        layers = []
        for layer, (_, _, outcome, order) in zip(self.stack, seen, strict=True):
            # Without steps or rows nothing was saved.
            values = dict(layer.cell.gate_values(outcome.saved)) if outcome.saved else {}
            if outcome.states is not None:
                values = outcome.states._asdict() | values  # type: ignore[attr-defined]
            layers.append({n: in_order(v, order).transpose(0, 1) for n, v in values.items()})
        return Traced(
            output,
            last,
            layers,
            [run.outcome.steps for run in seen],
            [materialised(run.x).transpose(0, 1) for run in seen],
            [run.before for run in seen],
        )

    def _run(
        self,
        x: Tensor | LazyEmbedding,
        state: Sequence[State] | None,
        resets: Tensor | None,
        lengths: Tensor | Sequence[int] | None,
        masks: Sequence[Masks] | None,
        look: Look | None = None,
    ) -> tuple[Tensor, list[State], list[LayerRun]]:
        check_input(x, self.input_size, self.stack[0].W_x)
        if x.dim() == 2:
            raise ShapeError(
                f"a look inside needs a batch (N, T, {self.input_size}): x.unsqueeze(0)"
            )
        if self.stateful:
            check_stateful_call()
        N = x.shape[0]
        rows = row_layout(x, resets, lengths, self.directions)
        if state is None and self.stateful:
            state = self._state and as_weights(self._state, self.stack)
        states = self.initial_state(N)
        if state is not None:
            states = checked_state(self.stack, state, N, directions=self.directions)
        if masks is None:
            masks = self.draw_masks(N)
        else:
            check_masks(masks, len(self.layers), N)
        y = rows.input_of(x, materialise=masks[0].x is not None or not self._passes_input_on)
        orders = rows.orders
        cuts = rows.cuts() if look is None and x.device.type == "cpu" else [None] * len(orders)
        last: list[State] = []
        seen: list[LayerRun] = []
        for level in range(len(self.connections)):
            below = y
            y = self.norms[level](y)
            if level and not self.locked_dropout:
                y = self.dropout(y)
            outputs = []
            for direction, order in enumerate(orders):
                i = len(orders) * level + direction
                before = states[i]
                dropped = y if masks[i].x is None else y * masks[i].x
                segments = cuts[direction] if self.stack[i].packs(masks[i]) else None
                if segments is not None:
                    outcome = self.layers[i](dropped, before, masks=masks[i], segments=segments)
                    outputs.append(outcome.output)
                else:
                    read = in_order(dropped, order)
                    resets = resets_in_order(rows.resets, order)
                    outcome = self.layers[i](
                        read, before, resets, rows.lengths, masks[i], look=look
                    )
                    outputs.append(in_order(outcome.output, order))
                last.append(outcome.last)
                seen.append(LayerRun(dropped, before, outcome, order))
            if not self.bidirectional:
                (merged,) = outputs
            elif self.merge == "sum":
                merged = torch.stack(outputs).sum(0)
            else:
                merged = torch.cat(outputs, -1)
            y = self.connections[level](below, merged)
        y = rows.without_padding(y)
        if self.stateful:
            self._state = detach(last)
        return y.transpose(0, 1), last, seen

    def explain(self) -> str:
        """Which implementation runs each layer here, and why."""
        lines = []
        for i, layer in enumerate(self.stack):
            way = (" forward", " backward")[i % 2] if self.bidirectional else ""
            lines.append(f"layer {i // self.directions}{way}: {layer.explain()}")
        return "\n".join(lines)

    @classmethod
    def from_torch(cls, module: nn.RNNBase | Mapping[str, Tensor]) -> Self:
        """The same network as a `torch.nn.RNN`, `GRU` or `LSTM`, or as the one of a `state_dict`.

        It reads (N, T, D) whatever `batch_first` of the module is: exchange the first two axes of a
        time-major input. Of weights alone it is not known whether an RNN has ReLU: it gets tanh.
        """
        module = torch_modules.as_module(module)
        options: dict[str, Any] = torch_modules.options_of(module)
        like = cast(Tensor, module.weight_hh_l0)
        recurrent = cls(**options, device="meta", dtype=like.dtype).to_empty(device=like.device)
        torch_modules.copy_weights(module, recurrent.stack, recurrent.directions)
        return recurrent.train(module.training)

    def torch_state_dict(self) -> dict[str, Tensor]:
        """The weights under the names of `torch.nn.RNN`, `GRU` or `LSTM` (weight_ih_l0 …)."""
        return dict(self.to_torch().state_dict())

    def load_torch_state_dict(self, weights: Mapping[str, Tensor]) -> None:
        """Take weights under the names of `torch.nn`; ConfigError where names or shapes are others."""
        module = self.to_torch()
        torch_modules.load(module, weights)
        torch_modules.copy_weights(module, self.stack, self.directions)

    def to_torch(self) -> nn.RNNBase:
        """The same network as a batch-first `torch.nn.RNN`, `GRU` or `LSTM`.

        ConfigError where PyTorch has no such module; a learned initial state is not part of one.
        """
        torch_modules.check_plain(self)
        module = torch_modules.module_of(self.stack, self.directions, self.dropout.p)
        return module.train(self.training)

    @property
    def _passes_input_on(self) -> bool:
        """Whether x goes to one cell as it is, and nowhere else."""
        return not self.bidirectional and type(self.connections[0]) is CONNECTIONS["none"]
