"""Evaluation mode of a model for the time of a block, and its own mode afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode inside the `with`; the mode comes back."""
    training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(training)
