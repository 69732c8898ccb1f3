"""Layer normalisation inside a step, with its gradient."""

from typing import NamedTuple

import torch
from torch import Tensor

EPSILON = 1e-5


class Moments(NamedTuple):
    """Of each row v (K): its mean and 1 / √(variance + 10⁻⁵), both (…, 1)."""

    mean: Tensor
    scale: Tensor


def normalize(v: Tensor, gain: Tensor, shift: Tensor | None = None) -> tuple[Tensor, Moments]:
    """v (…, K) → gain ⊙ (v − mean) · scale + shift over the last axis (Ba et al. 2016)."""
    y, *moments = torch.native_layer_norm(v, v.shape[-1:], gain, shift, EPSILON)
    return y, Moments(*moments)


def normalize_backward(d: Tensor, v: Tensor, moments: Moments, gain: Tensor) -> Tensor:
    """d y → d v = scale · (d̂ − mean(d̂) − v̂ mean(d̂ v̂)), with d̂ = gain ⊙ d, v̂ = (v − mean) · scale."""
    return _backward(d, v, moments, gain, [True, False, False])[0]


def normalize_gradients(
    d: Tensor, v: Tensor, moments: Moments, gain: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """d y → d v, d gain = Σ d ⊙ v̂ and d shift = Σ d, the sums over all rows."""
    return _backward(d, v, moments, gain, [True, True, True])


def _backward(
    d: Tensor, v: Tensor, moments: Moments, gain: Tensor, wanted: list[bool]
) -> tuple[Tensor, Tensor, Tensor]:
    shift = (
        gain if wanted[2] else None
    )  # that there is one is all it says; its values do not matter
    found: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.native_layer_norm_backward(
        d.contiguous(), v.contiguous(), v.shape[-1:], *moments, gain, shift, wanted
    )
    return found
