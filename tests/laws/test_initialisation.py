"""How a network begins: orthogonal W_h, Glorot W_x, the biases of the literature, by the seed."""

import math

import pytest
import torch

from sunhwan.cells import CELLS, LSTM
from sunhwan.layers import Recurrent

D, H = 7, 16
ONES = {"elman": "", "elman_relu": "", "gru": "z", "lstm": "f", "ugrnn": "z"}
"""The gates whose bias begins at 1; all others at 0."""


def begins_well(name: str) -> None:
    cell = CELLS[name]
    torch.manual_seed(61)
    W_x, W_h, b, b_h = cell.initial_parameters(D, H)
    width = len(cell.gates) * H
    assert (W_x.shape, W_h.shape, b.shape) == ((D, width), (H, width), (width,))
    identity = torch.eye(H)
    for gate, block in zip(cell.gates, W_h.split(H, 1), strict=True):
        off = float((block.T @ block - identity).abs().max())
        assert off < 1e-5, f"W_h of {gate} is not orthogonal: {off}"
    bound = math.sqrt(6 / (D + H))
    for gate, block in zip(cell.gates, W_x.split(H, 1), strict=True):
        largest = float(block.abs().max())
        assert 0.8 * bound < largest <= bound, f"W_x of {gate} is not within Glorot's bound"
    assert len({float(block[0, 0]) for block in W_h.split(H, 1)}) == len(cell.gates)
    for gate, block in zip(cell.gates, b.split(H), strict=True):
        assert bool((block == float(gate in ONES[name])).all()), f"the bias of {gate}"
    assert (b_h is not None) == cell.recurrent_bias
    assert b_h is None or not b_h.any()


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_begins_well(name):
    begins_well(name)


@pytest.mark.parametrize("name", CELLS)
def test_a_layer_begins_as_its_cell_does(name):
    torch.manual_seed(62)
    layer = Recurrent(name, D, H, 2, learned_initial_state=True)
    torch.manual_seed(62)
    for one, size in zip(layer.layers, (D, H), strict=True):
        for got, wanted in zip(
            one.parameters_of_cell, CELLS[name].initial_parameters(size, H), strict=True
        ):
            assert (got is None and wanted is None) or torch.equal(got, wanted)
        assert not any(field.any() for field in one.initial_state(3))
    assert sum(p.numel() for n, p in layer.named_parameters() if n.endswith("_0")) == 2 * H * len(
        CELLS[name].state_type._fields
    )


@pytest.mark.parametrize("name", CELLS)
def test_the_seed_decides(name):
    def weights(seed):
        torch.manual_seed(seed)
        return list(Recurrent(name, D, H, 2).parameters())

    first, again, other = weights(1), weights(1), weights(2)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(first, other, strict=True))


def test_without_bias_there_is_none():
    for name, cell in CELLS.items():
        assert cell.initial_parameters(D, H, bias=False)[2:] == (None, None)
        names = {n.rsplit(".")[-1] for n, _ in Recurrent(name, D, H, bias=False).named_parameters()}
        assert names == {"W_x_T", "W_h_T"}


def test_the_forget_bias_is_an_option():
    assert bool((LSTM(forget_bias=2.5).initial_bias(H)[H : 2 * H] == 2.5).all())
