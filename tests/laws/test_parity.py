"""Published special cases: where two cells are the same equation, they give the same numbers."""

import itertools

import numpy as np
import pytest
import torch

from sunhwan.cells import CELLS, LSTM, Antisymmetric, LinearCell, ProjectedLSTM
from sunhwan.layers import Recurrent
from sunhwan.layers.regularisation import Masks
from sunhwan.ops import BACKENDS, StepMasks, recur
from sunhwan.ops.dispatch import supports
from tests.laws.independent import (
    D,
    H,
    N,
    T,
    assert_close,
    assert_same,
    everything,
    network,
    random,
    random_parameters,
    random_state,
    weighted,
)
from tests.laws.test_equations import absolute, in_numpy, slstm
from tests.tiers import and_deep

BOUND = 1e-12
LINEAR = [name for name, cell in CELLS.items() if isinstance(cell, LinearCell)]
each_pair = pytest.mark.parametrize(
    ("special", "general"),
    [*itertools.product(("reference", "unrolled"), ("reference", "fused", "unrolled"))],
)
each_loop = pytest.mark.parametrize("backend", ["reference", "unrolled"])


def run(name, parameters, backend, x, state):
    return everything(network(CELLS[name], parameters, backend), x, state)


X = random(N, T, D, seed=7)


# Cells that contain another one.


@each_pair
def test_peepholes_of_zero_make_an_lstm(special, general):
    p, state = random_parameters(CELLS["lstm"]), random_state(CELLS["lstm"])
    got = run("lstm_peephole", p | {"p": torch.zeros(3 * H).double()}, special, X, state)
    assert_close(got, run("lstm", p, general, X, state), BOUND, but=["d p"])


@each_pair
def test_a_projection_by_the_identity_makes_an_lstm(special, general):
    p, state = random_parameters(CELLS["lstm"]), random_state(CELLS["lstm"])
    cell, W_m = ProjectedLSTM(projection_size=H), torch.eye(H).double()
    got = everything(network(cell, p | {"W_m": W_m}, special), X, state)
    assert_close(got, run("lstm", p, general, X, state), BOUND, but=["d W_m"])


@each_pair
def test_a_factor_of_one_makes_an_lstm_of_the_multiplicative_one(special, general):
    p, state = random_parameters(CELLS["lstm"]), random_state(CELLS["lstm"])
    one = torch.ones(H).double()
    wide = {
        "W_x": torch.cat((p["W_x"], torch.zeros(D, H)), 1),
        "b": torch.cat((p["b"], one)),
        "W_h": torch.diag(one),
        "W_m": p["W_h"],
    }
    got = run("lstm_multiplicative", wide, special, X, state)
    # The factor's weights have no counterpart; those of the product have the LSTM's place.
    got["d W_x"], got["d b"] = got["d W_x"][:, : 4 * H], got["d b"][: 4 * H]
    got["d W_h"] = got.pop("d W_m")
    assert_close(got, run("lstm", p, general, X, state), BOUND)


@each_pair
def test_opposite_gates_make_an_lstm_a_coupled_one(special, general):
    p, state = random_parameters(CELLS["lstm_coupled"]), random_state(CELLS["lstm"])
    # σ(−s) = 1 − σ(s): the input gate is the negative of the forget gate, which comes first.
    wide = {name: torch.cat((-value[..., :H], value), -1) for name, value in p.items()}
    wanted = run("lstm", wide, general, X, state)
    for name in ("d W_x", "d W_h", "d b"):
        i, f, rest = wanted[name].tensor_split((H, 2 * H), -1)
        wanted[name] = torch.cat((f - i, rest), -1)
    assert_close(run("lstm_coupled", p, special, X, state), wanted, BOUND)


