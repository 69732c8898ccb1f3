"""Sequences of unequal length, packed without padding: each is to the bit what it is alone."""

from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence

from sunhwan.cells import CELLS
from sunhwan.errors import ShapeError
from sunhwan.ops import description, native, operators
from sunhwan.ops.description import series
from sunhwan.ops.reference import StepMasks
from tests.kernels.problems import Given, Shape, built, each_cell, given, same_bits
from tests.kernels.test_exact import Guarded
from tests.tiers import and_deep

pytestmark = built

FEW, MANY = (37, 33, 20, 20, 1), (35, *range(34, 17, -1), *[17] * 6, *[2] * 3)
"""Lengths of rows: so few that two threads share their units, and so many that they share the rows."""

each_noise = pytest.mark.parametrize(("hold", "drop"), [(None, False), ("mixed", True)])


CASES: list[Any] = [
        (FEW, 33, "mixed", True, torch.float32), (FEW, 33, None, False, torch.float64),
        (FEW, 5, None, False, torch.float32), (MANY, 19, None, False, torch.float32),
        (MANY, 19, "mixed", True, torch.float64), ((3, 1), 64, "mixed", True, torch.float64),
        ((1,), 9, "mixed", True, torch.float32),
    ]  # fmt: skip
"""Lengths, units, hold, drop, type."""

each_case = pytest.mark.parametrize(
    ("name", "lengths", "H", "hold", "drop", "dtype"),
    and_deep(
        [(name, *CASES[(k + i) % len(CASES)]) for k, name in enumerate(CELLS) for i in (0, 3)],
        [(name, *case) for name in CELLS for case in CASES],
    ),
    ids=str,
)


class Found(NamedTuple):
    """What was found: of the rows, and of the parameters."""

    rows: dict[str, Tensor]
    shared: dict[str, Tensor]


def run(posed: Given, counts: Tensor | None = None, *, inside: bool = False) -> Found:
    """Outputs and gradients of a problem; of a packed one with the rows of each step.

    inside: the products are made by the operator (of the unit matrix), which saves in their memory.
    """
    a = posed.a.clone().requires_grad_()
    shared = {"b": posed.b, **dict(zip(["W_h", "b_h", "W_m"], posed.loop[:3], strict=True))}
    shared |= {f"extra {i}": value for i, value in enumerate(posed.loop.extra)}
    shared = {k: None if v is None else v.detach().requires_grad_() for k, v in shared.items()}
    outputs = call(posed, counts, a, list(shared.values()), inside=inside)
    pairs = [(v, d) for v, d in zip(outputs, posed.upstream, strict=True) if d is not None]
    sources = {"a": a} | {f"initial {i}": field for i, field in enumerate(posed.state)}
    sources |= {name: value for name, value in shared.items() if value is not None}
    d = torch.autograd.grad(
        [v for v, _ in pairs], list(sources.values()), [d for _, d in pairs], allow_unused=True
    )
    gradients = {f"d {name}": value for name, value in zip(sources, d, strict=True)}
    over_time = {f"output {i}": value.detach() for i, value in enumerate(outputs)}
    first = 1 + len(posed.state)
    own = dict(list(gradients.items())[:first])
    return Found(over_time | own, dict(list(gradients.items())[first:]))


def call(
    posed: Given, counts: Tensor | None, a: Tensor, parameters: list[Any], *, inside: bool = False
) -> list[Tensor]:
    """The operator on the input products a."""
    W_x = torch.eye(a.shape[-1], dtype=a.dtype) if inside else None
    b, *loop = parameters
    name, constant = native.name_of(posed.cell), posed.cell.kernel_constant
    step_masks = posed.step_masks
    return operators.recurrence(
        native.Inputs(
            str(name),
            constant,
            a,
            None,
            W_x,
            b,
            loop,
            posed.state,
            step_masks.hold or (),
            step_masks.drop,
            counts,
        )
    )


def flat(value: Tensor, lengths: tuple[int, ...]) -> Tensor:
    """(T, N, size) → (S, size), as PyTorch packs it."""
    return pack_padded_sequence(value, torch.tensor(lengths)).data.contiguous()


def packed(posed: Given, lengths: tuple[int, ...]) -> tuple[Given, Tensor]:
    """The rows, each its first steps."""
    hold = posed.step_masks.hold
    step_masks = posed.step_masks._replace(
        hold=None if hold is None else tuple(flat(f, lengths) for f in hold)
    )
    upstream = [flat(d, lengths) if d is not None and d.dim() == 3 else d for d in posed.upstream]
    counts = [sum(length > t for length in lengths) for t in range(lengths[0])]
    own = posed._replace(a=flat(posed.a, lengths), step_masks=step_masks, upstream=upstream)
    return own, torch.tensor(counts)


def alone(posed: Given, n: int, length: int) -> Given:
    """One row, its first steps."""
    row = posed.rows(n, n + 1)
    hold = row.step_masks.hold
    step_masks = StepMasks(
        None if hold is None else tuple(f[:length] for f in hold), row.step_masks.drop
    )
    upstream = [d[:length] if d is not None and d.dim() == 3 else d for d in row.upstream]
    return row._replace(a=row.a[:length], step_masks=step_masks, upstream=upstream)


