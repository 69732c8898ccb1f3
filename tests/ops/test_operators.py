"""The operators as PyTorch checks them: schema, autograd, fake tensors, compilation."""

import pytest
import torch

from sunhwan.cells import CELLS
from sunhwan.ops import operators
from tests.kernels.problems import Shape, built, given

pytestmark = built


@pytest.mark.parametrize(("hold", "drop"), [(None, False), ("mixed", True)])
@pytest.mark.parametrize("name", ["elman", "gru_reset_before", "lstm", "mingru", "lstm_layer_norm"])
def test_opcheck_finds_nothing(name, hold, drop):
    posed = given(Shape(name, 4, 2, 5, 3, hold=hold, drop=drop), torch.float64)
    a = posed.a.clone().requires_grad_()
    noise = posed.noise
    arguments = (
        name, operators.constant_of(CELLS[name]), a, None, None, posed.b, list(posed.loop.values()),
        list(posed.state), list(noise.hold or ()), noise.drop, None, False,
    )  # fmt: skip
    found = torch.library.opcheck(torch.ops.sunhwan.recurrence.default, arguments)
    assert set(found.values()) == {"SUCCESS"}
