"""Adaptive and sampled softmax: the same probabilities, right gradients, sparse steps, in every command."""

import math
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from sunhwan import load
from sunhwan.config import Config, ModelConfig, TrainingConfig
from sunhwan.data import Block
from sunhwan.errors import ConfigError, UsageError
from sunhwan.exporting import export
from sunhwan.inspection.measures.unrolled_text import unroll_text
from sunhwan.models import LanguageModel
from sunhwan.models.softmax import Softmax
from sunhwan.ops import output_cross_entropy, sampled_cross_entropy
from sunhwan.training import Reporter, resume, train
from sunhwan.training.guard import clip
from sunhwan.training.optimizers import Optimizers
from sunhwan.training.reporter import StepReport
from tests.models.slopes import assert_slopes

V = 12
ADAPTIVE, SAMPLED = Softmax("adaptive", (3, 7)), Softmax("sampled", samples=5)


def build(softmax: Softmax, **options: Any) -> LanguageModel:
    torch.manual_seed(1)
    settings = {
        "cell": "gru", "hidden_size": 16, "num_layers": 1, "input": "embedding",
        "embedding_size": 3, "dropout": 0.0,
    }  # fmt: skip
    return LanguageModel(ModelConfig(**(settings | options)), V, softmax).double()


def block() -> Block:
    ids = torch.randint(V, (2, 9), generator=torch.Generator().manual_seed(2))
    return Block(ids[:, :-1], ids[:, 1:], None)


def test_adaptive_logits_are_log_probabilities_and_the_loss_is_of_them() -> None:
    model, given = build(ADAPTIVE), block()
    logits, _ = model(given.inputs)
    torch.testing.assert_close(logits.exp().sum(2), torch.ones(2, 8, dtype=torch.float64))
    wanted = functional.nll_loss(logits.flatten(0, 1), given.targets.flatten())
    torch.testing.assert_close(model.loss(given).nats, wanted)
    nats, right = model.output.judge(
        model.read(given.inputs)[0].flatten(0, 1), given.targets.T.flatten()
    )
    torch.testing.assert_close(nats.mean(), wanted)
    assert torch.equal(right.view(8, 2).T, logits.argmax(2) == given.targets)


@pytest.mark.parametrize(
    ("softmax", "options"),
    [
        (ADAPTIVE, {"embedding_dropout": 0.4}), (SAMPLED, {}),
        (SAMPLED, {"tied": True, "embedding_dropout": 0.4}),
    ],
    ids=str,
)  # fmt: skip
def test_gradients_are_the_slopes_in_training(softmax: Softmax, options: dict[str, Any]) -> None:
    model, given = build(softmax, **options), block()
    assert model.training

    def objective() -> torch.Tensor:
        torch.manual_seed(4)  # the same tokens are drawn
        return model.loss(given).objective

    objective().backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is not None and p.grad.is_sparse for p in model.sparse_parameters)
    assert_slopes(model, objective)


def test_the_sampled_denominator_has_the_right_mean() -> None:
    draw = torch.Generator().manual_seed(1)
    y, weight = (torch.randn(n, 3, dtype=torch.float64, generator=draw) for n in (1, V))
    bias = torch.randn(V, dtype=torch.float64, generator=draw)
    target = torch.tensor([4])
    torch.manual_seed(1)
    exact = float(output_cross_entropy(y, weight, bias, target))
    found = [float(sampled_cross_entropy(y, weight, bias, target, 8)) for _ in range(2000)]
    # exp(loss) is the estimated denominator over e^s of the target.
    mean = sum(map(math.exp, found)) / len(found)
    assert mean == pytest.approx(math.exp(exact), rel=0.03)
    many = sampled_cross_entropy(y, weight, bias, target, 10**6)
    assert float(many) == pytest.approx(exact, rel=1e-2)


