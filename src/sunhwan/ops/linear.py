"""The first-order linear recurrence h_t = f_t ⊙ h_{t-1} + v_t, elementwise, parallel over time.

Steps compose: after a chunk of them, h = local + product · carry, where local is the chunk run from
zero, product that of its f, and carry the state before the chunk. So all chunks run side by side,
and the states between them obey the same recurrence, over fewer steps (Blelloch 1990, *Prefix sums
and their applications*; for recurrent layers Martin and Cundy 2018, *Parallelizing linear recurrent
neural nets over sequence length*). No logarithm and no division: gates of exactly 0 and 1 are exact.

Time-major: f, v (T, N, H), h_0 (N, H) → h (T, N, H). Memory kept for the backward pass: f and h.
"""

from typing import Any

import torch
from torch import Tensor

from sunhwan.ops.modes import is_batched, needs_graph, transformed

CHUNK = 8
"""Steps of a chunk. Longer chunks take more operations a level, shorter ones more levels."""

LONG = 8 * CHUNK
"""Steps up to which chunks, whose every step is three operations, save nothing."""

WIDE = 4096
"""Numbers in a step, N·H, from which a CPU is busier with memory than with starting operations."""


def linear_recurrence(f: Tensor, v: Tensor, h0: Tensor) -> Tensor:
    """f, v (T, N, H), h0 (N, H) → h (T, N, H), with gradients of all three."""
    if transformed() or any(map(is_batched, (f, v, h0))):
        steps = []
        for f_t, v_t in zip(f.unbind(0), v.unbind(0), strict=True):
            h0 = torch.addcmul(v_t, f_t, h0)
            steps.append(h0)
        return torch.stack(steps) if steps else v
    h: Tensor = LinearRecurrence.apply(f, v, h0)  # type: ignore[no-untyped-call]
    return h


class LinearRecurrence(torch.autograd.Function):
    """(f, v, h_0) → h. Its gradient is the same recurrence, run from the last step to the first."""

    @staticmethod
    def forward(ctx: Any, f: Tensor, v: Tensor, h0: Tensor) -> Tensor:
        h = linear_scan(f, v, h0)
        ctx.save_for_backward(f, h0, h)
        return h

    @staticmethod
    def backward(ctx: Any, d_h: Tensor) -> tuple[Tensor | None, ...]:
        f, h0, h = ctx.saved_tensors
        if not len(f):
            return torch.zeros_like(f), d_h, torch.zeros_like(h0)
        if needs_graph((d_h,)):
            return _differentiable_gradient(f, h0, h, d_h)
        # d v_t = d h_t + f_{t+1} d v_{t+1}, and after the last step there is nothing.
        d_v = torch.empty_like(h)
        d_v[-1] = d_h[-1]
        _scan(d_v[:-1], f[1:], d_h[:-1], d_v[-1], reverse=True)
        d_f = None
        if ctx.needs_input_grad[0]:
            d_f = torch.empty_like(h)
            torch.mul(d_v[0], h0, out=d_f[0])
            torch.mul(d_v[1:], h[:-1], out=d_f[1:])
        return d_f, d_v, f[0] * d_v[0]


def _differentiable_gradient(
    f: Tensor, h0: Tensor, h: Tensor, d_h: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """d f, d v and d h_0 as functions of all four, for a second derivative."""
    # The same recurrence with time turned around, from the last step's gradient on.
    later = linear_recurrence(f[1:].flip(0), d_h[:-1].flip(0), d_h[-1])
    d_v = torch.cat((later.flip(0), d_h[-1:]))
    return d_v * torch.cat((h0.unsqueeze(0), h[:-1])), d_v, f[0] * d_v[0]


def linear_scan(f: Tensor, v: Tensor, h0: Tensor, *, reverse: bool = False) -> Tensor:
    """h of all steps, outside autograd; in reverse h_t = f_t ⊙ h_{t+1} + v_t, h0 after the last."""
    h = torch.empty(v.shape, dtype=v.dtype, device=v.device)
    _scan(h, f, v, h0, reverse)
    return h


def _scan(h: Tensor, f: Tensor, v: Tensor, h0: Tensor, reverse: bool) -> None:
    """Write h, by the form that is faster there."""
    # Chunks save operations and cost memory traffic: they read f and v twice, and far-off rows
    # together. Starting operations is what a GPU waits for, and a CPU when steps are narrow.
    chunked = len(f) > LONG and (h.device.type != "cpu" or h[0].numel() < WIDE)
    (_scan_by_chunks if chunked else _scan_by_steps)(h, f, v, h0, reverse)


def _scan_by_steps(h: Tensor, f: Tensor, v: Tensor, h0: Tensor, reverse: bool) -> None:
    """Write h, one operation a step."""
    steps = list(zip(h.unbind(0), f.unbind(0), v.unbind(0), strict=True))
    state = h0
    for h_t, f_t, v_t in reversed(steps) if reverse else steps:
        state = torch.addcmul(v_t, f_t, state, out=h_t)


def _scan_by_chunks(h: Tensor, f: Tensor, v: Tensor, h0: Tensor, reverse: bool) -> None:
    """Write h: about 3 · CHUNK operations at each of log T levels, whatever T.

    T steps make C chunks, counted in the direction of the run; only the last of them may be short.
    """
    T = len(f)
    B = (T - 1) // CHUNK  # borders: chunks with another one after them

    def rows(x: Tensor, j: int) -> Tensor:
        """Step j of every chunk that has one (C or B, N, H), in the order of time."""
        return x[(T - 1 - j) % CHUNK : T - j : CHUNK] if reverse else x[j::CHUNK]

    def first(x: Tensor, n: int) -> Tensor:
        """The rows of the first n chunks of the run."""
        return x[len(x) - n :] if reverse else x[:n]

    # From zero, not from v_1: where f has a NaN or an infinity, so has local, whatever becomes of
    # the product.
    local = torch.zeros(B, *h0.shape, dtype=h.dtype, device=h.device)
    product = torch.ones_like(local)
    for j in range(CHUNK):
        f_j = first(rows(f, j), B)
        torch.addcmul(first(rows(v, j), B), f_j, local, out=local)
        product *= f_j
    # Of finite f above 1 a product may overflow, and 0 · inf, here or with a carry, would be NaN.
    product.nan_to_num_(nan=0.0)

    carries = torch.empty(B + 1, *h0.shape, dtype=h.dtype, device=h.device)
    before, after = (carries[-1], carries[:-1]) if reverse else (carries[0], carries[1:])
    before.copy_(h0)
    _scan(after, product, local, before, reverse)

    # Once more from the true states, not local + product · carry: the products of all steps would
    # take as much memory as h, and this rounds as the loop does.
    state = carries
    for j in range(CHUNK):
        h_j = rows(h, j)
        state = torch.addcmul(rows(v, j), rows(f, j), first(state, len(h_j)), out=h_j)
