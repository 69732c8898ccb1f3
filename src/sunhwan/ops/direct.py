"""The compiled recurrence of a plain layer, called with nothing in between.

The operator of `operators.py` checks and describes everything anew at each call, and PyTorch's dispatcher
stands before it. For a layer that reads a plain tensor in eager mode that is most of the time of a small
call. Here it is done once (`Prepared`) and holds as long as the layer's parameters are the same memory.
The numbers are those of the operator, bit for bit: it is the same kernel and the same products.
"""

from array import array
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sunhwan.cells import Cell, State
from sunhwan.errors import ShapeError
from sunhwan.ops import native, operators
from sunhwan.ops.library import library
from sunhwan.ops.modes import is_batched
from sunhwan.ops.native import Inputs
from sunhwan.ops.record import AT, Kernel
from sunhwan.ops.reference import differentiable_gradients

PLAIN = (Tensor, torch.nn.Parameter)


class Prepared(NamedTuple):
    """A layer's kernel, the record of its parameters, and the sizes of what a call makes.

    parameters: as they are stored, W_x (G·H, D), b, W_h (G·H, P), b_h, W_m and the extra ones; memory:
    what they were when the record was made. words: the record, for the library. products: how many numbers
    the matrices of a step have. within: how many saved values stand in the memory of the input products,
    further: the widths of the others.
    """

    cell: Cell
    name: str
    instructions: str
    kernel: Kernel
    words: "array[int]"
    parameters: tuple[Tensor | None, ...]
    memory: list[Any]
    W_x: Tensor
    sizes: tuple[int, ...]
    H: int
    gates: int
    recurrent_gates: int
    shared: int
    second: int
    fields: int
    always_saves: bool
    within: int
    further: tuple[int, ...]
    products: int

    @property
    def has_m(self) -> bool:
        """Whether a step has a second product."""
        return self.parameters[4] is not None

    def holds(self, parameters: Sequence[Tensor | None]) -> bool:
        """Whether these parameters are the memory that the record tells of, and the kernel is in use."""
        found = library()
        return (
            found is not None
            and found.instructions == self.instructions
            and memory_of(parameters) == self.memory
        )

    def inputs(self, x: Tensor, initial: Sequence[Tensor], stored: Sequence[Any]) -> Inputs:
        """What the operator reads, for x (N, T, D)."""
        W_x, b, *loop = (p.T if p is not None and p.dim() == 2 else p for p in stored)
        constant = self.cell.kernel_constant
        return Inputs(
            self.name, constant, x.transpose(0, 1), None, W_x, b, loop, initial, (), None, None
        )


def memory_of(parameters: Sequence[Tensor | None]) -> list[Any]:
    """Where tensors are and how they lie there."""
    return [
        p if p is None else (p.data_ptr(), p.shape, p.stride(), p.dtype, p.is_cpu)
        for p in parameters
    ]


def prepare(cell: Cell, stored: Sequence[Tensor | None]) -> Prepared | None:
    """Make a layer ready; None where a call must take the long way, ShapeError for freed memory.

    stored: W_x, b, W_h, b_h, W_m and the extra parameters, matrices transposed.
    """
    kind, found = type(cell), library()
    first = stored[0]
    if (
        found is None
        or first is None
        or (kind.inputs, kind.effective, kind.loop) != (Cell.inputs, Cell.effective, Cell.loop)
        or any(p is not None and (type(p) not in PLAIN or not p.is_cpu) for p in stored)
    ):
        return None
    for value in stored:
        if value is not None:
            native.address(value)
    kernel, name = native.kernel_of(cell, first.dtype), native.name_of(cell)
    if kernel is None or name is None:
        return None
    if any(p is not None and not p.is_contiguous() for p in stored):
        return None
    if any(p is None or p.dim() != 1 for p in stored[5:]):
        return None
    H = first.shape[0] // kernel.gates
    with torch.inference_mode(False), torch.no_grad():
        stored = [None if p is None else p.detach() for p in stored]
        W_x, b, *loop = (p.T if p is not None and p.dim() == 2 else p for p in stored)
        assert W_x is not None
        x = first.new_empty((1, 1, first.shape[1]))
        initial = cell.zero_state(1, H, dtype=first.dtype)
        inputs = native.check(
            Inputs(name, cell.kernel_constant, x, None, W_x, b, loop, initial, (), None, None),
            kernel,
        )
        widths = native.kept_widths(inputs, kernel, save=True)
        words = native.describe_parameters(inputs)
        words[AT["b"]] = 0 if b is None else b.data_ptr()
    return Prepared(
        cell, name, found.instructions, kernel, words, tuple(stored),
        memory_of(stored), W_x, tuple(field.shape[1] for field in initial), H, kernel.gates,
        kernel.recurrent_gates, min(kernel.distinct, kernel.recurrent_gates), kernel.second,
        kernel.fields, bool(kernel.always_saves),
        0 if widths.products is None else min(kernel.gates, kernel.saved), tuple(widths.further),
        sum(W.numel() for W in (loop[0], loop[2]) if W is not None),
    )  # fmt: skip


