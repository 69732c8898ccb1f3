"""LSTM whose gates see the cell state."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from sunhwan.cells.base import Parameters, State
from sunhwan.cells.lstm import LSTM, LSTMState


@dataclass(frozen=True)
class PeepholeLSTM(LSTM):
    r"""LSTM with peephole connections (Gers and Schmidhuber 2000; Gers, Schraudolph and
    Schmidhuber 2002).

    .. math::
        i_t &= \sigma(x_t W_x^i + h_{t-1} W_h^i + p^i \odot c_{t-1} + b^i) \\
        f_t &= \sigma(x_t W_x^f + h_{t-1} W_h^f + p^f \odot c_{t-1} + b^f) \\
        g_t &= \tanh(x_t W_x^g + h_{t-1} W_h^g + b^g) \\
        c_t &= f_t \odot c_{t-1} + i_t \odot g_t \\
        o_t &= \sigma(x_t W_x^o + h_{t-1} W_h^o + p^o \odot c_t + b^o) \\
        h_t &= o_t \odot \tanh(c_t)

    A closed output gate hides c from the other gates of an LSTM; the peepholes show it to them.
    p starts at 0, where the cell is an `LSTM`. Shapes: those of `LSTM`; p (3H) in the order i, f, o.
    """

    extra: ClassVar[tuple[str, ...]] = ("p",)
    source: ClassVar[str] = "Gers and Schmidhuber 2000"

    def initial_extra(self, hidden_size: int) -> Parameters:
        return {"p": torch.zeros(3 * hidden_size)}

    def pointwise(self, a: Tensor, u: Tensor, state: State, *extra: Tensor) -> tuple[State, State]:
        c_prev, (p,) = state[1], extra
        H = c_prev.shape[-1]
        s = a + u
        i_f = torch.sigmoid(torch.addcmul(s[..., : 2 * H], p[: 2 * H], c_prev.repeat(1, 2)))
        g = torch.tanh(s[..., 2 * H : 3 * H])
        c = torch.addcmul(i_f[..., H:] * c_prev, i_f[..., :H], g)
        o = torch.sigmoid(torch.addcmul(s[..., 3 * H :], p[2 * H :], c))
        tanh_c = torch.tanh(c)
        return LSTMState(o * tanh_c, c), (i_f, g, o, tanh_c)

    def factors(self, saved: State, state_prev: State, state: State, *extra: Tensor) -> State:
        p_i, p_f, p_o = extra[0].chunk(3)
        to_ifg, to_o, h_to_c, f = super().factors(saved, state_prev, state)
        to_i, to_f, _ = to_ifg.unbind(-2)
        # c_t also reaches h_t by the output gate, and c_{t-1} reaches c_t by the other two.
        return to_ifg, to_o, h_to_c + to_o * p_o, f + to_i * p_i + to_f * p_f, state[1]

    def gradients(
        self,
        d_state: State,
        d_u: Tensor,
        factors: State,
        saved: State,
        state_prev: State,
        *extra: Tensor,
    ) -> tuple[Tensor, State]:
        d_i, d_f, _, d_o = d_u.chunk(4, -1)
        c_prev, c = state_prev[1], factors[4]
        seen = torch.cat((d_i * c_prev, d_f * c_prev, d_o * c), -1)
        return d_u, (seen.flatten(0, -2).sum(0),)
