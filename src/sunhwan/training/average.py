"""Exponential moving average of the weights (Polyak and Juditsky 1992; Tarvainen and Valpola 2017)."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Average:
    r"""A second copy of the weights that follows the first one slowly; none where the decay is 0.

    .. math:: \bar w \leftarrow d \, \bar w + (1 - d) \, w, \quad d = \min(\text{decay}, (1 + t) / (10 + t))

    after t steps, so that the beginning, when weights are far from what they become, is soon forgotten.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._decay, self._steps = decay, 0
        self._named = dict(model.named_parameters()) if decay else {}
        self._mean = {name: p.detach().clone() for name, p in self._named.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Follow the weights after a step."""
        if self._mean:
            self._steps += 1
            decay = min(self._decay, (1 + self._steps) / (10 + self._steps))
            weights = [p.detach() for p in self._named.values()]
            torch._foreach_lerp_(list(self._mean.values()), weights, 1 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Inside, the model has the average's weights: to be validated and kept."""
        before = {name: p.detach().clone() for name, p in self._named.items()}
        self._copy(self._mean)
        try:
            yield
        finally:
            self._copy(before)

    def state(self) -> dict[str, Tensor]:
        """The state that `restore` takes."""
        if not self._mean:
            return {}
        return {**self._mean, "steps": torch.tensor(self._steps)}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue where `state()` was taken."""
        if self._mean and tensors:
            self._steps = int(tensors["steps"])
            for name, mean in self._mean.items():
                mean.copy_(tensors[name])

    @torch.no_grad()
    def _copy(self, values: Mapping[str, Tensor]) -> None:
        # Into the same memory, where prepared kernels look for them.
        for name, value in values.items():
            self._named[name].copy_(value)
