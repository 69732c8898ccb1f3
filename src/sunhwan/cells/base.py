"""The contract of a cell: one step of a recurrence, split into products and a pointwise part.

    a_t = x_t W_x + b                      for all t at once
    u_t = h_{t-1} W_h (+ b_h)              inside the loop
    state_t, saved_t = pointwise(a_t, u_t, state_{t-1})

The split follows FlashRNN (Pöppel et al. 2024): the products are the same for every cell, so a
cell is only its pointwise part, and the loop over time is written once, in `sunhwan.ops`.

Backward, the pointwise part is linear in the incoming gradient. What it is multiplied with depends
on saved values alone, so `factors` is computed for all t in one go and only the linear part,
`pointwise_backward`, stays inside the loop:

    factors = factors(saved, state_{t-1}, state_t)              for all t at once
    d a_t, d u_t, d state_{t-1} = pointwise_backward(d state_t, factors_t)      t = T … 1
    d h_{t-1} += d u_t W_hᵀ
    d W_h = Σ_t h_{t-1}ᵀ d u_t             ONE product over all t, after the loop
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from sunhwan.errors import ShapeError

State = tuple[Tensor, ...]
"""A NamedTuple per cell whose first field is the hidden state h; every field is (N, H)."""


class Parameters(NamedTuple):
    """The tensors of one layer: W_x (D, G·H), W_h (H, G·H), b and b_h (G·H) or None."""

    W_x: Tensor
    W_h: Tensor
    b: Tensor | None = None
    b_h: Tensor | None = None


@dataclass(frozen=True)
class Cell:
    """One step of a recurrence. Subclasses hold no tensors: they are the equation.

    `gates` names the G column blocks of W_x, W_h and b in their order; `state_type` is the
    NamedTuple of the state. A cell in which the recurrent product meets a gate before it is added
    to the input product (the candidate of the GRU) sets `recurrent_bias`, for there the two biases
    are different parameters.
    """

    gates: ClassVar[tuple[str, ...]]
    state_type: ClassVar[Any]
    recurrent_bias: ClassVar[bool] = False

    def pointwise(self, a: Tensor, u: Tensor, state: State) -> tuple[State, State]:
        """a, u (N, G·H), state of (N, H) → the next state, and what `factors` will need."""
        raise NotImplementedError

    def factors(self, saved: State, state_prev: State, state: State) -> State:
        """The multipliers of the backward step; elementwise, so (N, …) and (T, N, …) both do."""
        raise NotImplementedError

    def pointwise_backward(self, d_state: State, factors: State) -> tuple[Tensor, Tensor, State]:
        """d state_t → d a_t, d u_t (N, G·H) and the part of d state_{t-1} that bypasses W_h."""
        raise NotImplementedError

    def initial_bias(self, hidden_size: int) -> Tensor:
        """The bias (G·H) before training: zeros unless the cell's literature says otherwise."""
        return torch.zeros(len(self.gates) * hidden_size)

    # What follows is the same for every cell.

    def zero_state(
        self,
        batch_size: int,
        hidden_size: int,
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | None = None,
    ) -> State:
        """The state before anything was read: zeros (N, H) in every field."""
        fields = self.state_type._fields
        zeros = (torch.zeros(batch_size, hidden_size, dtype=dtype, device=device) for _ in fields)
        state: State = self.state_type(*zeros)
        return state

    def initial_parameters(
        self, input_size: int, hidden_size: int, *, bias: bool = True
    ) -> Parameters:
        """Fresh parameters, gate by gate: Glorot-uniform W_x, orthogonal W_h, `initial_bias`.

        Glorot and Bengio 2010; orthogonal recurrent matrices after Saxe et al. 2014, so that a
        gradient keeps its length through W_h at the start of training.
        """
        D, H, G = input_size, hidden_size, len(self.gates)
        W_x, W_h = torch.empty(D, G * H), torch.empty(H, G * H)
        for gate in range(G):
            block = slice(gate * H, (gate + 1) * H)
            torch.nn.init.xavier_uniform_(W_x[:, block])
            W_h[:, block] = torch.nn.init.orthogonal_(torch.empty(H, H))
        b = self.initial_bias(H) if bias else None
        b_h = torch.zeros(G * H) if bias and self.recurrent_bias else None
        return Parameters(W_x, W_h, b, b_h)

    def step(self, x: Tensor, state: State, parameters: Parameters) -> State:
        """One step: x (N, D), state of (N, H) → the next state. Pure, differentiable."""
        a, u = _products(x, state[0], parameters)
        return self.pointwise(a, u, state)[0]

    def step_backward(
        self, d_state: State, x: Tensor, state_prev: State, parameters: Parameters
    ) -> tuple[Tensor, State, Parameters]:
        """The gradient of `step`, by hand: d state → d x, d state_prev, d parameters.

        Recomputes the forward step from x and state_prev, as a reader would on paper.
        """
        W_x, W_h, b, b_h = parameters
        state, saved = self.pointwise(*_products(x, state_prev[0], parameters), state_prev)
        factors = self.factors(saved, state_prev, state)
        d_a, d_u, d_prev = self.pointwise_backward(d_state, factors)
        d_state_prev = self.state_type(d_prev[0] + d_u @ W_h.T, *d_prev[1:])
        d_parameters = Parameters(
            x.T @ d_a,
            state_prev[0].T @ d_u,
            None if b is None else d_a.sum(0),
            None if b_h is None else d_u.sum(0),
        )
        return d_a @ W_x.T, d_state_prev, d_parameters


def _products(x: Tensor, h: Tensor, parameters: Parameters) -> tuple[Tensor, Tensor]:
    W_x, W_h, b, b_h = parameters
    a, u = x @ W_x, h @ W_h
    return (a if b is None else a + b), (u if b_h is None else u + b_h)


def check_state(
    cell: Cell, state: Sequence[Tensor] | Tensor, batch_size: int, hidden_size: int
) -> State:
    """The state as the cell's NamedTuple, or a ShapeError that carries the offending sizes."""
    fields = cell.state_type._fields
    name = cell.state_type.__name__
    if isinstance(state, Tensor) or len(state) != len(fields):
        shape = f"{', '.join(fields)}, each ({batch_size}, {hidden_size})"
        raise ShapeError(f"the state must be a {name} of {shape}: wrap it as {name}(…)")
    for field, value in zip(fields, state, strict=True):
        if tuple(value.shape) != (batch_size, hidden_size):
            raise ShapeError(
                f"state field {field} has shape {tuple(value.shape)}, but a batch of "
                f"{batch_size} rows and {hidden_size} hidden units needs "
                f"{(batch_size, hidden_size)}"
            )
    checked: State = cell.state_type(*state)
    return checked
