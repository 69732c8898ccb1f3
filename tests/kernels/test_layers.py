"""The kernels behind `Recurrent`: unequal lengths, both directions, regularisation; and without them."""

import os
import subprocess
import sys
from itertools import product

import pytest
import torch

from sunhwan.cells import CELLS
from sunhwan.laws.case import seeded
from sunhwan.layers import Recurrent
from tests.kernels.problems import built, each_cell
from tests.layers.helpers import assert_close, flat, gradients, network, random_input, some_state
from tests.tiers import and_deep

D, H, N, T = 5, 19, 6, 7
LENGTHS = [7, 1, 0, 4, 6, 2]

OPTIONS = {
    "plain": {},
    "both directions": {"bidirectional": True},
    "two layers": {"num_layers": 2, "learned_initial_state": True},
    "zoneout": {"zoneout": 0.3, "zoneout_cell": 0.2},
}


@built
@pytest.mark.parametrize(
    ("name", "kind", "ragged"),
    and_deep(
        [
            (name, kind, bool((i + k) % 2))
            for i, name in enumerate(CELLS)
            for k, kind in enumerate(OPTIONS)
        ],
        product(CELLS, OPTIONS, (False, True)),
    ),
)
def test_layers_are_the_reference(name, kind, ragged):
    """Outputs, states, gradients; in evaluation too."""
    options, lengths = OPTIONS[kind], LENGTHS if ragged else None
    if name == "slstm":  # whose memory cannot be averaged
        options = {key: value for key, value in options.items() if key != "zoneout_cell"}
    found, wanted = (
        network(name, H, input_size=D, backend=backend, **options)
        for backend in ("native", "reference")
    )
    x = random_input(N, T, D).requires_grad_()
    state = None if options.get("learned_initial_state") else some_state(wanted, N)
    results = []
    for layers in (found, wanted):
        with seeded():
            result = flat(layers(x, state, lengths=lengths))
        results.append(result + gradients(result, [x, *layers.parameters()]))
    assert_close(*results)
    if lengths is not None:
        assert not results[0][0][2].any()
    found.eval(), wanted.eval()
    with torch.no_grad():
        assert_close(*(flat(layers(x, state, lengths=lengths)) for layers in (found, wanted)))


@built
@each_cell
def test_padding_may_hold_anything(name):
    """NaN behind a row's end reaches no output and no gradient."""
    layers = network(name, H, input_size=D, bidirectional=True, dtype=torch.float32)
    x = random_input(N, T, D, dtype=torch.float32)
    spoilt = x.clone()
    for n, length in enumerate(LENGTHS):
        spoilt[n, length:] = torch.nan
    results = []
    for values in (x, spoilt):
        result = flat(layers(values, lengths=LENGTHS))
        results.append([*result, *gradients(result, layers.parameters())])
    assert_close(*results, tolerance=0)


@built
def test_explain_names_the_kernel():
    assert "native: the compiled kernel" in Recurrent("gru", 3, 4).explain()


PROGRAM = """
import sys, warnings
warnings.simplefilter("error")
import torch
from sunhwan.layers import Recurrent
import sunhwan.ops.library as library
if sys.argv[1] == "lost":
    library.NAME = "no such file"
layers = [Recurrent(name, 3, 5) for name in ("lstm", "gru", "mingru", "lstm_layer_norm")]
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    for layer in layers:
        for _ in range(2):
            layer(torch.randn(2, 4, 3))[0].sum().backward()
    print(sum("compiled kernels" in str(warning.message) for warning in told))
print(*{layer.explain().split(", ")[1].split(":")[0] for layer in layers})
"""


@pytest.mark.slow
@pytest.mark.parametrize(("how", "warnings"), and_deep([("lost", 1)], [("off", 0)]))
def test_without_the_library_layers_run_and_say_so_once(how, warnings):
    """Switched off in silence, missing with one warning."""
    environment = dict(os.environ)
    environment.pop("SUNHWAN_LIBRARY", None)
    if how == "off":
        environment["SUNHWAN_LIBRARY"] = "none"
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, how],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    count, kernels = ran.stdout.splitlines()
    assert int(count) == warnings
    assert kernels
    assert "native" not in kernels.split()
