"""`sunhwan info --system`."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from sunhwan.cells import CELLS
from sunhwan.ops.library import library
from tests.conftest import Command


@pytest.fixture
def without_library(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SUNHWAN_LIBRARY", "none")
    library.cache_clear()
    yield
    monkeypatch.undo()
    library.cache_clear()


def test_what_the_computer_has(command: Command) -> None:
    facts = json.loads(command("info", "--system", "--json").out)
    assert (facts["pytorch"], facts["threads"]) == (torch.__version__, torch.get_num_threads())
    assert facts["cores"] >= 1
    assert facts["processor"]
    assert set(facts["native_cells"]) <= set(CELLS)
    found = library()
    if found is not None:
        assert facts["native_library"] == str(found.path)
        assert facts["native_instructions"] in facts["native_instructions_here"]
        assert {"elman", "gru", "lstm"} <= set(facts["native_cells"])
    shown = command("info", "--system").out
    assert torch.__version__ in shown
    assert "native instructions" in shown


@pytest.mark.usefixtures("without_library")
def test_without_the_library(command: Command) -> None:
    facts = json.loads(command("info", "--system", "--json").out)
    assert (facts["native_instructions"], facts["native_cells"]) == (None, [])
    assert "SUNHWAN_LIBRARY" in command("info", "--system").out


def test_a_run_or_the_computer(command: Command, tmp_path: Path) -> None:
    for arguments in ((), (tmp_path, "--system")):
        done = command("info", *arguments)
        assert done.code == 2
        assert "--system" in done.sentence
