"""IRNN: a ReLU network whose recurrent matrix begins as the identity."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from sunhwan.cells.base import Parameters
from sunhwan.cells.elman import Elman


@dataclass(frozen=True)
class IRNN(Elman):
    r"""IRNN (Le, Jaitly and Hinton 2015, "A simple way to initialize recurrent networks of
    rectified linear units").

    .. math:: h_t = \mathrm{ReLU}(x_t W_x + h_{t-1} W_h + b), \qquad W_h = I, \; b = 0
              \text{ at the start}

    A new network copies its state and adds to it what it reads, so a gradient comes back as it
    went. W_x starts normal with a standard deviation of 0.001. Shapes: those of `Elman`.
    """

    nonlinearity: Literal["tanh", "relu"] = "relu"

    source: ClassVar[str] = "Le et al. 2015"

    def initial_parameters(
        self, input_size: int, hidden_size: int, *, bias: bool = True
    ) -> Parameters:
        fresh = super().initial_parameters(input_size, hidden_size, bias=bias)
        W_x = 0.001 * torch.randn(input_size, hidden_size)
        return fresh | {"W_x": W_x, "W_h": torch.eye(hidden_size)}
