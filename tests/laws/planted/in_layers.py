"""Faults in the layers, the stacks of them, the connections between, and PyTorch's modules."""

from functools import partial

from sunhwan.layers import (
    Recurrent,
    RecurrentLayer,
    connections,
    layer,
    row_layout,
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
        ("torch.where(where, new, old)", "torch.where(where, old, new)", "resets"),
        ("resets[cut]", "resets[cut].any().expand(x.shape[1])", "resets"),
        ("-1", "0", "resets"),
        (
            "torch.where(where, new, old)",
            "torch.where(where, new + old - old.detach(), old)",
            "resets cut",
        ),
        ("x[start:end]", "x[:end - start]", "resets everywhere"),
        ("parameters['W_h'] * masks.W_h.T", "parameters['W_h']", "masks"),
        ("masks.h", "None", "masks"),
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
        ("torch.maximum", "torch.minimum", "masks"),
        ("padding.clamp_min(rate)", "padding", "evaluation"),
        ("self.zoneout_cell", "self.zoneout", "masks"),
        (
            "torch.rand(sizes, dtype=like.dtype, device=like.device).lt_",
            "torch.rand(sizes, dtype=like.dtype, device=like.device).ge_",
            "no rate",
        ),
        ("self.training", "True", "evaluation"),
        ("is_padding(T, lengths)", "is_padding(T, lengths).roll(1, 0)", PADDED),
    ),
    *of(
        RecurrentLayer,
        "initial_state",
        LEARNED,
        ("value.expand", "value.detach().expand", GRADIENTS),
    ),
    *of(
        RecurrentLayer,
        "__init__",
        LEARNED,
        (
            "self.register_parameter(f'{field}_0', nn.Parameter(torch.zeros(size)))",
            "self.register_buffer(f'{field}_0', torch.randn(size), persistent=False)",
            "saving",
        ),
    ),
    *of(RecurrentLayer, "draw_masks", "gru", ("not self.training", "False", "evaluation")),
    *of(
        layer,
        "mask",
        "gru",
        (
            "torch.rand(sizes or like.shape, dtype=like.dtype, device=like.device) >= rate",
            "torch.rand(sizes or like.shape, dtype=like.dtype, device=like.device) <= rate",
            "no rate",
        ),
        ("kept.to(like) / (1 - rate)", "kept.to(like)", shares),
    ),
    *of(
        sequences,
        "is_padding",
        "ugrnn",
        (
            "torch.arange(steps, device=lengths.device).unsqueeze(1) >= lengths",
            "torch.arange(steps, device=lengths.device).unsqueeze(1) > lengths",
            "rows of no steps",
        ),
    ),
    *of(
        layer,
        "_joined",
        "elman",
        ("-1", "0", "resets"),
        ("zip(*known, strict=True)", "zip(*known[::-1], strict=True)", "trace"),
    ),
    # The stack: padding, directions, state.
    *of(
        Recurrent,
        "_run",
        "lstm",
        ("y = rows.without_padding(y)", "pass", PADDED),
        ("in_order(outcome.output, order)", "outcome.output", BACKWARD),
        ("resets_in_order(rows.resets, order)", "rows.resets", BACKWARD),
        ("torch.stack(outputs).sum(0)", "outputs[0]", "added directions"),
        ("torch.cat(outputs, -1)", "torch.cat(outputs[::-1], -1)", BACKWARD),
        ("states[i]", "states[0]", BACKWARD),
        ("detach(last)", "last", "stateful gradient"),
        ("detach(last)", "detach(states)", "stateful"),
        (
            "if self.stateful:\n    self._state = detach(last)",
            "if True:\n    self._state = detach(last)",
            "stateless",
        ),
    ),
    *of(
        row_layout.RowLayout,
        "input_of",
        "lstm",
        ("self.without_padding(x.transpose(0, 1))", "x.transpose(0, 1)", "padding"),
    ),
    *of(
        row_layout,
        "row_layout",
        "lstm",
        ("resets & ~padding.squeeze(-1)", "resets", "padding"),
        ("backwards(T, real, x.device)", "backwards(T, None, x.device)", BACKWARD),
    ),
    *of(
        Recurrent,
        "_run",
        "gru",
        ("level and (not self.locked_dropout)", "not self.locked_dropout", "dropout"),
    ),
    *of(
        Recurrent,
        "_run",
        DEEP,
        ("level and (not self.locked_dropout)", "False and (not self.locked_dropout)", "dropout"),
        (
            "y.transpose",
            "self.dropout(y).transpose",
            "dropout",
        ),
        (
            "in_order(dropped, order)",
            "in_order(x.new_zeros(y.shape) + y.detach(), order)",
            GRADIENTS,
        ),
    ),
    *of(
        Recurrent,
        "trace",
        "lstm",
        ("in_order(v, order)", "v", order_of_time),
        ("in_order(v, order)", "v.roll(1, 0)", "traced states"),
    ),
    *of(Recurrent, "reset_state", "elman", ("self.set_state(None)", "pass", "set and reset")),
    *of(
        sequences,
        "checked_lengths",
        "gru",
        ("found.to", "(found - 1).clamp_min(0).to", "lengths"),
    ),
    *of(
        sequences,
        "backwards",
        "ugrnn",
        ("end - 1", "steps - 1", BACKWARD),
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
        (
            "in_order(before, order.expand(before.shape).to(before.device))",
            "in_order(resets, order.expand(before.shape).to(before.device))",
            BACKWARD,
        ),
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
            "torch.lerp(x, y, gate)",
            "torch.lerp(y, x, gate)",
            partial(test_parity.test_a_highway_is_a_way_through_or_around, 1e9, True),
        ),
    ),
    *of(
        connections.Dense,
        "forward",
        None,
        ("(x, y)", "(y, x)", test_parity.test_dense_keeps_everything_below),
    ),
    # PyTorch's modules.
    *of(
        torch_modules,
        "copy_weights",
        None,
        (
            "b_ih + b_hh",
            "b_ih",
            partial(test_torch_modules.from_torch, test_torch_modules.Kind("lstm")),
        ),
        (
            "getattr(module, f'weight_hr{suffix}').T",
            "-getattr(module, f'weight_hr{suffix}').T",
            partial(test_torch_modules.from_torch, test_torch_modules.Kind("lstm_projected")),
        ),
    ),
    *of(
        torch_modules,
        "_suffixes",
        None,
        (
            "i % directions",
            "i % directions == 0 and directions > 1",
            partial(test_torch_modules.to_torch, test_torch_modules.Kind("gru", 1, True)),
        ),
    ),
]
