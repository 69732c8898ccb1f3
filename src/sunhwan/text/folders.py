"""Folders of a corpus: which of their files are text."""

import os
from collections.abc import Container, Iterator
from pathlib import Path

from sunhwan.files import unpacked_name

# A folder holds many things; only files with these names are taken for text.
# fmt: off
SUFFIXES = frozenset((
    ".txt", ".text", ".md", ".markdown", ".rst", ".tex", ".log", ".csv", ".tsv", ".json",
    ".jsonl", ".abc", ".xml", ".html", ".htm", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".py",
    ".pyi", ".c", ".h", ".cc", ".cpp", ".hpp", ".rs", ".go", ".java", ".kt", ".js", ".ts",
    ".css", ".sh", ".sql", ".r", ".jl", ".lua", ".rb", ".srt", ".conllu",
))
# fmt: on


def files_below(folder: Path, skipped: Container[str] = ()) -> Iterator[str]:
    """Relative paths with `/`, in no order; hidden files and folders are left out.

    Folders named in `skipped` are not entered, nor are links to folders.
    """
    for here, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not (name.startswith(".") or name in skipped)]
        for name in files:
            path = Path(here, name)
            if not name.startswith(".") and path.is_file():
                yield path.relative_to(folder).as_posix()


def is_text_name(name: str) -> bool:
    """Whether a file of this name is taken for text, compressed or not."""
    return Path(unpacked_name(name)).suffix in SUFFIXES
