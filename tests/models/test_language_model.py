"""The language model: its loss, its gradients and its options, each by a second computation."""

import math
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from sunhwan.cells import CELLS
from sunhwan.config import ModelConfig
from sunhwan.data import Block, Streams, Tokens
from sunhwan.errors import ConfigError
from sunhwan.layers import detach
from sunhwan.models import LanguageModel, language_model
from sunhwan.ops import cross_entropy, lazy_embedding, materialised
from tests.models.slopes import assert_slopes
from tests.tiers import and_deep

V, N, T = 5, 2, 6


def build(**options: Any) -> LanguageModel:
    torch.manual_seed(1)
    settings = {
        "cell": "gru", "hidden_size": 4, "num_layers": 1, "input": "embedding",
        "embedding_size": 3, "dropout": 0.0,
    }  # fmt: skip
    model = LanguageModel(ModelConfig(**(settings | options)), V).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    return model


def block(*, resets: bool = True) -> Block:
    draw = torch.Generator().manual_seed(2)
    inputs, targets = torch.randint(V, (2, N, T), generator=draw)
    where = torch.zeros(N, T, dtype=torch.bool)
    where[0, 0] = where[1, 3] = True
    return Block(inputs, targets, where if resets else None)


KINDS: tuple[dict[str, Any], ...] = (
    {}, {"input": "one-hot", "num_layers": 2}, {"tied": True, "bias": False},
)  # fmt: skip
OPTIONS = and_deep(
    [{"cell": cell, **KINDS[k % 3]} for k, cell in enumerate(CELLS)],
    [{"cell": cell, **more} for cell in CELLS for more in KINDS],
)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_the_loss_is_the_mean_negative_log_probability(options: dict[str, Any]) -> None:
    model, given = build(**options), block()
    logits, _ = model(given.inputs, None, given.resets)
    assert logits.shape == (N, T, V)
    total = 0.0
    for n in range(N):
        for t in range(T):
            scores = logits[n, t].tolist()
            target = scores[int(given.targets[n, t])]
            total += math.log(sum(math.exp(s) for s in scores)) - target
    loss = model.loss(given)
    assert loss.nats.item() == pytest.approx(total / (N * T), rel=1e-12)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_gradients_are_the_slopes(options: dict[str, Any]) -> None:
    model, given = build(**options), block()
    # What was read before makes a state that is neither zero nor impossible.
    state = detach(model.loss(block(resets=False)).state)
    model.loss(given, state).objective.backward()  # type: ignore[no-untyped-call]
    assert_slopes(model, lambda: model.loss(given, state).objective)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_one_hot_is_an_embedding_with_identity_weights(cell: str) -> None:
    one_hot = build(cell=cell, input="one-hot")
    embedded = build(cell=cell, embedding_size=V)
    assert one_hot.embedding is None
    assert embedded.embedding is not None
    with torch.no_grad():
        embedded.load_state_dict(
            {**one_hot.state_dict(), "embedding.weight": torch.eye(V, dtype=torch.float64)}
        )
    given = block()
    torch.testing.assert_close(
        one_hot(given.inputs, None, given.resets)[0],
        embedded(given.inputs, None, given.resets)[0],
        rtol=0,
        atol=1e-14,
    )


