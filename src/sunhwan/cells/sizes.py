"""Checks of sizes: the hidden sizes that a cell works with, a step's results, a state.

A cell that pairs units works with even hidden sizes alone, say.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from sunhwan.errors import ConfigError, ShapeError

if TYPE_CHECKING:
    from sunhwan.cells.base import Cell, State

SIZES = (4, 5, 24)
"""Hidden sizes to try: even, odd, and one that many numbers divide."""


def check_hidden_size(cell: "Cell", hidden_size: int) -> None:
    """ConfigError where a step of the cell fails with so many units, but not with others."""
    if type(cell).__module__.startswith("sunhwan."):
        return
    error = step_error(cell, hidden_size)
    if error is not None and any(step_error(cell, size) is None for size in SIZES):
        first = (str(error).splitlines() or [""])[0]
        raise ConfigError(
            f"{type(cell).__name__} works for some hidden sizes only: a step with {hidden_size} "
            f"hidden units fails, {type(error).__name__}: {first}"
        )


def step_error(cell: "Cell", hidden_size: int) -> Exception | None:
    """The error that `pointwise` raises on zeros."""
    try:
        with torch.no_grad(), torch.device("cpu"), torch.random.fork_rng(devices=[]):
            fresh = cell.initial_extra(hidden_size)
            blocks = (cell.gates, cell.gates_of_W_h)
            a, u = (torch.zeros(2, len(gates) * hidden_size) for gates in blocks)
            product: Any = u if cell.gates_of_W_h else None
            state = cell.zero_state(2, hidden_size)
            cell.pointwise(a, product, state, *(fresh[name] for name in cell.step_parameters))
    except Exception as error:
        return error
    return None


def check_pair(cell: "Cell", made: Any) -> None:
    """ShapeError unless a cell's step returned two things: its state and a tuple of saved values."""
    if not (isinstance(made, tuple) and len(made) == 2 and isinstance(made[1], tuple)):
        state, fields = cell.state_type.__name__, ", ".join(cell.state_type._fields)
        raise ShapeError(
            f"a step of {type(cell).__name__} must return two things, {state}({fields}) and a tuple of "
            "what it saves"
        )


def check_state(
    cell: "Cell", state: Sequence[Tensor] | Tensor, batch_size: int, hidden_size: int
) -> "State":
    """The state as the cell's NamedTuple, or a ShapeError that carries the offending sizes."""
    fields, sizes = cell.state_type._fields, cell.state_sizes(hidden_size)
    name = cell.state_type.__name__
    if not isinstance(state, tuple | list) or len(state) != len(fields):
        shape = ", ".join(
            f"{f} ({batch_size}, {size})" for f, size in zip(fields, sizes, strict=True)
        )
        raise ShapeError(f"the state must be a {name} of {shape}: wrap it as {name}(…)")
    for field, value, size in zip(fields, state, sizes, strict=True):
        if not isinstance(value, Tensor):
            raise ShapeError(
                f"state field {field} is a {type(value).__name__}: give a tensor of shape "
                f"{(batch_size, size)}"
            )
        if tuple(value.shape) != (batch_size, size):
            raise ShapeError(
                f"state field {field} has shape {tuple(value.shape)}, but a batch of "
                f"{batch_size} rows and {size} hidden units needs "
                f"{(batch_size, size)}"
            )
    checked: State = cell.state_type(*state)
    return checked
