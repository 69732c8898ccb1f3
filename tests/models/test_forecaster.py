"""Quantiles of a future: the loss, the gradient, the order, padding."""

import pytest
import torch

from sunhwan.config import ModelConfig
from sunhwan.data import pad
from sunhwan.models import Forecaster
from sunhwan.models.forecaster import QUANTILES, Windows, pinball
from tests.tiers import and_deep

CONFIG = ModelConfig(hidden_size=5, num_layers=1, embedding_size=4, dropout=0.0)


def forecaster(horizon: int = 3, features: int = 4) -> Forecaster:
    torch.manual_seed(1)
    model = Forecaster(CONFIG, features, horizon).double().eval()
    torch.nn.init.normal_(model.output.weight)
    torch.nn.init.normal_(model.output.bias)
    return model


def test_pinball_is_the_tilted_distance() -> None:
    torch.manual_seed(2)
    q, y = torch.randn(3, 2, 9, dtype=torch.float64), torch.randn(3, 2, dtype=torch.float64)
    found = pinball(q, y)
    for i in range(3):
        for h in range(2):
            for k, level in enumerate(QUANTILES):
                above = (y[i, h] - q[i, h, k]).item()
                expected = level * above if above >= 0 else (level - 1) * above
                assert found[i, h, k].item() == pytest.approx(expected)


def test_pinball_is_least_at_the_quantiles() -> None:
    y = torch.randn(20_001, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    levels = torch.tensor(QUANTILES, dtype=torch.float64)
    at = torch.quantile(y, levels)

    def mean(q: torch.Tensor) -> torch.Tensor:
        return pinball(q.expand(len(y), -1), y).mean(0)

    assert bool((mean(at) < mean(at + 0.05)).all())
    assert bool((mean(at) < mean(at - 0.05)).all())


def test_before_it_learns_it_says_zero() -> None:
    model = Forecaster(CONFIG, 4, 3)
    assert bool((model(pad([torch.randn(7, 4)])) == 0).all())


def test_quantiles_ascend_and_padding_is_not_seen() -> None:
    model = forecaster()
    rows = [torch.randn(T, 4, dtype=torch.float64) for T in (9, 4, 6)]
    together = model(pad(rows, padding=float("nan")))
    assert together.shape == (3, 3, len(QUANTILES))
    assert bool((together.diff(dim=-1) >= 0).all())
    alone = torch.cat([model(pad([row])) for row in rows])
    torch.testing.assert_close(together, alone)


@pytest.mark.slow
@pytest.mark.parametrize("horizon", and_deep([3], [1]))
def test_the_gradient_of_the_loss(horizon: int) -> None:
    model = forecaster(horizon)
    targets = torch.randn(2, horizon, dtype=torch.float64)
    names, values = zip(*model.named_parameters(), strict=True)

    def loss(x: torch.Tensor, *parameters: torch.Tensor) -> torch.Tensor:
        rows = [x[0, : 1 + horizon], x[1]]
        with_these = dict(zip(names, parameters, strict=True))
        quantiles = torch.func.functional_call(model, with_these, (pad(rows),))
        return pinball(quantiles, targets).mean()

    x = torch.randn(2, 4 + horizon, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(loss, (x, *values), eps=1e-6, atol=1e-6)
    batch = Windows(pad([x[0, : 1 + horizon], x[1]]), targets)
    torch.testing.assert_close(model.loss(batch).nats, loss(x, *values))
