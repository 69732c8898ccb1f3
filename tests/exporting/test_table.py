"""The published table of exports: every task with every cell in every format, and why not."""

import re

from benchmarks.exports import GOLDEN, MODELS, kept_rows

import sunhwan
from sunhwan.cells import CELLS
from sunhwan.exporting.formats import WEIGHTS
from sunhwan.registry import TASKS

FILE = GOLDEN.parents[2] / "benchmarks" / "results" / "exports.md"


def test_every_task_is_asked_about():
    assert {sunhwan.load(GOLDEN / golden).name for golden in MODELS.values()} == set(TASKS)


def test_nothing_is_missing():
    """A number, or one sentence that says what to do."""
    rows = {tuple(row[:3]): row[3:] for row in kept_rows(FILE)}
    every = [(form, weights) for form, kinds in WEIGHTS.items() for weights in kinds]
    assert list(rows) == [(*way, cell) for way in every for cell in CELLS]
    entries = {entry for row in rows.values() for entry in row}
    assert {len(row) for row in rows.values()} == {len(MODELS)}
    refusals = {
        entry for entry in entries if not re.fullmatch(r"\d+e-\d+|0e\+00|\d+\.\d\d%", entry)
    }
    assert [one for one in refusals if ": " not in one] == []
    assert len(refusals) < len(MODELS) * len(WEIGHTS)
