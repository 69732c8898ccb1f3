"""Forward and backward pass of the compiled library: tensors in, tensors out, no autograd.

Every tensor whose address goes to the library passes `check`, which compares type, device and size
with what the kernel reads. Sequences are (T, N, size), or, of rows of unequal length, packed: (S, size)
with S the sum of the lengths, step t holding `counts[t]` rows, the longest rows first.
"""

import ctypes
import struct
from array import array
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from sunhwan.cells import CELLS, Cell
from sunhwan.cells.base import rows, weight_gradient
from sunhwan.errors import ShapeError
from sunhwan.ops.library import Library, library
from sunhwan.ops.record import AT, RECORD, SAVED, Kernel

DTYPES = (torch.float32, torch.float64)
NUMBER, BITS = struct.Struct("d"), struct.Struct("q")


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
    words = _describe(inputs, layout, found)
    put(words, "a", [_series(a)])
    words[AT["b"]] = _pointer(b)
    run_forward(kernel, words)
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
        return dense_layout(T, N)
    counts = inputs.counts
    T, N, S = len(counts), int(counts[0]), int(counts.sum())
    start = torch.cat((counts.new_zeros(1), counts.cumsum(0), counts.new_full((1,), S)))
    ends = counts - torch.cat((counts[1:], counts.new_zeros(1)))
    lengths = torch.arange(T, 0, -1, device="cpu").repeat_interleave(ends.flip(0))
    before = torch.arange(N, S, device="cpu") - counts[:-1].repeat_interleave(counts[1:])
    return Layout(T, N, start, lengths, before, start[lengths - 1] + torch.arange(N, device="cpu"))


@lru_cache(maxsize=64)
def dense_layout(T: int, N: int) -> Layout:
    """Of rows that are all as long."""
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
    layout = layout_of(inputs)
    F = len(inputs.initial)
    if len(d_states) != F or len(d_last) != F or len(needs) != 3:
        raise ShapeError(
            f"gradients are needed of {F} fields over time, and of {F} after the last step"
        )
    outside = [laid_out(gradient(d, v)) for d, v in zip(d_states, found.states, strict=True)]
    d = run_backward(
        kernel,
        _describe(inputs, layout, found),
        len(rows(found.states[0])),
        inputs.initial,
        None if W_m is None else W_m.shape[1],
        [e.numel() for e in extra if e is not None],
        list(map(_series, outside)),
        d_last,
    )
    d_W_h = d_b_h = d_W_m = None
    if W_h is not None:
        d_W_h = d.of_W_h(*_operands(inputs, layout, found)).T
        d_b_h = None if b_h is None else d.of_b_h()
    if d.w is not None and found.m is not None:
        d_W_m = weight_gradient(found.m, d.w)
    of_input = _input_gradients(inputs, d.a.view(*inputs.lead, -1), needs)
    return [*of_input, d_W_h, d_b_h, d_W_m, *d.of_extra(), *d.initial]


