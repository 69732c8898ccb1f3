"""CONTRIBUTING names files that are there, and what it says runs on a push is what runs."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
TO_BE_WRITTEN = ("NAME", "reading.py", "scores.py", ".venv", "v3")
PATHS = sorted(
    {
        path
        for path in re.findall(r"`((?:[\w.-]+/)+[\w.-]*|[\w-]+\.(?:md|py|toml))`", PAGE)
        if not any(part in path for part in TO_BE_WRITTEN)
    }
)


def test_the_paths_were_found() -> None:
    assert {"src/sunhwan/registry.py", "src/sunhwan/text/build.py", "tests/tasks/cases.py"} <= set(
        PATHS
    )


@pytest.mark.parametrize("path", PATHS)
def test_a_file_that_is_named_is_there(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize(
    "command", ["ruff check", "ruff format --check", "mypy", "python -m pytest"]
)
def test_a_push_runs_what_a_contributor_is_told_to(command: str) -> None:
    workflow = (ROOT / ".github/workflows/check.yml").read_text(encoding="utf-8")
    assert command in PAGE
    assert f"- run: {command}" in workflow
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert command == "python -m pytest" or f"entry: {command.removesuffix(' --check')}" in hooks