def compare(posed: Given, lengths: tuple[int, ...], found: Found) -> None:
    """With each row alone: bits of what is a row's own, sums of what all rows have a part in."""
    dtype, total = posed.a.dtype, {}
    counts = torch.tensor([sum(n > t for n in lengths) for t in range(lengths[0])])
    start = (counts.cumsum(0) - counts).tolist()
    for n, length in enumerate(lengths):
        wanted = run(alone(posed, n, length))
        steps = torch.tensor([start[t] + n for t in range(length)])
        own = {
            name: value[:, 0] if value.dim() == 3 else value[0]
            for name, value in wanted.rows.items()
        }
        mine = {
            name: value[steps] if wanted.rows[name].dim() == 3 else value[n]
            for name, value in found.rows.items()
        }
        same_bits(mine, own)
        for name, value in wanted.shared.items():
            total[name] = total.get(name, 0) + value.double()
    assert list(found.shared) == list(total)
    for name, value in found.shared.items():
        scale = float(total[name].abs().max()) or 1.0
        error = float((value.double() - total[name]).abs().max())
        assert error <= scale * (1e-12 if dtype == torch.float64 else 1e-5), name


@each_case
def test_a_packed_row_is_the_same_alone(name, lengths, H, hold, drop, dtype, monkeypatch):
    monkeypatch.setattr(description, "SHARED", -1)
    posed = given(Shape(name, lengths[0], len(lengths), H, 3, hold=hold, drop=drop), dtype)
    own, counts = packed(posed, lengths)
    torch.set_num_threads(1)
    found = run(own, counts)
    compare(posed, lengths, found)
    for threads in (2, 3):
        torch.set_num_threads(threads)
        again = run(own, counts, inside=True)
        same_bits(again.rows, found.rows)
    with torch.no_grad():
        outputs = call(own, counts, own.a, [own.b, *own.loop.values()])
    for i, output in enumerate(outputs):
        assert torch.equal(output, found.rows[f"output {i}"])


@each_cell
@each_noise
def test_rows_as_long_as_another_are_the_dense_ones(name, hold, drop):
    """One path: not even the sums over rows differ."""
    posed = given(Shape(name, 5, 7, 33, 3, hold=hold, drop=drop))
    dense = run(posed)
    own, counts = packed(posed, (5,) * 7)
    found = run(own, counts)
    for there, here in zip(found, dense, strict=True):
        same_bits({k: v.view(here[k].shape) for k, v in there.items()}, here)


@each_cell
@pytest.mark.parametrize("lengths", [FEW, MANY])
@pytest.mark.parametrize("threads", [1, 2])
def test_packed_rows_stay_in_their_memory(name, lengths, threads, monkeypatch):
    """Kernels write what they should and nothing else, and read nothing that was not written."""
    monkeypatch.setattr(description, "SHARED", -1)
    torch.set_num_threads(threads)
    posed = given(Shape(name, lengths[0], len(lengths), 11, 3, hold="mixed", drop=True))
    own, counts = packed(posed, lengths)
    wanted = run(own, counts)
    guarded = Guarded()
    with monkeypatch.context() as patched:
        patched.setattr(Tensor, "new_empty", lambda x, size: guarded.new_empty(x, *size))
        patched.setattr(torch, "empty_like", lambda x: guarded.new_empty(x, *x.shape))
        found = run(own._replace(a=guarded.copy(own.a)), counts)
    assert guarded.stand()
    same_bits(found.rows, wanted.rows)
    same_bits(found.shared, wanted.shared)


def posed_with(counts: list[int]) -> native.Inputs:
    """An LSTM over packed values of so many rows a step."""
    S, N = sum(counts), counts[0] if counts else 0
    state = [torch.zeros(N, 2)] * 2
    a, W_h = torch.zeros(S, 8), torch.zeros(2, 8)
    of_steps = torch.tensor(counts, dtype=torch.int64)
    return native.Inputs(
        "lstm", 0.0, a, None, None, None, [W_h, None, None], state, [], None, of_steps
    )


def test_a_layout_says_where_rows_are():
    layout = native.layout_of(posed_with([4, 2, 2, 1]))
    assert layout.start.tolist() == [0, 4, 6, 8, 9, 9]
    assert layout.lengths.tolist() == [4, 3, 1, 1]
    assert layout.before is not None
    assert layout.before.tolist() == [0, 1, 4, 5, 6]
    assert layout.last is not None
    assert layout.last.tolist() == [8, 7, 2, 3]


@pytest.mark.parametrize("counts", [[], [0], [2, 3], [2, 0]])
def test_numbers_of_rows_that_cannot_be_are_refused(counts):
    with pytest.raises(ShapeError, match="counts of packed rows"):
        native.forward(posed_with(counts), save=False)


def test_steps_that_do_not_follow_each_other_in_memory_are_refused():
    with pytest.raises(ValueError, match="follow"):
        series(torch.zeros(4, 6, 8)[:, 1:])
    assert series(torch.zeros(4, 6, 8)[..., 1:])[1] == 8
    assert series(torch.zeros(4, 6, 8)[:, 1:2])[1] == 48
