"""The contract of a cell: one step of a recurrence, split into products and a pointwise part.

    a_t = x_t W_x + b                      for all t at once
    u_t = h_{t-1} W_h (+ b_h)              inside the loop
    state_t, saved_t = pointwise(a_t, u_t, state_{t-1})

The split follows FlashRNN (Pöppel et al. 2024): the products are the same for every cell, so a
cell is only its pointwise part, and the loop over time is written once, in `sunhwan.ops`.

Backward, the pointwise part is linear in the incoming gradient. What it is multiplied with depends
on saved values alone, so `factors` is computed for all t in one go and only the linear part,
`pointwise_backward`, stays inside the loop; what the next step does not depend on comes after it:

    factors = factors(saved, state_{t-1}, state_t)              for all t at once
    d u_t, d state_{t-1} = pointwise_backward(d state_t, factors_t)             t = T … 1
    d h_{t-1} += d u_t W_hᵀ
    d a, d extra = gradients(d state, d u, factors, …)          for all t at once
    d W_h = Σ_t h_{t-1}ᵀ d u_t             ONE product over all t

A cell may leave out the whole backward: `sunhwan.cells.derive` makes it from `pointwise`. Cells of
another shape say how they differ in the same hooks: no recurrent product (`recurrent_gates = ()`),
a linear recurrence that can be computed for all t at once (`linear.LinearCell`), a second product
inside the step (`two_products.TwoProductCell`), further parameters (`extra`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from sunhwan.cells.initial import glorot, orthogonal
from sunhwan.cells.sizes import check_hidden_size

State = tuple[Tensor, ...]
"""A NamedTuple per cell whose first field is the hidden state h; a field is (N, its size)."""

Bypass = tuple[Tensor | None, ...]
"""Gradients of a state's fields; None where nothing arrives."""

Parameters = dict[str, Tensor]
"""The tensors of one layer by name: W_x (D, G·H), W_h (H, G·H), b and b_h (G·H), and the cell's own.

Where h is smaller than the other fields (a projection), W_h has as many rows as h.
"""


class HiddenState(NamedTuple):
    """h (N, H): the hidden state, which is also the output."""

    h: Tensor


class StepParameters(NamedTuple):
    """The parameters that a step reads; products with the input are made for all t before."""

    W_h: Tensor | None = None
    b_h: Tensor | None = None
    W_m: Tensor | None = None
    extra: State = ()

    def map(self, function: Callable[[Tensor], Tensor]) -> "StepParameters":
        """The same of function(value)."""
        W_h, b_h, W_m = (None if p is None else function(p) for p in self[:3])
        return StepParameters(W_h, b_h, W_m, tuple(map(function, self.extra)))

    def values(self) -> tuple[Tensor | None, ...]:
        """W_h, b_h, W_m and the extra ones in a row."""
        return (self.W_h, self.b_h, self.W_m, *self.extra)


