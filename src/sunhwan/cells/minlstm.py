"""The LSTM without a recurrent product."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from sunhwan.cells.base import State
from sunhwan.cells.linear import LinearCell


@dataclass(frozen=True)
class MinLSTM(LinearCell):
    r"""minLSTM (Feng, Tung, Ahmed, Bengio and Hajimirsadeghi 2024, "Were RNNs all we needed?").

    .. math::
        f_t, i_t &= \sigma(x_t W_x^{f,i} + b^{f,i}), \qquad
            f'_t = \frac{f_t}{f_t + i_t}, \quad i'_t = 1 - f'_t \\
        h_t &= f'_t \odot h_{t-1} + i'_t \odot (x_t W_x^n + b^n)

    f' is computed as σ(log f − log i), which no saturated gate can break. The gates do not see h, so
    all t are computed at once.
    Shapes: x (N, D), h (N, H), W_x (D, 3H), b (3H), blocks in the order f, i, n.
    """

    gates: ClassVar[tuple[str, ...]] = ("f", "i", "n")
    saved_names: ClassVar[tuple[str, ...]] = ("f'", "f", "i", "n")
    keep: ClassVar[str] = "f'"
    source: ClassVar[str] = "Feng et al. 2024"

    def coefficients(self, a: Tensor, *extra: Tensor) -> tuple[Tensor, Tensor, State]:
        s_f, s_i, n = a.chunk(3, -1)
        keep = torch.sigmoid(functional.logsigmoid(s_f) - functional.logsigmoid(s_i))
        return keep, (1 - keep) * n, (torch.sigmoid(s_f), torch.sigmoid(s_i), n)

    def coefficients_backward(
        self, d_f: Tensor, d_v: Tensor, f: Tensor, saved: State, *extra: Tensor
    ) -> tuple[Tensor, State]:
        forget, i, n = saved
        d_ratio = (d_f - d_v * n) * f * (1 - f)
        return torch.cat((d_ratio * (1 - forget), -d_ratio * (1 - i), d_v * (1 - f)), -1), ()
