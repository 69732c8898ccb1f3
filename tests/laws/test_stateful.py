"""Stateful mode: the values go on from call to call, the gradient ends with the call."""

import pytest
import torch

from sunhwan.errors import ShapeError
from tests.cases import Case, N, T, each_row, results

BLOCKS = 3


def stateful_is_explicit(case: Case) -> None:
    """Block by block: the same bits as handing over the detached state oneself, gradients too."""
    keeping, explicit = case.build(stateful=True), case.build()
    x, state = case.inputs(steps=BLOCKS * T)
    for first in (None, state):
        keeping.set_state(first)
        now = first
        for block in x.split(T, 1):
            got = results(keeping, block, None, lambda x, s: keeping(x))
            wanted = results(explicit, block, now)
            # d state is named in the second alone; without one given, it is the initial state.
            assert all(torch.equal(got[name], wanted[name]) for name in got)
            now = [
                type(s)(*(wanted[f"last {f} of layer {depth}"] for f in s._fields))
                for depth, s in enumerate(keeping.state)
            ]
            for kept, given in zip(keeping.state, now, strict=True):
                assert type(kept) is case.cell.state_type
                assert all(torch.equal(a, b) for a, b in zip(kept, given, strict=True))


def no_gradient_crosses_calls(case: Case) -> None:
    """The state is detached: the second block's loss has no gradient for the first's input."""
    layer = case.build(stateful=True)
    x, _ = case.inputs(steps=2 * T)
    first, second = (part.clone().requires_grad_() for part in x.split(T, 1))
    layer(first)
    assert all(not field.requires_grad for s in layer.state for field in s), "not detached"
    output, _ = layer(second)
    d_first, d_second = torch.autograd.grad(output.sum(), (first, second), allow_unused=True)
    assert d_first is None
    assert bool(d_second.any())


def set_and_reset(case: Case) -> None:
    layer = case.build(stateful=True)
    x, state = case.inputs()
    assert layer.state is None
    fresh, _ = layer(x)
    carried, _ = layer(x)
    assert not torch.equal(fresh, carried), "nothing is carried"
    layer.reset_state()
    assert layer.state is None
    assert torch.equal(layer(x)[0], fresh), "reset_state leaves a trace"
    layer.set_state(state)
    assert torch.equal(layer(x)[0], layer(x, state)[0]), "set_state sets another state"
    layer.set_state(None)
    assert torch.equal(layer(x)[0], fresh)
    # An explicit state wins over the carried one, and is carried on.
    _, last = layer(x, state)
    assert all(
        torch.equal(a, b)
        for kept, given in zip(layer.state, last, strict=True)
        for a, b in zip(kept, given, strict=True)
    )


def stateless_carries_nothing(case: Case) -> None:
    layer = case.build()
    x, _ = case.inputs()
    first, _ = layer(x)
    assert torch.equal(layer(x)[0], first)
    assert layer.state is None


@each_row
def test_stateful_is_explicit(case):
    stateful_is_explicit(case)


@each_row
def test_no_gradient_crosses_calls(case):
    no_gradient_crosses_calls(case)


@each_row
def test_set_and_reset(case):
    set_and_reset(case)


@each_row
def test_stateless_carries_nothing(case):
    stateless_carries_nothing(case)


@each_row
def test_the_state_is_no_part_of_the_weights(case):
    layer = case.build(stateful=True)
    before = set(layer.state_dict())
    layer(case.inputs()[0])
    assert set(layer.state_dict()) == before


@each_row
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
