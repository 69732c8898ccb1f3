"""The backward of one step is the derivative of its forward, piece by piece and as a whole."""

import numpy as np
import torch
from torch import Tensor

from sunhwan.cells import Cell, State, StepParameters, can_derive, derive, has_backward
from sunhwan.laws.case import Case, D, H, N, by_field, fresh_parameters, generator, random_state
from sunhwan.laws.compare import assert_equal, require
from sunhwan.program import evaluate, program_of, why_no_program

BOUND = 1e-10


def has_step_backward(cell: Cell) -> bool:
    """Whether there is a backward step, written or derived."""
    return has_backward(cell) or can_derive(cell)


def step_pieces(case: Case, scale: float = 1.0) -> float:
    """`backward_step` and `parameter_gradients` of `factors` against autograd of `forward_step`.

    A large scale saturates the gates, where a factor such as z (1 - z) nearly vanishes.
    """
    cell, draw = _with_backward(case.cell), generator(17)
    largest = 0.0
    for drop in (None, torch.randint(2, (N, cell.output_size(H)), generator=draw) * 2.0):
        drop = None if drop is None else drop.double()
        a = scale * _normal(draw, N, len(cell.gates) * H)
        before, d_after = random_state(cell, draw, N), random_state(cell, draw, N)
        weights = _weights(case, cell)
        named = {"a": a} | by_field(before) | _present(weights)
        for value in named.values():
            value.requires_grad_()
        after, _ = cell.forward_step(a, before, weights, drop)
        wanted = torch.autograd.grad(
            after, list(named.values()), d_after, allow_unused=True, materialize_grads=True
        )
        with torch.no_grad():
            after, saved = cell.forward_step(a, before, weights, drop)
            factors = cell.factors(saved, before, after, *weights.extra)
            d_before = cell.backward_step(d_after, factors, weights, drop)
            operand = before[0] if drop is None else before[0] * drop
            d_a, d_weights = cell.parameter_gradients(
                d_after, factors, saved, before, operand, weights
            )
        got = {"a": d_a} | by_field(cell.state_type(*d_before)) | _given(weights, d_weights)
        where = f"sums scaled by {scale:g}" + ("" if drop is None else ", h dropped")
        found = assert_equal(
            _gradient(got), _gradient(dict(zip(named, wanted, strict=True))), BOUND, where=where
        )
        largest = max(largest, found)
    return largest


def step_pieces_saturated(case: Case) -> float:
    """The same with gates near 0 and 1."""
    return max(step_pieces(case, scale) for scale in (3.0, 20.0))


def steps_together(case: Case, steps: int = 4) -> float:
    """`factors` and `parameter_gradients` of (T, N, …) are those of every step alone."""
    cell, draw = _with_backward(case.cell), generator(19)
    a = _normal(draw, steps, N, len(cell.gates) * H)
    before, d_after = random_state(cell, draw, steps, N), random_state(cell, draw, steps, N)
    weights = _weights(case, cell)

    def at(state: State, t: int) -> State:
        one: State = cell.state_type(*(field[t] for field in state))
        return one

    with torch.no_grad():
        runs = [cell.forward_step(a[t], at(before, t), weights) for t in range(steps)]
        after, saved = (
            tuple(torch.stack(values) for values in zip(*column, strict=True))
            for column in zip(*runs, strict=True)
        )
        factors = cell.factors(saved, before, after, *weights.extra)
        d_a, d_weights = cell.parameter_gradients(
            d_after, factors, saved, before, before[0], weights
        )
        alone, sums = [], []
        for t, (after_t, saved_t) in enumerate(runs):
            now = at(before, t)
            factors_t = cell.factors(saved_t, now, after_t, *weights.extra)
            found = cell.parameter_gradients(
                at(d_after, t), factors_t, saved_t, now, now[0], weights
            )
            alone.append(found[0])
            sums.append(_given(weights, found[1]))
    got = {"a": d_a} | _given(weights, d_weights)
    wanted = {"a": torch.stack(alone)}
    wanted |= {name: torch.stack([one[name] for one in sums]).sum(0) for name in sums[0]}
    return assert_equal(_gradient(got), _gradient(wanted), BOUND, where="all steps at once")


def step_backward(case: Case) -> float:
    """`step_backward` against autograd of `step`: x, the state, all parameters."""
    cell, draw = _with_backward(case.cell), generator(23)
    x = _normal(draw, N, D).requires_grad_()
    before, d_after = random_state(cell, draw, N), random_state(cell, draw, N)
    parameters = fresh_parameters(case)
    named = {"x": x} | by_field(before) | parameters
    for value in named.values():
        value.requires_grad_()
    after = cell.step(x, before, parameters)
    wanted = torch.autograd.grad(
        after, list(named.values()), d_after, allow_unused=True, materialize_grads=True
    )
    with torch.no_grad():
        d_x, d_before, d_parameters = cell.step_backward(d_after, x, before, parameters)
    require(type(d_before) is cell.state_type, f"d state is a {type(d_before).__name__}")
    require(list(d_parameters) == list(parameters), f"gradients of {', '.join(d_parameters)}")
    got = dict(zip(named, (d_x, *d_before, *d_parameters.values()), strict=True))
    return assert_equal(_gradient(got), _gradient(dict(zip(named, wanted, strict=True))), BOUND)


def has_program(cell: Cell) -> bool:
    """Whether the step can be traced as a program."""
    return why_no_program(cell, H) is None


def program_is_the_step(case: Case) -> float:
    """The traced program, evaluated in NumPy, against `step`; also with its parameters folded in."""
    cell, draw = case.cell, generator(29)
    parameters = fresh_parameters(case)
    x, before = _normal(draw, N, D), random_state(cell, draw, N)
    with torch.no_grad():
        wanted = by_field(cell.step(x, before, parameters))
        given = {name: p.numpy() for name, p in cell.effective(parameters).items()}
    program = program_of(cell, D, H, bias=case.bias)
    largest = 0.0
    for one in (program, program.folded(given)):
        a = evaluate(one.inputs, {"x": x.numpy(), **given})
        state = {name: value.numpy() for name, value in by_field(before).items()}
        after = evaluate(one.step, {**a, **state, **given})
        got = {
            name: torch.from_numpy(np.broadcast_to(after[name], value.shape).copy())
            for name, value in wanted.items()
        }
        largest = max(largest, assert_equal(got, wanted, BOUND, where="the program"))
    return largest


def _with_backward(cell: Cell) -> Cell:
    return cell if has_backward(cell) else derive(cell)


def _weights(case: Case, cell: Cell) -> StepParameters:
    """Random parameters of the steps, cut off from what they are made of."""
    return cell.parameters_of_step(cell.effective(fresh_parameters(case))).map(
        lambda p: p.detach().clone(memory_format=torch.contiguous_format)
    )


def _present(weights: StepParameters) -> dict[str, Tensor]:
    names = ("W_h", "b_h", "W_m", *(f"extra parameter {i}" for i in range(len(weights.extra))))
    pairs = zip(names, weights.values(), strict=True)
    return {name: value for name, value in pairs if value is not None}


def _given(weights: StepParameters, d_weights: StepParameters) -> dict[str, Tensor]:
    """The gradients of what there is; zeros where the cell gives none."""
    given = _present(d_weights)
    return {name: given.get(name, torch.zeros_like(p)) for name, p in _present(weights).items()}


def _gradient(values: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"gradient of {name}": value for name, value in values.items()}


def _normal(draw: torch.Generator, *sizes: int) -> Tensor:
    return torch.randn(*sizes, generator=draw, dtype=torch.float64)
