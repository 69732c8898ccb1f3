"""A stack equals its layers, put together by hand."""

from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sunhwan.cells import GRU, LSTM, State
from sunhwan.errors import ConfigError
from sunhwan.layers import CONNECTIONS, MERGES, Recurrent
from sunhwan.ops import native
from tests.layers.helpers import (
    D,
    assert_close,
    assert_identical,
    assert_same_function,
    flat,
    network,
    random_input,
    some_state,
    unroll,
)

N, T = 2, 5
MIXED = [
    (["gru", "mingru", "lstm_projected"], [5, 7, 6]),
    (["lstm", "elman", "gru_reset_before", "slstm"], 4),
    ([LSTM(forget_bias=2.0), "rglru"], [6, 2]),
    ("gru", [2, 5, 3]),
    (["gru_layer_norm"], [3, 4]),
]


def one_after_the_other(
    net: Recurrent, x: Tensor, states: list[State]
) -> tuple[Tensor, list[State]]:
    last = []
    for layer, state in zip(net.stack, states, strict=True):
        x, end = unroll(layer, x, state)
        last.append(end)
    return x, last


@pytest.mark.parametrize(("cells", "sizes"), MIXED)
def test_mixed_stack_is_its_layers_one_after_the_other(cells: Any, sizes: Any) -> None:
    net = network(cells, sizes)
    x = random_input(N, T).requires_grad_()
    states = some_state(net, N)
    fields = [f.requires_grad_() for state in states for f in state]
    sources = [x, *fields, *net.parameters()]
    assert_same_function(net(x, states), one_after_the_other(net, x, states), sources)


@pytest.mark.parametrize(("cells", "sizes"), MIXED)
def test_learned_initial_states_of_a_mixed_stack(cells: Any, sizes: Any) -> None:
    net = network(cells, sizes, learned_initial_state=True)
    x = random_input(N, T)
    wanted = one_after_the_other(net, x, net.initial_state(N))
    assert_same_function(net(x), wanted, list(net.parameters()))


def test_each_layer_is_what_was_asked_for() -> None:
    net = Recurrent(["gru", GRU(), "lstm"], D, [2, 5, 3])
    assert [type(layer.cell) for layer in net.stack] == [GRU, GRU, LSTM]
    assert [layer.input_size for layer in net.stack] == [D, 2, 5]
    assert [layer.hidden_size for layer in net.stack] == [2, 5, 3]
    for one in (Recurrent("gru", D, [4], 3), Recurrent(["gru"], D, 4, 3)):
        assert [(type(layer.cell), layer.hidden_size) for layer in one.stack] == [(GRU, 4)] * 3
    assert len(Recurrent("gru", D, 4).stack) == 1


