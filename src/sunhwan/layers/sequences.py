"""Rows of unequal lengths, and the order in which a direction reads them."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from sunhwan.errors import ShapeError
from sunhwan.ops import LazyEmbedding
from sunhwan.ops.modes import values_known

WHOLE = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
"""Types of lengths."""


def checked_lengths(lengths: Tensor | Sequence[int], x: Tensor | LazyEmbedding) -> Tensor:
    """(N) whole numbers on the device of x (N, T, D), from a list or a mask (N, T); or a ShapeError."""
    N, T = x.shape[:2]
    try:
        given = torch.as_tensor(lengths)
    except (TypeError, ValueError, RuntimeError):
        raise ShapeError(f"lengths must be {N} whole numbers, one a row, not {lengths!r}") from None
    if not (given.numel() or isinstance(lengths, Tensor)):
        given = given.long()  # an empty list has no type
    if given.dtype == torch.bool and given.shape == (N, T):
        found = given.sum(1)
        if values_known(given) and bool((given == is_padding(T, found).T).any()):
            raise ShapeError(
                "the mask has padding before a real step: move it behind the row's end"
            )
        return found.to(x.device)
    if given.shape != (N,) or given.dtype not in WHOLE:
        raise ShapeError(
            f"lengths must be {N} whole numbers, one a row, or a mask {(N, T)} of truth values, "
            f"not {given.dtype} of shape {tuple(given.shape)}"
        )
    if N and values_known(given) and not 0 <= int(given.min()) <= int(given.max()) <= T:
        raise ShapeError(
            f"lengths must lie between 0 and {T}, the steps of the input, and these lie between "
            f"{int(given.min())} and {int(given.max())}"
        )
    return given.to(x.device)


def checked_resets(resets: Any, x: Tensor | LazyEmbedding) -> Tensor:
    """Truth values (N, T) on the device of x (N, T, D), from a tensor or nested lists; or a ShapeError."""
    N, T = x.shape[:2]
    try:
        given = torch.as_tensor(resets)
    except (TypeError, ValueError, RuntimeError):
        raise ShapeError(f"resets must be truth values {(N, T)}, not {resets!r:.60}") from None
    if given.shape != (N, T):
        raise ShapeError(f"resets has shape {tuple(given.shape)}, not {(N, T)}")
    if given.dtype not in (torch.bool, *WHOLE) or given.layout != torch.strided:
        raise ShapeError(f"resets must be truth values, not {given.dtype}, {given.layout}")
    return given.to(x.device, torch.bool)


def is_padding(steps: int, lengths: Tensor) -> Tensor:
    """(T, N): true from a row's length on."""
    return torch.arange(steps, device=lengths.device).unsqueeze(1) >= lengths


def zero_padded(values: Tensor, lengths: Tensor | Sequence[int] | None) -> tuple[Tensor, Tensor]:
    """values (N, T, K) with 0 behind each row's end and one step at least, and the lengths (N)."""
    N, T = values.shape[:2]
    if lengths is None:
        real = torch.full((N,), T, device=values.device)
    else:
        real = checked_lengths(lengths, values)
        values = torch.where(is_padding(T, real).T.unsqueeze(-1), 0, values)
    return values if T else functional.pad(values, (0, 0, 0, 1)), real


def backwards(steps: int, lengths: Tensor | None, device: torch.device) -> Tensor:
    """(T, N) or (T, 1): for each step of the backward direction the step it reads.

    Each row is turned around at its own last real step; padding stays where it is.
    """
    t = torch.arange(steps, device=device).unsqueeze(1)
    end = torch.full((1,), steps, device=device) if lengths is None else lengths
    return torch.where(t < end, end - 1 - t, t)


def in_order(values: Tensor, order: Tensor | None) -> Tensor:
    """values (T, N, …) with the steps of each row in another order; its own inverse."""
    if order is None:
        return values
    index = order.view(*order.shape, *[1] * (values.dim() - 2)).expand(values.shape)
    return values.gather(0, index)


def resets_in_order(resets: Tensor | None, order: Tensor | None) -> Tensor | None:
    """Read backwards, the step before a reset is the one that starts anew."""
    if resets is None or order is None:
        return resets
    before = torch.cat((resets[1:], torch.zeros_like(resets[:1])))
    return in_order(before, order.expand(before.shape).to(before.device))
