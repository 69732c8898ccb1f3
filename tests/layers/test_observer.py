"""Observers record a stack and an attention, nest, and leave no trace behind."""

import copy
import pickle

import pytest
import torch

from sunhwan.layers import Attention, Look, Recurrent, observing, observing_attention


@pytest.fixture
def net() -> Recurrent:
    torch.manual_seed(1)
    return Recurrent("gru", 3, 4, 2, bidirectional=True).eval()


def test_observers_nest_and_each_sees_every_call(net: Recurrent) -> None:
    x = torch.randn(2, 5, 3)
    wanted, _ = net(x)
    with observing(net, Look.STATES) as outer:
        net(x)
        with observing(net, Look.STEPS) as inner, observing(net, Look.GATES) as gates:
            found, _ = net(x)
        net(x)
    assert [len(calls) for calls in (outer, inner, gates)] == [3, 1, 1]
    torch.testing.assert_close(found, wanted)
    assert outer[0].traced.layers[0].keys() == {"h"}
    assert inner[0].traced.layers[0].keys() == gates[0].traced.layers[0].keys() > {"h", "z"}
    assert [len(steps) for steps in inner[0].traced.steps] == [5] * 4
    assert outer[0].traced.steps == outer[2].traced.steps == [()] * 4
    again, _ = net(x)
    assert torch.equal(again, wanted)
    assert len(outer) == 3


def test_edits_are_made_from_the_outer_observer_to_the_inner_one(net: Recurrent) -> None:
    x = torch.randn(2, 5, 3)
    with (
        observing(net, edit=lambda x: x + 1) as outer,
        observing(net, edit=lambda x: 2 * x) as inner,
    ):
        found, _ = net(x)
    assert torch.equal(outer[0].x, 2 * (x + 1))
    assert torch.equal(inner[0].x, 2 * (x + 1))
    torch.testing.assert_close(found, net(2 * (x + 1))[0])


def test_what_each_layer_reads_and_begins_with_is_recorded(net: Recurrent) -> None:
    x, state = torch.randn(2, 5, 3), net.initial_state(2)
    state = [type(one)(*(torch.randn_like(field) for field in one)) for one in state]
    with torch.no_grad(), observing(net, Look.STATES) as calls:
        net(x, state)
    traced = calls[0].traced
    below = torch.cat([traced.layers[0]["h"], traced.layers[1]["h"]], -1)
    for i, read in enumerate((x, x, below, below)):
        assert torch.equal(traced.inputs[i], read)
        assert all(map(torch.equal, traced.initial[i], state[i]))
        with torch.no_grad():
            turned = read.flip(1) if i % 2 else read
            h = net.stack[i](turned.transpose(0, 1), traced.initial[i]).output.transpose(0, 1)
        torch.testing.assert_close(h.flip(1) if i % 2 else h, traced.layers[i]["h"])


def test_the_input_of_the_caller_is_left_as_it_was(net: Recurrent) -> None:
    x = torch.randn(2, 5, 3)
    with observing(net, Look.STATES) as calls:
        net(x)
    assert not x.requires_grad
    assert calls[0].x.requires_grad
    (slope,) = torch.autograd.grad(calls[0].traced.output.sum(), calls[0].x)
    assert slope.abs().sum() > 0


def test_an_observer_is_gone_after_an_error_and_is_no_part_of_a_model(net: Recurrent) -> None:
    x = torch.randn(2, 5, 3)

    def stop(x: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("stop")

    with observing(net) as calls:
        with pytest.raises(RuntimeError, match="stop"), observing(net, edit=stop):
            net(x)
        net(x)
    net(x)
    assert len(calls) == 1
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(twin(x)[0], net(x)[0])
    assert len(calls) == 1
    assert list(net.state_dict()) == list(
        Recurrent("gru", 3, 4, 2, bidirectional=True).state_dict()
    )


@pytest.mark.parametrize("kind", ["additive", "dot", "general"])
def test_what_an_attention_gave_is_recorded_once_a_call(kind: str) -> None:
    attention = Attention(kind, 4, 4)
    query, keys = torch.randn(2, 3, 4), torch.randn(2, 6, 4)
    with observing_attention(attention) as outer:
        attention(query, keys)
        with observing_attention(attention) as inner:
            found = attention(query, keys, attention.project(keys))
    attention(query, keys)
    assert len(outer) == 2
    assert len(inner) == 1
    assert inner[0] is outer[1]
    assert torch.equal(inner[0].weights, found.weights)
