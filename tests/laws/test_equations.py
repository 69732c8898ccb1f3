"""Every cell computes its equation, written out here from its paper, gate by gate, in NumPy.

The papers multiply matrices with columns; here x and h are rows, so W x is x W.
"""

import numpy as np
import pytest
import torch

from sunhwan.cells import CELLS, LSTM, Antisymmetric, Elman, ProjectedLSTM
from tests.laws.independent import D, H, N, random, random_parameters, random_state

BOUND = 1e-12


def sigmoid(s):
    return 1 / (1 + np.exp(-s))


def normalized(v):
    """Ba et al. 2016, with the ε of their own code."""
    return (v - v.mean(-1, keepdims=True)) / np.sqrt(v.var(-1, keepdims=True) + 1e-5)


def cut(value, gates):
    """The last axis as one block a gate."""
    return dict(zip(gates, np.split(value, len(gates), axis=-1), strict=True))


def sums(p, x, h, gates, W_h="W_h"):
    """x W^g + h U^g + b^g of every gate g."""
    W, U, b = cut(p["W_x"], gates), cut(p[W_h], gates), cut(p["b"], gates)
    return {g: x @ W[g] + h @ U[g] + b[g] for g in gates}


def elman(p, x, h):
    """Elman 1990."""
    return (np.tanh(x @ p["W_x"] + h @ p["W_h"] + p["b"]),)


def elman_relu(p, x, h):
    return (np.maximum(x @ p["W_x"] + h @ p["W_h"] + p["b"], 0),)


def elman_sigmoid(p, x, h):
    return (1 / (1 + np.exp(-(x @ p["W_x"] + h @ p["W_h"] + p["b"]))),)


def indrnn(p, x, h):
    """Li et al. 2018."""
    return (np.maximum(x @ p["W_x"] + p["w_h"] * h + p["b"], 0),)


def antisymmetric(p, x, h, epsilon=0.1, gamma=0.01):
    """Chang et al. 2019: a step of Euler's method."""
    W = p["W_h"] - p["W_h"].T - gamma * np.eye(H)
    return (h + epsilon * np.tanh(h @ W + x @ p["W_x"] + p["b"]),)


def ugrnn(p, x, h):
    """Collins et al. 2017: g keeps the past."""
    s = sums(p, x, h, "zn")
    g, c = sigmoid(s["z"]), np.tanh(s["n"])
    return (g * h + (1 - g) * c,)


def gru(p, x, h):
    """Cho et al. 2014, version 1: the reset gate acts on the product. Its bias is that of cuDNN."""
    W, U = cut(p["W_x"], "rzn"), cut(p["W_h"], "rzn")
    b, c = cut(p["b"], "rzn"), cut(p["b_h"], "rzn")
    r = sigmoid(x @ W["r"] + b["r"] + h @ U["r"] + c["r"])
    z = sigmoid(x @ W["z"] + b["z"] + h @ U["z"] + c["z"])
    n = np.tanh(x @ W["n"] + b["n"] + r * (h @ U["n"] + c["n"]))
    return (z * h + (1 - z) * n,)


def gru_reset_before(p, x, h):
    """Cho et al. 2014, equations 5 to 8: the reset gate acts on h, and z keeps the past."""
    W, U, b = cut(p["W_x"], "rzn"), cut(p["W_h"], "rz"), cut(p["b"], "rzn")
    r = sigmoid(x @ W["r"] + h @ U["r"] + b["r"])
    z = sigmoid(x @ W["z"] + h @ U["z"] + b["z"])
    n = np.tanh(x @ W["n"] + (r * h) @ p["W_m"] + b["n"])
    return (z * h + (1 - z) * n,)


def gru_layer_norm(p, x, h):
    """Ba et al. 2016, supplement, and their code: two norms for the gates, two for the candidate."""
    W, U = (np.split(p[name], [2 * H], axis=-1) for name in ("W_x", "W_h"))
    gain_x, gain_h, b = (np.split(p[name], [2 * H]) for name in ("alpha_x", "alpha_h", "b"))
    gates = gain_h[0] * normalized(h @ U[0]) + gain_x[0] * normalized(x @ W[0]) + b[0]
    r, z = np.split(sigmoid(gates), 2, axis=-1)
    of_h = gain_h[1] * normalized(h @ U[1]) + p["beta_n"]
    n = np.tanh(gain_x[1] * normalized(x @ W[1]) + b[1] + r * of_h)
    return (z * h + (1 - z) * n,)


def lstm(p, x, h, c):
    """Gers et al. 2000."""
    return lstm_of_sums(sums(p, x, h, "ifgo"), c)


