"""Every cell computes its equation, written out here gate by gate in NumPy."""

import numpy as np
import pytest

from tests.cases import CELLS, Case, fresh_parameters

BOUND = 1e-12


def sigmoid(s):
    return 1 / (1 + np.exp(-s))


def elman(a, u, h):
    return (np.tanh(a["h"] + u["h"]),)


def elman_relu(a, u, h):
    return (np.maximum(a["h"] + u["h"], 0),)


def gru(a, u, h):
    r, z = sigmoid(a["r"] + u["r"]), sigmoid(a["z"] + u["z"])
    n = np.tanh(a["n"] + r * u["n"])
    return ((1 - z) * n + z * h,)


def lstm(a, u, h, c):
    i, f, o = (sigmoid(a[gate] + u[gate]) for gate in "ifo")
    c = f * c + i * np.tanh(a["g"] + u["g"])
    return o * np.tanh(c), c


def ugrnn(a, u, h):
    z = sigmoid(a["z"] + u["z"])
    return ((1 - z) * np.tanh(a["n"] + u["n"]) + z * h,)


EQUATIONS = {"elman": elman, "elman_relu": elman_relu, "gru": gru, "lstm": lstm, "ugrnn": ugrnn}


def equation(case: Case) -> None:
    """`step` with the blocks of W_x, W_h, b and b_h in the order that `gates` tells."""
    cell, parameters = case.cell, fresh_parameters(case)
    x, (state,) = case.inputs(steps=1)
    W_x, W_h, b, b_h = (None if p is None else p.numpy() for p in parameters)
    h, *rest = (field.numpy() for field in state)
    a, u = x[:, 0].numpy() @ W_x, h @ W_h
    a, u = a if b is None else a + b, u if b_h is None else u + b_h
    gates = len(cell.gates)
    blocks = [
        dict(zip(cell.gates, np.split(product, gates, axis=-1), strict=True)) for product in (a, u)
    ]
    wanted = EQUATIONS[case.name](*blocks, h, *rest)
    got = cell.step(x[:, 0], state, parameters)
    for field, value, reference in zip(state._fields, got, wanted, strict=True):
        off = np.abs(value.numpy() - reference).max()
        assert off <= BOUND, f"{field} is off by {off:.3g}"


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "nobias"])
@pytest.mark.parametrize("name", CELLS)
def test_step_is_the_equation(name, bias):
    equation(Case(name, bias=bias))
