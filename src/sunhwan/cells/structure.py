"""Structure of a step: which hidden units of its results depend on which units of its arguments.

Proved, not tried on numbers. `pointwise` is traced into a list of ATen operations on tensors without
values, so that nothing that depends on a value can slip into the list. Then every operation is
followed with the number of a unit in place of each value. Only operations whose effect on units is
certain are followed; after any other one the units count as mixed, which is always right, if slower.
"""

import operator
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import BackwardCFunction
from torch.fx import GraphModule, Interpreter, Node
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map_only

from sunhwan.cells.base import Cell, State
from sunhwan.cells.tracing import RefusedError, TracedFunction, trace, without_modes
from sunhwan.cells.two_products import TwoProductCell

CONSTANT, MIXED = -1, -2
"""In place of a unit's number: the value depends on no argument; it may depend on several units."""

SIZES = (24, 31)
"""Hidden sizes to trace when none is known: one that many numbers divide, and a prime."""

SECOND = "it has a second product inside the step"

COPIES = {"clone", "detach", "alias", "lift_fresh_copy", "_to_copy"}
"""Operations that return their first argument, whatever else they are given."""

FRESH = {"zeros_like", "ones_like", "full_like", "new_zeros", "new_ones", "new_full"}
"""Operations that read nothing of their first argument but its shape."""

_ELEMENTWISE = {"log_sigmoid_forward", "hardswish"}
"""Operations value by value that PyTorch does not mark as such."""

MOVES = {
    "cat.default", "expand.default", "flip.default", "permute.default", "repeat.default",
    "roll.default", "select.int", "slice.Tensor", "split.Tensor", "split_with_sizes.default",
    "squeeze.dim", "squeeze.default", "stack.default", "t.default", "transpose.int", "unbind.int",
    "unsqueeze.default",
}  # fmt: skip
"""Operations of which each result is a copy of one value of the arguments."""


def why_not_derived(cell: Cell) -> str | None:
    """The reason why a cell's backward step cannot be derived, in one clause; None if it can."""
    if isinstance(cell, TwoProductCell):
        return SECOND
    try:
        hash(cell)
    except TypeError:
        return "its fields cannot be hashed"
    reasons = []
    for size in SIZES:
        reason = _trace(cell, size).reason
        if reason is None:
            return None
        reasons.append(reason)
    return reasons[0]


def why_not_derived_at(cell: Cell, hidden_size: int) -> str | None:
    """The same for one hidden size."""
    if isinstance(cell, TwoProductCell):
        return SECOND
    return why_not_traced(cell, hidden_size)


def why_not_traced(cell: Cell, hidden_size: int) -> str | None:
    """The reason why a step is no list of operations with a gradient, in one clause; None if it is."""
    return _trace(cell, hidden_size).reason


@lru_cache(maxsize=256)
def is_unitwise(cell: Cell, hidden_size: int) -> bool:
    """Whether it is certain that unit j of the new state depends on unit j of a, u and state alone.

    False where it is not so, and where that cannot be proved.
    """
    H = hidden_size
    graph = _trace(cell, H).graph
    if graph is None or any(size != H for size in cell.state_sizes(H)):
        return False
    with without_modes():
        return _proves(graph, H, len(cell.step_parameters))


def _proves(graph: GraphModule, H: int, extra: int) -> bool:
    placeholders = [node for node in graph.graph.nodes if node.op == "placeholder"]
    shapes = [node.meta["val"].shape for node in placeholders]
    # The cell's own parameters are the same for all gradients of a step: constants.
    own = len(placeholders) - extra
    units = [torch.arange(shape[-1]).remainder(H).expand(shape) for shape in shapes[:own]]
    after = _Units(graph).run(*units, *(torch.full(shape, CONSTANT) for shape in shapes[own:]))
    right = torch.arange(H)
    return all(bool(((field == right) | (field == CONSTANT)).all()) for field in after)


