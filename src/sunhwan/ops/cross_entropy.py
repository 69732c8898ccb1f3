"""The cross-entropy of an output layer, without logits of a large vocabulary all at once."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from sunhwan.ops.modes import needs_graph
from sunhwan.ops.reference import differentiable_gradients

WHOLE = 2**22
"""Logits up to which all are held together."""

PIECE, FEWEST = 2**21, 256
"""Logits held together beyond that, but no fewer rows: each piece reads and writes all of d weight."""


def output_cross_entropy(
    y: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, *, fewest: int = 0
) -> Tensor:
    r"""y (R, H), weight (V, H), bias (V), targets (R) → Σ_r −log softmax(y_r Wᵀ + b)[target_r].

    Where R · V is large, loss and gradients are made together, rows in pieces, and only the
    gradients of y, weight and bias are kept: O(R · H + V · H) of memory instead of O(R · V).
    fewest: rows of a piece at least, 0: `FEWEST`; where H is small, fewer stay in the processor's caches.
    """
    if len(y) * len(bias) <= WHOLE:
        return _whole(y, weight, bias, targets)
    total: Tensor = ChunkedCrossEntropy.apply(  # type: ignore[no-untyped-call]
        y, weight, bias, targets, fewest
    )
    return total


def _whole(y: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
    return functional.cross_entropy(functional.linear(y, weight, bias), targets, reduction="sum")


class ChunkedCrossEntropy(torch.autograd.Function):
    """(y, weight, bias, targets) → Σ cross-entropy, with gradients from the forward pass.

    Under autocast the products have its precision; the softmax and all sums that of the weights.
    """

    @staticmethod
    def forward(
        ctx: Any, y: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, fewest: int = 0
    ) -> Tensor:
        device = y.device.type
        low = torch.is_autocast_enabled(device)
        dtype = torch.get_autocast_dtype(device) if low else weight.dtype
        with torch.autocast(device, enabled=False):
            total, gradients = _sums(
                y.detach().to(dtype), weight.detach().to(dtype), bias, targets, fewest,
                ctx.needs_input_grad,
            )  # fmt: skip
        ctx.types = y.dtype, weight.dtype, bias.dtype
        ctx.low = low
        ctx.save_for_backward(y, weight, bias, targets, *gradients)
        return total

    @staticmethod
    def backward(ctx: Any, d_total: Tensor) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors  # read once: a checkpoint gives them a single time
        inputs, gradients = saved[:4], saved[4:]
        if needs_graph((d_total,)):
            # With all logits together, for a second derivative.
            device = inputs[0].device.type
            with torch.autocast(device, enabled=ctx.low):
                found = differentiable_gradients(
                    lambda *given: (_whole(*given),), inputs, (d_total,), ctx.needs_input_grad[:4]
                )
            return *found, None
        pairs = zip(gradients, ctx.types, strict=True)
        return *(None if g is None else (d_total * g).to(dtype) for g, dtype in pairs), None, None


def _sums(
    y: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, fewest: int, wanted: Sequence[bool]
) -> tuple[Tensor, list[Tensor | None]]:
    """Σ cross-entropy, and the gradients of y, weight and bias that are wanted."""
    total = bias.new_zeros(())
    d_y, d_weight, d_bias = (
        torch.zeros_like(value, dtype=bias.dtype) if need else None
        for value, need in zip((y, weight, bias), wanted, strict=False)
    )
    low = weight.dtype != bias.dtype
    rows = max(fewest or FEWEST, PIECE // len(bias))
    for start in range(0, len(y), rows):
        piece = slice(start, start + rows)
        logits = functional.linear(y[piece], weight).to(bias.dtype).add_(bias)
        norm = logits.logsumexp(1, keepdim=True)
        right = targets[piece].unsqueeze(1)
        total += (norm - logits.gather(1, right)).sum()
        # d logits = softmax − one-hot.
        d = logits.sub_(norm).exp_()
        d.scatter_add_(1, right, -torch.ones_like(norm))
        if d_bias is not None:
            d_bias += d.sum(0)
        d = d.to(weight.dtype)
        if d_y is not None:
            d_y[piece] = d @ weight
        if d_weight is not None:
            if low:
                d_weight += d.T @ y[piece]
            else:
                d_weight.addmm_(d.T, y[piece])
    return total, [d_y, d_weight, d_bias]
