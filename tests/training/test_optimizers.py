"""Each optimiser learns, decays what it should, and continues exactly from its saved state."""

import json
from typing import Any

import pytest
import torch

from sunhwan.config import ModelConfig, TrainingConfig
from sunhwan.data import Block
from sunhwan.models import LanguageModel
from sunhwan.store import read_tensors, write_tensors
from sunhwan.training.muon import Muon, orthogonalized
from sunhwan.training.optimizers import Optimizers

RATES = {"sgd": 0.3, "adam": 0.02, "adamw": 0.02, "muon": 0.02}
each = pytest.mark.parametrize("optimizer", RATES)
V = 6


def model(**options: Any) -> LanguageModel:
    torch.manual_seed(1)
    settings = {
        "cell": "gru", "hidden_size": 5, "num_layers": 2, "embedding_size": 3, "input": "embedding",
        "dropout": 0.0,
    }  # fmt: skip
    return LanguageModel(ModelConfig(**(settings | options)), V)


def block(seed: int = 1) -> Block:
    ids = torch.randint(V, (3, 9), generator=torch.Generator().manual_seed(seed))
    return Block(ids[:, :-1], ids[:, 1:], None)


def learn(made: LanguageModel, optimizers: Optimizers, rate: float, seeds: range) -> list[float]:
    losses = []
    for seed in seeds:
        loss = made.loss(block(seed)).nats
        made.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizers.step(rate)
        losses.append(loss.item())
    return losses


def config(optimizer: str, **options: Any) -> TrainingConfig:
    settings = {"learning_rate": RATES[optimizer], "momentum": 0.9, "weight_decay": 0.0}
    return TrainingConfig(optimizer=optimizer, **(settings | options))


@each
@pytest.mark.parametrize("options", [{}, {"input": "one-hot"}, {"tied": True}], ids=str)
def test_the_loss_falls_and_every_parameter_moves(optimizer: str, options: dict[str, Any]) -> None:
    made = model(**options)
    before = {name: p.detach().clone() for name, p in made.named_parameters()}
    optimizers = Optimizers(made, config(optimizer))
    first, *_, last = [
        loss for _ in range(40) for loss in learn(made, optimizers, RATES[optimizer], range(1, 2))
    ]
    assert last < 0.9 * first
    for name, parameter in made.named_parameters():
        assert not torch.equal(parameter, before[name]), name


@each
def test_a_restored_optimizer_makes_the_same_steps(optimizer: str, tmp_path: Any) -> None:
    settings = config(optimizer, weight_decay=0.1)
    made = model()
    optimizers = Optimizers(made, settings)
    learn(made, optimizers, RATES[optimizer], range(1, 6))
    tensors, values = optimizers.state()
    write_tensors(tmp_path / "state.safetensors", tensors, {"values": values})
    tensors, kept = read_tensors(tmp_path / "state.safetensors")
    assert json.loads(json.dumps(values)) == values

    twin, forgetful = model(), model()
    twin.load_state_dict(made.state_dict())
    forgetful.load_state_dict(made.state_dict())
    restored = Optimizers(twin, settings)
    restored.restore(tensors, kept["values"])
    wanted = learn(made, optimizers, RATES[optimizer], range(6, 9))
    assert learn(twin, restored, RATES[optimizer], range(6, 9)) == wanted
    for (name, a), b in zip(made.named_parameters(), twin.parameters(), strict=True):
        assert torch.equal(a, b), name
    # Without its state it goes elsewhere.
    other = learn(forgetful, Optimizers(forgetful, settings), RATES[optimizer], range(6, 9))
    assert other != wanted


@each
def test_the_step_size_given_is_the_one_used(optimizer: str) -> None:
    made = model()
    before = [p.detach().clone() for p in made.parameters()]
    learn(made, Optimizers(made, config(optimizer)), 0.0, range(1, 3))
    assert all(torch.equal(a, b) for a, b in zip(before, made.parameters(), strict=True))


RECURRENT = {
    f"recurrent.layers.{layer}.{matrix}" for layer in (0, 1) for matrix in ("W_x_T", "W_h_T")
}
ONE_HOT = RECURRENT - {"recurrent.layers.0.W_x_T"}
"""With one-hot input the first W_x is an embedding."""


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "muon"])
@pytest.mark.parametrize("source", ["embedding", "one-hot"])
def test_decay_shrinks_the_recurrent_matrices_alone(optimizer: str, source: str) -> None:
    made = model(input=source)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.fill_(1.0)
            parameter.grad = torch.zeros_like(parameter)
    Optimizers(made, config(optimizer, weight_decay=0.5)).step(0.1)
    for name, parameter in made.named_parameters():
        decayed = ONE_HOT if source == "one-hot" else RECURRENT
        wanted = 0.95 if name in decayed and optimizer in ("adamw", "muon") else 1.0
        torch.testing.assert_close(parameter, torch.full_like(parameter, wanted), msg=name)


def test_muon_takes_the_recurrent_matrices_alone() -> None:
    def muon(made: LanguageModel) -> set[str]:
        names = {p: n for n, p in made.named_parameters()}
        *_, last = Optimizers(made, config("muon")).optimizers
        return {names[p] for group in last.param_groups for p in group["params"]}

    assert muon(model()) == RECURRENT
    assert muon(model(input="one-hot")) == ONE_HOT


@pytest.mark.parametrize("shape", [(12, 5), (5, 12), (7, 7)], ids=str)
@pytest.mark.parametrize("nesterov", [True, False])
def test_muon_makes_the_steps_of_pytorchs(shape: tuple[int, int], nesterov: bool) -> None:
    """Whose products are in bfloat16, so that a step differs in the third digit."""
    torch.manual_seed(2)
    ours, theirs = (torch.nn.Parameter(torch.ones(shape)) for _ in range(2))
    options = {"lr": 0.1, "weight_decay": 0.2, "nesterov": nesterov}
    options["adjust_lr_fn"] = "match_rms_adamw"
    pair = [Muon([ours], **options), torch.optim.Muon([theirs], **options)]
    for _ in range(4):
        ours.grad = theirs.grad = torch.randn(shape)
        for optimizer in pair:
            optimizer.step()
    moved = (theirs - 1).norm()
    assert moved > 0.1
    assert (ours - theirs).norm() < 0.02 * moved
    states = [optimizer.state_dict() for optimizer in pair]
    assert states[0]["param_groups"] == states[1]["param_groups"]
    assert torch.equal(*(state["state"][0]["momentum_buffer"] for state in states))


@pytest.mark.parametrize("shape", [(40, 9), (9, 40)], ids=str)
def test_orthogonalized_is_the_iteration_on_singular_values(shape: tuple[int, int]) -> None:
    a, b, c = 3.4445, -4.7750, 2.0315
    G = torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    U, S, V = torch.linalg.svd(G, full_matrices=False)
    S = S / S.norm()
    for _ in range(5):
        S = a * S + b * S**3 + c * S**5
    found = orthogonalized(G, (a, b, c), 5, 1e-7)
    torch.testing.assert_close(found, U * S @ V)
    assert 0.6 < S.min() < S.max() < 1.3
    assert not orthogonalized(torch.zeros(shape), (a, b, c), 5, 1e-7).any()
