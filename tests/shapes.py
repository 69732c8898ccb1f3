"""Shapes of cells: one cell of each, for tests of what is around a cell, not of its equation.

The laws hold every cell to everything; a layer, an operator or a stack sees of a cell no more than this.
"""

from typing import Any

from sunhwan.cells import CELLS, Cell
from sunhwan.cells.linear import LinearCell
from sunhwan.cells.two_products import TwoProductCell

HOOKS = (
    "effective",
    "output_size",
    "gradients",
    "inputs",
    "forward_step",
    "backward_step",
    "parameter_gradients",
)


def shape(cell: Cell) -> tuple[Any, ...]:
    """What is around a cell sees of it: fields, products, biases, parameters, hooks that are its own."""
    kinds = tuple(isinstance(cell, kind) for kind in (LinearCell, TwoProductCell))
    own = tuple(getattr(type(cell), hook) is not getattr(Cell, hook) for hook in HOOKS)
    products = cell.recurrent_gates if cell.recurrent_gates is None else len(cell.recurrent_gates)
    fields = len(cell.state_type._fields)
    return kinds, own, products, cell.recurrent_bias, len(cell.extra), fields


SHAPES = sorted({shape(cell): name for name, cell in reversed(CELLS.items())}.values())
"""The first cell of each shape."""