@dataclass(frozen=True)
class Cell:
    """One step of a recurrence. Subclasses hold no tensors: they are the equation.

    gates: the names of the G column blocks of W_x, W_h and b, in their order.
    recurrent_gates: those of W_h, where they are others; (): the cell has no recurrent product and
        its u is None.
    state_type: the NamedTuple of the state.
    recurrent_bias: set where the recurrent product meets a gate before it is added to the input
        product (the candidate of the GRU), for there the two biases are different parameters.
    extra: names of further parameters, in the order in which `pointwise` and `factors` take them.
    saved_names: names of the saved values, for those who look inside.
    """

    gates: ClassVar[tuple[str, ...]]
    recurrent_gates: ClassVar[tuple[str, ...] | None] = None
    state_type: ClassVar[Any]
    recurrent_bias: ClassVar[bool] = False
    extra: ClassVar[tuple[str, ...]] = ()
    saved_names: ClassVar[tuple[str, ...]] = ()
    learned_fields: ClassVar[tuple[str, ...] | None] = None
    """The fields of the initial state that can be learned; None: all."""
    keep: ClassVar[str] = ""
    """The gate, by its name in `gate_values`, that multiplies the memory of the step before: at 1
    nothing of it is lost, and where nothing is written either it stays. "": there is no such gate."""
    source: ClassVar[str] = ""
    """Authors and year, for listings."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__eq__" not in vars(cls):  # and a dataclass keeps these
            setattr(cls, "__eq__", Cell.__eq__)  # noqa: B010
            setattr(cls, "__hash__", Cell.__hash__)  # noqa: B010

    def __eq__(self, other: object) -> bool:
        """Whether both are of one class with equal attributes, fields of a dataclass or not.

        Backward steps are derived once for all equal cells.
        """
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((type(self), frozenset(vars(self).items())))

    def pointwise(self, a: Tensor, u: Tensor, state: State, *extra: Tensor) -> tuple[State, State]:
        """a, u (N, G·H), state of (N, H) → the next state, and values to save.

        The equation, in PyTorch operations on the last axis; row n of all results depends on row n
        alone. The saved values are what `factors` needs and what inspection shows.
        """
        raise NotImplementedError

    def factors(self, saved: State, state_prev: State, state: State, *extra: Tensor) -> State:
        """The multipliers of the backward step; elementwise, so (N, …) and (T, N, …) both do."""
        raise NotImplementedError

    def pointwise_backward(self, d_state: State, factors: State) -> tuple[Tensor, Bypass]:
        """d state_t → d u_t (N, G·H) and the part of d state_{t-1} that bypasses W_h."""
        raise NotImplementedError

    def gradients(
        self,
        d_state: State,
        d_u: Tensor,
        factors: State,
        saved: State,
        state_prev: State,
        *extra: Tensor,
    ) -> tuple[Tensor, State]:
        """d a (…, G·H) and the gradients of the extra parameters, for all t at once.

        As it stands: of a cell whose a and u are added before anything else, without extras.
        """
        return d_u, ()

    def initial_bias(self, hidden_size: int) -> Tensor:
        """The bias (G·H) before training: zeros unless the cell's literature says otherwise."""
        return torch.zeros(len(self.gates) * hidden_size)

    def initial_extra(self, hidden_size: int) -> Parameters:
        """The cell's own parameters before training, beyond W_x, W_h and the biases."""
        return {}

    def gate_values(self, saved: State) -> dict[str, Tensor]:
        """The saved values by name: gates, candidates, whatever the cell's equation calls by a name."""
        return dict(zip(self.saved_names, saved, strict=False))

    # Of a compiled kernel: which equation it is, and the numbers that it is told.

    @property
    def kernel_key(self) -> tuple[object, ...]:
        """What two cells have alike if one kernel serves both, told the constant of each."""
        return (type(self),)

    @property
    def kernel_constant(self) -> float:
        """The number of the equation that a kernel is told."""
        return 0.0

    def with_kernel_constants(self, constant: float, projection_size: int) -> "Cell":
        """The cell of the same equation with other numbers."""
        return self

    # Sizes and parameters.

    @property
    def gates_of_W_h(self) -> tuple[str, ...]:  # noqa: N802
        """The column blocks of W_h and u, in their order."""
        return self.gates if self.recurrent_gates is None else self.recurrent_gates

    @property
    def step_parameters(self) -> tuple[str, ...]:
        """The names of the parameters that `pointwise` takes after the state."""
        return self.extra

    def output_size(self, hidden_size: int) -> int:
        """The size of h: H but for cells that project it."""
        return self.state_sizes(hidden_size)[0]

    def state_sizes(self, hidden_size: int) -> tuple[int, ...]:
        """The size of every field of the state."""
        return (hidden_size,) * len(self.state_type._fields)

    def zero_state(
        self,
        batch_size: int,
        hidden_size: int,
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | None = None,
    ) -> State:
        """The state before anything was read: zeros in every field."""
        sizes = self.state_sizes(hidden_size)
        zeros = (torch.zeros(batch_size, size, dtype=dtype, device=device) for size in sizes)
        state: State = self.state_type(*zeros)
        return state

    def initial_parameters(
        self, input_size: int, hidden_size: int, *, bias: bool = True
    ) -> Parameters:
        """Fresh parameters, gate by gate: Glorot-uniform W_x, orthogonal W_h, `initial_bias`.

        Glorot and Bengio 2010; orthogonal recurrent matrices after Saxe et al. 2014, so that a
        gradient keeps its length through W_h at the start of training. ConfigError where the cell
        cannot have so many units.
        """
        check_hidden_size(self, hidden_size)
        D, H, P = input_size, hidden_size, self.output_size(hidden_size)
        recurrent_gates = self.gates_of_W_h
        parameters = {"W_x": glorot(D, H, len(self.gates))}
        if recurrent_gates:
            parameters["W_h"] = orthogonal(P, H, len(recurrent_gates))
        if bias:
            parameters["b"] = self.initial_bias(H)
            if self.recurrent_bias:
                parameters["b_h"] = torch.zeros(len(recurrent_gates) * H)
        return parameters | self.initial_extra(H)

    def effective(self, parameters: Parameters) -> Parameters:
        """The parameters as the equation uses them: a cell may constrain what is learned."""
        return parameters

    def parameters_of_step(self, parameters: Mapping[str, Tensor]) -> StepParameters:
        """Those that the steps need."""
        W_h, b_h, W_m = map(parameters.get, ("W_h", "b_h", "W_m"))
        return StepParameters(W_h, b_h, W_m, tuple(parameters[name] for name in self.extra))

    # One step, forward and backward, as the loop over time takes it.

    def inputs(self, x: Tensor, parameters: Parameters) -> Tensor:
        """a (N, G·H) of x (N, D): what the cell reads of its input, needing no state."""
        return input_sums(x, parameters["W_x"], parameters.get("b"))

    def sums(self, x: Tensor, state: State, parameters: Parameters) -> Tensor:
        """The input products of a step, for readers: of a cell that reads its past, with that."""
        return self.inputs(x, parameters)

    def forward_step(
        self, a: Tensor, state: State, weights: StepParameters, drop: Tensor | None = None
    ) -> tuple[State, State]:
        """a_t, state_{t-1} → state_t and saved values; `drop` (N, H) multiplies h before W_h."""
        u = recurrent_product(state[0], weights, drop)
        return self.pointwise(a, u, state, *weights.extra)

    def backward_step(
        self, d_state: State, factors: State, weights: StepParameters, drop: Tensor | None = None
    ) -> State:
        """d state_t → d state_{t-1}."""
        d_u, d_prev = self.pointwise_backward(d_state, factors)
        return through_recurrent_product(d_u, d_prev, d_state, weights, drop)

    def parameter_gradients(
        self,
        d_state: State,
        factors: State,
        saved: State,
        state_prev: State,
        operand: Tensor,
        weights: StepParameters,
    ) -> tuple[Tensor, StepParameters]:
        """d a, and the gradients of what is in `weights`, from those of every state, for all t at once.

        operand: what W_h was multiplied with, h_{t-1} or the part of it that was not dropped.
        """
        d_u, _ = self.pointwise_backward(d_state, factors)
        d_a, d_extra = self.gradients(d_state, d_u, factors, saved, state_prev, *weights.extra)
        if weights.W_h is None:
            return d_a, StepParameters(extra=d_extra)
        d_b_h = None if weights.b_h is None else rows(d_u).sum(0)
        return d_a, StepParameters(weight_gradient(operand, d_u), d_b_h, None, d_extra)

    # For readers and tests: a step of its own, with its gradient.

    def step(self, x: Tensor, state: State, parameters: Parameters) -> State:
        """One step: x (N, D), state of (N, H) → the next state. Pure, differentiable."""
        parameters = self.effective(parameters)
        return self.forward_step(
            self.inputs(x, parameters), state, self.parameters_of_step(parameters)
        )[0]

    def step_backward(
        self, d_state: State, x: Tensor, state_prev: State, parameters: Parameters
    ) -> tuple[Tensor, State, Parameters]:
        """The gradient of `step`, by hand: d state → d x, d state_prev, d parameters.

        Recomputes the forward step from x and state_prev, as a reader would on paper. The chain from
        a and the loop's parameters to x and what is learned is short, and left to autograd.
        """
        learned = {name: p.detach().requires_grad_() for name, p in parameters.items()}
        x = x.detach().requires_grad_()
        with torch.enable_grad():
            effective = self.effective(learned)
            a, weights = self.inputs(x, effective), self.parameters_of_step(effective)
        fixed = weights.map(Tensor.detach)
        state, saved = self.forward_step(a.detach(), state_prev, fixed)
        factors = self.factors(saved, state_prev, state, *fixed.extra)
        d_prev = self.backward_step(d_state, factors, fixed)
        d_a, d_weights = self.parameter_gradients(
            d_state, factors, saved, state_prev, state_prev[0], fixed
        )
        ends = [(a, d_a)] + [
            (value, gradient)
            for value, gradient in zip(weights.values(), d_weights.values(), strict=True)
            if value is not None and gradient is not None
        ]
        values, gradients = zip(*ends, strict=True)
        d_x, *d_learned = torch.autograd.grad(
            values, (x, *learned.values()), gradients, allow_unused=True, materialize_grads=True
        )
        return d_x, self.state_type(*d_prev), dict(zip(learned, d_learned, strict=True))


