"""Smaller weights in ONNX: matrices in float16, or in 8 bits with a scale for each unit.

int8: a product of rows and a matrix rounds each row to 8 bits too, by its own largest number, and adds
whole numbers (`MatMulInteger`), in the bodies of loops as well; rows do not touch. What other operators
read (tables of vectors, `LSTM`, `GRU`, `RNN`, `Conv`) is made float32 when a session is opened. Both
factors are unsigned: with signed ones some processors cut sums off at 16 bits.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

READERS = {"MatMul": {1: -1}, "Gather": {0: 0}, "Conv": {1: 0}} | {
    kind: {1: 1, 2: 1} for kind in ("LSTM", "GRU", "RNN")
}
"""By operator: which inputs are matrices, and the axis of the units."""
MIDDLE, MOST = 128, 127
"""What stands for 0 in 8 bits, and how far from it numbers go."""


def make_small(model: Any, weights: str) -> None:
    """Store the matrices of a model, in place, as "fp16" or "int8"; the rest stays in float32."""
    if weights == "fp32":
        return
    graph = model.graph
    stored = {weight.name: weight for weight in graph.initializer}
    axes: dict[str, int] = {}
    for node in _nodes(graph):
        for place, axis in READERS.get(node.op_type, {}).items():
            name = node.input[place]
            if name in stored and _is_matrix(stored[name]):
                axes.setdefault(name, axis)
    first: list[Any] = []
    for name, axis in axes.items():
        numbers = numpy_helper.to_array(stored[name])
        graph.initializer.remove(stored[name])
        if weights == "fp16":
            half = numpy_helper.from_array(numbers.astype(np.float16), f"{name}_half")
            graph.initializer.append(half)
            first.append(helper.make_node("Cast", [half.name], [name], to=TensorProto.FLOAT))
        else:
            _store_bytes(graph, name, numbers, axis)
            first += _floats_of(name)
    if weights == "int8":
        by_columns = {name for name, axis in axes.items() if axis == -1}
        graph.initializer.extend(
            numpy_helper.from_array(value, name) for name, value in CONSTANTS.items()
        )
        _multiply_whole_numbers(graph, by_columns)
    read = {name for node in _nodes(graph) for name in node.input}
    needed: list[Any] = []
    for node in reversed(first):
        if node.output[0] in read:
            needed.insert(0, node)
            read |= set(node.input)
    nodes = [*needed, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def _nodes(graph: Any) -> Iterator[Any]:
    """The nodes of a graph and of the bodies of its loops."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from _nodes(attribute.g)


def _is_matrix(weight: Any) -> bool:
    sizes = [size for size in weight.dims if size > 1]
    return weight.data_type == TensorProto.FLOAT and len(sizes) > 1


CONSTANTS: dict[str, np.ndarray[Any, Any]] = {
    "byte_middle": np.array(MIDDLE, np.uint8),
    "float_middle": np.array(MIDDLE, np.float32),
    "float_most": np.array(MOST, np.float32),
    "float_least": np.array(1e-30, np.float32),
}


def _store_bytes(graph: Any, name: str, numbers: np.ndarray[Any, Any], axis: int) -> None:
    others = tuple(n for n in range(numbers.ndim) if n != axis % numbers.ndim)
    scale = np.maximum(np.abs(numbers).max(others, keepdims=True) / MOST, np.float32(1e-30))
    whole = np.rint(numbers / scale) + MIDDLE
    graph.initializer.append(numpy_helper.from_array(whole.astype(np.uint8), f"{name}_bytes"))
    graph.initializer.append(numpy_helper.from_array(scale.astype(np.float32), f"{name}_scale"))


def _floats_of(name: str) -> list[Any]:
    """The nodes that make a matrix float32 again."""
    return [
        helper.make_node("Cast", [f"{name}_bytes"], [f"{name}_wide"], to=TensorProto.FLOAT),
        helper.make_node("Sub", [f"{name}_wide", "float_middle"], [f"{name}_centred"]),
        helper.make_node("Mul", [f"{name}_centred", f"{name}_scale"], [name]),
    ]


def _multiply_whole_numbers(graph: Any, by_columns: set[str]) -> None:
    """Replace the products with matrices, here and in the bodies of loops."""
    nodes = []
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                _multiply_whole_numbers(attribute.g, by_columns)
        if node.op_type == "MatMul" and node.input[1] in by_columns:
            nodes += _whole_product(node)
        else:
            nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)


def _whole_product(node: Any) -> list[Any]:
    (x, W), (y,) = node.input, node.output

    def made(kind: str, part: str, *inputs: str, **attributes: Any) -> str:
        found.append(helper.make_node(kind, list(inputs), [f"{y}_{part}"], **attributes))
        return f"{y}_{part}"

    found: list[Any] = []
    top = made("ReduceMax", "top", made("Abs", "size", x), axes=[-1], keepdims=1)
    scale = made("Max", "scale", made("Div", "unit", top, "float_most"), "float_least")
    rounded = made("Round", "rounded", made("Div", "scaled", x, scale))
    positive = made("Add", "positive", rounded, "float_middle")
    row = made("Cast", "bytes", positive, to=TensorProto.UINT8)
    total = made("MatMulInteger", "total", row, f"{W}_bytes", "byte_middle", "byte_middle")
    wide = made("Mul", "wide", made("Cast", "float", total, to=TensorProto.FLOAT), scale)
    found.append(helper.make_node("Mul", [wide, f"{W}_scale"], [y]))
    return found
