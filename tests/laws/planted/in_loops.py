"""Faults in the loops over time: the reference, the scan, the fused operators, the dispatcher."""

from sunhwan.ops import dispatch, fused, linear, reference, scan
from sunhwan.ops.input_products import InputProducts
from tests.cases import Case
from tests.laws.planted.fault import Fault, of

GRADIENTS, INSIDE, PADDED = "gradients", "gradients inside", "padded rows"
UNROLLED, SCANNED = Case("gru", backend="unrolled"), Case("mingru", backend="scan")

FAULTS: list[Fault] = [
    *of(
        reference,
        "forward",
        "elman",
        ("a.unbind", "a.flip(0).unbind", "steps"),
        ("fresh.append(new)", "fresh.append(state)", INSIDE),
        (
            "cell.forward_step(a_t, state, weights, step_masks.drop)",
            "cell.forward_step(a_t, tuple((f + 0 * f.sum(0) for f in state)), weights, step_masks.drop)",
            "nan",
        ),
        (
            "cell.forward_step(a_t, state, weights, step_masks.drop)",
            "cell.forward_step(a_t, tuple((f + 0 * f.sum(0) for f in state)), weights, step_masks.drop)",
            "nan in float32",
        ),
        (
            "cell.forward_step(a_t, state, weights, step_masks.drop)",
            "cell.forward_step(a_t, tuple(f * (1 + len(f) / 99) for f in state), weights, step_masks.drop)",
            "rows alone",
        ),
        (
            "cell.forward_step(a_t, state, weights, step_masks.drop)",
            "cell.forward_step(a_t, tuple((f + f[:1] / 10 for f in state)), weights, step_masks.drop)",
            "permuted rows",
        ),
        (
            "states.append(state)",
            "states.append(state)\nif a_t.isnan().any():\n    state = tuple((f * 0 for f in state))",
            "nan",
        ),
    ),
    *of(
        reference,
        "forward",
        "lstm",
        ("_held(after, before, k)", "_held(before, after, k)", "masks"),
        ("held[t]", "held[0]", "masks"),
        ("state = new", "state = tuple((f * 1.01 for f in new))", "steps"),
    ),
    *of(
        reference,
        "forward",
        UNROLLED,
        (
            "cell.forward_step(a_t, state, weights, step_masks.drop)",
            "cell.forward_step(a_t, tuple((f.detach() for f in state)), weights, step_masks.drop)",
            GRADIENTS,
        ),
    ),
    *of(
        reference,
        "backward",
        "lstm",
        ("fields[k] + d[t]", "d[t]", GRADIENTS),
        ("d[t]", "d[t - 1]", GRADIENTS),
        (
            "(stacked(d_new), d_state)",
            "(stacked(d_new), tuple((0 * d for d in d_state)))",
            GRADIENTS,
        ),
        ("d_new.reverse()", "pass", GRADIENTS),
        (
            "cell.backward_step(d_state, steps[t], weights, step_masks.drop)",
            "cell.backward_step(d_state, steps[t - 1], weights, step_masks.drop)",
            "jacobian",
        ),
        (
            "cell.backward_step(d_state, steps[t], weights, step_masks.drop)",
            "cell.backward_step(d_state, steps[t], weights)",
            INSIDE,
        ),
        ("field[t]", "field[t - 1]", INSIDE),
        ("d - h", "d", PADDED),
        ("h + d", "d", PADDED),
        ("h + d", "h", INSIDE),
    ),
    *of(
        reference.Recurrence,
        "forward",
        "elman",
        ("Tensor.contiguous", "lambda p: p.T.contiguous()", "steps"),
    ),
    *of(
        reference.Recurrence,
        "forward",
        "lstm",
        (
            "ctx.mark_non_differentiable(*seen)",
            "ctx.mark_non_differentiable(*over_time[1:], *seen)",
            "traced gradient",
        ),
    ),
    *of(
        reference.Recurrence,
        "backward",
        "lstm_peephole",
        ("first.unsqueeze(0)", "field[:1]", GRADIENTS),
        ("before[0] * step_masks.drop", "before[0]", INSIDE),
        (
            "cell.factors(saved, before, made, *weights.extra)",
            "cell.factors(saved, made, made, *weights.extra)",
            GRADIENTS,
        ),
        (
            "cell.parameter_gradients(d_states, factors, saved, before, operand, weights)",
            "cell.parameter_gradients(d_states, factors, saved, made, operand, weights)",
            GRADIENTS,
        ),
        (
            "(None, None, None, d_a, *d.values(), *d_initial)",
            "(None, None, None, d_a, *d.values(), *[0 * d for d in d_initial])",
            "chunks",
        ),
    ),
    *of(dispatch, "recur", "antisymmetric", ("cell.effective", "dict", "backends")),
    *of(reference, "outcome", "elman", ("-1", "0", "chunks")),
    *of(reference, "outcome", "lstm", ("states[0]", "states[1]", "steps")),
    *of(
        InputProducts,
        "in_graph",
        Case("elman", backend="reference"),
        ("rows(a)", "rows(a.transpose(0, 1))", "rows alone"),
        (
            "input_sums(rows(a), self.W_x, self.b)",
            "input_sums(rows(a), self.W_x, None)",
            "backends",
        ),
    ),
    *of(
        reference,
        "nothing",
        "elman",
        (
            "sum((p.sum() for p in (x, *parameters.values())), x.new_zeros(()))",
            "sum((p.sum() for p in (x, *parameters.values())), x.new_zeros(())).detach()",
            "nothing to read",
        ),
        (
            "RecurrenceOutput(states[0], state, states)",
            "RecurrenceOutput(states[0], cell.state_type(*(f * 0 for f in state)), states)",
            "nothing to read",
        ),
    ),
    *of(
        reference.StepMasks,
        "part",
        "lstm",
        ("field[start:end]", "field[:end - start]", "backward direction"),
    ),
    # Linear recurrences.
    *of(
        linear.LinearRecurrence,
        "backward",
        SCANNED,
        ("f[1:]", "f[:-1]", GRADIENTS),
        ("torch.mul(d_v[0], h0, out=d_f[0])", "d_f[0].zero_()", GRADIENTS),
        ("h[:-1]", "h[1:]", GRADIENTS),
        ("f[0] * d_v[0]", "d_v[0]", "chunks"),
    ),
    *of(
        linear,
        "_scan_by_steps",
        "minlstm",
        ("state = h0", "state = 0 * h0", "backends"),
        (
            "reversed(steps) if reverse else steps",
            "reversed(steps) if not reverse else steps",
            "backends",
        ),
    ),
    *of(
        linear,
        "_scan_by_chunks",
        "rglru",
        ("product *= f_j", "product += f_j", "scan"),
        ("before.copy_(h0)", "before.zero_()", "scan"),
        ("first(state, len(h_j))", "first(carries, len(h_j))", "scan"),
    ),
    *of(
        scan,
        "run",
        SCANNED,
        ("torch.lerp(f, torch.ones_like(f), hold)", "f", PADDED),
        ("v * (1 - hold)", "v", PADDED),
        ("1 - hold", "hold", "masks"),
        ("state[0]", "0 * state[0]", "backends"),
    ),
    *of(
        scan.Coefficients,
        "backward",
        SCANNED,
        (
            "ctx.cell.coefficients_backward(d_f, d_v, f, saved, *extra)",
            "ctx.cell.coefficients_backward(d_v, d_f, f, saved, *extra)",
            GRADIENTS,
        ),
    ),
    *of(
        scan.Coefficients,
        "backward",
        Case("rglru", backend="scan"),
        ("(None, d_a, *d_extra)", "(None, d_a, *[0 * d for d in d_extra])", "scan"),
    ),
    # PyTorch's operators, and the choice.
    *of(
        fused,
        "torch_weights",
        "gru",
        (
            "[b, parameters.get('b_h', torch.zeros_like(b))]",
            "[parameters.get('b_h', torch.zeros_like(b)), b]",
            "backends",
        ),
    ),
    *of(
        dispatch,
        "choose",
        Case("lstm", backend="fused"),
        ("needs_internal_access or return_gates", "return_gates", PADDED),
        ("needs_internal_access = needs_internal_access or return_gates", "pass", "trace"),
    ),
]
