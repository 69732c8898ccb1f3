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
        ("torch.addmm(loop.b_h, h, loop.W_h)", "torch.mm(h, loop.W_h)", EQUATION),
    ),
    *of(
        base,
        "through_recurrent_product",
        "gru",
        ("torch.mm(d_u, W) * drop", "torch.mm(d_u, W)", INSIDE),
        ("else d_h + through", "else through", INSIDE),
        ("torch.addmm(d_h, d_u, W)", "torch.mm(d_u, W)", GRADIENTS),
    ),
    *of(
        base,
        "through_recurrent_product",
        "elman",
        ("W = loop.W_h.T", "W = loop.W_h", "step backward"),
    ),
    *of(
        base,
        "weight_gradient",
        "elman",
        ("(rows(d_product).T @ rows(operand)).T", "rows(d_product).T @ rows(operand)", PIECES),
        ("rows(operand)).T", "rows(operand).roll(1, 0)).T", GRADIENTS),
    ),
    *of(
        Cell,
        "parameter_gradients",
        "gru",
        ("rows(d_u).sum(0)", "rows(d_a).sum(0)", "step backward"),
        ("rows(d_u).sum(0)", "rows(d_u).mean(0)", "steps together"),
    ),
    *of(
        Cell,
        "step_backward",
        "ugrnn",
        ("state_prev, state_prev[0], fixed", "state_prev, state[0], fixed", "step backward"),
        ("ends = [(a, d_a)]", "ends = [(a, 0 * d_a)]", "step backward"),
    ),
    *of(
        Cell,
        "step",
        "antisymmetric",
        ("self.effective(parameters)", "dict(parameters)", "steps"),
    ),
    *of(
        Cell,
        "inputs",
        "elman",
        ('torch.addmm(b, x, parameters["W_x"])', 'x @ parameters["W_x"]', EQUATION),
        (
            'torch.addmm(b, x, parameters["W_x"])',
            'torch.addmm(b, x, parameters["W_x"]) / len(x)',
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
        "advance",
        "lstm_multiplicative",
        ("self.outer(a, torch.mm(m,", "self.outer(a, torch.mm(-m,", EQUATION),
    ),
    *of(
        TwoProductCell,
        "retreat",
        "gru_reset_before",
        ("_second(loop).T", "_second(loop)", GRADIENTS),
        ("else p + m", "else p", GRADIENTS),
        ("loop, drop)", "loop, None)", INSIDE),
    ),
    *of(
        TwoProductCell,
        "parameter_gradients",
        "gru_reset_before",
        ("weight_gradient(saved[0], d_w)", "weight_gradient(operand, d_w)", PIECES),
        ("weight_gradient(operand, d_u)", "weight_gradient(operand, 0 * d_u)", PIECES),
        ("_second(loop).T", "_second(loop)", PIECES),
    ),
    # Layer normalisation.
    *of(
        normalization,
        "normalize",
        "lstm_layer_norm",
        ("gain, shift, EPSILON", "gain, shift, 0.0", EQUATION),
        ("gain, shift, EPSILON", "gain, None, EPSILON", EQUATION),
    ),
    *of(
        normalization,
        "_backward",
        "gru_layer_norm",
        ("d.contiguous(), v", "d.contiguous(), -v", PIECES),
        ("*moments, gain, shift", "*moments, 0 * gain + 1, shift", GRADIENTS),
        ("return found", "return found[0] / 2, *found[1:]", "step backward"),
    ),
    *of(
        normalization,
        "normalize_gradients",
        "lstm_layer_norm",
        ("_backward(d, v, moments", "_backward(d, v.roll(1, 0), moments", "steps together"),
    ),
    # Gradients derived from the forward step.
    *of(
        DERIVE.DerivedCell,
        "gradients",
        "gru_layer_norm",
        ("d_a, _, _, d_extra =", "_, d_a, _, d_extra =", DERIVED),
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
        ("self.of.inputs(", "Cell.inputs(self, ", DERIVED),
    ),
    *of(
        DERIVE.UnitwiseCell,
        "factors",
        "lstm",
        ("if i == k", "if i >= k", DERIVED),
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
        ("d.unsqueeze(-2), to_a", "-d.unsqueeze(-2), to_a", DERIVED),
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
            "tuple(e[0] for e in extra)",
            "tuple(0 * e[0] for e in extra)",
            derived_unchecked("gru_layer_norm"),
        ),
        ("_, d_u, d_prev, _ =", "d_u, _, d_prev, _ =", derived_unchecked("gru_layer_norm")),
    ),
    *of(
        DERIVE.MixedCell,
        "factors",
        None,
        ("*state_prev,", "*state,", derived_unchecked("lstm_layer_norm")),
    ),
    *of(
        STRUCTURE,
        "_proves",
        "lstm_layer_norm",
        ("return all(", "return any((True,)) or all(", DERIVED),
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
        ("& (found != other)", "& (found == -9)", own_cells_are_right),
    ),
]
