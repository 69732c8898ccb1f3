"""Spectra of recurrent matrices: spectral radius and norm, gate by gate."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from sunhwan.layers.layer import RecurrentLayer
from sunhwan.layers.recurrent import Recurrent

DIRECTIONS = ("forward", "backward")


class BlockSpectrum(NamedTuple):
    """A gate's block of a layer's W_h. radius: the largest |eigenvalue|; norm: the largest singular
    value; both infinite where the matrix is not finite."""

    layer: int
    direction: str
    gate: str
    radius: float
    norm: float


@torch.no_grad()
def recurrent_blocks(layer: RecurrentLayer) -> dict[str, Tensor]:
    """A layer's W_h as its equation uses it, gate → (H, H); nothing where the cell has none.

    Of a projection W_m the block is W_m W_h: what the memory meets on its way around.
    """
    parameters = layer.cell.effective(layer.parameters_of_cell)
    W_h = parameters.get("W_h")
    if W_h is None:
        return {}
    gates = layer.cell.gates_of_W_h
    blocks = W_h.detach().chunk(len(gates), 1)
    if len(W_h) != blocks[0].shape[1]:
        W_m = parameters.get("W_m")
        blocks = () if W_m is None else tuple(W_m @ block for block in blocks)
    return dict(zip(gates, blocks, strict=False))


def values_of(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """The eigenvalues of a square matrix, complex, and its singular values, falling.

    On the CPU and one thread: several wait for each other at every column, which on a busy machine
    takes many times as long, and an accelerator is slower or has no eigenvalues.
    """
    threads = torch.get_num_threads()
    matrix = matrix.detach().cpu()
    try:
        torch.set_num_threads(1)
        return torch.linalg.eigvals(matrix), torch.linalg.svdvals(matrix)
    finally:
        torch.set_num_threads(threads)


def recurrent_spectra(recurrent: Recurrent) -> list[BlockSpectrum]:
    """Of every layer, direction and gate; in a recurrence of small states h is multiplied with W_h
    again and again, so that a radius below 1 forgets and one above 1 explodes (Pascanu et al. 2013)."""
    found = []
    for i, layer in enumerate(recurrent.stack):
        depth, direction = divmod(i, recurrent.directions)
        for gate, W in recurrent_blocks(layer).items():
            radius = norm = math.inf
            if bool(W.isfinite().all()):
                eigenvalues, singular_values = values_of(W)
                radius, norm = float(eigenvalues.abs().max()), float(singular_values[0])
            found.append(BlockSpectrum(depth, DIRECTIONS[direction], gate, radius, norm))
    return found
