"""Recurrences by the compiled library: the reference loop's signature, parameters and numbers."""

import ctypes
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from sunhwan.cells import GRU, LSTM, Cell, Elman, Loop, Parameters, State
from sunhwan.cells.base import rows
from sunhwan.ops.library import library
from sunhwan.ops.reference import NO_NOISE, Noise, Outcome, _split, input_products

FIELDS, SAVED, EXTRA = 4, 8, 4


class Series(ctypes.Structure):
    """Mirrors `Series` of native/problem.hpp: values over time."""

    _fields_ = [("data", ctypes.c_void_p), ("step", ctypes.c_int64), ("row", ctypes.c_int64)]


class Matrix(ctypes.Structure):
    """Mirrors `Matrix`."""

    _fields_ = [("data", ctypes.c_void_p), ("row", ctypes.c_int64), ("column", ctypes.c_int64)]


class Problem(ctypes.Structure):
    """Mirrors `Recurrence` of native/problem.hpp."""

    _fields_ = [
        ("T", ctypes.c_int64),
        ("N", ctypes.c_int64),
        ("H", ctypes.c_int64),
        ("P", ctypes.c_int64),
        ("threads", ctypes.c_int64),
        ("constant", ctypes.c_double),
        ("W_h", Matrix),
        ("W_m", Matrix),
        ("b_h", ctypes.c_void_p),
        ("extra", ctypes.c_void_p * EXTRA),
        ("a", Series),
        ("states", Series * FIELDS),
        ("made", Series * FIELDS),
        ("saved", Series * SAVED),
        ("initial", ctypes.c_void_p * FIELDS),
        ("hold", Series * FIELDS),
        ("hold_unit", ctypes.c_int64 * FIELDS),
        ("drop", ctypes.c_void_p),
        ("operand", Series),
        ("d_states", Series * FIELDS),
        ("d_last", ctypes.c_void_p * FIELDS),
        ("d_a", Series),
        ("d_u", Series),
        ("d_initial", ctypes.c_void_p * FIELDS),
        ("d_extra", ctypes.c_void_p * EXTRA),
    ]


class Kernel(ctypes.Structure):
    """Mirrors `Kernel` up to its functions: what the kernel of a cell reads and writes."""

    _fields_ = [
        ("name", ctypes.c_char_p),
        ("gates", ctypes.c_int32),
        ("fields", ctypes.c_int32),
        ("saved", ctypes.c_int32),
        ("extra", ctypes.c_int32),
        ("distinct", ctypes.c_int32),
    ]


def kernel_of(cell: Cell, dtype: torch.dtype) -> Any:
    """The library's kernel for exactly this equation (a subclass may be another one), or None."""
    found = library()
    name = KERNELS.get(type(cell))
    if found is None or name is None:
        return None
    if isinstance(cell, Elman) and cell.nonlinearity == "relu":
        name = "elman_relu"
    address = found.kernel(name, dtype)
    return None if address is None else ctypes.cast(address, ctypes.POINTER(Kernel))


KERNELS = {Elman: "elman", GRU: "gru", LSTM: "lstm"}


def series(x: Tensor | None, *, block: int = 0, size: int = 0) -> Series:
    """(T, N, ·) as the library reads it: block `block` of `size` units."""
    if x is None:
        return Series()
    if x.stride(-1) != 1:
        raise ValueError("the units of a row must be neighbours in memory")
    return Series(x.data_ptr() + block * size * x.element_size(), x.stride(0), x.stride(1))


def pointer(x: Tensor | None) -> int | None:
    return None if x is None else x.data_ptr()



def describe(
    cell: Cell, loop: Loop, a: Tensor, initial: State, states: Sequence[Tensor],
    made: Sequence[Tensor], saved: Sequence[Series], noise: Noise, operand: Tensor | None,
) -> Problem:  # fmt: skip
    """The record of a forward pass; a backward one adds to it."""
    p = Problem(T=a.shape[0], N=a.shape[1], H=initial[-1].shape[1], P=initial[0].shape[1])
    p.threads = threads_for(p, loop)
    for name in ("W_h", "W_m"):
        W = getattr(loop, name)
        if W is not None:
            setattr(p, name, Matrix(W.data_ptr(), *W.stride()))
    p.b_h = pointer(loop.b_h)
    p.extra[: len(loop.extra)] = [pointer(e) for e in loop.extra]
    p.a = series(a)
    p.states[: len(states)] = [series(field) for field in states]
    p.made[: len(made)] = [series(field) for field in made]
    p.saved[: len(saved)] = saved
    p.initial[: len(initial)] = [pointer(field) for field in initial]
    if noise.hold is not None:
        for k, hold in enumerate(noise.hold):
            p.hold[k], p.hold_unit[k] = series(hold), int(hold.shape[2] > 1)
    p.drop, p.operand = pointer(noise.drop), series(operand)
    return p


def threads_for(p: Problem, loop: Loop) -> int:
    """As many as PyTorch uses, where a step is work enough to share."""
    products = sum(0 if W is None else W.numel() for W in (loop.W_h, loop.W_m))
    return torch.get_num_threads() if p.N * products > SHARED else 1


