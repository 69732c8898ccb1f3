"""The loop over time, written once for every cell: the truth that kernels are compared with.

Time-major inside: a is (T, N, G·H), the states (T, N, H). Memory kept for the backward pass:
a cell's saved values and states, T·N·H numbers each, and nothing per step.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from sunhwan.cells import Cell, Parameters, State


def forward(
    cell: Cell, a: Tensor, W_h: Tensor, b_h: Tensor | None, state: State
) -> tuple[list[State], list[State]]:
    """Run the loop: every state_t and every step's saved values, t = 1 … T.

    a (T, N, G·H) holds the input products of all steps; state is that before the first one.
    """
    states, saved = [], []
    # unbind, not a[t]: the gradient of an index fills a whole (T, N, G·H) tensor at every step.
    for a_t in a.unbind(0):
        h = state[0]
        u_t = torch.mm(h, W_h) if b_h is None else torch.addmm(b_h, h, W_h)
        state, saved_t = cell.pointwise(a_t, u_t, state)
        states.append(state)
        saved.append(saved_t)
    return states, saved


def backward(
    cell: Cell, factors: State, W_h: Tensor, d_h: Tensor, d_last: State
) -> tuple[State, State]:
    """Run the loop backward: the total gradient of every state_t, and that of the initial state.

    d_h (T, N, H) is what the output receives from outside, d_last what the last state receives.
    """
    W_h_transposed = W_h.T
    d_states: list[State] = []
    d_state = d_last
    # One tuple of factors a step.
    steps = list(zip(*(factor.unbind(0) for factor in factors), strict=True))
    for factors_t, d_h_t in zip(reversed(steps), reversed(d_h.unbind(0)), strict=True):
        d_state = (d_state[0] + d_h_t, *d_state[1:])
        d_states.append(d_state)
        _, d_u, d_prev = cell.pointwise_backward(d_state, factors_t)
        d_state = (torch.addmm(d_prev[0], d_u, W_h_transposed), *d_prev[1:])
    d_states.reverse()
    return _stack(d_states), d_state


class Recurrence(torch.autograd.Function):
    """(a, W_h, b_h, initial state) → (h_1 … h_T, last state), with the hand-derived gradient."""

    @staticmethod
    def forward(
        ctx: Any, cell: Cell, a: Tensor, W_h: Tensor, b_h: Tensor | None, *initial: Tensor
    ) -> tuple[Tensor, ...]:
        if len(a) > 8:
            # Row by row in memory: read at every step, so the one copy pays.
            W_h = W_h.contiguous()
        states, saved = forward(cell, a, W_h, b_h, initial)
        over_time = _stack(states)
        if any(ctx.needs_input_grad):
            fields = _stack(saved)
            ctx.cell, ctx.widths, ctx.bias = cell, (len(initial), len(fields)), b_h is not None
            ctx.save_for_backward(W_h, *initial, *over_time, *fields)
        # A copy: the last state must not keep the whole sequence alive when it is carried on.
        return over_time[0], *(field[-1].clone() for field in over_time)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_h: Tensor, *d_last: Tensor) -> tuple[Tensor | None, ...]:
        cell: Cell = ctx.cell
        n_state, _ = ctx.widths
        W_h, *rest = ctx.saved_tensors
        initial, over_time, saved = (
            rest[:n_state],
            rest[n_state : 2 * n_state],
            rest[2 * n_state :],
        )
        before = tuple(
            torch.cat((first.unsqueeze(0), field[:-1]))
            for first, field in zip(initial, over_time, strict=True)
        )
        factors = cell.factors(tuple(saved), before, tuple(over_time))
        d_states, d_initial = backward(cell, factors, W_h, d_h, d_last)
        # Linear in the gradient of the state, hence once more for all t together.
        d_a, d_u, _ = cell.pointwise_backward(d_states, factors)
        d_u = d_u.flatten(0, 1)
        # Σ_t h_{t-1}ᵀ d u_t, laid out in memory as the parameter is.
        d_W_h = (d_u.T @ before[0].flatten(0, 1)).T
        return None, d_a, d_W_h, d_u.sum(0) if ctx.bias else None, *d_initial


def run(cell: Cell, x: Tensor, parameters: Parameters, state: State) -> tuple[Tensor, State]:
    """x (T, N, D), state of (N, H) → h (T, N, H), last state; gradients by hand."""
    h, *last = Recurrence.apply(  # type: ignore[no-untyped-call]
        cell, input_products(x, parameters), parameters.W_h, parameters.b_h, *state
    )
    return h, cell.state_type(*last)


def run_unrolled(
    cell: Cell, x: Tensor, parameters: Parameters, state: State
) -> tuple[Tensor, State]:
    """The same through PyTorch's autograd, step by step: slower, differentiable any number of times."""
    states, _ = forward(cell, input_products(x, parameters), parameters.W_h, parameters.b_h, state)
    return torch.stack([state_t[0] for state_t in states]), states[-1]


def input_products(x: Tensor, parameters: Parameters) -> Tensor:
    """a (T, N, G·H) = x (T, N, D) W_x + b, one product over (T·N, D)."""
    T, N, D = x.shape
    rows = x.reshape(T * N, D)
    W_x, b = parameters.W_x, parameters.b
    a = torch.mm(rows, W_x) if b is None else torch.addmm(b, rows, W_x)
    return a.view(T, N, W_x.shape[1])


def empty(x: Tensor, parameters: Parameters) -> Tensor:
    """h (T, N, H) of no steps or no rows: no values, yet gradients (zeros) for all parameters."""
    H = parameters.W_h.shape[0]
    a = input_products(x, parameters)
    u = a.new_empty(0, H) @ parameters.W_h
    u = u if parameters.b_h is None else u + parameters.b_h
    return (a + u.view(a.shape))[..., :H]


def _stack(steps: Sequence[State]) -> State:
    return tuple(torch.stack(field) for field in zip(*steps, strict=True))
