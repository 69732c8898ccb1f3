"""Every `Look` sees the same values, each as much of them as it promises, and steps their gradient."""

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from sunhwan.cells import CELLS
from sunhwan.layers import Look, Recurrent, Traced
from tests.layers.helpers import (
    NAMES,
    assert_close,
    assert_identical,
    combination,
    flat,
    network,
    random_input,
    some_state,
)

N, T, H = 3, 5, 4
LENGTHS = [3, 1, 5]
every_cell = pytest.mark.parametrize("name", NAMES)


def resets() -> Tensor:
    where = torch.zeros(N, T, dtype=torch.bool)
    where[0, 2] = where[2, 0] = where[2, 4] = True
    return where


GIVEN: list[dict[str, Any]] = [
    {},
    {"lengths": LENGTHS},
    {"resets": resets()},
    {"lengths": LENGTHS, "resets": resets()},
]
NETWORKS: list[dict[str, Any]] = [
    {},
    {"num_layers": 2, "bidirectional": True, "connection": "dense"},
    {"zoneout": 0.3, "num_layers": 2},
]


CALLS = [(NETWORKS[0], given) for given in GIVEN] + [
    (options, GIVEN[-1]) for options in NETWORKS[1:]
]
"""The plain layer called in every way, the others in the one with most to it."""
each_call = pytest.mark.parametrize(
    ("options", "given"), CALLS, ids=lambda value: "+".join(value) or "plain"
)


def looks(net: Recurrent, given: dict[str, Any]) -> dict[Look, Traced]:
    """The same call by every look, with the same random numbers."""
    return {look: seeded(net, functools.partial(net.trace, look=look, **given)) for look in Look}


def seeded(net: Recurrent, run: Callable[..., Any]) -> Any:
    """The same input, state and random numbers for whoever runs."""
    torch.manual_seed(5)
    states = some_state(net, N)
    torch.manual_seed(5)
    return run(random_input(N, T), states)


@each_call
@every_cell
def test_all_looks_agree(name: str, given: dict[str, Any], options: dict[str, Any]) -> None:
    net = network(name, H, **options)
    found = looks(net, given)
    wanted = seeded(net, functools.partial(net, **given))
    gates = found[Look.GATES].layers
    for look, traced in found.items():
        assert_close(flat(traced[:2]), flat(wanted))
        for layer, values, all_values in zip(net.stack, traced.layers, gates, strict=True):
            fields = layer.cell.state_type._fields
            assert set(values) >= set(fields)
            if look is not Look.GATES:
                assert set(values) == set(fields)
            for key in values:
                assert_close(values[key], all_values[key])


@pytest.mark.parametrize("look", list(Look))
@every_cell
def test_a_look_in_float32_is_near(name: str, look: Look) -> None:
    net = network(name, H, 2, dtype=torch.float32)
    x = random_input(N, T, dtype=torch.float32)
    assert_close(flat(net.trace(x, look=look)[:2]), flat(net(x)), 1e-5)


@each_call
@pytest.mark.parametrize("name", ["lstm", "gru", "mingru", "slstm", "lstm_projected"])
def test_steps_are_the_states_in_the_order_of_reading(
    name: str, given: dict[str, Any], options: dict[str, Any]
) -> None:
    net = network(name, H, **options)
    traced = looks(net, given)[Look.STEPS]
    lengths = given.get("lengths", [T] * N)
    assert len(traced.steps) == len(net.stack)
    for place, (steps, values) in enumerate(zip(traced.steps, traced.layers, strict=True)):
        assert len(steps) == T
        behind = net.bidirectional and place % 2
        for n, length in enumerate(lengths):
            for t in range(length):
                step = steps[length - 1 - t if behind else t]
                for key, field in zip(step._fields, step, strict=True):  # type: ignore[attr-defined]
                    assert_identical(field[n], values[key][n, t])


@pytest.mark.parametrize("look", [Look.STATES, Look.GATES])
def test_only_steps_have_steps(look: Look) -> None:
    assert network("lstm", H, 2).trace(random_input(N, T), look=look).steps == [(), ()]


