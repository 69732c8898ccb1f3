"""Cells of the user's own on the command line: a file that is named is run, a model's never is."""

import sys
from pathlib import Path

import pytest

from sunhwan.cells import get_cell
from sunhwan.cells.own import OWN, own_cell
from sunhwan.config import Config
from sunhwan.errors import ConfigError, StoreError
from sunhwan.store import load_model
from tests.conftest import Command

SOURCE = """
import torch
from sunhwan.cells import Cell, HiddenState


class Leaky(Cell):
    gates = ("z", "n")
    state_type = HiddenState
    saved_names = ("z", "n")

    def pointwise(self, a, u, state):
        z, n = (a + u).chunk(2, 1)
        z, n = torch.sigmoid(z), torch.tanh(n)
        return HiddenState((1 - z) * n + z * state.h), (z, n)


NOT_A_CELL = 3
"""


@pytest.fixture
def mine(tmp_path: Path) -> str:
    folder = tmp_path / "내 셀"
    folder.mkdir()
    (folder / "mycells.py").write_text(SOURCE, encoding="utf-8")
    return f"{folder / 'mycells.py'}:Leaky"


TINY = (
    "--steps", "6", "-q", "--set", "model.hidden_size=6", "--set", "training.threads=1",
    "--set", "training.checkpoint_every=2",
)  # fmt: skip


