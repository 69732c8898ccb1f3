"""The two passes of a step: what runs forward, what runs backward, and what the one saves for the other."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from sunhwan.cells import Cell
from sunhwan.cells.structure import forget_traces, why_not_derived_at
from sunhwan.program.derivative import gradient_of, step_and_gradient, step_without_cuts
from sunhwan.program.operations import Operation
from sunhwan.program.units import UnitProgram, block_name, in_units

CHEAP = {
    "neg", "abs", "floor", "add", "sub", "mul", "maximum", "minimum", "less", "less_equal", "equal",
    "select", "take",
}  # fmt: skip
"""Operations that are rather repeated than saved."""


class Pass(NamedTuple):
    """Places of the operations of one pass in order, inputs and constants among them, and its results.

    read: what stands in a place instead of the operation there, such as a saved value.
    """

    places: tuple[int, ...]
    read: dict[int, str]
    results: dict[str, int]


class StepPasses(NamedTuple):
    """operations: of both passes. saved: their places; shared_gates: how many blocks of u, from the first
    on, have the gradient of the same block of a."""

    operations: tuple[Operation, ...]
    forward: Pass
    backward: Pass
    saved: tuple[int, ...]
    shared_gates: int


@lru_cache(maxsize=64)
def passes_of(cell: Cell, hidden_size: int) -> "StepPasses | str":
    """Both passes of a step, or the reason why there are none, in one clause."""
    if any(size != hidden_size for size in cell.state_sizes(hidden_size)):
        return "its fields are not all of the hidden size"
    reason = why_not_derived_at(cell, hidden_size)
    joint = reason or step_and_gradient(cell, hidden_size)
    if isinstance(joint, str):
        return joint
    program = in_units(joint, hidden_size)
    fields = cell.state_type._fields
    forward = {block_name(f, 0): program.results[f][0] for f in fields}
    backward, shared_gates = gradients_of_step(program, cell, cell.extra)
    given = {gradient_of(f) for f in fields}
    saved = saved_values(
        program, forward, backward.values(), given, {*fields, *cell.extra}, len(cell.gates)
    )
    made = {place: f"made {name}" for name, place in forward.items()}
    kept = {place: f"saved {i}" for i, place in enumerate(saved)}
    return StepPasses(
        program.operations,
        _pass(program, forward, {}, saved),
        _pass(program, backward, made | kept),
        saved,
        shared_gates,
    )


def gradients_of_step(
    program: UnitProgram, cell: Cell, others: Sequence[str]
) -> tuple[dict[str, int], int]:
    """The results of the backward pass, and how many blocks of u, from the first on, are those of a.

    others: what the step reads beside a, u and its state.
    """
    results = program.results
    read = ["a", "u"] if cell.gates_of_W_h else ["a"]
    names = [*read, *(f"{f} before" for f in cell.state_type._fields), *others]
    found = {
        block_name(gradient_of(name), i): place
        for name in names
        for i, place in enumerate(results[gradient_of(name)])
    }
    shared_gates = 0
    if cell.gates_of_W_h:
        of_a, of_u = results[gradient_of("a")], results[gradient_of("u")]
        while shared_gates < min(len(of_a), len(of_u)) and of_a[shared_gates] == of_u[shared_gates]:
            del found[block_name(gradient_of("u"), shared_gates)]
            shared_gates += 1
    return found, shared_gates


def forget() -> None:
    """Trace every step anew: what one reads besides its arguments has changed."""
    for kept in (passes_of, step_without_cuts):
        kept.cache_clear()
    forget_traces()


def _pass(
    program: UnitProgram, results: dict[str, int], read: dict[int, str], saved: Iterable[int] = ()
) -> Pass:
    needed = {*results.values(), *saved}
    operations = program.operations
    stops = {p: name for p, name in read.items() if not available_again(operations[p])}
    for place in reversed(range(len(program.operations))):
        if place in needed and place not in stops:
            needed.update(operations[place].operands)
    return Pass(tuple(sorted(needed)), {p: n for p, n in stops.items() if p in needed}, results)


def available_again(op: Operation) -> bool:
    """Whether both passes have a value anyway."""
    if op.kind == "input":
        name = op.name.rsplit(" ", 1)[0]
        return name not in ("a", "u") and not name.startswith("product ")
    return op.kind == "constant"


def saved_values(
    program: UnitProgram,
    forward: dict[str, int],
    gradients: Iterable[int],
    given: set[str],
    available: set[str],
    room: int,
    also: Iterable[int] = (),
) -> tuple[int, ...]:
    """The values of the forward pass that the backward one reads and cannot make of others, blocks first.

    given: names of the gradients; available: of the inputs that are there again. room: how many blocks
    are saved at no cost, in the memory of the input products. also: values that are saved in any case.
    """
    operations = program.operations
    linear: list[bool] = []
    for op in operations:
        named = op.kind == "input" and op.name.rsplit(" ", 1)[0] in given
        linear.append(named or any(linear[operand] for operand in op.operands))
    gradients = list(gradients)
    needed = set(gradients)
    for place in reversed(range(len(operations))):
        if place in needed and linear[place]:
            needed.update(operations[place].operands)
    border = sorted(place for place in needed if not linear[place])
    made = set(forward.values())
    saved = list(dict.fromkeys(also))

    def missing(place: int) -> set[int]:
        """Values to save beside, from which another is recomputed."""
        op = operations[place]
        if place in saved or op.kind == "constant":
            return set()
        if op.kind == "input":
            return set() if op.name.rsplit(" ", 1)[0] in available else {place}
        if place in made or not op.of_rows:
            return set()
        found = set().union(*(missing(operand) for operand in op.operands))
        if found and (op.kind not in CHEAP or len(found) > 1):
            return {place}
        return found

    for place in border:
        saved += sorted(missing(place) - set(saved))
    # What would be computed twice, though it is not cheap, as long as there is room.
    again, waiting = set(), [p for p in border if p not in saved]
    while waiting:
        place = waiting.pop()
        op = operations[place]
        if place in again or place in saved or place in made or not op.operands or not op.of_rows:
            continue
        again.add(place)
        waiting += op.operands
    costly = [p for p in sorted(again) if operations[p].kind not in CHEAP]
    saved += costly[: max(0, room - len(saved))]
    return tuple(sorted(saved, key=lambda place: (-operations[place].size, place)))
