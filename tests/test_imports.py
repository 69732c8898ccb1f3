"""Imports point only back along the walk, from errors to the command line."""

import ast
from pathlib import Path

import pytest

import sunhwan

ROOT = Path(sunhwan.__file__).parent if sunhwan.__file__ else Path(next(iter(sunhwan.__path__)))

ORDER = {
    "errors": 0,
    "registry": 0,
    "progress": 0,
    "files": 0,
    "workers": 1,
    "atomic": 1,
    "config": 1,
    "messages": 1,
    "text": 2,
    "data": 3,
    "cells": 4,
    "program": 5,
    "ops": 6,
    "layers": 7,
    "laws": 8,
    "numpy_rnn": 8,
    "models": 8,
    "metrics": 9,
    "baselines": 10,
    "calibration": 10,
    "generation": 10,
    "tasks": 11,
    "store": 12,
    "plots": 13,
    "prediction": 13,
    "training": 14,
    "api": 14,
    "inspection": 15,
    "exporting": 15,
    "lab": 15,
    "comparison": 15,
    "serve": 16,
    "tuning": 16,
    "cli": 17,
    "__main__": 18,
    "__init__": 19,
}
"""A module may import those with a smaller number, and itself. A new module gets its place here."""

ONLY = {
    "numpy_rnn": {"errors"},
    "training": {"training", "comparison", "tuning", "cli", "__init__"},
}
"""numpy_rnn imports these alone; training is imported by these alone."""


def imported(source: str, package: list[str]) -> set[str]:
    """The parts of sunhwan that a source imports anywhere, also inside functions and by dots.

    The version, which is known before anything else is imported, is free to all.
    `package` is where the source lies, as in ["sunhwan", "ops"].
    """
    parts = set()
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{module}.{alias.name}" for alias in node.names]
        for name in names:
            first, *rest = name.split(".")
            if first == "sunhwan" and rest != ["__version__"]:
                parts.add(rest[0] if rest else "__init__")
    return parts


def faults(part: str, targets: set[str]) -> list[str]:
    """What a part of the package may not import, in words."""
    found = []
    if part not in ORDER:
        return [f"{part} has no place in ORDER"]
    for target in sorted(targets - {part}):
        if target not in ORDER:
            found.append(f"{part} imports {target}, which has no place in ORDER")
        elif ORDER[target] >= ORDER[part]:
            found.append(f"{part} imports {target}, which comes later")
        elif target == "training" and part not in ONLY["training"]:
            found.append(f"{part} imports training")
        elif part == "numpy_rnn" and target not in ONLY["numpy_rnn"]:
            found.append(f"numpy_rnn imports {target}")
    return found


FILES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py"))


def test_imports_point_back():
    found = {}
    for file in FILES:
        part, *_ = parts = Path(file).parts
        source = (ROOT / file).read_text(encoding="utf-8")
        found[file] = faults(part.removesuffix(".py"), imported(source, ["sunhwan", *parts[:-1]]))
    assert {file: said for file, said in found.items() if said} == {}


def test_the_files_were_found():
    assert {"errors.py", "numpy_rnn.py", "cells/base.py", "ops/reference.py"} <= set(FILES)


@pytest.mark.parametrize(
    ("file", "source", "said"),
    [
        ("cells/new.py", "from sunhwan.ops import recur", "cells imports ops"),
        ("cells/new.py", "from sunhwan import layers", "cells imports layers"),
        ("cells/new.py", "from ..ops import recur", "cells imports ops"),
        ("cells/new.py", "from .. import ops", "cells imports ops"),
        ("cells/new.py", "def f():\n    import sunhwan.models.tagger", "cells imports models"),
        ("text/new.py", "import sunhwan", "text imports __init__"),
        ("numpy_rnn.py", "from sunhwan.cells import Elman", "numpy_rnn imports cells"),
        ("serve/new.py", "import sunhwan.training.loop", "serve imports training"),
        ("generation/new.py", "from sunhwan.training import train", "generation imports training"),
        ("store.py", "from sunhwan.training import train", "store imports training"),
        ("unheard.py", "import os", "unheard has no place"),
        ("cli/new.py", "import sunhwan.unheard", "unheard, which has no place"),
    ],
)
def test_a_forward_import_is_found(file, source, said):
    path = Path(file)
    found = faults(
        path.parts[0].removesuffix(".py"), imported(source, ["sunhwan", *path.parts[:-1]])
    )
    assert len(found) == 1
    assert said in found[0]


def test_what_is_allowed():
    assert faults("ops", imported("from .reference import run", ["sunhwan", "ops"])) == []
    assert faults("cli", {"training", "store", "errors"}) == []
    assert faults("__init__", set(ORDER)) == []