def lstm_of_sums(s, c):
    i, f, g, o = sigmoid(s["i"]), sigmoid(s["f"]), np.tanh(s["g"]), sigmoid(s["o"])
    c = f * c + i * g
    return o * np.tanh(c), c


def lstm_peephole(p, x, h, c):
    """Gers et al. 2002: the output gate sees the new cell state, the others the old one."""
    s, peep = sums(p, x, h, "ifgo"), cut(p["p"], "ifo")
    i = sigmoid(s["i"] + peep["i"] * c)
    f = sigmoid(s["f"] + peep["f"] * c)
    c = f * c + i * np.tanh(s["g"])
    o = sigmoid(s["o"] + peep["o"] * c)
    return o * np.tanh(c), c


def lstm_coupled(p, x, h, c):
    """Greff et al. 2017, CIFG: one gate is 1 minus the other. Their LSTM has peepholes, ours none."""
    s = sums(p, x, h, "fgo")
    f = sigmoid(s["f"])
    c = f * c + (1 - f) * np.tanh(s["g"])
    return sigmoid(s["o"]) * np.tanh(c), c


def lstm_layer_norm(p, x, h, c):
    """Ba et al. 2016, equations 20 to 22: a norm over all gates of h, one of x, and one of c."""
    of_h = p["alpha_h"] * normalized(h @ p["W_h"])
    of_x = p["alpha_x"] * normalized(x @ p["W_x"])
    s = cut(of_h + of_x + p["b"], "ifgo")
    c = sigmoid(s["f"]) * c + sigmoid(s["i"]) * np.tanh(s["g"])
    return sigmoid(s["o"]) * np.tanh(p["alpha_c"] * normalized(c) + p["beta_c"]), c


def lstm_multiplicative(p, x, h, c):
    """Krause et al. 2016: m takes the place of h. A bias in the factor of x is ours."""
    W, b, V = cut(p["W_x"], "ifgom"), cut(p["b"], "ifgom"), cut(p["W_m"], "ifgo")
    m = (x @ W["m"] + b["m"]) * (h @ p["W_h"])
    return lstm_of_sums({g: x @ W[g] + m @ V[g] + b[g] for g in "ifgo"}, c)


def lstm_projected(p, x, h, c):
    """Sak et al. 2014: r = W m is what goes around. Their gates have peepholes, ours none."""
    m, c = lstm(p, x, h, c)
    return m @ p["W_m"], c


def slstm(p, x, h, c, n):
    """Beck et al. 2024, equations 8 to 14, with the sigmoid forget gate and without stabiliser."""
    s = sums(p, x, h, "ifzo")
    i, f = np.exp(s["i"]), sigmoid(s["f"])
    c = f * c + i * np.tanh(s["z"])
    n = f * n + i
    return sigmoid(s["o"]) * (c / n), c, n


def mingru(p, x, h):
    """Feng et al. 2024, section 3.1: z is the share of the new."""
    W, b = cut(p["W_x"], "zn"), cut(p["b"], "zn")
    z = sigmoid(x @ W["z"] + b["z"])
    return ((1 - z) * h + z * (x @ W["n"] + b["n"]),)


def minlstm(p, x, h):
    """Feng et al. 2024, section 3.2: gates that add up to 1."""
    W, b = cut(p["W_x"], "fin"), cut(p["b"], "fin")
    f, i = sigmoid(x @ W["f"] + b["f"]), sigmoid(x @ W["i"] + b["i"])
    return (f / (f + i) * h + i / (f + i) * (x @ W["n"] + b["n"]),)


def rglru(p, x, h):
    """De et al. 2024, equations 1 to 4, c = 8; the matrix before the paper's layer is part of ours."""
    W, b = cut(p["W_x"], "rin"), cut(p["b"], "rin")
    r, i = sigmoid(x @ W["r"] + b["r"]), sigmoid(x @ W["i"] + b["i"])
    a = sigmoid(p["decay"]) ** (8 * r)
    return (a * h + np.sqrt(1 - a**2) * (i * (x @ W["n"] + b["n"])),)


EQUATIONS = {
    "elman": elman,
    "elman_relu": elman_relu,
    "elman_sigmoid": elman_sigmoid,
    "irnn": elman_relu,  # Le et al. 2015: only its beginning is new
    "indrnn": indrnn,
    "antisymmetric": antisymmetric,
    "ugrnn": ugrnn,
    "gru": gru,
    "gru_reset_before": gru_reset_before,
    "gru_layer_norm": gru_layer_norm,
    "lstm": lstm,
    "lstm_peephole": lstm_peephole,
    "lstm_coupled": lstm_coupled,
    "lstm_layer_norm": lstm_layer_norm,
    "lstm_multiplicative": lstm_multiplicative,
    "lstm_projected": lstm_projected,
    "slstm": slstm,
    "mingru": mingru,
    "minlstm": minlstm,
    "rglru": rglru,
}


