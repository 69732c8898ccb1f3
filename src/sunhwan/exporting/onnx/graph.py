"""Graph: an ONNX model in the making, node by node."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from sunhwan import __version__
from sunhwan.exporting.onnx.small_weights import make_small

OPSET = 17
"""Of the standard operators; with it every release of ONNX Runtime since 1.12 reads the files."""
IR_VERSION = 8

FLOAT, INT64, INT32, BOOL = (
    TensorProto.FLOAT, TensorProto.INT64, TensorProto.INT32, TensorProto.BOOL
)  # fmt: skip

Axis = int | str
"""A size, or the name of one that may change from call to call."""


class Graph:
    """Nodes, weights, inputs and outputs; every value is a name.

    outer: of the body of a loop, the graph around it, which keeps its weights. weights: what matrices are
    kept in, see `make_small`.
    """

    def __init__(self, name: str, outer: "Graph | None" = None, weights: str = "fp32") -> None:
        self.name, self.outer, self.kind_of_weights = name, outer, weights
        self.nodes: list[Any] = []
        self.weights: dict[str, Any] = {}
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []
        self._known: dict[Any, str] = {}
        self._counter: list[int] = [0] if outer is None else outer._counter

    def input(self, name: str, kind: int, shape: Sequence[Axis]) -> str:
        """A value that is given."""
        self.inputs.append(helper.make_tensor_value_info(name, kind, list(shape)))
        return name

    def output(self, name: str, value: str, kind: int, shape: Sequence[Axis]) -> None:
        """A value that is asked for, under a name."""
        self.nodes.append(helper.make_node("Identity", [value], [name]))
        self.outputs.append(helper.make_tensor_value_info(name, kind, list(shape)))

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        """Numbers as a weight; equal ones are kept once."""
        if self.outer is not None:
            return self.outer.constant(value, dtype)
        numbers = value.detach().numpy() if isinstance(value, Tensor) else np.asarray(value)
        numbers = np.ascontiguousarray(numbers, dtype).reshape(np.shape(numbers))
        key = numbers.shape, numbers.dtype.str, numbers.tobytes()
        if key not in self._known:
            self._known[key] = self.fresh("weight")
            self.weights[self._known[key]] = numpy_helper.from_array(numbers, self._known[key])
        return self._known[key]

    def whole(self, *values: int) -> str:
        """Whole numbers (int64) in a row."""
        return self.constant(values, np.int64)

    def fresh(self, kind: str) -> str:
        """A name that nothing has."""
        self._counter[0] += 1
        return f"{kind}_{self._counter[0]}"

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """A node with one output."""
        return self.ops(kind, 1, *inputs, **attributes)[0]

    def ops(self, kind: str, outputs: int, *inputs: str, **attributes: Any) -> list[str]:
        """A node with so many outputs; a repeated one is not made again."""
        key = kind, outputs, inputs, repr(sorted(attributes.items(), key=lambda item: item[0]))
        if "body" not in attributes and key in self._known:
            return [self._known[(*key, n)] for n in range(outputs)]
        names = [self.fresh(kind.lower()) for _ in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        self._known[key] = kind
        self._known |= {(*key, n): name for n, name in enumerate(names)}
        return names

    # What is needed again and again

    def unsqueeze(self, x: str, *axes: int) -> str:
        """x with new axes of size 1."""
        return self.op("Unsqueeze", x, self.whole(*axes))

    def squeeze(self, x: str, *axes: int) -> str:
        """x without axes of size 1."""
        return self.op("Squeeze", x, self.whole(*axes))

    def slice(self, x: str, start: int, end: int, axis: int = -1) -> str:
        """x[start:end] on one axis."""
        return self.op("Slice", x, *map(self.whole, (start, end, axis)))

    def size(self, x: str, axis: int) -> str:
        """The size of one axis, as a row of one number."""
        return self.op("Shape", x, start=axis, end=axis + 1)

    def linear(self, x: str, weight: Tensor, bias: Tensor | None) -> str:
        """x Wᵀ + b, of a `torch.nn.Linear`."""
        y = self.op("MatMul", x, self.constant(weight.detach().T))
        return y if bias is None else self.op("Add", y, self.constant(bias))

    def padding(self, steps: str, lengths: str) -> str:
        """T as a row of one number, lengths (N) → (T, N, 1) bool, true at real steps."""
        t = self.op(
            "Range", self.constant(0, np.int64), self.squeeze(steps, 0), self.constant(1, np.int64)
        )
        return self.unsqueeze(self.op("Less", self.unsqueeze(t, 1), self.unsqueeze(lengths, 0)), 2)

    # The whole

    def body(self) -> Any:
        """As the body of a loop."""
        return helper.make_graph(self.nodes, self.name, self.inputs, self.outputs)

    def model(self, facts: Mapping[str, str]) -> Any:
        """As a model, checked, with the shapes of all values inferred."""
        graph = helper.make_graph(
            self.nodes, self.name, self.inputs, self.outputs, list(self.weights.values())
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="sunhwan",
            producer_version=__version__,
        )
        helper.set_model_props(model, dict(facts))
        make_small(model, self.kind_of_weights)
        onnx.checker.check_model(model, full_check=True)
        return onnx.shape_inference.infer_shapes(model, strict_mode=True)
