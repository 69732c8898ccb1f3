"""LSTM whose recurrent weights depend on the input."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from sunhwan.cells.base import Bypass, Parameters, State
from sunhwan.cells.initial import orthogonal
from sunhwan.cells.lstm import LSTM, LSTMState
from sunhwan.cells.two_products import TwoProductCell

_LSTM = LSTM()


@dataclass(frozen=True)
class MultiplicativeLSTM(TwoProductCell):
    r"""Multiplicative LSTM (Krause, Lu, Murray and Renals 2016).

    .. math::
        m_t &= (x_t W_x^m + b^m) \odot (h_{t-1} W_h) \\
        (s^i, s^f, s^g, s^o)_t &= x_t W_x^{ifgo} + m_t W_m + b^{ifgo}

    and on as in `LSTM`, of which s are the sums before the gates. Each input has, so to speak, a
    recurrent matrix of its own: W_h diag(x W_x^m) W_m. b^m starts at 1, as if m were h W_h plus
    what the input makes of it; the forget gate's bias at 1.
    Shapes: x (N, D), h and c (N, H), W_x (D, 5H) and b (5H) in the order i, f, g, o, m; W_h (H, H);
    W_m (H, 4H).
    """

    forget_bias: float = 1.0

    gates: ClassVar[tuple[str, ...]] = ("i", "f", "g", "o", "m")
    recurrent_gates: ClassVar[tuple[str, ...] | None] = ("m",)
    state_type: ClassVar[type[LSTMState]] = LSTMState
    keep: ClassVar[str] = "f"
    source: ClassVar[str] = "Krause et al. 2016"

    def initial_bias(self, hidden_size: int) -> Tensor:
        b = super().initial_bias(hidden_size)
        b[hidden_size : 2 * hidden_size] = self.forget_bias
        b[4 * hidden_size :] = 1.0
        return b

    def initial_extra(self, hidden_size: int) -> Parameters:
        return {"W_m": orthogonal(hidden_size, hidden_size, 4)}

    def gate_values(self, saved: State) -> dict[str, Tensor]:
        return _LSTM.gate_values(saved[3:]) | {"m": saved[0]}

    def inner(self, a: Tensor, u: Tensor, state: State) -> tuple[Tensor, State]:
        a_m = a[..., 4 * state[1].shape[-1] :]
        return a_m * u, (a_m, u)

    def outer(self, a: Tensor, w: Tensor, state: State, kept: State) -> tuple[State, State]:
        return _LSTM.pointwise(a[..., : w.shape[-1]], w, state)

    def factors(self, saved: State, state_prev: State, state: State, *extra: Tensor) -> State:
        return *saved[1:3], *_LSTM.factors(saved[3:], state_prev, state)

    def outer_backward(self, d_state: State, factors: State) -> tuple[Tensor, Bypass]:
        return _LSTM.pointwise_backward(d_state, factors[2:])

    def inner_backward(self, d_state: State, d_m: Tensor, factors: State) -> tuple[Tensor, Bypass]:
        return d_m * factors[0], (None, None)

    def input_gradient(self, d_u: Tensor, d_m: Tensor, d_w: Tensor, factors: State) -> Tensor:
        return torch.cat((d_w, d_m * factors[1]), -1)
