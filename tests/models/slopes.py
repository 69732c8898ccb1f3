"""Gradients of a model beside the slopes of its objective, parameter by parameter."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn


def assert_slopes(model: nn.Module, objective: Callable[[], Tensor]) -> None:
    """Each gradient along a random direction is the central difference; backward was called before."""
    draw = torch.Generator().manual_seed(3)
    for name, parameter in model.named_parameters():
        direction = torch.randn(parameter.shape, generator=draw, dtype=torch.float64)
        slope = 0.0
        with torch.no_grad():
            for sign in (1, -1):
                parameter += sign * 1e-6 * direction
                slope += sign * float(objective()) / 2e-6
                parameter -= sign * 1e-6 * direction
        assert parameter.grad is not None, name
        wanted = float((parameter.grad.to_dense() * direction).sum())
        assert slope == pytest.approx(wanted, rel=1e-6, abs=1e-8), name
