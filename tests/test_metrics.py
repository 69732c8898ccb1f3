"""Figures: evaluate_tokens against a plain loop, and their definitions."""

import math

import pytest
import torch

from sunhwan import metrics
from sunhwan.config import ModelConfig
from sunhwan.data import Tokens
from sunhwan.metrics import Scores, evaluate_tokens, perplexity_text
from sunhwan.models import LanguageModel

V = 7


def model(cell: str = "gru") -> LanguageModel:
    torch.manual_seed(1)
    config = ModelConfig(
        cell=cell, hidden_size=6, num_layers=2, input="embedding", embedding_size=5, dropout=0.3
    )
    made = LanguageModel(config, V).double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    return made


def tokens(length: int, starts: tuple[int, ...] = (0,)) -> Tokens:
    ids = torch.randint(V, (length,), generator=torch.Generator().manual_seed(2))
    return Tokens(ids, torch.tensor(starts), 2 * length)


@torch.no_grad()
def plain(m: LanguageModel, t: Tokens) -> tuple[float, float]:
    """Token after token, by the definition."""
    m.eval()
    total, right = 0.0, 0
    state = None
    for i in range(len(t.ids) - 1):
        if i in t.starts.tolist():
            state = None
        logits, state = m(t.ids[i].view(1, 1), state)
        p = logits[0, 0].exp() / logits[0, 0].exp().sum()
        total -= math.log(float(p[t.ids[i + 1]]))
        right += int(p.argmax()) == int(t.ids[i + 1])
    return total / (len(t.ids) - 1), right / (len(t.ids) - 1)


@pytest.mark.parametrize("cell", ["gru", "lstm", "elman"])
@pytest.mark.parametrize("starts", [(0,), (0, 40, 41, 150)])
def test_one_row_is_the_definition(cell: str, starts: tuple[int, ...]) -> None:
    m, t = model(cell), tokens(230, starts)
    loss, accuracy = plain(m, t)
    scores = evaluate_tokens(m, t, rows=1)
    assert scores.loss == pytest.approx(loss, rel=1e-6)
    assert scores.accuracy == accuracy
    assert (scores.tokens, scores.characters) == (229, 460)
    blind = evaluate_tokens(m, t._replace(starts=torch.tensor([0])), rows=1)
    assert (abs(blind.loss - loss) > 1e-4) == (len(starts) > 1), "the resets count"


@pytest.mark.parametrize("rows", [2, 5, 64, 1000])
@pytest.mark.parametrize("starts", [(0,), (0, 100, 333)])
def test_several_rows_are_close(rows: int, starts: tuple[int, ...]) -> None:
    m, t = model(), tokens(1500, starts)
    one, several = evaluate_tokens(m, t, rows=1), evaluate_tokens(m, t, rows=rows)
    assert several.tokens == one.tokens == 1499
    part = -(-1499 // min(rows, 1499))
    # Short parts are warmed on no more than their own length.
    bound = 1e-6 if part >= 200 else 0.05 if part >= 20 else 0.2
    assert several.loss == pytest.approx(one.loss, rel=bound)


def test_a_large_vocabulary_is_scored_in_shorter_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    m, t = model(), tokens(300)
    wanted = evaluate_tokens(m, t, rows=2)
    lengths: list[int] = []
    m.register_forward_pre_hook(lambda _, inputs: lengths.append(inputs[0].shape[1]))
    monkeypatch.setattr(metrics, "LOGITS", 2 * V * 20)
    got = evaluate_tokens(m, t, rows=2)
    assert max(lengths) == 20
    assert got.loss == pytest.approx(wanted.loss, rel=1e-12)
    assert got[1:] == wanted[1:]


def test_a_limit_scores_so_many_tokens_of_so_many_characters() -> None:
    m, t = model(), tokens(1001)
    scores = evaluate_tokens(m, t, rows=10, limit=200)
    assert scores.tokens == 200
    assert scores.characters == round(t.characters * 200 / 1000)


def test_the_mode_of_the_model_and_the_random_numbers_are_left_alone() -> None:
    m, t = model(), tokens(100)
    before = torch.get_rng_state()
    for training in (True, False):
        m.train(training)
        evaluate_tokens(m, t)
        assert m.training is training
    assert torch.equal(before, torch.get_rng_state())
    assert evaluate_tokens(m.train(), t) == evaluate_tokens(m.eval(), t), "dropout is off"


def test_it_can_be_interrupted() -> None:
    m = model().train()
    with pytest.raises(InterruptedError):
        evaluate_tokens(m, tokens(100), interrupted=lambda: True)
    assert m.training


def test_figures_follow_their_definitions() -> None:
    scores = Scores(loss=math.log(8), accuracy=0.5, tokens=30, characters=10)
    assert scores.perplexity == pytest.approx(8)
    assert scores.bits_per_character == pytest.approx(9)
    assert scores.to_dict()["bits_per_character"] == scores.bits_per_character
    assert math.isfinite(Scores(1e6, 0.0, 1, 0).perplexity)


def test_the_perplexity_of_a_diverged_model_is_short() -> None:
    assert perplexity_text(2.0) == "7.39"
    assert perplexity_text(2.0, 3) == "7.389"
    assert perplexity_text(20.0) == "4.9e+08"
    assert perplexity_text(5000.0) == "1.0e+304"
    assert len(Scores(5000.0, 0.0, 1, 1).summary()) < 100
