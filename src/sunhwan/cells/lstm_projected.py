"""LSTM whose hidden state is smaller than its memory."""

from dataclasses import dataclass, replace
from typing import ClassVar

from torch import Tensor

from sunhwan.cells.base import Bypass, Parameters, State
from sunhwan.cells.initial import orthogonal
from sunhwan.cells.lstm import LSTM, LSTMState
from sunhwan.cells.two_products import TwoProductCell

_LSTM = LSTM()


@dataclass(frozen=True)
class ProjectedLSTM(TwoProductCell):
    r"""LSTM with a recurrent projection (Sak, Senior and Beaufays 2014).

    .. math::
        i_t, f_t, g_t, o_t, c_t &\text{ as in `LSTM`} \\
        m_t &= o_t \odot \tanh(c_t) \\
        h_t &= m_t W_m

    The memory c has H units, what is passed on P: half as many, unless `projection_size` says
    otherwise. The recurrent matrix shrinks from 4H² to 4HP + HP.
    Shapes: x (N, D), h (N, P), c (N, H), W_x (D, 4H), W_h (P, 4H), W_m (H, P), b (4H), blocks in the
    order i, f, g, o.
    """

    projection_size: int | None = None
    forget_bias: float = 1.0

    gates: ClassVar[tuple[str, ...]] = ("i", "f", "g", "o")
    state_type: ClassVar[type[LSTMState]] = LSTMState
    keep: ClassVar[str] = "f"
    source: ClassVar[str] = "Sak et al. 2014"

    def with_kernel_constants(self, constant: float, projection_size: int) -> "ProjectedLSTM":
        return replace(self, projection_size=projection_size)

    def state_sizes(self, hidden_size: int) -> tuple[int, ...]:
        return self.projection_size or (hidden_size + 1) // 2, hidden_size

    def initial_bias(self, hidden_size: int) -> Tensor:
        return LSTM(self.forget_bias).initial_bias(hidden_size)

    def initial_extra(self, hidden_size: int) -> Parameters:
        return {"W_m": orthogonal(hidden_size, self.output_size(hidden_size))}

    def gate_values(self, saved: State) -> dict[str, Tensor]:
        return _LSTM.gate_values(saved[2:]) | {"m": saved[0]}

    def inner(self, a: Tensor, u: Tensor, state: State) -> tuple[Tensor, State]:
        (m, c), saved = _LSTM.pointwise(a, u, state)
        return m, (c, *saved)

    def outer(self, a: Tensor, w: Tensor, state: State, kept: State) -> tuple[State, State]:
        return LSTMState(w, kept[0]), ()

    def factors(self, saved: State, state_prev: State, state: State, *extra: Tensor) -> State:
        return _LSTM.factors(saved[2:], state_prev, state)

    def outer_backward(self, d_state: State, factors: State) -> tuple[Tensor, Bypass]:
        return d_state[0], (None, None)

    def inner_backward(self, d_state: State, d_m: Tensor, factors: State) -> tuple[Tensor, Bypass]:
        return _LSTM.pointwise_backward((d_m, d_state[1]), factors)

    def input_gradient(self, d_u: Tensor, d_m: Tensor, d_w: Tensor, factors: State) -> Tensor:
        return d_u
