"""Direct call of the compiled recurrence, for a plain layer in eager mode.

The operator of `operators.py` checks its arguments and writes the record anew at each call, behind
PyTorch's dispatcher: for a small call that is most of the time. Here the record of the parameters is
written once (`PreparedCall`) and holds as long as the layer's parameters are the same memory. The results
are the operator's, bit for bit: kernel and products are the same. One exception is a single step of a
GRU or Elman network of which a gradient is wanted: PyTorch's own operator is faster there, and is taken; it
rounds in another order.
"""

from array import array
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sunhwan.cells import LSTM, Cell, State
from sunhwan.cells.base import rows
from sunhwan.errors import ShapeError
from sunhwan.ops import fused, native, operators
from sunhwan.ops.description import describe_parameters, describe_run, put
from sunhwan.ops.gate import address, check, gradient
from sunhwan.ops.input_products import InputProducts
from sunhwan.ops.inputs import Inputs, dense_layout
from sunhwan.ops.lazy_embedding import LazyEmbedding
from sunhwan.ops.library import library
from sunhwan.ops.matrix_gradients import gradients_of_matrices, sums_of_extra, width_of_second
from sunhwan.ops.modes import is_batched
from sunhwan.ops.program_kernels import kernel_for, named
from sunhwan.ops.record import AT, OF_PROGRAM, Kernel
from sunhwan.ops.reference import differentiable_gradients

PLAIN = (Tensor, torch.nn.Parameter)


class PreparedCall(NamedTuple):
    """A layer's kernel, the record of its parameters, and the sizes of what a call makes.

    words: the record, for the library. parameters: as they are stored, W_x (G·H, D), b, W_h (G·H, P),
    b_h, W_m and the extra ones; memory: what they were when the record was made. sizes: of the state's
    fields; within: whether saved values stand in the memory of the input products; further: the widths
    of the others; weights: how many numbers the matrices of a step have.
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
    within: bool
    further: tuple[int, ...]
    weights: int

    @property
    def H(self) -> int:  # noqa: N802
        """Units of a gate."""
        return self.words[AT["H"]]

    @property
    def has_m(self) -> bool:
        """Whether what a second product reads has memory of its own."""
        return self.parameters[4] is not None and self.kernel.second != OF_PROGRAM

    def holds(self, parameters: Sequence[Tensor | None]) -> bool:
        """Whether these parameters are the memory that the record tells of, and the kernel is in use."""
        found = library()
        return (
            found is not None
            and found.instructions == self.instructions
            and memory_of(parameters) == self.memory
        )

    def serves(self, cell: Cell, parameters: Sequence[Tensor | None]) -> bool:
        """Whether it `holds` for this cell, whose step, if it runs as a program, is what it was."""
        if cell is not self.cell or not self.holds(parameters):
            return False
        if named(self.name) is None:
            return True
        found = kernel_for(cell, self.H)
        return found is not None and found.name == self.name

    def products(self, x: Tensor, ids: Tensor | None) -> InputProducts:
        """The input products of x (N, T, D), or of the rows of a table x (V, D) that ids (N, T) take."""
        b = self.parameters[1]
        if ids is None:
            return InputProducts(x.transpose(0, 1), None, self.W_x, b)
        return InputProducts(x, ids.T, self.W_x, b)

    def inputs(
        self, x: Tensor, ids: Tensor | None, initial: Sequence[Tensor], stored: Sequence[Any]
    ) -> Inputs:
        """The operator's inputs, of the same."""
        W_x, b, *loop = (p.T if p is not None and p.dim() == 2 else p for p in stored)
        read = self.products(x, ids)
        constant = self.cell.kernel_constant
        return Inputs(self.name, constant, read.x, read.ids, W_x, b, loop, initial, (), None, None)


def memory_of(parameters: Sequence[Tensor | None]) -> list[Any]:
    """Where tensors are and how they lie there."""
    return [
        p if p is None else (p.data_ptr(), p.shape, p.stride(), p.dtype, p.is_cpu)
        for p in parameters
    ]


