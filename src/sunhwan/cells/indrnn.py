"""Independently recurrent network (IndRNN): each unit reads its own last value alone."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from sunhwan.cells.base import Bypass, Cell, HiddenState, Parameters, State


@dataclass(frozen=True)
class IndRNN(Cell):
    r"""Independently recurrent network (Li, Li, Cook, Zhu and Gao 2018).

    .. math:: h_t = \mathrm{ReLU}(x_t W_x + w_h \odot h_{t-1} + b)

    A unit reads of the past its own value alone; units interact in the next layer. A gradient over k
    steps is multiplied by w_h^k where the unit is on. w_h starts uniform in [0, 1].
    Shapes: x (N, D), h (N, H), W_x (D, H), w_h (H), b (H).
    """

    gates: ClassVar[tuple[str, ...]] = ("h",)
    recurrent_gates: ClassVar[tuple[str, ...] | None] = ()
    state_type: ClassVar[type[HiddenState]] = HiddenState
    extra: ClassVar[tuple[str, ...]] = ("w_h",)
    source: ClassVar[str] = "Li et al. 2018"

    def initial_extra(self, hidden_size: int) -> Parameters:
        return {"w_h": torch.rand(hidden_size)}

    def pointwise(self, a: Tensor, u: Tensor, state: State, *extra: Tensor) -> tuple[State, State]:
        (w_h,) = extra
        return HiddenState(torch.relu(torch.addcmul(a, w_h, state[0]))), ()

    def factors(self, saved: State, state_prev: State, state: State, *extra: Tensor) -> State:
        on = (state[0] > 0).to(state[0].dtype)
        return on, on * extra[0]

    def pointwise_backward(self, d_state: State, factors: State) -> tuple[Tensor, Bypass]:
        on, to_h = factors
        return d_state[0] * on, (d_state[0] * to_h,)

    def gradients(
        self,
        d_state: State,
        d_u: Tensor,
        factors: State,
        saved: State,
        state_prev: State,
        *extra: Tensor,
    ) -> tuple[Tensor, State]:
        return d_u, ((d_u * state_prev[0]).flatten(0, -2).sum(0),)