@each_pair
def test_the_two_gru_agree_where_units_do_not_meet(special, general):
    """(r ⊙ h) W = r ⊙ (h W) for a diagonal W, and for no other one."""
    cell = CELLS["gru_reset_before"]
    p, state = random_parameters(cell), random_state(cell)

    def after(p):
        b_h = torch.zeros(3 * H).double()
        wide = {"W_x": p["W_x"], "W_h": torch.cat((p["W_h"], p["W_m"]), 1), "b": p["b"], "b_h": b_h}
        found = run("gru", wide, general, X, state)
        of_gates = found.pop("d b_h")[: 2 * H]
        torch.testing.assert_close(of_gates, found["d b"][: 2 * H], rtol=0, atol=BOUND)
        found["d W_h"], W_m = found["d W_h"].split((2 * H, H), 1)
        return found | {"d W_m": W_m.diag()}

    def before(p):
        found = run("gru_reset_before", p, special, X, state)
        return found | {"d W_m": found["d W_m"].diag()}

    diagonal = p | {"W_m": torch.diag(p["W_m"].diag())}
    assert_close(before(diagonal), after(diagonal), BOUND)
    assert float((before(p)["output"] - after(p)["output"]).abs().max()) > 1e-3


@pytest.mark.parametrize("backend", ["reference", "unrolled", "fused"])
def test_an_irnn_is_a_rectified_elman_network(backend):
    p, state = random_parameters(CELLS["irnn"]), random_state(CELLS["irnn"])
    got, wanted = (run(name, p, backend, X, state) for name in ("irnn", "elman_relu"))
    assert_same(got, wanted)


def test_an_antisymmetric_matrix_turns_and_does_not_stretch():
    p = random_parameters(CELLS["antisymmetric"], hidden_size=12)
    for gamma in (0.0, 0.3):
        W = Antisymmetric(gamma=gamma).effective(p)["W_h"]
        values = torch.linalg.eigvals(W)
        assert float((values.real + gamma).abs().max()) < BOUND
        assert float(values.imag.abs().max()) > 0.1


# What is switched off.


@pytest.mark.parametrize("name", CELLS)
def test_rates_of_zero_change_nothing(name):
    cell = CELLS[name]
    p, state = random_parameters(cell), random_state(cell)
    rates = ("zoneout", "zoneout_cell", "weight_drop", "recurrent_dropout", "dropout")
    got = everything(network(cell, p, **dict.fromkeys(rates, 0.0)).train(), X, state)
    assert_same(got, everything(network(cell, p), X, state))


@pytest.mark.parametrize(
    ("name", "backend"),
    [(n, b) for n, c in CELLS.items() for b in BACKENDS if b != "fused" and supports(b, c)],
)
def test_noise_that_is_none_changes_nothing(name, backend):
    """Nothing held, nothing dropped: by the code of noise, yet the same: without a drop, to the bit.

    With one, a product and the sum after it are two roundings, where a library may know one.
    """
    cell = CELLS[name]
    p, state = random_parameters(cell), random_state(cell)
    hold = tuple(torch.zeros(T, *field.shape).double() for field in state)
    ones = torch.ones_like(state[0])

    def results(step_masks):
        leaves = [v.clone().requires_grad_() for v in (X.transpose(0, 1), *p.values(), *state)]
        parameters = dict(zip(p, leaves[1:], strict=False))
        start = type(state)(*leaves[1 + len(p) :])
        found = recur(cell, leaves[0], parameters, start, step_masks=step_masks, backend=backend)
        values = [found.output, *found.last]
        gradients = torch.autograd.grad(weighted(values), leaves, allow_unused=True)
        found = enumerate([*values, *gradients])
        return {str(i): v.detach() for i, v in found if v is not None}

    plain = results(StepMasks())
    assert_same(results(StepMasks(hold=hold)), plain)
    assert_close(results(StepMasks(drop=ones)), plain, 1e-14)
    layer = network(cell, p, backend)
    masks = Masks(h=ones)
    if "W_h" in p:
        masks = masks._replace(W_h=torch.ones_like(layer.layers[0].W_h.T))
    found = everything(layer, X, state, masks=[masks])
    assert_close(found, everything(layer, X, state), 1e-14)


# Linear recurrences: a scan is the loop.


def scaled_to(cell, p, x, reach):
    """x such that the largest sum before a gate is `reach`, from both sides as good as reached."""
    found = (x.reshape(-1, x.shape[-1]) @ p["W_x"]).abs().max()
    return x * (reach / found)


REACHES, LENGTHS = (None, 50.0, 1000.0), (1, 2, 17, 256, 4096)


