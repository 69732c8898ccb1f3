"""Calibration: a temperature is found again, and the calibration error is that of its definition."""

import pytest
import torch

from sunhwan.calibration import Bin, calibration_error, fitted_temperature, reliability


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


def test_the_error_by_hand() -> None:
    bins = reliability([0.92, 0.98, 0.55, 1.0], [True, False, True, True])
    assert bins == [Bin(0.55, 1.0, 1), Bin(pytest.approx(2.9 / 3), pytest.approx(2 / 3), 3)]
    assert calibration_error(bins) == pytest.approx((0.45 + 3 * 0.3) / 4)
    assert calibration_error([]) == 0.0
