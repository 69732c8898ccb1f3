"""Dynamic evaluation and the neural cache: their equations, step by step, and the model unchanged."""

import dataclasses
import math
import random
from pathlib import Path

import pytest
import torch

from sunhwan.cli.adaptation_options import adaptation_of
from sunhwan.data import Tokens, encode
from sunhwan.errors import UsageError
from sunhwan.generation import (
    Adaptation,
    AdaptiveStepper,
    Cache,
    evaluate_adapted,
    stepper_for,
    was_tuned_on,
)
from sunhwan.generation.adaptation import DECAY, SEGMENT
from sunhwan.generation.descent import EPS
from sunhwan.metrics import evaluate_tokens
from sunhwan.tasks import LanguageModelTask
from sunhwan.tasks.common.results import Review
from sunhwan.tasks.language_model.adapted import with_tuning
from sunhwan.text import Document
from tests.serve.helpers import VOCABULARIES, language

CACHE = Cache(0.3, 2.0, 7)


@pytest.fixture(scope="module")
def task() -> LanguageModelTask:
    return language(VOCABULARIES["characters"])


@pytest.fixture(scope="module")
def tokens(task: LanguageModelTask) -> Tokens:
    letters = [t for t in task.vocabulary.tokens if len(t) == 1][:6]
    return encode(task.vocabulary, [Document("text", "".join(letters) * 12)])


def losses(stepper: AdaptiveStepper, tokens: Tokens) -> torch.Tensor:
    return torch.cat([nats for nats, _ in stepper.losses(tokens)])


def test_the_cache_is_its_equation_and_the_stepper_agrees(
    task: LanguageModelTask, tokens: Tokens
) -> None:
    model, ids = task.model.eval(), tokens.ids
    with torch.no_grad():
        y = model.read(ids[None, :-1])[0][:, 0]
        p = torch.softmax(model.output(y), 1)
    wanted = []
    for t in range(len(y)):
        mixed = p[t, ids[t + 1]]
        earlier = range(max(0, t - CACHE.size), t)
        if earlier:
            weights = torch.softmax(torch.stack([CACHE.flatness * y[t] @ y[i] for i in earlier]), 0)
            hits = sum(w for w, i in zip(weights, earlier, strict=True) if ids[i + 1] == ids[t + 1])
            mixed = (1 - CACHE.share) * mixed + CACHE.share * hits
        wanted.append(-math.log(mixed))
    adaptation = Adaptation(cache=CACHE)
    found = losses(AdaptiveStepper(model, adaptation), tokens)
    assert found.tolist() == pytest.approx(wanted, abs=1e-5)
    stepper, state, read = AdaptiveStepper(model, adaptation), None, []
    with torch.no_grad():
        for part in torch.split(ids[:-1], 9):
            log_p, state = stepper.logits(part, state)
            read.append(log_p)
    alone = -torch.cat(read).gather(1, ids[1:, None])[:, 0]
    assert alone.tolist() == pytest.approx(wanted, abs=1e-5)


def test_dynamic_evaluation_learns_after_each_segment_and_leaves_the_model_alone(
    task: LanguageModelTask, tokens: Tokens
) -> None:
    before = {name: p.detach().clone() for name, p in task.model.named_parameters()}
    rate = 0.01
    stepper = AdaptiveStepper(task.model, Adaptation(rate))
    found = losses(stepper, tokens)
    plain = evaluate_tokens(task.model, tokens)
    fixed = losses(AdaptiveStepper(task.model, Adaptation(cache=Cache(1e-9))), tokens)
    # What is predicted before anything was learned is as ever; a text that repeats itself is learned.
    assert torch.allclose(found[:SEGMENT], fixed[:SEGMENT], atol=1e-5)
    assert found.mean() < plain.loss - 0.1
    for name, p in task.model.named_parameters():
        assert torch.equal(p, before[name]), name
    # One segment: θ − η g / (|g| + ε), and a little back.
    one = AdaptiveStepper(task.model, Adaptation(rate))
    one.learn(tokens.ids[: SEGMENT + 1].tolist())
    task.model.zero_grad()
    logits, _ = task.model.eval()(tokens.ids[None, :SEGMENT])
    loss = torch.nn.functional.cross_entropy(logits[0], tokens.ids[1 : SEGMENT + 1])
    (g,) = torch.autograd.grad(loss, [task.model.output.weight])
    moved = before["output.weight"] - (1 - DECAY) * rate * g / (g.abs() + EPS)
    torch.testing.assert_close(one.model.output.weight.detach(), moved, atol=2e-5, rtol=0)