@pytest.mark.parametrize(
    ("name", "steps", "reach"),
    and_deep(
        [
            (name, steps, REACHES[(i + k) % 3])
            for i, name in enumerate(LINEAR)
            for k, steps in enumerate(LENGTHS)
        ],
        itertools.product(LINEAR, LENGTHS, REACHES),
    ),
)
def test_a_scan_is_the_loop(name, steps, reach):
    cell = CELLS[name]
    p, state = random_parameters(cell), random_state(cell)
    x = random(N, steps, D, seed=8)
    if reach is not None:
        x = scaled_to(cell, p, x, reach)
    loops = ["reference"] if steps == 4096 else ["reference", "unrolled"]
    got = run(name, p, "scan", x, state)
    for backend in loops:
        assert_close(got, run(name, p, backend, x, state), 1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("backend", ["scan", "reference", "unrolled"])
@pytest.mark.parametrize("name", LINEAR)
def test_gates_at_the_end_of_their_range(name, backend, dtype):
    """Every gate shut or open as far as numbers go, together with every other one."""
    cell = CELLS[name]
    p = {key: value.to(dtype) for key, value in random_parameters(cell).items()}
    state = type(random_state(cell))(*(field.to(dtype) for field in random_state(cell)))
    for reach in (50.0, 200.0, 1000.0):
        for signs in itertools.product((-reach, reach), repeat=len(cell.gates)):
            p["b"] = torch.tensor(signs, dtype=dtype).repeat_interleave(H)
            if "decay" in p:
                p["decay"] = torch.tensor([-reach, -1.0, 0.0, 1.0, reach], dtype=dtype)
            found = run(name, p, backend, X.to(dtype), state)
            for key, value in found.items():
                assert bool(value.isfinite().all()), f"{key} is not finite at {signs}"


# The sLSTM: a stabiliser that does not show.


@each_loop
@pytest.mark.parametrize("shift", [-30.0, 0.5, 30.0])
def test_the_stabiliser_cancels_out(backend, shift):
    cell = CELLS["slstm"]
    p, state = random_parameters(cell), random_state(cell)
    scale = np.exp(-shift)
    moved = state._replace(c=state.c * scale, n=state.n * scale, m=state.m + shift)

    def seen(start):
        output, (last,) = network(cell, p, backend)(X, [start])
        return [output.detach().numpy(), *absolute(type(last)(*(f.detach() for f in last)))]

    for got, wanted in zip(seen(moved), seen(state), strict=True):
        assert np.abs((got - wanted) / (1 + np.abs(wanted))).max() <= BOUND


@each_loop
def test_huge_exponents_are_those_of_the_naive_formula(backend):
    """In float64 e^200 is a number, so the formula without stabiliser can be the judge."""
    cell = CELLS["slstm"]
    p, state = random_parameters(cell), random_state(cell)
    x = scaled_to(cell, p, X, 200.0)
    output, _ = network(cell, p, backend)(x, [state])
    fields, arrays = absolute(state), in_numpy(p)
    for t in range(T):
        fields = slstm(arrays, x[:, t].numpy(), *fields)
        assert np.abs(output[:, t].detach().numpy() - fields[0]).max() <= 1e-10


@each_loop
@pytest.mark.parametrize("start", ["zero", "random"])
def test_huge_exponents_stay_finite_in_float32(backend, start):
    cell = CELLS["slstm"]
    p = {name: value.float() for name, value in random_parameters(cell).items()}
    state = cell.zero_state(N, H) if start == "zero" else random_state(cell)
    state = type(state)(*(field.float() for field in state))
    for sign in (-1, 1):
        x = scaled_to(cell, p, sign * random(N, 40, D, seed=9).float(), 200.0)
        for name, value in run("slstm", p, backend, x, state).items():
            assert bool(value.isfinite().all()), f"{name} is not finite"
    for signs in itertools.product((-200.0, 200.0), repeat=4):
        p["b"] = torch.tensor(signs).repeat_interleave(H)
        for name, value in run("slstm", p, backend, X.float(), state).items():
            assert bool(value.isfinite().all()), f"{name} is not finite at {signs}"


EXTREMES = (1e4, 1e38, torch.inf, torch.nan)


@pytest.mark.parametrize(
    ("name", "extreme"),
    and_deep(
        [(n, EXTREMES[k]) for i, n in enumerate(CELLS) for k in (i % 2, 2 + i // 2 % 2)],
        itertools.product(CELLS, EXTREMES),
    ),
)
def test_a_row_of_extremes_leaves_the_others_alone(name, extreme):
    """Not a bit of another row's outputs, states or gradients depends on it."""
    cell = CELLS[name]
    p = {key: value.float() for key, value in random_parameters(cell).items()}
    state = type(random_state(cell))(*(field.float() for field in random_state(cell)))
    calm = X.float()
    wild = calm.clone()
    wild[1, 2:] = extreme
    backends = [b for b in (None, *BACKENDS) if b is None or supports(b, cell)]
    others = [0, 2, 3]
    for backend in backends:
        found = []
        for x in (calm, wild):
            by_row = ("output", "last", "d x", *(f"d {field}" for field in state._fields))
            of_run = run(name, p, backend, x, state)
            found.append({k: v[others] for k, v in of_run.items() if k.startswith(by_row)})
        assert_same(found[1], found[0])


# Normalised cells: neither the mean nor the size of the products matters.


@pytest.mark.parametrize("name", ["lstm_layer_norm", "gru_layer_norm"])
def test_layer_norm_takes_out_shift_and_scale(name):
    cell = CELLS[name]
    p, state = random_parameters(cell), random_state(cell)
    # So large that the ε beside the variance does not show.
    p["W_h"], p["W_x"] = 1e4 * p["W_h"], 1e4 * p["W_x"]
    wanted = cell.step(X[:, 0], state, p)
    for key in ("W_h", "W_x"):
        got = cell.step(X[:, 0], state, p | {key: 7 * p[key] + 1e4})
        assert_close(got._asdict(), wanted._asdict(), 1e-10)
    if name == "gru_layer_norm":
        # Gates and candidate have each a mean and a size of their own.
        W_h = torch.cat((3 * p["W_h"][:, : 2 * H], 0.5 * p["W_h"][:, 2 * H :] - 2e4), 1)
        got = cell.step(X[:, 0], state, p | {"W_h": W_h})
        assert_close(got._asdict(), wanted._asdict(), 1e-10)


# Connections around a layer.


def stack(connection, name="lstm"):
    """A stack of two, always the same; its first layer has as many inputs as units."""
    torch.manual_seed(10)
    layers = Recurrent(name, H, H, 2, connection=connection).double()
    own = random_parameters(CELLS[name], input_size=H)
    with torch.no_grad():
        for layer in layers.layers:
            for key, value in layer.parameters_of_cell.items():
                value[: len(own[key])].copy_(own[key])
    return layers


Y = random(N, T, H, seed=11)


def outputs(layers):
    """Of the first layer alone, and of both."""
    first = layers.layers[0]
    alone = network(first.cell, {k: v.detach() for k, v in first.parameters_of_cell.items()})
    return alone(Y)[0], layers(Y)[0]


def test_residual_adds_what_the_layer_read():
    (below, got), (_, plain) = outputs(stack("residual")), outputs(stack("none"))
    torch.testing.assert_close(got - below, plain, rtol=0, atol=BOUND)


@pytest.mark.parametrize(("bias", "opened"), [(-1e9, False), (1e9, True)])
def test_a_highway_is_a_way_through_or_around(bias, opened):
    layers = stack("highway")
    torch.nn.init.constant_(layers.connections[1].gate.bias, bias)
    below, got = outputs(layers)
    assert torch.equal(got, outputs(stack("none"))[1] if opened else below)
    got.square().sum().backward()
    read = layers.layers[1].get_parameter("W_x_T").grad
    assert bool(read.isfinite().all())
    assert bool(read.any()) == opened


def test_dense_keeps_everything_below():
    layers = stack("dense")
    with torch.no_grad():  # the second layer reads (x, y_1): let it read y_1 alone
        W_x = layers.layers[1].W_x
        W_x.copy_(torch.cat((torch.zeros_like(W_x[H:]), W_x[:H])))
    (below, got), (_, plain) = outputs(layers), outputs(stack("none"))
    assert got.shape == (N, T, 3 * H)
    assert torch.equal(got[..., :H], Y)
    torch.testing.assert_close(got[..., H:], torch.cat((below, plain), -1), rtol=0, atol=BOUND)


def test_the_first_layer_has_nothing_to_go_around():
    for connection in ("none", "residual", "highway"):
        torch.manual_seed(12)
        layers = Recurrent(LSTM(), D, H, connection=connection).double()
        torch.manual_seed(12)
        assert torch.equal(layers(X)[0], Recurrent(LSTM(), D, H).double()(X)[0])
