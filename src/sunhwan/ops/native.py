"""Forward and backward pass of the compiled library: tensors in, tensors out, no autograd.

Every tensor whose address goes to the library passes `check`, which compares type, device and size
with what the kernel reads. Sequences are (T, N, size), or, of rows of unequal length, packed: (S, size)
with S the sum of the lengths, step t holding `counts[t]` rows, the longest rows first.
"""

import ctypes
from array import array
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from sunhwan.cells import CELLS, Cell
from sunhwan.cells.base import rows
from sunhwan.errors import ShapeError
from sunhwan.ops.description import describe_parameters, describe_run, pointer, put, series
from sunhwan.ops.gate import check, check_tensor, gradient, laid_out
from sunhwan.ops.inputs import Inputs, Layout, layout_of
from sunhwan.ops.library import Library, library
from sunhwan.ops.matrix_gradients import gradients_of_matrices, sums_of_extra, width_of_second
from sunhwan.ops.program_kernels import kernel_for, named
from sunhwan.ops.record import AT, OF_PROGRAM, Kernel

DTYPES = (torch.float32, torch.float64)


def kernel_of(cell: Cell, dtype: torch.dtype, hidden_size: int | None = None) -> Kernel | None:
    """The library's kernel for exactly this equation (a subclass may be another one), or None.

    hidden_size: any cell whose step is a program has one, of so many units.
    """
    if dtype not in DTYPES:
        return None
    found, name = library(), name_of(cell, hidden_size)
    return None if found is None or name is None else kernel_named(name, dtype)


def name_of(cell: Cell, hidden_size: int | None = None) -> str | None:
    """What the library calls exactly this equation, or None; hidden_size: as above."""
    name = _NAMES.get(cell.kernel_key)
    if name is None and hidden_size is not None:
        found = kernel_for(cell, hidden_size)
        return None if found is None else found.name
    return name


_NAMES = {cell.kernel_key: name for name, cell in CELLS.items()}


@cache
def _kernel(instructions: str, name: str, dtype: torch.dtype) -> Kernel | None:
    address = _library().kernel(name, dtype)
    return None if address is None else ctypes.cast(address, ctypes.POINTER(Kernel)).contents


def _library() -> Library:
    found = library()
    if found is None:
        raise RuntimeError("the compiled library was not built")
    return found


def kernel_named(name: str, dtype: torch.dtype) -> Kernel:
    """The kernel of that name; ShapeError where there is none in this type."""
    own = named(name)
    if own is not None:
        return own.kernels[dtype]
    found = _kernel(_library().instructions, name, dtype) if dtype in DTYPES else None
    if found is None:
        raise ShapeError(f"there is no compiled kernel for {name} in {dtype}")
    return found


class ForwardResult(NamedTuple):
    """Result of a forward pass: every field over time, and what the backward pass needs besides.

    products: (T, N, G·H), the memory of the input products, now of the first saved values; further:
    saved values with memory of their own; made: the state before `hold`; operand: what W_h was
    multiplied with where that is not h; m: what W_m was multiplied with.
    """

    states: Sequence[Tensor]
    products: Tensor | None
    further: Sequence[Tensor]
    made: Sequence[Tensor]
    operand: Tensor | None
    m: Tensor | None

    def kept(self) -> list[Tensor]:
        """All but the states, in a row."""
        ends = (self.products, *self.further, *self.made, self.operand, self.m)
        return [value for value in ends if value is not None]


class KeptWidths(NamedTuple):
    """How many numbers a step of each tensor of `ForwardResult` has; None where there is no tensor."""

    states: list[int]
    products: int | None
    further: list[int]
    made: list[int]
    operand: int | None
    m: int | None


def kept_widths(inputs: Inputs, kernel: Kernel, *, save: bool) -> KeptWidths:
    """Those of a forward pass, which without `save` writes what the kernel itself reads again."""
    H = inputs.initial[-1].shape[1]
    saves = save or bool(kernel.always_saves)
    # Saved values take the place of the input products, where those are the kernel's own.
    within = min(kernel.gates, kernel.saved) if inputs.products.owned and saves else 0
    states = [field.shape[1] for field in inputs.initial]
    further = [w * H if w > 0 else -w for w in kernel.saved_width[within : kernel.saved]]
    return KeptWidths(
        states,
        kernel.gates * H if within else None,
        further if saves else [],
        states if inputs.hold and saves else [],
        None if inputs.drop is None else states[0],
        None if inputs.loop[2] is None or kernel.second == OF_PROGRAM else H,
    )


