"""Beam search against exhaustive search and against the plain argmax loop, on small random models."""

import itertools
import math
from typing import NamedTuple, Self

import pytest
import torch
from torch import Tensor

from sunhwan.errors import UsageError
from sunhwan.generation.beam import beam_search, length_penalty

EOS, V = 1, 4


class Written(NamedTuple):
    """All that was written so far: the model of these tests looks at nothing else."""

    ids: Tensor
    table: Tensor

    def rows(self, texts: Tensor, inputs: Tensor | None = None) -> Self:
        table = self.table if inputs is None else self.table[inputs]
        return type(self)(self.ids[texts], table)


def step(ids: Tensor, state: Written) -> tuple[Tensor, Written, Tensor]:
    """log p of the next token is a row of a random table (N, R, V), chosen by all that was written."""
    written = torch.cat((state.ids, ids.unsqueeze(1)), 1)
    N, R, _ = state.table.shape
    each = torch.arange(N).repeat_interleave(len(ids) // N)
    row = (written * torch.tensor([3**k for k in range(written.shape[1])])).sum(1) % R
    # "Looks" at the step whose number was written last.
    weights = torch.nn.functional.one_hot(ids, V).double()
    return torch.log_softmax(state.table[each, row], -1), Written(written, state.table), weights


def model(inputs: int, seed: int = 0) -> Written:
    generator = torch.Generator().manual_seed(seed)
    table = 2 * torch.randn(inputs, 97, V, dtype=torch.float64, generator=generator)
    return Written(torch.empty(inputs, 0, dtype=torch.int64), table)


def search(state: Written, **options):
    options = {"eos": EOS, "limit": 4} | options
    return beam_search(step, state, len(state.table), **options)


def log_probability(state: Written, row: int, ids: list[int]) -> float:
    """Of a text of one input, token by token."""
    alone = state.rows(torch.tensor([row]), torch.tensor([row]))
    total, last = 0.0, EOS
    for token in ids:
        log_p, alone, _ = step(torch.tensor([last]), alone)
        total, last = total + log_p[0, token].item(), token
    return total


def all_texts(limit: int):
    """Every text: ended by EOS, or as long as the limit."""
    others = [token for token in range(V) if token != EOS]
    for length in range(limit):
        for ids in itertools.product(others, repeat=length):
            yield [*ids, EOS]
    yield from map(list, itertools.product(others, repeat=limit))


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
def test_a_wide_beam_finds_what_exhaustive_search_finds(alpha):
    state = model(3)
    found = search(state, beam=V**4, alpha=alpha, answers=10)
    for row, texts in enumerate(found):
        scored = sorted(
            (-log_probability(state, row, ids) / length_penalty(len(ids), alpha), ids)
            for ids in all_texts(4)
        )
        best = [[i for i in ids if i != EOS] for _, ids in scored[:10]]
        assert [text.ids for text in texts[:10]] == best


def test_a_beam_of_one_is_the_argmax_loop():
    for seed in range(5):
        state = model(4, seed)
        for row, texts in enumerate(search(state, beam=1, limit=6)):
            ids = []
            alone, last = state.rows(torch.tensor([row]), torch.tensor([row])), EOS
            while len(ids) < 6:
                log_p, alone, _ = step(torch.tensor([last]), alone)
                last = int(log_p.argmax())
                if last == EOS:
                    break
                ids.append(last)
            assert [text.ids for text in texts] == [ids]


def test_an_input_alone_gives_what_it_gives_among_others():
    state = model(6, seed=3)
    together = search(state, limit=7, beam=3, answers=3)
    for row in range(6):
        index = torch.tensor([row])
        (alone,) = search(state.rows(index, index), limit=7, beam=3, answers=3)
        assert [text.ids for text in alone] == [text.ids for text in together[row]]
        assert [t.log_probability for t in alone] == [t.log_probability for t in together[row]]


def test_log_probability_and_attention_are_those_of_the_text():
    state = model(2, seed=1)
    for row, texts in enumerate(search(state, beam=5, answers=5, limit=5)):
        assert len(texts) == 5
        for text in texts:
            whole = text.ids if len(text.ids) == 5 else [*text.ids, EOS]
            assert text.log_probability == pytest.approx(log_probability(state, row, whole))
            # Each token was chosen after looking at the one before it.
            looked = [EOS, *text.ids][: len(text.ids)]
            assert text.attention.argmax(1).tolist() == looked


def test_it_stops_as_soon_as_nothing_open_can_win():
    steps = []

    def certain(ids: Tensor, state: Written):
        steps.append(len(ids))
        log_p, state, weights = step(ids, state)
        ending = torch.full_like(log_p, math.log(0.01 / (V - 1)))
        ending[:, EOS] = math.log(0.99)
        return ending, state, weights

    ((best, *_),) = beam_search(certain, model(1), 1, eos=EOS, limit=50, beam=5)
    assert best.ids == []
    assert len(steps) == 1
    steps.clear()
    assert len(beam_search(certain, model(1), 1, eos=EOS, limit=50, beam=4, answers=4)[0]) == 4
    assert 1 < len(steps) < 5


def test_a_longer_text_wins_by_its_mean():
    """p = 0.4 to end at once; else 0.6 · 0.8 · 0.9: less likely in all, likelier for each token."""

    def choice(ids: Tensor, state: Written):
        length = state.ids.shape[1]
        p = torch.full((len(ids), V), 1e-9, dtype=torch.float64)
        p[:, EOS], p[:, 2] = [(0.48, 0.52), (1e-9, 0.9), (0.999, 1e-9)][length]
        return p.log(), Written(torch.cat((state.ids, ids.unsqueeze(1)), 1), state.table), None

    def best(alpha: float) -> list[int]:
        ((text, *_),) = beam_search(choice, model(1), 1, eos=EOS, limit=3, alpha=alpha)
        assert text.attention is None
        return text.ids

    assert best(0.0) == []
    assert best(1.0) == [2, 2]


@pytest.mark.parametrize("options", [{"beam": 0}, {"limit": 0}, {"alpha": -1.0}])
def test_options_out_of_range(options):
    with pytest.raises(UsageError, match="must be at least"):
        search(model(1), **options)
