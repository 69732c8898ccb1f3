"""LSTM, long short-term memory (Hochreiter and Schmidhuber 1997)."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from sunhwan.cells.base import Bypass, Cell, State


class LSTMState(NamedTuple):
    """h (N, H): the hidden state, which is the output; c (N, H): the cell state."""

    h: Tensor
    c: Tensor


@dataclass(frozen=True)
class LSTM(Cell):
    r"""Long short-term memory (Hochreiter and Schmidhuber 1997; forget gate: Gers et al. 2000).

    .. math::
        i_t &= \sigma(x_t W_x^i + h_{t-1} W_h^i + b^i) \\
        f_t &= \sigma(x_t W_x^f + h_{t-1} W_h^f + b^f) \\
        g_t &= \tanh(x_t W_x^g + h_{t-1} W_h^g + b^g) \\
        o_t &= \sigma(x_t W_x^o + h_{t-1} W_h^o + b^o) \\
        c_t &= f_t \odot c_{t-1} + i_t \odot g_t \\
        h_t &= o_t \odot \tanh(c_t)

    The forget gate's bias starts at 1 (Jozefowicz et al. 2015).
    Shapes: x (N, D), h and c (N, H), W_x (D, 4H), W_h (H, 4H), b (4H), blocks in the order i, f, g, o.
    """

    forget_bias: float = 1.0

    gates: ClassVar[tuple[str, ...]] = ("i", "f", "g", "o")
    state_type: ClassVar[type[LSTMState]] = LSTMState
    keep: ClassVar[str] = "f"
    source: ClassVar[str] = "Hochreiter and Schmidhuber 1997; Gers et al. 2000"

    def initial_bias(self, hidden_size: int) -> Tensor:
        b = super().initial_bias(hidden_size)
        forget = self.gates.index("f")
        b[forget * hidden_size : (forget + 1) * hidden_size] = self.forget_bias
        return b

    def gate_values(self, saved: State) -> dict[str, Tensor]:
        i_f, g, o, _ = saved
        i, f = i_f.chunk(2, -1)
        return {"i": i, "f": f, "g": g, "o": o}

    def pointwise(self, a: Tensor, u: Tensor, state: State, *extra: Tensor) -> tuple[State, State]:
        c_prev = state[1]
        H = c_prev.shape[-1]
        s = a + u
        i_f = torch.sigmoid(s[..., : 2 * H])
        g = torch.tanh(s[..., 2 * H : 3 * H])
        o = torch.sigmoid(s[..., 3 * H :])
        c = torch.addcmul(i_f[..., H:] * c_prev, i_f[..., :H], g)
        tanh_c = torch.tanh(c)
        return LSTMState(o * tanh_c, c), (i_f, g, o, tanh_c)

    def factors(self, saved: State, state_prev: State, state: State, *extra: Tensor) -> State:
        c_prev = state_prev[1]
        i_f, g, o, tanh_c = saved
        i, f = i_f.chunk(2, -1)
        to_ifg = torch.stack((g * i * (1 - i), c_prev * f * (1 - f), i * (1 - g * g)), -2)
        return to_ifg, tanh_c * o * (1 - o), o * (1 - tanh_c * tanh_c), f

    def pointwise_backward(self, d_state: State, factors: State) -> tuple[Tensor, Bypass]:
        d_h, d_c = d_state
        to_ifg, to_o, h_to_c, c_to_c = factors[:4]
        d_c = torch.addcmul(d_c, d_h, h_to_c)
        d_s = torch.cat(((d_c.unsqueeze(-2) * to_ifg).flatten(-2), d_h * to_o), -1)
        return d_s, (None, d_c * c_to_c)