def allocate(
    inputs: Inputs, kernel: Kernel, products: Tensor | None, *, save: bool
) -> ForwardResult:
    """Memory for what a forward pass gives, unwritten; with fake tensors their shapes alone."""

    def new(width: int) -> Tensor:
        return inputs.x.new_empty((*inputs.lead, width))

    widths = kept_widths(inputs, kernel, save=save)
    if widths.products is None:
        products = None
    elif products is None:
        products = new(widths.products)
    return ForwardResult(
        list(map(new, widths.states)),
        products,
        list(map(new, widths.further)),
        list(map(new, widths.made)),
        None if widths.operand is None else new(widths.operand),
        None if widths.m is None else new(widths.m),
    )


def result_of(
    inputs: Inputs, kernel: Kernel, states: Sequence[Tensor], kept: Sequence[Tensor]
) -> ForwardResult:
    """What `ForwardResult.kept` laid in a row, by its names again; ShapeError where it is not that."""
    widths = kept_widths(inputs, kernel, save=True)
    single = [width for width in (widths.operand, widths.m) if width is not None]
    first = [] if widths.products is None else [widths.products]
    wanted = [*widths.states, *first, *widths.further, *widths.made, *single]
    given = [*states, *kept]
    if len(given) != len(wanted):
        raise ShapeError(f"a backward pass reads {len(wanted)} tensors over time, not {len(given)}")
    for value, width in zip(given, wanted, strict=True):
        check_tensor("a value kept for the backward pass", value, (*inputs.lead, width), inputs.x)
    left = iter(kept)
    return ForwardResult(
        states,
        None if widths.products is None else next(left),
        [next(left) for _ in widths.further],
        [next(left) for _ in widths.made],
        None if widths.operand is None else next(left),
        None if widths.m is None else next(left),
    )


def forward(inputs: Inputs, *, save: bool) -> tuple[ForwardResult, list[Tensor]]:
    """Every state over time and after the last step, and what a backward pass needs."""
    kernel = kernel_named(inputs.name, inputs.x.dtype)
    inputs = check(inputs, kernel)
    a, b = inputs.products.multiply()
    found = allocate(inputs, kernel, a if inputs.products.owned else None, save=save)
    layout = layout_of(inputs)
    words = _describe(inputs, layout, found)
    put(words, "a", [series(a)])
    b = None if b is None else b.contiguous()
    words[AT["b"]] = pointer(b)
    run_forward(kernel, words)
    if layout.last is None:
        return found, [field[-1].clone() for field in found.states]
    return found, [field.index_select(0, layout.last) for field in found.states]


def backward(
    inputs: Inputs,
    found: ForwardResult,
    d_states: Sequence[Tensor | None],
    d_last: Sequence[Tensor | None],
    needs: Sequence[bool],
) -> list[Tensor | None]:
    """Gradients of x, W_x, b, the loop's parameters and the initial state, in a row.

    needs: whether that of x, of W_x, of b and of the initial state is wanted.
    """
    kernel = kernel_named(inputs.name, inputs.x.dtype)
    inputs = check(inputs, kernel)
    W_h, b_h, W_m, *extra = inputs.loop
    layout = layout_of(inputs)
    F = len(inputs.initial)
    if len(d_states) != F or len(d_last) != F or len(needs) != 4:
        raise ShapeError(
            f"gradients are needed of {F} fields over time, and of {F} after the last step"
        )
    outside = [laid_out(gradient(d, v)) for d, v in zip(d_states, found.states, strict=True)]
    d = run_backward(
        kernel,
        _describe(inputs, layout, found),
        len(rows(found.states[0])),
        inputs.initial,
        width_of_second(inputs.name, W_m),
        sums_of_extra(inputs.name, extra),
        list(map(series, outside)),
        d_last,
        to_initial=needs[3],
    )
    d_W_h = d_b_h = None
    if W_h is not None:
        d_W_h = d.of_W_h(*_operands(inputs, layout, found)).T
        d_b_h = None if b_h is None else d.of_b_h()
    of_matrices = gradients_of_matrices(
        inputs.name, d.w, found.m, found.products, found.further, W_m
    )
    d_W_m = of_matrices.pop(2, None)
    of_input = inputs.products.gradients(d.a.view(*inputs.lead, -1), needs[:3])
    given = [e for e in extra if e is not None]
    of_extra = [_as_stored(g, e) for g, e in zip(d.of_extra(), given, strict=True)]
    for which, sums in of_matrices.items():
        of_extra[which - 3] = sums
    return [*of_input, d_W_h, d_b_h, d_W_m, *of_extra, *d.initial]


def _as_stored(gradient: Tensor, parameter: Tensor) -> Tensor:
    """The gradient of an extra parameter, a matrix laid out in memory as it is stored, transposed."""
    if gradient.numel() != parameter.numel():
        return gradient  # of a matrix that only products read
    found = gradient.view(parameter.shape)
    return found.T.contiguous().T if found.dim() == 2 else found