@pytest.mark.parametrize("given", GIVEN, ids=lambda g: "+".join(g) or "plain")
@every_cell
def test_the_gradient_of_a_step_is_that_of_going_on_from_it(
    name: str, given: dict[str, Any]
) -> None:
    """∂L/∂state_t is that of the initial state of a run over the steps after t."""
    net = network(name, H)
    x, states = random_input(N, T), some_state(net, N)
    lengths, where = given.get("lengths", [T] * N), given.get("resets", resets() & False)
    traced = net.trace(x, states, where, lengths, look=Look.STEPS)
    t = 1
    now = list(traced.steps[0][t])
    later = traced.output[:, t + 1 :]
    found = torch.autograd.grad(
        combination([later]), now, allow_unused=True, materialize_grads=True
    )
    begun = type(traced.steps[0][t])(*(field.detach().requires_grad_() for field in now))
    rest = [max(length - t - 1, 0) for length in lengths]
    output, _ = net(x[:, t + 1 :], [begun], where[:, t + 1 :], rest)
    assert_close(output, later)
    wanted = torch.autograd.grad(
        combination([output]), list(begun), allow_unused=True, materialize_grads=True
    )
    assert any(bool(d.any()) for d in wanted)
    assert_close(list(found), list(wanted))


def test_a_look_changes_no_random_number_and_no_state() -> None:
    net = network("lstm", H, zoneout=0.3, stateful=True, dropout=0.4, num_layers=2)
    x, random = random_input(N, T), torch.get_rng_state()
    kept = []
    for look in [None, *Look]:
        net.reset_state()
        torch.set_rng_state(random)
        output = net(x)[0] if look is None else net.trace(x, look=look).output
        kept.append((output, net.state, torch.get_rng_state()))
    for output, state, after in kept[1:]:
        assert_close(output, kept[0][0])
        assert_close(flat((output, state or [])), flat((kept[0][0], kept[0][1] or [])))
        assert torch.equal(after, kept[0][2])


def test_no_steps_and_no_rows_are_seen_as_such() -> None:
    for name in ("lstm", "mingru"):
        net = network(name, H)
        for look in Look:
            for rows, steps in ((0, 4), (2, 0)):
                traced = net.trace(random_input(rows, steps), look=look)
                assert traced.output.shape == (rows, steps, H)
                assert all(v.shape[:2] == (rows, steps) for v in traced.layers[0].values())


# What keeps.

PUSHED = {"lstm_coupled": {"f": 1}, "mingru": {"z": -1}, "minlstm": {"i": -1}, "rglru": {"r": -1}}
"""Of cells whose keeping gate is not a block of its own, or writes what it does not keep."""


def kept_open(name: str, sign: int) -> Recurrent:
    """A layer whose keeping gate is pushed to 1, or to 0, and whose input gate is shut, if it has one."""
    net = network(name, H)
    cell, b = net.stack[0].cell, net.stack[0].get_parameter("b")
    apart = name.startswith(("lstm", "slstm"))
    pushed = PUSHED.get(name, {cell.keep: 1, **({"i": -sign} if apart else {})})
    with torch.no_grad():
        for gate, direction in pushed.items():
            start = cell.gates.index(gate) * H
            b[start : start + H] = 60 * direction * sign
    return net


@pytest.mark.parametrize("name", [name for name, cell in CELLS.items() if cell.keep])
def test_a_gate_that_keeps_leaves_the_memory_as_it_was(name: str) -> None:
    keep = CELLS[name].keep
    for sign in (1, -1):
        net = kept_open(name, sign)
        x, states = random_input(N, T), some_state(network(name, H), N)
        (state,), values = states, net.trace(x, states).layers[0]
        # A hidden state that is read out of a memory changes with its output gate; the memory stays.
        fields = [f for f in state._fields if f != "h" or len(state) == 1]  # type: ignore[attr-defined]
        if sign > 0:
            assert_close(values[keep], torch.ones_like(values[keep]), 1e-9)
        elif name != "slstm":
            assert bool((values[keep] < 1 - 1e-6).all())
        for field in fields:
            before = getattr(state, field).unsqueeze(1).expand_as(values[field])
            same = torch.allclose(values[field], before, rtol=1e-9, atol=1e-9)
            assert same == (sign > 0), f"{field} at {keep} {sign:+}"


def test_cells_without_such_a_gate_say_so() -> None:
    without = {"elman", "elman_relu", "elman_sigmoid", "irnn", "indrnn", "antisymmetric"}
    assert {name for name, cell in CELLS.items() if not cell.keep} == without
