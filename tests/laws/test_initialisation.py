"""How a cell begins: what its literature says of the weights before training, and by the seed."""

import math
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import pytest
import torch

from sunhwan.cells import (
    CELLS,
    LSTM,
    CoupledLSTM,
    LayerNormLSTM,
    MultiplicativeLSTM,
    PeepholeLSTM,
    ProjectedLSTM,
)
from sunhwan.cells.initial import BY_QR
from sunhwan.cells.initial import orthogonal as orthogonal_matrix
from sunhwan.layers import Recurrent

D, H, P = 48, 96, 48
"""Inputs, units, and the units that a projection leaves: enough of them for statistics."""


def glorot(W, gates):
    """Glorot and Bengio 2010: uniform, by the sizes of one gate."""
    bound = math.sqrt(6 / (D + H))
    assert W.shape == (D, gates * H)
    for block in W.split(H, 1):
        assert 0.97 * bound < float(block.abs().max()) <= bound
        assert abs(float(block.var()) / (bound**2 / 3) - 1) < 0.1


def orthogonal(W, blocks, rows=H, columns=H):
    """Saxe et al. 2014: each gate's block keeps lengths, as far as its shape allows."""
    assert W.shape == (rows, blocks * columns)
    parts = W.split(columns, 1)
    assert len({float(block[0, 0]) for block in parts}) == blocks
    for block in parts:
        gram = block.T @ block if rows >= columns else block @ block.T
        assert float((gram - torch.eye(len(gram))).abs().max()) < 1e-5


def normal(W, columns, deviation):
    assert W.shape[1] == columns
    assert abs(float(W.std()) / deviation - 1) < 0.05
    assert abs(float((W.abs() < deviation).float().mean()) - 0.683) < 0.02
    assert abs(float(W.mean())) < 0.1 * deviation


def uniform(values, low, high):
    assert values.shape == (H,)
    edge = 0.06 * (high - low)
    assert low <= float(values.min()) < low + edge
    assert high - edge < float(values.max()) <= high
    assert abs(float(values.mean()) - (low + high) / 2) < 2 * edge


def constant(values, width, value):
    assert values.shape == (width,)
    assert bool((values == value).all())


def identity(W):
    assert torch.equal(W, torch.eye(H))


def by_gate(b, values):
    """A bias as (gate, its value), gate by gate."""
    assert b.shape == (len(values) * H,)
    for (gate, value), block in zip(values, b.split(H), strict=True):
        assert bool((block == value).all()), f"the bias of {gate}"


def bias_of(gates: str, ones: str = "") -> Callable:
    return partial(by_gate, values=[(gate, float(gate in ones)) for gate in gates])


def slstm_bias(b):
    """Official code of Beck et al. 2024, `small_init`: forget gates evenly between 3 and 6."""
    i, f, z, o = b.split(H)
    assert not torch.cat((i, z, o)).any()
    assert torch.allclose(f, 3 + 3 * torch.arange(H) / (H - 1), atol=1e-6)


def griffin_decay(decay):
    """De et al. 2024, section 2.4: σ(Λ)^8 uniform between 0.9 and 0.999."""
    uniform(torch.sigmoid(decay.double()) ** 8, 0.9 - 1e-6, 0.999 + 1e-6)


class Begin(NamedTuple):
    """For every parameter what holds of it, W_x and b of the gates aside."""

    gates: int
    b: Callable
    W_x: Callable | None = None
    own: dict[str, Callable] = {}  # noqa: RUF012


def square(blocks: int) -> dict[str, Callable]:
    return {"W_h": partial(orthogonal, blocks=blocks)}


def ones(**widths: int) -> dict[str, Callable]:
    return {name: partial(constant, width=width, value=1.0) for name, width in widths.items()}


def zeros(**widths: int) -> dict[str, Callable]:
    return {name: partial(constant, width=width, value=0.0) for name, width in widths.items()}


LSTM_BIAS = bias_of("ifgo", "f")
"""Gers et al. 2000 and Jozefowicz et al. 2015: a new LSTM does not forget."""

