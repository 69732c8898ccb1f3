"""Clipping, and the stop at anything that is not finite."""

import math

import pytest
import torch
from torch import nn

from sunhwan.config import ModelConfig, TrainingConfig
from sunhwan.errors import NonFiniteError
from sunhwan.models import LanguageModel
from sunhwan.training.guard import check_finite, clip

OFF = {"clip_norm": 0.0, "clip_value": 0.0}


def parameters() -> list[nn.Parameter]:
    made = [nn.Parameter(torch.zeros(size)) for size in (2, 3, 4)]
    made[0].grad = torch.tensor([3.0, 0.0])
    made[1].grad = torch.tensor([0.0, -4.0, 0.0])
    return made  # one has no gradient


def gradient(made: list[nn.Parameter]) -> torch.Tensor:
    return torch.cat([p.grad for p in made if p.grad is not None])


def test_clipping_by_norm_keeps_the_direction() -> None:
    made = parameters()
    clipped = clip(made, TrainingConfig(**(OFF | {"clip_norm": 2.0})))
    assert clipped == (5.0, True)
    torch.testing.assert_close(gradient(made), torch.tensor([1.2, 0, 0, -1.6, 0]))


@pytest.mark.parametrize("limit", [0.0, 5.0, 7.0])
def test_a_gradient_within_the_limit_is_left_bit_for_bit(limit: float) -> None:
    made = parameters()
    assert clip(made, TrainingConfig(**(OFF | {"clip_norm": limit}))) == (5.0, False)
    assert torch.equal(gradient(made), gradient(parameters()))


def test_clipping_by_value_limits_each_entry() -> None:
    made = parameters()
    assert clip(made, TrainingConfig(**(OFF | {"clip_value": 3.5}))) == (5.0, True)
    assert gradient(made).tolist() == [3.0, 0, 0, -3.5, 0]
    made = parameters()
    assert clip(made, TrainingConfig(**(OFF | {"clip_value": 4.0}))) == (5.0, False)
    assert torch.equal(gradient(made), gradient(parameters()))


def model() -> LanguageModel:
    config = ModelConfig(
        hidden_size=3, num_layers=1, embedding_size=2, input="embedding", dropout=0.0
    )
    made = LanguageModel(config, 4)
    for parameter in made.parameters():
        parameter.grad = torch.ones_like(parameter)
    return made


def test_finite_values_pass() -> None:
    check_finite(1, 2.0, 3.0, model(), 0.1)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_the_message_names_step_tensor_and_cure(value: float) -> None:
    bad_gradient = model()
    weight = bad_gradient.recurrent.stack[0].W_h_T
    assert weight.grad is not None
    weight.grad[1, 1] = value
    with pytest.raises(NonFiniteError, match=r"step 12: the gradient of .*W_h_T is") as caught:
        check_finite(12, 1.0, math.nan, bad_gradient, 0.25)
    assert "0.25" in str(caught.value)
    assert "learning_rate" in str(caught.value)

    bad_weight = model()
    with torch.no_grad():
        bad_weight.output.bias[0] = value
    with pytest.raises(NonFiniteError, match=r"step 3: the weight output\.bias"):
        check_finite(3, value, value, bad_weight, 0.1)

    with pytest.raises(NonFiniteError, match="step 4: the loss"):
        check_finite(4, value, value, model(), 0.1)
