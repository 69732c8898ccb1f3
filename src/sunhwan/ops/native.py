"""Forward and backward pass of the compiled library: tensors in, tensors out, no autograd.

Every tensor whose address goes to the library passes `check`, which compares type, device and size
with what the kernel reads. Sequences are (T, N, size), or, of rows of unequal length, packed: (S, size)
with S the sum of the lengths, step t holding `counts[t]` rows, the longest rows first.
"""

import ctypes
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from sunhwan.cells import CELLS, Cell
from sunhwan.cells.base import rows, weight_gradient
from sunhwan.errors import ShapeError
from sunhwan.ops.library import Library, library
from sunhwan.ops.record import Kernel, Matrix, Problem, Series

DTYPES = (torch.float32, torch.float64)


def kernel_of(cell: Cell, dtype: torch.dtype) -> Kernel | None:
    """The library's kernel for exactly this equation (a subclass may be another one), or None."""
    if dtype not in DTYPES:
        return None
    found, name = library(), name_of(cell)
    return None if found is None or name is None else _kernel(found.instructions, name, dtype)


def name_of(cell: Cell) -> str | None:
    """What the library calls exactly this equation, or None."""
    return _NAMES.get(cell.kernel_key)


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
    found = _kernel(_library().instructions, name, dtype) if dtype in DTYPES else None
    if found is None:
        raise ShapeError(f"there is no compiled kernel for {name} in {dtype}")
    return found


class Inputs(NamedTuple):
    """What a recurrence reads.

    name, constant: of the cell. x (T, N, D), or the table (V, D) of which `ids` (T, N) takes rows;
    without W_x, x holds the input products a (T, N, G·H) themselves. loop: W_h, b_h, W_m and the
    cell's extra parameters. hold, drop: see `Noise`. counts: rows of each step, of packed
    sequences; None: all.
    """

    name: str
    constant: float
    x: Tensor
    ids: Tensor | None
    W_x: Tensor | None
    b: Tensor | None
    loop: Sequence[Tensor | None]
    initial: Sequence[Tensor]
    hold: Sequence[Tensor]
    drop: Tensor | None
    counts: Tensor | None

    @property
    def lead(self) -> tuple[int, ...]:
        """The leading axes of values over time: (T, N), or (S,) of packed sequences."""
        values = self.x if self.ids is None else self.ids
        return tuple(values.shape) if self.ids is not None else tuple(values.shape[:-1])


