"""LSTM whose input and forget gates are one."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from sunhwan.cells.base import State
from sunhwan.cells.lstm import LSTM, LSTMState


@dataclass(frozen=True)
class CoupledLSTM(LSTM):
    r"""Coupled input-forget gate LSTM, CIFG (Greff, Srivastava, Koutník, Steunebrink and Schmidhuber
    2017, "LSTM: a search space odyssey").

    .. math::
        f_t, o_t &= \sigma(x_t W_x^{f,o} + h_{t-1} W_h^{f,o} + b^{f,o}) \\
        g_t &= \tanh(x_t W_x^g + h_{t-1} W_h^g + b^g) \\
        c_t &= f_t \odot c_{t-1} + (1 - f_t) \odot g_t \\
        h_t &= o_t \odot \tanh(c_t)

    What is written is what was forgotten: a quarter fewer parameters, and from a zero state c stays
    in [-1, 1].
    Shapes: those of `LSTM` with three blocks, in the order f, g, o.
    """

    gates: ClassVar[tuple[str, ...]] = ("f", "g", "o")
    saved_names: ClassVar[tuple[str, ...]] = ("f", "g", "o")
    source: ClassVar[str] = "Greff et al. 2017"

    def gate_values(self, saved: State) -> dict[str, Tensor]:
        return dict(zip(self.gates, saved, strict=False))

    def pointwise(self, a: Tensor, u: Tensor, state: State, *extra: Tensor) -> tuple[State, State]:
        s_f, s_g, s_o = (a + u).chunk(3, -1)
        f, g, o = torch.sigmoid(s_f), torch.tanh(s_g), torch.sigmoid(s_o)
        c = torch.lerp(g, state[1], f)
        tanh_c = torch.tanh(c)
        return LSTMState(o * tanh_c, c), (f, g, o, tanh_c)

    def factors(self, saved: State, state_prev: State, state: State, *extra: Tensor) -> State:
        f, g, o, tanh_c = saved
        to_fg = torch.stack(((state_prev[1] - g) * f * (1 - f), (1 - f) * (1 - g * g)), -2)
        return to_fg, tanh_c * o * (1 - o), o * (1 - tanh_c * tanh_c), f