SHARED = 30_000
"""Multiplications of a step from which two threads are faster than one."""


class NativeRecurrence(torch.autograd.Function):
    """(a, the loop's parameters, initial state) → every field over time, and after the last step."""

    @staticmethod
    def forward(
        ctx: Any, cell: Cell, noise: Noise, ours: bool, a: Tensor, *rest: Tensor | None
    ) -> tuple[Tensor, ...]:
        kernel = kernel_of(cell, a.dtype)
        k = kernel.contents
        loop, initial = _split(cell, rest)
        initial = tuple(field.contiguous() for field in initial)
        learning = any(ctx.needs_input_grad)
        T, N, H = *a.shape[:2], initial[-1].shape[1]
        sizes = [field.shape[1] for field in initial]
        states = [a.new_empty(T, N, size) for size in sizes]
        made = states
        if noise.hold is not None:
            made = [a.new_empty(T, N, size) for size in sizes] if learning else []
        operand = None if noise.drop is None else a.new_empty(T, N, sizes[0])
        # What is saved of a gate takes the place of its input, where nobody else reads that.
        inside = min(k.gates, k.saved) if ours else 0
        further = [a.new_empty(T, N, H) for _ in range(inside, k.saved if learning else 0)]
        saved = [series(a, block=s, size=H) for s in range(inside)] + [series(s) for s in further]
        problem = describe(
            cell, loop, a, initial, states, made, saved if learning else [], noise, operand
        )
        library().dll.sunhwan_forward(kernel, ctypes.byref(problem))
        if learning:
            ctx.cell, ctx.noise, ctx.inside = cell, noise, inside
            ctx.set_materialize_grads(False)
            kept = (*initial, *states, *made, operand, a if inside else None, *further)
            ctx.save_for_backward(*loop.values(), *kept)
        return *states, *(field[-1].clone() for field in states)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *d: Tensor | None) -> tuple[Tensor | None, ...]:
        cell, noise, inside = ctx.cell, ctx.noise, ctx.inside
        F, n = len(cell.state_type._fields), 3 + len(cell.extra)
        tensors = ctx.saved_tensors
        loop, initial = _split(cell, tensors[: n + F])
        states, made = tensors[n + F : n + 2 * F], tensors[n + 2 * F : n + 3 * F]
        operand, a, *further = tensors[n + 3 * F :]
        T, N, H = *states[0].shape[:2], initial[-1].shape[1]
        kernel = kernel_of(cell, states[0].dtype)
        k = kernel.contents
        new = states[0].new_empty
        d_a = new(T, N, k.gates * H)
        d_u = new(T, N, (k.gates - k.distinct) * H)
        saved = [series(a, block=s, size=H) for s in range(inside)] + [series(s) for s in further]
        p = describe(cell, loop, d_a, initial, states, made, saved, noise, operand)
        d_initial = [torch.empty_like(field) for field in initial]
        d_extra = [new(N, e.numel()) for e in loop.extra]
        # Kept alive until the call is over.
        d = tuple(None if g is None else g.contiguous() for g in d)
        p.d_states[:F] = [series(g) for g in d[:F]]
        p.d_last[:F] = [pointer(g) for g in d[F:]]
        p.d_a, p.d_u = series(d_a), series(d_u)
        p.d_initial[:F] = [pointer(g) for g in d_initial]
        p.d_extra[: len(d_extra)] = [pointer(g) for g in d_extra]
        library().dll.sunhwan_backward(kernel, ctypes.byref(p))
        d_W_h = d_b_h = None
        if loop.W_h is not None:
            blocks = [d_a[..., : k.distinct * H]] * (k.distinct > 0) + [d_u] * (k.distinct < k.gates)
            parts = [recurrent_gradient(b, initial[0], states[0], operand) for b in blocks]
            d_W_h = (parts[0] if len(parts) == 1 else torch.cat(parts)).T
            if loop.b_h is not None:
                d_b_h = torch.cat([rows(b).sum(0) for b in blocks])
        return None, None, None, d_a, d_W_h, d_b_h, None, *(g.sum(0) for g in d_extra), *d_initial


def recurrent_gradient(
    d_u: Tensor, initial: Tensor, h: Tensor, operand: Tensor | None
) -> Tensor:
    """Σ_t d u_tᵀ h_{t-1}, (G·H, H): one product over the steps, and the first one's own."""
    if operand is not None:
        return rows(d_u).T @ rows(operand)
    return torch.addmm(d_u[0].T @ initial, rows(d_u[1:]).T, rows(h[:-1]))


def run(
    cell: Cell, x: Tensor, parameters: Parameters, state: State, noise: Noise = NO_NOISE,
    *, onlooker: bool = False,
) -> Outcome:  # fmt: skip
    """x (T, N, D), state of (N, H) → `Outcome`."""
    parameters = cell.effective(parameters)
    a = input_products(cell, x, parameters)
    ours = type(cell).inputs is Cell.inputs
    found = NativeRecurrence.apply(cell, noise, ours, a, *cell.loop(parameters).values(), *state)
    F = len(state)
    return Outcome(found[0], cell.state_type(*found[F:]), cell.state_type(*found[:F]))
