"""Dropout acts between layers, in training alone, and by the seed."""

import pytest
import torch

from sunhwan.layers import Recurrent
from tests.cases import Case, each_end

P = 0.5


def only_between_layers(case: Case) -> None:
    """One layer: never. Two: what the second reads is dropped, what it gives is not."""
    plain, dropped = case.build(), case.build(dropout=P)
    x, state = case.inputs()
    wanted, wanted_last = plain(x, state)
    dropped.eval()
    assert torch.equal(dropped(x, state)[0], wanted), "dropout acts outside training"
    dropped.train()
    torch.manual_seed(71)
    output, last = dropped(x, state)
    assert all(torch.equal(a, b) for a, b in zip(last[0], wanted_last[0], strict=True)), (
        "dropout reaches the first layer"
    )
    if case.layers == 1:
        assert torch.equal(output, wanted), "dropout acts after the last layer"
        return
    assert not torch.equal(output, wanted), "dropout does nothing in training"
    # By hand: the first layer, the same mask, the second layer, and nothing behind it.
    first, second = dropped.layers
    torch.manual_seed(71)
    between = torch.nn.functional.dropout(first(x.transpose(0, 1), state[0]).output, P)
    assert torch.equal(output, second(between, state[1]).output.transpose(0, 1)), (
        "dropout acts elsewhere than between the layers"
    )


@each_end
def test_only_between_layers(case):
    only_between_layers(case)


@pytest.mark.parametrize("name", ["elman", "lstm"])
def test_the_seed_decides(name):
    case = Case(name, layers=2)
    layer, (x, _) = case.build(dropout=P), case.inputs()

    def output(seed):
        torch.manual_seed(seed)
        return layer(x)[0]

    assert torch.equal(output(1), output(1))
    assert not torch.equal(output(1), output(2))


def test_the_share_that_is_dropped():
    """About p of the values vanish, the others grow by 1 / (1 - p)."""
    case = Case("gru", layers=2)
    layer, (x, _) = case.build(dropout=0.25), case.inputs(rows=50, steps=40)
    seen = []
    layer.layers[1].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    torch.manual_seed(72)
    layer(x)
    whole = layer.layers[0](x.transpose(0, 1), layer.layers[0].initial_state(50)).output
    kept = seen[0] != 0
    assert abs(float(kept.double().mean()) - 0.75) < 0.02
    torch.testing.assert_close(seen[0][kept], whole[kept] / 0.75)


def test_locked_dropout_drops_the_same_units_at_every_step():
    """The first layer's outputs, times one mask a row; masks may be handed to a second part."""
    case = Case("gru", layers=2)
    layer, (x, state) = case.build(dropout=P, locked_dropout=True), case.inputs()
    seen = []
    layer.layers[1].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    torch.manual_seed(73)
    masks = layer.draw_masks(len(x))
    whole, last = layer(x, state, masks=masks)
    ratio = seen[0] / layer.layers[0](x.transpose(0, 1), state[0]).output
    torch.testing.assert_close(ratio, masks[1].x.expand_as(ratio))
    assert masks[0].x is None
    assert set(masks[1].x.unique().tolist()) == {0.0, 1 / (1 - P)}
    first, middle = layer(x[:, :2], state, masks=masks)
    second, end = layer(x[:, 2:], middle, masks=masks)
    torch.testing.assert_close(torch.cat((first, second), 1), whole, rtol=0, atol=1e-12)
    assert all(torch.allclose(a.h, b.h, atol=1e-12) for a, b in zip(end, last, strict=True))


@pytest.mark.parametrize("option", ["weight_drop", "recurrent_dropout"])
def test_the_share_that_is_dropped_inside(option):
    """About p of the entries vanish, the others grow by 1 / (1 - p)."""
    torch.manual_seed(74)
    layer = Recurrent("gru", 3, 40, **{option: 0.25})
    (masks,) = layer.draw_masks(60)
    drawn = masks.W_h if option == "weight_drop" else masks.h
    assert drawn.shape == ((120, 40) if option == "weight_drop" else (60, 40))
    assert abs(float((drawn != 0).double().mean()) - 0.75) < 0.03
    torch.testing.assert_close(drawn.max(), torch.tensor(1 / 0.75))
    assert layer.eval().draw_masks(60)[0] == (None, None, None)
