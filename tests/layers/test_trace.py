"""What `trace` shows is what `forward` computes, and obeys the equations of the cells."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from sunhwan.cells import CELLS, GRU, LSTM, Cell, HiddenState, State
from sunhwan.layers import Recurrent
from tests.layers.helpers import (
    NAMES,
    D,
    assert_close,
    assert_identical,
    flat,
    gradients,
    network,
    random_input,
    some_state,
)

N, T, H = 3, 5, 4
LENGTHS = [3, 0, 5]
PADDING = torch.arange(T) >= torch.tensor(LENGTHS).unsqueeze(1)

every_cell = pytest.mark.parametrize("name", CELLS)
every_shape = pytest.mark.parametrize("name", NAMES)
Values = dict[str, Tensor]


def fields(net: Recurrent, layer: int, traced: Values) -> State:
    """The states over time, (N, T, …), as the cell's NamedTuple."""
    kind = net.stack[layer].cell.state_type
    state: State = kind(*(traced[name] for name in kind._fields))
    return state


# The same computation.


@pytest.mark.parametrize(
    ("backend", "options"),
    [
        ("reference", {}),
        ("unrolled", {"num_layers": 2, "connection": "residual", "layer_norm": True}),
        ("reference", {"num_layers": 2, "bidirectional": True, "connection": "dense"}),
    ],
)
@every_shape
def test_trace_is_forward(name: str, backend: str, options: dict[str, Any]) -> None:
    net = network(name, H, backend=backend, **options)
    x, states = random_input(N, T), some_state(net, N)
    resets = torch.zeros(N, T, dtype=torch.bool)
    resets[2, 3] = True
    for arguments in ({}, {"state": states}, {"resets": resets}, {"lengths": LENGTHS}):
        traced = net.trace(x, **arguments)
        assert_identical(flat(traced[:2]), flat(net(x, **arguments)))
        assert len(traced.layers) == len(net.stack)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@every_cell
def test_trace_on_the_backend_of_choice(name: str, dtype: torch.dtype) -> None:
    net = network(name, H, 2, dtype=dtype)
    x = random_input(N, T, dtype=dtype)
    assert_close(flat(net.trace(x)[:2]), flat(net(x)), 1e-12 if dtype == torch.float64 else 1e-6)


def test_trace_with_masks_and_noise() -> None:
    net = network(
        "lstm", H, 2, weight_drop=0.3, recurrent_dropout=0.3, zoneout=0.3, zoneout_cell=0.2,
        dropout=0.4, locked_dropout=True, backend="reference",
    )  # fmt: skip
    x = random_input(N, T)
    masks = net.draw_masks(N)
    torch.manual_seed(1)
    found = net(x, masks=masks)
    torch.manual_seed(1)
    traced = net.trace(x, masks=masks)
    assert_identical(flat(traced[:2]), flat(found))
    assert_identical(traced.layers[1]["h"], found[0])
    held = traced.layers[0]["h"][:, 1:] == traced.layers[0]["h"][:, :-1]
    assert held.any()


def test_trace_keeps_the_state_of_a_stateful_network() -> None:
    net = network("gru", H, stateful=True)
    x = random_input(N, T)
    whole = net(x)[0]
    net.reset_state()
    parts = [net.trace(x[:, :2]).output, net.trace(x[:, 2:]).output]
    assert_close(torch.cat(parts, 1), whole)


# States.


@every_shape
def test_states_over_time_are_those_after_every_prefix(name: str) -> None:
    net = network(name, H, 2, learned_initial_state=True)
    x = random_input(N, T)
    traced = net.trace(x)
    for t in range(T):
        _, last = net(x[:, : t + 1])
        for i, state in enumerate(last):
            seen = [field[:, t] for field in fields(net, i, traced.layers[i])]
            assert_close(seen, list(state))
    assert_identical(traced.layers[-1]["h"], traced.output)


@pytest.mark.parametrize("name", ["lstm", "mingru", "slstm", "lstm_projected"])
def test_states_with_resets_are_those_after_every_prefix(name: str) -> None:
    net = network(name, H, learned_initial_state=True)
    x, states = random_input(N, T), some_state(net, N)
    resets = torch.zeros(N, T, dtype=torch.bool)
    resets[0, 2] = resets[1, 0] = resets[2, 4] = resets[2, 2] = True
    traced = net.trace(x, states, resets)
    assert {v.shape[:2] for v in traced.layers[0].values()} == {(N, T)}
    for t in range(T):
        _, (last,) = net(x[:, : t + 1], states, resets[:, : t + 1])
        seen = [field[:, t] for field in fields(net, 0, traced.layers[0])]
        assert_close(seen, list(last))


@every_shape
def test_states_carry_their_gradient(name: str) -> None:
    net = network(name, H)
    x = random_input(N, T).requires_grad_()
    sources = [x, *net.parameters()]
    seen = fields(net, 0, net.trace(x).layers[0])
    _, (last,) = net(x[:, :3])
    found = gradients([field[:, 2] for field in seen], sources)
    assert_close(found, gradients(list(last), sources))
    assert not found[0][:, 3:].any()
    assert found[0][:, :3].any()