def absolute(state):
    """A state in NumPy; what is kept relative to a stabiliser, as the equation has it."""
    fields = {name: value.numpy() for name, value in state._asdict().items()}
    if "m" not in fields:
        return tuple(fields.values())
    scale = np.exp(fields["m"])
    return fields["h"], fields["c"] * scale, fields["n"] * scale


def in_numpy(parameters):
    """The parameters; a bias that is missing is zero."""
    zeros = {b: np.zeros(parameters[W].shape[1]) for b, W in BIASES.items() if W in parameters}
    return zeros | {name: value.numpy() for name, value in parameters.items()}


BIASES = {"b": "W_x", "b_h": "W_h"}


def assert_step(cell, wanted, parameters, state) -> None:
    """A step of the cell is `wanted(parameters, x, *state)`."""
    x = random(len(state[0]), D, seed=3)
    got = absolute(cell.step(x, state, parameters))
    expected = wanted(in_numpy(parameters), x.numpy(), *absolute(state))
    for k, (value, reference) in enumerate(zip(got, expected, strict=True)):
        off = np.abs((value - reference) / (1 + np.abs(reference))).max()
        assert off <= BOUND, f"field {k} of the state is off by {off:.3g}"


def equation(name: str, bias: bool = True) -> None:
    """The cell is its equation, from a random state and from zero."""
    cell = CELLS[name]
    parameters = random_parameters(cell, bias=bias)
    assert ("b" in parameters) == bias
    assert all(bool(p.all()) for p in parameters.values())
    for state in (random_state(cell), cell.zero_state(N, H, dtype=torch.float64)):
        assert_step(cell, EQUATIONS[name], parameters, state)


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "nobias"])
@pytest.mark.parametrize("name", CELLS)
def test_step_is_the_equation(name, bias):
    equation(name, bias)


def test_every_cell_has_an_equation():
    assert EQUATIONS.keys() == CELLS.keys()


def test_the_options_of_an_equation():
    cell = Antisymmetric(epsilon=0.7, gamma=0.4)
    parameters, state = random_parameters(cell), random_state(cell)
    assert_step(cell, lambda *v: antisymmetric(*v, epsilon=0.7, gamma=0.4), parameters, state)
    cell = ProjectedLSTM(projection_size=2)
    parameters, state = random_parameters(cell), random_state(cell)
    assert (state.h.shape, state.c.shape) == ((N, 2), (N, H))
    assert_step(cell, lstm_projected, parameters, state)
    for cell, wanted in ((Elman("relu"), elman_relu), (LSTM(forget_bias=3.0), lstm)):
        assert_step(cell, wanted, random_parameters(cell), random_state(cell))


def test_slstm_is_stabilised_as_its_paper_says():
    """Beck et al. 2024, equations 15 to 17."""
    cell = CELLS["slstm"]
    parameters, state, x = random_parameters(cell), random_state(cell), random(N, D, seed=3)
    s = sums(in_numpy(parameters), x.numpy(), state.h.numpy(), "ifzo")
    log_f, m_prev = np.log(sigmoid(s["f"])), state.m.numpy()
    m = np.maximum(log_f + m_prev, s["i"])
    i, f = np.exp(s["i"] - m), np.exp(log_f + m_prev - m)
    got = cell.step(x, state, parameters)
    for value, wanted in (
        (got.m, m),
        (got.c, f * state.c.numpy() + i * np.tanh(s["z"])),
        (got.n, f * state.n.numpy() + i),
    ):
        assert np.abs(value.numpy() - wanted).max() <= BOUND


def test_slstm_starts_unit_by_unit():
    """Where nothing was written, whatever m is, a unit is as new; the others are not touched."""
    cell = CELLS["slstm"]
    parameters, state = random_parameters(cell), random_state(cell)
    empty = random(N, H, seed=4) > 0
    n, c = state.n.masked_fill(empty, 0), state.c.masked_fill(empty, 0)
    assert_step(cell, slstm, parameters, state._replace(c=c, n=n))
    far = state._replace(c=c, n=n, m=state.m + 1e5 * empty)
    x = random(N, D, seed=3)
    got, wanted = (cell.step(x, s, parameters) for s in (far, state._replace(c=c, n=n)))
    assert all(torch.equal(a, b) for a, b in zip(got, wanted, strict=True))