def test_a_cell_of_ones_own_is_trained_resumed_and_used(
    command: Command, mine: str, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert command("train", "hello", "--out", run, "--cell", mine, "--cell", "gru", *TINY).code == 0
    assert Config.load(run / "config.toml").model.cells == ("mycells.py:Leaky", "gru")
    for name, arguments in (
        ("sample", ("--length", "5")), ("info", ()), ("score", (tmp_path / "lines",)),
        ("evaluate", (tmp_path / "lines",)),
    ):  # fmt: skip
        (tmp_path / "lines").write_text("hello\n")
        assert command(name, run, *arguments, "--cell", mine).code == 0
        OWN.clear()
        without = command(name, run, *arguments)
        assert without.code in (1, 2)
        assert "--cell" in without.sentence
        assert "mycells.py:Leaky" in without.sentence
    assert command("resume", run, "-q").code == 2
    done = command("resume", run, "-q", "--cell", mine)
    assert done.code == 0


def test_loading_a_model_runs_no_file(
    command: Command, mine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even one that lies where the model says, in the working directory."""
    run = tmp_path / "run"
    command("train", "hello", "--out", run, "--cell", mine, *TINY)
    OWN.clear()
    trap = tmp_path / "mycells.py"
    trap.write_text("raise SystemExit('run!')")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError, match="--cell"):
        load_model(run)


@pytest.mark.parametrize(
    ("source", "spec", "said"),
    [
        (None, "none.py:Cell", "no file"),
        (SOURCE, "mycells.py", "FILE.py:CLASS"),
        (SOURCE, "mycells.py:", "FILE.py:CLASS"),
        (SOURCE, "mycells.py:Leeky", "Leaky"),
        (SOURCE, "mycells.py:NOT_A_CELL", "Leaky"),
        ("x = 1", "mycells.py:Cell", "subclass of sunhwan.cells.Cell"),
        ("x = (", "mycells.py:Cell", "line 1: SyntaxError"),
        ("import nothing_of_the_kind", "mycells.py:Cell", "line 1: ModuleNotFoundError"),
        (SOURCE.replace('gates = ("z", "n")', ""), "mycells.py:Leaky", "gates"),
        (SOURCE.replace("state.h)", "state.q)"), "mycells.py:Leaky", "line 14: AttributeError"),
        (SOURCE.replace("(1 - z) * n", "z[:, :1]"), "mycells.py:Leaky", None),
        (SOURCE.replace("HiddenState((1 - z) * n + z * state.h)", "HiddenState(n[:1])"),
         "mycells.py:Leaky", "state field h has shape (1, 4)"),
        (SOURCE.replace(", (z, n)\n", "\n"), "mycells.py:Leaky", "`return HiddenState(…), ()`"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_cell_is_one_sentence(
    command: Command, tmp_path: Path, source: str | None, spec: str, said: str | None
) -> None:
    if source is not None:
        (tmp_path / "mycells.py").write_text(source)
    out = tmp_path / "run"
    done = command("train", "hello", "--out", out, "--cell", tmp_path / spec, *TINY)
    if said is None:
        assert done.code == 0
        return
    assert (done.code, out.exists()) == (2, False)
    assert said in done.sentence


def test_an_unknown_name_lists_the_cells(command: Command, tmp_path: Path) -> None:
    done = command("train", "hello", "--out", tmp_path / "run", "--cell", "lstn", *TINY)
    assert done.code == 2
    assert "model.cell" in done.sentence
    assert "lstm_peephole" in done.sentence


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("state.h.mul_(0.5)", "writes into its arguments"),
        ("a += u", "writes into its arguments"),
        ("n = torch.from_numpy(n.numpy())", "line 14: RuntimeError: Can't call numpy"),
        ("n = n.double()", "another type than the torch.float32"),
        ("n = n + torch.rand_like(n)", "other values for the same arguments"),
        ("n, Leaky.count = n + Leaky.count, Leaky.count + 1", "other values for the same"),
        ("n.requires_grad and n.tanh_().undefined", "line 14: AttributeError"),
    ],
)
def test_what_would_fail_in_training_is_refused_before_it(
    command: Command, tmp_path: Path, body: str, said: str
) -> None:
    lines = SOURCE.replace("    gates =", "    count = 0\n    gates =").splitlines()
    at = next(place for place, line in enumerate(lines) if "return Hidden" in line)
    lines.insert(at, f"        {body}")
    (tmp_path / "mycells.py").write_text("\n".join(lines).replace("\n\n\nclass", "\n\nclass"))
    out = tmp_path / "run"
    done = command("train", "hello", "--out", out, "--cell", f"{tmp_path}/mycells.py:Leaky", *TINY)
    assert (done.code, out.exists()) == (2, False)
    assert said in done.sentence


def test_in_python_the_object_is_enough(mine: str) -> None:
    name = own_cell(mine)
    assert get_cell(name) is OWN[name]
    OWN.clear()
    with pytest.raises(ConfigError, match=r"--cell .*mycells\.py:Leaky"):
        get_cell(name)


def test_an_error_names_the_line_of_a_relative_path_too(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mycells.py").write_text(SOURCE.replace("state.h)", "state.q)"))
    monkeypatch.chdir(tmp_path)
    done = command("train", "hello", "--out", "run", "--cell", "mycells.py:Leaky", *TINY)
    assert "Leaky in mycells.py fails: line 14: AttributeError" in done.sentence


def test_what_to_do_next_names_the_file(command: Command, mine: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = command("train", "hello", "--out", run, "--cell", mine, *TINY)
    assert f"sunhwan sample {run} --cell {mine}" in done.out.replace("\n", " ")
    card = (run / "model" / "README.md").read_text()
    assert "sunhwan sample . --cell …/mycells.py:Leaky" in card


def test_two_files_of_one_name_are_refused_not_mixed_up(
    command: Command, mine: str, tmp_path: Path
) -> None:
    """A model keeps the name of the file alone: the second would silently stand for both."""
    other = tmp_path / "b" / "mycells.py"
    other.parent.mkdir()
    other.write_text(SOURCE.replace("torch.tanh", "torch.sin"))
    run = tmp_path / "run"
    both = ("--cell", mine, "--cell", f"{other}:Leaky")
    done = command("train", "hello", "--out", run, *both, *TINY)
    assert (done.code, run.exists()) == (2, False)
    assert "rename one of the files" in done.sentence
    own_cell(mine)  # the same file again, edited perhaps
    with pytest.raises(ConfigError, match="rename"):
        own_cell(f"{other}:Leaky")


def test_two_files_of_one_name_with_cells_of_two_names_are_two_modules(
    mine: str, tmp_path: Path
) -> None:
    other = tmp_path / "mycells.py"
    other.write_text(SOURCE.replace("Leaky", "Other"))
    first, second = get_cell(own_cell(mine)), get_cell(own_cell(f"{other}:Other"))
    modules = [sys.modules[type(cell).__module__] for cell in (first, second)]
    assert [hasattr(m, "Leaky") for m in modules] == [True, False]
    assert (type(first).__name__, type(second).__name__) == ("Leaky", "Other")
