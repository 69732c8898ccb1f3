"""Compiled kernels of cells that the library does not know: it runs their step as a program.

A kernel is made of a cell and a hidden size once, and has a name like any other: the operators, their
gradients and everything around them do not know the difference.
"""

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from sunhwan.cells import CELLS, Cell, LinearCell, State, has_backward
from sunhwan.cells.two_products import TwoProductCell
from sunhwan.ops.library import library
from sunhwan.ops.record import Kernel

if TYPE_CHECKING:
    from sunhwan.ops.program_record import ProgramRecord

HOOKS = ("forward_step", "backward_step", "parameter_gradients", "parameters_of_step", "step")
"""Methods of a cell that say how its step is taken: with one of its own, the kernel would take another."""


class MatrixGradient(NamedTuple):
    """How the gradient of a matrix besides W_h is made, of one product in a step that reads it.

    which: the matrix among the loop's parameters; transposed: its transpose is multiplied. operands: of
    what is multiplied, `size` numbers, which of the saved values it is, side by side, and how wide each
    is, 1 where all numbers of its block are alike. column, width: where the gradient of what it gives
    stands.
    """

    which: int
    transposed: bool
    operands: tuple[tuple[int, int], ...]
    size: int
    column: int
    width: int


class ProgramKernel(NamedTuple):
    """A cell at one hidden size: its kernels by type of numbers, and the records they run.

    seen: a few rows of what the step reads, and what it made of them when the program was written.
    """

    name: str
    cell: Cell
    hidden_size: int
    kernels: dict[torch.dtype, Kernel]
    records: "dict[torch.dtype, ProgramRecord]"
    products: tuple[MatrixGradient, ...]
    seen: tuple[tuple[Tensor, ...], State]


_BY_NAME: dict[str, ProgramKernel] = {}
_LATEST: dict[tuple[Cell, int, str], ProgramKernel] = {}


def named(name: str) -> ProgramKernel | None:
    """The kernel of that name."""
    return _BY_NAME.get(name)


def cell_called(name: str) -> Cell:
    """The cell of a kernel's name."""
    found = _BY_NAME.get(name)
    return CELLS[name] if found is None else found.cell


def latest(cell: Cell, hidden_size: int) -> ProgramKernel | None:
    """The kernel that `kernel_for` gave last, without looking at the step once more."""
    found = library()
    return None if found is None else _LATEST.get((cell, hidden_size, found.instructions))


def kernel_for(cell: Cell, hidden_size: int) -> ProgramKernel | None:
    """The kernel of a cell, None where its step is no program; made anew where the step has changed."""
    found_library = library()
    if found_library is None or why_not(cell, hidden_size) is not None:
        return None
    from sunhwan.ops import program_making  # only for cells of one's own

    key = (cell, hidden_size, found_library.instructions)
    found = _LATEST.get(key)
    if found is None or not program_making.still_holds(found):
        if found is not None:
            program_making.forget()
        found = program_making.make(cell, hidden_size)
        if found is None:
            return None
        _BY_NAME[found.name] = _LATEST[key] = found
    return found


def why_not(cell: Cell, hidden_size: int) -> str | None:
    """Why the library cannot run a cell's step as a program, in one clause; None if it can."""
    if library() is None:
        return "the compiled library was not built"
    if isinstance(cell, LinearCell):
        return "it is a recurrence of another kind"
    if has_backward(cell):
        return "it has a backward step of its own"
    usual = TwoProductCell if isinstance(cell, TwoProductCell) else Cell
    if any(getattr(type(cell), name) is not getattr(usual, name) for name in HOOKS):
        return "it takes its step in a way of its own"
    try:
        hash(cell)
    except TypeError:
        return "its fields cannot be hashed"
    from sunhwan.ops import program_making

    return program_making.why_not(cell, hidden_size)
