"""Texts to train on: files, folders, patterns, and three that are always at hand."""

import glob
from collections.abc import Iterable, Sequence
from pathlib import Path

from sunhwan.errors import TextError
from sunhwan.files import is_plain
from sunhwan.text.built_in import BUILT_IN
from sunhwan.text.decoding import normalize, read_text
from sunhwan.text.documents import Corpus, Document
from sunhwan.text.folders import files_below, is_text_name


def load_corpus(sources: str | Path | Sequence[str | Path]) -> Corpus:
    """Read one source or several, in the order given.

    A source is the name of a built-in text (`stdlib`, `hello`, `korean`), a file of any name, a
    folder (all its text files at any depth by `SUFFIXES`, `.gz` of them too, hidden ones left
    out, sorted by path) or a glob pattern. A built-in name wins over a file of that name: write
    `./stdlib`, or pass a `Path`, for the file.

    Raises:
        TextError: a source is missing, unreadable or not UTF-8, or there is no character at all.
    """
    listed = [sources] if isinstance(sources, str | Path) else list(sources)
    documents = tuple(
        document for source in listed for document in _documents(source) if document.text
    )
    name = "+".join(_source_name(source) for source in listed)
    if not documents:
        raise TextError(f"{name or 'The list of sources'} holds no text; give one that does.")
    only = listed[0] if len(listed) == 1 else None
    built_in = BUILT_IN.get(only) if isinstance(only, str) else None
    return Corpus(name, documents, built_in.suggested if built_in else {})


def _documents(source: str | Path) -> Iterable[Document]:
    if isinstance(source, str) and source in BUILT_IN:
        return BUILT_IN[source].load()
    path = Path(source)
    if source and _exists(path):  # an empty name would be the current folder
        return _folder(path) if path.is_dir() else [_read(str(source), path)]
    matches = sorted(match for match in _glob(str(source)) if is_plain(Path(match)))
    if not matches:
        raise TextError(
            f"There is no file, folder or built-in text {str(source)!r}; give a path, a pattern "
            f"that matches files, or one of the built-in names {', '.join(BUILT_IN)}."
        )
    return [_read(match, Path(match)) for match in matches]


def _source_name(source: str | Path) -> str:
    return normalize(Path(source).name or str(source))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name too long, or with a NUL character
        return False


def _read(name: str, path: Path) -> Document:
    return Document(normalize(name), read_text(path))


def _glob(pattern: str) -> list[str]:
    try:
        return glob.glob(pattern, recursive=True)  # noqa: PTH207  Path.glob refuses an absolute one
    except (OSError, ValueError):
        return []


def _folder(folder: Path) -> list[Document]:
    names = sorted(name for name in files_below(folder) if is_text_name(name))
    if not names:
        raise TextError(
            f"The folder {folder} holds no text file, such as .txt, .md or .py, plain or .gz; "
            "name other files one by one or by a pattern."
        )
    return [_read(name, folder / name) for name in names]
