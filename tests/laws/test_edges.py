"""Nothing to do is done, and what cannot be done is said with the sizes."""

import re

import pytest
import torch
from safetensors.torch import load_file, save_file

from sunhwan.cells import CELLS, HiddenState, LSTMState, get_cell
from sunhwan.errors import ConfigError, ShapeError
from sunhwan.laws.saving import saving_loses_nothing
from sunhwan.layers import Recurrent
from tests.cases import Case, D, H, N, T, each_pair, each_stack


@each_pair
def test_saving_loses_nothing(case):
    saving_loses_nothing(case)


@each_stack
def test_saving_a_stack_loses_nothing(case):
    saving_loses_nothing(case.but(stateful=False))


def test_a_file_of_weights_is_the_weights(tmp_path):
    layer, other = (Case("lstm_peephole").build() for _ in range(2))
    save_file(layer.state_dict(), tmp_path / "weights.safetensors")
    other.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    assert all(torch.equal(v, other.state_dict()[name]) for name, v in layer.state_dict().items())


def says(error, *parts):
    """The message carries all parts, in this order."""
    return pytest.raises(error, match="(?s)" + ".*".join(re.escape(str(part)) for part in parts))


def make(layers=1, cell="lstm", **options):
    return Recurrent(cell, D, H, layers, **options)


def lstm_state(rows=N, hidden=H):
    return LSTMState(torch.zeros(rows, hidden), torch.zeros(rows, hidden))


x = torch.zeros(N, T, D)


def test_an_input_of_the_wrong_shape():
    with says(ShapeError, (N, T, D + 1), f"(N, T, {D})"):
        make()(torch.zeros(N, T, D + 1))
    with says(ShapeError, (D,), f"(N, T, {D})"):
        make()(torch.zeros(D))
    with says(ShapeError, (1, N, T, D), f"(N, T, {D})"):
        make()(x.unsqueeze(0))


def test_a_state_of_the_wrong_shape():
    with says(ShapeError, "2 entries", "1 layers"):
        make()(x, [lstm_state(), lstm_state()])
    with says(ShapeError, "1 entries", "2 layers"):
        make(2)(x, [lstm_state()])
    with says(ShapeError, "h", (N, H + 1), (N, H)):
        make()(x, [lstm_state(hidden=H + 1)])
    with says(ShapeError, "c", (N, H + 1), (N, H)):
        make()(x, [LSTMState(torch.zeros(N, H), torch.zeros(N, H + 1))])
    with says(ShapeError, "h", (N + 1, H), N, (N, H)):
        make()(x, [lstm_state(rows=N + 1)])
    with says(ShapeError, "h", (H,), (N, H)):
        make()(x, [LSTMState(torch.zeros(H), torch.zeros(H))])
    with says(ShapeError, "h", (1, N, H), (N, H)):
        make()(x, [LSTMState(torch.zeros(1, N, H), torch.zeros(1, N, H))])


def test_a_state_of_another_kind():
    with says(ShapeError, "LSTMState of h (", ", c ("):
        make()(x, [HiddenState(torch.zeros(N, H))])
    with says(ShapeError, "LSTMState of h (", ", c ("):
        make()(x, [torch.zeros(N, H)])
    with says(ShapeError, "LSTMState of h (", ", c ("):
        make(2)(x, torch.zeros(2, N, H))
    with says(ShapeError, "LSTMState of h (", ", c ("):
        make(2)(x, lstm_state())


def test_resets_of_the_wrong_shape():
    for sizes in ((N, T + 1), (T, N), (N,), (N, T, 1)):
        with says(ShapeError, "resets", sizes, (N, T)):
            make()(x, None, torch.zeros(sizes, dtype=torch.bool))


def test_options_that_cannot_be():
    with says(ConfigError, "'lstn'", *CELLS):
        make(cell="lstn")
    with says(ConfigError, "'lstn'"):
        get_cell("lstn")
    for dropout in (1.0, -0.1, float("nan")):
        with says(ConfigError, "dropout", dropout):
            make(dropout=dropout)
    for sizes in ((0, H, 1), (D, 0, 1), (D, H, 0), (D, -1, 1)):
        with says(ConfigError, *sizes):
            Recurrent("gru", *sizes)


def test_backends_that_cannot_be():
    with says(ConfigError, "'fast'", "fused, scan, reference, unrolled"):
        make(backend="fast")(x)
    with says(ConfigError, "UGRNN"):
        make(cell="ugrnn", backend="fused")(x)


def test_what_cannot_be_done_inside():
    for name in ("weight_drop", "recurrent_dropout"):
        with says(ConfigError, name, "MinGRU"):
            make(cell="mingru", **{name: 0.1})
    with says(ConfigError, "SLSTM", "zoneout_cell"):
        make(cell="slstm", zoneout_cell=0.1)
    for rate in (1.0, -0.1, float("nan")):
        with says(ConfigError, "zoneout", rate):
            make(zoneout=rate)


def test_lengths_that_cannot_be():
    for lengths in ([T], [T + 1, 1, 1], [-1, 1, 1], [1.0, 1.0, 1.0], torch.ones(T, N).bool()):
        with says(ShapeError, "lengths"):
            make()(x, lengths=lengths)
    hole = torch.ones(N, T, dtype=torch.bool)
    hole[1, 2] = False
    with says(ShapeError, "mask", "padding before a real step"):
        make()(x, lengths=hole)


def test_modules_that_cannot_be_exchanged():
    with says(ConfigError, "UGRNN"):
        make(cell="ugrnn").to_torch()
    with says(ConfigError, "connections"):
        make(2, connection="residual").to_torch()
    with says(ConfigError, "regularisation"):
        make(zoneout=0.1).to_torch()