class ForwardResult(NamedTuple):
    """What a forward pass gives: every field over time, and what the backward pass needs besides.

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
    # Saved values take the place of the input products, where those are made here.
    within = min(kernel.gates, kernel.saved) if inputs.W_x is not None and saves else 0
    states = [field.shape[1] for field in inputs.initial]
    further = [w * H if w > 0 else -w for w in kernel.saved_width[within : kernel.saved]]
    return KeptWidths(
        states,
        kernel.gates * H if within else None,
        further if saves else [],
        states if inputs.hold and saves else [],
        None if inputs.drop is None else states[0],
        None if inputs.loop[2] is None else H,
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
        _check("a value kept for the backward pass", value, (*inputs.lead, width), inputs.x)
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
    a, b = _input_products(inputs)
    found = allocate(inputs, kernel, None if inputs.W_x is None else a, save=save)
    layout = layout_of(inputs)
    problem = _describe(inputs, layout, kernel, a, found)
    problem.b = _pointer(b)
    _library().dll.sunhwan_forward(ctypes.byref(kernel), ctypes.byref(problem))
    if layout.last is None:
        return found, [field[-1].clone() for field in found.states]
    return found, [field.index_select(0, layout.last) for field in found.states]


class Layout(NamedTuple):
    """Which rows each step has, as native/problem.hpp wants it told.

    start (T + 2): the first row of each step, then S twice. lengths (N): of the rows, falling.
    before (S − N): of the rows of the steps from 1 on, the same rows a step before; last (N): the
    rows of the last steps; both None where all rows are as long.
    """

    T: int
    N: int
    start: Tensor
    lengths: Tensor
    before: Tensor | None = None
    last: Tensor | None = None


def layout_of(inputs: Inputs) -> Layout:
    """Of dense sequences, or of packed ones by their counts."""
    if inputs.counts is None:
        T, N = inputs.lead
        return _dense(T, N)
    counts = inputs.counts
    T, N, S = len(counts), int(counts[0]), int(counts.sum())
    start = torch.cat((counts.new_zeros(1), counts.cumsum(0), counts.new_full((1,), S)))
    ends = counts - torch.cat((counts[1:], counts.new_zeros(1)))
    lengths = torch.arange(T, 0, -1, device="cpu").repeat_interleave(ends.flip(0))
    before = torch.arange(N, S, device="cpu") - counts[:-1].repeat_interleave(counts[1:])
    return Layout(T, N, start, lengths, before, start[lengths - 1] + torch.arange(N, device="cpu"))


@lru_cache(maxsize=16)
def _dense(T: int, N: int) -> Layout:
    with torch.inference_mode(False):
        start = (torch.arange(T + 2, device="cpu") * N).clamp_(max=T * N)
        return Layout(T, N, start, torch.full((N,), T, device="cpu"))


def backward(
    inputs: Inputs,
    found: ForwardResult,
    d_states: Sequence[Tensor | None],
    d_last: Sequence[Tensor | None],
    needs: Sequence[bool],
) -> list[Tensor | None]:
    """Gradients of x, W_x, b, the loop's parameters and the initial state, in a row.

    needs: whether that of x, of W_x and of b is wanted.
    """
    kernel = kernel_named(inputs.name, inputs.x.dtype)
    inputs = check(inputs, kernel)
    W_h, b_h, W_m, *extra = inputs.loop
    lead, H, P = inputs.lead, inputs.initial[-1].shape[1], inputs.initial[0].shape[1]
    new = inputs.x.new_empty
    d_a = new((*lead, kernel.gates * H))
    shared = min(kernel.distinct, kernel.recurrent_gates)
    d_u = new((*lead, (kernel.recurrent_gates - shared) * H))
    d_w = None
    if W_m is not None:
        first = kernel.second * H
        d_w = d_a[..., first : first + W_m.shape[1]] if first >= 0 else new((*lead, P))
    layout = layout_of(inputs)
    problem = _describe(inputs, layout, kernel, d_a, found)
    F = len(inputs.initial)
    d_initial = [new(field.shape) for field in inputs.initial]
    d_extra = [new((len(inputs.initial[0]), 2, e.numel())) for e in extra if e is not None]
    if len(d_states) != F or len(d_last) != F or len(needs) != 3:
        raise ShapeError(
            f"gradients are needed of {F} fields over time, and of {F} after the last step"
        )
    outside = [_gradient(d, like) for d, like in zip(d_states, found.states, strict=True)]
    behind = [_gradient(d, like) for d, like in zip(d_last, inputs.initial, strict=True)]
    problem.d_states[:F] = [_series(field) for field in outside]
    problem.d_last[:F] = [_pointer(field) for field in behind]
    problem.d_a, problem.d_u, problem.d_w = _series(d_a), _series(d_u), _series(d_w)
    problem.d_initial[:F] = [_pointer(field) for field in d_initial]
    problem.d_extra[: len(d_extra)] = [_pointer(sums) for sums in d_extra]
    _library().dll.sunhwan_backward(ctypes.byref(kernel), ctypes.byref(problem))
    d_W_h = d_b_h = d_W_m = None
    if W_h is not None:
        parts = [part for part in (d_a[..., : shared * H], d_u) if part.shape[-1]]
        sums = [_recurrent_gradient(inputs, layout, found, rows(part)) for part in parts]
        d_W_h = (sums[0] if len(sums) == 1 else torch.cat(sums)).T
        if b_h is not None:
            d_b_h = torch.cat([rows(part).sum(0) for part in parts])
    if d_w is not None and found.m is not None:
        d_W_m = weight_gradient(found.m, d_w)
    sums = [each[:, 0].sum(0) for each in d_extra]
    return [*_input_gradients(inputs, d_a, needs), d_W_h, d_b_h, d_W_m, *sums, *d_initial]


def _recurrent_gradient(
    inputs: Inputs, layout: Layout, found: ForwardResult, d_u: Tensor
) -> Tensor:
    """d W_hᵀ of some of its blocks: d uᵀ times what W_h was multiplied with."""
    N = layout.N
    if found.operand is not None:
        first, later = rows(found.operand)[:N], rows(found.operand)[N:]
    else:
        first, later = inputs.initial[0], rows(found.states[0])
        later = later[:-N] if layout.before is None else later.index_select(0, layout.before)
    # One product over the steps, and the first one's own.
    return torch.addmm(d_u[:N].T @ first, d_u[N:].T, later)


def _input_products(inputs: Inputs) -> tuple[Tensor, Tensor | None]:
    """a over time, and the bias that the kernel is to add to it."""
    x, W_x, ids = inputs.x, inputs.W_x, inputs.ids
    b = None if inputs.b is None else inputs.b.contiguous()
    if W_x is None:
        return x, b
    if ids is not None:
        table = x @ W_x if b is None else torch.addmm(b, x, W_x)
        return torch.nn.functional.embedding(ids, table), None
    a = x.new_empty((*inputs.lead, W_x.shape[1]))
    torch.mm(rows(x), W_x, out=a.view(-1, W_x.shape[1]))
    return a, b


def _input_gradients(
    inputs: Inputs, d_a: Tensor, needs: Sequence[bool]
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """d x, d W_x and d b."""
    x, W_x, ids = inputs.x, inputs.W_x, inputs.ids
    d = d_a
    if ids is not None:
        d = torch.ops.aten.embedding_dense_backward(d_a, ids, len(x), -1, False)
    d_b = rows(d).sum(0) if needs[2] else None
    if W_x is None:
        return d, None, d_b
    d_x = torch.mm(rows(d), W_x.T).view(x.shape) if needs[0] else None
    d_W_x = weight_gradient(x, d) if needs[1] else None
    return d_x, d_W_x, d_b


# The gate in front of every address.


def check(inputs: Inputs, kernel: Kernel) -> Inputs:
    """The same, laid out as the library reads it; ShapeError where a type, device or size differs."""
    if len(inputs.initial) != kernel.fields or any(f.dim() != 2 for f in inputs.initial):
        raise ShapeError(f"the state of {inputs.name} has {kernel.fields} fields of (N, H)")
    x, H, P = inputs.x, inputs.initial[-1].shape[-1], inputs.initial[0].shape[-1]
    if len(inputs.hold) not in (0, kernel.fields):
        raise ShapeError(f"hold has {len(inputs.hold)} fields, not one for each of {kernel.fields}")
    lead, N = inputs.lead, len(inputs.initial[0])
    steps = len(lead)
    if inputs.counts is None:
        if steps != 2 or lead[1] != N or not lead[0]:
            raise ShapeError(f"values over time of {lead} do not belong to {N} rows of state")
    else:
        _check_counts(inputs.counts, lead, N)
    if inputs.ids is not None and (inputs.W_x is None or x.dim() != 2):
        raise ShapeError("token numbers need a table (V, D) and W_x")
    names = ("W_h", "b_h", "W_m", *CELLS[inputs.name].extra)
    if len(inputs.loop) != len(names):
        raise ShapeError(
            f"the step of {inputs.name} reads {len(names)} parameters, {', '.join(names)}"
        )
    W_h, b_h, W_m, *extra = inputs.loop
    of_cell = _sizes(inputs.name, H)
    for name, value in zip(names, inputs.loop, strict=True):
        if name != "b_h" and (value is None) != (name not in of_cell):
            raise ShapeError(
                f"{inputs.name} needs {name}" if value is None else f"{inputs.name} has no {name}"
            )
    width = kernel.gates * H
    wanted: list[tuple[str, Tensor | None, tuple[int, ...] | None]] = [
        ("x", x, None if inputs.W_x is not None else (*lead, width)),
        ("W_x", inputs.W_x, (x.shape[-1], width)),
        ("b", inputs.b, (width,)),
        ("W_h", W_h, (P, kernel.recurrent_gates * H)),
        ("b_h", b_h, (kernel.recurrent_gates * H,)),
        ("drop", inputs.drop, (N, P)),
    ]
    if W_m is not None:
        wanted.append(("W_m", W_m, (H, P) if kernel.second < 0 else of_cell["W_m"]))
    wanted += [(name, e, of_cell[name]) for name, e in zip(names[3:], extra, strict=True)]
    sizes = [field.shape[-1] for field in inputs.initial]
    wanted += [("state", f, (N, s)) for f, s in zip(inputs.initial, sizes, strict=True)]
    for field, size in zip(inputs.hold, sizes[: len(inputs.hold)], strict=True):
        wanted.append(("hold", field, (*lead, size if field.shape[-1] > 1 else 1)))
    for name, value, shape in wanted:
        if value is not None:
            _check(name, value, shape, x)
    if inputs.ids is not None:
        if inputs.ids.dtype not in (torch.int64, torch.int32):
            raise ShapeError(f"token numbers must be int64 or int32, not {inputs.ids.dtype}")
        _address(inputs.ids)
    loop = [p if p is None or p.dim() == 2 else p.contiguous() for p in inputs.loop]
    return inputs._replace(
        x=x if inputs.W_x is not None else x.contiguous(),
        loop=loop,
        initial=[field.contiguous() for field in inputs.initial],
        hold=[field.contiguous() for field in inputs.hold],
        drop=None if inputs.drop is None else inputs.drop.contiguous(),
    )


def _check(name: str, value: Tensor, shape: tuple[int, ...] | None, like: Tensor) -> None:
    """ShapeError unless a tensor is of the type, on the device and of the shape it should be."""
    if value.dtype != like.dtype or value.device != like.device:
        raise ShapeError(
            f"{name} is {value.dtype} on {value.device}, but the input is {like.dtype} on "
            f"{like.device}: convert one of them with .to(…)"
        )
    if shape is not None and value.shape != shape:
        raise ShapeError(f"{name} has shape {tuple(value.shape)}, not {shape}")
    _address(value)


@lru_cache(maxsize=256)
def _sizes(name: str, H: int) -> dict[str, tuple[int, ...]]:
    """The shapes of a cell's further parameters; of its second matrix, where that does not project."""
    cell = CELLS[name]
    with torch.device("meta"):
        fresh = cell.initial_parameters(1, H)
    return {name: tuple(value.shape) for name, value in fresh.items()}