def run(prepared: Prepared, x: Tensor, state: State | None, stored: Sequence[Any]) -> list[Tensor]:
    """x (N, T, D) → h over time (N, T, P) and every field after the last step; state None: zeros.

    stored: the parameters that `prepared.holds`, with their gradients.
    """
    given = zeros(len(x), prepared.sizes, x.dtype) if state is None else state
    if torch.is_grad_enabled() and any(
        p is not None and p.requires_grad for p in (x, *given, *stored)
    ):
        return list(DirectRecurrence.apply(prepared, x, *given, *stored))  # type: ignore[no-untyped-call]
    h, made, _ = _forward(prepared, x, given, save=False)
    return [h, *_last(h, made)]


def is_state(prepared: Prepared, state: Any, N: int) -> bool:
    """Whether this is a state as `run` reads it."""
    sizes, dtype = prepared.sizes, prepared.W_x.dtype
    return (
        isinstance(state, tuple)
        and len(state) == len(sizes)
        and all(_plain(v, dtype, (N, size)) for v, size in zip(state, sizes, strict=True))
    )


@lru_cache(maxsize=16)
def zeros(N: int, sizes: tuple[int, ...], dtype: torch.dtype) -> tuple[Tensor, ...]:
    """The state before anything was read; kept, for nothing writes to it."""
    with torch.inference_mode(False):
        return tuple(torch.zeros(N, size, dtype=dtype) for size in sizes)


class Made(NamedTuple):
    """What a forward pass wrote beside h, as rows (T·N, size).

    fields: of the state, but h; products: the input products, in whose place saved values stand, where
    they do; further: saved values with memory of their own; m: what W_m was multiplied with.
    """

    fields: list[Tensor]
    products: Tensor | None
    further: list[Tensor]
    m: Tensor | None


class DirectRecurrence(torch.autograd.Function):
    """(x, the initial state, the stored parameters) → h over time and every field after the last step."""

    @staticmethod
    def forward(ctx: Any, prepared: Prepared, x: Tensor, *rest: Any) -> tuple[Tensor, ...]:
        initial, stored = rest[: prepared.fields], rest[prepared.fields :]
        h, made, words = _forward(prepared, x, initial, save=True)
        ctx.prepared, ctx.words = prepared, words
        ends = (made.products, *made.further, made.m)
        saved = (x, *initial, *stored, h, *made.fields, *(v for v in ends if v is not None))
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*saved)
        return h, *_last(h, made)

    @staticmethod
    def backward(ctx: Any, d_h: Tensor | None, *d_last: Tensor | None) -> tuple[Any, ...]:
        r: Prepared = ctx.prepared
        saved = iter(ctx.saved_tensors)
        x = next(saved)
        initial, stored = list(islice(saved, r.fields)), list(islice(saved, len(r.parameters)))
        h = next(saved)
        made = Made(
            list(islice(saved, r.fields - 1)),
            next(saved) if r.within else None,
            list(islice(saved, len(r.further))),
            next(saved) if r.has_m else None,
        )
        d, needs = (d_h, *d_last), ctx.needs_input_grad[1:]
        if torch.is_grad_enabled() or any(value is not None and is_batched(value) for value in d):

            def again(x: Tensor, *rest: Any) -> list[Tensor]:
                found = operators.unrolled(r.inputs(x, rest[: r.fields], rest[r.fields :]))
                return [found[0].transpose(0, 1), *found[r.fields :]]

            return None, *differentiable_gradients(again, (x, *initial, *stored), d, needs)
        return None, *_backward(r, ctx.words, x, initial, h, made, d, needs)


