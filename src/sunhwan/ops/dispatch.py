"""Which implementation runs a recurrence, and why."""

from typing import NamedTuple

import torch
from torch import Tensor

from sunhwan.cells import LSTM, Cell, Parameters, State
from sunhwan.errors import ConfigError
from sunhwan.ops import fused, reference

BACKENDS = {"fused": fused.run, "reference": reference.run, "unrolled": reference.run_unrolled}


class Choice(NamedTuple):
    """The name of an implementation in `BACKENDS`, and the reason in one clause."""

    backend: str
    reason: str


def choose(
    cell: Cell,
    device: torch.device,
    dtype: torch.dtype,
    *,
    hidden_size: int = 1,
    backend: str | None = None,
) -> Choice:
    """The implementation for a cell on a device.

    Rules, measured by `python -m benchmarks.layers`: cuDNN is fastest on CUDA for every cell it
    has; oneDNN's fused LSTM on a CPU (float32). PyTorch's GRU and Elman operators on a CPU are
    loops as ours is: ours has fewer operations, theirs less memory, which tells beyond 256 hidden
    units. The parameters are the same either way. `backend` forces one.
    """
    if backend is not None:
        if backend not in BACKENDS:
            raise ConfigError(f"no backend {backend!r}: choose from {', '.join(BACKENDS)}")
        if backend == "fused" and not fused.supports(cell):
            raise ConfigError(f"PyTorch has no fused operator for {type(cell).__name__}")
        return Choice(backend, "asked for")
    if type(cell).factors is Cell.factors:
        return Choice("unrolled", "the cell has no backward step of its own: autograd per step")
    if not fused.supports(cell):
        return Choice("reference", f"PyTorch has no fused {type(cell).__name__}")
    if device.type == "cuda":
        return Choice("fused", "cuDNN runs the whole sequence in one kernel")
    if device.type == "cpu" and isinstance(cell, LSTM) and dtype == torch.float32:
        return Choice("fused", "oneDNN runs the whole float32 LSTM in one operator")
    if device.type == "cpu" and hidden_size > 256:
        return Choice("fused", "PyTorch's loop moves less memory beyond 256 hidden units")
    return Choice("reference", f"no fused operator is faster on {device.type} in {dtype}")


def recur(
    cell: Cell, x: Tensor, parameters: Parameters, state: State, *, backend: str | None = None
) -> tuple[Tensor, State]:
    """Run a recurrence: x (T, N, D), state of (N, H) → h (T, N, H) and the last state.

    T = 0 and N = 0 give empty results and leave the state as it was. Under autocast the recurrence
    keeps the precision of its parameters.
    """
    if torch.is_autocast_enabled(x.device.type):
        # A recurrence adds to one state for many steps: it stays in the precision of its weights.
        with torch.autocast(x.device.type, enabled=False):
            like = parameters.W_h
            state = cell.state_type(*(field.to(like) for field in state))
            return recur(cell, x.to(like), parameters, state, backend=backend)
    if x.shape[0] == 0 or x.shape[1] == 0:
        return reference.empty(x, parameters), state
    H = parameters.W_h.shape[0]
    choice = choose(cell, x.device, x.dtype, hidden_size=H, backend=backend)
    return BACKENDS[choice.backend](cell, x, parameters, state)
