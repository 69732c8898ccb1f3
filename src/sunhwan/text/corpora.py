"""Texts to train on: files, folders, patterns, and three that are always at hand."""

import glob
from collections.abc import Iterable, Sequence
from pathlib import Path

from sunhwan.errors import TextError, did_you_mean, listed
from sunhwan.files import beside, is_plain
from sunhwan.text.built_in import BUILT_IN
from sunhwan.text.decoding import normalize, read_known
from sunhwan.text.documents import Corpus, Document
from sunhwan.text.folders import files_below, is_text_name


def load_corpus(sources: str | Path | Sequence[str | Path]) -> Corpus:
    """Read one source or several, in the order given.

    A source is the name of a built-in text (`stdlib`, `hello`, `korean`), a file of any name, a
    folder (all its text files at any depth by `SUFFIXES`, `.gz` of them too, hidden ones left
    out, sorted by path) or a glob pattern. A built-in name wins over a file of that name: write
    `./stdlib`, or pass a `Path`, for the file.

    Raises:
        TextError: a source is missing, unreadable or in no known encoding, or there is no character at all.
    """
    given = [sources] if isinstance(sources, str | Path) else list(sources)
    found = [file for source in given for file in _documents(source)]
    documents = tuple(document for document, _ in found if document.text)
    name = "+".join(_source_name(source) for source in given)
    if not documents:
        raise TextError(f"{name or 'The list of sources'} holds no text; give one that does.")
    only = given[0] if len(given) == 1 else None
    built_in = BUILT_IN.get(only) if isinstance(only, str) else None
    suggested = built_in.suggested if built_in else {}
    return Corpus(name, documents, suggested, built_in is not None, _encodings(found))


def _encodings(found: Iterable[tuple[Document, str]]) -> tuple[str, ...]:
    """Which files are in another encoding than UTF-8, a sentence for each encoding."""
    names: dict[str, list[str]] = {}
    for document, encoding in found:
        if encoding != "UTF-8":
            names.setdefault(encoding, []).append(document.name)
    return tuple(f"{listed(files, 3)}: read as {name}" for name, files in names.items())


def _documents(source: str | Path) -> Iterable[tuple[Document, str]]:
    """The documents of a source, each with its encoding."""
    if isinstance(source, str) and source in BUILT_IN:
        return ((document, "UTF-8") for document in BUILT_IN[source].load())
    path = Path(source)
    if source and _exists(path):  # an empty name would be the current folder
        return _folder(path) if path.is_dir() else [_read(str(source), path)]
    matches = sorted(match for match in _glob(str(source)) if is_plain(Path(match)))
    if not matches:
        raise TextError(
            f"There is no file, folder or built-in text {str(source)!r}"
            f"{did_you_mean(path.name, (*beside(path), *BUILT_IN))}; give a path, a pattern that "
            f"matches files, or one of the built-in names {', '.join(BUILT_IN)}."
        )
    return [_read(match, Path(match)) for match in matches]


def _source_name(source: str | Path) -> str:
    return normalize(Path(source).name or str(source))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name too long, or with a NUL character
        return False


def _read(name: str, path: Path) -> tuple[Document, str]:
    text, encoding = read_known(path)
    return Document(normalize(name), text), encoding


def _glob(pattern: str) -> list[str]:
    try:
        return glob.glob(pattern, recursive=True)  # noqa: PTH207  Path.glob refuses an absolute one
    except (OSError, ValueError):
        return []


def _folder(folder: Path) -> list[tuple[Document, str]]:
    names = sorted(name for name in files_below(folder) if is_text_name(name))
    if not names:
        raise TextError(
            f"The folder {folder} holds no text file, such as .txt, .md or .py, plain or .gz; "
            "name other files one by one or by a pattern."
        )
    return [_read(name, folder / name) for name in names]
