"""Recurrent stacks as nodes: ONNX's own operators where a cell is exactly one, else a `Scan`.

Values over time are (T, N, size), states (N, size).
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from sunhwan.cells.elman import Elman
from sunhwan.cells.gru import GRU
from sunhwan.cells.gru_reset_before import GRUResetBefore
from sunhwan.cells.irnn import IRNN
from sunhwan.cells.lstm import LSTM
from sunhwan.cells.lstm_peephole import PeepholeLSTM
from sunhwan.errors import ConfigError
from sunhwan.exporting.onnx.graph import BOOL, FLOAT, INT32, Graph
from sunhwan.exporting.onnx.program_nodes import add_program
from sunhwan.layers import Recurrent, RecurrentLayer
from sunhwan.layers.connections import Dense, Highway, Plain, Residual
from sunhwan.layers.programs import numbers_of, program_of_layer

States = Sequence[tuple[str, ...]]
"""The names of the fields of every layer's state."""

LSTM_GATES, PEEPHOLES, GRU_GATES = ("i", "o", "f", "g"), (0, 2, 1), ("z", "r", "n")
"""In ONNX's order."""


class LayerNodes(NamedTuple):
    """h over time (T, N, H) and the fields of the state after the last step (N, size)."""

    output: str
    last: tuple[str, ...]


def operator_of(layer: RecurrentLayer) -> str:
    """The operator that the layer is exactly; "" where there is none."""
    if layer.zoneout or layer.zoneout_cell:
        return ""
    kinds = {LSTM: "LSTM", PeepholeLSTM: "LSTM", GRU: "GRU", GRUResetBefore: "GRU"}
    kinds |= {Elman: "RNN", IRNN: "RNN"}
    return kinds.get(type(layer.cell), "")


def run_layer(
    graph: Graph,
    layer: RecurrentLayer,
    x: str,
    state: Sequence[str],
    lengths: str | None,
    *,
    backward: bool = False,
    single: bool = False,
) -> LayerNodes:
    """One layer over x (T, N, D); single: T is 1."""
    # The operators multiply in float32 whatever their weights are kept in.
    if operator_of(layer) and not (single and graph.kind_of_weights == "int8"):
        return _by_operator(graph, layer, x, state, lengths, backward)
    return _by_program(graph, layer, x, state, lengths, backward, single)


def _by_operator(
    graph: Graph,
    layer: RecurrentLayer,
    x: str,
    state: Sequence[str],
    lengths: str | None,
    backward: bool,
) -> LayerNodes:
    kind, cell, H = operator_of(layer), layer.cell, layer.hidden_size
    p = numbers_of(layer)
    order = {"LSTM": LSTM_GATES, "GRU": GRU_GATES, "RNN": ("h",)}[kind]

    def blocks(name: str, gates: Sequence[str] = cell.gates) -> np.ndarray[Any, Any]:
        """A parameter with its gates in ONNX's order, one below the other."""
        value = p.get(name, np.zeros(len(gates) * H, np.float32))
        parts = dict(zip(gates, np.split(value, len(gates), -1), strict=True))
        return np.concatenate([parts[gate] for gate in order if gate in parts], -1).T

    W, R = blocks("W_x"), None if isinstance(cell, GRUResetBefore) else blocks("W_h")
    if R is None:
        R = np.concatenate([blocks("W_h", cell.gates_of_W_h), p["W_m"].T])
    B = np.concatenate([blocks("b"), blocks("b_h")])
    attributes: dict[str, Any] = {
        "hidden_size": H,
        "direction": "reverse" if backward else "forward",
    }
    if kind == "GRU":
        attributes["linear_before_reset"] = int(isinstance(cell, GRU))
    if isinstance(cell, Elman) and cell.nonlinearity != "tanh":
        attributes["activations"] = [{"relu": "Relu", "sigmoid": "Sigmoid"}[cell.nonlinearity]]
    inputs = [x, *(graph.constant(value[None]) for value in (W, R, B))]
    inputs.append("" if lengths is None else graph.op("Cast", lengths, to=INT32))
    inputs += [graph.unsqueeze(field, 0) for field in state]
    if isinstance(cell, PeepholeLSTM):
        p_ifo = p["p"].reshape(3, H)
        inputs.append(graph.constant(p_ifo[list(PEEPHOLES)].reshape(1, -1)))
    y, *last = graph.ops(kind, 1 + len(state), *inputs, **attributes)
    return LayerNodes(graph.squeeze(y, 1), tuple(graph.squeeze(field, 0) for field in last))


