"""The program of a step together with its backward step.

The vector-Jacobian product of `pointwise` is traced as PyTorch differentiates it, so whatever a cell
does with its gradient (a part without one, a derivative of its own) holds here too.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sunhwan.cells import Cell, State
from sunhwan.cells.structure import why_not_traced
from sunhwan.cells.tracing import trace, without_modes
from sunhwan.program.inner_products import CutProducts, InnerProduct, products_in
from sunhwan.program.lowering import Lowering, UnknownError
from sunhwan.program.operations import Program


def gradient_of(name: str) -> str:
    """What the gradient of a value is called."""
    return f"d {name}"


def product_name(k: int) -> str:
    """What the step reads of the inner product k."""
    return f"product {k}"


def operand_name(k: int) -> str:
    """What the inner product k reads of the step."""
    return f"operand {k}"


class CutStep(NamedTuple):
    """A step and its gradient without its inner products, which stand beside it in their order.

    program: that of `step_and_gradient`, which reads "product k" and "d operand k" besides, and gives
    "operand k" and "d product k". It has none of the matrices.
    """

    program: Program
    products: tuple[InnerProduct, ...]

    @property
    def matrices(self) -> frozenset[str]:
        """The parameters that are read by products alone."""
        return frozenset(product.name for product in self.products)


def step_and_gradient(cell: Cell, hidden_size: int) -> "Program | str":
    """The program, or the reason why there is none, in one clause.

    It reads a, u (where the cell has a recurrent product), the fields of the state, the extra parameters
    and the gradients "d FIELD" of the fields after the step. Its results are the fields, then "d a", "d u",
    "d FIELD before" and "d EXTRA", of which the last are each row's part.
    """
    found = step_without_cuts(cell, hidden_size)
    return found if isinstance(found, str) else found.program


@lru_cache(maxsize=64)
def step_without_cuts(cell: Cell, hidden_size: int) -> "CutStep | str":
    """The same, as a step of which nothing is cut out."""
    return _traced(cell, hidden_size, ())


@lru_cache(maxsize=64)
def cut_step(cell: Cell, hidden_size: int) -> "CutStep | str":
    """The same without inner products, as many as can be cut out; or the reason why there is none."""
    reason = why_not_traced(cell, hidden_size)
    if reason is not None:
        return reason
    names = cell.step_parameters
    with without_modes(), torch.random.fork_rng(devices=[]):
        own = cell.initial_extra(hidden_size)
        matrices = {name: own[name] for name in names if own[name].dim() == 2}
        if not matrices:
            return step_without_cuts(cell, hidden_size)
        a, u, state = _zeros(cell, hidden_size)
        found = products_in(lambda: cell.pointwise(a, u, state, *(own[n] for n in names)), matrices)
    return _traced(cell, hidden_size, tuple(found))


def _zeros(cell: Cell, hidden_size: int) -> tuple[Tensor, Any, Any]:
    """a, u and the state of a step."""
    blocks = (cell.gates, cell.gates_of_W_h)
    a, u = (torch.zeros(2, len(gates) * hidden_size) for gates in blocks)
    return a, u if cell.gates_of_W_h else None, cell.zero_state(2, hidden_size)


def _traced(cell: Cell, hidden_size: int, inner: tuple[InnerProduct, ...]) -> "CutStep | str":
    """With these products cut out."""
    reason = why_not_traced(cell, hidden_size)
    if reason is not None:
        return reason
    H, fields, parameters = hidden_size, cell.state_type._fields, cell.step_parameters
    taken = next((name for name in (*fields, *parameters) if name in ("a", "u")), None)
    if taken is not None:
        return f"one of its fields or parameters is called {taken}, as a product is"
    with without_modes(), torch.random.fork_rng(devices=[]):
        fresh = cell.initial_extra(H)
    blocks = {"a": cell.gates} | ({"u": cell.gates_of_W_h} if cell.gates_of_W_h else {})
    sizes = dict(zip(fields, cell.state_sizes(H), strict=True))
    products = {name: len(gates) * H for name, gates in blocks.items()}
    matrices = tuple(name for name in parameters if any(name == one.name for one in inner))
    extra = [name for name in parameters if name not in matrices]
    given = {product_name(k): one.J for k, one in enumerate(inner)}
    asked = dict(sizes) | {operand_name(k): one.K for k, one in enumerate(inner)}
    read = [*products, *fields, *extra, *given]

    def values() -> list[Tensor]:
        rows = [torch.zeros(2, size) for size in (*products.values(), *sizes.values())]
        own = [fresh[name].contiguous() for name in extra]
        cut = [torch.zeros(2, size) for size in given.values()]
        whole = [fresh[name].contiguous() for name in matrices]
        return [*rows, *own, *cut, *(torch.zeros(2, size) for size in asked.values()), *whole]

    def both(*arguments: Tensor) -> State:
        n, width, end = len(products), len(fields), len(read)
        own = [value.detach().requires_grad_() for value in arguments[:end]]
        outside, whole = arguments[end : end + len(asked)], arguments[end + len(asked) :]
        u: Any = own[1] if n == 2 else None
        state = cell.state_type(*own[n : n + width])
        by_name = dict(zip(matrices, whole, strict=True))
        by_name |= dict(zip(extra, own[n + width :], strict=False))
        with CutProducts({m: by_name[m] for m in matrices}, own[end - len(given) :]) as cut:
            after, _ = cell.pointwise(own[0], u, state, *(by_name[name] for name in parameters))
        results = [*after, *cut.operands]
        pairs = [(f, d) for f, d in zip(results, outside, strict=True) if f.requires_grad]
        found = torch.autograd.grad(
            [f for f, _ in pairs], own, [d for _, d in pairs],
            allow_unused=True, materialize_grads=True,
        )  # fmt: skip
        return (*results, *found)

    # PyTorch's own backward passes write in place; a step that does so was refused above.
    graph, reason = trace(both, values, without_writing=True)
    if graph is None:
        return str(reason)
    graph.graph.eliminate_dead_code()
    holes = [node for node in graph.graph.nodes if node.op == "placeholder"]
    if any(node.users for node in holes[len(holes) - len(matrices) :]):
        return step_without_cuts(cell, hidden_size)  # a matrix is read in another way besides
    linear = [gradient_of(name) for name in asked]
    shared = set(extra)
    inputs: Sequence[tuple[str, bool]] = [
        *((name, name not in shared) for name in (*read, *linear)),
        *((name, False) for name in matrices),
    ]
    results = [*asked, *(_result(name, sizes) for name in read)]
    with without_modes(), torch.no_grad():
        lowering = Lowering(graph, linear=linear)
        lowering.extra_traceback = False
        try:
            found = lowering.program(inputs, results, {gradient_of(name) for name in shared})
        except UnknownError as error:
            return str(error)
        except Exception as error:
            first = (str(error).splitlines() or [""])[0]
            return f"{lowering.now}: {first}"
    return CutStep(found, inner)


def _result(name: str, fields: Any) -> str:
    """The gradient of a field before the step has another name than that of the one after it."""
    return gradient_of(f"{name} before" if name in fields else name)
