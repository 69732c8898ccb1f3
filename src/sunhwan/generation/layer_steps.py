"""Steps of layers as programs, for the compiled engine: what goes around a layer is in them, too.

What depends on the token alone is computed for every token before, in a table.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from sunhwan.cells import State
from sunhwan.errors import SunhwanError
from sunhwan.layers.layer import RecurrentLayer
from sunhwan.layers.programs import StateFields, add_layer, connected, normalized, program_of_layer
from sunhwan.models import LanguageModel
from sunhwan.ops.engine_program import OUTPUT, X
from sunhwan.program import Program, evaluate, folded
from sunhwan.program.cell_program import forget
from sunhwan.program.operations import Builder, Numbers, Operation
from sunhwan.program.takes import sources_of

AT_ONCE = 1024
"""Tokens whose rows of the table are computed at once."""
LARGEST = 1 << 25
"""Numbers of a parameter up to which a step is traced: tracing takes some 30 bytes for each."""
STATE = "state"


class LayerStep(NamedTuple):
    """A layer's step: the program, and of the first layer the table (V, size) of what it reads.

    columns: where in a row of the table each of the program's inputs begins.
    """

    program: Program
    columns: dict[str, int]
    table: Numbers | None


def why_no_step(model: LanguageModel, depth: int) -> str:
    """Why the step of a layer cannot be written as a program, in one clause; "" where it can."""
    layer = model.recurrent.stack[depth]
    kind = type(layer.cell).__name__
    most = max(parameter.numel() for parameter in layer.parameters())
    if most > LARGEST:
        return f"a matrix of {most:,} numbers is too large to be traced, the limit is {LARGEST:,}"
    try:
        if _holds(model, depth):
            return ""
        forget()  # a number that it reads besides was changed
        if _holds(model, depth):
            return ""
    except SunhwanError as error:
        return str(error)
    return f"the step of {kind} gives something else than its operations in a row"


def layer_step(model: LanguageModel, depth: int, most: int) -> LayerStep:
    """The step of a layer; a table has at most so many numbers, but for a one-hot input."""
    program = _program(model, depth)
    if depth > 0:
        return LayerStep(program, {}, None)
    divided = _divided(program)
    given = _given(divided)
    V, embedding = model.vocabulary_size, model.embedding
    size = sum(divided.operations[place].size for place in given)
    if embedding is not None and V * size > most:
        return LayerStep(program, {}, None)
    if not given:  # a step that does not look at its input
        return LayerStep(_behind(divided, given), {}, None)
    columns, begin = {}, 0
    for place in given:
        columns[_column(place)] = begin
        begin += divided.operations[place].size
    table = np.empty((V, size), np.float32)
    for start, x in _inputs(model):
        found = evaluate(_of_token(divided, given), {X: x})
        sides = [np.broadcast_to(side, (len(x), side.shape[-1])) for side in found.values()]
        table[start : start + len(x)] = np.concatenate(sides, 1)
    return LayerStep(_behind(divided, given), columns, table)


def _program(model: LanguageModel, depth: int) -> Program:
    """x and the state → the state and what the layer gives."""
    recurrent = model.recurrent
    layer = recurrent.stack[depth]
    builder, fields = Builder(), StateFields({}, {})
    x = builder.input(X, layer.input_size, True)
    y = normalized(builder, recurrent.norms[depth], x)
    h = add_layer(builder, layer, program_of_layer(layer), y, STATE, fields)
    given = connected(builder, recurrent.connections[depth], x, h)
    return folded(Program(tuple(builder.operations), fields.results | {OUTPUT: given}), {})


# What the token alone decides


def _inputs(model: LanguageModel) -> Iterator[tuple[int, Numbers]]:
    """The first layer's x of all tokens, some at a time."""
    V = model.vocabulary_size
    for start in range(0, V, AT_ONCE):
        end = min(start + AT_ONCE, V)
        if model.embedding is None:
            x = np.zeros((end - start, V), np.float32)
            x[np.arange(end - start), np.arange(start, end)] = 1
        else:
            x = model.embedding.weight[start:end].detach().numpy()
        yield start, x


def _of_x(program: Program) -> list[bool]:
    """Of each value, whether it depends on x and on nothing else of a row."""
    found: list[bool] = []
    for op in program.operations:
        rows = [found[operand] for operand in op.operands if program.operations[operand].of_rows]
        found.append(op.name == X if op.kind == "input" else bool(rows) and all(rows))
    return found