def _forward(
    r: Prepared, x: Tensor, initial: Sequence[Tensor], *, save: bool
) -> tuple[Tensor, Made, "array[int]"]:
    """h over time, what was written beside it, and the record of the call."""
    N, T, _ = x.shape
    a = torch.mm(_rows(x), r.W_x)
    P = r.sizes[0]
    # As the kernel writes it, step by step, and as the caller reads it, row by row.
    h = torch.empty_strided((N, T, P), (P, N * P, 1), dtype=a.dtype)
    saves, new, S = save or r.always_saves, a.new_empty, N * T
    made = Made(
        [new((S, size)) for size in r.sizes[1:]],
        a if saves and r.within else None,
        [new((S, width)) for width in r.further] if saves else [],
        new((S, r.H)) if r.has_m else None,
    )
    initial = [field.contiguous() for field in initial]
    words = _describe(r, a, initial, h, made)
    native.run_forward(r.kernel, words)
    return h, made, words


def _last(h: Tensor, made: Made) -> list[Tensor]:
    """Every field after the last step, with memory of its own."""
    N, T, _ = h.shape
    first = h.select(1, T - 1).clone(memory_format=torch.contiguous_format)
    return [first, *(field.narrow(0, (T - 1) * N, N).clone() for field in made.fields)]


def _rows(x: Tensor) -> Tensor:
    """(N, T, size) → (T·N, size), step by step."""
    N, T, size = x.shape
    return (x if N == 1 or T == 1 else x.transpose(0, 1)).reshape(N * T, size)


def _describe(
    r: Prepared, a: Tensor, initial: Sequence[Tensor], h: Tensor, made: Made
) -> "array[int]":
    """The record of a forward pass; a backward one adds to it."""
    N, T, P = h.shape
    words, layout = r.words[:], native.dense_layout(T, N)
    work = N * r.products if r.products else T * N * r.H
    words[AT["T"]], words[AT["N"]] = T, N
    words[AT["start"]], words[AT["lengths"]] = layout.start.data_ptr(), layout.lengths.data_ptr()
    words[AT["threads"]] = torch.get_num_threads() if work > native.SHARED else 1
    words[AT["a"]], words[AT["a"] + 1] = a.data_ptr(), r.gates * r.H
    fields = [(h.data_ptr(), P), *((f.data_ptr(), f.shape[1]) for f in made.fields)]
    native.put(words, "states", fields)
    native.put(words, "made", fields)
    saved: list[tuple[int, int]] = []
    if made.products is not None:
        address, block = made.products.data_ptr(), r.H * a.element_size()
        saved = [(address + i * block, r.gates * r.H) for i in range(r.within)]
    native.put(words, "saved", [*saved, *((f.data_ptr(), f.shape[1]) for f in made.further)])
    native.put(words, "initial", [(field.data_ptr(),) for field in initial])
    if made.m is not None:
        native.put(words, "m", [(made.m.data_ptr(), r.H)])
        words[AT["m_kept"]] = 1
    return words


def _plain(x: Any, dtype: torch.dtype, shape: tuple[int, ...]) -> bool:
    return (
        type(x) in PLAIN
        and x.dtype == dtype
        and x.shape == shape
        and x.is_cpu
        and x.layout == torch.strided
        and x.data_ptr() != 0
    )


