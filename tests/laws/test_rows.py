"""The rows of a batch know nothing of each other."""

import pytest
import torch

from tests.cases import (
    Case,
    N,
    assert_equal,
    each_backend,
    generator,
    leaves,
    resets_for,
)

BOUND, SICK = 1e-12, 1


def by_row(layer, x, state, resets=None) -> dict[str, torch.Tensor]:
    """Outputs, last state and the gradients of x and the initial state: all with rows first."""
    _, x, state = leaves(layer, x, state)
    output, last = layer(x, state, resets)
    values = [output, *(field for s in last for field in s)]
    # The weight of a value does not depend on its row, so that rows can be moved about.
    weights = [
        torch.randn(v.shape[1:], generator=generator(41), dtype=v.dtype).expand_as(v)
        for v in values
    ]
    inputs = [x, *(field for s in state for field in s)]
    gradients = torch.autograd.grad(values, inputs, weights)
    return {str(i): value.detach() for i, value in enumerate([*values, *gradients])}


def healthy(values: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: value[torch.arange(N) != SICK] for name, value in values.items()}


def nan_stays_in_its_row(case: Case, backend: str | None, dtype: torch.dtype) -> None:
    """NaN in x or in one field of the state of a row: the other rows are the same to the bit."""
    layer = case.build(backend, dtype=dtype)
    x, state = case.inputs(dtype=dtype)
    for resets in (None, resets_for()):
        wanted = healthy(by_row(layer, x, state, resets))
        for place in ("x", *case.cell.state_type._fields):
            sick_x, sick_state = x.clone(), [type(s)(*(f.clone() for f in s)) for s in state]
            if place == "x":
                sick_x[SICK, 0] = torch.nan
            else:
                for layer_state in sick_state:
                    getattr(layer_state, place)[SICK] = torch.nan
            everything = by_row(layer, sick_x, sick_state, resets)
            assert bool(everything["0"][SICK].isnan().any()), "the NaN was lost"
            for name, value in healthy(everything).items():
                assert torch.equal(value, wanted[name]), f"a NaN in {place} reached another row"


def rows_may_be_permuted(case: Case, backend: str) -> None:
    layer = case.build(backend)
    x, state = case.inputs()
    order = torch.tensor([2, 0, 1])
    moved = [type(s)(*(field[order] for field in s)) for s in state]
    for resets in (None, resets_for()):
        wanted = by_row(layer, x, state, resets)
        got = by_row(layer, x[order], moved, None if resets is None else resets[order])
        assert_equal(got, {name: value[order] for name, value in wanted.items()}, BOUND)


def a_row_alone_is_the_row_in_a_batch(case: Case, backend: str) -> None:
    layer = case.build(backend)
    x, state = case.inputs()
    for resets in (None, resets_for()):
        together = by_row(layer, x, state, resets)
        for row in range(N):
            one = slice(row, row + 1)
            alone = by_row(
                layer,
                x[one],
                [type(s)(*(field[one] for field in s)) for s in state],
                None if resets is None else resets[one],
            )
            assert_equal(alone, {name: value[one] for name, value in together.items()}, BOUND)


def parameters_gather_all_rows(case: Case, backend: str) -> None:
    """The gradient of the parameters is the sum of those of the rows alone."""
    layer = case.build(backend)
    x, state = case.inputs()
    named = dict(layer.named_parameters())

    def gradients(one):
        part = [type(s)(*(field[one] for field in s)) for s in state]
        output, last = layer(x[one], part)
        loss = (output**2).sum()
        loss = loss + sum((field**3).sum() for s in last for field in s)
        return torch.autograd.grad(loss, list(named.values()), allow_unused=True)

    whole = gradients(slice(None))
    apart = [gradients(slice(row, row + 1)) for row in range(N)]
    for name, total, *rows in zip(named, whole, *apart, strict=True):
        if total is not None:
            assert_equal({name: total}, {name: torch.stack(rows).sum(0)}, BOUND)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@each_backend
def test_a_nan_stays_in_its_row(case, backend, dtype):
    nan_stays_in_its_row(case, backend, dtype)


@each_backend
def test_rows_may_be_permuted(case, backend):
    rows_may_be_permuted(case, backend)


@each_backend
def test_a_row_alone_is_the_row_in_a_batch(case, backend):
    a_row_alone_is_the_row_in_a_batch(case, backend)


@each_backend
def test_the_gradient_of_the_parameters_is_the_sum_over_rows(case, backend):
    parameters_gather_all_rows(case, backend)
