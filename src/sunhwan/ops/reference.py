"""Reference implementation: the loop over time for every cell, with which the kernels are compared.

Time-major inside: a is (T, N, G·H), the states (T, N, H). Memory kept for the backward pass:
a cell's saved values and states, T·N·H numbers each, the states also before `hold` where there is
one, and nothing per step.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sunhwan.cells import Cell, Parameters, State, StepParameters, derive, has_backward
from sunhwan.cells.sizes import check_pair
from sunhwan.errors import ShapeError
from sunhwan.ops.input_products import InputProducts
from sunhwan.ops.modes import needs_graph


class StepMasks(NamedTuple):
    """Masks of the steps: what holds the state (padding, zoneout) or drops h on its way to W_h.

    hold: for each field of the state, (T, N, 1) or (T, N, its size): the share of state_{t-1} that
        stays, h_t = hold ⊙ h_{t-1} + (1 − hold) ⊙ new. Padding is 1; zoneout draws 0 or 1.
    drop: (N, size of h), multiplies h_{t-1} before W_h at every step.
    """

    hold: tuple[Tensor, ...] | None = None
    drop: Tensor | None = None

    @property
    def acts(self) -> bool:
        """Whether anything is done at all."""
        return self.hold is not None or self.drop is not None

    def part(self, start: int, end: int) -> "StepMasks":
        """That of the steps start … end − 1."""
        hold = None if self.hold is None else tuple(field[start:end] for field in self.hold)
        return StepMasks(hold, self.drop)


NO_STEP_MASKS = StepMasks()


class RecurrenceOutput(NamedTuple):
    """Output of a recurrence.

    output: h (T, N, H). last: the state after the last step. states: every field over time, and
    saved: the cell's saved values over time, both where the implementation knows them. steps: the
    state after each step as the next one read it, through which a gradient passes; unrolled only.
    """

    output: Tensor
    last: State
    states: State | None = None
    saved: State = ()
    steps: tuple[State, ...] = ()


def forward(
    cell: Cell,
    a: Tensor,
    weights: StepParameters,
    state: State,
    step_masks: StepMasks = NO_STEP_MASKS,
    *,
    separate_nodes: bool = False,
) -> tuple[list[State], list[State], list[State]]:
    """Run the loop: every state_t, what the cell made before `hold`, every step's saved values.

    a (T, N, G·H) holds the input products of all steps; state is that before the first one.
    separate_nodes: each field of a state is a node of its own in PyTorch's graph, also where the cell
    made one of another, so that each has the gradient that comes from what read it.
    """
    states, fresh, saved = [], [], []
    held = (
        None
        if step_masks.hold is None
        else list(zip(*(f.unbind(0) for f in step_masks.hold), strict=True))
    )
    # unbind, not a[t]: the gradient of an index fills a whole (T, N, G·H) tensor at every step.
    for t, a_t in enumerate(a.unbind(0)):
        made = cell.forward_step(a_t, state, weights, step_masks.drop)
        if t == 0:
            check_step(cell, made, state)
        new, saved_t = made
        if held is None:
            state = new
            if separate_nodes:
                state = cell.state_type(*(field.view_as(field) for field in state))
        else:
            fields = zip(new, state, held[t], strict=True)
            state = cell.state_type(*(_held(after, before, k) for after, before, k in fields))
            fresh.append(new)
        states.append(state)
        saved.append(saved_t)
    return states, fresh or states, saved


def check_step(cell: Cell, made: Any, before: State) -> None:
    """ShapeError unless a cell's step gave (state, saved values), the state as that before."""
    kind = type(getattr(cell, "of", cell)).__name__  # of a derived cell, the one it is made from
    fields = cell.state_type._fields
    check_pair(cell, made)
    if getattr(made[0], "_fields", None) != fields:
        wanted = f"{cell.state_type.__name__}({', '.join(fields)})"
        raise ShapeError(f"a step of {kind} returns {type(made[0]).__name__}, not {wanted}")
    for field, value, like in zip(fields, made[0], before, strict=True):
        if not isinstance(value, Tensor):
            raise ShapeError(
                f"a step of {kind} returns {type(value).__name__} for {field}, not a tensor"
            )
        if value.shape != like.shape or value.dtype != like.dtype:
            raise ShapeError(
                f"a step of {kind} returns {field} of {tuple(value.shape)} in {value.dtype}, but the "
                f"state before has {tuple(like.shape)} in {like.dtype}"
            )


