"""What a compiled recurrence reads, and which rows each of its steps has."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from sunhwan.ops.input_products import InputProducts


class Inputs(NamedTuple):
    """Inputs of a compiled recurrence.

    name, constant: of the cell. x, ids, W_x, b: see `InputProducts`. loop: W_h, b_h, W_m and the
    cell's extra parameters. hold, drop: see `StepMasks`. counts: rows of each step, of packed
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
    def products(self) -> InputProducts:
        """The input products."""
        return InputProducts(self.x, self.ids, self.W_x, self.b)

    @property
    def lead(self) -> tuple[int, ...]:
        """The leading axes of values over time: (T, N), or (S,) of packed sequences."""
        return self.products.lead


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
