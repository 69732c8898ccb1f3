"""Nothing to do is done, and what cannot be done is said with the sizes."""

import re

import pytest
import torch
from safetensors.torch import load_file, save_file

from sunhwan.cells import CELLS, GRUState, LSTMState, get_cell
from sunhwan.errors import ConfigError, ShapeError
from sunhwan.layers import Recurrent
from tests.cases import Case, D, H, N, T, each_backend, each_row, leaves, results


def saving_loses_nothing(case: Case, path) -> None:
    """Weights to a safetensors file and back into a layer that began elsewhere: the same bits."""
    layer = case.build()
    save_file(layer.state_dict(), path)
    torch.manual_seed(99)
    other = Recurrent(
        case.name, D, H, case.layers, bias=case.bias, learned_initial_state=case.learned
    ).double()
    other.load_state_dict(load_file(path))
    x, _ = case.inputs()
    for module in (layer, other):
        for one in module.layers:
            one.backend = "reference"
    wanted, got = results(layer, x, None), results(other, x, None)
    assert list(got) == list(wanted)
    assert all(torch.equal(got[name], wanted[name]) for name in wanted)


@each_row
def test_saving_loses_nothing(case, tmp_path):
    saving_loses_nothing(case, tmp_path / "weights.safetensors")


def nothing_to_read(case: Case, backend: str, rows: int, steps: int) -> None:
    """No rows or no steps: empty output, unchanged state, gradients of zeros."""
    layer = case.build(backend)
    x, state = case.inputs(rows=rows, steps=steps)
    named, x, state = leaves(layer, x, state)
    for resets in (None, torch.zeros(rows, steps, dtype=torch.bool)):
        output, last = layer(x, state, resets)
        assert output.shape == (rows, steps, H)
        for before, after in zip(state, last, strict=True):
            assert type(after) is type(before)
            assert all(torch.equal(a, b) for a, b in zip(after, before, strict=True))
        layer.zero_grad()
        x.grad = None
        output.sum().backward()
        for name in dict(layer.named_parameters()):
            if not name.endswith("_0"):
                gradient = named[name].grad
                assert gradient is not None, f"{name} has no gradient"
                assert gradient.shape == named[name].shape
                assert not gradient.any()
        assert x.grad.shape == x.shape


@pytest.mark.parametrize(("rows", "steps"), [(N, 0), (0, T), (0, 0)])
@each_backend
def test_nothing_to_read(case, backend, rows, steps):
    nothing_to_read(case, backend, rows, steps)


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
    with says(ShapeError, (N, D), f"(N, T, {D})"):
        make()(torch.zeros(N, D))
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
    with says(ShapeError, "LSTMState of h, c"):
        make()(x, [GRUState(torch.zeros(N, H))])
    with says(ShapeError, "LSTMState of h, c"):
        make()(x, [torch.zeros(N, H)])
    with says(ShapeError, "LSTMState of h, c"):
        make(2)(x, torch.zeros(2, N, H))
    with says(ShapeError, "LSTMState of h, c"):
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
    with says(ConfigError, "'fast'", "fused, reference, unrolled"):
        make(backend="fast")(x)
    with says(ConfigError, "UGRNN"):
        make(cell="ugrnn", backend="fused")(x)


def test_modules_that_cannot_be_exchanged():
    with says(ConfigError, "UGRNN"):
        make(cell="ugrnn").to_torch()
    with says(ConfigError, "bidirectional"):
        Recurrent.from_torch(torch.nn.GRU(D, H, bidirectional=True))
    with says(ConfigError, "projected"):
        Recurrent.from_torch(torch.nn.LSTM(D, H, proj_size=H - 1))