INITIAL = {
    "elman": Begin(1, bias_of("h"), own=square(1)),
    "elman_relu": Begin(1, bias_of("h"), own=square(1)),
    "elman_sigmoid": Begin(1, bias_of("h"), own=square(1)),
    # Le et al. 2015.
    "irnn": Begin(1, bias_of("h"), partial(normal, columns=H, deviation=0.001), {"W_h": identity}),
    # Li et al. 2018.
    "indrnn": Begin(1, bias_of("h"), own={"w_h": partial(uniform, low=0.0, high=1.0)}),
    # Chang et al. 2019.
    "antisymmetric": Begin(
        1,
        bias_of("h"),
        partial(normal, columns=H, deviation=D**-0.5),
        {"W_h": partial(normal, columns=H, deviation=H**-0.5)},
    ),
    # The gate that keeps the past begins open, as the LSTM's.
    "ugrnn": Begin(2, bias_of("zn", "z"), own=square(2)),
    "gru": Begin(3, bias_of("rzn", "z"), own=square(3) | zeros(b_h=3 * H)),
    "gru_reset_before": Begin(
        3, bias_of("rzn", "z"), own=square(2) | {"W_m": partial(orthogonal, blocks=1)}
    ),
    # Ba et al. 2016: gains 1, offsets 0.
    "gru_layer_norm": Begin(
        3, bias_of("rzn", "z"), own=square(3) | ones(alpha_x=3 * H, alpha_h=3 * H) | zeros(beta_n=H)
    ),
    "lstm": Begin(4, LSTM_BIAS, own=square(4)),
    "lstm_peephole": Begin(4, LSTM_BIAS, own=square(4) | zeros(p=3 * H)),
    "lstm_coupled": Begin(3, bias_of("fgo", "f"), own=square(3)),
    "lstm_layer_norm": Begin(
        4,
        LSTM_BIAS,
        own=square(4) | ones(alpha_x=4 * H, alpha_h=4 * H, alpha_c=H) | zeros(beta_c=H),
    ),
    "lstm_multiplicative": Begin(
        5, bias_of("ifgom", "fm"), own=square(1) | {"W_m": partial(orthogonal, blocks=4)}
    ),
    "lstm_projected": Begin(
        4,
        LSTM_BIAS,
        own={
            "W_h": partial(orthogonal, blocks=4, rows=P),
            "W_m": partial(orthogonal, blocks=1, columns=P),
        },
    ),
    "slstm": Begin(4, slstm_bias, own=square(4)),
    "mingru": Begin(2, bias_of("zn")),
    "minlstm": Begin(3, bias_of("fin")),
    "rglru": Begin(3, bias_of("rin"), own={"decay": griffin_decay}),
}


def begins_well(name: str, bias: bool = True) -> None:
    torch.manual_seed(61)
    parameters, begin = CELLS[name].initial_parameters(D, H, bias=bias), INITIAL[name]
    holds = {"W_x": begin.W_x or partial(glorot, gates=begin.gates), "b": begin.b} | begin.own
    if not bias:
        holds = {key: check for key, check in holds.items() if key not in ("b", "b_h")}
    assert parameters.keys() == holds.keys()
    for key, check in holds.items():
        assert parameters[key].dtype == torch.float32
        check(parameters[key])


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "nobias"])
@pytest.mark.parametrize("name", CELLS)
def test_a_cell_begins_well(name, bias):
    begins_well(name, bias)


def test_every_cell_has_a_beginning():
    assert INITIAL.keys() == CELLS.keys()


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "nobias"])
@pytest.mark.parametrize("name", CELLS)
def test_a_layer_begins_as_its_cell_does(name, bias):
    cell = CELLS[name]
    torch.manual_seed(62)
    network = Recurrent(name, 7, 16, 2, bias=bias)
    torch.manual_seed(62)
    for layer, size in zip(network.layers, (7, cell.output_size(16)), strict=True):
        wanted = cell.initial_parameters(size, 16, bias=bias)
        got = layer.parameters_of_cell
        assert got.keys() == wanted.keys()
        assert all(torch.equal(got[key], wanted[key]) for key in wanted)
    names = {key.rsplit(".")[-1] for key, _ in network.named_parameters()}
    assert names == {f"{key}_T" if key.startswith("W_") else key for key in wanted}


@pytest.mark.parametrize("name", CELLS)
def test_a_learned_state_begins_at_zero(name):
    cell = CELLS[name]
    network = Recurrent(name, 7, 16, 2, learned_initial_state=True)
    found = {key: p for key, p in network.named_parameters() if key.endswith("_0")}
    # The memory of an sLSTM that has read nothing is empty: no other value makes sense.
    fields = ("h",) if name == "slstm" else cell.state_type._fields
    assert found.keys() == {f"layers.{i}.{field}_0" for i in (0, 1) for field in fields}
    assert not any(p.any() for p in found.values())
    for layer in network.layers:
        state = layer.initial_state(3)
        assert tuple(field.shape for field in state) == tuple(
            (3, size) for size in cell.state_sizes(16)
        )
        assert not any(field.any() for field in state)


