"""A language model as one program: a token's vector and the state → logits and the next state."""

from typing import NamedTuple

import numpy as np

from sunhwan.cells import Lagged
from sunhwan.layers.programs import (
    StateFields,
    add_layer,
    array_of,
    connected,
    linear,
    normalized,
    program_of_layer,
)
from sunhwan.models import LanguageModel
from sunhwan.program import Program, folded
from sunhwan.program.operations import Builder, Numbers


class WholeStep(NamedTuple):
    """A step of a model.

    program: "x" and the fields of the state → "logits" and the fields under their names. table (V, D):
    x of each token. initial: the state before the first token. gates: layer and name of the results that
    are no state, but what a cell's equation names.
    """

    program: Program
    table: Numbers
    initial: dict[str, Numbers]
    gates: dict[str, tuple[int, str]]


def whole_step(model: LanguageModel, *, gates: bool = False) -> WholeStep:
    """The step of a model, evaluation mode; ConfigError for a cell that cannot be traced."""
    named = dict[str, tuple[int, str]]()
    builder = Builder()
    table = None if model.embedding is None else array_of(model.embedding.weight)
    recurrent = model.recurrent
    added = StateFields({}, {})
    x = -1 if table is None else builder.input("x", table.shape[1], True)
    for depth, layer in enumerate(recurrent.stack):
        whole = program_of_layer(layer, gates=gates)
        named |= {f"state_{depth}_gate_{n}": (depth, gate) for n, gate in enumerate(whole.gates)}
        below, inputs = x, whole.inputs
        x = normalized(builder, recurrent.norms[depth], x)
        if table is None and isinstance(layer.cell, Lagged):
            table = np.eye(model.vocabulary_size, dtype=np.float32)
            x = below = builder.input("x", table.shape[1], True)
        elif table is None:  # of a one-hot x the product is a row of W_x
            inputs, table = _looked_up(whole.inputs)
            x = below = builder.input("x", table.shape[1], True)
        h = add_layer(builder, layer, whole._replace(inputs=inputs), x, f"state_{depth}", added)
        x = connected(builder, recurrent.connections[depth], below, h)
    added.results["logits"] = linear(builder, model.output, x)
    assert table is not None
    program = folded(Program(tuple(builder.operations), added.results), {})
    return WholeStep(program, table, added.initial, named)


def _looked_up(program: Program) -> tuple[Program, Numbers]:
    """A program of a one-hot x as one of the row of W_x that x chooses, and W_x."""
    operations = list(program.operations)
    (x,) = program.inputs.values()
    (place,) = [
        n for n, op in enumerate(operations) if op.kind == "product" and op.operands[0] == x
    ]
    product = operations[place]
    weights = operations[product.operands[1]].numbers
    assert weights is not None
    rows = weights.reshape(-1, product.size)
    operations[place] = operations[x]._replace(size=product.size)
    operations[x] = operations[x]._replace(
        kind="constant", of_rows=False, numbers=np.zeros(1), size=1
    )
    return folded(Program(tuple(operations), program.results), {}), rows.astype(np.float32)
