"""Linear recurrences for all t at once: a parallel scan instead of a loop."""

from typing import Any

import torch
from torch import Tensor

from sunhwan.cells import LinearCell, Parameters, State, has_backward
from sunhwan.ops.input_products import InputProducts
from sunhwan.ops.linear import linear_recurrence
from sunhwan.ops.modes import needs_graph, transformed
from sunhwan.ops.reference import (
    NO_STEP_MASKS,
    RecurrenceOutput,
    StepMasks,
    differentiable_gradients,
    outcome,
)


class Coefficients(torch.autograd.Function):
    """(a, extra) → f, v and the saved values of a `LinearCell`, with the cell's own gradient."""

    @staticmethod
    def forward(ctx: Any, cell: LinearCell, a: Tensor, *extra: Tensor) -> tuple[Tensor, ...]:
        f, v, saved = cell.coefficients(a, *extra)
        ctx.cell, ctx.count = cell, len(extra)
        ctx.save_for_backward(a, *extra, f, *saved)
        ctx.mark_non_differentiable(*saved)
        return f, v, *saved

    @staticmethod
    def backward(ctx: Any, d_f: Tensor, d_v: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        a, *kept = ctx.saved_tensors
        if needs_graph((d_f, d_v)):
            return None, *differentiable_gradients(
                lambda *given: ctx.cell.coefficients(*given)[:2],
                (a, *kept[: ctx.count]),
                (d_f, d_v),
                ctx.needs_input_grad[1:],
            )
        extra, f, saved = kept[: ctx.count], kept[ctx.count], kept[ctx.count + 1 :]
        d_a, d_extra = ctx.cell.coefficients_backward(d_f, d_v, f, saved, *extra)
        return None, d_a, *d_extra


def run(
    cell: LinearCell,
    products: InputProducts,
    parameters: Parameters,
    state: State,
    step_masks: StepMasks = NO_STEP_MASKS,
    *,
    return_gates: bool = False,
) -> RecurrenceOutput:
    """Input products, state of (N, H) → `RecurrenceOutput`, all steps side by side."""
    a = products.in_graph()
    extra = cell.parameters_of_step(parameters).extra
    if has_backward(cell) and not transformed():
        f, v, *saved = Coefficients.apply(cell, a, *extra)  # type: ignore[no-untyped-call]
    else:
        f, v, saved = cell.coefficients(a, *extra)
    saved = [f, *saved]
    if step_masks.hold is not None:
        # Still linear: hold ⊙ h_{t-1} + (1 − hold) ⊙ (f h_{t-1} + v).
        (hold,) = step_masks.hold
        f, v = torch.lerp(f, torch.ones_like(f), hold), v * (1 - hold)
    h = linear_recurrence(f, v, state[0])
    return outcome(cell, cell.state_type(h), tuple(saved) if return_gates else ())
