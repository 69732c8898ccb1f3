"""Gradients are those of finite differences: inputs, initial state, every parameter."""

import pytest

from sunhwan.laws.gradients import gradients, gradients_with_resets, jacobian
from tests.cases import ON_BACKENDS, ON_OTHERS, each_end, each_row, each_stack


@each_row
def test_gradients_are_finite_differences(case):
    gradients(case)


@each_end
def test_gradients_are_finite_differences_with_resets(case):
    gradients_with_resets(case)


@pytest.mark.parametrize("case", ON_OTHERS, ids=str)
def test_gradients_are_finite_differences_on_every_backend(case):
    gradients(case)


@each_stack
def test_gradients_of_stacks_are_finite_differences(case):
    gradients(case)
    gradients_with_resets(case)


@pytest.mark.parametrize(
    "case",
    [case for case in ON_BACKENDS if case.layers == 1 and case.backend != "unrolled"],
    ids=str,
)
def test_every_element_of_the_jacobian(case):
    jacobian(case)