class Gradients(NamedTuple):
    """What a backward pass writes, values over time as rows (S, size).

    a: of the input products; u: of the blocks of the recurrent product that are not those of a, and
    blocks: of each of the others that are, all as W_h has them; w: of the second product; extra:
    (N, 2, size), sums over the steps of each row.
    """

    a: Tensor
    blocks: list[Tensor]
    w: Tensor | None
    initial: list[Tensor]
    extra: list[Tensor]

    def of_W_h(self, first: Tensor, later: Tensor) -> Tensor:  # noqa: N802
        """d W_hᵀ = Σ_t d u_tᵀ h_{t-1}; first, later: what W_h was multiplied with, at step 0 and after."""
        N = len(first)
        sums = [
            # One product over the steps, and the first one's own.
            torch.addmm(d_u[:N].T @ first, d_u[N:].T, later) if len(later) else d_u.T @ first
            for d_u in self.blocks
        ]
        return sums[0] if len(sums) == 1 else torch.cat(sums)

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
) -> Gradients:
    """Call the kernel's backward pass.

    words: the record of the forward pass, which is written on; S: rows over time. second: width of what
    the second product gives, None: there is none; extra: how many numbers each extra parameter has.
    d_states: where the gradients of the fields over time lie.
    """
    H, new = words[AT["H"]], initial[0].new_empty
    d_a, d_u, d_w = new((S, kernel.gates * H)), None, None
    if kernel.recurrent_gates > kernel.distinct:
        d_u = new((S, (kernel.recurrent_gates - kernel.distinct) * H))
    if second is not None:
        first = kernel.second * H
        d_w = d_a[:, first : first + second] if first >= 0 else new((S, second))
    d_initial = [new(field.shape) for field in initial]
    d_extra = [new((len(initial[0]), 2, size)) for size in extra]
    behind = [laid_out(gradient(d, field)) for d, field in zip(d_last, initial, strict=True)]
    put(words, "a", [_series(d_a)])
    put(words, "d_states", d_states)
    put(words, "d_last", [(_pointer(d),) for d in behind])
    put(words, "d_a", map(_series, (d_a, d_u, d_w)))  # and d_u, d_w, which follow it
    put(words, "d_initial", [(_pointer(d),) for d in d_initial])
    put(words, "d_extra", [(_pointer(sums),) for sums in d_extra])
    _library().dll.sunhwan_backward(ctypes.addressof(kernel), words.buffer_info()[0])
    shared = min(kernel.distinct, kernel.recurrent_gates)
    blocks = [d_a if shared == kernel.gates else d_a[:, : shared * H]] if shared else []
    return Gradients(d_a, blocks + ([] if d_u is None else [d_u]), d_w, d_initial, d_extra)


def _operands(inputs: Inputs, layout: Layout, found: ForwardResult) -> tuple[Tensor, Tensor]:
    """What W_h was multiplied with, at the first step and at all others."""
    N = layout.N
    if found.operand is not None:
        return rows(found.operand)[:N], rows(found.operand)[N:]
    h = rows(found.states[0])
    return inputs.initial[0], h[:-N] if layout.before is None else h.index_select(0, layout.before)


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
        address(inputs.ids)
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
    address(value)


@lru_cache(maxsize=256)
def _sizes(name: str, H: int) -> dict[str, tuple[int, ...]]:
    """The shapes of a cell's further parameters; of its second matrix, where that does not project."""
    cell = CELLS[name]
    with torch.device("meta"):
        fresh = cell.initial_parameters(1, H)
    return {name: tuple(value.shape) for name, value in fresh.items()}


def _check_counts(counts: Tensor, lead: tuple[int, ...], N: int) -> None:
    address(counts)
    fits = counts.dim() == 1 and counts.dtype == torch.int64 and counts.device.type == "cpu"
    if not fits or len(lead) != 1 or not len(counts) or int(counts.sum()) != lead[0]:
        raise ShapeError(f"the counts of packed rows do not add up to {lead[0]}")
    if int(counts[0]) != N or int(counts[-1]) < 1 or bool((counts[1:] > counts[:-1]).any()):
        raise ShapeError("the counts of packed rows must fall, from all rows to at least one")


SHARED = 30_000
"""Multiplications between two meetings of the threads from which two are faster than one."""


