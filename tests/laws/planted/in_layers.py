"""Faults in the layers, the stacks of them, the connections between, and PyTorch's modules."""

from functools import partial

from sunhwan.layers import (
    Recurrent,
    RecurrentLayer,
    connections,
    layer,
    sequences,
    torch_modules,
)
from tests.cases import STACKS, Case
from tests.laws import test_dropout, test_parity, test_torch_modules, test_traces
from tests.laws.planted.fault import Fault, of

GRADIENTS, PADDED, BACKWARD = "gradients", "padded rows", "backward direction"
LEARNED, DEEP = Case("lstm", learned=True), Case("gru", layers=2)
RESIDUAL, HIGHWAY = STACKS[0], STACKS[1]

shares = partial(test_dropout.test_the_share_that_is_dropped_inside, "weight_drop")
order_of_time = partial(test_traces.test_a_bidirectional_trace_lies_in_the_order_of_time, "lstm")

FAULTS: list[Fault] = [
    # One layer.
    *of(
        RecurrentLayer,
        "forward",
        "gru",
        ("where, new, old", "where, old, new", "resets"),
        ("resets[cut].to", "resets[cut].any().expand(x.shape[1]).to", "resets"),
        ("state = parts[-1].last", "state = parts[0].last", "resets"),
        (
            "torch.where(where, new, old)",
            "torch.where(where, new + old - old.detach(), old)",
            "resets cut",
        ),
        ("else x[start:end]", "else x[: end - start]", "resets everywhere"),
        ('parameters["W_h"] * masks.W_h.T', 'parameters["W_h"]', "masks"),
        ("lengths), masks.h)", "lengths), None)", "masks"),
    ),
    *of(
        RecurrentLayer,
        "forward",
        LEARNED,
        (
            "self.initial_state(x.shape[1])",
            "self.cell.zero_state(x.shape[1], self.hidden_size, dtype=x.dtype)",
            "gradients with resets",
        ),
    ),
    *of(
        RecurrentLayer,
        "_hold",
        "lstm",
        ("hold.append(torch.maximum", "hold.append(torch.minimum", "masks"),
        ("padding.clamp_min(rate)", "padding", "evaluation"),
        ("[self.zoneout_cell] *", "[self.zoneout] *", "masks"),
        (".lt_(rate)", ".ge_(rate)", "no rate"),
        ("elif self.training:", "elif True:", "evaluation"),
        ("is_padding(T, lengths)", "is_padding(T, lengths).roll(1, 0)", PADDED),
    ),
    *of(
        RecurrentLayer,
        "initial_state",
        LEARNED,
        (".expand(batch_size, -1)", ".detach().expand(batch_size, -1)", GRADIENTS),
    ),
    *of(
        RecurrentLayer,
        "__init__",
        LEARNED,
        (
            'self.register_parameter(f"{field}_0", nn.Parameter(torch.zeros(size)))',
            'self.register_buffer(f"{field}_0", torch.randn(size), persistent=False)',
            "saving",
        ),
    ),
    *of(RecurrentLayer, "draw_masks", "gru", ("if not self.training:", "if False:", "evaluation")),
    *of(layer, "mask", "gru", (">= rate", "<= rate", "no rate"), ("/ (1 - rate)", "", shares)),
    *of(sequences, "is_padding", "ugrnn", (">= lengths", "> lengths", "rows of no steps")),
    *of(
        layer,
        "_joined",
        "elman",
        ("parts[-1].last", "parts[0].last", "resets"),
        ("zip(*known, strict", "zip(*known[::-1], strict", "trace"),
    ),
    # The stack: padding, directions, state.
    *of(
        Recurrent,
        "_run",
        "lstm",
        ("y = torch.where(padding, 0, y)\n        if resets", "if resets", "padding"),
        (
            "y = torch.where(padding, 0, y)\n    if self.stateful",
            "pass\n    if self.stateful",
            PADDED,
        ),
        (" & ~padding.squeeze(-1)", "", "padding"),
        ("in_order(outcome.output, order)", "outcome.output", BACKWARD),
        ("resets_in_order(resets, order)", "resets", BACKWARD),
        ("backwards(T, real, x.device)", "backwards(T, None, x.device)", BACKWARD),
        ("torch.stack(outputs).sum(0)", "outputs[0]", "added directions"),
        ("torch.cat(outputs, -1)", "torch.cat(outputs[::-1], -1)", BACKWARD),
        ("states[i]", "states[0]", BACKWARD),
        ("detach(last)", "last", "stateful gradient"),
        ("detach(last)", "detach(states)", "stateful"),
        ("if self.stateful:\n        self._state", "if True:\n        self._state", "stateless"),
    ),
    *of(
        Recurrent,
        "_run",
        "gru",
        ("if level and not", "if not", "dropout"),
    ),
    *of(
        Recurrent,
        "_run",
        DEEP,
        ("if level and not", "if False and not", "dropout"),
        (
            "return y.transpose(0, 1), last",
            "return self.dropout(y).transpose(0, 1), last",
            "dropout",
        ),
        (
            "in_order(dropped, order), before",
            "in_order(x.new_zeros(y.shape) + y.detach(), order), before",
            GRADIENTS,
        ),
    ),
    *of(
        Recurrent,
        "trace",
        "lstm",
        ("in_order(v, order).transpose", "v.transpose", order_of_time),
        ("in_order(v, order).transpose", "v.roll(1, 0).transpose", "traced states"),
    ),
    *of(Recurrent, "reset_state", "elman", ("self.set_state(None)", "pass", "set and reset")),
    *of(
        sequences,
        "checked_lengths",
        "gru",
        ("return found.to", "return (found - 1).clamp_min(0).to", "lengths"),
    ),
    *of(
        sequences,
        "backwards",
        "ugrnn",
        ("end - 1 - t", "steps - 1 - t", BACKWARD),
        ("t < end", "t < end - 1", "added directions"),
    ),
    *of(
        sequences,
        "resets_in_order",
        "gru",
        (
            "(resets[1:], torch.zeros_like(resets[:1]))",
            "(torch.zeros_like(resets[:1]), resets[:-1])",
            BACKWARD,
        ),
        ("return in_order(before,", "return in_order(resets,", BACKWARD),
    ),
    # What goes around a layer.
    *of(
        connections.Residual,
        "forward",
        RESIDUAL,
        ("x + y", "x.detach() + y", GRADIENTS),
        ("x + y", "y", test_parity.test_residual_adds_what_the_layer_read),
    ),
    *of(
        connections.Highway,
        "forward",
        HIGHWAY,
        ("self.gate(x)", "self.gate(x).detach()", GRADIENTS),
        (
            "torch.lerp(x, y,",
            "torch.lerp(y, x,",
            partial(test_parity.test_a_highway_is_a_way_through_or_around, 1e9, True),
        ),
    ),
    *of(
        connections.Dense,
        "forward",
        None,
        ("torch.cat((x, y)", "torch.cat((y, x)", test_parity.test_dense_keeps_everything_below),
    ),
    # PyTorch's modules.
    *of(
        torch_modules,
        "copy_weights",
        None,
        (
            "else b_ih + b_hh",
            "else b_ih",
            partial(test_torch_modules.from_torch, test_torch_modules.Kind("lstm")),
        ),
        (
            'own["W_m"].copy_',
            'own["W_m"].neg().copy_',
            partial(test_torch_modules.from_torch, test_torch_modules.Kind("lstm_projected")),
        ),
    ),
    *of(
        torch_modules,
        "_suffixes",
        None,
        (
            "if i % directions else ''",
            "if i % directions == 0 and directions > 1 else ''",
            partial(test_torch_modules.to_torch, test_torch_modules.Kind("gru", 1, True)),
        ),
    ),
]
