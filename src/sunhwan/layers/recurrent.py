"""A stack of recurrent layers: (x, state) → (output, state)."""

import operator
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any, Self, cast

import torch
from torch import Tensor, nn

from sunhwan.cells import Cell, Lagged, State, check_state, get_cell
from sunhwan.errors import ConfigError, ShapeError
from sunhwan.layers import torch_modules
from sunhwan.layers.checks import check_input, check_stateful_call, converted_state
from sunhwan.layers.connections import CONNECTIONS, make_connection
from sunhwan.layers.layer import Look, Masks, RecurrentLayer, hooked
from sunhwan.layers.observer import LayerRun, Observer, Traced, run_observed
from sunhwan.layers.segments import Segments, segments_of
from sunhwan.layers.sequences import (
    backwards,
    checked_lengths,
    checked_resets,
    in_order,
    is_padding,
    resets_in_order,
)
from sunhwan.ops import Embedded, choose, direct, materialised
from sunhwan.ops.direct import PLAIN
from sunhwan.ops.modes import eager, tracing, values_known

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
        cells = list(cell) if isinstance(cell, list | tuple) else [cell]
        for one in cells:
            if not isinstance(one, str | Cell):
                raise ConfigError(
                    f"cell must be a name, a Cell, or a list of them, not {one!r:.60}"
                )
        given = list(hidden_size) if isinstance(hidden_size, list | tuple) else [hidden_size]
        sizes = [_whole("hidden_size", size) for size in given]
        input_size = _whole("input_size", input_size)
        depth = max(len(cells), len(sizes))
        if num_layers is not None:
            depth = _whole("num_layers", num_layers)
        if min(input_size, depth, *sizes) < 1 or not sizes or not cells:
            raise ConfigError(
                f"input_size {input_size}, hidden_size {hidden_size} and num_layers {depth} "
                "must each be at least 1"
            )
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
        chosen = [
            get_cell(c) if isinstance(c, str) else c for c in _one_a_layer(cells, depth, "cell")
        ]
        if lag:
            chosen = [Lagged(one, lag) for one in chosen]
        self.input_size, self.bidirectional, self.merge = input_size, bidirectional, merge
        self.stateful, self.locked_dropout = stateful, locked_dropout
        self.dropout = nn.Dropout(dropout)
        layers, norms, connections, width = [], [], [], input_size
        with torch.device(device) if device is not None else nullcontext():
            for level, (one, H) in enumerate(
                zip(chosen, _one_a_layer(sizes, depth, "hidden_size"), strict=True)
            ):
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
        self._state = None if state is None else detach(self._checked(state, None), copy=True)

    def reset_state(self) -> None:
        """Forget what was read: the next stateful call starts from the initial state."""
        self.set_state(None)

    @property
    def state(self) -> list[State] | None:
        """The state in which the last stateful call ended."""
        return self._state

    def draw_masks(self, batch_size: int) -> list[Masks]:
        """What is dropped throughout a sequence; hand it to calls that are parts of one sequence."""
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
        x: Tensor | Embedded,
        state: Sequence[State] | None = None,
        resets: Tensor | None = None,
        lengths: Tensor | Sequence[int] | None = None,
        masks: Sequence[Masks] | None = None,
    ) -> tuple[Tensor, list[State]]:
        """x (N, T, D), state (one a layer) → output (N, T, H), state.

        One sequence (T, D) without a batch gives (T, H), its state fields (H).
        A state of another floating-point type is converted to the weights'.
        x may be `Embedded` (N, T): the first layer then need not make it, where nobody else reads it.
        resets (N, T) bool: a row whose resets[n, t] is true reads x_t from the initial state.
        lengths: how many steps of each row are real, (N) whole numbers, or a mask (N, T) that is
            true there. What lies behind them changes nothing; the output there is 0, and a row's
            last state is that of its last real step.
        masks: from `draw_masks`; drawn anew by default.
        """
        if self._observers:
            return run_observed(self, self._observers, x, state, resets, lengths, masks)
        if resets is None and lengths is None and masks is None and eager():
            found = self._run_directly(x, state)
            if found is not None:
                return found
        if isinstance(x, Tensor) and x.dim() == 2:
            return self._without_batch(x, state, resets, lengths, masks)
        output, last, _ = self._run(x, state, resets, lengths, masks)
        if tracing():
            # A trace gives plain tuples alone.
            return output, tuple(map(tuple, last))  # type: ignore[return-value]
        return output, last

    def _run_directly(
        self, x: Any, state: Sequence[State] | None
    ) -> tuple[Tensor, list[State]] | None:
        """Run a plain stack on a plain tensor by `ops.direct`; None for every other call."""
        own: Any = self._modules
        layers: list[RecurrentLayer] = list(own["layers"]._modules.values())
        if (
            type(x) not in PLAIN or x.dim() != 3 or not x.is_cpu or x.layout != torch.strided
            or x.shape[2] != self.input_size or not x.numel()
            or self.bidirectional or self.stateful
            or (len(layers) > 1 and self.training and self.dropout.p)
            or not (state is None or (type(state) in (list, tuple) and len(state) == len(layers)))
        ):  # fmt: skip
            return None
        for kind, between in ((nn.Identity, "norms"), (CONNECTIONS["none"], "connections")):
            for module in own[between]._modules.values():
                if type(module) is not kind or hooked(module):
                    return None
        before: list[Any] = [None] * len(layers) if state is None else list(state)
        ready = []
        for layer, given in zip(layers, before, strict=True):
            made = layer.direct()
            if made is None or made[0].W_x.dtype != x.dtype:
                return None
            if state is not None and not direct.is_state(made[0], given, x.shape[0]):
                return None
            ready.append((layer.cell.state_type, *made, given))
        y, last = x, []
        for state_type, prepared, stored, given in ready:
            y, *fields = direct.run(prepared, y, given, stored)
            last.append(state_type(*fields))
        return y, last

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
            state = [tuple(_as_batch(field) for field in one) for one in state]
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
        x: Tensor | Embedded,
        state: Sequence[State] | None,
        resets: Tensor | None,
        lengths: Tensor | Sequence[int] | None,
        masks: Sequence[Masks] | None,
        look: Look | None = None,
    ) -> tuple[Tensor, list[State], list[LayerRun]]:
        like = self.stack[0].W_x
        check_input(x, self.input_size, like)
        if x.dim() == 2:
            raise ShapeError(
                f"a look inside needs a batch (N, T, {self.input_size}): x.unsqueeze(0)"
            )
        if self.stateful:
            check_stateful_call()
        N, T = x.shape[:2]
        if tracing() and not (resets is None and lengths is None):
            raise ConfigError(
                "torch.jit.trace would keep the resets and lengths of this call for all others: trace "
                "without them, or export a layer whose rows are all as long"
            )
        if resets is not None:
            resets = checked_resets(resets, x)
        real = None if lengths is None else checked_lengths(lengths, x)
        known = all(values_known(value) for value in (resets, real) if value is not None)
        if known:
            # What changes nothing costs nothing.
            if resets is not None and not bool(resets.any()):
                resets = None
            if real is not None and bool((real == T).all()):
                real = None
        if state is None and self.stateful:
            state = self._state and [
                layer.cell.state_type(*(field.to(layer.W_x) for field in layer_state))
                for layer, layer_state in zip(self.stack, self._state, strict=True)
            ]
        states = self.initial_state(N) if state is None else self._checked(state, N)
        if masks is None:
            masks = self.draw_masks(N)
        else:
            self._check_masks(masks, N)
        if isinstance(x, Embedded) and real is not None:
            # A token behind a row's end may be any number.
            x = Embedded(torch.where(is_padding(T, real).T, 0, x.ids), x.weight)
        unread = real is None and masks[0].x is None and self._passes_input_on
        y: Any = (x if unread else materialised(x)).transpose(0, 1)
        resets = None if resets is None else resets.T
        padding = None if real is None else is_padding(T, real).unsqueeze(-1)
        if padding is not None:
            y = torch.where(padding, 0, y)
            if resets is not None:
                resets = resets & ~padding.squeeze(-1)
        orders = [None, backwards(T, real, x.device)] if self.bidirectional else [None]
        cuts: list[Segments | None] = [None] * len(orders)
        if known and look is None and x.device.type == "cpu" and (real, resets) != (None, None):
            cuts = [segments_of(T, N, real, resets, order) for order in orders]
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
                    outcome = self.layers[i](
                        in_order(dropped, order), before, resets_in_order(resets, order), real, masks[i],
                        look=look,
                    )  # fmt: skip
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
        if padding is not None:
            y = torch.where(padding, 0, y)
        if self.stateful:
            self._state = detach(last)
        return y.transpose(0, 1), last, seen

    def explain(self) -> str:
        """Which implementation runs each layer here, and why."""
        lines = []
        for i, layer in enumerate(self.stack):
            choice = choose(
                layer.cell,
                layer.W_x.device,
                layer.W_x.dtype,
                hidden_size=layer.hidden_size,
                backend=layer.backend,
                inside=layer.reaches_inside,
            )
            kind = type(layer.cell).__name__
            size = f"{layer.input_size} → {layer.output_size}"
            way = (" forward", " backward")[i % 2] if self.bidirectional else ""
            depth = i // self.directions
            lines.append(f"layer {depth}{way}: {kind} {size}, {choice.backend}: {choice.reason}")
        return "\n".join(lines)

    @classmethod
    def from_torch(cls, module: nn.RNNBase) -> Self:
        """The same network as a `torch.nn.RNN`, `GRU` or `LSTM`, bidirectional and projected too.

        It reads (N, T, D) whatever `batch_first` of the module is: exchange the first two axes of a
        time-major input.
        """
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
        own = module.state_dict()
        for name in [*own, *weights]:
            if name not in own or name not in weights:
                raise ConfigError(
                    f"the weights have no {name}, which this network needs"
                    if name in own
                    else f"the weights have {name}, which this network has not"
                )
            if weights[name].shape != own[name].shape:
                shapes = tuple(weights[name].shape), tuple(own[name].shape)
                raise ConfigError(
                    f"{name} has shape {shapes[0]}, but this network needs {shapes[1]}"
                )
        module.load_state_dict(weights)
        torch_modules.copy_weights(module, self.stack, self.directions)

    def to_torch(self) -> nn.RNNBase:
        """The same network as a batch-first `torch.nn.RNN`, `GRU` or `LSTM`.

        ConfigError where PyTorch has no such module; a learned initial state is not part of one.
        """
        plain = all(type(c) is CONNECTIONS["none"] for c in self.connections)
        if not plain or any(not isinstance(n, nn.Identity) for n in self.norms):
            raise ConfigError("torch.nn has no connections or norms between recurrent layers")
        if self.bidirectional and self.merge == "sum":
            raise ConfigError("torch.nn concatenates the two directions and cannot add them")
        if self.locked_dropout or any(layer.regularised for layer in self.stack):
            raise ConfigError("torch.nn has no regularisation but dropout between layers")
        module = torch_modules.module_of(self.stack, self.directions, self.dropout.p)
        return module.train(self.training)

    @property
    def _passes_input_on(self) -> bool:
        """Whether x goes to one cell as it is, and nowhere else."""
        return not self.bidirectional and type(self.connections[0]) is CONNECTIONS["none"]

    def _check_masks(self, masks: Sequence[Masks], batch_size: int) -> None:
        if len(masks) != len(self.layers):
            raise ShapeError(f"there are masks for {len(masks)} of {len(self.layers)} layers")
        rows = {len(m.h) for m in masks if m.h is not None}
        rows |= {m.x.shape[1] for m in masks if m.x is not None}
        if rows - {batch_size}:
            raise ShapeError(
                f"the masks were drawn for {min(rows)} rows, but the batch has {batch_size}: "
                "draw_masks(batch_size) makes new ones"
            )

    def _checked(self, state: Any, batch_size: int | None) -> list[State]:
        names = ", ".join(self.stack[0].cell.state_type._fields)
        entries = len(state) if isinstance(state, Sequence) or getattr(state, "ndim", False) else 0
        if entries != len(self.layers):
            raise ShapeError(
                f"the state has {entries} entries for {len(self.layers)} layers: give a list, one tuple "
                f"({names}) of (N, H) a layer" + (" and direction" if self.bidirectional else "")
            )
        if batch_size is None:
            batch_size = len(state[0][0]) if len(state[0]) and state[0][0].dim() else 0
        checked = [
            check_state(layer.cell, layer_state, batch_size, layer.hidden_size)
            for layer, layer_state in zip(self.stack, state, strict=True)
        ]
        return converted_state(checked, self.stack[0].W_x)


