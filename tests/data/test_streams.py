"""Streams for truncated BPTT: where rows read, when they reset, and exact continuation."""

from collections import Counter
from itertools import islice

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sunhwan.data import Block, Streams, Tokens, encode
from sunhwan.errors import DataError
from sunhwan.layers import Recurrent, detach
from sunhwan.text import Document, build_vocabulary


def numbered(length: int, starts: tuple[int, ...] = (0,)) -> Tokens:
    """A text whose ids are their positions, so that a block tells where it was read."""
    return Tokens(torch.arange(length), torch.tensor(starts), length)


def joined(blocks: list[Block]) -> tuple[Tensor, Tensor, Tensor]:
    """Blocks side by side in time: inputs, targets, resets."""
    resets = [torch.zeros_like(b.inputs, dtype=torch.bool) if b.resets is None else b.resets
              for b in blocks]  # fmt: skip
    return (
        torch.cat([b.inputs for b in blocks], 1),
        torch.cat([b.targets for b in blocks], 1),
        torch.cat(resets, 1),
    )


@given(st.integers(2, 60), st.integers(1, 70), st.integers(1, 9))
def test_rows_start_apart_and_read_on_round_the_circle(length: int, rows: int, steps: int) -> None:
    stream = Streams(numbered(length), rows, steps)
    pairs = length - 1
    rows = min(rows, pairs)
    inputs, targets, resets = joined(list(islice(stream, 1 + 2 * pairs // steps)))
    for row in range(rows):
        wanted = [(row * (pairs // rows) + t) % pairs for t in range(inputs.shape[1])]
        assert inputs[row].tolist() == wanted
        assert targets[row].tolist() == [where + 1 for where in wanted]
        assert resets[row].tolist() == [where == 0 for where in wanted]


@given(st.integers(2, 200), st.integers(1, 30))
def test_an_epoch_reads_every_pair_once(length: int, rows: int) -> None:
    stream = Streams(numbered(length), rows, 1)
    steps = stream.steps_per_epoch
    inputs, _, _ = joined(list(islice(stream, steps)))
    assert stream.epoch == 1.0
    read = Counter(inputs.flatten().tolist())
    assert set(read.values()) == {1}
    assert (length - 1) - len(read) == (length - 1) % stream.batch_size
    assert len(read) == steps * stream.batch_size


@given(st.integers(2, 40), st.integers(1, 8), st.integers(1, 7), st.integers(0, 60))
def test_a_row_flows_into_the_segment_of_the_next(
    length: int, rows: int, steps: int, skipped: int
) -> None:
    stream = Streams(numbered(length), rows, steps)
    epoch = stream.steps_per_epoch
    inputs, _, _ = joined(list(islice(stream, (skipped + epoch) // steps + 2)))
    for row in range(stream.batch_size - 1):
        assert inputs[row, skipped + epoch] == inputs[row + 1, skipped]


def test_resets_stand_at_the_starts_of_documents() -> None:
    stream = Streams(numbered(31, starts=(0, 7, 8, 20)), 3, 4)
    inputs, _, resets = joined(list(islice(stream, 30)))
    assert bool(torch.isin(inputs[resets], torch.tensor([0, 7, 8, 20])).all())
    assert bool(resets[torch.isin(inputs, torch.tensor([0, 7, 8, 20]))].all())
    assert resets.any(1).all(), "every row passes a start"


def test_a_block_without_resets_says_so() -> None:
    first, second, *_ = islice(Streams(numbered(41), 1, 5), 3)
    assert first.resets is not None
    assert second.resets is None


def test_documents_begin_with_eos_and_the_last_ends_with_it() -> None:
    vocabulary = build_vocabulary("characters", ["ab", "b"], eos=True)
    tokens = encode(vocabulary, [Document("one", "ab"), Document("two", "b")])
    eos = vocabulary.eos_id
    a, b = vocabulary.encode("ab").tolist()
    assert tokens.ids.tolist() == [eos, a, b, eos, b, eos]
    assert tokens.starts.tolist() == [0, 3]
    assert tokens.characters == 3
    assert tokens.targets == 5


@pytest.mark.parametrize("text", ["", "a"])
def test_too_few_tokens_are_refused(text: str) -> None:
    vocabulary = build_vocabulary("characters", ["a"])
    with pytest.raises(DataError, match=f"has {len(text)} of the 2 tokens"):
        encode(vocabulary, [Document("short", text)])


@pytest.mark.parametrize("sizes", [(0, 1), (1, 0), (-3, 4)])
def test_sizes_below_one_are_refused(sizes: tuple[int, int]) -> None:
    with pytest.raises(DataError):
        Streams(numbered(9), *sizes)


def test_more_rows_than_pairs_are_cut_to_the_pairs() -> None:
    stream = Streams(numbered(4), 100, 2)
    block = next(stream)
    assert block.inputs.tolist() == [[0, 1], [1, 2], [2, 0]]
    assert block.targets.tolist() == [[1, 2], [2, 3], [3, 1]]


@settings(max_examples=30)
@given(st.integers(0, 12), st.integers(1, 12), st.floats(0, 1))
def test_restore_continues_exactly(before: int, after: int, probability: float) -> None:
    def fresh(seed: int) -> Streams:
        return Streams(numbered(50, (0, 13)), 4, 3, reset_probability=probability, seed=seed)

    straight = list(islice(fresh(5), before + after))
    stopped = fresh(5)
    list(islice(stopped, before))
    resumed = fresh(6)
    resumed.restore(stopped.state())
    assert resumed.epoch == stopped.epoch
    for wanted, got in zip(straight[before:], islice(resumed, after), strict=True):
        assert torch.equal(wanted.inputs, got.inputs)
        assert torch.equal(wanted.targets, got.targets)
        assert (wanted.resets is None) == (got.resets is None)
        if wanted.resets is not None and got.resets is not None:
            assert torch.equal(wanted.resets, got.resets)


def test_random_resets_come_at_block_starts_as_often_as_asked() -> None:
    stream = Streams(numbered(1001), 10, 5, reset_probability=0.3, seed=1)
    inputs, _, resets = joined(list(islice(stream, 400)))
    drawn = resets & (inputs != 0)
    assert not drawn.reshape(10, 400, 5)[:, :, 1:].any()
    share = drawn.reshape(10, 400, 5)[:, :, 0].double().mean()
    assert abs(share - 0.3) < 4 * (0.3 * 0.7 / 4000) ** 0.5
    assert len({tuple(row) for row in drawn.tolist()}) == 10, "rows are drawn apart"


def test_random_resets_leave_the_global_generator_alone_and_obey_the_seed() -> None:
    def resets(seed: int) -> Tensor:
        stream = Streams(numbered(101), 8, 2, reset_probability=0.5, seed=seed)
        return joined(list(islice(stream, 20)))[2]

    torch.manual_seed(3)
    before = torch.get_rng_state()
    first = resets(1)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(4)
    assert torch.equal(resets(1), first)
    assert not torch.equal(resets(2), first)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_a_carried_state_is_true_to_the_text_at_every_block_border(cell: str) -> None:
    """Read in blocks with the state carried, a row ends where reading its whole past ends."""
    torch.manual_seed(1)
    layer = Recurrent(cell, 1, 4, 2).double()
    tokens = numbered(24, starts=(0, 9))
    values = torch.randn(24, 1, dtype=torch.float64)
    stream = Streams(tokens, 3, 5)
    offsets = [row * stream.steps_per_epoch for row in range(3)]
    state = None
    for count, block in enumerate(islice(stream, 12), 1):
        _, state = layer(values[block.inputs], state, block.resets)
        state = detach(state)
        for row, offset in enumerate(offsets):
            past = [(offset + t) % tokens.targets for t in range(5 * count)]
            starts = [i for i, where in enumerate(past) if where in (0, 9)]
            since = past[starts[-1] if starts else 0 :]
            _, wanted = layer(values[since].unsqueeze(0))
            for got, true in zip(state, wanted, strict=True):
                for field, true_field in zip(got, true, strict=True):
                    torch.testing.assert_close(field[row], true_field[0], rtol=0, atol=1e-12)
