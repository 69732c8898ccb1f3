"""Batches of separate examples: each once an epoch, and to be continued exactly."""

import json
import random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sunhwan.data import Batches, pad
from sunhwan.data.batches import STEPS, in_batches
from sunhwan.errors import DataError

LENGTHS = [(7 * i) % 23 + 1 for i in range(101)]


def batches(seed: int = 1, size: int = 4) -> Batches[int, list[int]]:
    return Batches(range(len(LENGTHS)), LENGTHS, size, list, seed=seed)


def test_an_epoch_has_every_example_once_in_another_order_each_time() -> None:
    stream = batches()
    orders = []
    for epoch in range(3):
        rows = [next(stream) for _ in range(stream.steps(1))]
        flat = [row for batch in rows for row in batch]
        assert sorted(flat) == list(range(len(LENGTHS)))
        assert stream.epoch == epoch + 1
        orders.append(flat)
    assert orders[0] != orders[1] != orders[2]
    assert stream.tokens == 3 * sum(LENGTHS)
    assert orders[0] != [row for _ in range(stream.steps(1)) for row in next(batches(seed=2))]


def test_rows_of_a_batch_are_of_like_lengths_and_batches_are_not_in_order_of_length() -> None:
    stream = batches()
    spans, first = [], []
    for _ in range(stream.steps(1)):
        lengths = [LENGTHS[row] for row in next(stream)]
        spans.append(max(lengths) - min(lengths))
        first.append(lengths[0])
    assert max(spans) <= 2  # of 22: a random batch of 4 spans 13 in the mean
    assert first not in (sorted(first), sorted(first, reverse=True))


@given(st.integers(0, 80), st.integers(1, 40), st.integers(1, 9))
def test_it_continues_exactly(before: int, after: int, size: int) -> None:
    stream, other = batches(size=size), batches(seed=7, size=size)
    for _ in range(before):
        next(stream)
    other.restore(json.loads(json.dumps(stream.state())))
    assert (other.epoch, other.tokens) == (stream.epoch, stream.tokens)
    for _ in range(after):
        assert next(other) == next(stream)
    assert other.state() == stream.state()


def test_nothing_to_read_is_an_error() -> None:
    with pytest.raises(DataError, match="0 examples"):
        Batches([], [], 4, list)


def test_padding_stands_behind_each_row() -> None:
    rows = [torch.tensor([1, 2, 3]), torch.tensor([], dtype=torch.int64), torch.tensor([4])]
    found = pad(rows)
    assert found.values.tolist() == [[1, 2, 3], [0, 0, 0], [4, 0, 0]]
    assert found.lengths.tolist() == [3, 0, 1]
    assert found.is_real().tolist() == [[True] * 3, [False] * 3, [True, False, False]]


def test_rows_times_the_longest_are_bounded() -> None:
    lengths = [10] * 600 + [40_000, 70_000] + [3_000] * 50
    random.Random(1).shuffle(lengths)
    batches = Batches(lengths, lengths, 64, list, seed=3)
    seen: list[int] = []
    for _ in range(batches.steps(1)):
        batch = next(batches)
        assert len(batch) == 1 or len(batch) * max(batch) <= STEPS
        assert max(batch) <= STEPS // 64 or min(batch) >= max(batch) / 2
        seen += batch
    assert sorted(seen) == sorted(lengths)
    read = [[lengths[place] for place in places] for places in in_batches(lengths, 128)]
    assert all(len(batch) == 1 or len(batch) * max(batch) <= STEPS for batch in read)
    assert [n for batch in read for n in batch] == sorted(lengths, reverse=True)
