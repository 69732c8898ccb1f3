"""Recurrences by the compiled library: the reference loop's signature, parameters and numbers."""

import ctypes
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from sunhwan.cells import CELLS, Cell, Loop, Parameters, State
from sunhwan.cells.base import rows, weight_gradient
from sunhwan.ops.embedded import Embedded
from sunhwan.ops.library import Library, library
from sunhwan.ops.record import Kernel, Matrix, Problem, Series
from sunhwan.ops.reference import NO_NOISE, Noise, Outcome, input_products, split


def kernel_of(cell: Cell, dtype: torch.dtype) -> Kernel | None:
    """The library's kernel for exactly this equation (a subclass may be another one), or None."""
    found, name = library(), name_of(cell)
    if found is None or name is None:
        return None
    address = found.kernel(name, dtype)
    return None if address is None else ctypes.cast(address, ctypes.POINTER(Kernel)).contents


def name_of(cell: Cell) -> str | None:
    """What the library calls exactly this equation, or None."""
    return next((name for name, known in CELLS.items() if _alike(cell, known)), None)


def _alike(cell: Cell, other: Cell) -> bool:
    """Whether two cells have the same equation, but for constants that the library is told."""
    same = type(cell) is type(other)
    return same and getattr(cell, "nonlinearity", None) == getattr(other, "nonlinearity", None)


def run(
    cell: Cell,
    x: Tensor | Embedded,
    parameters: Parameters,
    state: State,
    noise: Noise = NO_NOISE,
    *,
    onlooker: bool = False,
) -> Outcome:
    """x (T, N, D), state of (N, H) → `Outcome`; the saved values are not given."""
    parameters = cell.effective(parameters)
    folded = isinstance(x, Embedded) and x.folds
    b = None
    if type(cell).inputs is Cell.inputs and not folded:
        # A kernel adds it on the way: a pass over a less.
        b, parameters = parameters.get("b"), {n: p for n, p in parameters.items() if n != "b"}
    a = input_products(cell, x, parameters)
    # The products of the contract's own `inputs`, and a table's rows, are kept by nobody: a kernel may
    # write over them.
    ours = folded or type(cell).inputs is Cell.inputs
    if noise.hold is not None:
        noise = noise._replace(hold=tuple(map(Tensor.contiguous, noise.hold)))
    values: Iterable[Tensor | None] = (a, b, *cell.loop(parameters).values(), *state)
    if not torch.is_grad_enabled():
        # A function is not told, and would save for a backward pass that never comes.
        values = (None if value is None else value.detach() for value in values)
    found = NativeRecurrence.apply(cell, noise, ours, *values)  # type: ignore[no-untyped-call]
    F = len(state)
    return Outcome(found[0], cell.state_type(*found[F:]), cell.state_type(*found[:F]))


class Forward(NamedTuple):
    """What a forward pass leaves for the backward one: everything that a kernel reads."""

    initial: tuple[Tensor, ...]
    states: tuple[Tensor, ...]
    made: tuple[Tensor, ...]
    a: Tensor
    saved: tuple[Tensor, ...]
    operand: Tensor | None
    m: Tensor | None