def test_a_sparse_step_moves_the_rows_it_saw_as_a_clipped_dense_gradient_says() -> None:
    model, given, rate = build(SAMPLED, tied=True), block(), 0.1
    before = model.embedding.weight.detach().clone()
    model.loss(given).objective.backward()  # type: ignore[no-untyped-call]
    dense = [p.grad.to_dense() for p in model.parameters() if p.grad is not None]
    norm = torch.cat([g.flatten() for g in dense]).norm()
    clipped = clip(model.parameters(), TrainingConfig(clip_norm=0.01))
    assert clipped.acted
    assert clipped.norm == pytest.approx(float(norm))
    g = model.embedding.weight.grad.to_dense()
    Optimizers(model, TrainingConfig(learning_rate=rate, clip_norm=0.01)).step(rate)
    seen = g.abs().sum(1) > 0
    moved = g / (g.square().mean(1, keepdim=True).sqrt() + 1e-8)
    wanted = torch.where(seen.unsqueeze(1), before - rate * moved, before)
    torch.testing.assert_close(model.embedding.weight.detach(), wanted)
    assert 0 < int(seen.sum()) <= V
    with pytest.raises(ConfigError, match="momentum"):
        Optimizers(model, TrainingConfig(optimizer="sgd"))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("words") / "words.txt"
    words = torch.randint(1, 40, (3000,), generator=torch.Generator().manual_seed(1)).square() // 40
    file.write_text(" ".join(f"w{int(w)}" for w in words), encoding="utf-8")
    return file


def settings(corpus: Path, softmax: str, **more: Any) -> Config:
    return Config().override(
        {
            "text.corpus": [str(corpus)], "text.vocabulary": "words", "model.softmax": softmax,
            "model.softmax_cutoffs": [8, 20], "model.softmax_samples": 16, "model.hidden_size": 16,
            "model.tied": softmax == "sampled", "training.steps": 30,
            "training.learning_rate": 0.03, "training.warmup": 0, "data.batch_size": 4,
            "data.block_length": 8, "training.checkpoint_every": 5, "training.accumulate": 2,
            "training.baselines": False, "training.validations": 2,
        }
        | more
    )  # fmt: skip


class Stop(Reporter):
    """Interrupts at the seventh step, as Ctrl-C does."""

    def step(self, report: StepReport) -> None:
        if report.step == 7:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("softmax", ["adaptive", "sampled"])
def test_train_resume_store_evaluate_score_and_sample(
    corpus: Path, tmp_path: Path, softmax: str
) -> None:
    train(settings(corpus, softmax), tmp_path / "straight")
    train(settings(corpus, softmax), tmp_path / "run", reporter=Stop())
    resume(tmp_path / "run")
    model, resumed = load(tmp_path / "straight"), load(tmp_path / "run")
    for ours, theirs in zip(model.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    line = "w1 w2 w3 w1"
    (scored,) = model.score([line])
    assert scored.log_probability < 0
    scores = model.evaluate(corpus)
    assert scores.loss < 3.6  # of 40 words less than ln 40 = 3.7
    (sample,) = model.sample(length=5, seed=1)
    assert len(sample.text.split()) == 5
    if softmax == "adaptive":
        with pytest.raises(ConfigError, match="not exported"):
            export(model, tmp_path / "out", "onnx")
        with pytest.raises(UsageError, match="adaptive"):
            unroll_text(model, line)


def test_refusals(corpus: Path, tmp_path: Path) -> None:
    for more, match in (
        ({"text.vocabulary": "characters"}, "falling frequency"),
        ({"model.tied": True}, "several sizes"),
        ({"model.input": "one-hot", "model.tied": False}, "need an embedding"),
        ({"model.softmax_cutoffs": 0}, "softmax_cutoffs"),
        ({"model.softmax_cutoffs": [5, 10, 20]}, "last cluster"),
    ):
        with pytest.raises(ConfigError, match=match):
            train(settings(corpus, "adaptive", **more), tmp_path / "refused")
