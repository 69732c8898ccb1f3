"""One recurrent layer: a cell over time, its parameters, and their regularisation in training."""

from collections.abc import Sequence
from enum import Flag, auto
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from sunhwan.cells import Cell, Parameters, State
from sunhwan.cells.initial import recurrent_start
from sunhwan.errors import ConfigError, ShapeError
from sunhwan.layers.regularisation import NO_MASKS, Masks, Rates, check_rates, mask
from sunhwan.layers.segments import Segments
from sunhwan.layers.sequences import is_padding
from sunhwan.ops import LazyEmbedding, RecurrenceOutput, StepMasks, backend_for, choose, recur
from sunhwan.ops.direct import PreparedCall, prepare
from sunhwan.ops.dispatch import recur_packed
from sunhwan.ops.modes import values_known


class Look(Flag):
    """Recorded values of a recurrence beside its output; each costs more than the one before.

    STATES: every field of the state over time. GATES: also what the cell's equation names on the
    way. STEPS: every state over time, and each step's as a node of PyTorch's graph, so that
    `torch.autograd.grad` gives the whole gradient with respect to it. `|` asks for both.
    """

    STATES = auto()
    GATES = auto()
    STEPS = auto()


class RecurrentLayer(nn.Module):
    """A cell over time, with its parameters W_x (D, G·H), W_h (H, G·H), b, b_h (G·H), and its own.

    Matrices are kept transposed, as `W_x_T` (G·H, D) and `W_h_T` (G·H, H): so a gate's weights lie
    together in memory, and PyTorch's operators take them without a copy a call.

    With `learned_initial_state` each field of the state before the first step is a parameter,
    named as the field with `_0` behind it; without, it is zero.

    Args beyond the cell's: weight_drop: DropConnect on W_h (Wan et al. 2013; Merity et al. 2018); a
    second matrix W_m is left whole.
    start, start_scale: how W_h begins (`sunhwan.cells.initial.STARTS`), and what it is multiplied with;
    "": as its cell says.
    recurrent_dropout: h on its way to W_h, the same units at every step (Gal and Ghahramani 2016).
    zoneout, zoneout_cell: chance that a unit of h, or of the state's other fields, keeps its value
    through a step (Krueger et al. 2017). In evaluation nothing is drawn: no weight or unit is
    dropped, and zoneout gives the expected value.
    """

    def __init__(
        self,
        cell: Cell,
        input_size: int,
        hidden_size: int,
        *,
        bias: bool = True,
        learned_initial_state: bool = False,
        backend: str | None = None,
        weight_drop: float = 0.0,
        recurrent_dropout: float = 0.0,
        zoneout: float = 0.0,
        zoneout_cell: float = 0.0,
        start: str = "",
        start_scale: float = 1.0,
    ) -> None:
        super().__init__()
        # A backend that cannot run it is a ConfigError now.
        choose(cell, torch.device("cpu"), torch.float32, hidden_size=hidden_size, backend=backend)
        self.cell, self.input_size, self.hidden_size = cell, input_size, hidden_size
        self.output_size = cell.output_size(hidden_size)
        self.backend, self.learned_initial_state = backend, learned_initial_state
        self.weight_drop, self.recurrent_dropout = weight_drop, recurrent_dropout
        self.zoneout, self.zoneout_cell = zoneout, zoneout_cell
        fresh = cell.initial_parameters(input_size, hidden_size, bias=bias)
        if start or start_scale != 1.0:
            fresh["W_h"] = _started(cell, fresh, start, start_scale)
        self._stored = {
            name: f"{name}_T" if value.dim() == 2 else name for name, value in fresh.items()
        }
        for name, value in fresh.items():
            stored = value.T.contiguous() if value.dim() == 2 else value
            self.register_parameter(self._stored[name], nn.Parameter(stored))
        if learned_initial_state:
            sizes = cell.state_sizes(hidden_size)
            for field, size in zip(cell.state_type._fields, sizes, strict=True):
                if cell.learned_fields is None or field in cell.learned_fields:
                    self.register_parameter(f"{field}_0", nn.Parameter(torch.zeros(size)))
        known = ("W_x", "b", "W_h", "b_h", "W_m", *cell.extra)
        self._direct_order = tuple(self._stored.get(name) for name in known)
        self._prepared: PreparedCall | None = None
        self._shapes = {where: tuple(getattr(self, where).shape) for where in self._stored.values()}
        rates = weight_drop, recurrent_dropout, zoneout, zoneout_cell
        check_rates(cell, Rates(*rates), has_W_h="W_h" in fresh)

    if TYPE_CHECKING:
        W_x_T: Tensor
        W_h_T: Tensor

    @property
    def W_x(self) -> Tensor:  # noqa: N802
        """W_x (D, G·H), a view of the parameter `W_x_T`."""
        return self.W_x_T.T

    @property
    def W_h(self) -> Tensor:  # noqa: N802
        """W_h (H, G·H), a view of the parameter `W_h_T`; AttributeError where the cell has none."""
        return self.W_h_T.T

    @property
    def matrices(self) -> list[nn.Parameter]:
        """The parameters that are matrices, as they are stored."""
        return [self.get_parameter(s) for n, s in self._stored.items() if s != n]

    @property
    def parameters_of_cell(self) -> Parameters:
        """The tensors by the names of the cell's equation."""
        # Attributes, not registered parameters: a parametrisation may make them at each call.
        stored: dict[str, Tensor] = {}
        for name, where in self._stored.items():
            value = getattr(self, where, None)
            if not isinstance(value, Tensor):
                raise ShapeError(
                    f"the parameter {where} was taken away: a layer without biases is made with bias=False"
                )
            stored[name] = value
        return {name: p.T if p.dim() == 2 else p for name, p in stored.items()}

    @property
    def reaches_inside(self) -> bool:
        """Whether its regularisation acts inside the recurrence, as the mode is now."""
        dropped = self.training and self.recurrent_dropout > 0
        memory = self.zoneout_cell if len(self.cell.state_type._fields) > 1 else 0.0
        return dropped or max(self.zoneout, memory) > 0

    @property
    def regularised(self) -> bool:
        """Whether it drops or holds anything in training."""
        return max(self.weight_drop, self.recurrent_dropout, self.zoneout, self.zoneout_cell) > 0

    def initial_state(self, batch_size: int) -> State:
        """The state before the first step: (N, H) in every field."""
        like = self.W_x_T
        state = self.cell.zero_state(
            batch_size, self.hidden_size, dtype=like.dtype, device=like.device
        )
        if not self.learned_initial_state:
            return state
        learned = (getattr(self, f"{field}_0", None) for field in self.cell.state_type._fields)
        rows = (
            zero if value is None else value.expand(batch_size, -1)
            for zero, value in zip(state, learned, strict=True)
        )
        initial: State = self.cell.state_type(*rows)
        return initial

    def draw_masks(self, batch_size: int, locked_dropout: float = 0.0) -> Masks:
        """Fresh masks for a sequence, from PyTorch's random numbers; none in evaluation."""
        if not self.training:
            return NO_MASKS
        like = self.W_x_T
        drop_W = mask(self.weight_drop, getattr(self, "W_h_T", None))
        drop_h = mask(self.recurrent_dropout, like, (batch_size, self.output_size))
        drop_x = mask(locked_dropout, like, (1, batch_size, self.input_size))
        return Masks(drop_W, drop_h, drop_x)

    def forward(
        self,
        x: Tensor | LazyEmbedding,
        state: State,
        resets: Tensor | None = None,
        lengths: Tensor | None = None,
        masks: Masks = NO_MASKS,
        *,
        look: Look | None = None,
        segments: Segments | None = None,
    ) -> RecurrenceOutput:
        """x (T, N, D), state, resets (T, N), lengths (N) → h (T, N, H) and last state.

        Where resets is true the row reads x_t from the initial state. The sequence is cut at the
        steps that have a reset, so every kernel serves and the gradient stops where it should.
        From a row's length on its state stays as it is. look: what else the outcome must hold.
        segments: in the place of resets and lengths, where `packs`: the sequences that the rows hold, in
        the order of reading; the output behind a row's end is then 0.
        """
        parameters = self.parameters_of_cell
        self._check_parameters(parameters)
        if masks.W_h is not None:
            parameters = parameters | {"W_h": parameters["W_h"] * masks.W_h.T}
        if segments is not None:
            return self._run_packed(x, state, segments, parameters, masks)
        step_masks = StepMasks(self._hold(x, state, lengths), masks.h)

        states, gates, steps = (
            look is not None and one in look for one in (Look.STATES, Look.GATES, Look.STEPS)
        )
        T = x.shape[0]

        def run(start: int, end: int, state: State) -> RecurrenceOutput:
            # Not a slice of all, whose gradient would be copied.
            whole = resets is None or (start, end) == (0, T)
            part = step_masks if whole else step_masks.part(start, end)
            return recur(
                self.cell, x if whole else x[start:end], parameters, state,
                step_masks=part, states=states, return_gates=gates,
                backend="unrolled" if steps else self.backend,
            )  # fmt: skip

        if resets is None:
            return run(0, T, state)
        parts = []
        start = 0
        # Where the numbers are not at hand, every step may have a reset.
        known = values_known(resets)
        cuts = resets.any(1).nonzero().flatten().tolist() if known else range(T)
        for cut in [*cuts, T]:
            if cut > start:
                parts.append(run(start, cut, state))
                state = parts[-1].last
            if cut < T:
                where = resets[cut].to(x.device, torch.bool).unsqueeze(1)
                pairs = zip(self.initial_state(x.shape[1]), state, strict=True)
                state = self.cell.state_type(*(torch.where(where, new, old) for new, old in pairs))
            start = cut
        return _joined(self.cell, parts)

    def direct(self) -> tuple[PreparedCall, Sequence[Tensor | None]] | None:
        """What `ops.direct` needs to run the layer.

        None where hooks, regularisation, the backend or the kind of a parameter forbid it.
        """
        if (
            self.weight_drop or self.recurrent_dropout or self.zoneout or self.zoneout_cell
            or self.backend not in (None, "native")
            or type(self) is not RecurrentLayer
            or hooked(self)
        ):  # fmt: skip
            return None
        own = self._parameters
        stored = [None if where is None else own.get(where) for where in self._direct_order]
        ready = self._prepared
        if ready is None or not ready.serves(self.cell, stored):
            if len(self._stored) != sum(value is not None for value in stored):
                return None
            self._prepared = ready = prepare(self.cell, stored)
        return None if ready is None else (ready, stored)

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        self._prepared = None  # it would keep the memory that the parameters leave
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call]

    def __getstate__(self) -> dict[str, Any]:
        # The prepared record holds addresses of this layer's memory.
        return {**self.__dict__, "_prepared": None}

    def packs(self, masks: Masks = NO_MASKS) -> bool:
        """Whether the compiled kernel runs the layer: it can read packed sequences."""
        needs_internal_access = masks.h is not None or self.reaches_inside
        like, size = self.W_x_T, self.hidden_size
        found = backend_for(
            self.cell, "cpu", like.dtype, size, self.backend, needs_internal_access, False
        )
        return found == "native"

    def _run_packed(
        self,
        x: Tensor | LazyEmbedding,
        state: State,
        segments: Segments,
        parameters: Parameters,
        masks: Masks,
    ) -> RecurrenceOutput:
        """Every sequence that the rows hold as a row of its own, without padding."""
        step_masks = segments.step_masks(StepMasks(self._hold(x, state, None), masks.h))
        first = segments.begin(self.cell, state, self.initial_state(x.shape[1]))
        states, ends = recur_packed(
            self.cell, segments.pack_input(x), parameters, first, segments.counts, step_masks
        )
        return RecurrenceOutput(segments.unpack(states[0]), segments.last(self.cell, ends, state))

    def _hold(
        self, x: Tensor | LazyEmbedding, state: State, lengths: Tensor | None
    ) -> tuple[Tensor, ...] | None:
        rates = (self.zoneout, *[self.zoneout_cell] * (len(state) - 1))
        if lengths is None and not any(rates):
            return None
        T, N = x.shape[:2]
        like = self.W_x_T  # the recurrence keeps its precision, whatever x has
        padding = like.new_zeros(T, N, 1)
        if lengths is not None:
            padding = is_padding(T, lengths).unsqueeze(-1).to(like)
        hold = []
        for rate, field in zip(rates, state, strict=True):
            if not rate:
                hold.append(padding)
            elif self.training:
                sizes = T, N, field.shape[1]
                drawn = torch.rand(sizes, dtype=like.dtype, device=like.device).lt_(rate)
                hold.append(torch.maximum(drawn, padding))
            else:
                hold.append(padding.clamp_min(rate))
        return tuple(hold)

    def _check_parameters(self, parameters: Parameters) -> None:
        """ShapeError where a parameter was replaced by one of another size, type or device."""
        like = parameters["W_x"]
        for name, value in parameters.items():
            stored = self._stored[name]
            shape = tuple(value.shape) if value.dim() != 2 else tuple(value.shape[::-1])
            if shape != self._shapes[stored]:
                raise ShapeError(f"{stored} has shape {shape}, not {self._shapes[stored]}")
            if value.dtype != like.dtype or value.device != like.device:
                raise ShapeError(
                    f"{stored} is {value.dtype} on {value.device}, but W_x_T {like.dtype} on "
                    f"{like.device}: convert the layer as a whole with .to(…)"
                )

    def explain(self) -> str:
        """Which implementation runs it here, and why."""
        choice = choose(
            self.cell, self.W_x.device, self.W_x.dtype,
            hidden_size=self.hidden_size, backend=self.backend,
            needs_internal_access=self.reaches_inside,
        )  # fmt: skip
        size = f"{self.input_size} → {self.output_size}"
        return f"{type(self.cell).__name__} {size}, {choice.backend}: {choice.reason}"

    def extra_repr(self) -> str:
        return f"{self.cell}, {self.input_size} → {self.hidden_size}"


