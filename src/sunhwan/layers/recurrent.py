"""A stack of recurrent layers: (x, state) → (output, state)."""

from collections.abc import Sequence
from typing import Any, Self, cast

import torch
from torch import Tensor, nn

from sunhwan.cells import GRU, LSTM, Cell, Elman, Parameters, State, check_state, get_cell
from sunhwan.errors import ConfigError, ShapeError
from sunhwan.ops import choose, recur
from sunhwan.ops.fused import torch_weights


class RecurrentLayer(nn.Module):
    """One cell over time, with its parameters W_x (D, G·H), W_h (H, G·H), b, b_h (G·H).

    The two matrices are kept transposed, as `W_x_T` (G·H, D) and `W_h_T` (G·H, H): so a gate's
    weights lie together in memory, and PyTorch's operators take them without a copy a call.

    With `learned_initial_state` each field of the state before the first step is a parameter (H),
    named as the field with `_0` behind it; without, it is zero.
    """

    W_x_T: nn.Parameter
    W_h_T: nn.Parameter
    b: nn.Parameter | None
    b_h: nn.Parameter | None

    def __init__(
        self,
        cell: Cell,
        input_size: int,
        hidden_size: int,
        *,
        bias: bool = True,
        learned_initial_state: bool = False,
        backend: str | None = None,
    ) -> None:
        super().__init__()
        choose(cell, torch.device("cpu"), torch.float32, backend=backend)  # or a ConfigError now
        self.cell, self.input_size, self.hidden_size = cell, input_size, hidden_size
        self.backend, self.learned_initial_state = backend, learned_initial_state
        fresh = cell.initial_parameters(input_size, hidden_size, bias=bias)
        self.W_x_T = nn.Parameter(fresh.W_x.T.contiguous())
        self.W_h_T = nn.Parameter(fresh.W_h.T.contiguous())
        for name, bias_value in (("b", fresh.b), ("b_h", fresh.b_h)):
            parameter = None if bias_value is None else nn.Parameter(bias_value)
            self.register_parameter(name, parameter)
        if learned_initial_state:
            for field in cell.state_type._fields:
                self.register_parameter(f"{field}_0", nn.Parameter(torch.zeros(hidden_size)))

    @property
    def W_x(self) -> Tensor:  # noqa: N802
        """W_x (D, G·H), a view of the parameter `W_x_T`."""
        return self.W_x_T.T

    @property
    def W_h(self) -> Tensor:  # noqa: N802
        """W_h (H, G·H), a view of the parameter `W_h_T`."""
        return self.W_h_T.T

    @property
    def parameters_of_cell(self) -> Parameters:
        """The tensors in the order in which the operators take them."""
        return Parameters(self.W_x, self.W_h, self.b, self.b_h)

    def initial_state(self, batch_size: int) -> State:
        """The state before the first step: (N, H) in every field."""
        if not self.learned_initial_state:
            like = self.W_h
            return self.cell.zero_state(
                batch_size, self.hidden_size, dtype=like.dtype, device=like.device
            )
        fields = self.cell.state_type._fields
        rows = (getattr(self, f"{field}_0").expand(batch_size, -1) for field in fields)
        state: State = self.cell.state_type(*rows)
        return state

    def forward(
        self, x: Tensor, state: State, resets: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """x (T, N, D), state of (N, H), resets (T, N) → h (T, N, H), last state.

        Where resets is true the row reads x_t from the initial state. The sequence is cut at the
        steps that have a reset, so every kernel serves and the gradient stops where it should.
        """
        if resets is None or not bool(resets.any()):
            return self._run(x, state)
        outputs = []
        start, T = 0, x.shape[0]
        for cut in [*resets.any(1).nonzero().flatten().tolist(), T]:
            if cut > start:
                output, state = self._run(x[start:cut], state)
                outputs.append(output)
            if cut < T:
                mask = resets[cut].to(x.device, torch.bool).unsqueeze(1)
                pairs = zip(self.initial_state(x.shape[1]), state, strict=True)
                state = self.cell.state_type(*(torch.where(mask, new, old) for new, old in pairs))
            start = cut
        return torch.cat(outputs), state

    def _run(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        return recur(self.cell, x, self.parameters_of_cell, state, backend=self.backend)

    def extra_repr(self) -> str:
        return f"{self.cell}, {self.input_size} → {self.hidden_size}"


class Recurrent(nn.Module):
    r"""A deep recurrent network: layer l reads the outputs of layer l − 1 (Graves 2013).

    x (N, T, D) → output (N, T, H) of the last layer, and the state: one NamedTuple a layer.

    The state is explicit, `output, state = layer(x, state)`; omitted, it is the initial state, or
    in stateful mode that in which the last call ended, cut off from its gradient (truncated
    backpropagation through time; Williams and Peng 1990).

    Args:
        cell: a name from `sunhwan.cells.CELLS`, or a `Cell`.
        input_size, hidden_size, num_layers: D, H and the depth.
        dropout: share of the outputs dropped between layers, in training.
        bias: whether the gates have biases.
        learned_initial_state: whether the state before the first step is a parameter.
        stateful: keep the state from call to call; `reset_state`, `set_state` change it.
        backend: force an implementation ("reference", "fused", "unrolled") instead of the
            dispatcher's choice, which `explain` tells.

    Raises ShapeError for an input or a state of the wrong size and ConfigError for unusable options.
    """

    def __init__(
        self,
        cell: str | Cell,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        dropout: float = 0.0,
        bias: bool = True,
        learned_initial_state: bool = False,
        stateful: bool = False,
        backend: str | None = None,
    ) -> None:
        super().__init__()
        if min(input_size, hidden_size, num_layers) < 1:
            raise ConfigError(
                f"input_size {input_size}, hidden_size {hidden_size} and num_layers {num_layers} "
                "must each be at least 1"
            )
        if not 0 <= dropout < 1:
            raise ConfigError(f"dropout must be in [0, 1), not {dropout}")
        self.cell = get_cell(cell) if isinstance(cell, str) else cell
        self.input_size, self.hidden_size = input_size, hidden_size
        self.stateful = stateful
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(
            RecurrentLayer(
                self.cell,
                hidden_size if depth else input_size,
                hidden_size,
                bias=bias,
                learned_initial_state=learned_initial_state,
                backend=backend,
            )
            for depth in range(num_layers)
        )
        self._state: list[State] | None = None

    @property
    def stack(self) -> list[RecurrentLayer]:
        """The layers from the input to the output."""
        return cast(list[RecurrentLayer], list(self.layers))

    def initial_state(self, batch_size: int) -> list[State]:
        """The state before the first step, one NamedTuple of (N, H) a layer."""
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

    def forward(
        self, x: Tensor, state: Sequence[State] | None = None, resets: Tensor | None = None
    ) -> tuple[Tensor, list[State]]:
        """x (N, T, D), state (one a layer), resets (N, T) bool → output (N, T, H), state.

        A row whose resets[n, t] is true reads x_t from the initial state.
        """
        self._check_input(x, resets)
        if state is None and self.stateful:
            state = self._state and [
                self.cell.state_type(*(field.to(layer.W_h) for field in layer_state))
                for layer, layer_state in zip(self.stack, self._state, strict=True)
            ]
        states = self.initial_state(len(x)) if state is None else self._checked(state, len(x))
        outputs = x.transpose(0, 1)
        resets = None if resets is None else resets.T
        last = []
        for depth, (layer, layer_state) in enumerate(zip(self.stack, states, strict=True)):
            if depth:
                outputs = self.dropout(outputs)
            outputs, layer_state = layer(outputs, layer_state, resets)
            last.append(layer_state)
        if self.stateful:
            self._state = detach(last)
        return outputs.transpose(0, 1), last

    def explain(self) -> str:
        """Which implementation runs each layer here, and why."""
        lines = []
        for depth, layer in enumerate(self.stack):
            W_h = layer.W_h
            choice = choose(
                layer.cell,
                W_h.device,
                W_h.dtype,
                hidden_size=layer.hidden_size,
                backend=layer.backend,
            )
            kind = type(layer.cell).__name__
            size = f"{layer.input_size} → {layer.hidden_size}"
            lines.append(f"layer {depth}: {kind} {size}, {choice.backend}: {choice.reason}")
        return "\n".join(lines)

    @classmethod
    def from_torch(cls, module: nn.RNNBase) -> Self:
        """The same network as a unidirectional `torch.nn.RNN`, `GRU` or `LSTM`."""
        if module.bidirectional or module.proj_size:
            raise ConfigError("a bidirectional or projected torch.nn module cannot be imported")
        if isinstance(module, nn.LSTM):
            cell: Cell = LSTM()
        elif isinstance(module, nn.GRU):
            cell = GRU()
        else:
            cell = Elman("relu" if module.mode == "RNN_RELU" else "tanh")
        recurrent = cls(
            cell,
            module.input_size,
            module.hidden_size,
            module.num_layers,
            dropout=module.dropout,
            bias=module.bias,
        ).to(cast(Tensor, module.weight_hh_l0))
        with torch.no_grad():
            for depth, layer in enumerate(recurrent.stack):
                layer.W_x.copy_(getattr(module, f"weight_ih_l{depth}").T)
                layer.W_h.copy_(getattr(module, f"weight_hh_l{depth}").T)
                if layer.b is None:
                    continue
                b_ih, b_hh = (getattr(module, f"bias_{kind}_l{depth}") for kind in ("ih", "hh"))
                layer.b.copy_(b_ih if layer.b_h is not None else b_ih + b_hh)
                if layer.b_h is not None:
                    layer.b_h.copy_(b_hh)
        return recurrent.train(module.training)

    def to_torch(self) -> nn.RNNBase:
        """The same network as a batch-first `torch.nn.RNN`, `GRU` or `LSTM`.

        ConfigError where PyTorch has no such module; a learned initial state is not part of one.
        """
        kinds: dict[type[Cell], Any] = {Elman: nn.RNN, GRU: nn.GRU, LSTM: nn.LSTM}
        if type(self.cell) not in kinds:
            raise ConfigError(f"torch.nn has no module for {type(self.cell).__name__}")
        first = self.stack[0]
        options = {"nonlinearity": self.cell.nonlinearity} if isinstance(self.cell, Elman) else {}
        module: nn.RNNBase = kinds[type(self.cell)](
            self.input_size,
            self.hidden_size,
            len(self.layers),
            bias=first.b is not None,
            batch_first=True,
            dropout=self.dropout.p if len(self.layers) > 1 else 0.0,
            **options,
        ).to(first.W_h)
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        with torch.no_grad():
            for depth, layer in enumerate(self.stack):
                weights = torch_weights(layer.parameters_of_cell)
                for name, value in zip(names, weights, strict=False):
                    getattr(module, f"{name}_l{depth}").copy_(value)
        return module

    def _check_input(self, x: Tensor, resets: Tensor | None) -> None:
        if x.dim() != 3 or x.shape[2] != self.input_size:
            raise ShapeError(
                f"the input has shape {tuple(x.shape)}, but (N, T, {self.input_size}) is needed: "
                "batch rows, time steps, input size"
            )
        if resets is not None and resets.shape != x.shape[:2]:
            raise ShapeError(f"resets has shape {tuple(resets.shape)}, not {tuple(x.shape[:2])}")

    def _checked(self, state: Sequence[State], batch_size: int | None) -> list[State]:
        if len(state) != len(self.layers):
            raise ShapeError(
                f"the state has {len(state)} entries for {len(self.layers)} layers: give one a layer"
            )
        if batch_size is None:
            batch_size = len(state[0][0]) if len(state[0]) and state[0][0].dim() else 0
        return [check_state(self.cell, layer, batch_size, self.hidden_size) for layer in state]


def detach(state: Sequence[State], *, copy: bool = False) -> list[State]:
    """The same values without their history: where truncated BPTT cuts the gradient."""
    values = [[field.detach() for field in layer] for layer in state]
    return [
        type(layer)(*(field.clone() if copy else field for field in fields))
        for layer, fields in zip(state, values, strict=True)
    ]
