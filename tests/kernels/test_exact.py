"""Results do not depend on threads, on other rows, on what memory held before, or on who looks."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from sunhwan.cells import CELLS
from sunhwan.ops import description
from tests.kernels.problems import (
    Shape,
    built,
    by,
    each_cell,
    each_cell_and_set,
    given,
    instructions,
    outputs,
    problem,
    rows_of,
    same_bits,
)
from tests.tiers import and_deep

pytestmark = built

WHOLE, RAGGED = (9, 64), (11, 75)
"""Rows and units: of whole vectors, and not."""


@each_cell_and_set
@pytest.mark.parametrize("every", and_deep([False], [True]))
@pytest.mark.parametrize(("N", "H"), [(1, 1), (3, 200), (49, 37)])
def test_threads_change_no_bit(name, instruction_set, N, H, every, monkeypatch):
    """However few units there are: some threads then have none. Many rows are what threads share.

    every: with all kinds of numbers and holds, else of more than a row with one, a cell another.
    """
    monkeypatch.setattr(description, "SHARED", -1)
    kinds = [(torch.float32, None), (torch.float32, "mixed"), (torch.float64, "rows")]
    one = kinds[(list(CELLS).index(name) + N) % 3]
    for dtype, hold in kinds if every or N == 1 else [one]:
        torch.set_num_threads(1)
        posed = given(Shape(name, 3, N, H, 3, hold=hold, drop=hold is not None), dtype)
        found = []
        with instructions(instruction_set):
            for threads in (1, 2, 3):
                torch.set_num_threads(threads)
                found.append(posed.run(inside=threads == 2))
        same_bits(found[1], found[0])
        same_bits(found[2], found[0])


@each_cell
def test_threads_change_no_bit_of_a_step_that_they_share_by_themselves(name):
    """As large as it must be for the threads to be taken without being told."""
    posed = given(replace(Shape(name, 3, 33, 1100 if name in WIDE else 100, 3), hold="rows"))
    one = posed.run()
    torch.set_num_threads(2)
    same_bits(posed.run(), one)


WIDE = ("indrnn", "mingru", "minlstm", "rglru")
"""Without a product."""


@each_cell_and_set
def test_a_row_is_the_same_alone_and_among_others(name, instruction_set):
    N, H = RAGGED
    posed = given(Shape(name, 4, N, H, 3, hold="mixed", drop=True))
    with instructions(instruction_set):
        whole = posed.run()
        for start, end in [(0, 1), (6, 7), (N - 1, N), (0, 2), (2, N), (1, 8)]:
            same_bits(posed.rows(start, end).run(), rows_of(whole, start, end))


@each_cell_and_set
@pytest.mark.parametrize(("N", "H", "bad"), [(*WHOLE, torch.nan), (*RAGGED, torch.inf)])
def test_a_row_gone_bad_leaves_the_others_alone(name, instruction_set, N, H, bad):
    posed = given(Shape(name, 4, N, H, 3))
    with instructions(instruction_set):
        whole = posed.run()
        a, n = posed.a.clone(), N // 2
        a[1:, n] = bad
        spoilt = posed._replace(a=a).run()
        for start, end in [(0, n), (n + 1, N)]:
            same_bits(rows_of(spoilt, start, end), rows_of(whole, start, end))
        row = rows_of(spoilt, n, n + 1)
        if bad != bad:
            assert row["output 0"][1:].isnan().all()
        state = [field.detach().clone() for field in posed.state]
        for field in state:
            field[n] = bad
        state = posed.cell.state_type(*(field.requires_grad_() for field in state))
        spoilt = posed._replace(state=state).run()
        for start, end in [(0, n), (n + 1, N)]:
            same_bits(rows_of(spoilt, start, end), rows_of(whole, start, end))


class Guarded:
    """Memory between two walls: all of it NaN at first, and the walls NaN for ever."""

    WALL = 64

    def __init__(self) -> None:
        self.blocks: list[Tensor] = []

    def new_empty(self, like: Tensor, *size: int) -> Tensor:
        """In place of Tensor.new_empty."""
        shape = torch.Size(size)
        block = torch.full((shape.numel() + 2 * self.WALL,), torch.nan, dtype=like.dtype)
        self.blocks.append(block)
        return block[self.WALL : -self.WALL].view(shape)

    def copy(self, value: Tensor) -> Tensor:
        """The same values between walls."""
        return self.new_empty(value, *value.shape).copy_(value)

    def stand(self) -> bool:
        """Whether every wall does."""
        ends = [(block[: self.WALL], block[-self.WALL :]) for block in self.blocks]
        return all(bool(wall.isnan().all()) for pair in ends for wall in pair)


@each_cell_and_set
@pytest.mark.parametrize(("hold", "threads"), [(None, 2), ("mixed", 1), ("rows", 2)])
def test_kernels_stay_in_their_memory(name, instruction_set, hold, threads, monkeypatch):
    """They write what they should and nothing else, and read nothing that was not written."""
    monkeypatch.setattr(description, "SHARED", -1)
    for N, H in [(3, 7), WHOLE] if hold is None else [(1, 1), RAGGED]:
        shape = Shape(name, 3, N, H, 2, hold=hold, drop=hold is not None)
        torch.set_num_threads(1)
        posed = given(shape)
        with instructions(instruction_set):
            wanted, also = posed.run(), posed.run(inside=True)
        same_bits(also, wanted)
        torch.set_num_threads(threads)
        guarded = Guarded()
        own = posed._replace(
            a=guarded.copy(posed.a),
            b=None if posed.b is None else guarded.copy(posed.b),
            loop=posed.loop.map(lambda p, g=guarded: g.copy(p.T).T if p.dim() == 2 else g.copy(p)),
            state=posed.cell.state_type(
                *(guarded.copy(f.detach()).requires_grad_() for f in posed.state)
            ),
        )
        with instructions(instruction_set), monkeypatch.context() as patched:
            patched.setattr(Tensor, "new_empty", lambda x, size, g=guarded: g.new_empty(x, *size))
            patched.setattr(torch, "empty_like", lambda x, g=guarded: g.new_empty(x, *x.shape))
            before = len(guarded.blocks)
            found = own.run()
            inside = own.run(inside=True)
        assert len(guarded.blocks) > before
        assert guarded.stand()
        same_bits(found, wanted)
        same_bits(inside, wanted)


@each_cell
def test_inference_is_training_without_the_gradient(name):
    for hold in (None, "mixed"):
        posed = problem(Shape(name, 5, 6, 33, 3, hold=hold, drop=hold is not None), torch.float32)
        learning = outputs(by("native")(*posed[:5]))
        with torch.no_grad():
            same_bits(outputs(by("native")(*posed[:5])), _detached(learning))
        bare = posed._replace(
            x=posed.x.detach(),
            parameters={n: p.detach() for n, p in posed.parameters.items()},
            state=posed.cell.state_type(*(field.detach() for field in posed.state)),
        )
        same_bits(outputs(by("native")(*bare[:5])), _detached(learning))


def _detached(values: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach() for name, value in values.items()}


@each_cell
@pytest.mark.parametrize("embedded", [False, True])
def test_a_second_backward_pass_gives_the_same(name, embedded):
    posed = problem(
        Shape(name, 5, 6, 33, 3, hold="mixed", embedded=embedded, reads="both"), torch.float32
    )
    sources = list(posed.sources().values())
    found = outputs(by("native")(*posed[:5]))
    pairs = [(v, d) for v, d in zip(found.values(), posed.upstream, strict=True) if d is not None]
    values, upstream = zip(*pairs, strict=True)
    before = {name: value.detach().clone() for name, value in found.items()}
    first, second = (
        torch.autograd.grad(
            values, sources, upstream, retain_graph=True, allow_unused=True, materialize_grads=True
        )
        for _ in range(2)
    )
    for one, other in zip(first, second, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
    same_bits(_detached(found), before)
    torch.autograd.grad(values, sources, upstream, allow_unused=True)
    with pytest.raises(RuntimeError, match="second time"):
        torch.autograd.grad(values, sources, upstream, allow_unused=True)


def test_what_was_given_is_not_written_to():
    """Neither the input products of a cell that reads them itself, nor anything else."""
    for name in ("lstm", "gru_layer_norm", "gru_reset_before", "rglru"):
        posed = given(Shape(name, 4, 5, 33, 3, hold="mixed", drop=True))
        kept = [
            value.detach().clone()
            for value in (posed.a, *posed.loop.values(), *posed.state, *posed.step_masks.hold)
            if value is not None
        ]
        posed.run()
        now = [posed.a, *posed.loop.values(), *posed.state, *posed.step_masks.hold]
        for value, before in zip([v for v in now if v is not None], kept, strict=True):
            assert torch.equal(value, before)
