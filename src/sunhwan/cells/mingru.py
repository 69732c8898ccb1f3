"""The GRU without a recurrent product."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from sunhwan.cells.base import State
from sunhwan.cells.linear import LinearCell


@dataclass(frozen=True)
class MinGRU(LinearCell):
    r"""minGRU (Feng, Tung, Ahmed, Bengio and Hajimirsadeghi 2024, "Were RNNs all we needed?").

    .. math::
        z_t &= \sigma(x_t W_x^z + b^z) \\
        h_t &= (1 - z_t) \odot h_{t-1} + z_t \odot (x_t W_x^n + b^n)

    Here z is the share of the new, as in the paper. The gate does not see h, so all t are computed
    at once. Shapes: x (N, D), h (N, H), W_x (D, 2H), b (2H), blocks in the order z, n.
    """

    gates: ClassVar[tuple[str, ...]] = ("z", "n")
    saved_names: ClassVar[tuple[str, ...]] = ("f", "z", "n")
    keep: ClassVar[str] = "f"
    source: ClassVar[str] = "Feng et al. 2024"

    def coefficients(self, a: Tensor, *extra: Tensor) -> tuple[Tensor, Tensor, State]:
        s_z, n = a.chunk(2, -1)
        z = torch.sigmoid(s_z)
        return 1 - z, z * n, (z, n)

    def coefficients_backward(
        self, d_f: Tensor, d_v: Tensor, f: Tensor, saved: State, *extra: Tensor
    ) -> tuple[Tensor, State]:
        z, n = saved
        return torch.cat(((d_v * n - d_f) * z * (1 - z), d_v * z), -1), ()
