"""Pre-activations: what the nonlinearity of each gate, and of a state that is one, is given."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from sunhwan.cells import Cell, Parameters, State
from sunhwan.cells.base import recurrent_product

NONLINEARITIES = ("sigmoid", "tanh", "relu", "softplus", "silu", "gelu", "elu", "leaky_relu")


class _Nonlinearities(TorchFunctionMode):
    """What goes into each nonlinearity while it is entered, and what comes out."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Tensor, Tensor]] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        if getattr(func, "__name__", "") in NONLINEARITIES:
            self.calls.append((args[0] if args else kwargs["input"], made))
        return made


@torch.no_grad()
def pre_activations(
    cell: Cell, x: Tensor, state: State, parameters: Parameters
) -> dict[str, Tensor]:
    """The argument of the nonlinearity that makes a gate, or a field of the next state, by their names.

    x (1, D), state of (1, H) before the step. Found by watching one step, so that it holds for any cell:
    of a GRU's candidate it is a^n + r ⊙ u^n. What no nonlinearity makes, such as h = o ⊙ tanh(c), is left
    out; an exponential gate, which is made of more than its sum, has its sum.
    """
    given = cell.effective(parameters)
    weights = cell.parameters_of_step(given)
    with _Nonlinearities() as watched:
        after, saved = cell.forward_step(cell.inputs(x, given), state, weights)
    gates = cell.gate_values(saved)
    named = gates | dict(zip(cell.state_type._fields, after, strict=True))
    found = {name: _argument_of(value, watched.calls) for name, value in named.items()}
    if type(cell).gradients is Cell.gradients and cell.gates == cell.gates_of_W_h:
        added = cell.sums(x, state, given) + recurrent_product(state[0], weights, None)
        for name, value in zip(cell.gates, added.chunk(len(cell.gates), -1), strict=True):
            if name in gates and found[name] is None:
                found[name] = value
    return {name: value for name, value in found.items() if value is not None}


def _argument_of(value: Tensor, calls: Sequence[tuple[Tensor, Tensor]]) -> Tensor | None:
    """What a nonlinearity was given where it made these very values: the same place in memory."""
    for argument, made in calls:
        first = value.storage_offset() - made.storage_offset()
        same = value.untyped_storage().data_ptr() == made.untyped_storage().data_ptr()
        if same and 0 <= first <= made.shape[-1] - value.shape[-1]:
            return argument[..., first : first + value.shape[-1]]
    return None