def _backward(
    r: Prepared,
    words: "array[int]",
    x: Tensor,
    initial: Sequence[Tensor],
    h: Tensor,
    made: Made,
    d: Sequence[Tensor | None],
    needs: Sequence[bool],
) -> list[Tensor | None]:
    """Gradients of x, the initial state and the stored parameters.

    words: the record of the forward pass. The parameters are those that it read, whatever the layer has
    now; where their storage moved since, as that of sharded parameters does, the record is made anew.
    """
    N, T, P = h.shape
    starts = [field.contiguous() for field in initial]
    here = r if r.holds(r.parameters) else prepare(r.cell, r.parameters)
    if here is None:
        raise ShapeError("a layer's parameters were laid out anew between its two passes")
    words = words[:] if here is r else _describe(here, h, starts, h, made)
    H, S, new, stored = r.H, N * T, h.new_empty, r.parameters
    W_m, *extra = stored[4:]
    d_a, d_u, d_w = new((S, r.gates * H)), None, None
    ends = [(d_a.data_ptr(), r.gates * H), (0, 0), (0, 0)]
    if r.recurrent_gates > r.shared:
        d_u = new((S, (r.recurrent_gates - r.shared) * H))
        ends[1] = d_u.data_ptr(), d_u.shape[1]
    if W_m is not None:
        first = r.second * H
        d_w = d_a[:, first : first + W_m.shape[0]] if first >= 0 else new((S, P))
        ends[2] = d_w.data_ptr(), d_w.stride(0)
    d_initial = [new((N, size)) for size in r.sizes]
    d_extra = [new((N, 2, value.numel())) for value in extra if value is not None]
    words[AT["states"]] = words[AT["made"]] = native.address(h)
    words[AT["a"]], words[AT["a"] + 1] = ends[0]
    native.put(words, "initial", [(native.address(field),) for field in starts])
    d_h = native.gradient(d[0], h)
    if d_h is not None:
        d_h = (d_h if T == 1 else d_h.transpose(0, 1)).contiguous()
        words[AT["d_states"]], words[AT["d_states"] + 1] = d_h.data_ptr(), P
    behind = [
        native.laid_out(native.gradient(v, like)) for v, like in zip(d[1:], starts, strict=True)
    ]
    native.put(words, "d_last", [(0 if v is None else v.data_ptr(),) for v in behind])
    native.put(words, "d_a", ends)  # and d_u, d_w, which follow it
    native.put(words, "d_initial", [(value.data_ptr(),) for value in d_initial])
    native.put(words, "d_extra", [(value.data_ptr(),) for value in d_extra])
    native.run_backward(r.kernel, words)

    wanted = needs[1 + r.fields :]
    gradients: list[Tensor | None] = [None] * len(stored)
    if wanted[0]:
        gradients[0] = d_a.T @ _rows(x)
    if wanted[1]:
        gradients[1] = d_a.sum(0)
    if wanted[2] or wanted[3]:
        shared = d_a if r.shared == r.gates else d_a[:, : r.shared * H]
        parts = [part for part in (shared, d_u) if part is not None and part.shape[1]]
        if wanted[2]:
            over_time = _rows(h)
            sums = [_recurrent_gradient(part, starts[0], over_time) for part in parts]
            gradients[2] = sums[0] if len(sums) == 1 else torch.cat(sums)
        if wanted[3]:
            gradients[3] = torch.cat([part.sum(0) for part in parts])
    if wanted[4] and d_w is not None and made.m is not None:
        gradients[4] = d_w.T @ made.m
    for i, sums_of_rows in enumerate(d_extra):
        gradients[5 + i] = sums_of_rows[:, 0].sum(0)
    d_x = None
    if needs[0]:
        d_x = torch.mm(d_a, r.W_x.T).view(T, N, x.shape[2]).transpose(0, 1)
    return [d_x, *d_initial, *gradients]


def _recurrent_gradient(d_u: Tensor, h_0: Tensor, h: Tensor) -> Tensor:
    """d W_hᵀ = Σ_t d u_tᵀ h_{t-1}: one product over the steps, and the first one's own."""
    N = h_0.shape[0]
    if h.shape[0] == N:
        return d_u.T @ h_0
    return torch.addmm(d_u[:N].T @ h_0, d_u[N:].T, h[:-N])