class _WatchHooks(TorchFunctionMode):
    """Refuse a step that changes gradients by a hook: its derivative is not that of its values."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__name__", "") == "register_hook":
            raise RefusedError("it changes gradients by a hook")
        return func(*args, **(kwargs or {}))


@lru_cache(maxsize=256)
def _trace(cell: Cell, hidden_size: int) -> TracedFunction:
    """The new state of (a, u, *state, *extra) as ATen operations, for two rows."""
    H, product = hidden_size, bool(cell.gates_of_W_h)

    def step(*values: Tensor) -> State:
        a, *rest = (value.detach().requires_grad_().clone() for value in values)
        u: Any = rest.pop(0) if product else None
        width = len(cell.state_type._fields)
        with _WatchHooks():
            after, _ = cell.pointwise(a, u, cell.state_type(*rest[:width]), *rest[width:])
        own = _own_function(after)
        if own is not None:
            raise RefusedError(f"it has a derivative written by hand, {own}")
        return tuple(after)

    def values() -> list[Tensor]:
        fresh = cell.initial_extra(H)
        blocks = (cell.gates, cell.gates_of_W_h) if product else (cell.gates,)
        sizes = (*(len(gates) * H for gates in blocks), *cell.state_sizes(H))
        return [
            *(torch.zeros(2, size) for size in sizes),
            *(fresh[name] for name in cell.step_parameters),
        ]

    return trace(step, values)


def forget_traces() -> None:
    """Trace every step anew when it is asked for."""
    for kept in (_trace, is_unitwise):
        kept.cache_clear()


def _own_function(results: Iterable[Tensor]) -> str | None:
    """The name of an autograd.Function of the user's among the operations, if there is one."""
    waiting = [result.grad_fn for result in results]
    seen: set[Any] = set()
    while waiting:
        function = waiting.pop()
        if function is None or function in seen:
            continue
        if issubclass(type(function), BackwardCFunction):
            return type(function).__name__.removesuffix("Backward")
        seen.add(function)
        waiting += [before for before, _ in function.next_functions]
    return None


class _Units(Interpreter):
    """Run a traced step on the numbers of units (int64) in place of the values."""

    def run_node(self, n: Node) -> Any:
        if n.op == "get_attr":  # a tensor that the cell brings along
            return torch.full(n.meta["val"].shape, CONSTANT)
        if n.op != "call_function" or n.target is operator.getitem:
            return super().run_node(n)
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        units = [value for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor)]
        packet, _, overload = str(n.target).removeprefix("aten.").partition(".")
        if packet in FRESH or all(bool((value == CONSTANT).all()) for value in units):
            return _filled(n, CONSTANT)
        if packet in COPIES:
            return args[0]
        if packet in ("view", "_unsafe_view"):
            # Numbers of units lie otherwise in memory than the values they stand for.
            return args[0].reshape(args[1])
        if f"{packet}.{overload}" in MOVES:
            return super().run_node(n)
        if torch.Tag.pointwise in getattr(n.target, "tags", ()) or packet in _ELEMENTWISE:
            return tree_map_only(Tensor, lambda like: _met(units, like.shape), n.meta["val"])
        return _filled(n, MIXED)


def _filled(node: Node, number: int) -> Any:
    return tree_map_only(Tensor, lambda like: torch.full(like.shape, number), node.meta["val"])


def _met(units: Sequence[Tensor], shape: torch.Size) -> Tensor:
    """The units after an operation value by value: mixed where two different ones meet."""
    found = torch.full(shape, CONSTANT)
    every = torch.broadcast_tensors(found, *units)  # type: ignore[no-untyped-call]
    for other in every[1:]:
        if other.shape != shape:  # the operation did something else besides
            return torch.full(shape, MIXED)
        differs = (found != CONSTANT) & (other != CONSTANT) & (found != other)
        found = torch.where(found == CONSTANT, other, found).masked_fill(differs, MIXED)
    return found
