"""The grid of rows and blocks: the numbers of the steps are those that are read."""

import json
from pathlib import Path

import pytest

from sunhwan.errors import UsageError
from sunhwan.lab.grid import grid
from tests.conftest import Command


def test_rows_and_blocks_are_those_of_the_textbook() -> None:
    found = grid(1000, 2, 10)
    assert (found.part, found.blocks, found.unread) == (500, 50, 0)
    spans = {(c.row, c.block): (c.first, c.last, c.back) for c in found.cells}
    assert spans[0, 0] == (0, 9, 0)
    assert spans[0, 1] == (10, 19, 10)
    assert spans[1, 0] == (500, 509, 500)
    assert spans[1, 49] == (990, 999, 990)
    assert all(cell.next_row is None for cell in found.cells)


def test_the_gradient_reaches_k2_steps_and_not_before_its_row() -> None:
    back = {(c.row, c.block): c.back for c in grid(100, 2, 10, 25).cells}
    assert [back[0, block] for block in range(5)] == [0, 0, 5, 15, 25]
    assert [back[1, block] for block in range(3)] == [50, 50, 55]


def test_a_row_that_is_no_multiple_flows_into_the_next() -> None:
    found = grid(1000, 3, 64)
    last = {c.row: c for c in found.cells if c.block == found.blocks - 1}
    assert (last[0].last, last[0].next_row) == (383, 1)
    assert last[2].next_row == 0
    assert found.unread == 1
    (unread,) = [c for c in grid(23, 2, 4).cells if c.row == 1 and c.block == 2]
    assert (unread.last, unread.next_row) == (22, None), "x22 is in no row"


def test_the_command(command: Command, tmp_path: Path) -> None:
    done = command("lab", "grid", "--length", "60", "--batch", "2", "--block", "5", "--bptt-length",
                   "8", "--out", tmp_path / "grid.png")  # fmt: skip
    assert done.code == 0, done.err
    assert "60 steps in 2 rows of 30, blocks of 5: 6 updates a pass" in done.out
    assert "x30 … x34" in done.out
    assert (tmp_path / "grid.png").read_bytes().startswith(b"\x89PNG")
    values = json.loads(command("lab", "grid", "--json").out)
    assert values["blocks"] == 50


@pytest.mark.parametrize(
    ("sizes", "reason"),
    [
        ((10, 11, 1), "--batch must be at least 1 and at most --length"),
        ((10, 2, 0), "--block must be at least 1"),
        ((10, 2, 4, 3), "--bptt-length must be at least --block, 4"),
    ],
)
def test_sizes_without_sense_are_refused(sizes: tuple[int, ...], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        grid(*sizes)