class NativeRecurrence(torch.autograd.Function):
    """(a before its bias b, b, the loop's parameters, state) → every field over time, and the last."""

    @staticmethod
    def forward(
        ctx: Any,
        cell: Cell,
        noise: Noise,
        ours: bool,
        a: Tensor,
        b: Tensor | None,
        *rest: Tensor | None,
    ) -> tuple[Tensor, ...]:
        kernel = _kernel(cell, a.dtype)
        loop, initial = split(cell, rest)
        loop = loop.map(lambda p: p if p.dim() == 2 else p.contiguous())
        initial = tuple(map(Tensor.contiguous, initial))
        learning = any(ctx.needs_input_grad)
        saves = learning or bool(kernel.always_saves)
        (T, N), H = a.shape[:2], initial[-1].shape[1]
        sizes = [field.shape[1] for field in initial]

        def over_time(sizes: Sequence[int]) -> tuple[Tensor, ...]:
            return tuple(a.new_empty(T, N, size) for size in sizes)

        states = over_time(sizes)
        made = states if noise.hold is None else over_time(sizes if saves else ())
        # What is saved of a gate takes the place of its input, where nobody else reads that.
        inside = min(kernel.gates, kernel.saved) if ours and saves else 0
        widths = [w * H if w > 0 else -w for w in kernel.saved_width[inside : kernel.saved]]
        blocks = torch.split(a, H, -1)[:inside]
        saved = (*blocks, *over_time(widths if saves else ()))
        operand = None if noise.drop is None else a.new_empty(T, N, sizes[0])
        m = None if loop.W_m is None else a.new_empty(T if learning else 1, N, H)
        values = Forward(initial, states, made, a, saved, operand, m)
        problem = _describe(cell, loop, noise, values)
        b = None if b is None else b.contiguous()
        problem.b = _pointer(b)
        _library().dll.sunhwan_forward(ctypes.byref(kernel), ctypes.byref(problem))
        if learning:
            ctx.cell, ctx.noise, ctx.inside = cell, noise, inside
            ctx.set_materialize_grads(False)
            kept = (*initial, *states, *made, operand, m, a if inside else None, *saved[inside:])
            ctx.save_for_backward(*loop.values(), *kept)
        return *states, *(field[-1].clone() for field in states)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *d: Tensor | None) -> tuple[Tensor | None, ...]:
        cell, noise = ctx.cell, ctx.noise
        F, n = len(cell.state_type._fields), 3 + len(cell.extra)
        tensors = ctx.saved_tensors
        loop, initial = split(cell, tensors[: n + F])
        states, made = tensors[n + F : n + 2 * F], tensors[n + 2 * F : n + 3 * F]
        operand, m, a, *further = tensors[n + 3 * F :]
        T, N, P = states[0].shape
        H = initial[-1].shape[1]
        kernel = _kernel(cell, states[0].dtype)
        new = states[0].new_empty
        d_a = new(T, N, kernel.gates * H)
        shared = min(kernel.distinct, kernel.recurrent_gates)
        d_u = new(T, N, (kernel.recurrent_gates - shared) * H)
        d_w = None
        if loop.W_m is not None:
            first = kernel.second * H
            d_w = d_a[..., first : first + loop.W_m.shape[1]] if first >= 0 else new(T, N, P)
        blocks = () if a is None else torch.split(a, H, -1)[: ctx.inside]
        values = Forward(initial, states, made, d_a, (*blocks, *further), operand, m)
        problem = _describe(cell, loop, noise, values)
        d_initial = [torch.empty_like(field) for field in initial]
        d_extra = [new(N, 2, extra.numel()) for extra in loop.extra]
        d = tuple(None if field is None else field.contiguous() for field in d)
        problem.d_states[:F] = [_series(field) for field in d[:F]]
        problem.d_last[:F] = [_pointer(field) for field in d[F:]]
        problem.d_a, problem.d_u, problem.d_w = _series(d_a), _series(d_u), _series(d_w)
        problem.d_initial[:F] = [_pointer(field) for field in d_initial]
        problem.d_extra[: len(d_extra)] = [_pointer(sums) for sums in d_extra]
        _library().dll.sunhwan_backward(ctypes.byref(kernel), ctypes.byref(problem))
        d_W_h = d_b_h = d_W_m = None
        if loop.W_h is not None:
            parts = [part for part in (d_a[..., : shared * H], d_u) if part.shape[-1]]
            first, later = initial[0], states[0][:-1]
            if operand is not None:
                first, later = operand[0], operand[1:]
            # One product over the steps, and the first one's own.
            sums = [torch.addmm(p[0].T @ first, rows(p[1:]).T, rows(later)) for p in parts]
            d_W_h = (sums[0] if len(sums) == 1 else torch.cat(sums)).T
            if loop.b_h is not None:
                d_b_h = torch.cat([rows(part).sum(0) for part in parts])
        if d_w is not None:
            d_W_m = weight_gradient(m, d_w)
        d_extra = [sums[:, 0].sum(0) for sums in d_extra]
        d_b = rows(d_a).sum(0) if ctx.needs_input_grad[4] else None
        return None, None, None, d_a, d_b, d_W_h, d_b_h, d_W_m, *d_extra, *d_initial


SHARED = 30_000
"""Multiplications between two meetings of the threads from which two are faster than one."""


def _threads(T: int, N: int, H: int, loop: Loop) -> int:
    """As many as PyTorch uses, where there is work enough for more than one."""
    products = sum(W.numel() for W in (loop.W_h, loop.W_m) if W is not None)
    # Without a product they meet at the end alone.
    work = N * products if products else T * N * H
    return torch.get_num_threads() if work > SHARED else 1


def _describe(cell: Cell, loop: Loop, noise: Noise, values: Forward) -> Problem:
    """The record of a forward pass; a backward one adds to it. It does not keep tensors alive."""
    (T, N), H, P = values.a.shape[:2], values.initial[-1].shape[1], values.initial[0].shape[1]
    p = Problem(T=T, N=N, H=H, P=P, threads=_threads(T, N, H, loop))
    p.constant = getattr(cell, "epsilon", 0.0)
    for name in ("W_h", "W_m"):
        W = getattr(loop, name)
        if W is not None:
            setattr(p, name, Matrix(W.data_ptr(), *W.stride()))
    p.b_h = _pointer(loop.b_h)
    p.extra[: len(loop.extra)] = [_pointer(extra) for extra in loop.extra]
    p.extra_size[: len(loop.extra)] = [extra.numel() for extra in loop.extra]
    p.a = _series(values.a)
    for where, what in ((p.states, values.states), (p.made, values.made), (p.saved, values.saved)):
        where[: len(what)] = [_series(value) for value in what]
    p.initial[: len(values.initial)] = [_pointer(field) for field in values.initial]
    if noise.hold is not None:
        for k, hold in enumerate(noise.hold):
            p.hold[k], p.hold_unit[k] = _series(hold), int(hold.shape[2] > 1)
    p.drop, p.operand, p.m = _pointer(noise.drop), _series(values.operand), _series(values.m)
    if values.m is not None and len(values.m) == 1:
        p.m.step = 0  # every step writes over the last one's
    return p


def _series(x: Tensor | None) -> Series:
    """(T, N, size) as the library reads it."""
    if x is None:
        return Series()
    if x.stride(-1) != 1 and x.shape[-1] > 1:
        raise ValueError("the units of a row must be neighbours in memory")
    return Series(x.data_ptr(), x.stride(0), x.stride(1))


def _pointer(x: Tensor | None) -> int | None:
    if x is not None and not x.is_contiguous():
        raise ValueError("the rows must lie one after another in memory")
    return None if x is None else x.data_ptr()


def _kernel(cell: Cell, dtype: torch.dtype) -> Kernel:
    kernel = kernel_of(cell, dtype)
    if kernel is None:
        raise TypeError(f"there is no compiled kernel here for {type(cell).__name__} in {dtype}")
    return kernel


def _library() -> Library:
    found = library()
    if found is None:
        raise RuntimeError("the compiled library was not built")
    return found
