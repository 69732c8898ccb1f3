"""Texts to train on: files, folders, patterns, and three that are always at hand."""

import glob
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from sunhwan.errors import TextError, did_you_mean, listed
from sunhwan.files import beside, is_plain
from sunhwan.text.built_in import BUILT_IN
from sunhwan.text.decoding import normalize, read_known
from sunhwan.text.documents import Corpus, Document
from sunhwan.text.folders import files_below, is_text_name


class TextFile(NamedTuple):
    """A file that was found, and what it is called."""

    name: str
    path: Path


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
    found = [_read(file) for source in given for file in find_texts(source)]
    documents = tuple(document for document, _ in found if document.text)
    name = corpus_name(given)
    if not documents:
        raise TextError(f"{name} holds no text; give one that does.")
    only = given[0] if len(given) == 1 else None
    built_in = BUILT_IN.get(only) if isinstance(only, str) else None
    suggested = built_in.suggested if built_in else {}
    return Corpus(
        name,
        documents,
        suggested,
        built_in is not None,
        encoding_notes((document.name, encoding) for document, encoding in found),
    )


def corpus_name(sources: Sequence[str | Path]) -> str:
    """The names of the sources, joined by `+`."""
    return "+".join(map(_source_name, sources)) or "The list of sources"


def encoding_notes(found: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Which files are in another encoding than UTF-8, a sentence for each encoding.

    found: the name of each file and its encoding.
    """
    names: dict[str, list[str]] = {}
    for name, encoding in found:
        if encoding != "UTF-8":
            names.setdefault(encoding, []).append(name)
    return tuple(f"{listed(files, 3)}: read as {name}" for name, files in names.items())


def find_texts(
    source: str | Path, *, is_named: Callable[[str], bool] = is_text_name
) -> Sequence[Document | TextFile]:
    """The documents of a built-in name, or the files of a source in their order.

    is_named: whether a file of a folder is taken, by its name.

    TextError: there is none.
    """
    if isinstance(source, str) and source in BUILT_IN:
        return BUILT_IN[source].load()
    path = Path(source)
    if source and _exists(path):  # an empty name would be the current folder
        if path.is_dir():
            return _folder(path, is_named)
        return [TextFile(normalize(str(source)), path)]
    matches = sorted(match for match in _glob(str(source)) if is_plain(Path(match)))
    if not matches:
        raise TextError(
            f"There is no file, folder or built-in text {str(source)!r}"
            f"{did_you_mean(path.name, (*beside(path), *BUILT_IN))}; give a path, a pattern that "
            f"matches files, or one of the built-in names {', '.join(BUILT_IN)}."
        )
    return [TextFile(normalize(match), Path(match)) for match in matches]


def _source_name(source: str | Path) -> str:
    return normalize(Path(source).name or str(source))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name too long, or with a NUL character
        return False


def _read(found: Document | TextFile) -> tuple[Document, str]:
    """A document with its encoding."""
    if isinstance(found, Document):
        return found, "UTF-8"
    text, encoding = read_known(found.path)
    return Document(found.name, text), encoding


def _glob(pattern: str) -> list[str]:
    try:
        return glob.glob(pattern, recursive=True)  # noqa: PTH207  Path.glob refuses an absolute one
    except (OSError, ValueError):
        return []


def _folder(folder: Path, is_named: Callable[[str], bool]) -> list[TextFile]:
    names = sorted(name for name in files_below(folder) if is_named(name))
    if not names:
        raise TextError(
            f"The folder {folder} holds no text file, such as .txt, .md or .py, plain or .gz; "
            "name other files one by one or by a pattern."
        )
    return [TextFile(normalize(name), folder / name) for name in names]
