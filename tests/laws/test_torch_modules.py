"""Weights to and from torch.nn: the same outputs, last states and gradients."""

import itertools
from typing import NamedTuple

import pytest
import torch
from torch import nn

from sunhwan.cells import CELLS, GRU, LSTM, Elman, ProjectedLSTM
from sunhwan.errors import ConfigError
from sunhwan.layers import Recurrent
from tests.laws.independent import D, H, N, T, assert_close, random, weighted

BOUND = 1e-10
P = 3
CELL_OF = {
    "tanh": Elman("tanh"),
    "relu": Elman("relu"),
    "gru": GRU(),
    "lstm": LSTM(),
    "lstm_projected": ProjectedLSTM(P),
}


class Kind(NamedTuple):
    """What torch.nn calls the same network."""

    name: str
    layers: int = 1
    bidirectional: bool = False
    bias: bool = True

    def module(self, seed: int = 51, **options) -> nn.RNNBase:
        torch.manual_seed(seed)
        build = {"gru": nn.GRU}.get(self.name, nn.LSTM if "lstm" in self.name else nn.RNN)
        if build is nn.RNN:
            options["nonlinearity"] = self.name
        if self.name == "lstm_projected":
            options["proj_size"] = P
        return build(
            D,
            H,
            self.layers,
            bias=self.bias,
            bidirectional=self.bidirectional,
            **{"batch_first": True, "dtype": torch.float64} | options,
        )

    def build(self) -> Recurrent:
        """Ours, and no parameter is at zero."""
        torch.manual_seed(52)
        options = {"bidirectional": self.bidirectional, "bias": self.bias}
        layers = Recurrent(CELL_OF[self.name], D, H, self.layers, **options).double()
        with torch.no_grad():
            for p in layers.parameters():
                p += 0.3 * torch.randn_like(p)
        return layers

    def state(self) -> list:
        """One a layer, the directions of a layer side by side."""
        cell, count = CELL_OF[self.name], self.layers * (1 + self.bidirectional)
        sizes = cell.state_sizes(H)
        return [
            cell.state_type(*(random(N, size, seed=10 * i + k) for k, size in enumerate(sizes)))
            for i in range(count)
        ]


KINDS = [Kind(*row) for row in itertools.product(CELL_OF, (1, 2, 3), (False, True), (True, False))]
each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(map(str, kind)))
each_name = pytest.mark.parametrize("name", CELL_OF)
X = random(N, T, D, seed=53)


def for_torch(state):
    """PyTorch's (layers · directions, N, size), a pair for an LSTM."""
    fields = tuple(torch.stack(field) for field in zip(*state, strict=True))
    return fields if len(fields) > 1 else fields[0]