def _divided(program: Program) -> Program:
    """A product of x beside something else as the sum of two."""
    of_x, operations = _of_x(program), program.operations
    builder = Builder()
    place: list[int] = []
    for op in operations:
        operands = tuple(place[operand] for operand in op.operands)
        source = operations[op.operands[0]] if op.kind == "product" else op
        if op.kind == "product" and source.kind == "take" and len(source.operands) > 1:
            index = np.asarray(source.numbers)
            sizes = [operations[operand].size for operand in source.operands]
            which, local = sources_of(sizes, index)
            alone = np.asarray([of_x[operand] for operand in source.operands])[which]
            weights = np.asarray(operations[op.operands[1]].numbers).reshape(len(index), -1)
            parts = []
            for chosen in (alone, ~alone):
                if chosen.any():
                    sources = [place[operand] for operand in source.operands]
                    taken = _taken(builder, sources, which[chosen], local[chosen])
                    parts.append(builder.product(taken, builder.constant(weights[chosen])))
            place.append(parts[0] if len(parts) == 1 else builder.elementwise("add", *parts))
        else:
            place.append(builder.add(op._replace(operands=operands)))
    results = {name: place[old] for name, old in program.results.items()}
    return folded(Program(tuple(builder.operations), results), {})


def _taken(builder: Builder, sources: list[int], which: Numbers, local: Numbers) -> int:
    """Numbers of some of the sources side by side."""
    used = list(dict.fromkeys(which.tolist()))
    sizes = [builder.operations[sources[one]].size for one in used]
    begins = dict(zip(used, np.cumsum([0, *sizes]).tolist(), strict=False))
    shift = np.asarray([begins[one] for one in which.tolist()], np.int64)
    return builder.take([sources[one] for one in used], local + shift)


def _given(program: Program) -> list[int]:
    """The values of x alone that the rest of the step reads."""
    of_x = _of_x(program)
    read = {
        p for place, op in enumerate(program.operations) if not of_x[place] for p in op.operands
    }
    read |= set(program.results.values())
    return sorted(place for place in read if of_x[place])


def _column(place: int) -> str:
    return f"column {place}"


def _of_token(program: Program, given: list[int]) -> Program:
    """The part of a step that makes these values of x."""
    results = {_column(place): place for place in given}
    state = {name: np.zeros(0) for name in program.inputs if name != X}  # none of it is read
    return folded(Program(program.operations, results), state)


def _behind(program: Program, given: list[int]) -> Program:
    """The rest of the step, to which these values are inputs."""
    operations: list[Operation] = list(program.operations)
    for place in given:
        operations[place] = Operation(
            "input", (), operations[place].size, True, None, _column(place)
        )
    return folded(Program(tuple(operations), program.results), {X: np.zeros(0)})  # x is not read


# The program against the step


def _holds(model: LanguageModel, depth: int) -> bool:
    """Whether a step in PyTorch gives what the program gives, on two rows of numbers."""
    layer = model.recurrent.stack[depth]
    draw = torch.Generator().manual_seed(0)

    def rows(size: int) -> Tensor:
        return torch.tensor([[0.3], [2.0]]) * torch.randn(2, size, generator=draw)

    with torch.no_grad():
        parameters = layer.cell.effective(layer.parameters_of_cell)
        x = rows(layer.input_size)
        state = layer.cell.state_type(*map(rows, layer.cell.state_sizes(layer.hidden_size)))
        wanted = _stepped(model, depth, layer, x, state, parameters)
    names = [f"{STATE}_{field}" for field in state._fields]
    given = {name: field.double().numpy() for name, field in zip(names, state, strict=True)}
    found = evaluate(_program(model, depth), {X: x.double().numpy(), **given})
    return all(
        _close(found[name], value.double().numpy())
        for name, value in zip((*names, OUTPUT), wanted, strict=True)
    )


def _stepped(
    model: LanguageModel,
    depth: int,
    layer: RecurrentLayer,
    x: Tensor,
    state: State,
    parameters: dict[str, Tensor],
) -> State:
    cell, recurrent = layer.cell, model.recurrent
    a = cell.inputs(recurrent.norms[depth](x), parameters)
    made = cell.forward_step(a, state, cell.parameters_of_step(parameters))[0]
    rates = (layer.zoneout, *[layer.zoneout_cell] * (len(made) - 1))
    after = [new + rate * (old - new) for new, old, rate in zip(made, state, rates, strict=True)]
    return (*after, recurrent.connections[depth](x, after[0]))


def _close(found: Numbers, wanted: Numbers) -> bool:
    most = float(np.abs(wanted).max(initial=1.0))
    return bool(np.allclose(found, wanted, 1e-3, 1e-4 * most, equal_nan=True))
