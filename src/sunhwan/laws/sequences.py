"""Cuts of a sequence: single steps, chunks and resets give the numbers of the whole."""

from collections.abc import Sequence

import torch
from torch import Tensor

from sunhwan.cells import State
from sunhwan.laws.case import Case, N, generator, mapped, resets_for
from sunhwan.laws.compare import (
    assert_equal,
    assert_identical,
    leaves,
    objective,
    require,
    results,
)

STEPS, BOUND = 12, 1e-12


def steps_are_the_sequence(case: Case) -> float:
    """`Cell.step` after `Cell.step`, layer upon layer, from a non-zero state."""
    layer = case.build()
    x, state = case.inputs(steps=STEPS)

    def stepwise(x: Tensor, state: list[State] | None) -> tuple[Tensor, list[State]]:
        outputs, now = [], list(state or ())
        for x_t in x.unbind(1):
            for depth, one in enumerate(layer.stack):
                now[depth] = one.cell.step(x_t, now[depth], one.parameters_of_cell)
                x_t = now[depth][0]
            outputs.append(x_t)
        return torch.stack(outputs, 1), now

    return assert_equal(
        results(layer, x, state), results(layer, x, state, stepwise), BOUND, where="step by step"
    )


def chunks_are_the_sequence(case: Case, seed: int = 31) -> float:
    """Chunks of random lengths, the state carried with its gradient: all values, all gradients."""
    layer = case.build()
    x, state = case.inputs(steps=STEPS)
    cuts = (torch.randperm(STEPS - 1, generator=generator(seed))[:4] + 1).sort().values.tolist()

    def chunked(x: Tensor, state: list[State] | None) -> tuple[Tensor, list[State]]:
        outputs = []
        now: Sequence[State] | None = state
        for start, end in zip([0, *cuts], [*cuts, STEPS], strict=True):
            output, now = layer(x[:, start:end], now)
            outputs.append(output)
        return torch.cat(outputs, 1), list(now or ())

    return max(
        assert_equal(
            results(layer, x, first, chunked), results(layer, x, first), BOUND, where="in chunks"
        )
        for first in (state, None)
    )


def resets_are_separate_sequences(case: Case) -> float:
    """A row with resets is its pieces run apart, each from the initial state: also backward."""
    layer = case.build()
    x, state = case.inputs()
    resets = resets_for()

    def apart(x: Tensor, state: list[State] | None) -> tuple[Tensor, list[State]]:
        rows = []
        for row in range(N):
            now = mapped(state or (), lambda field, row=row: field[row : row + 1])  # type: ignore[misc]
            pieces, start = [], 0
            for cut in [*resets[row].nonzero().flatten().tolist(), x.shape[1]]:
                if cut > start:
                    output, now = layer(x[row : row + 1, start:cut], now)
                    pieces.append(output)
                if cut < x.shape[1]:
                    now = layer.initial_state(1)
                start = cut
            rows.append((torch.cat(pieces, 1), now))
        return torch.cat([output for output, _ in rows]), joined([now for _, now in rows])

    return assert_equal(
        results(layer, x, state, lambda x, s: layer(x, s, resets)),
        results(layer, x, state, apart),
        BOUND,
        where="pieces apart",
    )


def no_gradient_crosses_a_reset(case: Case) -> None:
    """What was read before a reset changes nothing after it."""
    layer = case.build()
    given, state = case.inputs()
    resets = torch.zeros(given.shape[:2], dtype=torch.bool)
    resets[1, 3] = True
    _, x, before = leaves(layer, given, state)
    output, last = layer(x, before, resets)
    after = objective(output[1:2, 3:], mapped(last, lambda field: field[1:2]))
    fields = [field for s in before or () for field in s]
    d_x, *d_state = torch.autograd.grad(
        after, [x, *fields], allow_unused=True, materialize_grads=True
    )
    crossed = float(d_x[1, :3].abs().max())
    require(crossed == 0, f"a gradient of {crossed:.3g} crosses the reset to x")
    require(d_x[1, 3:].any(), "nothing after the reset has a gradient")
    crossed = max(float(d.abs().max()) for d in d_state)
    require(crossed == 0, f"a gradient of {crossed:.3g} crosses the reset to the first state")


def resets_everywhere_and_nowhere(case: Case) -> float:
    """No reset is none given; a reset at every step makes every step a sequence of its own."""
    layer = case.build()
    x, state = case.inputs()
    nowhere = layer(x, state, torch.zeros(x.shape[:2], dtype=torch.bool))[0]
    assert_identical({"output": nowhere}, {"output": layer(x, state)[0]}, where="no reset")
    everywhere = layer(x, state, torch.ones(x.shape[:2], dtype=torch.bool))[0]
    alone = layer(x.reshape(-1, 1, x.shape[2]))[0].view(everywhere.shape)
    counted = layer(x, state, torch.ones(x.shape[:2], dtype=torch.int64))[0]
    assert_identical({"output": counted}, {"output": everywhere}, where="resets as numbers")
    return assert_equal({"output": everywhere}, {"output": alone}, BOUND, where="resets everywhere")


def joined(rows: Sequence[Sequence[State]]) -> list[State]:
    """One state of all rows from those of the rows."""
    return [
        type(same[0])(*(torch.cat(field) for field in zip(*same, strict=True)))
        for same in zip(*rows, strict=True)
    ]
