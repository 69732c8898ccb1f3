"""Adaptation by segments against its equations written out, a token at a time, over several texts."""

import copy
import math
from collections.abc import Sequence

import pytest
import torch
from torch.nn import functional

from sunhwan.config import ModelConfig
from sunhwan.data import Tokens
from sunhwan.generation import Adaptation, AdaptiveStepper, Cache
from sunhwan.generation.adaptation import DECAYS, RATES, SEGMENTS, evaluate_adapted, tuned
from sunhwan.generation.descent import EPS, Descent
from sunhwan.layers import detach
from sunhwan.models import LanguageModel
from sunhwan.models.softmax import FULL, Softmax
from sunhwan.progress import Progress, listening

V, CACHE = 11, Cache(0.3, 1.5, 9)
ADAPTATIONS = [
    Adaptation(cache=CACHE),
    Adaptation(0.01, decay=0.1, segment=7),
    Adaptation(0.01, CACHE, decay=0.1, segment=5),
]


def model_of(cell: str, softmax: Softmax = FULL, **options: object) -> LanguageModel:
    torch.manual_seed(1)
    settings = {
        "cell": cell, "hidden_size": 8, "num_layers": 2, "embedding_size": 8, "input": "embedding",
        "dropout": 0.2,
    }  # fmt: skip
    model = LanguageModel(ModelConfig(**(settings | options)), V, softmax)  # type: ignore[arg-type]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.4 * torch.randn_like(parameter)
    return model


MODELS = {
    "tied, read by rows": lambda: model_of("lstm", Softmax("sampled", samples=3), tied=True),
    "tied": lambda: model_of("gru", tied=True),
    "untied, read by rows": lambda: model_of("elman", Softmax("sampled", samples=3)),
    "one-hot": lambda: model_of("lstm", input="one-hot"),
    "adaptive": lambda: model_of("gru", Softmax("adaptive", (4,))),
}


def texts() -> list[Tokens]:
    """Two texts, the first of two documents; no segment divides either."""
    torch.manual_seed(2)
    ids = torch.randint(V, (24,))
    return [
        Tokens(torch.cat((ids, ids[3:12])), torch.tensor([0, 13]), 33),
        Tokens(ids[5:23], torch.tensor([0]), 18),
    ]


def by_the_equations(
    model: LanguageModel, given: Sequence[Tokens], adaptation: Adaptation
) -> list[float]:
    rate, cache, decay, segment = adaptation
    model = copy.deepcopy(model).eval()
    start = [p.detach().clone() for p in model.parameters()]
    mean = [torch.zeros_like(p) for p in start]
    steps, losses = 0, []
    history: list[tuple[torch.Tensor, int]] = []
    for tokens in given:
        state, waiting = None, None
        for first in range(0, tokens.targets, segment):
            places = torch.arange(first, min(first + segment, tokens.targets))
            ids, targets = tokens.ids[places], tokens.ids[places + 1]
            y, state = model.read(ids[None], state, tokens.is_start(places)[None])
            state, logits = detach(state), model.output(y[:, 0])
            for t, target in enumerate(targets.tolist()):
                if waiting is not None:
                    history.append((waiting, int(ids[t])))
                waiting = y[t, 0].detach()
                p = logits[t].detach().softmax(0)[target].item()
                known = history[-cache.size :] if cache else []
                if cache and known:
                    scores = torch.stack([cache.flatness * waiting @ key for key, _ in known])
                    weights = scores.softmax(0).tolist()
                    hits = sum(w for w, (_, n) in zip(weights, known, strict=True) if n == target)
                    p = (1 - cache.share) * p + cache.share * hits
                losses.append(-math.log(p))
            if not rate:
                continue
            model.zero_grad()
            functional.cross_entropy(logits, targets).backward()
            steps += 1
            with torch.no_grad():
                for p, back, m in zip(model.parameters(), start, mean, strict=True):
                    g = p.grad if p.grad is not None else torch.zeros_like(p)
                    g = g.to_dense() if g.is_sparse else g
                    m += (g**2 - m) / steps
                    p -= rate * g / (m.sqrt() + EPS)
                    p += decay * (back - p)
    return losses


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("adaptation", ADAPTATIONS, ids=["cache", "dynamic", "both"])
def test_segments_give_what_the_equations_give(
    kind: str, adaptation: Adaptation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sunhwan.generation.descent.CHUNK", 16)  # two rows of these tables
    model, given = MODELS[kind](), texts()
    stepper = AdaptiveStepper(model, adaptation)
    found = [nats for tokens in given for nats, _ in stepper.losses(tokens)]
    wanted = by_the_equations(model, given, adaptation)
    assert torch.cat(found).tolist() == pytest.approx(wanted, abs=2e-5)


def test_gradients_in_another_order_of_memory_are_read_in_theirs() -> None:
    descent = Descent(MODELS["tied"](), 0.1, 0.0)
    descent._steps = 1
    p = next(p for p in descent.model.parameters() if p.dim() == 2)
    before, g = p.detach().clone(), torch.randn(p.shape[1], p.shape[0]).T
    with torch.no_grad():
        descent._update(p, g)
    torch.testing.assert_close(p.detach(), before - 0.1 * g / (g.abs() + EPS))


@pytest.mark.parametrize("adaptation", ADAPTATIONS, ids=["cache", "dynamic", "both"])
def test_read_token_by_token_it_is_the_same_and_sums_to_one(adaptation: Adaptation) -> None:
    stepper, (first, second) = AdaptiveStepper(MODELS["tied"](), adaptation), texts()
    stepper.model.eval()
    stepper.learn(first.ids.tolist())
    answers = []
    for length in (1, 4, 100):
        state, parts = None, []
        for part in torch.split(second.ids, length):
            with torch.no_grad():
                log_p, state = stepper.logits(part, state)
            parts.append(log_p)
        answers.append(torch.cat(parts))
    assert torch.allclose(answers[0].exp().sum(1), torch.ones(len(second.ids)), atol=1e-5)
    for other in answers[1:]:
        torch.testing.assert_close(other, answers[0], atol=1e-5, rtol=0)


def test_the_cache_is_tuned_beside_the_steps_that_are_given() -> None:
    given = Adaptation(0.01, decay=0.1, segment=5)
    found = tuned(MODELS["tied"](), texts()[0], dynamic=False, given=given)
    assert found.cache is not None
    assert found._replace(cache=None) == given
    found = tuned(MODELS["tied"](), texts()[0], cache=False, given=Adaptation(cache=CACHE))
    assert found.rate > 0
    assert found.cache == CACHE


def test_steps_are_tuned_by_the_loss_and_the_work_is_told() -> None:
    model, (first, _) = MODELS["tied"](), texts()
    told: list[Progress] = []
    with listening(told.append):
        found = tuned(model, first)
        evaluate_adapted(model, first, found)
    dynamic = found._replace(cache=None)
    loss = evaluate_adapted(model, first, dynamic).loss
    others = [Adaptation(rate, segment=segment) for rate in RATES for segment in SEGMENTS]
    others += [dynamic._replace(decay=decay) for decay in DECAYS]
    assert all(evaluate_adapted(model, first, other).loss >= loss for other in others)
    for what in ("tuning", "adapting"):
        shares = [one.share for one in told if one.what == what]
        assert shares == sorted(shares)
        assert shares[-1] == 1
