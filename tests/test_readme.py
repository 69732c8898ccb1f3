"""What the pages say can be done: commands and options exist, Python runs, links lead somewhere."""

import ast
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer.main

import sunhwan
from sunhwan.cells import CELLS, OWN, Cell
from sunhwan.cli.app import app
from sunhwan.config import settings
from sunhwan.laws import LAWS, verdict
from tests.serve.helpers import server_of

ROOT = Path(__file__).parents[1]
READMES = [ROOT / "README.md", ROOT / "README.ko.md"]
OWN_CELL = [ROOT / "docs" / "own-cell.md", ROOT / "docs" / "own-cell.ko.md"]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


TRAIN = sunhwan.train

COMMANDS = typer.main.get_command(app)
assert isinstance(COMMANDS, typer.main.TyperGroup)


class Fence(NamedTuple):
    """A fenced block: its language and its text."""

    language: str
    text: str


def fences(page: Path) -> list[Fence]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S)
    return [Fence(*pair) for pair in found]


def commands(page: Path) -> Iterator[list[str]]:
    """The arguments of every `sunhwan …` line in the shell blocks of a page, and in its prose."""
    text = page.read_text(encoding="utf-8")
    lines = [
        line
        for fence in fences(page)
        if fence.language in ("bash", "sh", "console")
        for line in fence.text.replace("\\\n", " ").splitlines()
    ]
    lines += re.findall(r"`(sunhwan [^`\n]+)`", text)
    for line in lines:
        for part in re.split(r"[|>]|&&", line.removeprefix("$ ")):
            words = shlex.split(part, comments=True)
            if words[:1] == ["sunhwan"]:
                yield words[1:]


def ids(value: Path | list[str]) -> str:
    return value.name if isinstance(value, Path) else " ".join(value)


