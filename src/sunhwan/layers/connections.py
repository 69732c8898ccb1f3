"""Connections around a layer of a stack: none, residual, highway, dense."""

import torch
from torch import Tensor, nn

from sunhwan.errors import ConfigError


class Plain(nn.Module):
    """y: the layer's output alone."""

    def __init__(self, input_size: int, own_size: int) -> None:
        super().__init__()
        self.output_size = own_size

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return y


class Residual(Plain):
    """y + x (He et al. 2016; in recurrent stacks Prakash et al. 2016, Wu et al. 2016)."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y


class Highway(Plain):
    """g ⊙ y + (1 − g) ⊙ x, g = σ(x W_g + b_g) (Srivastava, Greff and Schmidhuber 2015).

    b_g starts at −1: a new network lets most of x pass.
    """

    def __init__(self, input_size: int, own_size: int) -> None:
        super().__init__(input_size, own_size)
        self.gate = nn.Linear(input_size, own_size)
        nn.init.xavier_uniform_(self.gate.weight)
        nn.init.constant_(self.gate.bias, -1.0)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        gate = torch.sigmoid(self.gate(x)).to(y)  # under autocast a product has fewer digits
        return torch.lerp(x, y, gate)


class Dense(Plain):
    """(x, y): all that was there, and what the layer adds (Huang et al. 2017; Godin et al. 2017)."""

    def __init__(self, input_size: int, own_size: int) -> None:
        super().__init__(input_size, own_size)
        self.output_size = input_size + own_size

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.cat((x, y), -1)


CONNECTIONS: dict[str, type[Plain]] = {
    "none": Plain,
    "residual": Residual,
    "highway": Highway,
    "dense": Dense,
}


def make_connection(name: str, input_size: int, own_size: int, depth: int) -> Plain:
    """The connection around the layer at this depth; the first has none to go around but dense."""
    if depth == 0 and name != "dense":
        return Plain(input_size, own_size)
    if name in ("residual", "highway") and input_size != own_size:
        raise ConfigError(
            f"a {name} connection needs layers of one size, but layer {depth} reads {input_size} "
            f"and gives {own_size}: make them equal, or take connection='dense'"
        )
    return CONNECTIONS[name](input_size, own_size)