def prepare(cell: Cell, stored: Sequence[Tensor | None]) -> PreparedCall | None:
    """Prepare a layer; None where it must be run by the operator, ShapeError for freed memory.

    stored: W_x, b, W_h, b_h, W_m and the extra parameters, matrices transposed.
    """
    kind, found = type(cell), library()
    first = stored[0]
    if (
        found is None
        or first is None
        or (kind.inputs, kind.effective, kind.parameters_of_step)
        != (Cell.inputs, Cell.effective, Cell.parameters_of_step)
        or any(p is not None and (type(p) not in PLAIN or not p.is_cpu) for p in stored)
    ):
        return None
    for value in stored:
        if value is not None:
            address(value)
    H = first.shape[0] // len(cell.gates)
    name = native.name_of(cell, H)
    if name is None or first.dtype not in native.DTYPES:
        return None
    kernel = native.kernel_named(name, first.dtype)
    if any(p is not None and not p.is_contiguous() for p in stored):
        return None
    if any(p is None or p.dim() != 1 for p in stored[5:]):
        return None
    with torch.inference_mode(False), torch.no_grad():
        stored = [None if p is None else p.detach() for p in stored]
        W_x, b, *loop = (p.T if p is not None and p.dim() == 2 else p for p in stored)
        assert W_x is not None
        x = first.new_empty((1, 1, first.shape[1]))
        initial = cell.zero_state(1, H, dtype=first.dtype)
        inputs = check(
            Inputs(name, cell.kernel_constant, x, None, W_x, b, loop, initial, (), None, None),
            kernel,
        )
        widths = native.kept_widths(inputs, kernel, save=True)
        words = describe_parameters(inputs)
    return PreparedCall(
        cell, name, found.instructions, kernel, words, tuple(stored), memory_of(stored), W_x,
        tuple(widths.states), widths.products is not None, tuple(widths.further),
        sum(W.numel() for W in (loop[0], loop[2]) if W is not None),
    )  # fmt: skip


def run(
    prepared: PreparedCall, x: Tensor | LazyEmbedding, state: State | None, stored: Sequence[Any]
) -> list[Tensor]:
    """x (N, T, D) → h over time (N, T, P) and every field after the last step; state None: zeros.

    A `LazyEmbedding` x is one that `folds`. stored: the parameters that `prepared.holds`, with their
    gradients.
    """
    ids = x.ids if isinstance(x, LazyEmbedding) else None
    x = x.weight if isinstance(x, LazyEmbedding) else x
    N, T = x.shape[:2] if ids is None else ids.shape
    given = zeros(N, prepared.sizes, x.dtype) if state is None else state
    if torch.is_grad_enabled() and any(
        p is not None and p.requires_grad for p in (x, *given, *stored)
    ):
        cell = prepared.cell
        if T == 1 and ids is None and fused.supports(cell) and type(cell) is not LSTM:
            return _single_step(prepared, x, given, stored)
        return list(DirectRecurrence.apply(prepared, x, ids, *given, *stored))  # type: ignore[no-untyped-call]
    h, made = _forward(prepared, x, ids, given, save=False)
    return [h, *_last(h, made)]


def _single_step(
    prepared: PreparedCall, x: Tensor, state: Sequence[Tensor], stored: Sequence[Any]
) -> list[Tensor]:
    """Run one step by PyTorch's operator of exactly this equation."""
    W_x, b, W_h, b_h = stored[:4]
    h = fused.step(prepared.cell, x.squeeze(1), state[0], (W_x, W_h, b, b_h))
    return [h.unsqueeze(1), h.clone()]


def is_state(prepared: PreparedCall, state: Any, N: int) -> bool:
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
    """Values that a forward pass wrote beside h, as rows (T·N, size).

    fields: of the state, but h; products: the input products, in whose place saved values stand, where
    they do; further: saved values with memory of their own; m: what W_m was multiplied with.
    """

    fields: list[Tensor]
    products: Tensor | None
    further: list[Tensor]
    m: Tensor | None


class DirectRecurrence(torch.autograd.Function):
    """(x, ids, the initial state, the stored parameters) → h over time and every field after the last step.

    x and ids: see `Prepared.products`.
    """

    @staticmethod
    def forward(
        ctx: Any, prepared: PreparedCall, x: Tensor, ids: Tensor | None, *rest: Any
    ) -> tuple[Tensor, ...]:
        initial, stored = rest[: len(prepared.sizes)], rest[len(prepared.sizes) :]
        h, made = _forward(prepared, x, ids, initial, save=True)
        ctx.prepared = prepared
        ends = (made.products, *made.further, made.m)
        saved = (x, ids, *initial, *stored, h, *made.fields, *(v for v in ends if v is not None))
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*saved)
        return h, *_last(h, made)

    @staticmethod
    def backward(ctx: Any, d_h: Tensor | None, *d_last: Tensor | None) -> tuple[Any, ...]:
        r: PreparedCall = ctx.prepared
        saved = iter(ctx.saved_tensors)
        x, ids = next(saved), next(saved)
        initial, stored = list(islice(saved, len(r.sizes))), list(islice(saved, len(r.parameters)))
        h = next(saved)
        made = Made(
            list(islice(saved, len(r.sizes) - 1)),
            next(saved) if r.within else None,
            list(islice(saved, len(r.further))),
            next(saved) if r.has_m else None,
        )
        _, of_x, _, *of_others = ctx.needs_input_grad
        d, needs = (d_h, *d_last), [of_x, *of_others]
        if torch.is_grad_enabled() or any(value is not None and is_batched(value) for value in d):

            def again(x: Tensor, *rest: Any) -> list[Tensor]:
                inputs = r.inputs(x, ids, rest[: len(r.sizes)], rest[len(r.sizes) :])
                found = operators.unrolled(inputs)
                return [found[0].transpose(0, 1), *found[len(r.sizes) :]]

            d_x, *others = differentiable_gradients(again, (x, *initial, *stored), d, needs)
        else:
            d_x, *others = _backward(r, x, ids, initial, h, made, d, needs)
        return None, d_x, None, *others