def _by_program(
    graph: Graph,
    layer: RecurrentLayer,
    x: str,
    state: Sequence[str],
    lengths: str | None,
    backward: bool,
    single: bool,
) -> LayerNodes:
    cell, H, program = layer.cell, layer.hidden_size, program_of_layer(layer)
    a = add_program(graph, program.inputs, {"x": x}, axes=3)["a"]
    if backward:
        a = turned(graph, a, lengths)
    fields = cell.state_type._fields
    if single:
        a_t = graph.squeeze(a, 0)
        after = _step(graph, layer, program.step, a_t, dict(zip(fields, state, strict=True)), None)
        return LayerNodes(
            graph.unsqueeze(after[fields[0]], 0), tuple(after[name] for name in fields)
        )
    body = Graph("step", graph)
    names = [body.fresh("state") for _ in fields]
    sizes = cell.state_sizes(H)
    before = {
        field: body.input(name, FLOAT, ["batch", size])
        for field, name, size in zip(fields, names, sizes, strict=True)
    }
    read = program.inputs
    width = read.operations[read.results["a"]].size
    a_t = body.input(body.fresh("a"), FLOAT, ["batch", width])
    real = None
    given = [a]
    if lengths is not None:
        real = body.input(body.fresh("real"), BOOL, ["batch", 1])
        given.append(graph.padding(graph.size(x, 0), lengths))
    after = _step(body, layer, program.step, a_t, before, real)
    for field, size in zip(fields, sizes, strict=True):
        body.output(body.fresh("after"), after[field], FLOAT, ["batch", size])
    h = after[fields[0]]
    if real is not None:
        h = body.op("Where", real, h, body.constant(0.0))
    body.output(body.fresh("h"), h, FLOAT, ["batch", sizes[0]])
    *last, y = graph.ops(
        "Scan", len(fields) + 1, *state, *given, body=body.body(), num_scan_inputs=len(given)
    )
    return LayerNodes(turned(graph, y, lengths) if backward else y, tuple(last))


def _step(
    graph: Graph,
    layer: RecurrentLayer,
    program: Any,
    a: str,
    before: Mapping[str, str],
    real: str | None,
) -> dict[str, str]:
    """The fields after a step: the program, what zoneout keeps on average, padding."""
    fields = layer.cell.state_type._fields
    after = add_program(graph, program, {"a": a, **before})
    for field, rate in zip(
        fields, (layer.zoneout, *[layer.zoneout_cell] * len(fields)), strict=False
    ):
        if rate:
            kept = graph.op("Mul", before[field], graph.constant(rate))
            new = graph.op("Mul", after[field], graph.constant(1 - rate))
            after[field] = graph.op("Add", kept, new)
        if real is not None:
            after[field] = graph.op("Where", real, after[field], before[field])
    return after


def turned(graph: Graph, x: str, lengths: str | None) -> str:
    """x (T, N, …) with each row read from its own end."""
    if lengths is None:
        raise ConfigError("a backward direction needs the lengths of its rows")
    # The operator takes no row of no steps.
    lengths = graph.op("Max", lengths, graph.constant(1, np.int64))
    return graph.op("ReverseSequence", x, lengths, time_axis=0, batch_axis=1)


def run_stack(
    graph: Graph,
    recurrent: Recurrent,
    x: str,
    state: States,
    lengths: str | None = None,
    *,
    single: bool = False,
) -> tuple[str, list[tuple[str, ...]]]:
    """x (T, N, D) → outputs (T, N, `output_size`), 0 behind a row's end, and the last states."""
    last: list[tuple[str, ...]] = []
    y = x
    for level, (norm, connection) in enumerate(
        zip(recurrent.norms, recurrent.connections, strict=True)
    ):
        below = y
        if isinstance(norm, torch.nn.LayerNorm):
            weights = [graph.constant(norm.weight), graph.constant(norm.bias)]
            y = graph.op("LayerNormalization", y, *weights, axis=-1, epsilon=norm.eps)
        outputs = []
        for direction in range(recurrent.directions):
            i = recurrent.directions * level + direction
            ran = run_layer(
                graph,
                recurrent.stack[i],
                y,
                state[i],
                lengths,
                backward=direction == 1,
                single=single,
            )
            outputs.append(ran.output)
            last.append(ran.last)
        if len(outputs) == 1:
            y = outputs[0]
        elif recurrent.merge == "sum":
            y = graph.op("Add", *outputs)
        else:
            y = graph.op("Concat", *outputs, axis=-1)
        y = _connected(graph, connection, below, y)
    if lengths is not None and any(type(c) is not Plain for c in recurrent.connections):
        real = graph.padding(graph.size(y, 0), lengths)
        y = graph.op("Where", real, y, graph.constant(0.0))
    return y, last


def _connected(graph: Graph, connection: torch.nn.Module, below: str, y: str) -> str:
    if type(connection) is Plain:
        return y
    if type(connection) is Residual:
        return graph.op("Add", below, y)
    if type(connection) is Dense:
        return graph.op("Concat", below, y, axis=-1)
    if type(connection) is Highway:
        gate = connection.gate
        g = graph.op("Sigmoid", graph.linear(below, gate.weight, gate.bias))
        return graph.op("Add", below, graph.op("Mul", g, graph.op("Sub", y, below)))
    raise ConfigError(f"the connection {type(connection).__name__} has no nodes in ONNX")


def zero_state(graph: Graph, recurrent: Recurrent, like: str) -> list[tuple[str, ...]]:
    """The initial state for as many rows as the first axis of a value has."""
    rows = graph.size(like, 0)
    found = []
    for layer in recurrent.stack:
        fields: list[str] = []
        for value in initial_numbers(layer):
            shape = graph.op("Concat", rows, graph.whole(len(value)), axis=0)
            fields.append(graph.op("Expand", graph.constant(value[None]), shape))
        found.append(tuple(fields))
    return found


def initial_numbers(layer: RecurrentLayer) -> list[Tensor]:
    """The state before the first step, one row of each field."""
    with torch.no_grad():
        return [field[0].float().clone() for field in layer.initial_state(1)]