def _check_counts(counts: Tensor, lead: tuple[int, ...], N: int) -> None:
    _address(counts)
    fits = counts.dim() == 1 and counts.dtype == torch.int64 and counts.device.type == "cpu"
    if not fits or len(lead) != 1 or not len(counts) or int(counts.sum()) != lead[0]:
        raise ShapeError(f"the counts of packed rows do not add up to {lead[0]}")
    if int(counts[0]) != N or int(counts[-1]) < 1 or bool((counts[1:] > counts[:-1]).any()):
        raise ShapeError("the counts of packed rows must fall, from all rows to at least one")


SHARED = 30_000
"""Multiplications between two meetings of the threads from which two are faster than one."""


def _threads(inputs: Inputs, T: int, N: int, H: int) -> int:
    """As many as PyTorch uses, where there is work enough for more than one."""
    matrices = (inputs.loop[0], inputs.loop[2])
    products = sum(W.numel() for W in matrices if W is not None)
    # Without a product they meet at the end alone.
    work = N * products if products else T * N * H
    return torch.get_num_threads() if work > SHARED else 1


def _describe(
    inputs: Inputs, layout: Layout, kernel: Kernel, a: Tensor, found: ForwardResult
) -> Problem:
    """The record of a forward pass; a backward one adds to it. It does not keep tensors alive."""
    T, N = layout.T, layout.N
    H, P = inputs.initial[-1].shape[1], inputs.initial[0].shape[1]
    W_h, b_h, W_m, *extra = inputs.loop
    active = -(-a.shape[:-1].numel() // T)
    p = Problem(T=T, N=N, H=H, P=P, threads=_threads(inputs, T, active, H))
    p.start, p.lengths = _pointer(layout.start), _pointer(layout.lengths)
    p.constant = inputs.constant
    if W_h is not None:
        p.W_h = Matrix(_address(W_h), *W_h.stride())
    if W_m is not None:
        p.W_m = Matrix(_address(W_m), *W_m.stride())
    p.b_h = _pointer(b_h)
    for i, e in enumerate(extra):
        if e is not None:
            p.extra[i], p.extra_size[i] = _pointer(e), e.numel()
    p.a = _series(a)
    blocks: Sequence[Tensor] = ()
    if found.products is not None:
        blocks = torch.split(found.products, H, -1)[: min(kernel.gates, kernel.saved)]
    saved = (*blocks, *found.further)
    made = found.made or (() if inputs.hold else found.states)
    for where, what in ((p.states, found.states), (p.made, made), (p.saved, saved)):
        where[: len(what)] = [_series(value) for value in what]
    p.initial[: len(inputs.initial)] = [_pointer(field) for field in inputs.initial]
    for k, hold in enumerate(inputs.hold):
        p.hold[k], p.hold_unit[k] = _series(hold), int(hold.shape[-1] > 1)
    p.drop, p.operand, p.m = _pointer(inputs.drop), _series(found.operand), _series(found.m)
    p.m_kept = int(found.m is not None)
    return p


def _gradient(d: Tensor | None, like: Tensor) -> Tensor | None:
    """A gradient from outside, as the library reads it."""
    if d is None:
        return None
    _check("a gradient", d, tuple(like.shape), like)
    return d.contiguous()


def _address(x: Tensor) -> int:
    """Where a tensor's numbers are; ShapeError where its memory was given back."""
    address: int = x.data_ptr()
    if not address and x.numel():
        raise ShapeError(f"a tensor of shape {tuple(x.shape)} has no memory: it was freed")
    return address


def _series(x: Tensor | None) -> Series:
    """(T, N, size) or (S, size) as the library reads it."""
    if x is None:
        return Series()
    if x.stride(-1) != 1 and x.shape[-1] > 1:
        raise ValueError("the units of a row must be neighbours in memory")
    if x.dim() == 2:
        return Series(_address(x), x.stride(0))
    (T, N), (step, row) = x.shape[:2], x.stride()[:2]
    if N == 1:
        row = step
    elif T > 1 and step != N * row:
        raise ValueError("the rows of a step must follow those of the step before in memory")
    return Series(_address(x), row)


def _pointer(x: Tensor | None) -> int | None:
    if x is not None and not x.is_contiguous():
        raise ValueError("the rows must lie one after another in memory")
    return None if x is None else _address(x)
