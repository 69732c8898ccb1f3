"""Contiguous streams for truncated backpropagation through time."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sunhwan.data.tokens import Tokens
from sunhwan.errors import DataError


class Block(NamedTuple):
    """T steps of N streams: inputs and targets (N, T) int64, resets (N, T) bool.

    resets[n, t] is true where row n must read inputs[n, t] from the initial state; None: nowhere.
    lengths (N): so many steps of each row are real, and what lies behind them is padding; None: all.
    overlap: the first steps that the block before held too: the gradient passes through them, and their
    targets are not counted again.
    """

    inputs: Tensor
    targets: Tensor
    resets: Tensor | None
    lengths: Tensor | None = None
    overlap: int = 0

    def part(self, start: int, end: int) -> "Block":
        """The steps start … end − 1."""
        resets = None if self.resets is None else self.resets[:, start:end]
        lengths = self.lengths
        if lengths is not None:
            lengths = (lengths - start).clamp(0, min(end, self.inputs.shape[1]) - start)
        overlap = max(self.overlap - start, 0)
        return Block(
            self.inputs[:, start:end], self.targets[:, start:end], resets, lengths, overlap
        )


class Streams:
    """Endless blocks of N streams over one text.

    The text is a circle of L − 1 (input, target) pairs. Row i starts at offset i·⌊(L − 1)/N⌋ and
    reads on for ever: where its segment ends it flows into the next row's, so a carried state stays
    true to the text at every block border. After ⌊(L − 1)/N⌋ steps each pair was read once: an
    epoch. A row's state resets where a document starts (and so where the circle closes), and with
    `reset_probability` at a block's start, for a model that never starts cold in training starts
    badly in use.

    With a `bptt_length` k2 beyond the `block_length` k1 a block is k2 steps, of which the last k1 are new
    (Williams and Peng 1990): every k1 steps the gradient goes back k2. The state that is carried is then
    that behind a block's first k1 steps, where the next one begins.

    The stream owns its generator and position: `state()` and `restore()` continue it exactly.
    """

    def __init__(
        self,
        tokens: Tokens,
        batch_size: int,
        block_length: int,
        *,
        bptt_length: int = 0,
        reset_probability: float = 0.0,
        seed: int = 0,
    ) -> None:
        if batch_size < 1 or block_length < 1:
            raise DataError(f"batch size {batch_size} and block length {block_length} must be ≥ 1")
        if 0 < bptt_length < block_length:
            raise DataError(
                f"a block of {block_length} new steps has a gradient that goes back {block_length} at "
                f"least, not {bptt_length}: lower data.block_length or raise data.bptt_length"
            )
        self.pairs = tokens.targets
        self.batch_size = min(batch_size, self.pairs)
        self.block_length = block_length
        self.overlap = max(bptt_length - block_length, 0)
        self.reset_probability = reset_probability
        self.position = 0
        self._source = tokens
        self._offsets = torch.arange(self.batch_size) * self.steps_per_epoch
        self._generator = torch.Generator().manual_seed(seed)
        # Which rows were reset at the start of the new steps of the last blocks, the newest last.
        self._drawn: list[Tensor] = []

    @property
    def steps_per_epoch(self) -> int:
        """Time steps in which every pair is read once (a remainder under N aside)."""
        return self.pairs // self.batch_size

    @property
    def epoch(self) -> float:
        """How many times the text was read so far."""
        return self.position / self.steps_per_epoch

    @property
    def tokens(self) -> int:
        """How many tokens were read so far."""
        return self.position * self.batch_size

    def steps(self, epochs: float) -> int:
        """How many blocks so many passes are."""
        return math.ceil(self.steps_per_epoch * epochs / self.block_length)

    def rows(self, part: int, parts: int) -> slice:
        """Which of the N streams are one of so many parts; DataError where there are fewer streams."""
        if parts > self.batch_size:
            raise DataError(
                f"{self.batch_size} streams of text cannot be cut into {parts} parts, processes × "
                "training.accumulate: raise data.batch_size, or lower these"
            )
        return slice(self.batch_size * part // parts, self.batch_size * (part + 1) // parts)

    def __iter__(self) -> Iterator[Block]:
        return self

    def __next__(self) -> Block:
        return self.next_parts(range(1), 1)[0]

    def next_parts(self, own: Sequence[int], parts: int) -> list[Block]:
        """Of the next block, cut into so many parts by its rows, the own ones."""
        steps = torch.arange(self.position - self.overlap, self.position + self.block_length)
        if self.reset_probability:
            # For all streams, so that each resets alike however they are shared.
            draw = torch.rand(self.batch_size, generator=self._generator)
            drawn = [*self._drawn, draw < self.reset_probability]
            self._drawn = drawn[-(self.overlap // self.block_length + 1) :]
        self.position += self.block_length
        return [self._block(self.rows(part, parts), steps) for part in own]

    def _block(self, rows: slice, steps: Tensor) -> Block:
        where = (self._offsets[rows].unsqueeze(1) + steps) % self.pairs  # (N, T)
        resets = self._source.is_start(where)
        if self.overlap:
            # What stands before the first step is no part of the row's reading.
            resets |= steps == 0
        for back, drawn in enumerate(reversed(self._drawn)):
            resets[:, self.overlap - back * self.block_length] |= drawn[rows]
        ids, given = self._source.ids, resets if bool(resets.any()) else None
        return Block(ids[where], ids[where + 1], given, overlap=self.overlap)

    def state(self) -> dict[str, Any]:
        """What `restore` needs to continue exactly here: plain values."""
        generator = bytes(self._generator.get_state().tolist()).hex()
        drawn = [drawn.nonzero().flatten().tolist() for drawn in self._drawn]
        return {"position": self.position, "generator": generator} | (
            {"drawn": drawn} if self.overlap else {}
        )

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue where `state()` was taken."""
        self.position = int(state["position"])
        generator = torch.tensor(list(bytes.fromhex(state["generator"])), dtype=torch.uint8)
        self._generator.set_state(generator)
        self._drawn = [
            torch.isin(torch.arange(self.batch_size), torch.tensor(rows, dtype=torch.int64))
            for rows in state.get("drawn", [])
        ]


class WarmBlock(NamedTuple):
    """A block to score: targets counted only where `scored` (N, T) is true."""

    block: Block
    scored: Tensor


def warm_blocks(
    tokens: Tokens,
    *,
    rows: int = 1,
    block_length: int = 512,
    warmup: int = 512,
    limit: int | None = None,
) -> Iterator[WarmBlock]:
    """Read every pair of a text once, in order, with the state carried, for scoring.

    One row is the exact definition. Several rows are faster: each starts `warmup` pairs before its
    own part, unscored, so that it arrives with a warm state. With `limit` only so many pairs are
    read, the first ones of every row's part.
    """
    pairs = tokens.targets
    rows = max(1, min(rows, pairs))
    part = -(-pairs // rows)
    length = part if limit is None else min(part, -(-limit // rows))
    warmup = min(warmup, part) if rows > 1 else 0
    own = torch.arange(rows).unsqueeze(1) * part  # (N, 1): where a row's own part starts
    for begin in range(-warmup, length, block_length):
        steps = torch.arange(begin, min(begin + block_length, length))
        where = own + steps  # (N, T)
        inside = (where >= 0) & (where < pairs)
        scored = inside & (steps >= 0)
        where = where.clamp(0, pairs - 1)
        # Before its text a row reads nothing that lasts: the text's start resets it.
        resets = inside & tokens.is_start(where)
        block = Block(tokens.ids[where], tokens.ids[where + 1], resets if resets.any() else None)
        yield WarmBlock(block, scored)