def detach(state: Sequence[State], *, copy: bool = False) -> list[State]:
    """The same values without their history: where truncated BPTT cuts the gradient.

    Under `inference_mode` they are copied, for PyTorch does not train from tensors that were made there.
    """
    if not torch.compiler.is_compiling() and torch.is_inference_mode_enabled():
        with torch.inference_mode(False):
            return detach(state, copy=True)
    values = [[field.detach() for field in layer] for layer in state]
    return [
        type(layer)(*(field.clone() if copy else field for field in fields))
        for layer, fields in zip(state, values, strict=True)
    ]


def _whole(name: str, value: Any) -> int:
    """A whole number, NumPy's too; ConfigError where it is not one."""
    try:
        if isinstance(value, bool):
            raise TypeError
        return operator.index(value)
    except TypeError:
        raise ConfigError(f"{name} must be a whole number, not {value!r:.60}") from None


def _as_batch(field: Any) -> Any:
    """(H) → (1, H); what is no tensor is refused where states are."""
    return field.unsqueeze(0) if isinstance(field, Tensor) else field


def _one_a_layer(values: list[Any], depth: int, name: str) -> list[Any]:
    if len(values) not in (1, depth):
        raise ConfigError(
            f"{name} has {len(values)} entries for {depth} layers: give one, or one a layer"
        )
    return values * depth if len(values) == 1 else values
