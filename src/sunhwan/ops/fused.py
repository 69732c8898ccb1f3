"""PyTorch's fused recurrent operators (oneDNN, cuDNN) behind the same signature and parameters."""

import torch
from torch import Tensor

from sunhwan.cells import GRU, IRNN, LSTM, Cell, Elman, Parameters, State
from sunhwan.ops.embedded import Embedded, materialised
from sunhwan.ops.reference import Outcome


def supports(cell: Cell) -> bool:
    """Whether PyTorch has an operator for exactly this equation (a subclass may be another one)."""
    return type(cell) in (Elman, IRNN, GRU, LSTM)


def run(cell: Cell, x: Tensor | Embedded, parameters: Parameters, state: State) -> Outcome:
    """x (T, N, D), state of (N, H) → `Outcome` without the states inside."""
    weights = torch_weights(parameters, chunk=x.device.type == "cuda")
    x = materialised(x)
    has_bias = "b" in parameters
    # has_biases, num_layers, dropout, train, bidirectional, batch_first
    options = (has_bias, 1, 0.0, torch.is_grad_enabled(), False, False)
    layers = [field.unsqueeze(0).contiguous() for field in state]
    if isinstance(cell, LSTM):
        y, *last = torch.lstm(x, layers, weights, *options)
    elif isinstance(cell, GRU):
        y, *last = torch.gru(x, layers[0], weights, *options)
    elif isinstance(cell, Elman):
        operator = torch.rnn_tanh if cell.nonlinearity == "tanh" else torch.rnn_relu
        y, *last = operator(x, layers[0], weights, *options)
    else:
        raise TypeError(f"PyTorch has no fused operator for {type(cell).__name__}")
    return Outcome(y, cell.state_type(*(field.squeeze(0) for field in last)))


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