def as_torch_names(layers: Recurrent, gradients: dict) -> dict:
    """Gradients of our parameters under PyTorch's names."""
    found = {}
    ways = ("", "_reverse")[: layers.directions]
    for i, (depth, way) in enumerate(
        itertools.product(range(len(layers.layers) // len(ways)), ways)
    ):
        own = {k: g for n, g in gradients.items() for p, k in [n.rsplit(".", 1)] if p[7:] == str(i)}
        names = {"W_x_T": "weight_ih", "W_h_T": "weight_hh", "W_m_T": "weight_hr"}
        found |= {f"{names[k]}_l{depth}{way}": g for k, g in own.items() if k in names}
        if "b" in own:
            # Where the two biases are added at once, they have one gradient.
            found[f"bias_ih_l{depth}{way}"] = own["b"]
            found[f"bias_hh_l{depth}{way}"] = own.get("b_h", own["b"])
    return found


def assert_same_network(kind: Kind, module: nn.RNNBase, layers: Recurrent, state=None) -> None:
    x = X.clone().requires_grad_()
    leaves = [type(s)(*(f.clone().requires_grad_() for f in s)) for s in state or ()]
    given = [x, *(field for s in leaves for field in s)]

    def run(network, start):
        output, last = network(x, start)
        if network is layers:
            last = for_torch(last)
        last = last if isinstance(last, tuple) else (last,)
        parameters = dict(network.named_parameters())
        values = [*given, *parameters.values()]
        gradients = torch.autograd.grad(weighted([output, *last]), values)
        of_weights = dict(zip(parameters, gradients[len(given) :], strict=True))
        if network is layers:
            of_weights = as_torch_names(layers, of_weights)
        seen = [output.detach(), *(f.detach() for f in last), *gradients[: len(given)]]
        return {str(i): value for i, value in enumerate(seen)} | of_weights

    wanted = run(module, for_torch(leaves) if state else None)
    assert_close(run(layers, leaves or None), wanted, BOUND)


def from_torch(kind: Kind) -> None:
    module = kind.module()
    layers = Recurrent.from_torch(module)
    assert layers.layers[0].cell == CELL_OF[kind.name]
    assert_same_network(kind, module, layers)
    assert_same_network(kind, module, layers, kind.state())


def to_torch(kind: Kind) -> None:
    layers = kind.build()
    module = layers.to_torch()
    assert type(module) is type(kind.module())
    options = ("input_size", "hidden_size", "num_layers", "bias", "bidirectional", "proj_size")
    assert all(getattr(module, o) == getattr(kind.module(), o) for o in options)
    assert_same_network(kind, module, layers)
    assert_same_network(kind, module, layers, kind.state())


@each_kind
def test_from_torch(kind):
    from_torch(kind)


@each_kind
def test_from_weights_alone(kind):
    """The kind of the network is read off their shapes."""
    module = kind.module()
    if getattr(module, "nonlinearity", "") == "relu":
        return  # which no weight tells
    layers = Recurrent.from_torch(module.state_dict())
    assert layers.layers[0].cell == CELL_OF[kind.name]
    assert_same_network(kind, module, layers)


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"fc.weight": torch.zeros(2, 3)}, "not the weights of a torch.nn.RNN, GRU or LSTM"),
        ({"weight_ih_l0": torch.zeros(6, 3), "weight_hh_l0": torch.zeros(4, 2)}, "not the weights"),
        ({**torch.nn.GRU(3, 2).state_dict(), "fc": torch.zeros(2)}, "have fc, which this network has not"),
    ],
)  # fmt: skip
def test_other_weights_are_refused(weights, said):
    with pytest.raises(ConfigError, match=said):
        Recurrent.from_torch(weights)


@each_kind
def test_to_torch(kind):
    to_torch(kind)


@each_kind
def test_there_and_back(kind):
    layers = kind.build()
    back = Recurrent.from_torch(layers.to_torch())
    assert back.state_dict().keys() == layers.state_dict().keys()
    for name, value in layers.state_dict().items():
        assert torch.equal(back.state_dict()[name], value), name


@pytest.mark.parametrize("backend", ["reference", "unrolled", "fused"])
@pytest.mark.parametrize("name", ["tanh", "relu", "gru", "lstm"])
def test_every_backend_runs_what_came_from_torch(name, backend):
    kind = Kind(name, 2, True)
    module = kind.module()
    layers = Recurrent.from_torch(module)
    for layer in layers.layers:
        layer.backend = backend
    assert_same_network(kind, module, layers, kind.state())


# Rows of different lengths.


@pytest.mark.parametrize("lengths", [(6, 1, 3, 5), (2, 2, 2, 2)])
@pytest.mark.parametrize("bidirectional", [False, True])
@each_name
def test_ragged_rows_are_those_of_a_packed_sequence(name, bidirectional, lengths):
    kind = Kind(name, 2, bidirectional)
    module, state = kind.module(), kind.state()
    layers = Recurrent.from_torch(module)
    x = X.clone().requires_grad_()

    def results(output, last):
        last = last if isinstance(last, tuple) else (last,)
        (d_x,) = torch.autograd.grad(weighted([output, *last]), x)
        return {str(i): value.detach() for i, value in enumerate((output, *last, d_x))}

    packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    output, last = module(packed, for_torch(state))
    output, _ = nn.utils.rnn.pad_packed_sequence(output, batch_first=True, total_length=T)
    wanted = results(output, last)
    output, last = layers(x, state, lengths=lengths)
    assert_close(results(output, for_torch(last)), wanted, BOUND)