class Gradients(NamedTuple):
    """Gradients that a backward pass writes, values over time as rows (S, size).

    a: of the input products; u: of the blocks of the recurrent product that are not those of a, and
    blocks: of each of the others that are, all as W_h has them; w: of the second product; extra:
    (N, 2, size), sums over the steps of each row.
    """

    a: Tensor
    blocks: list[Tensor]
    w: Tensor | None
    initial: list[Tensor | None]
    extra: list[Tensor]

    def of_W_h(self, first: Tensor, later: Tensor) -> Tensor:  # noqa: N802
        """d W_hᵀ = Σ_t d u_tᵀ h_{t-1}; first, later: what W_h was multiplied with, at step 0 and after."""
        N, sizes = len(first), [d_u.shape[1] for d_u in self.blocks]
        sums = first.new_empty((sum(sizes), first.shape[1]))
        for d_u, part in zip(self.blocks, torch.split(sums, sizes), strict=True):
            # One product over the steps, and the first one's own.
            torch.mm(d_u[:N].T, first, out=part)
            if len(later):
                part.addmm_(d_u[N:].T, later)
        return sums

    def of_b_h(self) -> Tensor:
        """d b_h."""
        return torch.cat([d_u.sum(0) for d_u in self.blocks])

    def of_extra(self) -> list[Tensor]:
        """Those of the extra parameters."""
        return [sums[:, 0].sum(0) for sums in self.extra]


def run_backward(
    kernel: Kernel,
    words: "array[int]",
    S: int,
    initial: Sequence[Tensor],
    second: int | None,
    extra: Sequence[int],
    d_states: Sequence[tuple[int, int]],
    d_last: Sequence[Tensor | None],
    *,
    to_initial: bool,
) -> Gradients:
    """Call the kernel's backward pass.

    words: the record of the forward pass, which is written on; S: rows over time. second: width of what
    the second product gives, None: there is none; extra: how many numbers each extra parameter has.
    d_states: where the gradients of the fields over time lie; to_initial: whether the gradient of the
    initial state is wanted, which takes a product more.
    """
    H, new = words[AT["H"]], initial[0].new_empty
    d_a, d_u, d_w = new((S, kernel.gates * H)), None, None
    if kernel.recurrent_gates > kernel.shared_gates:
        d_u = new((S, (kernel.recurrent_gates - kernel.shared_gates) * H))
    if second is not None:
        first = kernel.second * H
        d_w = d_a[:, first : first + second] if first >= 0 else new((S, second))
    d_initial = [new(field.shape) for field in initial]
    d_extra = [new((len(initial[0]), 2, size)) for size in extra]
    behind = [laid_out(gradient(d, field)) for d, field in zip(d_last, initial, strict=True)]
    put(words, "a", [series(d_a)])
    words[AT["reaches_initial"]] = int(to_initial)
    put(words, "d_states", d_states)
    put(words, "d_last", [(pointer(d),) for d in behind])
    put(words, "d_a", map(series, (d_a, d_u, d_w)))  # and d_u, d_w, which follow it
    put(words, "d_initial", [(pointer(d),) for d in d_initial])
    put(words, "d_extra", [(pointer(sums),) for sums in d_extra])
    _library().dll.sunhwan_backward(ctypes.addressof(kernel), words.buffer_info()[0])
    shared = min(kernel.shared_gates, kernel.recurrent_gates)
    blocks = [d_a if shared == kernel.gates else d_a[:, : shared * H]] if shared else []
    of_initial = [d if to_initial else None for d in d_initial]
    return Gradients(d_a, blocks + ([] if d_u is None else [d_u]), d_w, of_initial, d_extra)


def _operands(inputs: Inputs, layout: Layout, found: ForwardResult) -> tuple[Tensor, Tensor]:
    """What W_h was multiplied with, at the first step and at all others."""
    N = layout.N
    if found.operand is not None:
        return rows(found.operand)[:N], rows(found.operand)[N:]
    h = rows(found.states[0])
    return inputs.initial[0], h[:-N] if layout.before is None else h.index_select(0, layout.before)


def _describe(inputs: Inputs, layout: Layout, found: ForwardResult) -> "array[int]":
    """The record of a forward pass; a backward one adds to it. It does not keep tensors alive."""
    words = describe_parameters(inputs)
    weights = sum(W.numel() for W in inputs.loop if W is not None and W.dim() == 2)
    describe_run(
        words, layout, weights, list(map(series, found.states)), found.products, found.further,
        inputs.initial, found.m,
    )  # fmt: skip
    made = found.made or (() if inputs.hold else found.states)
    put(words, "made", map(series, made))
    put(words, "hold", map(series, inputs.hold))
    put(words, "hold_unit", [(int(field.shape[-1] > 1),) for field in inputs.hold])
    words[AT["drop"]] = pointer(inputs.drop)
    put(words, "operand", [series(found.operand)])
    return words


def run_forward(kernel: Kernel, words: "array[int]") -> None:
    """Call the kernel."""
    _library().dll.sunhwan_forward(ctypes.addressof(kernel), words.buffer_info()[0])
