"""Texts drawn at random: as often as the model says, the same from the same seed, in any company."""

import math
from collections import Counter
from itertools import pairwise
from typing import NamedTuple, Self

import pytest
import torch
from torch import Tensor

from sunhwan.errors import UsageError
from sunhwan.generation.sampled_answers import check_drawing, draw

EOS = 3


class Chain(NamedTuple):
    """The state of a Markov chain of each text: its transition matrix (M, 4, 4)."""

    matrices: Tensor

    def rows(self, texts: Tensor, inputs: Tensor | None = None) -> Self:
        assert inputs is not None
        return self._replace(matrices=self.matrices[texts])


def step(ids: Tensor, state: Chain) -> tuple[Tensor, Chain, None]:
    return state.matrices[torch.arange(len(ids)), ids], state, None


def chain(n: int, seed: int = 0) -> Chain:
    logits = torch.randn(4, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return Chain(torch.log_softmax(logits, -1).expand(n, 4, 4))


@pytest.mark.slow
def test_texts_come_as_often_as_they_are_likely() -> None:
    n, log_p = 4000, chain(1).matrices[0]
    for temperature in (1.0, 0.5):
        texts = draw(step, chain(n), range(n), eos=EOS, limit=20, temperature=temperature)
        firsts = Counter((text.ids or [EOS])[0] for text in texts)
        expected = torch.softmax(log_p[EOS] / temperature, -1).tolist()
        for token, share in enumerate(expected):
            tolerance = 4 * math.sqrt(share * (1 - share) / n)
            assert abs(firsts[token] / n - share) < tolerance
        for text in texts[:50]:
            path = [EOS, *text.ids, *([EOS] if len(text.ids) < 20 else [])]
            total = sum(log_p[a, b].item() for a, b in pairwise(path))
            assert text.log_probability == pytest.approx(total)


def test_a_text_does_not_depend_on_its_company() -> None:
    seeds = [5, 9, 5, 2**40, 0]
    together = draw(step, chain(5), seeds, eos=EOS, limit=30, temperature=1.0)
    alone = [draw(step, chain(1), [s], eos=EOS, limit=30, temperature=1.0)[0] for s in seeds]
    assert [text.ids for text in together] == [text.ids for text in alone]
    assert together[0].ids == together[2].ids
    assert len({tuple(text.ids) for text in together}) > 2


def test_the_limit_counts_the_end() -> None:
    endless = Chain(torch.tensor([0.0, -1e9, -1e9, -1e9]).expand(1, 4, 4).double())
    (text,) = draw(step, endless, [1], eos=EOS, limit=7, temperature=1.0)
    assert text.ids == [0] * 7


def test_what_cannot_be_drawn_is_refused() -> None:
    check_drawing(1, 0.0, 1)
    check_drawing(3, 0.8, 0)
    for options, said in (
        ((2, 0.0, 1), "give a temperature"), ((0, 0.8, 1), "at least 1"),
        ((1, -0.5, 1), "temperature must be"), ((1, math.nan, 1), "temperature must be"),
        ((1, 0.8, -1), "seed must be"),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=said):
            check_drawing(*options)
