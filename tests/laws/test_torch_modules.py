"""Weights to and from torch.nn: the same outputs, states and input gradients."""

import pytest
import torch
from torch import nn

from sunhwan.cells import GRU, LSTM, Elman
from sunhwan.layers import Recurrent
from tests.cases import Case, D, H, assert_equal, leaves

BOUND = 1e-12
MODULES = {"elman": nn.RNN, "elman_relu": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}

EXCHANGES = [Case(name, bias, False, n) for name in MODULES for bias in (1, 0) for n in (1, 2)]
each_exchange = pytest.mark.parametrize("case", EXCHANGES, ids=str)


def torch_module(case: Case, *, batch_first: bool = True) -> nn.RNNBase:
    torch.manual_seed(51)
    relu = {"nonlinearity": "relu"} if case.name == "elman_relu" else {}
    return MODULES[case.name](
        D,
        H,
        case.layers,
        bias=bool(case.bias),
        batch_first=batch_first,
        dtype=torch.float64,
        **relu,
    )


def stacked(state):
    """A state a layer → PyTorch's (L, N, H), in a tuple for the LSTM."""
    fields = [torch.stack(field) for field in zip(*state, strict=True)]
    return tuple(fields) if len(fields) > 1 else fields[0]


def assert_same_network(case: Case, module: nn.RNNBase, layer: Recurrent) -> None:
    x, state = case.inputs()
    _, x, state = leaves(layer, x, state)
    inputs = [x, *(field for s in state for field in s)]

    def everything(output, last):
        last = last if isinstance(last, tuple) else (last,)
        loss = (output * output).sum() + sum((field**3).sum() for field in last)
        values = [output, *last, *torch.autograd.grad(loss, inputs)]
        return {str(i): value.detach() for i, value in enumerate(values)}

    output, last = layer(x, state)
    wanted = everything(*module(x, stacked(state)))
    assert_equal(everything(output, stacked(last)), wanted, BOUND)
    torch.testing.assert_close(layer(x)[0], module(x)[0], rtol=0, atol=BOUND)


def from_torch(case: Case) -> None:
    module = torch_module(case)
    layer = Recurrent.from_torch(module)
    assert type(layer.cell) is {nn.RNN: Elman, nn.GRU: GRU, nn.LSTM: LSTM}[type(module)]
    assert_same_network(case, module, layer)


def to_torch(case: Case) -> None:
    layer = case.build()
    module = layer.to_torch()
    assert type(module) is MODULES[case.name]
    assert (module.bias, module.num_layers) == (bool(case.bias), case.layers)
    assert_same_network(case, module, layer)


@each_exchange
def test_from_torch(case):
    from_torch(case)


@each_exchange
def test_to_torch(case):
    to_torch(case)


@each_exchange
def test_there_and_back(case):
    x, state = case.inputs()
    layer = case.build()
    back = Recurrent.from_torch(layer.to_torch())
    for one in back.layers:
        one.backend = "reference"
    assert torch.equal(back(x, state)[0], layer(x, state)[0])
    assert back.state_dict().keys() == layer.state_dict().keys()
    module = torch_module(case)
    again = Recurrent.from_torch(module).to_torch()
    torch.testing.assert_close(again(x)[0], module(x)[0], rtol=0, atol=BOUND)


@pytest.mark.parametrize("name", MODULES)
def test_the_copies_are_copies(name):
    module = torch_module(Case(name))
    layer = Recurrent.from_torch(module)
    before = layer.layers[0].W_h.clone()
    with torch.no_grad():
        module.weight_hh_l0.zero_()
    assert torch.equal(layer.layers[0].W_h, before)


@pytest.mark.parametrize("batch_first", [True, False])
def test_options_travel(batch_first):
    module = nn.LSTM(D, H, 2, dropout=0.25, batch_first=batch_first)
    layer = Recurrent.from_torch(module)
    assert layer.dropout.p == 0.25
    assert all(p.dtype == torch.float32 and p.requires_grad for p in layer.parameters())
    back = layer.to_torch()
    assert (back.dropout, back.batch_first) == (0.25, True)
    # One layer has no place for dropout: PyTorch would warn, and warnings are errors here.
    assert Recurrent("gru", D, H, dropout=0.25).to_torch().dropout == 0.0