@pytest.mark.parametrize(
    "options",
    [
        {"cell": "lstm_multiplicative"}, {"cell": "mingru", "input": "one-hot"},
        {"cell": "lstm", "embedding_dropout": 0.4, "num_layers": 2, "dropout": 0.3},
        {"cell": "lstm", "tied": True, "zoneout": 0.2}, {"cell": "lstm_layer_norm"},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("memory", ["full", "sqrt"])
def test_folding_the_embedding_and_cutting_the_loss_change_no_number(
    options: dict[str, Any], memory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loss and all gradients, against every token looked up and all logits at once."""
    found = []
    for folds, whole in ((True, 0), (False, 10**9)):
        for place in (lazy_embedding, language_model):
            monkeypatch.setattr(
                place, "folding_is_cheaper", lambda rows, tokens, folds=folds: folds
            )
        monkeypatch.setattr(cross_entropy, "WHOLE", whole)
        model = build(**options)
        torch.manual_seed(5)
        loss = model.loss(block(), bptt_memory=memory)
        loss.objective.backward()  # type: ignore[no-untyped-call]
        found.append([loss.nats, *(f for s in loss.state for f in s)])
        found[-1] += [p.grad for p in model.parameters()]
    for got, wanted in zip(*found, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-11, atol=1e-13)


def test_tied_weights_are_one_parameter_used_twice() -> None:
    model = build(tied=True)
    assert model.embedding is not None
    assert model.output.weight is model.embedding.weight
    assert model.embedding.weight.shape == (V, 4)
    assert [n for n, _ in model.named_parameters()].count("output.weight") == 0
    given = block()
    x = model.embedding.weight.detach()[given.inputs]
    y, _ = model.recurrent(x, None, given.resets)
    wanted = y @ model.embedding.weight.detach().T + model.output.bias
    torch.testing.assert_close(model(given.inputs, None, given.resets)[0], wanted)


def explicit_gradients(model: LanguageModel, text: Tokens, blocks: int) -> list[list[Tensor]]:
    """Truncated BPTT written out: every block's loss from numbers alone, nothing carried but values."""
    found = []
    fields: list[list[Tensor]] = []
    for index in range(blocks):
        inputs, targets = text.ids[index * T : index * T + T], text.ids[index * T + 1 :][:T]
        layers = [torch.zeros(1, 4).double()] if not fields else fields[0]
        h = layers[0].clone()
        total = torch.zeros((), dtype=torch.float64)
        (layer,) = model.recurrent.stack
        assert model.embedding is not None
        assert layer.b is not None
        for t in range(T):
            if index == 0 and t == 0:
                h = torch.zeros(1, 4).double() + layer.h_0
            x = model.embedding.weight[inputs[t]].unsqueeze(0)
            h = torch.tanh(x @ layer.W_x + h @ layer.W_h + layer.b)
            total = total + functional.cross_entropy(
                h @ model.output.weight.T + model.output.bias, targets[t : t + 1]
            )
        parameters = list(model.parameters())
        found.append(
            list(
                torch.autograd.grad(
                    total / T, parameters, allow_unused=True, materialize_grads=True
                )
            )
        )
        fields = [[h.detach()]]
    return found


def test_truncated_bptt_cuts_the_gradient_and_nothing_else() -> None:
    model = build(cell="elman")
    ids = torch.randint(V, (3 * T + 2,), generator=torch.Generator().manual_seed(4))
    text = Tokens(ids, torch.tensor([0]), len(ids))
    wanted = explicit_gradients(model, text, 3)
    state = None
    for given, gradients in zip(islice(Streams(text, 1, T), 3), wanted, strict=True):
        model.zero_grad()
        loss = model.loss(given, None if state is None else detach(state))
        state = loss.state
        loss.objective.backward()  # type: ignore[no-untyped-call]
        for (name, parameter), gradient in zip(model.named_parameters(), gradients, strict=True):
            got = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            torch.testing.assert_close(got, gradient, rtol=1e-9, atol=1e-12, msg=name)


def test_the_gradient_through_a_border_would_differ() -> None:
    """The control of the test above: uncut, the second block's gradient is another one."""
    model = build(cell="elman")
    ids = torch.randint(V, (2 * T + 1,), generator=torch.Generator().manual_seed(4))
    first, second = islice(Streams(Tokens(ids, torch.tensor([0]), len(ids)), 1, T), 2)
    gradients = []
    for cut in (True, False):
        state = model.loss(first).state
        loss = model.loss(second, detach(state) if cut else state)
        gradients.append(torch.autograd.grad(loss.nats, model.recurrent.stack[0].W_h_T)[0])
    assert not torch.allclose(*gradients, rtol=1e-3)


def test_dropout_acts_in_training_alone_on_embedding_layers_and_output() -> None:
    given = block()
    model = build(dropout=0.5, num_layers=2)
    plain = build(dropout=0.0, num_layers=2)
    model.eval()
    torch.testing.assert_close(model(given.inputs)[0], plain(given.inputs)[0])
    model.train()
    torch.manual_seed(1)
    first = model(given.inputs)[0]
    assert not torch.equal(first, model(given.inputs)[0])
    torch.manual_seed(1)
    assert torch.equal(first, model(given.inputs)[0])


@pytest.mark.parametrize(
    "options",
    [
        {"hidden_size": 0}, {"num_layers": 0}, {"embedding_size": 0}, {"input": ""},
        {"dropout": -1.0}, {"tied": True, "input": "one-hot"}, {"hidden_size": (4, 0)},
        {"embedding_dropout": 0.1, "input": "one-hot"}, {"tied": True, "connection": "dense"},
        {"hidden_size": (4, 5), "num_layers": 3}, {"cell": ("gru", "lstm", "gru"), "num_layers": 2},
        {"hidden_size": (4, 5), "num_layers": 2, "connection": "residual"},
        {"cell": "mingru", "weight_drop": 0.1}, {"cell": "indrnn", "recurrent_dropout": 0.1},
        {"cell": "slstm", "zoneout_cell": 0.1}, {"cell": "own.py:Cell"},
    ],
    ids=str,
)  # fmt: skip
def test_options_that_make_no_model_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        build(**options)


RICH = {
    "cell": ("gru", "lstm_projected", "mingru"), "hidden_size": (4, 6, 3), "num_layers": 3,
    "connection": "dense", "layer_norm": True, "dropout": 0.3, "locked_dropout": True,
    "embedding_dropout": 0.2,
}  # fmt: skip


@pytest.mark.parametrize(
    "options",
    [
        {}, {"cell": "lstm", "weight_drop": 0.3, "recurrent_dropout": 0.2, "tied": True}, RICH,
        {"cell": "slstm", "num_layers": 2, "connection": "highway"},
    ],
    ids=str,
)  # fmt: skip
def test_the_square_root_of_memory_gives_the_same_numbers(options: dict[str, Any]) -> None:
    """Loss, objective, last state and all gradients, with resets and masks, in pieces of 3 steps."""
    given = block()
    found = []
    for memory in ("full", "sqrt"):
        model = build(**options)
        torch.manual_seed(5)
        loss = model.loss(given, activation=0.3, temporal_activation=0.7, bptt_memory=memory)
        loss.objective.backward()  # type: ignore[no-untyped-call]
        gradients = [p.grad for p in model.parameters()]
        found.append([loss.nats, loss.objective, *(f for s in loss.state for f in s), *gradients])
    for full, pieces in zip(*found, strict=True):
        torch.testing.assert_close(full, pieces, rtol=1e-11, atol=1e-13)


def test_the_square_root_of_memory_repeats_what_it_draws() -> None:
    """Dropout and zoneout of every step: the second computation is the first one."""
    model, given = build(num_layers=2, dropout=0.4, zoneout=0.3), block()

    def objective() -> Tensor:
        torch.manual_seed(6)
        return model.loss(given, bptt_memory="sqrt").objective

    objective().backward()  # type: ignore[no-untyped-call]
    assert_slopes(model, objective)


def test_activation_regularisation_is_what_it_says() -> None:
    """α · mean(y²) and β · mean((y_t - y_{t-1})²), from the outputs of the layers themselves."""
    model, given = build(num_layers=2), block(resets=False)
    assert model.embedding is not None
    y, _ = model.recurrent(model.embedding(given.inputs))
    loss = model.loss(given, activation=0.3, temporal_activation=0.7)
    changes = y[:, 1:] - y[:, :-1]
    wanted = loss.nats + 0.3 * (y**2).mean() + 0.7 * (changes**2).mean()
    assert loss.objective.item() == pytest.approx(wanted.item(), rel=1e-12)
    plain = model.loss(given)
    assert plain.objective.item() == plain.nats.item()


def test_activation_regularisation_sees_what_was_dropped() -> None:
    model, given = build(dropout=0.5), block(resets=False)
    torch.manual_seed(7)
    whole = model.loss(given, activation=1.0)
    penalty = (whole.objective - whole.nats).item()
    model.eval()
    plain = model.loss(given, activation=1.0)
    # Inverted dropout at one half: what is left is squared at twice its size.
    assert penalty != pytest.approx((plain.objective - plain.nats).item(), rel=1e-3)


def test_embedding_dropout_drops_whole_tokens_of_a_block() -> None:
    torch.manual_seed(8)
    model = LanguageModel(
        ModelConfig(
            cell="gru", hidden_size=4, num_layers=1, input="embedding", embedding_size=3,
            dropout=0.0, embedding_dropout=0.5,
        ),
        200,
    )  # fmt: skip
    seen: list[Tensor] = []
    model.recurrent.register_forward_pre_hook(
        lambda _, inputs: seen.append(materialised(inputs[0]))
    )
    ids = torch.arange(200).repeat(2, 2)
    model(ids)
    assert model.embedding is not None
    lost = (seen[0] == 0).all(-1)
    assert torch.equal(lost[0], lost[1])
    assert torch.equal(lost[0, :200], lost[0, 200:])
    assert 60 < int(lost[0, :200].sum()) < 140
    kept = ~lost[0, :200]
    torch.testing.assert_close(seen[0][0, :200][kept], 2 * model.embedding.weight[kept])
    model.eval()
    model(ids)
    assert torch.equal(seen[1], model.embedding(ids))


def test_the_output_is_dropped_alike_at_every_step_when_locked() -> None:
    model, given = build(dropout=0.5, locked_dropout=True, hidden_size=50), block()
    seen: list[Tensor] = []
    model.output.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    torch.manual_seed(9)
    model(given.inputs)
    dropped = seen[0] == 0  # (T, N, H)
    assert torch.equal(dropped.all(0), dropped.any(0))
    assert not torch.equal(dropped[0, 0], dropped[0, 1])


def test_a_token_as_a_number_is_its_place_and_is_not_learned() -> None:
    """1, 2, 3 … have an order that letters have not: one-hot learns in the same steps, numbers do not."""
    losses = {}
    for way in ("one-hot", "number"):
        torch.manual_seed(1)
        config = ModelConfig(
            cell="elman", hidden_size=3, num_layers=1, embedding_size=7, input=way, dropout=0.0
        )
        model = LanguageModel(config, 8)
        ids = torch.tensor([[1, 0, 2, 2, 3, 7, 5, 6] * 4])
        block = Block(ids[:, :-1], ids[:, 1:], None)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
        for _ in range(150):
            optimizer.zero_grad()
            loss = model.loss(block)
            loss.objective.backward()
            optimizer.step()
        losses[way] = loss.nats.item()
    assert model.embedding is not None
    assert model.embedding.weight.flatten().tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert model.recurrent.input_size == 1
    assert losses["number"] > 3 * losses["one-hot"]
    for setting in ({"tied": True}, {"embedding_dropout": 0.1}):
        with pytest.raises(ConfigError, match="needs an embedding"):
            LanguageModel(replace(config, **setting), 8)
