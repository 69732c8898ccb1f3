"""Faults in the loops over time: the reference, the scan, the fused operators, the dispatcher."""

from sunhwan.ops import dispatch, fused, linear, reference, scan
from tests.cases import Case
from tests.laws.planted.fault import Fault, of

GRADIENTS, INSIDE, PADDED = "gradients", "gradients inside", "padded rows"
UNROLLED, SCANNED = Case("gru", backend="unrolled"), Case("mingru", backend="scan")
ADVANCED = "cell.advance(a_t, state,"

FAULTS: list[Fault] = [
    *of(
        reference,
        "forward",
        "elman",
        ("a.unbind(0)", "a.flip(0).unbind(0)", "steps"),
        ("fresh.append(new)", "fresh.append(state)", INSIDE),
        (ADVANCED, "cell.advance(a_t, tuple(f + 0 * f.sum(0) for f in state),", "nan"),
        (ADVANCED, "cell.advance(a_t, tuple(f + 0 * f.sum(0) for f in state),", "nan in float32"),
        (
            ADVANCED,
            "cell.advance(a_t, tuple(f * (1 + len(f) / 99) for f in state),",
            "rows alone",
        ),
        (ADVANCED, "cell.advance(a_t, tuple(f + f[:1] / 10 for f in state),", "permuted rows"),
        (
            "states.append(state)",
            "states.append(state)\n        if a_t.isnan().any(): state = tuple(f * 0 for f in state)",
            "nan",
        ),
    ),
    *of(
        reference,
        "forward",
        "lstm",
        ("_held(after, before, k)", "_held(before, after, k)", "masks"),
        ("held[t], strict", "held[0], strict", "masks"),
        ("state = new", "state = tuple(f * 1.01 for f in new)", "steps"),
    ),
    *of(
        reference,
        "forward",
        UNROLLED,
        (ADVANCED, "cell.advance(a_t, tuple(f.detach() for f in state),", GRADIENTS),
    ),
    *of(
        reference,
        "backward",
        "lstm",
        ("fields[k] + d[t]", "d[t]", GRADIENTS),
        ("fields[k] + d[t]", "fields[k] + d[t - 1]", GRADIENTS),
        ("stacked(d_new), d_state", "stacked(d_new), tuple(0 * d for d in d_state)", GRADIENTS),
        ("d_new.reverse()", "pass", GRADIENTS),
        ("cell.retreat(d_state, steps[t]", "cell.retreat(d_state, steps[t - 1]", "jacobian"),
        (
            "retreat(d_state, steps[t], loop, noise.drop)",
            "retreat(d_state, steps[t], loop)",
            INSIDE,
        ),
        ("d * field[t] for", "d * field[t - 1] for", INSIDE),
        ("d - h for d, h", "d for d, h", PADDED),
        ("h + d for h, d", "d for h, d", PADDED),
        ("h + d for h, d", "h for h, d", INSIDE),
    ),
    *of(
        reference.Recurrence,
        "forward",
        "elman",
        ("loop.map(Tensor.contiguous)", "loop.map(lambda p: p.T.contiguous())", "steps"),
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
        ("(first.unsqueeze(0), field[:-1])", "(field[:1], field[:-1])", GRADIENTS),
        ("before[0] * noise.drop", "before[0]", INSIDE),
        ("cell.factors(saved, before, made,", "cell.factors(saved, made, made,", GRADIENTS),
        ("factors, saved, before, operand", "factors, saved, made, operand", GRADIENTS),
        ("*d.values(), *d_initial", "*d.values(), *[0 * d for d in d_initial]", "chunks"),
    ),
    *of(
        reference,
        "run",
        "antisymmetric",
        ("cell.effective(parameters)", "dict(parameters)", "backends"),
    ),
    *of(reference, "outcome", "elman", ("field[-1].clone()", "field[0].clone()", "chunks")),
    *of(reference, "outcome", "lstm", ("Outcome(states[0],", "Outcome(states[1],", "steps")),
    *of(
        reference,
        "input_products",
        "elman",
        ("x.reshape(T * N, D)", "x.transpose(0, 1).reshape(T * N, D)", "rows alone"),
    ),
    *of(
        reference,
        "nothing",
        "elman",
        ("x.new_zeros(()))", "x.new_zeros(())).detach()", "nothing to read"),
        (
            "states[0], state, states",
            "states[0], cell.state_type(*(f * 0 for f in state)), states",
            "nothing to read",
        ),
    ),
    *of(
        reference.Noise,
        "part",
        "lstm",
        ("field[start:end]", "field[: end - start]", "backward direction"),
    ),
    # Linear recurrences.
    *of(
        linear.LinearRecurrence,
        "backward",
        SCANNED,
        ("f[1:], d_h[:-1]", "f[:-1], d_h[:-1]", GRADIENTS),
        ("torch.mul(d_v[0], h0, out=d_f[0])", "d_f[0].zero_()", GRADIENTS),
        ("h[:-1], out=d_f[1:]", "h[1:], out=d_f[1:]", GRADIENTS),
        ("d_f, d_v, f[0] * d_v[0]", "d_f, d_v, d_v[0]", "chunks"),
    ),
    *of(
        linear,
        "_scan_by_steps",
        "minlstm",
        ("state = h0", "state = 0 * h0", "backends"),
        ("reversed(steps) if reverse", "reversed(steps) if not reverse", "backends"),
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
        ("(1 - hold)", "hold", "masks"),
        ("linear_recurrence(f, v, state[0])", "linear_recurrence(f, v, 0 * state[0])", "backends"),
    ),
    *of(
        scan.Coefficients,
        "backward",
        SCANNED,
        ("coefficients_backward(d_f, d_v,", "coefficients_backward(d_v, d_f,", GRADIENTS),
    ),
    *of(
        scan.Coefficients,
        "backward",
        Case("rglru", backend="scan"),
        ("d_a, *d_extra", "d_a, *[0 * d for d in d_extra]", "scan"),
    ),
    # PyTorch's operators, and the choice.
    *of(
        fused,
        "torch_weights",
        "gru",
        (
            '[b, parameters.get("b_h", torch.zeros_like(b))]',
            '[parameters.get("b_h", torch.zeros_like(b)), b]',
            "backends",
        ),
    ),
    *of(
        dispatch,
        "choose",
        Case("lstm", backend="fused"),
        ("inside = inside or onlooker", "inside = onlooker", PADDED),
        ("inside = inside or onlooker", "pass", "trace"),
    ),
]
