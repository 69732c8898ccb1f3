"""The program of a step together with its backward step.

The vector-Jacobian product of `pointwise` is traced as PyTorch differentiates it, so whatever a cell
does with its gradient (a part without one, a derivative of its own) holds here too.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from sunhwan.cells import Cell, State
from sunhwan.cells.structure import why_not_derived_at
from sunhwan.cells.tracing import apart, trace
from sunhwan.program.lowering import Lowering, UnknownError
from sunhwan.program.operations import Program


def gradient_of(name: str) -> str:
    """What the gradient of a value is called."""
    return f"d {name}"


@lru_cache(maxsize=64)
def step_and_gradient(cell: Cell, hidden_size: int) -> "Program | str":
    """The program, or the reason why there is none, in one clause.

    It reads a, u (where the cell has a recurrent product), the fields of the state, the extra parameters
    and the gradients "d FIELD" of the fields after the step. Its results are the fields, then "d a", "d u",
    "d FIELD before" and "d EXTRA", of which the last are each row's part.
    """
    reason = why_not_derived_at(cell, hidden_size)
    if reason is not None:
        return reason
    H, fields = hidden_size, cell.state_type._fields
    taken = next((name for name in (*fields, *cell.extra) if name in ("a", "u")), None)
    if taken is not None:
        return f"one of its fields or parameters is called {taken}, as a product is"
    with apart(), torch.random.fork_rng(devices=[]):
        extra = cell.initial_extra(H)
    blocks = {"a": cell.gates} | ({"u": cell.gates_of_W_h} if cell.gates_of_W_h else {})
    sizes = dict(zip(fields, cell.state_sizes(H), strict=True))
    products = {name: len(gates) * H for name, gates in blocks.items()}
    read = [*products, *fields, *cell.extra]

    def values() -> list[Tensor]:
        rows = [torch.zeros(2, size) for size in (*products.values(), *sizes.values())]
        own = [extra[name].contiguous() for name in cell.extra]
        return [*rows, *own, *(torch.zeros(2, size) for size in sizes.values())]

    def both(*given: Tensor) -> State:
        n, width = len(products), len(fields)
        own = [value.detach().requires_grad_() for value in given[:-width]]
        u: Any = own[1] if n == 2 else None
        state = cell.state_type(*own[n : n + width])
        after, _ = cell.pointwise(own[0], u, state, *own[n + width :])
        pairs = [(f, d) for f, d in zip(after, given[-width:], strict=True) if f.requires_grad]
        found = torch.autograd.grad(
            [f for f, _ in pairs], own, [d for _, d in pairs],
            allow_unused=True, materialize_grads=True,
        )  # fmt: skip
        return (*after, *found)

    # PyTorch's own backward passes write in place; a step that does so was refused above.
    graph, reason = trace(both, values, without_writing=True)
    if graph is None:
        return str(reason)
    graph.graph.eliminate_dead_code()
    given = [gradient_of(name) for name in fields]
    shared = set(cell.extra)
    inputs: Sequence[tuple[str, bool]] = [(name, name not in shared) for name in (*read, *given)]
    results = [*fields, *(_result(name, sizes) for name in read)]
    with apart(), torch.no_grad():
        lowering = Lowering(graph, linear=given)
        lowering.extra_traceback = False
        try:
            return lowering.program(inputs, results, {gradient_of(name) for name in shared})
        except UnknownError as error:
            return str(error)
        except Exception as error:
            first = (str(error).splitlines() or [""])[0]
            return f"{lowering.now}: {first}"


def _result(name: str, fields: Any) -> str:
    """The gradient of a field before the step has another name than that of the one after it."""
    return gradient_of(f"{name} before" if name in fields else name)
