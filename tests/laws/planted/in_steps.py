"""Faults in what the cells share: products, two of them, normalisation, derived gradients."""

from collections.abc import Callable

import pytest

from sunhwan.cells import Cell, TwoProductCell, base, normalization
from tests.cases import Case
from tests.laws.planted.fault import CHECKS, DERIVE, STRUCTURE, Fault, of
from tests.laws.test_own_structure import own_cells_are_right

EQUATION, PIECES, GRADIENTS = "equation", "pieces of a step", "gradients"
INSIDE, DERIVED = "gradients inside", "derived backward"


def derived_unchecked(name: str) -> Callable[[], None]:
    """The law by itself, without the cell's own check of its list of operations."""

    def law() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(DERIVE.MixedCell, "_renew_trace", lambda *_: None)
            CHECKS[DERIVED](Case(name))

    return law


FAULTS: list[Fault] = [
    # The contract.
    *of(
        base,
        "recurrent_product",
        "gru",
        ("h if drop is None else h * drop", "h", "masks"),
        ("torch.addmm(weights.b_h, h, weights.W_h)", "torch.mm(h, weights.W_h)", EQUATION),
    ),
    *of(
        base,
        "through_recurrent_product",
        "gru",
        ("torch.mm(d_u, W) * drop", "torch.mm(d_u, W)", INSIDE),
        ("d_h + through", "through", INSIDE),
        ("torch.addmm(d_h, d_u, W)", "torch.mm(d_u, W)", GRADIENTS),
    ),
    *of(
        base,
        "through_recurrent_product",
        "elman",
        ("weights.W_h.T", "weights.W_h", "step backward"),
    ),
    *of(
        base,
        "weight_gradient",
        "elman",
        ("(rows(d_product).T @ rows(operand)).T", "rows(d_product).T @ rows(operand)", PIECES),
        ("rows(operand)", "rows(operand).roll(1, 0)", GRADIENTS),
    ),
    *of(
        Cell,
        "parameter_gradients",
        "gru",
        ("rows(d_u)", "rows(d_a)", "step backward"),
        ("rows(d_u).sum", "rows(d_u).mean", "steps together"),
    ),
    *of(
        Cell,
        "step_backward",
        "ugrnn",
        ("state_prev[0]", "state[0]", "step backward"),
        ("(a, d_a)", "(a, 0 * d_a)", "step backward"),
    ),
    *of(
        Cell,
        "step",
        "antisymmetric",
        ("self.effective", "dict", "steps"),
    ),
    *of(
        Cell,
        "inputs",
        "elman",
        ("torch.addmm(b, x, parameters['W_x'])", "x @ parameters['W_x']", EQUATION),
        (
            "torch.addmm(b, x, parameters['W_x'])",
            "torch.addmm(b, x, parameters['W_x']) / len(x)",
            "sum over rows",
        ),
    ),
    *of(Cell, "gate_values", "ugrnn", ("self.saved_names", "('h', 'n')", "traced gates")),
    *of(
        base,
        "orthogonal",
        "elman",
        (
            "torch.nn.init.orthogonal_(torch.empty(fan_in, fan_out))",
            "torch.randn(fan_in, fan_out)",
            "beginning",
        ),
    ),
    # Two products.
    *of(
        TwoProductCell,
        "forward_step",
        "lstm_multiplicative",
        ("torch.mm(m, _second(weights))", "torch.mm(-m, _second(weights))", EQUATION),
    ),
    *of(
        TwoProductCell,
        "backward_step",
        "gru_reset_before",
        ("_second(weights).T", "_second(weights)", GRADIENTS),
        ("p + m", "p", GRADIENTS),
        (
            "through_recurrent_product(d_u, d_prev, d_state, weights, drop)",
            "through_recurrent_product(d_u, d_prev, d_state, weights, None)",
            INSIDE,
        ),
    ),
    *of(
        TwoProductCell,
        "parameter_gradients",
        "gru_reset_before",
        ("weight_gradient(saved[0], d_w)", "weight_gradient(operand, d_w)", PIECES),
        ("weight_gradient(operand, d_u)", "weight_gradient(operand, 0 * d_u)", PIECES),
        ("_second(weights).T", "_second(weights)", PIECES),
    ),
    # Layer normalisation.
    *of(
        normalization,
        "normalize",
        "lstm_layer_norm",
        (
            "torch.native_layer_norm(v, v.shape[-1:], gain, shift, EPSILON)",
            "torch.native_layer_norm(v, v.shape[-1:], gain, shift, 0.0)",
            EQUATION,
        ),
        (
            "torch.native_layer_norm(v, v.shape[-1:], gain, shift, EPSILON)",
            "torch.native_layer_norm(v, v.shape[-1:], gain, None, EPSILON)",
            EQUATION,
        ),
    ),
    *of(
        normalization,
        "_backward",
        "gru_layer_norm",
        ("v.contiguous()", "-v.contiguous()", PIECES),
        (
            "torch.ops.aten.native_layer_norm_backward("
            "d.contiguous(), v.contiguous(), v.shape[-1:], *moments, gain, shift, wanted)",
            "torch.ops.aten.native_layer_norm_backward("
            "d.contiguous(), v.contiguous(), v.shape[-1:], *moments, 0 * gain + 1, shift, wanted)",
            GRADIENTS,
        ),
        ("return found", "return (found[0] / 2, *found[1:])", "step backward"),
    ),
    *of(
        normalization,
        "normalize_gradients",
        "lstm_layer_norm",
        (
            "_backward(d, v, moments, gain, [True, True, True])",
            "_backward(d, v.roll(1, 0), moments, gain, [True, True, True])",
            "steps together",
        ),
    ),
    # Gradients derived from the forward step.
    *of(
        DERIVE.DerivedCell,
        "gradients",
        "gru_layer_norm",
        (
            "d_a, _, _, d_extra = self._vjp(a, u, state_prev, extra)(d_state)",
            "_, d_a, _, d_extra = self._vjp(a, u, state_prev, extra)(d_state)",
            DERIVED,
        ),
    ),
    *of(
        DERIVE.DerivedCell,
        "effective",
        "antisymmetric",
        ("self.of.effective(parameters)", "parameters", DERIVED),
    ),
    *of(
        DERIVE.DerivedCell,
        "inputs",
        "lstm_layer_norm",
        ("self.of.inputs(x, parameters)", "Cell.inputs(self, x, parameters)", DERIVED),
    ),
    *of(
        DERIVE.UnitwiseCell,
        "factors",
        "lstm",
        ("i == k", "i >= k", DERIVED),
        ("found += d_prev", "found += d_prev[::-1]", DERIVED),
    ),
    *of(
        DERIVE.UnitwiseCell,
        "pointwise_backward",
        "lstm_peephole",
        ("_add_product(d_prev[j], d, factor)", "d * factor", DERIVED),
        ("_add_product(d_u, d.unsqueeze(-2), to_u)", "d.unsqueeze(-2) * to_u", DERIVED),
    ),
    *of(
        DERIVE.UnitwiseCell,
        "gradients",
        "gru",
        ("d.unsqueeze(-2)", "-d.unsqueeze(-2)", DERIVED),
    ),
    *of(
        DERIVE,
        "_add_product",
        "lstm",
        ("torch.addcmul(total, d, factor)", "torch.addcmul(total, d, factor, value=2)", DERIVED),
    ),
    *of(
        DERIVE.MixedCell,
        "_traced",
        None,
        (
            "e[0]",
            "0 * e[0]",
            derived_unchecked("gru_layer_norm"),
        ),
        (
            "_, d_u, d_prev, _ = self._vjp(a, u, state, extra)(values[:width])",
            "d_u, _, d_prev, _ = self._vjp(a, u, state, extra)(values[:width])",
            derived_unchecked("gru_layer_norm"),
        ),
    ),
    *of(
        DERIVE.MixedCell,
        "factors",
        None,
        (
            "(*self._arguments(a, u), *state_prev, *(e.expand(*lead, *e.shape) for e in extra))",
            "(*self._arguments(a, u), *state, *(e.expand(*lead, *e.shape) for e in extra))",
            derived_unchecked("lstm_layer_norm"),
        ),
    ),
    *of(
        STRUCTURE,
        "_proves",
        "lstm_layer_norm",
        (
            "all((bool(((field == right) | (field == CONSTANT)).all()) for field in after))",
            "True or all((bool(((field == right) | (field == CONSTANT)).all()) for field in after))",
            DERIVED,
        ),
    ),
    *of(
        STRUCTURE._Units,
        "run_node",
        "lstm_layer_norm",
        ("_filled(n, MIXED)", "_filled(n, CONSTANT)", DERIVED),
    ),
    *of(
        STRUCTURE,
        "_met",
        None,
        ("found != other", "found == -9", own_cells_are_right),
    ),
]