@pytest.mark.parametrize("name", CELLS)
def test_the_seed_decides(name):
    def weights(seed):
        torch.manual_seed(seed)
        return list(Recurrent(name, 7, 16, 2).parameters())

    first, again, other = weights(1), weights(1), weights(2)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize(
    "kind",
    [LSTM, PeepholeLSTM, CoupledLSTM, LayerNormLSTM, MultiplicativeLSTM, ProjectedLSTM],
)
def test_the_forget_bias_is_an_option(kind):
    cell = kind(forget_bias=2.5)
    b = cell.initial_parameters(3, H)["b"].split(H)
    assert bool((b[cell.gates.index("f")] == 2.5).all())


LARGE = [(257, 257), (300, 300), (512, 512), (1021, 1021), (1021, 300), (300, 1021)]
"""Beyond the sizes that a QR decomposition serves; 257 and 1021 are primes."""


@pytest.mark.parametrize(("rows", "columns"), LARGE)
def test_a_large_orthogonal_matrix(rows, columns):
    torch.manual_seed(63)
    W = orthogonal_matrix(rows, columns, 2)
    orthogonal(W, 2, rows, columns)
    for block in W.double().split(columns, 1):
        lengths = torch.linalg.svdvals(block)
        assert float((lengths - 1).abs().max()) < 1e-6
        # Spread like numbers drawn from N(0, 1/n), neither few and large nor with a bias.
        entries = block * math.sqrt(max(rows, columns))
        assert float(entries.abs().max()) < 6
        assert 2 < float((entries**4).mean()) < 4.5
        assert abs(float(entries.mean())) < 0.05
        assert 0.03 < float((entries.abs() < 0.1).double().mean()) < 0.15
    torch.manual_seed(63)
    assert torch.equal(orthogonal_matrix(rows, columns, 2), W)
    assert not torch.equal(orthogonal_matrix(rows, columns, 2), W)


def test_eigenvalues_of_a_large_orthogonal_matrix_lie_all_around_the_circle():
    torch.manual_seed(64)
    values = torch.linalg.eigvals(orthogonal_matrix(512, 512).double())
    angles = values.angle().sort().values
    gaps = angles.diff() * 512 / math.tau  # 1 in the mean
    # Eigenvalues of a Haar-distributed matrix repel one another: 0.42; angles by chance: 1.
    assert 0.3 < float(gaps.std()) < 0.55


@pytest.mark.parametrize(("rows", "columns"), [(5, 5), (96, 96), (48, 96), (BY_QR, BY_QR)])
def test_a_small_orthogonal_matrix_is_that_of_pytorch(rows, columns):
    torch.manual_seed(65)
    W = orthogonal_matrix(rows, columns, 2)
    torch.manual_seed(65)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        parts = [torch.nn.init.orthogonal_(torch.empty(rows, columns)) for _ in range(2)]
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(W, torch.cat(parts, 1))


@pytest.mark.parametrize("name", CELLS)
def test_on_the_meta_device_nothing_is_computed(name):
    cell = CELLS[name]
    with torch.device("meta"):
        found = cell.initial_parameters(7, 16)
    wanted = cell.initial_parameters(7, 16)
    assert {key: p.shape for key, p in found.items()} == {k: p.shape for k, p in wanted.items()}
    assert all(p.is_meta for p in found.values())


NO_THREADS = """
import re
import torch
import sunhwan

def threads():
    return int(re.search(r"Threads:\\s+(\\d+)", open("/proc/self/status").read())[1])

torch.set_num_threads(2)
before = threads()
for size in (8, 200, 256, 700):
    sunhwan.Recurrent("lstm", size, size)
    sunhwan.Recurrent("gru_reset_before", size, size)
assert torch.get_num_threads() == 2
assert threads() == before, (before, threads())
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts threads by /proc")
def test_construction_starts_no_threads():
    """Or a process that makes a layer and forks, for a DataLoader say, hangs in the child."""
    free = {k: v for k, v in os.environ.items() if k not in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, "-c", NO_THREADS], env=free, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
