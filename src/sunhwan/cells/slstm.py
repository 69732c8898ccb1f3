"""The scalar-memory LSTM with exponential gates."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from sunhwan.cells.base import Bypass, Cell, State


class SLSTMState(NamedTuple):
    """h: the output; c: the cell state and n: its normaliser, both times e^-m; m: the stabiliser."""

    h: Tensor
    c: Tensor
    n: Tensor
    m: Tensor


@dataclass(frozen=True)
class SLSTM(Cell):
    r"""sLSTM of xLSTM (Beck et al. 2024), one head, with the sigmoid forget gate.

    .. math::
        (s^i, s^f, s^z, s^o)_t &= x_t W_x + h_{t-1} W_h + b \\
        m_t &= \max(\log\sigma(s^f_t) + m_{t-1},\; s^i_t) \\
        i'_t &= \exp(s^i_t - m_t), \qquad f'_t = \exp(\log\sigma(s^f_t) + m_{t-1} - m_t) \\
        c_t &= f'_t \odot c_{t-1} + i'_t \odot \tanh(s^z_t) \\
        n_t &= f'_t \odot n_{t-1} + i'_t \\
        h_t &= \sigma(s^o_t) \odot c_t / n_t

    c and n are a weighted sum and the sum of the weights, so h is a gated mean of what was written;
    m keeps the exponentials in range and cancels out of h. Where nothing was written yet (n = 0,
    unit by unit and row by row) there is nothing to keep: m_t = s^i_t and f' = 0. So f' is what is left
    of the memory on the scale of the newest weight, at most 1.
    The forget gate's bias starts evenly between 3 and 6.
    Shapes: x (N, D), all of the state (N, H), W_x (D, 4H), W_h (H, 4H), b (4H), in the order i, f, z, o.
    """

    gates: ClassVar[tuple[str, ...]] = ("i", "f", "z", "o")
    state_type: ClassVar[type[SLSTMState]] = SLSTMState
    saved_names: ClassVar[tuple[str, ...]] = ("i", "f", "z", "o")
    learned_fields: ClassVar[tuple[str, ...] | None] = ("h",)
    keep: ClassVar[str] = "f"
    source: ClassVar[str] = "Beck et al. 2024"

    def initial_bias(self, hidden_size: int) -> Tensor:
        b = super().initial_bias(hidden_size)
        b[hidden_size : 2 * hidden_size] = torch.linspace(3.0, 6.0, hidden_size)
        return b

    def pointwise(self, a: Tensor, u: Tensor, state: State, *extra: Tensor) -> tuple[State, State]:
        _, c_prev, n_prev, m_prev = state
        s_i, s_f, s_z, s_o = (a + u).chunk(4, -1)
        log_f = functional.logsigmoid(s_f)
        z, o = torch.tanh(s_z), torch.sigmoid(s_o)
        kept = torch.where(n_prev == 0, -torch.inf, log_f + m_prev)
        m = torch.maximum(kept, s_i)
        i, f = torch.exp(s_i - m), torch.exp(kept - m)
        c = torch.addcmul(f * c_prev, i, z)
        n = torch.addcmul(i, f, n_prev)
        return SLSTMState(o * c / n, c, n, m), (i, f, z, o, log_f)

    def factors(self, saved: State, state_prev: State, state: State, *extra: Tensor) -> State:
        _, c_prev, n_prev, _ = state_prev
        _, c, n, _ = state
        i, f, z, o, log_f = saved
        old = (i < 1).to(i.dtype)  # where m_t is that of the past; elsewhere it is s_i
        new, h_to_c, h_to_n = 1 - old, o / n, -o * c / (n * n)
        # d m's way: through f' where m is new, through i' where it is old.
        c_to_kept = new * c_prev * f - old * z * i
        n_to_kept = new * n_prev * f - old * i
        gates = (torch.ones_like(i), -torch.expm1(log_f), i * (1 - z * z), c / n * o * (1 - o))
        return h_to_c, h_to_n, c_to_kept, n_to_kept, old, f, torch.cat(gates, -1)

    def pointwise_backward(self, d_state: State, factors: State) -> tuple[Tensor, Bypass]:
        d_h, d_c, d_n, d_m = d_state
        h_to_c, h_to_n, c_to_kept, n_to_kept, old, f, to_s = factors
        d_c = torch.addcmul(d_c, d_h, h_to_c)
        d_n = torch.addcmul(d_n, d_h, h_to_n)
        d_kept = torch.addcmul(torch.addcmul(d_m * old, d_c, c_to_kept), d_n, n_to_kept)
        # When s_i and kept rise alike, so does m and nothing else: their gradients add up to d m.
        d_s = torch.cat((d_m - d_kept, d_kept, d_c, d_h), -1) * to_s
        return d_s, (None, d_c * f, d_n * f, d_kept)
