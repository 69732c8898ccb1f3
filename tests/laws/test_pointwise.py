"""The backward of one step is the derivative of its forward."""

import pytest

from sunhwan.cells import derive
from sunhwan.laws.backends import derived_is_by_hand, has_two_backwards
from sunhwan.laws.steps import step_backward, step_pieces, steps_together
from tests.cases import each_cell


@pytest.mark.parametrize("scale", [0.5, 2.0, 20.0], ids=["linear", "curved", "saturated"])
@each_cell
def test_the_pieces_of_a_step(case, scale):
    step_pieces(case, scale)


@each_cell
def test_all_steps_together_are_each_step_alone(case):
    steps_together(case)


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "nobias"])
@each_cell
def test_step_backward_is_the_derivative_of_step(case, bias):
    step_backward(case.but(bias=bias))


@pytest.mark.parametrize("layers", [1, 2])
@each_cell
def test_the_derived_backward_is_the_one_by_hand(case, layers):
    if not has_two_backwards(case.cell):
        pytest.skip("there is only one backward step")
    derived_is_by_hand(case.but(layers=layers, bias=layers == 1, learned=layers == 2))


@each_cell
def test_the_derived_backward_of_all_steps_is_that_of_each(case):
    if not has_two_backwards(case.cell):
        pytest.skip("there is only one backward step")
    derived = case.but(own=derive(case.cell))
    steps_together(derived)
    step_pieces(derived)
