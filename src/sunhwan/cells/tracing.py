"""Tracing: a function of tensors as a list of ATen operations, without the values of the tensors.

Nothing that depends on a value can slip into such a list: what does is an error, told by operation
and line.
"""

import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import torch
from torch import Tensor
from torch.fx import GraphModule, Node
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_leaves

from sunhwan.cells.base import State


class TracedFunction(NamedTuple):
    """The list of operations, or the reason why there is none, in one clause."""

    graph: GraphModule | None
    reason: str | None


class RefusedError(Exception):
    """A reason, found while tracing."""


@contextmanager
def without_modes() -> Iterator[None]:
    """On the CPU, with gradients, whatever goes on around."""
    with (
        _disable_current_modes(),
        torch.inference_mode(False),
        torch.enable_grad(),
        torch.device("cpu"),
    ):
        yield


def trace(
    function: Callable[..., State],
    values: Callable[[], Sequence[Tensor]],
    *,
    without_writing: bool = False,
) -> TracedFunction:
    """Trace a function of the tensors that `values` makes.

    without_writing: where an operation writes in place, another one stands in the list; else that is
    a reason to have none.
    """
    # Not above: it brings sympy, which takes longer to import than all of this package.
    from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode

    try:
        with without_modes(), torch.random.fork_rng(devices=[]):
            graph = _list_of(function, values)
            if without_writing and any(map(_writes, graph.graph.nodes)):
                graph = _list_of(torch.func.functionalize(graph, remove="mutations"), values)
    except RefusedError as refused:
        return TracedFunction(None, str(refused))
    except GuardOnDataDependentSymNode as error:
        return TracedFunction(
            None, "it decides by the values of a tensor" + place_in(error.__traceback__)
        )
    except Exception as error:
        first = (str(error).splitlines() or [""])[0]
        where = place_in(error.__traceback__)
        return TracedFunction(
            None, f"its step cannot be traced: {type(error).__name__}: {first}{where}"
        )
    reason = next(filter(None, map(_objection, graph.graph.nodes)), None)
    return TracedFunction(None if reason else graph, reason)


def _list_of(function: Callable[..., State], values: Callable[[], Sequence[Tensor]]) -> GraphModule:
    found: GraphModule = make_fx(function, tracing_mode="fake", _allow_non_fake_inputs=True)(
        *values()
    )
    return found


def place_in(error: TracebackType | None) -> str:
    """The last line of an error's way in the file of a cell: " (FILE, line N)"."""
    ways = Path(torch.__file__).parent, Path(__file__).parents[1] / "program", Path(__file__)
    for frame in reversed(traceback.extract_tb(error)):
        path = Path(frame.filename)
        if path.is_file() and not any(way in (path, *path.parents) for way in ways):
            return f" ({path.name}, line {frame.lineno})"
    return ""


def _objection(node: Node) -> str | None:
    """Why an operation cannot stand in a list that is run again and again, in one clause."""
    tags = getattr(node.target, "tags", ())
    if torch.Tag.nondeterministic_seeded in tags:
        return f"it draws random numbers ({node.target})"
    if _writes(node):
        return f"it writes into a tensor in place ({node.target})"
    sizes = (n for t in tree_leaves(node.meta.get("val")) if isinstance(t, Tensor) for n in t.shape)
    if torch.Tag.data_dependent_output in tags or any(not isinstance(n, int) for n in sizes):
        return f"it reads the values of a tensor ({node.target})"
    return None


def _writes(node: Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    return schema is not None and schema.is_mutable
