"""Stateful mode: the values go on from call to call, the gradient ends with the call."""

import pytest
import torch

from sunhwan import Recurrent
from sunhwan.errors import ConfigError, ShapeError
from sunhwan.laws.stateful import (
    no_gradient_crosses_calls,
    set_and_reset,
    stateful_is_explicit,
    stateless_carries_nothing,
)
from tests.cases import Case, N, each_end, each_pair


@each_pair
def test_stateful_is_explicit(case):
    stateful_is_explicit(case.but(backend=None))


@each_end
def test_no_gradient_crosses_calls(case):
    no_gradient_crosses_calls(case)


@each_end
def test_set_and_reset(case):
    set_and_reset(case)


@each_end
def test_stateless_carries_nothing(case):
    stateless_carries_nothing(case)


@each_end
def test_the_state_is_no_part_of_the_weights(case):
    layer = case.build(stateful=True)
    before = set(layer.state_dict())
    layer(case.inputs()[0])
    assert set(layer.state_dict()) == before


@each_end
def test_another_batch_size_is_an_error_and_not_silence(case):
    layer = case.build(stateful=True)
    layer(case.inputs()[0])
    wider, state = case.inputs(rows=N + 2)
    with pytest.raises(ShapeError, match=rf"\({N}, .*batch of {N + 2} rows"):
        layer(wider)
    layer.reset_state()
    assert len(layer(wider)[0]) == N + 2
    layer.set_state(state)
    assert len(layer(wider)[0]) == N + 2


def test_a_row_that_ended_keeps_its_state_for_the_next_call():
    case = Case("lstm")
    layer = case.build(stateful=True)
    x, state = case.inputs()
    layer.set_state(state)
    layer(x, lengths=[5, 0, 2])
    assert torch.equal(layer.state[0].c[1], state[0].c[1])


def test_set_state_refuses_a_state_of_the_wrong_shape():
    layer = Case("lstm", layers=2).build(stateful=True)
    _, state = Case("lstm", layers=2).inputs()
    with pytest.raises(ShapeError, match="1 entries for 2 layers"):
        layer.set_state(state[:1])
    h, c = state[1]
    with pytest.raises(ShapeError, match="state field c"):
        layer.set_state([state[0], type(state[0])(h, c[:1])])
    with pytest.raises(ShapeError, match="state field h"):
        layer.set_state([state[0], type(state[0])(h.T, c)])
    assert layer.state is None


def test_what_keeps_no_state_says_so():
    with pytest.raises(ConfigError, match="stateful=True"):
        Case("gru").build().reset_state()
    with pytest.raises(ConfigError, match="bidirectional"):
        Case("gru").build(stateful=True, bidirectional=True)


def test_a_state_read_under_inference_mode_can_be_trained_from():
    """Also where it was handed back there."""
    layer = Recurrent("lstm", 2, 3, stateful=True)
    x = torch.ones(1, 4, 2)
    with torch.inference_mode():
        layer(x)
        layer.set_state(layer.state)
    layer(x)[0].sum().backward()
    assert layer.layers[0].W_h_T.grad is not None
