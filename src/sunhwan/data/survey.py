"""Survey of a corpus of any size: its files, and how long the documents in them are, read as a stream."""

import hashlib
import io
import json
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from sunhwan.atomic import write_bytes
from sunhwan.data.sheets import PARQUET, cell_text
from sunhwan.data.streamed_tables import open_table
from sunhwan.errors import DataError, TextError, did_you_mean, listed
from sunhwan.files import open_plain, unpacked_name
from sunhwan.progress import tell
from sunhwan.text.corpora import TextFile, corpus_name, encoding_notes, find_texts
from sunhwan.text.decoding import normalize, read_known
from sunhwan.text.documents import Document, Setting
from sunhwan.text.folders import is_text_name
from sunhwan.text.hangul import OPENING, HangulShare
from sunhwan.text.pieces import NotStreamedError, read_pieces

Lengths: TypeAlias = npt.NDArray[np.int64]

_VERSION = 1
_SETTLED = 2_000_000_000
"""Nanoseconds after which a change of a file shows in its time."""


class SurveyedFile(NamedTuple):
    """A file of a corpus: what it holds, and its documents, none of them empty.

    sha256: of its bytes. lengths: characters of each document. whole: whether it is read at once, for
    only all of it tells the encoding. text: that of a built-in document.
    """

    name: str
    path: Path
    lengths: Lengths
    sha256: str = ""
    encoding: str = "UTF-8"
    whole: bool = False
    text: str = ""