@every_cell
def test_bidirectional_states_are_in_the_order_of_time(name: str) -> None:
    net = network(name, H, bidirectional=True)
    x, states = random_input(N, T), some_state(net, N)
    traced = net.trace(x, states)
    ahead, behind = traced.layers
    size = net.stack[0].output_size
    assert_identical(traced.output, torch.cat((ahead["h"], behind["h"]), -1))
    # The backward direction's values at step t are those of the same network on x from t on.
    for t in range(T):
        later = net.trace(x[:, t:], states).layers[1]
        assert_close(
            {k: v[:, 0] for k, v in later.items()}, {k: v[:, t] for k, v in behind.items()}
        )
    assert behind["h"].shape == (N, T, size)


@pytest.mark.parametrize("bidirectional", [False, True])
@every_cell
def test_ragged_rows_are_traced_as_alone(name: str, bidirectional: bool) -> None:
    net = network(name, H, 2, bidirectional=bidirectional)
    x, states = random_input(N, T), some_state(net, N)
    poisoned = torch.where(PADDING.unsqueeze(-1), torch.nan, x)
    traced = net.trace(poisoned, states, lengths=LENGTHS)
    for n, length in enumerate(LENGTHS):
        given = [type(s)(*(f[n : n + 1] for f in s)) for s in states]
        alone = net.trace(x[n : n + 1, :length], given)
        for seen, own in zip(traced.layers, alone.layers, strict=True):
            for key, value in own.items():
                assert_close(seen[key][n : n + 1, :length], value)
    for i, seen in enumerate(traced.layers):
        assert all(torch.isfinite(v).all() for v in seen.values())
        if bidirectional:
            continue
        # In the padding the state is the last one.
        for field, last in zip(fields(net, i, seen), traced.state[i], strict=True):
            for n, length in enumerate(LENGTHS):
                assert_identical(field[n, length:], last[n].expand(T - length, -1))


# Gates.


def lstm(v: Values, before: Values, layer: Any) -> dict[str, Tensor]:
    return {"c": v["f"] * before["c"] + v["i"] * v["g"], "h": v["o"] * v["c"].tanh()}


def coupled(v: Values, before: Values, layer: Any) -> dict[str, Tensor]:
    c = v["f"] * before["c"] + (1 - v["f"]) * v["g"]
    return {"c": c, "h": v["o"] * v["c"].tanh()}