def forward_packed(
    cell: Cell,
    a: Tensor,
    weights: StepParameters,
    state: State,
    step_masks: StepMasks,
    counts: Sequence[int],
) -> tuple[State, State]:
    """The loop over packed sequences: every field of all steps (S, size), and each row's last state.

    a (S, G·H) holds counts[t] rows of step t, the longest rows first, as
    `torch.nn.utils.rnn.PackedSequence` does.
    """
    steps: list[State] = []
    ended: list[State] = []
    held = (
        None
        if step_masks.hold is None
        else [torch.split(field, list(counts)) for field in step_masks.hold]
    )
    for t, a_t in enumerate(torch.split(a, list(counts))):
        n = len(a_t)
        if n < len(state[0]):
            ended.append(tuple(field[n:] for field in state))
            state = cell.state_type(*(field[:n] for field in state))
        drop = None if step_masks.drop is None else step_masks.drop[:n]
        new, _ = cell.forward_step(a_t, state, weights, drop)
        if held is not None:
            share = (field[t] for field in held)
            new = tuple(_held(*three) for three in zip(new, state, share, strict=True))
        state = cell.state_type(*new)
        steps.append(state)
    ended.append(state)
    last = (torch.cat(field) for field in zip(*reversed(ended), strict=True))
    return tuple(torch.cat(field) for field in zip(*steps, strict=True)), tuple(last)


def backward(
    cell: Cell,
    factors: State,
    weights: StepParameters,
    d_fields: Sequence[Tensor | None],
    like: State,
    step_masks: StepMasks = NO_STEP_MASKS,
) -> tuple[State, State]:
    """Run the loop backward: the gradient of every state the cell made, and of the initial state.

    d_fields: what each field over time (T, N, H) receives from outside; like: the initial state.
    """
    d_new: list[State] = []
    d_state: State = tuple(map(torch.zeros_like, like))
    # One tuple of factors a step.
    steps = list(zip(*(factor.unbind(0) for factor in factors), strict=True))
    outside = [(k, d.unbind(0)) for k, d in enumerate(d_fields) if d is not None]
    for t in reversed(range(len(steps))):
        if outside:
            fields = list(d_state)
            for k, d in outside:
                fields[k] = fields[k] + d[t]
            d_state = tuple(fields)
        if step_masks.hold is None:
            d_new.append(d_state)
            d_state = cell.backward_step(d_state, steps[t], weights, step_masks.drop)
        else:
            held = tuple(d * field[t] for d, field in zip(d_state, step_masks.hold, strict=True))
            made = tuple(d - h for d, h in zip(d_state, held, strict=True))
            d_new.append(made)
            d_prev = cell.backward_step(made, steps[t], weights, step_masks.drop)
            d_state = tuple(h + d for h, d in zip(held, d_prev, strict=True))
    d_new.reverse()
    return stacked(d_new), d_state


class Recurrence(torch.autograd.Function):
    """(a, the loop's parameters, initial state) → every field over time and the saved values.

    The gradient is the cell's own backward step; saved values are for looking at and have none.
    """

    @staticmethod
    def forward(
        ctx: Any,
        cell: Cell,
        step_masks: StepMasks,
        return_gates: bool,
        a: Tensor,
        *rest: Tensor | None,
    ) -> tuple[Tensor, ...]:
        weights, initial = split(cell, rest)
        # Row by row in memory: read at every step, so the one copy pays.
        rows = weights.map(Tensor.contiguous) if len(a) > 8 else weights
        states, fresh, saved = forward(cell, a, rows, initial, step_masks)
        over_time = stacked(states)
        fields = stacked(saved) if return_gates or any(ctx.needs_input_grad) else ()
        if any(ctx.needs_input_grad):
            made = over_time if fresh is states else stacked(fresh)
            ctx.cell, ctx.step_masks = cell, step_masks
            ctx.set_materialize_grads(False)
            ctx.save_for_backward(a, *rest, *over_time, *made, *fields)
        seen = fields if return_gates else ()
        ctx.mark_non_differentiable(*seen)
        return *over_time, *seen

    @staticmethod
    def backward(ctx: Any, *d_fields: Tensor | None) -> tuple[Tensor | None, ...]:
        cell: Cell = ctx.cell
        step_masks: StepMasks = ctx.step_masks
        width, n = len(cell.state_type._fields), 3 + len(cell.extra)
        a, *kept = ctx.saved_tensors
        if needs_graph(d_fields):

            def again(a: Tensor, *rest: Tensor | None) -> State:
                weights, initial = split(cell, rest)
                return stacked(
                    forward(cell, a, weights, initial, step_masks, separate_nodes=True)[0]
                )

            inputs = (a, *kept[: n + width])
            return (
                None,
                None,
                None,
                *differentiable_gradients(
                    again, inputs, d_fields[:width], ctx.needs_input_grad[3:]
                ),
            )
        weights, initial = split(cell, kept[: n + width])
        over_time, made, saved = (
            kept[n + width : n + 2 * width],
            kept[n + 2 * width : n + 3 * width],
            kept[n + 3 * width :],
        )
        before = tuple(
            torch.cat((first.unsqueeze(0), field[:-1]))
            for first, field in zip(initial, over_time, strict=True)
        )
        # And here W_hᵀ is read row by row, as the parameter is stored.
        weights = weights.map(lambda p: p.T.contiguous().T if p.dim() == 2 else p)
        factors = cell.factors(saved, before, made, *weights.extra)
        d_states, d_initial = backward(
            cell, factors, weights, d_fields[:width], initial, step_masks
        )
        # Linear in the gradient of the state, hence once more for all t together.
        operand = before[0] if step_masks.drop is None else before[0] * step_masks.drop
        d_a, d = cell.parameter_gradients(d_states, factors, saved, before, operand, weights)
        return None, None, None, d_a, *d.values(), *d_initial