def _started(cell: Cell, fresh: Parameters, start: str, scale: float) -> Tensor:
    """W_h as a start makes it; ConfigError where the cell has none."""
    if "W_h" not in fresh:
        raise ConfigError(
            f"start says how W_h begins, and {type(cell).__name__} has none: leave it out"
        )
    if not start:
        return fresh["W_h"] * scale
    P, width = fresh["W_h"].shape
    blocks = len(cell.gates_of_W_h)
    return recurrent_start(start, P, width // blocks, blocks, scale=scale)


def hooked(module: nn.Module) -> bool:
    """Whether a module has hooks or a patched `forward`."""
    return bool(
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
        or "forward" in module.__dict__
    )


def _joined(cell: Cell, parts: Sequence[RecurrenceOutput]) -> RecurrenceOutput:
    output = torch.cat([part.output for part in parts])
    known = [part.states for part in parts if part.states is not None]
    states = saved = None
    if len(known) == len(parts):
        states = cell.state_type(*(torch.cat(field) for field in zip(*known, strict=True)))
        saved = tuple(torch.cat(v) for v in zip(*(part.saved for part in parts), strict=True))
    steps = tuple(step for part in parts for step in part.steps)
    return RecurrenceOutput(output, parts[-1].last, states, saved or (), steps)