class Survey(NamedTuple):
    """What is known of a corpus after it was read once.

    column: that of the texts in a table, one document a row; "": files are texts.
    """

    name: str
    files: tuple[SurveyedFile, ...]
    column: str
    hangul: HangulShare

    @property
    def lengths(self) -> Lengths:
        """Characters of each document, in order."""
        return np.concatenate([np.empty(0, np.int64), *(file.lengths for file in self.files)])

    @property
    def characters(self) -> int:
        """The number of characters of all documents."""
        return sum(int(file.lengths.sum()) for file in self.files)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was found out about the files, a sentence each."""
        return encoding_notes((file.name, file.encoding) for file in self.files)

    @property
    def suggested(self) -> dict[str, Setting]:
        """Settings that suit it: none, for it is no built-in text."""
        return {}

    def documents(self) -> Iterator[Iterator[str]]:
        """Each document as its pieces: to be read one after another, each before the next."""
        for file in self.files:
            if len(file.lengths):
                yield from _documents(file, self.column)


def corpus_files(sources: Sequence[str], column: str) -> list[Document | TextFile]:
    """The files of the sources; of a folder also tables where a column is named."""
    named = _is_table_name if column else is_text_name
    return [found for source in sources for found in find_texts(source, is_named=named)]


def size_of(found: Sequence[Document | TextFile]) -> int:
    """Bytes of the files as they lie on the disk."""
    return sum(_stat(f.path)[0] for f in found if isinstance(f, TextFile))


def take_survey(sources: Sequence[str], column: str, cache: Path) -> Survey:
    """Read a corpus once, or what an earlier survey of the same files found.

    Files are the same by path, size and time of change.

    Raises:
        TextError: a file is missing, unreadable, in no known encoding, or changes while it is read; or
            there is no text.
        DataError: a table has no such column.
    """
    found = corpus_files(sources, column)
    begun = time.time_ns()
    stamps = [_stat(f.path) if isinstance(f, TextFile) else (len(f.text), 0) for f in found]
    name = corpus_name(sources)
    known = json.dumps([_VERSION, column, [[f.name, *s] for f, s in zip(found, stamps, strict=True)],
                        [str(f.path.absolute()) for f in found if isinstance(f, TextFile)],
                        [f.text for f in found if isinstance(f, Document)]])  # fmt: skip
    stored = cache / "surveys" / f"{hashlib.sha256(known.encode()).hexdigest()}.npz"
    survey = _load(stored, name, found, column)
    if survey is None:
        survey = _read(name, found, column, [size for size, _ in stamps])
        if [_stat(f.path) for f in found if isinstance(f, TextFile)] != [
            s for f, s in zip(found, stamps, strict=True) if isinstance(f, TextFile)
        ]:
            raise TextError(f"{name} changed while it was read; start again when it is written.")
        # A file changed within the resolution of its time would look the same as before.
        if all(begun - changed > _SETTLED for _, changed in stamps):
            stored.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(stored, _dump(survey))
    if not survey.characters:
        raise TextError(f"{name} holds no text; give one that does.")
    return survey


def check_unchanged(survey: Survey) -> Callable[[], None]:
    """A function to call when the files were read again: TextError where one changed since now."""
    files = [file for file in survey.files if not file.text]
    before = [_stat(file.path) for file in files]

    def check() -> None:
        if [_stat(file.path) for file in files] != before:
            raise TextError(f"{survey.name} changed while it was read; start again.")

    return check


def _read(
    name: str, found: Sequence[Document | TextFile], column: str, sizes: Sequence[int]
) -> Survey:
    files, done, hangul = [], 0, HangulShare()
    with ThreadPoolExecutor(1) as pool:
        for file, size in zip(found, sizes, strict=True):
            tell("surveying", done, sum(sizes))
            if isinstance(file, Document):
                sha, lengths = hashlib.sha256(file.text.encode()).hexdigest(), [len(file.text)]
                entry = SurveyedFile(file.name, Path(), np.array(lengths), sha, text=file.text)
                hangul = hangul.with_text(file.text)
            else:
                digest = pool.submit(_digest, file)
                entry, hangul = _survey(file, column, hangul, done, sum(sizes))
                entry = entry._replace(sha256=digest.result())
            files.append(entry)
            done += size
    tell("surveying", 1, 1)
    return Survey(name, tuple(files), column, hangul)


def _survey(
    file: TextFile, column: str, hangul: HangulShare, done: int, total: int
) -> tuple[SurveyedFile, HangulShare]:
    entry = SurveyedFile(file.name, file.path, np.empty(0, np.int64))
    while True:
        lengths, read, counted = [], 0, hangul
        try:
            for pieces in _documents(entry, column):
                length, opening = 0, ""
                for piece in pieces:
                    opening += piece[: max(OPENING - length, 0)]
                    length += len(piece)
                    read += len(piece)
                    tell("surveying", done + read, total)
                counted = counted.with_text(opening)
                if length:
                    lengths.append(length)
            return entry._replace(lengths=np.array(lengths, np.int64)), counted
        except NotStreamedError:
            # The whole file tells what it is; or the sentence that says what to do.
            entry = entry._replace(encoding=read_known(file.path).encoding, whole=True)


def _documents(file: SurveyedFile, column: str) -> Iterator[Iterator[str]]:
    """The documents of a file, empty ones too while it is surveyed."""
    if file.text:
        yield iter((file.text,))
    elif column:
        yield from (iter((text,)) for text in read_column(file.path, column) if text)
    else:
        yield read_pieces(file.path, whole=file.whole)


def read_column(path: Path, column: str) -> Iterator[str]:
    """The texts of a column of a table, row by row, normalised; an empty cell is "".

    Raises:
        DataError: there is no such column, or a row cannot be read.
        TextError: the file is missing or unreadable.
    """
    try:
        with open_table(path, (column,), only=True) as table:
            if column not in table.columns:
                near = did_you_mean(column, table.columns)
                raise DataError(
                    f"{table.name} has no column {column!r}{near}; it has {listed(table.columns)}"
                )
            for row in table.rows:
                if row.problem:
                    raise row.problem
                yield normalize(cell_text(row.values.get(column)))
    except (EOFError, OSError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise TextError(f"{normalize(str(path))} cannot be read whole ({reason}).") from None


def _digest(file: TextFile) -> str:
    try:
        with open_plain(file.path) as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise TextError(f"{file.name} cannot be read ({error.strerror or error}).") from None


def _stat(path: Path) -> tuple[int, int]:
    """Size and time of change; what cannot be looked at is told when it is read."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return 0, 0
    return found.st_size, found.st_mtime_ns


def _is_table_name(name: str) -> bool:
    suffix = Path(unpacked_name(name)).suffix
    return suffix in (".csv", ".tsv", ".jsonl", ".ndjson", *PARQUET)


def _dump(survey: Survey) -> bytes:
    facts = {
        "files": [[f.sha256, f.encoding, f.whole, len(f.lengths)] for f in survey.files],
        "hangul": list(survey.hangul),
    }
    data = io.BytesIO()
    np.savez(data, lengths=survey.lengths, facts=np.frombuffer(json.dumps(facts).encode(), "u1"))
    return data.getvalue()


def _load(
    stored: Path, name: str, found: Sequence[Document | TextFile], column: str
) -> Survey | None:
    """What `_dump` wrote; None where there is nothing, or nothing sound."""
    try:
        with np.load(stored, allow_pickle=False) as arrays:
            lengths, facts = arrays["lengths"], json.loads(arrays["facts"].tobytes())
    except (OSError, ValueError, KeyError, zlib.error):
        return None
    files, at = [], 0
    for file, (sha, encoding, whole, count) in zip(found, facts["files"], strict=True):
        own = lengths[at : at + count]
        at += count
        path, text = (file.path, "") if isinstance(file, TextFile) else (Path(), file.text)
        files.append(SurveyedFile(file.name, path, own, sha, encoding, whole, text))
    return Survey(name, tuple(files), column, HangulShare(*facts["hangul"]))