def layer_norm(v: Values, before: Values, layer: Any) -> dict[str, Tensor]:
    c, p = v["c"], layer.parameters_of_cell
    spread = (c.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    inside = p["alpha_c"] * (c - c.mean(-1, keepdim=True)) / spread + p["beta_c"]
    return lstm(v, before, layer) | {"h": v["o"] * inside.tanh()}


def projected(v: Values, before: Values, layer: Any) -> dict[str, Tensor]:
    made = lstm(v, before, layer)
    return {"c": made["c"], "m": made["h"], "h": v["m"] @ layer.parameters_of_cell["W_m"]}


def gru(v: Values, before: Values, layer: Any) -> dict[str, Tensor]:
    return {"h": (1 - v["z"]) * v["n"] + v["z"] * before["h"]}


def slstm(v: Values, before: Values, layer: Any) -> dict[str, Tensor]:
    c, n = v["f"] * before["c"] + v["i"] * v["z"], v["f"] * before["n"] + v["i"]
    return {"c": c, "n": n, "h": v["o"] * v["c"] / v["n"]}


def min_gru(v: Values, before: Values, layer: Any) -> dict[str, Tensor]:
    return {"f": 1 - v["z"], "h": (1 - v["z"]) * before["h"] + v["z"] * v["n"]}


def min_lstm(v: Values, before: Values, layer: Any) -> dict[str, Tensor]:
    share = v["f"] / (v["f"] + v["i"])
    return {"f'": share, "h": share * before["h"] + (1 - share) * v["n"]}


def rglru(v: Values, before: Values, layer: Any) -> dict[str, Tensor]:
    decay = torch.sigmoid(layer.parameters_of_cell["decay"])
    root = (1 - v["f"].square()).sqrt()
    return {"f": decay ** (8 * v["r"]), "h": v["f"] * before["h"] + root * v["i"] * v["n"]}


def antisymmetric(v: Values, before: Values, layer: Any) -> dict[str, Tensor]:
    return {"h": before["h"] + 0.1 * v["n"]}


def nothing(v: Values, before: Values, layer: Any) -> dict[str, Tensor]:
    return {}


EQUATIONS: dict[str, tuple[str, str, Callable[[Values, Values, Any], dict[str, Tensor]]]] = {
    "elman": ("", "", nothing),
    "elman_relu": ("", "", nothing),
    "elman_sigmoid": ("", "", nothing),
    "irnn": ("", "", nothing),
    "indrnn": ("", "", nothing),
    "antisymmetric": ("", "n", antisymmetric),
    "ugrnn": ("z", "n", gru),
    "gru": ("rz", "n", gru),
    "gru_reset_before": ("rz", "n", gru),
    "gru_layer_norm": ("rz", "n", gru),
    "lstm": ("ifo", "g", lstm),
    "lstm_peephole": ("ifo", "g", lstm),
    "lstm_coupled": ("fo", "g", coupled),
    "lstm_layer_norm": ("ifo", "g", layer_norm),
    "lstm_multiplicative": ("ifo", "gm", lstm),
    "lstm_projected": ("ifo", "gm", projected),
    "slstm": ("o", "ifz", slstm),
    "mingru": ("zf", "n", min_gru),
    "minlstm": ("fi", "n", min_lstm),
    "rglru": ("fri", "n", rglru),
}
"""Names of values in (0, 1), of others, and what the equations say some of them are."""


def check_equation(name: str, net: Recurrent, layer: int, v: Values, before: Values) -> None:
    sigmoids, others, equation = EQUATIONS[name]
    own = net.stack[layer]
    known = {*sigmoids, *others, *own.cell.state_type._fields}
    assert set(v) - {"f'"} == known
    for gate in sigmoids:
        assert v[gate].shape[-1] == H
        assert (v[gate] > 0).all()
        assert (v[gate] < 1).all()
    assert_close(equation(v, before, own), {k: v[k] for k in equation(v, before, own)})


def shifted(first: State, v: Values) -> Values:
    """The state before every step."""
    return {
        name: torch.cat((value.unsqueeze(1), v[name][:, :-1]), 1)
        for name, value in first._asdict().items()  # type: ignore[attr-defined]
    }


@pytest.mark.parametrize("backend", [None, "reference", "unrolled"])
@every_cell
def test_gates_obey_the_equation(name: str, backend: str | None) -> None:
    net = network(name, H, 2, backend=backend)
    x, states = random_input(N, T), some_state(net, N)
    for i, (v, first) in enumerate(zip(net.trace(x, states).layers, states, strict=True)):
        check_equation(name, net, i, v, shifted(first, v))


@pytest.mark.parametrize("name", ["mingru", "minlstm", "rglru"])
def test_gates_are_those_before_zoneout(name: str) -> None:
    net, x = network(name, H, zoneout=0.4), random_input(N, T)
    shown, wanted = (n.trace(x).layers[0] for n in (net, network(name, H)))
    assert not torch.allclose(shown.pop("h"), wanted.pop("h"))
    assert_identical(shown, wanted)


@every_cell
def test_gates_of_the_backward_direction_obey_the_equation(name: str) -> None:
    net = network(name, H, bidirectional=True)
    x, states = random_input(N, T), some_state(net, N)
    v = net.trace(x, states).layers[1]
    turned = {key: value.flip(1) for key, value in v.items()}
    check_equation(name, net, 1, turned, shifted(states[1], turned))


def test_gates_of_a_gru_are_those_of_its_parameters() -> None:
    net = network("gru", H)
    x = random_input(N, 1)
    (h,) = some_state(net, N)[0]
    v = net.trace(x, [HiddenState(h)]).layers[0]
    p = net.stack[0].parameters_of_cell
    a, u = x[:, 0] @ p["W_x"] + p["b"], h @ p["W_h"] + p["b_h"]
    r = torch.sigmoid(a[:, :H] + u[:, :H])
    assert_close(v["r"][:, 0], r)
    assert_close(v["z"][:, 0], torch.sigmoid(a[:, H : 2 * H] + u[:, H : 2 * H]))
    assert_close(v["n"][:, 0], torch.tanh(a[:, 2 * H :] + r * u[:, 2 * H :]))


def test_gates_have_no_gradient_on_the_reference_backend() -> None:
    v = network("lstm", H, backend="reference").trace(random_input(N, T)).layers[0]
    assert v["h"].requires_grad
    assert not any(v[gate].requires_grad for gate in "ifgo")


class OwnGate(Cell):
    """A cell of the user's, without a backward step, which names its values itself."""

    gates = ("z", "n")
    state_type = HiddenState

    def pointwise(self, a: Tensor, u: Tensor, state: State, *extra: Tensor) -> tuple[State, State]:
        s_z, n = (a + u).chunk(2, -1)
        z = torch.sigmoid(s_z)
        return HiddenState(z * state[0] + (1 - z) * n), (z, n)

    def gate_values(self, saved: State) -> dict[str, Tensor]:
        z, n = saved
        return {"z": z, "n": n}


@pytest.mark.parametrize("backend", [None, "reference", "unrolled"])
def test_a_cell_of_ones_own(backend: str | None) -> None:
    net = network(OwnGate(), H, backend=backend)
    x = random_input(N, T)
    v = net.trace(x).layers[0]
    assert set(v) == {"h", "z", "n"}
    assert_close(v["h"], gru(v, shifted(net.initial_state(N)[0], v), None)["h"])


@pytest.mark.parametrize("cell", [GRU(), LSTM()])
def test_nothing_to_trace(cell: Cell) -> None:
    net = Recurrent(cell, D, H, bidirectional=True)
    for rows, steps in ((0, T), (N, 0)):
        traced = net.trace(random_input(rows, steps, dtype=torch.float32))
        assert traced.output.shape == (rows, steps, 2 * H)
        assert [v["h"].shape for v in traced.layers] == [(rows, steps, H)] * 2
