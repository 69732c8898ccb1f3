"""Independence of rows: what a row of a batch gives does not depend on the other rows."""

from collections.abc import Sequence

import torch
from torch import Tensor

from sunhwan.cells import State
from sunhwan.laws.case import Case, N, T, generator, mapped, named_fields, resets_for, seeded
from sunhwan.laws.compare import assert_equal, assert_identical, leaves, require
from sunhwan.layers import Recurrent

BOUND, SICK = 1e-12, 1


def by_row(
    layer: Recurrent, x: Tensor, state: Sequence[State], resets: Tensor | None = None
) -> dict[str, Tensor]:
    """Outputs, last state and the gradients of x and the initial state: all with rows first."""
    _, x, before = leaves(layer, x, state)
    with seeded():
        output, last = layer(x, before, resets)
    values = {"output": output, **{f"last {n}": v for n, v in named_fields(last).items()}}
    # The weight of a value does not depend on its row, so that rows can be moved about.
    weights = [
        torch.randn(v.shape[1:], generator=generator(41), dtype=torch.float64).to(v).expand_as(v)
        for v in values.values()
    ]
    inputs = {"x": x, **{f"initial {n}": v for n, v in named_fields(before or ()).items()}}
    gradients = torch.autograd.grad(
        list(values.values()),
        list(inputs.values()),
        weights,
        allow_unused=True,
        materialize_grads=True,
    )
    found = {name: value.detach() for name, value in values.items()}
    return found | {f"gradient of {n}": g for n, g in zip(inputs, gradients, strict=True)}


def nan_stays_in_its_row(case: Case, dtype: torch.dtype = torch.float64) -> None:
    """NaN in x or in one field of the state of a row: the other rows are the same to the bit."""
    layer = case.build(dtype=dtype)
    x, state = case.inputs(dtype=dtype)
    names = case.cell.state_type._fields
    for resets in (None, resets_for()):
        wanted = _healthy(by_row(layer, x, state, resets))
        for place in ("x", *names):
            sick_x, sick_state = x.clone(), mapped(state, torch.clone)
            if place == "x":
                sick_x[SICK, 0] = torch.nan
            else:
                for layer_state in sick_state:
                    layer_state[names.index(place)][SICK] = torch.nan
            everything = by_row(layer, sick_x, sick_state, resets)
            if place == "x":
                require(everything["output"][SICK].isnan().any(), "a NaN in x was hidden")
            where = f"a NaN in {place} of another row"
            assert_identical(_healthy(everything), wanted, where=where)


def nan_stays_in_its_row_in_float32(case: Case) -> None:
    """The same in float32."""
    nan_stays_in_its_row(case, torch.float32)


def rows_may_be_permuted(case: Case) -> float:
    """Rows in another order give the same in that order."""
    layer = case.build()
    x, state = case.inputs()
    order, largest = torch.tensor([2, 0, 1]), 0.0
    moved = mapped(state, lambda field: field[order])
    for resets in (None, resets_for()):
        wanted = by_row(layer, x, state, resets)
        got = by_row(layer, x[order], moved, None if resets is None else resets[order])
        wanted = {name: value[order] for name, value in wanted.items()}
        largest = max(largest, assert_equal(got, wanted, BOUND, where="rows in another order"))
    return largest


def a_row_alone_is_the_row_in_a_batch(case: Case) -> float:
    """A row gives the same whatever other rows are read with it."""
    layer, largest = case.build(), 0.0
    x, state = case.inputs()
    for resets in (None, resets_for()):
        together = by_row(layer, x, state, resets)
        for row in range(N):
            one = slice(row, row + 1)
            own = mapped(state, lambda field, one=one: field[one])  # type: ignore[misc]
            alone = by_row(layer, x[one], own, None if resets is None else resets[one])
            wanted = {name: value[one] for name, value in together.items()}
            largest = max(largest, assert_equal(alone, wanted, BOUND, where=f"row {row} alone"))
    return largest


def parameters_gather_all_rows(case: Case) -> float:
    """The gradient of the parameters is the sum of those of the rows alone."""
    layer = case.build()
    x, state = case.inputs()
    named = dict(layer.named_parameters())

    def gradients(one: slice) -> tuple[Tensor, ...]:
        output, last = layer(x[one], mapped(state, lambda field: field[one]))
        loss = (output**2).sum()
        loss = loss + sum((field**3).sum() for s in last for field in s)
        return torch.autograd.grad(
            loss, list(named.values()), allow_unused=True, materialize_grads=True
        )

    apart = [gradients(slice(row, row + 1)) for row in range(N)]
    sums = [torch.stack(rows).sum(0) for rows in zip(*apart, strict=True)]
    names = [f"gradient of {name}" for name in named]
    return assert_equal(
        dict(zip(names, gradients(slice(None)), strict=True)),
        dict(zip(names, sums, strict=True)),
        BOUND,
        where="the sum over rows",
    )


def nothing_to_read(case: Case) -> None:
    """No rows or no steps: empty output, unchanged state, gradients of zeros."""
    layer = case.build()
    for rows, steps in ((N, 0), (0, T), (0, 0)):
        given, state = case.inputs(rows=rows, steps=steps)
        named, x, before = leaves(layer, given, state)
        for resets in (None, torch.zeros(rows, steps, dtype=torch.bool)):
            output, last = layer(x, before, resets)
            shape = (rows, steps, layer.output_size)
            require(output.shape == shape, f"the output has shape {tuple(output.shape)}")
            for first, after in zip(before or (), last, strict=True):
                require(type(after) is type(first), f"the state is a {type(after).__name__}")
            where = f"{rows} rows, {steps} steps"
            require(output.requires_grad, f"the output has no gradient ({where})")
            assert_identical(named_fields(last), named_fields(before or ()), where=where)
            gradients = torch.autograd.grad(output.sum(), list(named.values()), allow_unused=True)
            for name, gradient in zip(named, gradients, strict=True):
                if name.endswith("_0") or name.startswith("initial"):
                    continue
                require(gradient is not None, f"{name} has no gradient ({where})")
                zeros = torch.zeros_like(named[name])
                assert_identical({f"gradient of {name}": gradient}, {f"gradient of {name}": zeros})


def _healthy(values: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value[torch.arange(N) != SICK] for name, value in values.items()}