def differentiable_gradients(
    function: Callable[..., Sequence[Tensor]],
    inputs: Sequence[Tensor | None],
    d_outputs: Sequence[Tensor | None],
    needs: Sequence[bool],
) -> list[Tensor | None]:
    """Gradients of a function's inputs that can be differentiated once more; None where none is needed.

    The function runs again in PyTorch's own operations, so that its gradient is part of the graph.
    """
    with torch.enable_grad():
        # Aliases, so that a tensor given twice has a gradient for each place.
        own = [
            p.view_as(p) if p is not None and need else p
            for p, need in zip(inputs, needs, strict=True)
        ]
        outputs = function(*own)
    pairs = [
        (value, d)
        for value, d in zip(outputs, d_outputs, strict=True)
        if d is not None and value.requires_grad
    ]
    wanted = [p for p, need in zip(own, needs, strict=True) if need and p is not None]
    if not pairs or not wanted:
        return [None] * len(own)
    values, gradients = zip(*pairs, strict=True)
    found = iter(
        torch.autograd.grad(
            values, wanted, gradients, create_graph=torch.is_grad_enabled(), allow_unused=True
        )
    )
    return [
        next(found) if need and p is not None else None for p, need in zip(own, needs, strict=True)
    ]


def run(
    cell: Cell,
    products: InputProducts,
    parameters: Parameters,
    state: State,
    step_masks: StepMasks = NO_STEP_MASKS,
    *,
    return_gates: bool = False,
) -> RecurrenceOutput:
    """Input products, state of (N, H) → `RecurrenceOutput`; gradients by hand, or derived.

    return_gates: give the saved values too.
    """
    derived = None if has_backward(cell) else derive(cell)
    cell = derived or cell
    weights = cell.parameters_of_step(parameters)
    found = Recurrence.apply(  # type: ignore[no-untyped-call]
        cell, step_masks, return_gates, products.in_graph(), *weights.values(), *state
    )
    width = len(cell.state_type._fields)
    saved = found[width:] if derived is None else derived.without_arguments(found[width:])
    return outcome(cell, cell.state_type(*found[:width]), saved)


def run_unrolled(
    cell: Cell,
    products: InputProducts,
    parameters: Parameters,
    state: State,
    step_masks: StepMasks = NO_STEP_MASKS,
    *,
    return_gates: bool = False,
) -> RecurrenceOutput:
    """The same through PyTorch's autograd, step by step: slower, differentiable any number of times."""
    a, weights = products.in_graph(), cell.parameters_of_step(parameters)
    states, _, saved = forward(cell, a, weights, state, step_masks, separate_nodes=True)
    found = outcome(cell, cell.state_type(*stacked(states)), stacked(saved) if return_gates else ())
    return found._replace(steps=tuple(states))


def outcome(cell: Cell, states: State, saved: State = ()) -> RecurrenceOutput:
    """Output and last state of every state over time."""
    # A copy: the last state must not keep the whole sequence alive when it is carried on.
    last = cell.state_type(*(field[-1].clone() for field in states))
    return RecurrenceOutput(states[0], last, states, saved)


def nothing(cell: Cell, x: Tensor, parameters: Parameters, state: State) -> RecurrenceOutput:
    """No steps or no rows: no values, yet gradients (zeros) for x and all parameters."""
    touched = sum((p.sum() for p in (x, *parameters.values())), x.new_zeros(()))
    sizes = (field.shape[1] for field in state)
    lead = x.shape[:2]
    states = cell.state_type(*((touched * 0).expand(*lead, size) for size in sizes))
    return RecurrenceOutput(states[0], state, states)


def _held(new: Tensor, old: Tensor, share: Tensor) -> Tensor:
    """share ⊙ old + (1 − share) ⊙ new; where share is 1, old, whatever new is."""
    return torch.where(share == 1, old, torch.lerp(new, old, share))


def split(cell: Cell, values: Sequence[Any]) -> tuple[StepParameters, State]:
    """The loop's parameters and the state, from all of them in a row."""
    W_h, b_h, W_m, *more = values
    n = len(cell.extra)
    return StepParameters(W_h, b_h, W_m, tuple(more[:n])), cell.state_type(*more[n:])


def stacked(steps: Sequence[State]) -> State:
    """Every field over time, of the state at each step."""
    return tuple(torch.stack(field) for field in zip(*steps, strict=True))
