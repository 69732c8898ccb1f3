"""Cells that are a linear recurrence, unit by unit: computed for all t at once."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from sunhwan.cells.base import Bypass, Cell, HiddenState, State


@dataclass(frozen=True)
class LinearCell(Cell):
    r"""A recurrence whose coefficients depend on the input alone.

    .. math:: h_t = f_t \odot h_{t-1} + v_t, \qquad (f_t, v_t) = \mathrm{coefficients}(a_t)

    No step waits for another to know its coefficients, so a whole sequence is a parallel scan
    (Blelloch 1990; Martin and Cundy 2018), in `sunhwan.ops`; step by step it is a cell like any
    other. A subclass writes `coefficients` and, unless autograd should do it, their gradient.
    """

    recurrent_gates: ClassVar[tuple[str, ...] | None] = ()
    state_type: ClassVar[type[HiddenState]] = HiddenState

    def coefficients(self, a: Tensor, *extra: Tensor) -> tuple[Tensor, Tensor, State]:
        """a (…, G·H) → f and v (…, H), and values to save; elementwise."""
        raise NotImplementedError

    def coefficients_backward(
        self, d_f: Tensor, d_v: Tensor, f: Tensor, saved: State, *extra: Tensor
    ) -> tuple[Tensor, State]:
        """d f, d v, with f and what `coefficients` saved → d a and the gradients of the extra ones."""
        raise NotImplementedError

    # The same as a cell of single steps: what is saved is f and what the coefficients saved.

    def pointwise(self, a: Tensor, u: Tensor, state: State, *extra: Tensor) -> tuple[State, State]:
        f, v, saved = self.coefficients(a, *extra)
        return self.state_type(torch.addcmul(v, f, state[0])), (f, *saved)

    def factors(self, saved: State, state_prev: State, state: State, *extra: Tensor) -> State:
        return saved[0], state_prev[0]

    def pointwise_backward(self, d_state: State, factors: State) -> tuple[Tensor, Bypass]:
        nothing: Any = None  # no recurrent product, no gradient of one
        return nothing, (d_state[0] * factors[0],)

    def gradients(
        self,
        d_state: State,
        d_u: Tensor,
        factors: State,
        saved: State,
        state_prev: State,
        *extra: Tensor,
    ) -> tuple[Tensor, State]:
        (d_h,) = d_state
        return self.coefficients_backward(d_h * factors[1], d_h, saved[0], saved[1:], *extra)
