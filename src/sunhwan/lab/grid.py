"""Grid of truncated backpropagation through time: which steps of a text are in which row and block."""

from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

import torch

from sunhwan.data import Streams, Tokens
from sunhwan.errors import UsageError

LONGEST = 10_000_000
FEW = 5
"""A text of so few blocks, or so few rows, is shown whole; of more the first ones and the last."""


class Cell(NamedTuple):
    """A row's part of a block: x_first … x_last, the numbers of its steps in the text.

    back: the first step that its gradient reaches. next_row: the row in whose part it ends, if that is
    another one's.
    """

    row: int
    block: int
    first: int
    last: int
    back: int
    next_row: int | None


class Grid(NamedTuple):
    """L steps in N rows, read in blocks of T; k2: steps that the gradient goes back.

    blocks: updates in which every row has read its part. unread: steps behind the last row's part. cells:
    of the rows and blocks that are shown.
    """

    length: int
    rows: int
    block_length: int
    bptt_length: int
    part: int
    blocks: int
    unread: int
    cells: list[Cell]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return self._asdict() | {"cells": [cell._asdict() for cell in self.cells]}


def grid(length: int, rows: int, block_length: int, bptt_length: int = 0) -> Grid:
    """Of a text of so many steps, each with a token to predict, as `Streams` reads it.

    UsageError for sizes that have no sense.
    """
    if not 1 <= rows <= length <= LONGEST:
        raise UsageError(
            f"{rows:,} rows of a text of {length:,} steps: --batch must be at least 1 and at most "
            f"--length, which is at most {LONGEST:,}"
        )
    if not 1 <= block_length <= length:
        raise UsageError(
            f"blocks of {block_length:,} steps: --block must be at least 1 and at most --length"
        )
    back = bptt_length or block_length
    if not block_length <= back <= length:
        raise UsageError(
            f"a gradient over {back:,} steps: --bptt-length must be at least --block, {block_length:,}, "
            "and at most --length"
        )
    text = Tokens(torch.arange(length + 1), torch.tensor([0]), length + 1)
    stream = Streams(text, rows, block_length, bptt_length=back)
    blocks = stream.steps(1)
    cells = list(_cells(stream, shown(blocks), shown(rows)))
    part = stream.steps_per_epoch
    return Grid(
        length, rows, block_length, back, part, blocks, length - rows * part, cells
    )  # fmt: skip


def shown(count: int) -> list[int]:
    """Which of so many are shown: the first ones and the last."""
    return list(range(count)) if count <= FEW else [*range(FEW - 2), count - 1]


def _cells(stream: Streams, blocks: list[int], rows: list[int]) -> Iterator[Cell]:
    for block in blocks:
        stream.position = block * stream.block_length
        (read,) = islice(stream, 1)
        overlap = min(stream.overlap, block * stream.block_length)
        for row in rows:
            seen = read.inputs[row].tolist()
            first, last = seen[stream.overlap], seen[-1]
            part = stream.steps_per_epoch
            flows = last >= (row + 1) * part or last < first
            holder = last // part
            yield Cell(
                row, block, first, last, seen[stream.overlap - overlap],
                holder if flows and holder < stream.batch_size else None,
            )  # fmt: skip
