"""Elman network, the simple recurrent network: h_t = f(x_t W_x + h_{t-1} W_h + b)."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from sunhwan.cells.base import Bypass, Cell, HiddenState, State


@dataclass(frozen=True)
class Elman(Cell):
    r"""Elman network (Elman 1990, "Finding structure in time").

    .. math:: h_t = \phi(x_t W_x + h_{t-1} W_h + b), \qquad \phi = \tanh, \; \mathrm{ReLU}
              \text{ or } \sigma

    W_h starts orthogonal (Saxe et al. 2014).
    Shapes: x (N, D), h (N, H), W_x (D, H), W_h (H, H), b (H).
    """

    nonlinearity: Literal["tanh", "relu", "sigmoid"] = "tanh"

    gates: ClassVar[tuple[str, ...]] = ("h",)
    state_type: ClassVar[type[HiddenState]] = HiddenState
    source: ClassVar[str] = "Elman 1990"

    @property
    def kernel_key(self) -> tuple[object, ...]:
        return (*super().kernel_key, self.nonlinearity)

    def pointwise(self, a: Tensor, u: Tensor, state: State, *extra: Tensor) -> tuple[State, State]:
        if self.nonlinearity == "sigmoid":
            return HiddenState(torch.sigmoid(a + u)), ()
        h = torch.tanh(a + u) if self.nonlinearity == "tanh" else torch.relu(a + u)
        return HiddenState(h), ()

    def factors(self, saved: State, state_prev: State, state: State, *extra: Tensor) -> State:
        (h,) = state
        # φ' from the output. At 0 the slope of ReLU is taken as 0, as PyTorch does.
        if self.nonlinearity == "sigmoid":
            return (h * (1 - h),)
        return (1 - h * h,) if self.nonlinearity == "tanh" else ((h > 0).to(h.dtype),)

    def pointwise_backward(self, d_state: State, factors: State) -> tuple[Tensor, Bypass]:
        return d_state[0] * factors[0], (None,)
