"""GRU with layer normalisation."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from sunhwan.cells.base import (
    Bypass,
    HiddenState,
    Parameters,
    State,
    StepParameters,
    weight_gradient,
)
from sunhwan.cells.gru import GRU
from sunhwan.cells.normalization import (
    Moments,
    normalize,
    normalize_backward,
    normalize_gradients,
)


@dataclass(frozen=True)
class LayerNormGRU(GRU):
    r"""GRU with layer normalisation (Ba, Kiros and Hinton 2016, their supplement on skip-thoughts).

    .. math::
        (s^r, s^z)_t &= \alpha_x^{rz} \odot \mathrm{N}(x_t W_x^{rz})
            + \alpha_h^{rz} \odot \mathrm{N}(h_{t-1} W_h^{rz}) + b^{rz} \\
        n_t &= \tanh(\alpha_x^n \odot \mathrm{N}(x_t W_x^n) + b^n + \sigma(s^r_t) \odot
            (\alpha_h^n \odot \mathrm{N}(h_{t-1} W_h^n) + \beta_n)) \\
        h_t &= (1 - \sigma(s^z_t)) \odot n_t + \sigma(s^z_t) \odot h_{t-1}

    N as in `LayerNormLSTM`, over the 2H entries of the gates together and the H of the candidate.
    Shapes: those of `GRU` without b_h; alpha_x and alpha_h (3H), beta_n (H).
    """

    recurrent_bias: ClassVar[bool] = False
    extra: ClassVar[tuple[str, ...]] = ("alpha_h", "beta_n")
    source: ClassVar[str] = "Ba et al. 2016"

    def initial_extra(self, hidden_size: int) -> Parameters:
        wide = torch.ones(3 * hidden_size)
        return {"alpha_x": wide, "alpha_h": wide.clone(), "beta_n": torch.zeros(hidden_size)}

    def gate_values(self, saved: State) -> dict[str, Tensor]:
        return super().gate_values(saved[:3])

    def inputs(self, x: Tensor, parameters: Parameters) -> Tensor:
        shift = parameters.get("b")
        return _normalize(x @ parameters["W_x"], parameters["alpha_x"], shift)[0]

    def pointwise(self, a: Tensor, u: Tensor, state: State, *extra: Tensor) -> tuple[State, State]:
        alpha_h, beta_n = extra
        shift = torch.cat((beta_n.new_zeros(2 * len(beta_n)), beta_n))
        y, *moments = _normalize(u, alpha_h, shift)
        after, saved = super().pointwise(a, y, state)
        return HiddenState(*after), (*saved, u, *moments)

    def factors(self, saved: State, state_prev: State, state: State, *extra: Tensor) -> State:
        of_gru = super().factors(saved[:3], state_prev, state)
        gain = extra[0].expand(*saved[3].shape[:-2], len(extra[0]))
        return *of_gru, gain, *saved[3:]

    def pointwise_backward(self, d_state: State, factors: State) -> tuple[Tensor, Bypass]:
        d_y, d_prev = super().pointwise_backward(d_state, factors[:3])
        gain, u, *moments = factors[3:]
        g = 2 * d_state[0].shape[-1]
        of_rz, of_n = Moments(*moments[:2]), Moments(*moments[2:])
        d_rz = normalize_backward(d_y[..., :g], u[..., :g], of_rz, gain[:g])
        d_n = normalize_backward(d_y[..., g:], u[..., g:], of_n, gain[g:])
        return torch.cat((d_rz, d_n), -1), d_prev

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
        d_y, _ = super().pointwise_backward(d_state, factors[:3])
        u, *moments = factors[4:]
        g = 2 * d_state[0].shape[-1]
        of_rz, of_n = Moments(*moments[:2]), Moments(*moments[2:])
        alpha = weights.extra[0]
        d_rz, d_alpha_rz, _ = normalize_gradients(d_y[..., :g], u[..., :g], of_rz, alpha[:g])
        d_n, d_alpha_n, d_beta = normalize_gradients(d_y[..., g:], u[..., g:], of_n, alpha[g:])
        d_u = torch.cat((d_rz, d_n), -1)
        d_a = torch.cat((d_y[..., :g], d_state[0] * factors[1]), -1)
        extra = (torch.cat((d_alpha_rz, d_alpha_n)), d_beta)
        return d_a, StepParameters(weight_gradient(operand, d_u), None, None, extra)


def _normalize(v: Tensor, gain: Tensor, shift: Tensor | None) -> tuple[Tensor, ...]:
    """(…, 3H) → the gates' 2H normalised and the candidate's H; mean and scale of each."""
    g = v.shape[-1] // 3 * 2
    shifts = (None, None) if shift is None else (shift[:g], shift[g:])
    rz, of_rz = normalize(v[..., :g], gain[:g], shifts[0])
    n, of_n = normalize(v[..., g:], gain[g:], shifts[1])
    return torch.cat((rz, n), -1), *of_rz, *of_n
