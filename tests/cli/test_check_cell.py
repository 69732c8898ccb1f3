"""`sunhwan check-cell`: the laws for our cells and the user's own."""

import json
import re
from pathlib import Path

import pytest

from sunhwan.cells import CELLS
from sunhwan.laws import LAWS
from tests.tiers import deep

SIMPLE = '''
import torch
from sunhwan.cells import Cell, HiddenState, UGRNN

class Simple(Cell):
    """An Elman network without a backward step of its own."""
    gates = ("h",)
    state_type = HiddenState

    def pointwise(self, a, u, state, *extra):
        return HiddenState(torch.tanh(a + u)), ()
'''

WRONG = """
class WrongSign(UGRNN):
    def factors(self, saved, before, after, *extra):
        to_s, z = super().factors(saved, before, after)
        return -to_s, z
"""

MEETING = """
class Meeting(Simple):
    def pointwise(self, a, u, state, *extra):
        return HiddenState(torch.tanh(a + u - u.mean(0))), ()
"""

RAISING = """
class Raising(Simple):
    def pointwise(self, a, u, state, *extra):
        if len(a) > 2:
            raise ValueError("three are too many\\nof them")
        return super().pointwise(a, u, state)
"""


@pytest.fixture
def few_laws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that the tables of several cells are looked at by."""
    few = [law for law in LAWS if law.name in ("gradients", "derived backward", "scan", "nan")]
    monkeypatch.setattr("sunhwan.laws.verdicts.LAWS", few)


@pytest.fixture
def own(tmp_path: Path):
    """`own("Name", source)`: FILE.py:NAME of a file with these classes."""

    def write(name: str, source: str = "") -> str:
        path = tmp_path / "mine.py"
        path.write_text(SIMPLE + source, encoding="utf-8")
        return f"{path}:{name}"

    return write


def verdicts(out: str) -> dict[str, dict]:
    """What --json says of one cell, by law."""
    (cell,) = json.loads(out)["cells"]
    return {verdict["law"]: verdict for verdict in cell["laws"]}


@deep
def test_a_cell_of_ours(command):
    done = command("check-cell", "gru")
    assert done.code == 0
    lines = {line[:24].strip(): line[24:].strip() for line in done.out.splitlines()}
    assert all(law.name in lines for law in LAWS)
    assert lines["gradients"].startswith("✓  off by ")
    assert lines["gradients"].endswith("1e-07 allowed")
    assert lines["nan"] == "✓  exactly"
    assert lines["scan"] == "–  not a linear recurrence"
    assert done.out.splitlines()[-1] == "gru: 41 laws hold, 1 not applicable"


@pytest.mark.slow
def test_all_cells(command, monkeypatch, few_laws):
    few = {name: CELLS[name] for name in ("elman", "lstm_projected", "mingru")}
    monkeypatch.setattr("sunhwan.cells.CELLS", few)
    done = command("check-cell", "--all")
    assert done.code == 0, done.out
    rows = [re.fullmatch(r"(.*?) +([✓✗–] [✓✗–] [✓✗–]) *", line) for line in done.out.splitlines()]
    marks = {row[1]: row[2].split() for row in rows if row}
    assert marks["gradients"] == ["✓", "✓", "✓"]
    assert marks["derived backward"] == ["✓", "–", "✓"]
    assert marks["scan"] == ["–", "–", "✓"]
    assert "✗" not in done.out
    assert [line.split(":")[0] for line in done.err.splitlines()] == list(few)


@pytest.mark.slow
def test_all_in_json_names_what_is_broken(command, monkeypatch, own, few_laws):
    source = own("WrongSign", WRONG).rpartition(":")[0]
    from sunhwan.cells import get_cell, own_cell

    wrong = get_cell(own_cell(f"{source}:WrongSign"))
    monkeypatch.setattr("sunhwan.cells.CELLS", {"ugrnn": CELLS["ugrnn"], "wrong": wrong})
    found = json.loads(command("check-cell", "--all", "--json").out)
    assert not found["passed"]
    assert [(cell["cell"], cell["passed"]) for cell in found["cells"]] == [
        ("ugrnn", True),
        ("wrong", False),
    ]
    done = command("check-cell", "--all")
    assert done.code == 1
    assert "✗ wrong, gradients: gradient of x: " in done.out
    assert "✗ ugrnn" not in done.out


@deep
def test_a_cell_of_the_users_own(command, own):
    done = command("check-cell", own("Simple"), "--json")
    assert done.code == 0, done.out
    assert verdicts(done.out)["derived backward"] == {
        "law": "derived backward",
        "passed": None,
        "detail": "there is only one backward step",
    }


def test_a_wrong_gradient_is_caught_with_its_numbers(command, own):
    done = command("check-cell", own("WrongSign", WRONG), "--json")
    assert done.code == 1
    found = verdicts(done.out)
    broken = [law for law, verdict in found.items() if verdict["passed"] is False]
    assert {"gradients", "jacobian", "pieces of a step", "derived backward"} <= set(broken)
    assert not {"chunks", "nan", "padding", "saving"} & set(broken)
    detail = found["pieces of a step"]["detail"]
    assert "gradient of a (sums scaled by 1) is off by 1.28, 1e-10 allowed: " in detail
    assert detail.endswith("[reference, 1 layer]")


def test_rows_that_meet_are_caught(command, own):
    done = command("check-cell", own("Meeting", MEETING))
    assert done.code == 1
    assert "a row alone is the row in a batch" in done.out
    assert "✗ nan: a NaN stays in its row" in done.out
    assert "mine.py:Meeting: " in done.out.splitlines()[-1]


def test_a_cell_that_raises_has_broken_the_law(command, own):
    done = command("check-cell", own("Raising", RAISING), "--json")
    assert done.code == 1
    found = verdicts(done.out)
    assert found["gradients"]["detail"] == "ValueError: three are too many [reference, 1 layer]"
    assert found["scan"]["passed"] is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name one cell"),
        (["gru", "--all"], "name one cell"),
        (["gruu"], "there is no cell 'gruu'"),
        (["missing.py:Cell"], "there is no file missing.py"),
        (["missing.py"], "FILE.py:CLASS"),
    ],
)
def test_what_cannot_be_checked(command, arguments, said):
    done = command("check-cell", *arguments)
    assert done.code == 2
    assert said in done.sentence


def test_a_file_without_the_cell(command, own):
    done = command("check-cell", own("Missing"))
    assert done.code == 2
    assert "it has Simple" in done.sentence