def _forward(
    r: PreparedCall, x: Tensor, ids: Tensor | None, initial: Sequence[Tensor], *, save: bool
) -> tuple[Tensor, Made]:
    """h over time, and what was written beside it."""
    a, b = r.products(x, ids).multiply()
    (T, N), P = a.shape[:2], r.sizes[0]
    a = rows(a)
    # As the kernel writes it, step by step, and as the caller reads it, row by row.
    h = torch.empty_strided((N, T, P), (P, N * P, 1), dtype=a.dtype)
    saves, new, S = save or bool(r.kernel.always_saves), a.new_empty, N * T
    made = Made(
        [new((S, size)) for size in r.sizes[1:]],
        a if saves and r.within else None,
        [new((S, width)) for width in r.further] if saves else [],
        new((S, r.H)) if r.has_m else None,
    )
    initial = [field.contiguous() for field in initial]
    words = _describe(r, initial, h, made)
    words[AT["b"]] = 0 if b is None else b.data_ptr()
    put(words, "a", [(a.data_ptr(), a.shape[1])])
    native.run_forward(r.kernel, words)
    return h, made


def _last(h: Tensor, made: Made) -> list[Tensor]:
    """Every field after the last step, with memory of its own."""
    N, T, _ = h.shape
    first = h.select(1, T - 1).clone(memory_format=torch.contiguous_format)
    return [first, *(field.narrow(0, (T - 1) * N, N).clone() for field in made.fields)]


def _describe(r: PreparedCall, initial: Sequence[Tensor], h: Tensor, made: Made) -> "array[int]":
    """The record of a forward pass; a backward one adds to it."""
    N, T, P = h.shape
    words = r.words[:]
    states = [(address(h), P), *((f.data_ptr(), f.shape[1]) for f in made.fields)]
    describe_run(
        words,
        dense_layout(T, N),
        r.weights,
        states,
        made.products,
        made.further,
        initial,
        made.m,
    )
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
    r: PreparedCall,
    x: Tensor,
    ids: Tensor | None,
    initial: Sequence[Tensor],
    h: Tensor,
    made: Made,
    d: Sequence[Tensor | None],
    needs: Sequence[bool],
) -> list[Tensor | None]:
    """Gradients of x, the initial state and the stored parameters, those that are needed.

    The parameters are those that the forward pass read, whatever the layer has now; where their memory
    moved since, as that of sharded parameters does, the record is made anew.
    """
    N, T, P = h.shape
    starts = [field.contiguous() for field in initial]
    here = r if r.holds(r.parameters) else prepare(r.cell, r.parameters)
    if here is None or here.name != r.name:
        raise ShapeError("a layer's parameters were laid out anew between its two passes")
    _, _, _, _, W_m, *extra = r.parameters
    second = None if W_m is None else W_m.T
    d_h = gradient(d[0], h)
    d_h = None if d_h is None else rows(d_h.transpose(0, 1)).contiguous()
    found = native.run_backward(
        here.kernel, _describe(here, starts, h, made), N * T, starts,
        width_of_second(r.name, second),
        sums_of_extra(r.name, extra),
        [] if d_h is None else [(d_h.data_ptr(), P)], d[1:],
        to_initial=any(needs[1 : 1 + len(starts)]),
    )  # fmt: skip
    of_W_x, of_b, of_W_h, of_b_h, of_W_m, *_ = needs[1 + len(starts) :]
    d_a = found.a.view(T, N, -1)
    d_x, d_W_x, d_b = r.products(x, ids).gradients(d_a, (needs[0], of_W_x, of_b))
    h_rows = rows(h.transpose(0, 1))
    d_W_m = None
    if of_W_m:
        ends = (made.m, made.products, made.further)
        d_W_m = gradients_of_matrices(r.name, found.w, *ends, second)[2].T
    return [
        d_x.transpose(0, 1) if d_x is not None and ids is None else d_x,
        *found.initial,
        None if d_W_x is None else d_W_x.T,
        d_b,
        found.of_W_h(starts[0], h_rows[:-N]) if of_W_h else None,
        found.of_b_h() if of_b_h else None,
        d_W_m,
        *found.of_extra(),
    ]
