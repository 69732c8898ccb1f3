"""A recurrence described to the library: tensors as addresses and sizes in its record."""

import struct
from array import array
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from sunhwan.ops.gate import address
from sunhwan.ops.inputs import Inputs, Layout
from sunhwan.ops.program_kernels import named
from sunhwan.ops.record import AT, RECORD, SAVED

NUMBER, BITS = struct.Struct("d"), struct.Struct("q")

SHARED = 30_000
"""Multiplications between two meetings of the threads from which two are faster than one."""


def _threads(layout: Layout, weights: int, H: int) -> int:
    """As many as PyTorch uses, where there is work enough for more than one."""
    T, N = layout.T, layout.N
    active = N if layout.before is None else -(-(N + len(layout.before)) // T)
    # Without a product they synchronise at the end alone.
    work = active * weights if weights else T * active * H
    return torch.get_num_threads() if work > SHARED else 1


def describe_parameters(inputs: Inputs) -> "array[int]":
    """The record of a recurrence, as 64-bit words, with its sizes and the loop's parameters."""
    W_h, b_h, W_m, *extra = inputs.loop
    words = array("q", bytes(RECORD))
    words[AT["H"]], words[AT["P"]] = inputs.initial[-1].shape[1], inputs.initial[0].shape[1]
    words[AT["constant"]] = BITS.unpack(NUMBER.pack(inputs.constant))[0]
    own = named(inputs.name)
    if own is not None:
        words[AT["program"]] = own.records[inputs.x.dtype].address
    for where, W in (("W_h", W_h), ("W_m", W_m)):
        if W is not None and W.dim() == 2:
            i = AT[where]
            words[i : i + 3] = array("q", (address(W), *W.stride()))
    words[AT["b_h"]] = pointer(b_h)
    for i, e in enumerate(extra):
        if e is not None:
            words[AT["extra"] + i], words[AT["extra_size"] + i] = pointer(e), e.numel()
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
    saved = list(map(series, further))
    if products is not None:
        address, row = series(products)
        block = H * products.element_size()
        within = products.shape[-1] // H
        saved = [(address + i * block, row) for i in range(within)] + saved
    put(words, "saved", saved[:SAVED])
    put(words, "initial", [(pointer(field),) for field in initial])
    put(words, "m", [series(m)])
    words[AT["m_kept"]] = int(m is not None)


def put(words: "array[int]", field: str, values: Iterable[tuple[int, ...]]) -> None:
    """Write the entries of one field of the record, one after another."""
    i = AT[field]
    for value in values:
        for word in value:
            words[i] = word
            i += 1


def series(x: Tensor | None) -> tuple[int, int]:
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


def pointer(x: Tensor | None) -> int:
    if x is not None and not x.is_contiguous():
        raise ValueError("the rows must lie one after another in memory")
    return 0 if x is None else address(x)
