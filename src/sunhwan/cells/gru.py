"""The gated recurrent unit, its reset gate after the recurrent product."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from sunhwan.cells.base import Bypass, Cell, HiddenState, State


@dataclass(frozen=True)
class GRU(Cell):
    r"""Gated recurrent unit (Cho et al. 2014), the reset gate applied after the recurrent product.

    .. math::
        r_t &= \sigma(x_t W_x^r + h_{t-1} W_h^r + b^r + b_h^r) \\
        z_t &= \sigma(x_t W_x^z + h_{t-1} W_h^z + b^z + b_h^z) \\
        n_t &= \tanh(x_t W_x^n + b^n + r_t \odot (h_{t-1} W_h^n + b_h^n)) \\
        h_t &= (1 - z_t) \odot n_t + z_t \odot h_{t-1}

    This is the form of version 1 of Cho et al.'s preprint, of cuDNN and of `torch.nn.GRU`; the
    other published form is `GRUResetBefore`. z keeps the past. Its bias starts at 1, so that a new
    network remembers.
    Shapes: x (N, D), h (N, H), W_x (D, 3H), W_h (H, 3H), b and b_h (3H), blocks in the order r, z, n.
    """

    gates: ClassVar[tuple[str, ...]] = ("r", "z", "n")
    state_type: ClassVar[type[HiddenState]] = HiddenState
    recurrent_bias: ClassVar[bool] = True
    keep: ClassVar[str] = "z"
    source: ClassVar[str] = "Cho et al. 2014, reset after the product"

    def initial_bias(self, hidden_size: int) -> Tensor:
        b = super().initial_bias(hidden_size)
        b[hidden_size : 2 * hidden_size] = 1.0
        return b

    def gate_values(self, saved: State) -> dict[str, Tensor]:
        rz, n, _ = saved
        r, z = rz.chunk(2, -1)
        return {"r": r, "z": z, "n": n}

    def pointwise(self, a: Tensor, u: Tensor, state: State, *extra: Tensor) -> tuple[State, State]:
        (h,) = state
        H = h.shape[-1]
        u_n = u[..., 2 * H :]
        rz = torch.sigmoid(a[..., : 2 * H] + u[..., : 2 * H])
        n = torch.tanh(torch.addcmul(a[..., 2 * H :], rz[..., :H], u_n))
        return HiddenState(torch.lerp(n, h, rz[..., H:])), (rz, n, u_n)

    def factors(self, saved: State, state_prev: State, state: State, *extra: Tensor) -> State:
        (h_prev,) = state_prev
        rz, n, u_n = saved
        r, z = rz.chunk(2, -1)
        to_n = (1 - z) * (1 - n * n)  # d a_n / d h
        to_r = to_n * u_n * (r * (1 - r))
        to_z = (h_prev - n) * (z * (1 - z))
        return torch.stack((to_r, to_z, to_n * r), -2), to_n, z

    def pointwise_backward(self, d_state: State, factors: State) -> tuple[Tensor, Bypass]:
        (d_h,) = d_state
        to_u, _, z = factors
        return (d_h.unsqueeze(-2) * to_u).flatten(-2), (d_h * z,)

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
        return torch.cat((d_u[..., : 2 * d_h.shape[-1]], d_h * factors[1]), -1), ()
