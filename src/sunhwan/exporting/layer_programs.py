"""Layers as exports see them: their parameters as numbers, and their programs with these put in."""

from typing import Any

import numpy as np
import torch

from sunhwan.layers import RecurrentLayer
from sunhwan.program import CellProgram, program_of


def numbers_of(layer: RecurrentLayer) -> dict[str, np.ndarray[Any, Any]]:
    """The parameters as the equation uses them, in float32."""
    with torch.no_grad():
        effective = layer.cell.effective(layer.parameters_of_cell)
        return {name: value.float().numpy() for name, value in effective.items()}


def program_of_layer(layer: RecurrentLayer) -> CellProgram:
    """The programs of a layer's cell without parameters; ConfigError for a cell that has none."""
    numbers = numbers_of(layer)
    found = program_of(layer.cell, layer.input_size, layer.hidden_size, bias="b" in numbers)
    return found.folded(numbers)
