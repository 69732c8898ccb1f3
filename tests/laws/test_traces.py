"""A trace shows what a run computes, and changes nothing of it."""

import pytest
import torch

from sunhwan.cells import CELLS
from sunhwan.laws.traces import (
    trace_is_the_run,
    traced_gates_have_names,
    traced_states_are_those_of_prefixes,
    traced_states_carry_their_gradient,
)
from tests.cases import Case, H, each_backend


@each_backend
def test_a_trace_is_the_run(case):
    trace_is_the_run(case)


@each_backend
def test_traced_states_are_those_of_prefixes(case):
    traced_states_are_those_of_prefixes(case)


@each_backend
def test_traced_gates_have_names(case):
    traced_gates_have_names(case)


@each_backend
def test_traced_states_carry_their_gradient(case):
    traced_states_carry_their_gradient(case)


def gates_are_what_their_names_say(name: str) -> None:
    """Every block of W_x is shown by its name: a gate whose bias is far up is open, no other moves."""
    case = Case(name)
    layer = case.build()
    cell, b = case.cell, layer.layers[0].get_parameter("b")
    x, state = case.inputs(steps=1)
    before = layer.trace(x, state).layers[0]
    assert set(cell.gates) <= set(before)
    gates = [g for g in cell.gates if g in "rzifo" and (name != "slstm" or g == "o")]
    for gate in gates:
        start = cell.gates.index(gate) * H
        with torch.no_grad():
            kept = b.clone()
            b[start : start + H] = 50
            after = layer.trace(x, state).layers[0]
            b.copy_(kept)
        assert float(after[gate].min()) > 1 - 1e-9, f"{gate} is not open"
        for other in set(gates) - {gate}:
            assert torch.equal(after[other], before[other]) or name == "lstm_peephole", (
                f"{other} moves"
            )


@pytest.mark.parametrize("name", CELLS)
def test_gates_are_what_their_names_say(name):
    gates_are_what_their_names_say(name)


@pytest.mark.parametrize("name", ["gru", "lstm", "slstm", "minlstm"])
def test_a_bidirectional_trace_lies_in_the_order_of_time(name):
    """The backward direction's state at a row's first step is its last one."""
    case = Case(name).but(bidirectional=True)
    layer = case.build()
    x, state = case.inputs()
    lengths = (5, 3, 1)
    output, last, layers, *_ = layer.trace(x, state, None, lengths)
    assert torch.equal(layers[1]["h"][:, 0], last[1].h)
    assert torch.equal(torch.cat((layers[0]["h"], layers[1]["h"]), -1)[0], output[0])
    for row, length in enumerate(lengths):
        assert torch.equal(layers[0]["h"][row, length - 1], last[0].h[row])
