"""Reading a text once for scoring."""

from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sunhwan.data import warm_blocks
from tests.data.test_streams import numbered

sizes = {
    "length": st.integers(2, 120),
    "rows": st.integers(1, 140),
    "block_length": st.integers(1, 40),
    "warmup": st.integers(0, 60),
}


@given(**sizes)
def test_every_pair_is_scored_once(length: int, rows: int, block_length: int, warmup: int) -> None:
    scored: Counter[int] = Counter()
    for block, counted in warm_blocks(
        numbered(length), rows=rows, block_length=block_length, warmup=warmup
    ):
        assert torch.equal(block.targets, block.inputs + 1)
        assert block.inputs.shape[1] <= block_length
        scored.update(block.inputs[counted].tolist())
    assert scored == Counter(range(length - 1))


@given(**sizes, limit=st.integers(1, 150))
def test_a_limit_scores_the_first_pairs_of_every_part(
    length: int, rows: int, block_length: int, warmup: int, limit: int
) -> None:
    scored: Counter[int] = Counter()
    for block, counted in warm_blocks(
        numbered(length), rows=rows, block_length=block_length, warmup=warmup, limit=limit
    ):
        scored.update(block.inputs[counted].tolist())
    pairs = length - 1
    rows = min(rows, pairs)
    part = -(-pairs // rows)
    each = min(part, -(-limit // rows))
    wanted = {w for row in range(rows) for w in range(row * part, row * part + each) if w < pairs}
    assert scored == Counter(wanted)
    assert len(wanted) < limit + rows


@given(**sizes)
def test_a_row_reads_what_lies_before_its_part_and_then_its_part(
    length: int, rows: int, block_length: int, warmup: int
) -> None:
    blocks = list(
        warm_blocks(numbered(length), rows=rows, block_length=block_length, warmup=warmup)
    )
    read = torch.cat([block.inputs for block, _ in blocks], 1)
    scored = torch.cat([counted for _, counted in blocks], 1)
    pairs = length - 1
    part = -(-pairs // min(rows, pairs))
    for row, (where, counted) in enumerate(zip(read, scored, strict=True)):
        if not counted.any():
            continue
        first = int(counted.nonzero()[0])
        assert int(where[first]) == row * part
        before = where[:first].tolist()
        wanted = min(warmup, part) if len(read) > 1 else 0
        assert before == [max(0, row * part - wanted + i) for i in range(wanted)]


@given(**sizes)
def test_resets_stand_at_starts_alone(
    length: int, rows: int, block_length: int, warmup: int
) -> None:
    starts = (0, length // 3, length // 2)
    tokens = numbered(length, tuple(sorted(set(starts))))
    read, resets = [], []
    for block, _ in warm_blocks(tokens, rows=rows, block_length=block_length, warmup=warmup):
        read.append(block.inputs)
        none = torch.zeros_like(block.inputs, dtype=torch.bool)
        resets.append(none if block.resets is None else block.resets)
    inputs, reset = torch.cat(read, 1), torch.cat(resets, 1)
    assert bool(torch.isin(inputs[reset], tokens.starts).all())
    # Each start that a row arrives at resets it, once.
    for where, row in zip(inputs.tolist(), reset.tolist(), strict=True):
        for start in tokens.starts.tolist():
            if start in where and start < length - 1:
                assert sum(r for w, r in zip(where, row, strict=True) if w == start) == 1


@pytest.mark.parametrize("rows", [1, 3])
def test_the_first_row_starts_from_the_initial_state(rows: int) -> None:
    blocks = list(warm_blocks(numbered(20), rows=rows, block_length=4, warmup=3))
    first = torch.cat([b.inputs[0] for b, _ in blocks])
    resets = torch.cat(
        [torch.zeros(b.inputs.shape[1]).bool() if b.resets is None else b.resets[0]
         for b, _ in blocks]
    )  # fmt: skip
    scored = torch.cat([counted[0] for _, counted in blocks])
    begin = int(scored.nonzero()[0])
    assert int(first[begin]) == 0
    assert bool(resets[begin])
