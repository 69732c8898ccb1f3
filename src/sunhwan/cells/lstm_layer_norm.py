"""LSTM with layer normalisation."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from sunhwan.cells.base import Bypass, Parameters, State, StepParameters, weight_gradient
from sunhwan.cells.lstm import LSTM, LSTMState
from sunhwan.cells.normalization import (
    Moments,
    normalize,
    normalize_backward,
    normalize_gradients,
)


@dataclass(frozen=True)
class LayerNormLSTM(LSTM):
    r"""LSTM with layer normalisation (Ba, Kiros and Hinton 2016, equations 20 to 22).

    .. math::
        (s^i, s^f, s^g, s^o)_t &= \alpha_x \odot \mathrm{N}(x_t W_x)
            + \alpha_h \odot \mathrm{N}(h_{t-1} W_h) + b \\
        c_t &= \sigma(s^f_t) \odot c_{t-1} + \sigma(s^i_t) \odot \tanh(s^g_t) \\
        h_t &= \sigma(s^o_t) \odot \tanh(\alpha_c \odot \mathrm{N}(c_t) + \beta_c),
            \qquad \mathrm{N}(v) = (v - \mathrm{mean}(v)) / \sqrt{\mathrm{var}(v) + 10^{-5}}

    The statistics are over all 4H entries of a row, and over the H of c. The gains α start at 1.
    Shapes: those of `LSTM`; alpha_x and alpha_h (4H), alpha_c and beta_c (H).
    """

    extra: ClassVar[tuple[str, ...]] = ("alpha_h", "alpha_c", "beta_c")
    source: ClassVar[str] = "Ba et al. 2016"

    def initial_extra(self, hidden_size: int) -> Parameters:
        wide, one = torch.ones(4 * hidden_size), torch.ones(hidden_size)
        return {"alpha_x": wide, "alpha_h": wide.clone(), "alpha_c": one, "beta_c": 0 * one}

    def gate_values(self, saved: State) -> dict[str, Tensor]:
        return super().gate_values(saved[:4])

    def inputs(self, x: Tensor, parameters: Parameters) -> Tensor:
        return normalize(x @ parameters["W_x"], parameters["alpha_x"], parameters.get("b"))[0]

    def pointwise(self, a: Tensor, u: Tensor, state: State, *extra: Tensor) -> tuple[State, State]:
        alpha_h, alpha_c, beta_c = extra
        c_prev = state[1]
        H = c_prev.shape[-1]
        y, of_u = normalize(u, alpha_h)
        s = a + y
        i_f = torch.sigmoid(s[..., : 2 * H])
        g = torch.tanh(s[..., 2 * H : 3 * H])
        o = torch.sigmoid(s[..., 3 * H :])
        c = torch.addcmul(i_f[..., H:] * c_prev, i_f[..., :H], g)
        y, of_c = normalize(c, alpha_c, beta_c)
        tanh_y = torch.tanh(y)
        return LSTMState(o * tanh_y, c), (i_f, g, o, tanh_y, u, *of_u, *of_c)

    def factors(self, saved: State, state_prev: State, state: State, *extra: Tensor) -> State:
        of_lstm = super().factors(saved[:4], state_prev, state)
        lead = saved[4].shape[:-2]
        gains = (gain.expand(*lead, len(gain)) for gain in extra[:2])
        return *of_lstm, *gains, state[1], *saved[4:]

    def pointwise_backward(self, d_state: State, factors: State) -> tuple[Tensor, Bypass]:
        d_h, d_c = d_state
        to_ifg, to_o, h_to_y, f, gain_h, gain_c, c, u, *moments = factors
        of_u, of_c = Moments(*moments[:2]), Moments(*moments[2:])
        d_c = d_c + normalize_backward(d_h * h_to_y, c, of_c, gain_c)
        d_s = torch.cat(((d_c.unsqueeze(-2) * to_ifg).flatten(-2), d_h * to_o), -1)
        return normalize_backward(d_s, u, of_u, gain_h), (None, d_c * f)

    def parameter_gradients(
        self,
        d_state: State,
        factors: State,
        saved: State,
        state_prev: State,
        operand: Tensor,
        weights: StepParameters,
    ) -> tuple[Tensor, StepParameters]:
        # As `pointwise_backward`, for all t at once, with what the gains and the shift receive.
        d_h, d_c = d_state
        to_ifg, to_o, h_to_y, _, _, _, c, u, *moments = factors
        of_u, of_c = Moments(*moments[:2]), Moments(*moments[2:])
        alpha_h, alpha_c, _ = weights.extra
        by_y, d_alpha_c, d_beta_c = normalize_gradients(d_h * h_to_y, c, of_c, alpha_c)
        d_c = (d_c + by_y).unsqueeze(-2)
        d_s = torch.cat(((d_c * to_ifg).flatten(-2), d_h * to_o), -1)
        d_u, d_alpha_h, _ = normalize_gradients(d_s, u, of_u, alpha_h)
        extra = (d_alpha_h, d_alpha_c, d_beta_c)
        return d_s, StepParameters(weight_gradient(operand, d_u), None, None, extra)
