"""The simplified gated unit: an update gate alone."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from sunhwan.cells.base import Bypass, Cell, HiddenState, State


@dataclass(frozen=True)
class UGRNN(Cell):
    r"""Update-gate recurrent network, the GRU without its reset gate (Collins et al. 2017).

    .. math::
        z_t &= \sigma(x_t W_x^z + h_{t-1} W_h^z + b^z) \\
        n_t &= \tanh(x_t W_x^n + h_{t-1} W_h^n + b^n) \\
        h_t &= (1 - z_t) \odot n_t + z_t \odot h_{t-1}

    Source: "Capacity and trainability in recurrent neural networks". As in the GRU z keeps the
    past; its bias starts at 1.
    Shapes: x (N, D), h (N, H), W_x (D, 2H), W_h (H, 2H), b (2H), blocks in the order z, n.
    """

    gates: ClassVar[tuple[str, ...]] = ("z", "n")
    state_type: ClassVar[type[HiddenState]] = HiddenState
    saved_names: ClassVar[tuple[str, ...]] = ("z", "n")
    keep: ClassVar[str] = "z"
    source: ClassVar[str] = "Collins et al. 2017"

    def initial_bias(self, hidden_size: int) -> Tensor:
        b = super().initial_bias(hidden_size)
        b[:hidden_size] = 1.0
        return b

    def pointwise(self, a: Tensor, u: Tensor, state: State, *extra: Tensor) -> tuple[State, State]:
        (h,) = state
        s_z, s_n = (a + u).chunk(2, -1)
        z, n = torch.sigmoid(s_z), torch.tanh(s_n)
        return HiddenState(torch.lerp(n, h, z)), (z, n)

    def factors(self, saved: State, state_prev: State, state: State, *extra: Tensor) -> State:
        (h_prev,) = state_prev
        z, n = saved
        to_z = (h_prev - n) * (z * (1 - z))
        to_n = (1 - z) * (1 - n * n)
        return torch.stack((to_z, to_n), -2), z

    def pointwise_backward(self, d_state: State, factors: State) -> tuple[Tensor, Bypass]:
        (d_h,) = d_state
        to_s, z = factors
        return (d_h.unsqueeze(-2) * to_s).flatten(-2), (d_h * z,)
