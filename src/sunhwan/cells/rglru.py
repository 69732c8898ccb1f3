"""The real-gated linear recurrent unit."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from sunhwan.cells.base import Parameters, State
from sunhwan.cells.linear import LinearCell

C = 8.0


@dataclass(frozen=True)
class RGLRU(LinearCell):
    r"""Real-gated linear recurrent unit (De et al. 2024, "Griffin").

    .. math::
        r_t, i_t &= \sigma(x_t W_x^{r,i} + b^{r,i}) \\
        f_t &= \sigma(\Lambda)^{8 r_t} \\
        h_t &= f_t \odot h_{t-1} + \sqrt{1 - f_t^2} \odot i_t \odot (x_t W_x^n + b^n)

    The paper's x is already H wide; here W_x^n makes it so. The root keeps the size of h, however
    long a unit remembers. σ(Λ)^8 starts uniform in [0.9, 0.999].
    Shapes: x (N, D), h (N, H), W_x (D, 3H), b (3H), blocks in the order r, i, n; decay (H) is Λ.
    """

    gates: ClassVar[tuple[str, ...]] = ("r", "i", "n")
    extra: ClassVar[tuple[str, ...]] = ("decay",)
    saved_names: ClassVar[tuple[str, ...]] = ("f", "r", "i", "n")
    keep: ClassVar[str] = "f"
    source: ClassVar[str] = "De et al. 2024"

    def initial_extra(self, hidden_size: int) -> Parameters:
        kept = torch.empty(hidden_size).uniform_(0.9, 0.999) ** (1 / C)
        return {"decay": torch.logit(kept)}

    def coefficients(self, a: Tensor, *extra: Tensor) -> tuple[Tensor, Tensor, State]:
        s_r, s_i, n = a.chunk(3, -1)
        r, i = torch.sigmoid(s_r), torch.sigmoid(s_i)
        log_f = C * functional.logsigmoid(extra[0]) * r
        f = torch.exp(log_f)
        # Not below the smallest number: where r is 0 the slope of the root has no limit, and that
        # of r, which goes to 0 faster, would meet it as 0 · inf.
        tiny = torch.finfo(f.dtype).tiny
        root = torch.sqrt((-torch.expm1(2 * log_f)).clamp_min(tiny))
        return f, root * i * n, (r, i, n, root)

    def coefficients_backward(
        self, d_f: Tensor, d_v: Tensor, f: Tensor, saved: State, *extra: Tensor
    ) -> tuple[Tensor, State]:
        r, i, n, root = saved
        (decay,) = extra
        d_log_f = d_f * f - d_v * i * n * f * f / root  # d root / d log f = −f² / root
        d_r = d_log_f * C * functional.logsigmoid(decay)
        gates = (d_r * r * (1 - r), d_v * root * n * i * (1 - i), d_v * root * i)
        d_decay = (d_log_f * C * r).flatten(0, -2).sum(0) * torch.sigmoid(-decay)
        return torch.cat(gates, -1), (d_decay,)
