"""What the READMEs say can be done: commands and options exist, Python compiles, links lead somewhere."""

import ast
import re
import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
import typer.main

import sunhwan
from sunhwan.cli.app import app
from sunhwan.config import settings

ROOT = Path(__file__).parents[1]
READMES = [ROOT / "README.md", ROOT / "README.ko.md"]
PAGES = [*READMES, *sorted((ROOT / "docs").glob("*.md"))]


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
        for line in fence.text.splitlines()
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
    group = typer.main.get_command(app)
    assert isinstance(group, typer.main.TyperGroup)
    if arguments in (["--version"], ["--help"]):
        return
    command = group.commands.get(arguments[0])
    assert command is not None, f"{page.name} names no command in: sunhwan {' '.join(arguments)}"
    rest = [a for a in arguments[1:] if a not in ("…", "...")]
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


def test_the_first_two_blocks_are_the_same_in_both_languages() -> None:
    first, second = (fences(page)[:2] for page in READMES)
    assert first == second
    assert [fence.text.splitlines()[0] for fence in first] == [
        "python -m pip install .",
        'python -m pip install ".[test]"',
    ]
    assert first[0].text.splitlines()[-1] == "sunhwan train"
    assert first[1].text.splitlines()[-1] == "python -m pytest"


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
