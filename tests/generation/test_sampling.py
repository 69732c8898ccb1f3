"""Sampling: the filters by their definitions, seeds, streaming, prompts and ends."""

import math
import unicodedata
from collections import Counter
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sunhwan.config import ModelConfig
from sunhwan.errors import UsageError
from sunhwan.generation import (
    filtered_probabilities,
    next_token_logits,
    sample,
    start_tokens,
    stream,
)
from sunhwan.models import LanguageModel
from sunhwan.text import Vocabulary, build_vocabulary

ENGLISH = build_vocabulary("characters", ["abc \n"])
KOREAN = build_vocabulary("jamo", ["각난다을 "])
DOCUMENTS = build_vocabulary("characters", ["abc"], eos=True)


def model(vocabulary: Vocabulary, *, seed: int = 1) -> LanguageModel:
    torch.manual_seed(seed)
    config = ModelConfig(
        cell="gru", hidden_size=6, num_layers=1, embedding_size=4, input="embedding", dropout=0.5
    )
    made = LanguageModel(config, len(vocabulary))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter += 0.5 * torch.randn_like(parameter)
    return made


numbers = st.lists(st.floats(-20, 20), min_size=1, max_size=9)


@given(numbers, st.floats(0.05, 5), st.integers(0, 10), st.floats(0.01, 1))
def test_filters_keep_the_likeliest_and_their_ratios(
    logits: list[float], temperature: float, top_k: int, top_p: float
) -> None:
    got = filtered_probabilities(torch.tensor(logits), temperature, top_k, top_p).tolist()
    values = torch.tensor(logits).double().tolist()
    weights = [math.exp((v - max(values)) / temperature) for v in values]
    full = [w / sum(weights) for w in weights]
    order = sorted(range(len(full)), key=lambda i: -full[i])
    kept = order[: top_k or None]
    mass = sum(full[i] for i in kept)
    count = sum(p > 0 for p in got)
    assert math.isclose(sum(got), 1)
    # The fewest that hold top_p of what top_k left, each with its share.
    chosen = order[:count]
    assert count <= len(kept)
    held = sum(full[i] for i in chosen)
    if top_p < 1:
        assert held >= top_p * mass * (1 - 1e-9)
        assert held - full[chosen[-1]] < top_p * mass * (1 + 1e-9)
    for p, whole in zip(got, full, strict=True):
        assert p == 0 or math.isclose(p, whole / held, rel_tol=1e-6)


def test_temperature_zero_is_the_likeliest() -> None:
    assert filtered_probabilities(torch.tensor([1.0, 3.0, 2.0]), 0.0).tolist() == [0, 1, 0]
    assert filtered_probabilities(torch.tensor([1.0, 3.0, 2.0]), 5.0, top_k=1).tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    "options",
    [
        {"length": -1}, {"temperature": -0.1}, {"temperature": math.nan},
        {"temperature": math.inf}, {"top_k": -1}, {"top_p": 0.0}, {"top_p": 1.1},
        {"top_p": math.nan}, {"seed": 2**63}, {"seed": -(2**63) - 1},
    ],
    ids=str,
)  # fmt: skip
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        sample(model(ENGLISH), ENGLISH, **options)


VOCABULARIES = pytest.mark.parametrize(
    "vocabulary",
    [ENGLISH, KOREAN, DOCUMENTS, build_vocabulary("bytes", [""]),
     build_vocabulary("words", ["a b c d"], eos=True)],
    ids=lambda v: f"{v.kind}{v.eos_id}",
)  # fmt: skip


@VOCABULARIES
@pytest.mark.parametrize(
    "prompt", ["", "a", "가", "나는 오", "\U0001f600 zzz", "\ud800", "ab " * 200]
)
def test_a_seed_gives_its_text_alone_and_among_others(vocabulary: Vocabulary, prompt: str) -> None:
    made = model(vocabulary)
    torch.manual_seed(9)
    before = torch.get_rng_state()
    three = sample(made, vocabulary, prompt, n=3, length=12, seed=5)
    assert [one.seed for one in three] == [5, 6, 7]
    for one in three:
        pieces = list(stream(made, vocabulary, prompt, length=12, seed=one.seed))
        assert "".join(pieces) == one.text
        assert sample(made, vocabulary, prompt, length=12, seed=one.seed) == [one]
    assert len({one.text for one in three}) > 1
    assert torch.equal(torch.get_rng_state(), before), "no other random number is touched"
    assert made.training, "the mode comes back"


@VOCABULARIES
def test_a_longer_text_begins_as_the_shorter_one(vocabulary: Vocabulary) -> None:
    made = model(vocabulary)
    short, long = (sample(made, vocabulary, length=n)[0].text for n in (8, 16))
    # A last syllable may be completed by what follows.
    assert long.startswith(short[:-1])
    assert len(long) > len(short)
    assert sample(made, vocabulary, length=0)[0].text == ""