def _threads(layout: Layout, weights: int, H: int) -> int:
    """As many as PyTorch uses, where there is work enough for more than one."""
    T, N = layout.T, layout.N
    active = N if layout.before is None else -(-(N + len(layout.before)) // T)
    # Without a product they meet at the end alone.
    work = active * weights if weights else T * active * H
    return torch.get_num_threads() if work > SHARED else 1


def describe_parameters(inputs: Inputs) -> "array[int]":
    """The record of a recurrence, as 64-bit words, with its sizes and the loop's parameters."""
    W_h, b_h, W_m, *extra = inputs.loop
    words = array("q", bytes(RECORD))
    words[AT["H"]], words[AT["P"]] = inputs.initial[-1].shape[1], inputs.initial[0].shape[1]
    words[AT["constant"]] = BITS.unpack(NUMBER.pack(inputs.constant))[0]
    for where, W in (("W_h", W_h), ("W_m", W_m)):
        if W is not None:
            i = AT[where]
            words[i : i + 3] = array("q", (address(W), *W.stride()))
    words[AT["b_h"]] = _pointer(b_h)
    for i, e in enumerate(extra):
        if e is not None:
            words[AT["extra"] + i], words[AT["extra_size"] + i] = _pointer(e), e.numel()
    return words


def _describe(inputs: Inputs, layout: Layout, found: ForwardResult) -> "array[int]":
    """The record of a forward pass; a backward one adds to it. It does not keep tensors alive."""
    words = describe_parameters(inputs)
    matrices = (inputs.loop[0], inputs.loop[2])
    weights = sum(W.numel() for W in matrices if W is not None)
    describe_run(
        words, layout, weights, list(map(_series, found.states)), found.products, found.further,
        inputs.initial, found.m,
    )  # fmt: skip
    made = found.made or (() if inputs.hold else found.states)
    put(words, "made", map(_series, made))
    put(words, "hold", map(_series, inputs.hold))
    put(words, "hold_unit", [(int(field.shape[-1] > 1),) for field in inputs.hold])
    words[AT["drop"]] = _pointer(inputs.drop)
    put(words, "operand", [_series(found.operand)])
    return words


def describe_run(
    words: "array[int]",
    layout: Layout,
    weights: int,
    states: Sequence[tuple[int, int]],
    products: Tensor | None,
    further: Sequence[Tensor],
    initial: Sequence[Tensor],
    m: Tensor | None,
) -> None:
    """Write into the record what one call reads and makes.

    weights: how many numbers the matrices of a step have; states: where each field over time lies; the
    others are those of `ForwardResult`.
    """
    H = words[AT["H"]]
    words[AT["T"]], words[AT["N"]] = layout.T, layout.N
    words[AT["threads"]] = _threads(layout, weights, H)
    words[AT["start"]], words[AT["lengths"]] = layout.start.data_ptr(), layout.lengths.data_ptr()
    put(words, "states", states)
    put(words, "made", states)
    saved = list(map(_series, further))
    if products is not None:
        address, row = _series(products)
        block = H * products.element_size()
        within = products.shape[-1] // H
        saved = [(address + i * block, row) for i in range(within)] + saved
    put(words, "saved", saved[:SAVED])
    put(words, "initial", [(_pointer(field),) for field in initial])
    put(words, "m", [_series(m)])
    words[AT["m_kept"]] = int(m is not None)


def put(words: "array[int]", field: str, values: Iterable[tuple[int, ...]]) -> None:
    """Write the entries of one field of the record, one after another."""
    i = AT[field]
    for value in values:
        for word in value:
            words[i] = word
            i += 1


def run_forward(kernel: Kernel, words: "array[int]") -> None:
    """Call the kernel."""
    _library().dll.sunhwan_forward(ctypes.addressof(kernel), words.buffer_info()[0])


def gradient(d: Tensor | None, like: Tensor) -> Tensor | None:
    """A gradient from outside; ShapeError where it is not one of these values."""
    if d is not None:
        _check("a gradient", d, tuple(like.shape), like)
    return d


def laid_out(d: Tensor | None) -> Tensor | None:
    """Row after row in memory."""
    return None if d is None else d.contiguous()


def address(x: Tensor) -> int:
    """Where a tensor's numbers are; ShapeError where its memory was given back."""
    address: int = x.data_ptr()
    if not address and x.numel():
        raise ShapeError(f"a tensor of shape {tuple(x.shape)} has no memory: it was freed")
    return address


def _series(x: Tensor | None) -> tuple[int, int]:
    """(T, N, size) or (S, size) as the library reads it: its address, and the distance of its rows."""
    if x is None:
        return 0, 0
    if x.stride(-1) != 1 and x.shape[-1] > 1:
        raise ValueError("the units of a row must be neighbours in memory")
    if x.dim() == 2:
        return address(x), x.stride(0)
    (T, N), (step, row) = x.shape[:2], x.stride()[:2]
    if N == 1:
        row = step
    elif T > 1 and step != N * row:
        raise ValueError("the rows of a step must follow those of the step before in memory")
    return address(x), row


def _pointer(x: Tensor | None) -> int:
    if x is not None and not x.is_contiguous():
        raise ValueError("the rows must lie one after another in memory")
    return 0 if x is None else address(x)