# Shared by the cells and the loop.


def input_sums(x: Tensor, W_x: Tensor, b: Tensor | None) -> Tensor:
    """a = x W_x + b (N, G·H)."""
    return x @ W_x if b is None else torch.addmm(b, x, W_x)


def recurrent_product(h: Tensor, weights: StepParameters, drop: Tensor | None) -> Any:
    """u = (h ⊙ drop) W_h + b_h, or None where the cell has no W_h."""
    if weights.W_h is None:
        return None
    h = h if drop is None else h * drop
    return (
        torch.mm(h, weights.W_h)
        if weights.b_h is None
        else torch.addmm(weights.b_h, h, weights.W_h)
    )


def through_recurrent_product(
    d_u: Tensor | None, d_prev: Bypass, d_state: State, weights: StepParameters, drop: Tensor | None
) -> State:
    """d state_{t-1}: what came by W_h, d u W_hᵀ ⊙ drop, added to what bypassed it."""
    d_h, *rest = d_prev
    if weights.W_h is not None and d_u is not None:
        W = weights.W_h.T
        if drop is not None:
            through = torch.mm(d_u, W) * drop
            d_h = through if d_h is None else d_h + through
        else:
            d_h = torch.mm(d_u, W) if d_h is None else torch.addmm(d_h, d_u, W)
    fields = zip((d_h, *rest), d_state, strict=True)
    # A field that nothing reads has no gradient: zeros, of the size it has.
    return tuple(torch.zeros_like(like) if d is None else d for d, like in fields)


def rows(values: Tensor) -> Tensor:
    """(…, size) → (rows, size)."""
    return values.reshape(-1, values.shape[-1])


def weight_gradient(operand: Tensor, d_product: Tensor) -> Tensor:
    """d W of product = operand W: Σ operandᵀ d product over all leading axes, in one product.

    Laid out in memory as the parameter is, transposed.
    """
    return (rows(d_product).T @ rows(operand)).T
