"""The gated recurrent unit, its reset gate before the recurrent product."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from sunhwan.cells.base import Bypass, HiddenState, Parameters, State
from sunhwan.cells.initial import orthogonal
from sunhwan.cells.two_products import TwoProductCell


@dataclass(frozen=True)
class GRUResetBefore(TwoProductCell):
    r"""Gated recurrent unit (Cho et al. 2014), the reset gate applied before the recurrent product.

    .. math::
        r_t &= \sigma(x_t W_x^r + h_{t-1} W_h^r + b^r) \\
        z_t &= \sigma(x_t W_x^z + h_{t-1} W_h^z + b^z) \\
        n_t &= \tanh(x_t W_x^n + (r_t \odot h_{t-1}) W_m + b^n) \\
        h_t &= (1 - z_t) \odot n_t + z_t \odot h_{t-1}

    The form of the published paper (version 3 of the preprint): the candidate waits for the reset
    gate, so a step has two products. z keeps the past; its bias starts at 1.
    Shapes: x (N, D), h (N, H), W_x (D, 3H) and b (3H) in the order r, z, n; W_h (H, 2H) in the
    order r, z; W_m (H, H).
    """

    gates: ClassVar[tuple[str, ...]] = ("r", "z", "n")
    recurrent_gates: ClassVar[tuple[str, ...] | None] = ("r", "z")
    state_type: ClassVar[type[HiddenState]] = HiddenState
    keep: ClassVar[str] = "z"
    source: ClassVar[str] = "Cho et al. 2014, reset before the product"

    def initial_bias(self, hidden_size: int) -> Tensor:
        b = super().initial_bias(hidden_size)
        b[hidden_size : 2 * hidden_size] = 1.0
        return b

    def initial_extra(self, hidden_size: int) -> Parameters:
        return {"W_m": orthogonal(hidden_size, hidden_size)}

    def gate_values(self, saved: State) -> dict[str, Tensor]:
        _, rz, n = saved
        r, z = rz.chunk(2, -1)
        return {"r": r, "z": z, "n": n}

    def inner(self, a: Tensor, u: Tensor, state: State) -> tuple[Tensor, State]:
        (h,) = state
        H = h.shape[-1]
        rz = torch.sigmoid(a[..., : 2 * H] + u)
        return rz[..., :H] * h, (rz,)

    def outer(self, a: Tensor, w: Tensor, state: State, kept: State) -> tuple[State, State]:
        (h,) = state
        H = h.shape[-1]
        n = torch.tanh(a[..., 2 * H :] + w)
        return HiddenState(torch.lerp(n, h, kept[0][..., H:])), (n,)

    def factors(self, saved: State, state_prev: State, state: State, *extra: Tensor) -> State:
        (h_prev,) = state_prev
        _, rz, n = saved
        r, z = rz.chunk(2, -1)
        to_w = (1 - z) * (1 - n * n)
        return to_w, h_prev * r * (1 - r), (h_prev - n) * (z * (1 - z)), r, z

    def outer_backward(self, d_state: State, factors: State) -> tuple[Tensor, Bypass]:
        (d_h,) = d_state
        return d_h * factors[0], (d_h * factors[4],)

    def inner_backward(self, d_state: State, d_m: Tensor, factors: State) -> tuple[Tensor, Bypass]:
        (d_h,) = d_state
        _, m_to_r, to_z, r, _ = factors
        return torch.cat((d_m * m_to_r, d_h * to_z), -1), (d_m * r,)

    def input_gradient(self, d_u: Tensor, d_m: Tensor, d_w: Tensor, factors: State) -> Tensor:
        return torch.cat((d_u, d_w), -1)
