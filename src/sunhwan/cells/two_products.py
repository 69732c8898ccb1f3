"""Cells with a second matrix product inside the step."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sunhwan.cells.base import (
    Bypass,
    Cell,
    State,
    StepParameters,
    recurrent_product,
    rows,
    through_recurrent_product,
    weight_gradient,
)


@dataclass(frozen=True)
class TwoProductCell(Cell):
    """A step in which a product waits for the outcome of another one.

        u_t = h_{t-1} W_h                                  (+ b_h)
        m_t, kept_t = inner(a_t, u_t, state_{t-1})
        w_t = m_t W_m
        state_t, saved_t = outer(a_t, w_t, state_{t-1}, kept_t)

    and backward the same way home: `outer_backward`, W_mᵀ, `inner_backward`, W_hᵀ. The saved values
    are m_t, those of `inner` and those of `outer`, in this order.
    """

    @property
    def step_parameters(self) -> tuple[str, ...]:
        return ("W_m",)

    def inner(self, a: Tensor, u: Tensor, state: State) -> tuple[Tensor, State]:
        """a_t, u_t, state_{t-1} → m_t, what the second product reads, and values to keep."""
        raise NotImplementedError

    def outer(self, a: Tensor, w: Tensor, state: State, kept: State) -> tuple[State, State]:
        """a_t, w_t = m_t W_m, state_{t-1}, what `inner` kept → state_t, and values to save."""
        raise NotImplementedError

    def outer_backward(self, d_state: State, factors: State) -> tuple[Tensor, Bypass]:
        """d state_t → d w_t and the part of d state_{t-1} that needs no product."""
        raise NotImplementedError

    def inner_backward(self, d_state: State, d_m: Tensor, factors: State) -> tuple[Tensor, Bypass]:
        """d state_t, d m_t → d u_t and the part of d state_{t-1} that came by W_m, not by W_h."""
        raise NotImplementedError

    def input_gradient(self, d_u: Tensor, d_m: Tensor, d_w: Tensor, factors: State) -> Tensor:
        """d a_t, from the gradients of everything that it met."""
        raise NotImplementedError

    def pointwise(self, a: Tensor, u: Tensor, state: State, *extra: Tensor) -> tuple[State, State]:
        """The whole step but its first product; extra: W_m."""
        m, kept = self.inner(a, u, state)
        after, saved = self.outer(a, torch.mm(m, extra[0]), state, kept)
        return after, (m, *kept, *saved)

    def forward_step(
        self, a: Tensor, state: State, weights: StepParameters, drop: Tensor | None = None
    ) -> tuple[State, State]:
        return self.pointwise(
            a, recurrent_product(state[0], weights, drop), state, _second(weights)
        )

    def backward_step(
        self, d_state: State, factors: State, weights: StepParameters, drop: Tensor | None = None
    ) -> State:
        d_w, past = self.outer_backward(d_state, factors)
        d_u, by_m = self.inner_backward(d_state, torch.mm(d_w, _second(weights).T), factors)
        d_prev = tuple(
            p if m is None else m if p is None else p + m for p, m in zip(past, by_m, strict=True)
        )
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
        d_w, _ = self.outer_backward(d_state, factors)
        d_m = torch.mm(rows(d_w), _second(weights).T).view_as(saved[0])
        d_u, _ = self.inner_backward(d_state, d_m, factors)
        d_a = self.input_gradient(d_u, d_m, d_w, factors)
        d_W_h, d_W_m = weight_gradient(operand, d_u), weight_gradient(saved[0], d_w)
        return d_a, StepParameters(d_W_h, None, d_W_m)


def _second(weights: StepParameters) -> Tensor:
    if weights.W_m is None:
        raise TypeError("the cell needs W_m, the matrix of its second product")
    return weights.W_m