@pytest.mark.parametrize("temperature", [0.3, 1.0])
def test_draws_follow_the_model(temperature: float) -> None:
    made = model(ENGLISH)
    logits, _ = next_token_logits(made.eval(), start_tokens(ENGLISH))
    logits[ENGLISH.unk_id] = -math.inf
    wanted = torch.softmax(logits.double() / temperature, -1).tolist()
    counts = Counter(
        one.text for one in sample(made, ENGLISH, n=1500, length=1, temperature=temperature)
    )
    for token, p in zip(ENGLISH.tokens, wanted, strict=True):
        if p:
            assert abs(counts[token] / 1500 - p) < 5 * math.sqrt(p * (1 - p) / 1500)
    assert set(counts) <= set("abc \n")


def test_unk_is_never_drawn() -> None:
    made = model(ENGLISH)
    with torch.no_grad():
        made.output.bias[ENGLISH.unk_id] += 100
    assert "\ufffd" not in sample(made, ENGLISH, length=50)[0].text


def test_until_eos_ends_the_text_there() -> None:
    made = model(DOCUMENTS)
    plain = [sample(made, DOCUMENTS, length=40, seed=seed)[0].text for seed in range(5)]
    ended = [
        sample(made, DOCUMENTS, length=40, seed=seed, until_eos=True)[0].text for seed in range(5)
    ]
    assert all(a.startswith(b) for a, b in zip(plain, ended, strict=True))
    assert any(len(a) > len(b) for a, b in zip(plain, ended, strict=True))
    with torch.no_grad():
        made.output.bias[DOCUMENTS.eos_id] += 100
    assert sample(made, DOCUMENTS, length=40, until_eos=True)[0].text == ""


def test_the_prompt_is_read() -> None:
    made = model(ENGLISH).eval()
    for prompt in ("a", "abc cba"):
        ids = ENGLISH.encode(prompt).tolist()
        with torch.no_grad():
            logits, _ = made(torch.tensor([ids]))
        likeliest = logits[0, -1].masked_fill(torch.arange(len(ENGLISH)) == ENGLISH.unk_id, -99)
        got = sample(made, ENGLISH, prompt, length=1, temperature=0)[0].text
        assert got == ENGLISH.tokens[int(likeliest.argmax())]


def test_a_long_prompt_is_read_in_parts_with_the_state_carried() -> None:
    made = model(ENGLISH).eval()
    ids = torch.randint(1, len(ENGLISH), (2500,)).tolist()
    with torch.no_grad():
        whole, _ = made(torch.tensor([ids]))
    parts, _ = next_token_logits(made, ids)
    torch.testing.assert_close(parts, whole[0, -1])


def test_nothing_read_leaves_all_tokens_alike() -> None:
    vocabulary = build_vocabulary("characters", ["ab"])
    assert start_tokens(vocabulary) == []
    logits, _ = next_token_logits(model(vocabulary), [])
    assert logits.tolist() == [0.0] * len(vocabulary)


def drawn(made: LanguageModel, vocabulary: Vocabulary, prompt: list[int], seed: int) -> list[int]:
    """Six ids by the definition: read everything anew, draw one from the softmax."""
    generator = torch.Generator().manual_seed(seed)
    ids = list(prompt)
    for _ in range(6):
        with torch.no_grad():
            logits, _ = made(torch.tensor([ids]))
        logits = logits[0, -1].double()
        logits[vocabulary.unk_id] = -math.inf
        share = torch.rand((), dtype=torch.float64, generator=generator)
        ids.append(int((torch.softmax(logits, -1).cumsum(0) <= share).sum()))
    return ids


@pytest.mark.parametrize("prompt", ["나", "난", "을 다", "다 ", "나ㄱ"])
def test_a_korean_prompt_goes_on_letter_by_letter(prompt: str) -> None:
    made = model(KOREAN).eval()
    shown = KOREAN.normalize(prompt)
    grown = 0
    for seed in range(60):
        (one,) = sample(made, KOREAN, prompt, length=6, seed=seed, temperature=1.0)
        whole = KOREAN.decode(drawn(made, KOREAN, KOREAN.encode(prompt).tolist(), seed))
        grown += not whole.startswith(shown)
        # The prompt stays as it is, where freely drawn letters would complete its last syllable.
        assert unicodedata.normalize("NFC", shown + one.text) == shown + one.text
        if prompt not in ("나", "을 다"):
            assert one.text == whole.removeprefix(shown)
    assert (grown > 0) == (prompt in ("나", "을 다"))
