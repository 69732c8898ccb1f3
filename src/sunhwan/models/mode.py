"""The mode of a model: while it is looked at, nothing of training happens in it."""

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
