"""Rows of different lengths: what lies behind a row's end is as if it were not there."""

from collections.abc import Sequence

import torch
from torch import Tensor

from sunhwan.cells import State
from sunhwan.laws.case import Case, T, generator, mapped, named_fields, resets_for
from sunhwan.laws.compare import (
    assert_equal,
    assert_identical,
    leaves,
    objective,
    require,
    results,
)
from sunhwan.laws.sequences import joined

BOUND = 1e-12
LENGTHS = (T, 3, 1, 0)


def padding_changes_nothing(case: Case) -> float:
    """Random numbers, huge ones, NaN, infinities, resets behind the end: bit for bit the same.

    The output there is 0, and no gradient arrives there.
    """
    layer = case.build()
    x, state = case.inputs(rows=len(LENGTHS))
    real = torch.arange(T) < torch.tensor(LENGTHS).unsqueeze(1)
    noise = torch.randn(x.shape, generator=generator(43), dtype=torch.float64)
    fills = {"random": noise, "huge": 1e30 * noise}
    fills |= {str(v): torch.full_like(x, v) for v in (torch.nan, torch.inf, -torch.inf)}
    for resets in (None, resets_for(len(LENGTHS)) & real):

        def read(x: Tensor, resets: Tensor | None = resets) -> dict[str, Tensor]:
            return results(layer, x, state, lambda x, s: layer(x, s, resets, LENGTHS))

        wanted = read(torch.where(real.unsqueeze(-1), x, 0))
        require(not wanted["output"][~real].any(), "the output behind a row's end is not 0")
        require(not wanted["gradient of x"][~real].any(), "padding has a gradient")
        for name, fill in fills.items():
            filled = torch.where(real.unsqueeze(-1), x, fill)
            assert_identical(read(filled), wanted, where=f"{name} padding")
        anew = ~real if resets is None else resets | ~real
        assert_identical(read(x, anew), wanted, where="resets in the padding")
    return 0.0


def padded_rows_are_rows_alone(case: Case) -> float:
    """Each row without its padding gives the same, and the parameters' gradients are the sums.

    So a row's last state is that of its last real step, of a row of no steps its first state.
    """
    layer = case.build()
    x, state = case.inputs(rows=len(LENGTHS))

    def together(x: Tensor, state: list[State] | None) -> tuple[Tensor, list[State]]:
        output, last = layer(x, state, None, torch.tensor(LENGTHS))
        return output, list(last)

    def alone(x: Tensor, state: list[State] | None) -> tuple[Tensor, list[State]]:
        outputs, ends = [], []
        for row, length in enumerate(LENGTHS):
            now: Sequence[State] = mapped(state or (), lambda f, row=row: f[row : row + 1])  # type: ignore[misc]
            output = x.new_zeros(1, 0, layer.output_size)
            if length:
                output, now = layer(x[row : row + 1, :length], now)
            behind = x.new_zeros(1, x.shape[1] - length, layer.output_size)
            outputs.append(torch.cat((output, behind), 1))
            ends.append(now)
        return torch.cat(outputs), joined(ends)

    return assert_equal(
        results(layer, x, state, together),
        results(layer, x, state, alone),
        BOUND,
        where="rows alone",
    )


def lengths_may_be_written_in_three_ways(case: Case) -> float:
    """A list, a tensor and a mask say the same; all lengths whole are no lengths."""
    layer = case.build()
    x, state = case.inputs(rows=len(LENGTHS))
    numbers = torch.tensor(LENGTHS)
    mask = torch.arange(T) < numbers.unsqueeze(1)

    def read(lengths: Tensor | Sequence[int] | None) -> dict[str, Tensor]:
        return results(layer, x, state, lambda x, s: layer(x, s, None, lengths))

    wanted = read(LENGTHS)
    for name, lengths in {"a tensor": numbers, "int32": numbers.int(), "a mask": mask}.items():
        assert_identical(read(lengths), wanted, where=f"lengths as {name}")
    return assert_equal(read([T] * len(LENGTHS)), read(None), BOUND, where="all rows whole")


def rows_of_no_steps(case: Case) -> None:
    """Lengths of 0 everywhere: zeros, the first state as it was, and no gradient but its own."""
    layer = case.build()
    given, state = case.inputs(rows=len(LENGTHS))
    named, x, before = leaves(layer, given, state)
    output, last = layer(x, before, None, [0] * len(LENGTHS))
    require(not output.any(), "the output of rows without steps is not 0")
    assert_identical(named_fields(last), named_fields(before or ()), where="no steps")
    names = [name for name in named if not name.startswith("initial")]
    gradients = torch.autograd.grad(
        objective(output, last),
        [named[n] for n in names],
        allow_unused=True,
        materialize_grads=True,
    )
    for name, gradient in zip(names, gradients, strict=True):
        require(not gradient.any(), f"{name} has a gradient where no step was read")