@pytest.mark.parametrize(
    ("page", "arguments"), [(page, a) for page in PAGES for a in commands(page)], ids=ids
)
def test_a_command_parses(page: Path, arguments: list[str]) -> None:
    if arguments in (["--version"], ["--help"]):
        return
    command = COMMANDS.commands.get(arguments[0])
    rest = [a for a in arguments[1:] if a not in ("…", "...")]
    while isinstance(command, typer.main.TyperGroup) and rest:
        command = command.commands.get(rest.pop(0))
    assert command is not None, f"{page.name} names no command in: sunhwan {' '.join(arguments)}"
    if not rest and command.name not in ("train", "settings"):
        return  # the command's name alone, in prose
    if "--help" not in rest:
        command.make_context(command.name, rest)
    known = {setting.name for setting in settings()}
    given = [value for before, value in pairwise(rest) if before == "--set"]
    assert {assignment.partition("=")[0] for assignment in given} - {"section.key"} <= known


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_python_blocks_compile_and_use_public_names(page: Path) -> None:
    for fence in fences(page):
        if fence.language != "python":
            continue
        for node in ast.walk(ast.parse(fence.text, page.name)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sunhwan"):
                module = __import__(str(node.module), fromlist=["*"])
                assert [a.name for a in node.names if not hasattr(module, a.name)] == []
            if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "sunhwan":
                assert hasattr(sunhwan, node.attr)


def python_of(page: Path) -> list[str]:
    return [fence.text for fence in fences(page) if fence.language == "python"]


def program_of(page: Path) -> str:
    """The Python of a page as a tree, without comments, and without what its sentences say."""
    tree = ast.parse("\n".join(python_of(page)))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = ""
    return ast.dump(tree)


PROGRAMS = {program_of(page): page for page in PAGES if python_of(page)}
"""Of a page in two languages, whose programs are the same, the English one is run."""


@pytest.mark.slow
@pytest.mark.parametrize("page", PROGRAMS.values(), ids=ids)
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In their order, one after another; blocks that begin with `# mycells.py` are that file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mycells", raising=False)
    blocks = python_of(page)
    mine = [block for block in blocks if block.startswith("# mycells.py\n")]
    (tmp_path / "mycells.py").write_text("\n".join(mine), encoding="utf-8")
    if page.name.startswith("tasks"):
        files_of_the_tasks(tmp_path)
    if page.name.startswith("policies"):
        shutil.copy(ROOT / "examples" / "recurrent_policy.py", tmp_path)
    monkeypatch.setattr(sunhwan, "train", train_briefly)
    namespace: dict[str, Any] = {}
    with ExitStack() as open_:
        port = 8000
        if page.name.startswith(("inside", "serve", "deploy")):
            notes = run_of_notes(tmp_path)
        if page.name.startswith("serve"):
            server = open_.enter_context(server_of([notes]))
            port = server.port
        open_.callback(OWN.clear)
        for block in blocks:
            if block not in mine:
                block = block.replace(":8000", f":{port}")
                exec(compile(block, page.name, "exec"), namespace)
        for name, cell in cells_of(tmp_path / "mycells.py").items():
            for law in LAWS:
                if law.name in ("gradients", "derived backward", "scan", "chunks"):
                    assert verdict(law, cell, name).passed is not False


def train_briefly(config: sunhwan.Config, *rest: Any, **options: Any) -> Any:
    """`sunhwan.train`, at most a few steps where a page leaves the budget to the defaults."""
    steps = config.training.steps or 20
    return TRAIN(config.override({"training.steps": steps}), *rest, **options)


def run_of_notes(folder: Path) -> Path:
    """A run and another text, which the pages on looking inside and serving take for granted."""
    text = "나는 학교에 간다. def read(self): once.\n"
    (folder / "notes.txt").write_text(20 * text, encoding="utf-8")
    (folder / "other.txt").write_text(40 * text, encoding="utf-8")
    settings = {"text": {"corpus": str(folder / "notes.txt")}, "model": {"hidden_size": 6}}
    config = sunhwan.Config.from_dict(settings | {"training": {"steps": 2}})
    sunhwan.train(config, folder / "runs" / "notes")
    return folder / "runs" / "notes"


def files_of_the_tasks(folder: Path) -> None:
    """What the page on tasks takes for granted: tables and runs of a reader's own, tiny."""
    rows = [f"a {word} film {n}\t{label}" for n in range(6) for word, label in
            (("fine", "good"), ("dull", "bad"))]  # fmt: skip
    for name in ("reviews.tsv", "test.tsv"):
        (folder / name).write_text("text\tlabel\n" + "\n".join(rows) + "\n", encoding="utf-8")
    pairs = [f"number {n}\t{'일이삼사오육칠팔구십'[n % 10]}" for n in range(30)]
    (folder / "kor.txt").write_text("\n".join(pairs) + "\n", encoding="utf-8")
    weather = [f"{n / 2},{n % 2},{n % 12},{('dry', 'wet')[n % 2]}" for n in range(30)]
    weather = ["degrees,rain,month,text", *weather]
    (folder / "weather.csv").write_text("\n".join(weather) + "\n", encoding="utf-8")
    sales = [f"2020-01-{n + 1:02},{3 + n % 7 + n / 10}" for n in range(31)]
    (folder / "sales.csv").write_text("day,sold\n" + "\n".join(sales) + "\n", encoding="utf-8")
    settings = {"task": {"name": "forecast"}, "data": {"source": str(folder / "sales.csv")}}
    config = sunhwan.Config.from_dict(settings | {"training": {"steps": 3}})
    sunhwan.train(config, folder / "runs" / "sales")


def cells_of(file: Path) -> dict[str, Cell]:
    """Every cell that a file makes, by its name."""
    namespace: dict[str, Any] = {"__name__": "cells_of_a_page"}
    exec(compile(file.read_text(encoding="utf-8"), file.name, "exec"), namespace)
    made = {n: v for n, v in namespace.items() if isinstance(v, type) and issubclass(v, Cell)}
    return {n: kind() for n, kind in made.items() if kind.__module__ == "cells_of_a_page"}


def test_the_page_on_cells_of_ones_own_is_the_same_in_both_languages() -> None:
    first, second = map(fences, OWN_CELL)
    assert len(first) > 5
    assert first == second


def test_the_cell_of_that_page_is_that_of_the_example() -> None:
    def source(text: str) -> str:
        (found,) = [
            node
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.ClassDef) and node.name == "MGU"
        ]
        return ast.unparse(found)

    example = (ROOT / "examples" / "own_cell.py").read_text(encoding="utf-8")
    assert source(python_of(OWN_CELL[0])[0]) == source(example)
    assert "mgu" not in CELLS  # or another cell should be the example


def test_the_first_two_blocks_are_the_same_in_both_languages() -> None:
    first, second = (fences(page)[:2] for page in READMES)
    assert first == second
    assert [fence.text.splitlines()[0] for fence in first] == [
        "python -m pip install .",
        'python -m pip install ".[test]"',
    ]
    assert first[0].text.splitlines()[-1] == "sunhwan train"
    assert first[1].text.splitlines()[-1].startswith("python -m pytest")


@pytest.mark.parametrize("page", READMES, ids=ids)
def test_figures_have_their_place(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.count("<!-- figures -->") == text.count("<!-- /figures -->") == 1
    assert text.index("<!-- figures -->") < text.index("<!-- /figures -->")


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_relative_links_exist(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)", text)
    relative = [target for target in targets if "://" not in target]
    assert [target for target in relative if not (page.parent / target).exists()] == []
