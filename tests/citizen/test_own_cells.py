"""Cells of one's own whose units interact outside W_h: a right gradient, or a sentence."""

import pytest
import torch

from sunhwan.cells import Cell, HiddenState
from sunhwan.layers import Recurrent
from tests.citizen.isolation import assert_sentence, isolated


class Shifted(Cell):
    """Each unit also reads the state of its neighbour."""

    gates = ("n",)
    state_type = HiddenState

    def pointwise(self, a, u, state):
        h = state.h
        beside = torch.cat((h[..., 1:], torch.zeros_like(h[..., :1])), -1)
        return HiddenState(torch.tanh(a + u + 0.5 * beside)), ()


class Paired(Shifted):
    """Each unit also reads that of its pair; the number of units is even."""

    def pointwise(self, a, u, state):
        beside = state.h.unflatten(-1, (-1, 2)).flip(-1).flatten(-2)
        return HiddenState(torch.tanh(a + u + 0.5 * beside)), ()


def run(kind: type[Cell], size: int) -> None:
    torch.manual_seed(0)
    layer = Recurrent(kind(), 2, size).double()
    plain = Recurrent(kind(), 2, size, backend="unrolled").double()
    plain.load_state_dict(layer.state_dict())
    x = torch.randn(2, 4, 2, dtype=torch.float64, requires_grad=True)
    found = []
    for net in (layer, plain):
        output, _ = net(x)
        found.append([output, *torch.autograd.grad(output.sum(), [x, *net.parameters()])])
    torch.testing.assert_close(found[0], found[1])


@pytest.mark.parametrize(("kind", "size"), [(Shifted, 4), (Shifted, 5), (Paired, 4)])
def test_units_that_meet_outside_the_matrix(kind, size):
    told = isolated(lambda: run(kind, size))
    if told is not None:
        assert_sentence(told)