@pytest.mark.parametrize(
    ("cells", "sizes", "layers", "numbers"),
    [
        (["gru", "lstm"], [4, 5, 6], None, ("cell", "2", "3")),
        (["gru", "lstm", "elman"], [4, 5], None, ("hidden_size", "2", "3")),
        (["gru", "lstm"], 4, 3, ("cell", "2", "3")),
        ("gru", [4, 5, 6], 2, ("hidden_size", "3", "2")),
        ("gru", 4, 0, ("num_layers 0",)),
        ("gru", [4, 0], None, ("[4, 0]",)),
        ("gru", -1, 1, ("hidden_size -1",)),
        ("gru", [], None, ("[]",)),
        ([], 4, None, ("1",)),
    ],
)
def test_counts_that_do_not_fit(
    cells: Any, sizes: Any, layers: int | None, numbers: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigError) as caught:
        Recurrent(cells, D, sizes, layers)
    for number in numbers:
        assert number in str(caught.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"connection": "dens"}, ("dens", *CONNECTIONS)),
        ({"merge": "mean"}, ("mean", *MERGES)),
        ({"backend": "fastest"}, ("fastest", "reference")),
        ({"stateful": True, "bidirectional": True}, ("stateful", "bidirectional")),
    ],
)
def test_options_that_do_not_exist(options: dict[str, Any], words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as caught:
        Recurrent("gru", D, 4, **options)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("connection", CONNECTIONS)
@pytest.mark.parametrize(("bidirectional", "merge"), [(False, "concat"), *product([True], MERGES)])
@pytest.mark.parametrize("layer_norm", [False, True])
def test_output_size(connection: str, bidirectional: bool, merge: str, layer_norm: bool) -> None:
    cells, size, widths = ["gru", "lstm_projected", "mingru"], [4, 8, 4], [4, 4, 4]
    net = network(
        cells, size, bidirectional=bidirectional, merge=merge, connection=connection,
        layer_norm=layer_norm,
    )  # fmt: skip
    times = 2 if bidirectional and merge == "concat" else 1
    own = [times * width for width in widths]
    assert net.output_size == (D + sum(own) if connection == "dense" else own[-1])
    output, state = net(random_input(N, T))
    assert output.shape == (N, T, net.output_size)
    directions = 2 if bidirectional else 1
    assert len(state) == 3 * directions
    hidden = [w for w in widths for _ in range(directions)]
    assert [s.h.shape for s in state] == [(N, w) for w in hidden]
    below = [D, D + own[0], D + own[0] + own[1]] if connection == "dense" else [D, *own[:2]]
    assert [layer.input_size for layer in net.stack] == [
        b for b in below for _ in range(directions)
    ]


def everything(**options: Any) -> Recurrent:
    return network(
        ["gru", "lstm_projected", "lstm_layer_norm"], [4, 8, 4], bidirectional=True,
        connection="highway", layer_norm=True, learned_initial_state=True, **options,
    )  # fmt: skip


def test_state_dict_round_trip(tmp_path: Path) -> None:
    net, other = everything(seed=0), everything(seed=7)
    x = random_input(N, T)
    with torch.no_grad():
        assert not torch.allclose(net(x)[0], other(x)[0])
        save_file(net.state_dict(), tmp_path / "net.safetensors")
        other.load_state_dict(load_file(tmp_path / "net.safetensors"))
        assert_identical(flat(other(x)), flat(net(x)))


def test_a_stack_has_no_parameter_without_an_effect() -> None:
    net = everything()
    x = random_input(N, T)
    with torch.no_grad():
        before = net(x)[0]
        for name, p in net.named_parameters():
            kept = p.clone()
            p += torch.randn_like(p)
            assert not torch.allclose(net(x)[0], before), name
            p.copy_(kept)


def shapes(net: Recurrent) -> dict[str, tuple[int, ...]]:
    return {name: tuple(p.shape) for name, p in net.state_dict().items()}


def test_parameter_names_of_a_plain_stack() -> None:
    # Models stored before there was anything else have these, and must go on loading.
    assert shapes(Recurrent("lstm", 3, 5, 2, dropout=0.5)) == {
        "layers.0.W_x_T": (20, 3), "layers.0.W_h_T": (20, 5), "layers.0.b": (20,),
        "layers.1.W_x_T": (20, 5), "layers.1.W_h_T": (20, 5), "layers.1.b": (20,),
    }  # fmt: skip
    assert shapes(Recurrent("gru", 3, 5, learned_initial_state=True)) == {
        "layers.0.W_x_T": (15, 3), "layers.0.W_h_T": (15, 5), "layers.0.b": (15,),
        "layers.0.b_h": (15,), "layers.0.h_0": (5,),
    }  # fmt: skip
    assert shapes(Recurrent("elman", 3, 5, bias=False)) == {
        "layers.0.W_x_T": (5, 3), "layers.0.W_h_T": (5, 5)
    }  # fmt: skip


def test_parameter_names_of_what_is_around_the_layers() -> None:
    plain = shapes(Recurrent("gru", 4, 4, 3))
    assert shapes(Recurrent("gru", 4, 4, 3, connection="residual")) == plain
    extra = shapes(Recurrent("gru", 4, 4, 3, connection="highway", layer_norm=True))
    assert {name: size for name, size in extra.items() if name not in plain} == {
        "norms.1.weight": (4,), "norms.1.bias": (4,),
        "norms.2.weight": (4,), "norms.2.bias": (4,),
        "connections.1.gate.weight": (4, 4), "connections.1.gate.bias": (4,),
        "connections.2.gate.weight": (4, 4), "connections.2.gate.bias": (4,),
    }  # fmt: skip


def norm(net: Recurrent, level: int, x: Tensor) -> Tensor:
    found = net.norms[level]
    if isinstance(found, nn.Identity):
        return x
    centred = x - x.mean(-1, keepdim=True)
    scaled = centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    return scaled * found.weight + found.bias


def connected(net: Recurrent, connection: str, x: Tensor) -> tuple[Tensor, list[State]]:
    """Three layers, written out."""
    first, second, third = net.stack
    y1, end1 = unroll(first, x)
    below = torch.cat((x, y1), -1) if connection == "dense" else y1
    y2, end2 = unroll(second, norm(net, 1, below))
    above = around(net, connection, 1, below, y2)
    y3, end3 = unroll(third, norm(net, 2, above))
    return around(net, connection, 2, above, y3), [end1, end2, end3]


def around(net: Recurrent, connection: str, level: int, x: Tensor, y: Tensor) -> Tensor:
    if connection == "none":
        return y
    if connection == "residual":
        return x + y
    if connection == "dense":
        return torch.cat((x, y), -1)
    weight, bias = (net.get_parameter(f"connections.{level}.gate.{n}") for n in ("weight", "bias"))
    g = torch.sigmoid(x @ weight.T + bias)
    return g * y + (1 - g) * x


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("connection", CONNECTIONS)
def test_connections_are_their_formulas(connection: str, layer_norm: bool) -> None:
    # The input is as wide as a layer: a connection around the first layer would be possible.
    net = network(
        ["gru", "lstm_projected", "elman"], [4, 8, 4], input_size=4, connection=connection,
        layer_norm=layer_norm,
    )  # fmt: skip
    x = random_input(N, T, 4).requires_grad_()
    assert_same_function(net(x), connected(net, connection, x), [x, *net.parameters()])


def test_layer_norm_sits_between_layers_only() -> None:
    net = Recurrent("gru", D, 4, 3, layer_norm=True)
    assert [type(n) for n in net.norms] == [nn.Identity, nn.LayerNorm, nn.LayerNorm]
    assert not list(Recurrent("gru", D, 4, 1, layer_norm=True).norms.parameters())
    # What lies between two layers has one scale, whatever that of the first layer's output.
    linear = network(["elman_relu", "gru"], 4, layer_norm=True, bias=False)
    x = random_input(N, T)
    with torch.no_grad():
        assert not torch.allclose(linear(x)[0], linear(x / 2)[0])
        once, tenfold = linear(1e3 * x), linear(1e4 * x)
        assert_close(tenfold[0], once[0], 1e-6)
        assert_close(tenfold[1][0].h, 10 * once[1][0].h, 1e-9)


def test_highway_gate_chooses_between_input_and_layer() -> None:
    net = network("gru", 4, 2, connection="highway")
    plain = network("gru", 4, 2)
    plain.load_state_dict({k: v for k, v in net.state_dict().items() if "gate" not in k})
    x = random_input(N, T)
    with torch.no_grad():
        for bias, wanted in ((-1e3, unroll(plain.stack[0], x)[0]), (1e3, plain(x)[0])):
            net.get_parameter("connections.1.gate.bias").fill_(bias)
            assert_close(net(x)[0], wanted)


def test_new_highway_lets_most_pass() -> None:
    gate = Recurrent("gru", D, 4, 2, connection="highway").get_submodule("connections.1.gate")
    assert torch.equal(gate.bias, torch.full((4,), -1.0))
    assert gate.weight.any()


@pytest.mark.parametrize("connection", ["highway", "residual"])
@pytest.mark.parametrize(
    ("cells", "sizes", "options", "numbers"),
    [
        ("gru", [4, 5], {}, ("layer 1", "reads 4", "gives 5")),
        ("gru", [6, 6, 5], {}, ("layer 2", "reads 6", "gives 5")),
        (["lstm", "lstm_projected"], 6, {}, ("layer 1", "reads 6", "gives 3")),
        ("gru", [4, 5], {"bidirectional": True}, ("layer 1", "reads 8", "gives 10")),
    ],
)
def test_connections_of_sizes_that_do_not_fit(
    connection: str, cells: Any, sizes: Any, options: dict[str, Any], numbers: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigError) as caught:
        Recurrent(cells, D, sizes, connection=connection, **options)
    for part in (connection, *numbers):
        assert part in str(caught.value)


@pytest.mark.parametrize("connection", ["highway", "residual"])
def test_the_first_layer_may_have_another_size_than_the_input(connection: str) -> None:
    assert Recurrent("gru", D + 4, 4, 2, connection=connection).output_size == 4


def test_explain_has_a_line_for_each_layer_and_direction(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "library", lambda: None)
    net = Recurrent(["gru", "mingru", "lstm_projected"], D, [5, 7, 6])
    first, second, third = net.explain().splitlines()
    assert first.startswith("layer 0: GRU 3 → 5, reference: ")
    assert second.startswith("layer 1: MinGRU 5 → 7, scan: ")
    assert third.startswith("layer 2: ProjectedLSTM 7 → 3, reference: ")

    both = Recurrent("lstm", D, [5, 7], bidirectional=True, connection="dense")
    starts = [
        "layer 0 forward: LSTM 3 → 5, fused: ", "layer 0 backward: LSTM 3 → 5, fused: ",
        "layer 1 forward: LSTM 13 → 7, fused: ", "layer 1 backward: LSTM 13 → 7, fused: ",
    ]  # fmt: skip
    lines = both.explain().splitlines()
    assert [line[: len(start)] for line, start in zip(lines, starts, strict=True)] == starts
    assert "reference" in Recurrent("lstm", D, 5, zoneout=0.1).explain()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("connection", CONNECTIONS)
def test_autocast_keeps_the_precision_of_the_weights(connection: str, dtype: torch.dtype) -> None:
    net = network(
        "lstm", 4, 3, connection=connection, layer_norm=True, dtype=torch.float32, zoneout=0.1
    )
    x = random_input(N, T, dtype=dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output, state = net(x, lengths=[T, 2])
    assert state[0].h.dtype == state[0].c.dtype == torch.float32
    assert torch.isfinite(output).all()


def test_no_steps_and_no_rows() -> None:
    net = everything()
    given = some_state(net, N)
    output, state = net(random_input(N, 0), given)
    assert output.shape == (N, 0, net.output_size)
    assert_identical(flat((output, state))[1:], flat((output, given))[1:])
    output, state = net(random_input(0, T))
    assert output.shape == (0, T, net.output_size)
    assert [f.shape[0] for s in state for f in s] == [0] * sum(map(len, state))
