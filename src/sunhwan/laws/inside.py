"""Regularisation inside the recurrence: zoneout, recurrent dropout, dropped weights."""

from collections.abc import Sequence

import torch
from torch import Tensor

from sunhwan.cells import Cell, State
from sunhwan.errors import ConfigError
from sunhwan.laws.case import Case, D, H, mapped, named_fields, seeded
from sunhwan.laws.compare import assert_equal, assert_identical, require, results
from sunhwan.laws.gradients import gradients, gradients_with_resets
from sunhwan.laws.sequences import joined
from sunhwan.layers import Masks, RecurrentLayer

KINDS = ("zoneout", "zoneout_cell", "recurrent_dropout", "weight_drop")
RATE, TINY = 0.4, 1e-11
BOUND, NEAR = 1e-12, 1e-9


def kinds(cell: Cell) -> list[str]:
    """The kinds of regularisation that this cell allows."""
    found = []
    for kind in KINDS:
        rates = {kind: RATE}
        try:
            with seeded():
                RecurrentLayer(cell, D, H, **rates)  # type: ignore[arg-type]
        except ConfigError:
            continue
        if kind != "zoneout_cell" or len(cell.state_type._fields) > 1:
            found.append(kind)
    return found


def gradients_inside(case: Case) -> float:
    """Finite differences with the seed fixed, one kind after the other, and all together.

    Also in evaluation, where zoneout mixes the old and the new.
    """
    found = [gradients(case.but(**{kind: RATE})) for kind in kinds(case.cell)]
    everything = case.but(**dict.fromkeys(kinds(case.cell), RATE))
    return max(*found, gradients_with_resets(everything), gradients(everything, training=False))


def no_rate_is_nothing(case: Case) -> float:
    """As a rate goes to 0, so does the difference to a layer without."""
    x, state = case.inputs()
    plain, largest = results(case.build(), x, state), 0.0
    for kind in kinds(case.cell):
        layer = case.but(**{kind: TINY}).build()
        for training in (True, False):
            found = results(layer.train(training), x, state)
            largest = max(largest, assert_equal(found, plain, NEAR, where=f"{kind} {TINY:g}"))
    return largest


def evaluation_draws_nothing(case: Case) -> float:
    """No random number is drawn, and two calls agree; dropout does nothing, zoneout its mean."""
    x, state = case.inputs()
    plain, largest = _values(*case.build()(x, state)), 0.0
    for kind in kinds(case.cell):
        layer = case.but(**{kind: RATE}).build().eval()
        with seeded():
            before = torch.get_rng_state()
            found = _values(*layer(x, state))
            require(torch.equal(torch.get_rng_state(), before), f"{kind} draws in evaluation")
        assert_identical(_values(*layer(x, state)), found, where=f"{kind}, evaluated twice")
        wanted = plain
        if kind.startswith("zoneout"):
            wanted = _loop(layer.stack, x, state, _rates(case, kind))
        off = assert_equal(found, wanted, BOUND, where=f"{kind} in evaluation")
        largest = max(largest, off)
    return largest


def masks_are_the_loop(case: Case) -> float:
    """Training with a seed is the plain loop of steps with what that seed draws."""
    x, state = case.inputs()
    plain, largest = _values(*case.build()(x, state)), 0.0
    for kind in kinds(case.cell):
        layer = case.but(**{kind: RATE}).build()
        with seeded():
            found = _values(*layer(x, state))
        with seeded():
            masks = layer.draw_masks(len(x))
            hold = _draw(x, state, _rates(case, kind))
        off = assert_equal(found, _loop(layer.stack, x, state, hold, masks), BOUND, where=kind)
        largest = max(largest, off)
        same = all(torch.equal(value, plain[name]) for name, value in found.items())
        require(not same, f"{kind} does nothing in training")
    return largest


def _values(output: Tensor, last: Sequence[State]) -> dict[str, Tensor]:
    return {"output": output} | {f"last {n}": v for n, v in named_fields(last).items()}


def _rates(case: Case, kind: str) -> list[list[Tensor]]:
    """For every layer and field the rate of zoneout."""
    cell = case.cell
    rates = [RATE if kind == "zoneout" else 0.0]
    rates += [RATE if kind == "zoneout_cell" else 0.0] * (len(cell.state_type._fields) - 1)
    return [[torch.tensor(rate, dtype=torch.float64) for rate in rates]] * case.layers


def _draw(x: Tensor, state: list[State], rates: list[list[Tensor]]) -> list[list[Tensor]]:
    """Layer by layer and field by field, (T, N, size): 1 where a unit keeps its value."""
    N, T = x.shape[:2]
    return [
        [
            (torch.rand(T, N, field.shape[1], dtype=x.dtype) < rate).to(x) if rate else rate
            for field, rate in zip(layer_state, layer_rates, strict=True)
        ]
        for layer_state, layer_rates in zip(state, rates, strict=True)
    ]


def _loop(
    stack: list[RecurrentLayer],
    x: Tensor,
    state: list[State],
    hold: list[list[Tensor]],
    masks: list[Masks] | None = None,
) -> dict[str, Tensor]:
    """Row by row, step by step: W_h with its dropped entries, and with rows for dropped units.

    A unit h_j that is scaled on its way to W_h is row j of W_h scaled.
    """
    outputs, ends = [], []
    for row in range(len(x)):
        now = mapped(state, lambda field, row=row: field[row : row + 1])  # type: ignore[misc]
        read = []
        for t, x_t in enumerate(x[row].unbind(0)):
            y = x_t.unsqueeze(0)
            for depth, layer in enumerate(stack):
                cell, parameters = layer.cell, layer.parameters_of_cell
                drawn = Masks() if masks is None else masks[depth]
                if drawn.W_h is not None:
                    parameters = parameters | {"W_h": parameters["W_h"] * drawn.W_h.T}
                parameters = cell.effective(parameters)
                if drawn.h is not None:
                    scaled = drawn.h[row].unsqueeze(1) * parameters["W_h"]
                    parameters = parameters | {"W_h": scaled}
                a = cell.inputs(y, parameters)
                new, _ = cell.forward_step(a, now[depth], cell.parameters_of_step(parameters))
                kept = [k if k.dim() == 0 else k[t, row] for k in hold[depth]]
                triples = zip(new, now[depth], kept, strict=True)
                now[depth] = cell.state_type(*((1 - k) * f + k * b for f, b, k in triples))
                y = now[depth][0]
            read.append(y)
        outputs.append(torch.stack(read, 1))
        ends.append(now)
    return _values(torch.cat(outputs), joined(ends))