def test_score_sample_evaluate_and_tuning(task: LanguageModelTask, tokens: Tokens) -> None:
    adaptation = Adaptation(0.003, CACHE)
    line = task.vocabulary.decode(tokens.ids[1:40].numpy())
    first, second = (one.log_probability for one in task.score([line, line], adaptation=adaptation))
    (plain,) = task.score([line])
    assert second > first + 1
    assert second > plain.log_probability + 1
    (one,) = task.sample(line, length=20, seed=3, adaptation=adaptation)
    assert task.sample(line, length=20, seed=3, adaptation=adaptation) == [one]
    assert "".join(task.stream(line, length=20, seed=3, adaptation=adaptation)) == one.text
    best = task.tune_adaptation(tokens)
    assert best.cache is not None
    assert task.evaluate_read(tokens, best).loss < evaluate_tokens(task.model, tokens).loss


def test_refusals(task: LanguageModelTask, tokens: Tokens) -> None:
    for adaptation in (Adaptation(), Adaptation(-1.0), Adaptation(cache=Cache(1.0))):
        with pytest.raises(UsageError, match="such as"):
            evaluate_adapted(task.model, tokens, adaptation)
    for adaptation in (Adaptation(0.1, decay=1.0), Adaptation(0.1, segment=0)):
        with pytest.raises(UsageError, match="such as"):
            evaluate_adapted(task.model, tokens, adaptation)
    with pytest.raises(UsageError, match="give a rate"):
        evaluate_adapted(task.model, tokens, Adaptation(cache=CACHE, segment=64))
    with pytest.raises(UsageError, match="in fp16"):
        stepper_for(task.model, "fp16", adaptation=Adaptation(0.1))
    data = dataclasses.replace(task.config.data, batches="sentences")
    apart = LanguageModelTask(
        dataclasses.replace(task.config, data=data), task.vocabulary, task.model
    )
    with pytest.raises(UsageError, match="sentences apart"):
        apart.evaluate_read(tokens, Adaptation(0.1))


def test_numbers_that_are_left_out_are_the_defaults(task: LanguageModelTask) -> None:
    given = [
        adaptation_of(Path("run"), task, *two) for two in (("0.01", None), ("0.01,0,64", "0.2"))
    ]
    assert given == [Adaptation(0.01), Adaptation(0.01, Cache(0.2), 0.0, 64)]


@pytest.mark.parametrize(
    ("dynamic", "cache", "said"),
    [
        ("0", "0.1", "--dynamic 0 adapts nothing"),
        ("nan", None, "--dynamic must be numbers"),
        ("0.01,0.1,20.5", None, "the segment is a number of tokens"),
        ("0.01,0.1,20,3", None, "--dynamic must be numbers"),
        (None, "0.1,0.3,inf", "--cache must be numbers"),
        (None, "0.1,0.3,20.5", "the size is a number of tokens"),
    ],
)
def test_options_that_say_nothing_are_refused(
    task: LanguageModelTask, dynamic: str | None, cache: str | None, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        adaptation_of(Path("run"), task, dynamic, cache)


def test_a_text_that_settings_were_tuned_on_is_known_again(task: LanguageModelTask) -> None:
    letters = "".join(t for t in task.vocabulary.tokens if len(t) == 1)
    rng = random.Random(3)
    first, second, other = ("".join(rng.choices(letters, k=300)) for _ in range(3))

    def tokens(*texts: str) -> Tokens:
        return encode(task.vocabulary, [Document("text", text) for text in texts])

    validation = tokens(first, second)
    for known in (first, other + second, second[90:200], other[:60] + first + other[60:]):
        assert was_tuned_on(validation, tokens(known))
    for unknown in (other, other + second[:200], second[:40]):
        assert not was_tuned_on(validation, tokens(unknown))
    review = Review(evaluate_tokens(task.model, tokens(second)), [], {}, data=tokens(second))
    assert "on another text" in with_tuning(review, validation).notes[0]
    assert with_tuning(review, tokens(other)) is review
