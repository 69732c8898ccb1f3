"""PyTorch's fused recurrent operators (oneDNN, cuDNN) behind the same signature and parameters."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from sunhwan.cells.base import Cell, Parameters, State
from sunhwan.cells.elman import Elman
from sunhwan.cells.gru import GRU
from sunhwan.cells.irnn import IRNN
from sunhwan.cells.lstm import LSTM
from sunhwan.ops.input_products import InputProducts, input_products
from sunhwan.ops.modes import needs_graph, tracing, transformed
from sunhwan.ops.reference import RecurrenceOutput, differentiable_gradients, run_unrolled


def supports(cell: Cell) -> bool:
    """Whether PyTorch has an operator for exactly this equation (a subclass may be another one)."""
    if isinstance(cell, Elman) and cell.nonlinearity == "sigmoid":
        return False
    return type(cell) in (Elman, IRNN, GRU, LSTM)


class FusedRecurrence(torch.autograd.Function):
    """A fused operator, whose gradient has none of its own, with a second derivative step by step."""

    @staticmethod
    def forward(ctx: Any, operator: Any, again: Any, *inputs: Tensor) -> tuple[Tensor, ...]:
        with torch.enable_grad():
            own = [
                p.detach().requires_grad_(need)
                for p, need in zip(inputs, ctx.needs_input_grad[2:], strict=True)
            ]
            outputs = tuple(operator(*own))
        ctx.own, ctx.outputs, ctx.again = own, outputs, again
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*inputs)
        return tuple(value.detach() for value in outputs)

    @staticmethod
    def backward(ctx: Any, *d: Tensor | None) -> tuple[Tensor | None, ...]:
        saved, needs = ctx.saved_tensors, ctx.needs_input_grad[2:]
        if needs_graph(d):
            return None, None, *differentiable_gradients(ctx.again, saved, d, needs)
        pairs = [(v, g) for v, g in zip(ctx.outputs, d, strict=True) if g is not None]
        wanted = [p for p in ctx.own if p.requires_grad]
        values, gradients = zip(*pairs, strict=True)
        found = iter(
            torch.autograd.grad(values, wanted, gradients, retain_graph=True, allow_unused=True)
        )
        return None, None, *(next(found) if need else None for need in needs)


def run(
    cell: Cell, products: InputProducts, parameters: Parameters, state: State
) -> RecurrenceOutput:
    """Input products, state of (N, H) → no states inside; PyTorch multiplies."""
    x = products.read()
    weights = torch_weights(parameters, chunk=x.device.type == "cuda")
    learning = torch.is_grad_enabled() or tracing()  # a trace holds for both
    F = len(state)

    def operator(x: Tensor, *rest: Tensor) -> Sequence[Tensor]:
        layers = [field.unsqueeze(0).contiguous() for field in rest[:F]]
        return call(cell, x, layers, list(rest[F:]), learning)

    def again(x: Tensor, *rest: Tensor) -> Sequence[Tensor]:
        names = ("W_x", "W_h", "b", "b_h")[: len(rest) - F]
        own = {n: w.T if n[0] == "W" else w for n, w in zip(names, rest[F:], strict=True)}
        if "b_h" in own and not cell.recurrent_bias:
            own["b"] = own["b"] + own.pop("b_h")
        found = run_unrolled(cell, input_products(cell, x, own), own, cell.state_type(*rest[:F]))
        return found.output, *(field.unsqueeze(0) for field in found.last)

    inputs = (x, *state, *weights)
    # oneDNN's and cuDNN's backward passes cannot be differentiated; PyTorch's own loops can.
    closed = isinstance(cell, LSTM) or x.device.type == "cuda"
    plain = torch.compiler.is_compiling() or tracing() or transformed()
    if learning and closed and not plain and any(p.requires_grad for p in inputs):
        y, *last = FusedRecurrence.apply(operator, again, *inputs)  # type: ignore[no-untyped-call]
    else:
        y, *last = operator(*inputs)
    return RecurrenceOutput(y, cell.state_type(*(field.squeeze(0) for field in last)))


def call(
    cell: Cell, x: Tensor, layers: list[Tensor], weights: list[Tensor], learning: bool
) -> Sequence[Tensor]:
    """Call PyTorch's operator: x (T, N, D), the state's fields as (1, N, H) → output and last fields."""
    # has_biases, num_layers, dropout, train, bidirectional, batch_first
    options = (len(weights) > 2, 1, 0.0, learning, False, False)
    if isinstance(cell, LSTM):
        return torch.lstm(x, layers, weights, *options)
    if isinstance(cell, GRU):
        return torch.gru(x, layers[0], weights, *options)
    if isinstance(cell, Elman):
        operator = torch.rnn_tanh if cell.nonlinearity == "tanh" else torch.rnn_relu
        return operator(x, layers[0], weights, *options)
    raise TypeError(f"PyTorch has no fused operator for {type(cell).__name__}")


def step(cell: Cell, x: Tensor, h: Tensor, weights: Sequence[Any]) -> Tensor:
    """Call PyTorch's operator of one step of a GRU or Elman network: x (N, D), h (N, H) → h.

    weights: W_ih, W_hh, b_ih, b_hh, None for a bias that is not there.
    """
    if isinstance(cell, GRU):
        return torch.gru_cell(x, h, *weights)
    if isinstance(cell, Elman):
        operator = torch.rnn_tanh_cell if cell.nonlinearity == "tanh" else torch.rnn_relu_cell
        return operator(x, h, *weights)
    raise TypeError(f"PyTorch has no operator for a step of {type(cell).__name__}")


def torch_weights(parameters: Parameters, *, chunk: bool = False) -> list[Tensor]:
    """W_ih (G·H, D), W_hh (G·H, H) and, with biases, b_ih and b_hh, as PyTorch orders them.

    `chunk` lays them end to end in one block of memory, as cuDNN wants them.
    """
    weights = [parameters["W_x"].T, parameters["W_h"].T]
    if "b" in parameters:
        b = parameters["b"]
        weights += [b, parameters.get("b_h", torch.zeros_like(b))]
    if not chunk:
        return weights
    block = torch.cat([w.reshape(-1) for w in weights])
    parts = torch.split(block, [w.numel() for w in weights])
    return [part.view(w.shape) for part, w in zip(parts, weights, strict=True)]
