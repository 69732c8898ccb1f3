"""The programs of a cell: what it reads of its input, and its step, both products included."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from sunhwan.cells import Cell, Lagged, State
from sunhwan.cells.tracing import TracedFunction, place_in, trace, without_modes
from sunhwan.errors import ConfigError
from sunhwan.program.folding import folded
from sunhwan.program.lowering import Lowering, UnknownError
from sunhwan.program.operations import Numbers, Program


class CellProgram(NamedTuple):
    """A cell in two programs, for one input size and one hidden size.

    inputs: x and parameters → a. step: a, the fields of the state and parameters → the fields after
    the step. Parameters have the names of `Cell.effective`. gates: the names of what the equation calls
    by a name, `Cell.gate_values`, in the order of the results gate_0, gate_1 … of the step.
    """

    inputs: Program
    step: Program
    gates: tuple[str, ...] = ()

    def folded(self, parameters: Mapping[str, Numbers]) -> "CellProgram":
        """With the parameters put in."""
        inputs, step = folded(self.inputs, parameters), folded(self.step, parameters)
        return CellProgram(inputs, step, self.gates)


def program_of(
    cell: Cell, input_size: int, hidden_size: int, *, bias: bool = True, gates: bool = False
) -> CellProgram:
    """The programs of a cell; ConfigError says which operation stands in the way, and where.

    gates: with what the equation names as results, where a program can have them.
    """
    found = _found(cell, input_size, hidden_size, bias, gates)
    if gates and isinstance(found, str):
        found = _found(cell, input_size, hidden_size, bias)
    if isinstance(found, str):
        raise ConfigError(
            f"the step of {type(cell).__name__} cannot be written as a program: {found}"
        )
    return found


def why_no_program(cell: Cell, hidden_size: int = 24) -> str | None:
    """The reason why a cell has no program, in one clause with the operation and the line."""
    found = _found(cell, 3, hidden_size, True)
    return found if isinstance(found, str) else None


def _found(
    cell: Cell, input_size: int, hidden_size: int, bias: bool, gates: bool = False
) -> "CellProgram | str":
    try:
        hash(cell)
    except TypeError:
        return "its fields cannot be hashed"
    return _traced(cell, input_size, hidden_size, bias, gates)


@lru_cache(maxsize=64)
def _traced(
    cell: Cell, input_size: int, hidden_size: int, bias: bool, gates: bool
) -> CellProgram | str:
    fields, named = cell.state_type._fields, list[str]()

    def parameters() -> dict[str, Tensor]:
        with torch.no_grad():
            fresh = cell.initial_parameters(input_size, hidden_size, bias=bias)
            return {name: value.contiguous() for name, value in cell.effective(fresh).items()}

    with without_modes(), torch.random.fork_rng(devices=[]):
        names = list(parameters())

    def inputs(x: Tensor, *values: Tensor) -> State:
        with torch.no_grad():
            return (cell.inputs(x, dict(zip(names, values, strict=True))),)

    def step(a: Tensor, *values: Tensor) -> State:
        state = cell.state_type(*values[: len(fields)])
        given = dict(zip(names, values[len(fields) :], strict=True))
        with torch.no_grad():
            after, saved = cell.forward_step(a, state, cell.parameters_of_step(given))
            seen = cell.gate_values(saved) if gates else {}
            named[:] = seen
            return (*after, *seen.values())

    def given(*sizes: int) -> list[Tensor]:
        return [*(torch.zeros(2, size) for size in sizes), *parameters().values()]

    shared = [(name, False) for name in names]
    # What one with a lag is given is x itself: its products wait for an output of before.
    width = input_size if isinstance(cell, Lagged) else len(cell.gates) * hidden_size
    state = [(name, True) for name in fields]
    try:
        return CellProgram(
            _lowered(inputs, lambda: given(input_size), [("x", True), *shared], lambda: ["a"]),
            _lowered(
                step,
                lambda: given(width, *cell.state_sizes(hidden_size)),
                [("a", True), *state, *shared],
                lambda: [*fields, *(f"gate_{n}" for n in range(len(named)))],
            ),
            tuple(named),
        )
    except UnknownError as error:
        return str(error)


def forget() -> None:
    """Trace every step anew: what one reads besides its arguments has changed."""
    _traced.cache_clear()


def _lowered(
    function: Callable[..., State],
    values: Callable[[], Sequence[Tensor]],
    inputs: Sequence[tuple[str, bool]],
    names: Callable[[], Sequence[str]],
) -> Program:
    found: TracedFunction = trace(function, values)
    if found.graph is None:
        raise UnknownError(found.reason)
    found.graph.graph.eliminate_dead_code()
    with without_modes(), torch.no_grad():
        lowering = Lowering(found.graph)
        lowering.extra_traceback = False
        try:
            return lowering.program(inputs, names())
        except UnknownError as error:
            where = _line_of(lowering.now, function, values)
            raise UnknownError(f"{error}{where}") from None
        except Exception as error:
            first = (str(error).splitlines() or [""])[0]
            where = _line_of(lowering.now, function, values)
            raise UnknownError(f"{lowering.now}: {first}{where}") from None


def _line_of(
    target: Any, function: Callable[..., State], values: Callable[[], Sequence[Tensor]]
) -> str:
    """Where a function comes to an operation: " (FILE, line N)"."""
    try:
        with torch.random.fork_rng(devices=[]), _StopAt(target):
            function(*values())
    except _ReachedError as error:
        return place_in(error.__traceback__)
    return ""


class _ReachedError(Exception):
    """The operation looked for."""


class _StopAt(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Stop where an operation is reached."""

    def __init__(self, target: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.target = target

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is self.target:
            raise _ReachedError
        return func(*args, **(kwargs or {}))