# What goes along, and what does not.


@each_name
def test_the_copies_are_copies(name):
    module = Kind(name).module()
    layers = Recurrent.from_torch(module)
    before = layers.layers[0].W_h.clone()
    with torch.no_grad():
        module.weight_hh_l0.zero_()
    assert torch.equal(layers.layers[0].W_h, before)
    there = layers.to_torch()
    with torch.no_grad():
        there.weight_hh_l0.zero_()
    assert torch.equal(layers.layers[0].W_h, before)


@pytest.mark.parametrize("batch_first", [True, False])
def test_options_travel(batch_first):
    module = nn.LSTM(D, H, 2, dropout=0.25, batch_first=batch_first)
    layers = Recurrent.from_torch(module)
    assert layers.dropout.p == 0.25
    assert all(p.dtype == torch.float32 and p.requires_grad for p in layers.parameters())
    back = layers.to_torch()
    assert (back.dropout, back.batch_first) == (0.25, True)
    # One layer has no place for dropout: PyTorch would warn, and warnings are errors here.
    assert Recurrent("gru", D, H, dropout=0.25).to_torch().dropout == 0.0


@pytest.mark.parametrize("training", [True, False])
def test_training_and_evaluation_travel(training):
    module = nn.GRU(D, H, 2, dropout=0.25).train(training)
    layers = Recurrent.from_torch(module)
    assert layers.training == training
    assert layers.to_torch().training == training


def test_an_irnn_becomes_a_rectified_module():
    torch.manual_seed(54)
    layers = Recurrent("irnn", D, H, 2).double()
    module = layers.to_torch()
    assert module.nonlinearity == "relu"
    assert_same_network(Kind("relu", 2), module, layers)
    assert Recurrent.from_torch(module).layers[0].cell == Elman("relu")


WITH_MODULE = ("elman", "elman_relu", "irnn", "gru", "lstm", "lstm_projected")
WITHOUT_MODULE = [name for name in CELLS if name not in WITH_MODULE]
RATES = ("weight_drop", "recurrent_dropout", "zoneout", "zoneout_cell")


@pytest.mark.parametrize(
    ("network", "message"),
    [
        *((Recurrent(n, D, H), f"no module for {type(CELLS[n]).__name__}") for n in WITHOUT_MODULE),
        (Recurrent(["lstm", "gru"], D, H), "no module for LSTM, GRU"),
        (Recurrent("lstm", D, [H, H + 1]), r"no module for LSTM of sizes \[5, 6\]"),
        *(
            (Recurrent("lstm", H, H, 2, connection=connection), "no connections or norms")
            for connection in ("residual", "highway", "dense")
        ),
        (Recurrent("lstm", D, H, 2, layer_norm=True), "no connections or norms"),
        (Recurrent("lstm", D, H, bidirectional=True, merge="sum"), "cannot add them"),
        *(
            (Recurrent("lstm", D, H, **{rate: 0.5}), "no regularisation but dropout")
            for rate in RATES
        ),
        (Recurrent("lstm", D, H, 2, dropout=0.5, locked_dropout=True), "no regularisation but"),
        (Recurrent(ProjectedLSTM(H), D, H), "projection"),
        (Recurrent("lstm_projected", D, 1), "projection"),
    ],
)
def test_what_torch_does_not_have_is_refused(network, message):
    with pytest.raises(ConfigError, match=message) as caught:
        network.to_torch()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("module", [nn.Linear(D, H), nn.LSTMCell(D, H), nn.GRUCell(D, H)])
def test_only_recurrent_modules_are_read(module):
    with pytest.raises(ConfigError, match=f"{type(module).__name__} cannot be read"):
        Recurrent.from_torch(module)
