"""Zoneout, recurrent dropout and dropped weights act inside the recurrence."""

import pytest

from sunhwan.laws.inside import (
    evaluation_draws_nothing,
    gradients_inside,
    kinds,
    masks_are_the_loop,
    no_rate_is_nothing,
)
from tests.cases import CELLS, Case, each_backend, each_cell, each_end, each_shape
from tests.tiers import and_deep


@each_shape
def test_gradients_are_finite_differences_for_what_was_drawn(case):
    gradients_inside(case)


@pytest.mark.parametrize("name", and_deep(["rglru"], ["gru", "lstm_projected"]))
def test_gradients_on_other_backends(name):
    for backend in Case(name).backends:
        gradients_inside(Case(name, backend=backend, layers=2))


@each_backend
def test_training_is_the_loop_with_the_masks_that_were_drawn(case):
    masks_are_the_loop(case)


@each_cell
def test_no_rate_is_nothing(case):
    no_rate_is_nothing(case)


@each_end
def test_evaluation_draws_nothing(case):
    evaluation_draws_nothing(case)


def test_what_can_be_done_inside():
    assert kinds(CELLS["lstm"]) == ["zoneout", "zoneout_cell", "recurrent_dropout", "weight_drop"]
    assert kinds(CELLS["gru"]) == ["zoneout", "recurrent_dropout", "weight_drop"]
    assert kinds(CELLS["slstm"]) == ["zoneout", "recurrent_dropout", "weight_drop"]
    assert kinds(CELLS["mingru"]) == ["zoneout"]
