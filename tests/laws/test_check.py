"""`check` says what came of every law, also for cells of shapes that ours do not have."""

from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from sunhwan.cells import CELLS, Cell, HiddenState, LinearCell, TwoProductCell, derive
from sunhwan.laws import LAWS, Case, LawBroken, check, verdict
from sunhwan.laws.case import generator, random_state
from sunhwan.laws.compare import assert_equal, assert_identical
from tests.program.inner_products import Attention, Projected
from tests.tiers import and_deep


class Counter(NamedTuple):
    """A state of which one field is read by nothing."""

    h: Tensor
    k: Tensor


class Counting(Cell):
    """Without a backward step; units do not meet."""

    gates = ("z", "n")
    state_type = Counter
    saved_names = ("z", "n")

    def pointwise(self, a, u, state, *extra):
        z, n = (a + u).chunk(2, -1)
        z = torch.sigmoid(z)
        return Counter(torch.lerp(torch.tanh(n), state[0], z), state[1] + 1), (z, n)

    def gate_values(self, saved):
        z, n = saved
        return {"z": z, "n": n}


class Mixing(Cell):
    """Without a backward step; units interact in a softmax."""

    gates = ("n",)
    state_type = HiddenState
    extra = ("scale",)

    def initial_extra(self, hidden_size):
        return {"scale": torch.ones(hidden_size)}

    def pointwise(self, a, u, state, *extra):
        return HiddenState(torch.tanh(a + u) + torch.softmax(state[0] * extra[0], -1)), ()


class Linear(LinearCell):
    """Its coefficients are left to autograd."""

    gates = ("f", "v")

    def coefficients(self, a, *extra):
        f, v = a.chunk(2, -1)
        return torch.sigmoid(f), v, ()


class Twice(TwoProductCell):
    """Two products and no backward step."""

    gates = ("r", "n")
    recurrent_gates = ("r",)
    state_type = HiddenState

    def initial_extra(self, hidden_size):
        return {"W_m": torch.eye(hidden_size)}

    def inner(self, a, u, state):
        return torch.sigmoid(a.chunk(2, -1)[0] + u) * state[0], ()

    def outer(self, a, w, state, kept):
        return HiddenState(torch.tanh(a.chunk(2, -1)[1] + w)), ()


class Sorting(Cell):
    """A step that cannot be traced as a program."""

    gates = ("n",)
    state_type = HiddenState

    def pointwise(self, a, u, state, *extra):
        return HiddenState((a + u).sort(-1).values), ()


@pytest.mark.slow
@pytest.mark.parametrize("cell", and_deep([Twice()], [Mixing(), Projected(), Attention()]))
def test_the_laws_hold_for_other_shapes(cell):
    found = check(cell, "own")
    assert [v for v in found if v.passed is False] == []
    assert [v.law for v in found] == [law.name for law in LAWS]


@pytest.mark.parametrize("cell", [Counting(), Linear()])
@pytest.mark.parametrize("name", ["gradients", "backends", "padding", "traced gates", "masks"])
def test_what_is_known_of_other_shapes(cell, name):
    (law,) = (law for law in LAWS if law.name == name)
    assert verdict(law, cell, "own").passed


def test_laws_differ_in_name_and_say_why_they_do_not_apply():
    assert len({law.name for law in LAWS}) == len(LAWS)
    for law in LAWS:
        assert law.statement
        cells = (*CELLS.values(), Twice(), Sorting())
        assert bool(law.unless) == any(not law.applies(cell) for cell in cells)


def test_a_derived_cell_obeys_the_laws_of_a_step():
    for name in ("lstm_peephole", "gru_layer_norm"):
        cell = derive(CELLS[name])
        for law in LAWS:
            if law.name in ("pieces of a step", "saturated step", "steps together"):
                assert verdict(law, cell, name).passed, law.name


def test_the_normaliser_of_a_random_state_is_positive():
    state = random_state(CELLS["slstm"], generator(1), 100)
    assert float(state.n.min()) >= 0.5
    assert all(float(field.min()) < 0 for field in (state.h, state.c, state.m))
    projected = random_state(CELLS["lstm_projected"], generator(1), 5, 3, hidden_size=7)
    assert [tuple(field.shape) for field in projected] == [(5, 3, 4), (5, 3, 7)]


def test_a_case_with_changes():
    case = Case("gru").but(layers=2, zoneout=0.1).but(zoneout=0.2)
    assert (case.layers, case.more) == (2, (("zoneout", 0.2),))
    assert case.build().layers[1].zoneout == 0.2
    assert str(case) == "gru-bias-zero-2-zoneout=0.2"


def broken(function: Callable, *arguments) -> str:
    with pytest.raises(LawBroken) as caught:
        function(*arguments)
    return str(caught.value)


def test_what_is_off_is_named_with_its_place():
    got, wanted = torch.zeros(2, 3), torch.zeros(2, 3)
    got[1, 2] = 0.5
    said = broken(assert_equal, {"h": got}, {"h": wanted}, 0.1)
    assert said == "h is off by 0.5, 0.1 allowed: 0.5 at [1, 2], not 0"
    assert assert_equal({"h": got}, {"h": wanted}, 0.6) == 0.5
    assert assert_equal({"h": got + 99}, {"h": wanted + 99}, 0.006) == pytest.approx(0.005)
    assert "not finite" in broken(assert_equal, {"h": got / 0}, {"h": got}, 1.0)
    assert "shape (2, 3), not (3,)" in broken(assert_equal, {"h": got}, {"h": got[0]}, 1.0)
    assert "['h'] instead of ['c']" in broken(assert_equal, {"h": got}, {"c": got}, 1.0)
    assert "not nan" in broken(assert_identical, {"h": wanted}, {"h": wanted + torch.nan})
