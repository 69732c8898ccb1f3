"""Calibration: a temperature is found again, and the calibration error is that of its definition."""

import pytest
import torch

from sunhwan.calibration import (
    Bin,
    calibration_error,
    fitted_share,
    fitted_temperature,
    reliability,
)


def drawn(examples: int, temperature: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits, and labels drawn from softmax(logits / temperature)."""
    generator = torch.Generator().manual_seed(1)
    logits = 4 * torch.randn(examples, 3, generator=generator, dtype=torch.float64)
    shares = torch.softmax(logits / temperature, -1)
    return logits, torch.multinomial(shares, 1, generator=generator).squeeze(1)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_of_many_examples_is_found(temperature: float) -> None:
    assert fitted_temperature(*drawn(20_000, temperature)) == pytest.approx(temperature, rel=0.05)


def test_few_examples_say_little() -> None:
    logits, targets = drawn(20_000, 3.0)
    found = [fitted_temperature(logits[:n], targets[:n]) for n in (0, 10, 100)]
    assert found[0] == 1.0
    assert abs(found[1] - 1) < abs(found[2] - 1)
    # All right: without a bound the temperature would be 0.
    sure = torch.tensor([[5.0, 0.0]] * 5)
    assert 0.8 < fitted_temperature(sure, torch.zeros(5, dtype=torch.int64)) < 1


def test_a_temperature_makes_confidence_true() -> None:
    logits, targets = drawn(20_000, 3.0)
    errors = []
    for temperature in (1.0, fitted_temperature(logits[:5_000], targets[:5_000])):
        p = torch.softmax(logits[5_000:] / temperature, -1)
        right = (p.argmax(-1) == targets[5_000:]).tolist()
        errors.append(calibration_error(reliability(p.amax(-1).tolist(), right)))
    assert errors[0] > 0.1
    assert errors[1] < 0.02


@pytest.mark.parametrize(("share", "temperature"), [(0.3, 1.0), (1.0, 0.6), (1.5, 2.0)])
def test_the_share_of_the_network_is_found_at_any_temperature(
    share: float, temperature: float
) -> None:
    generator = torch.Generator().manual_seed(1)
    network, linear = 3 * torch.randn(2, 20_000, 3, generator=generator, dtype=torch.float64)
    p = torch.softmax((share * network + linear) / temperature, -1)
    targets = torch.multinomial(p, 1, generator=generator).squeeze(1)
    found = fitted_share(network, linear, targets)
    assert found == pytest.approx(min(share, 1.0), rel=0.06)
    assert 0.8 < fitted_share(network[:50], linear[:50], targets[:50]) <= 1
    assert fitted_share(network[:0], linear[:0], targets[:0]) == 1.0


def test_a_network_that_says_nothing_has_a_share_of_about_one() -> None:
    generator = torch.Generator().manual_seed(1)
    linear = torch.randn(500, 2, generator=generator)
    targets = torch.multinomial(linear.softmax(-1), 1, generator=generator).squeeze(1)
    assert fitted_share(torch.zeros(500, 2), linear, targets) > 0.7
    # All wrong: its weight is bounded, and positive.
    wrong = torch.nn.functional.one_hot(1 - targets, 2) * 9.0
    assert 0 < fitted_share(wrong, linear, targets) < 0.3


def test_the_error_by_hand() -> None:
    bins = reliability([0.92, 0.98, 0.55, 1.0], [True, False, True, True])
    assert bins == [Bin(0.55, 1.0, 1), Bin(pytest.approx(2.9 / 3), pytest.approx(2 / 3), 3)]
    assert calibration_error(bins) == pytest.approx((0.45 + 3 * 0.3) / 4)
    assert calibration_error([]) == 0.0
