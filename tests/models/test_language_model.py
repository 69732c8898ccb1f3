"""The language model: its loss, its gradients and its options, each by a second computation."""

import math
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
from sunhwan.layers.recurrent import detach
from sunhwan.models import LanguageModel

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


OPTIONS = [
    {"cell": cell, **more}
    for cell in CELLS
    for more in ({}, {"input": "one-hot", "num_layers": 2}, {"tied": True, "bias": False})
]


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
    loss, _ = model.loss(given)
    assert loss.item() == pytest.approx(total / (N * T), rel=1e-12)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_gradients_are_the_slopes(options: dict[str, Any]) -> None:
    model, given = build(**options), block()
    state = [
        type(layer)(*(torch.randn_like(field) for field in layer))
        for layer in detach(model.initial_state(N))
    ]
    loss, _ = model.loss(given, state)
    loss.backward()  # type: ignore[no-untyped-call]
    draw = torch.Generator().manual_seed(3)
    for name, parameter in model.named_parameters():
        direction = torch.randn(parameter.shape, generator=draw, dtype=torch.float64)
        slope = 0.0
        with torch.no_grad():
            for sign in (1, -1):
                parameter += sign * 1e-6 * direction
                slope += sign * float(model.loss(given, state)[0]) / 2e-6
                parameter -= sign * 1e-6 * direction
        assert parameter.grad is not None, name
        wanted = float((parameter.grad * direction).sum())
        assert slope == pytest.approx(wanted, rel=1e-6, abs=1e-8), name


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
        loss, state = model.loss(given, None if state is None else detach(state))
        loss.backward()  # type: ignore[no-untyped-call]
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
        _, state = model.loss(first)
        loss, _ = model.loss(second, detach(state) if cut else state)
        gradients.append(torch.autograd.grad(loss, model.recurrent.stack[0].W_h_T)[0])
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
        {"dropout": -1.0}, {"tied": True, "input": "one-hot"},
    ],
    ids=str,
)  # fmt: skip
def test_options_that_make_no_model_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        build(**options)
