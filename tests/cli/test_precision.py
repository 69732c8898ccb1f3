"""The precision of the weights, on the command line."""

from pathlib import Path

import pytest

from sunhwan.ops.library import library
from tests.conftest import Command


@pytest.mark.skipif(library() is None, reason="the compiled library is not there")
def test_evaluate_tells_what_a_precision_costs(
    command: Command, runs: dict[str, Path], text_file: Path
) -> None:
    plain = command("evaluate", runs["characters"], text_file)
    shown = command("evaluate", runs["characters"], text_file, "--precision", "int8")
    assert "int8 costs" in shown.out
    assert "costs" not in plain.out
    done = command("sample", runs["characters"], "--precision", "int8", "--length=5")
    assert len(done.out) == 6
    wrong = command("sample", runs["characters"], "--precision", "int4")
    assert (wrong.code, "int8" in wrong.sentence) == (2, True)
