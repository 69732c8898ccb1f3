"""Hidden sizes that a cell works with: one that pairs units needs an even one, say."""

from typing import TYPE_CHECKING, Any

import torch

from sunhwan.errors import ConfigError

if TYPE_CHECKING:
    from sunhwan.cells.base import Cell

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
    """What `pointwise` raises on zeros."""
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
