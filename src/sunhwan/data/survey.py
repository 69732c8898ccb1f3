"""Survey of a corpus of any size: its files, and how long the documents in them are, read as a stream."""

import hashlib
import io
import json
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from sunhwan.atomic import write_bytes
from sunhwan.data.corpus_files import corpus_files, stat_of
from sunhwan.data.sheets import cell_text
from sunhwan.data.streamed_tables import open_table
from sunhwan.errors import DataError, TextError, did_you_mean, listed
from sunhwan.files import open_plain
from sunhwan.progress import tell
from sunhwan.text import chunks
from sunhwan.text.chunks import (
    Chunk,
    ChunkFacts,
    Part,
    chunks_of_file,
    facts_of_chunk,
    facts_of_numbered,
    whole_text,
)
from sunhwan.text.corpora import TextFile, corpus_name, encoding_notes
from sunhwan.text.decoding import normalize, read_known
from sunhwan.text.documents import Document, Setting
from sunhwan.text.hangul import HangulShare
from sunhwan.text.pieces import NotStreamedError
from sunhwan.workers import Workers, processes_for

Lengths: TypeAlias = npt.NDArray[np.int64]

_VERSION = 2
_NONE: Lengths = np.empty(0, np.int64)
_SETTLED = 2_000_000_000
"""Nanoseconds after which a change of a file shows in its time."""


class SurveyedFile(NamedTuple):
    """A file of a corpus: what it holds, and its documents, none of them empty.

    sha256: of its bytes. lengths: characters of each document. whole: whether it is read at once, for
    only all of it tells the encoding. text: that of a built-in document. parts: of a text file the
    characters of each chunk; around: the character before each cut between two of them, and the two behind.
    """

    name: str
    path: Path
    lengths: Lengths
    sha256: str = ""
    encoding: str = "UTF-8"
    whole: bool = False
    text: str = ""
    parts: Lengths = _NONE
    around: tuple[str, ...] = ()


class Survey(NamedTuple):
    """Facts of a corpus that one pass over it gives.

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
        """Notes on the files, a sentence each."""
        return encoding_notes((file.name, file.encoding) for file in self.files)

    @property
    def suggested(self) -> dict[str, Setting]:
        """Settings that suit it: none, for it is no built-in text."""
        return {}

    def parts(
        self, cuts: Sequence[int], may_be_cut: Callable[[str], bool] | None = None
    ) -> Iterator[Part]:
        """The corpus as parts that can be encoded alone, in order.

        cuts: of each document how many characters are for training. may_be_cut: see `Vocabulary`; None:
        everywhere. NotStreamedError: a file changed.
        """
        at = 0
        for file in self.files:
            own = cuts[at : at + len(file.lengths)]
            at += len(own)
            if self.column:
                yield from _parts_of_table(file, self.column, own)
            elif own:
                yield from _parts_of_text(file, own[0], may_be_cut)


def _parts_of_table(file: SurveyedFile, column: str, cuts: Sequence[int]) -> Iterator[Part]:
    at = 0
    for chunk in _chunks(file, column):
        count = len(chunk.texts)
        yield Part((chunk,), tuple(cuts[at : at + count]), sum(map(len, chunk.texts)))
        at += count


def _parts_of_text(
    file: SurveyedFile, cut: int, may_be_cut: Callable[[str], bool] | None
) -> Iterator[Part]:
    begin = at = 0
    held: list[Chunk] = []
    # Behind the last one nothing follows.
    around = (*file.around, None)
    for chunk, length, beside in zip(_chunks(file, ""), file.parts.tolist(), around, strict=False):
        held.append(chunk)
        at += length
        if beside is None or may_be_cut is None or may_be_cut(beside):
            length = at - begin
            cuts = (min(max(cut - begin, 0), length),)
            yield Part(tuple(held), cuts, length, (not begin, begin <= cut))
            begin, held = at, []


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
    stamps = [stat_of(f.path) if isinstance(f, TextFile) else (len(f.text), 0) for f in found]
    name = corpus_name(sources)
    known = json.dumps([_VERSION, chunks.CHUNK, column, stamps,
                        [str(f.path.absolute()) for f in found if isinstance(f, TextFile)],
                        [f.text for f in found if isinstance(f, Document)]])  # fmt: skip
    stored = cache / "surveys" / f"{hashlib.sha256(known.encode()).hexdigest()}.npz"
    survey = _load(stored, name, found, column)
    if survey is None:
        survey = _read(name, found, column, [size for size, _ in stamps])
        if [stat_of(f.path) for f in found if isinstance(f, TextFile)] != [
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
    before = [stat_of(file.path) for file in files]

    def check() -> None:
        if [stat_of(file.path) for file in files] != before:
            raise TextError(f"{survey.name} changed while it was read; start again.")

    return check


def _read(
    name: str, found: Sequence[Document | TextFile], column: str, sizes: Sequence[int]
) -> Survey:
    with ThreadPoolExecutor(1) as pool:
        digests = [pool.submit(_digest, file) for file in found]
        try:
            tell("surveying", 0, 1)
            survey_files = _survey_tables if column else _survey_texts
            files, hangul = survey_files(found, column, sizes)
            files = [
                file._replace(sha256=digest.result())
                for file, digest in zip(files, digests, strict=True)
            ]
        finally:
            pool.shutdown(cancel_futures=True)
    tell("surveying", 1, 1)
    return Survey(name, tuple(files), column, hangul)


def _survey_tables(
    found: Sequence[Document | TextFile], column: str, sizes: Sequence[int]
) -> tuple[list[SurveyedFile], HangulShare]:
    files, hangul, total = [], HangulShare(), sum(sizes)
    for number, file in enumerate(found):
        entry, done, lengths = _entry(file), sum(sizes[:number]), []
        for text in _texts(entry, column):
            hangul = hangul.with_text(text)
            lengths.append(len(text))
            done += len(text)
            tell("surveying", done, total)
        files.append(entry._replace(lengths=np.array(lengths, np.int64)))
    return files, hangul


def _survey_texts(
    found: Sequence[Document | TextFile], column: str, sizes: Sequence[int]
) -> tuple[list[SurveyedFile], HangulShare]:
    facts: list[list[ChunkFacts | None]] = [[] for _ in found]
    done, total = 0, sum(sizes)
    with Workers(processes_for(total)) as workers:
        for number, read in workers.map(facts_of_numbered, _numbered_chunks(found)):
            facts[number].append(read)
            done += read.length if read else 0
            tell("surveying", done, total)
    files, hangul = [], HangulShare()
    for file, read_of_file in zip(found, facts, strict=True):
        entry, known = _entry(file), [read for read in read_of_file if read]
        if len(known) < len(read_of_file) and isinstance(file, TextFile):
            # The whole file tells what it is; or the sentence that says what to do.
            text, encoding = read_known(file.path)
            entry = entry._replace(encoding=encoding, whole=True)
            known = [read for read in (facts_of_chunk(whole_text(text)),) if read]
        files.append(_with_facts(entry, known))
        for read in known:
            hangul = HangulShare(*map(sum, zip(hangul, read.hangul, strict=True)))
    return files, hangul


def _with_facts(entry: SurveyedFile, known: Sequence[ChunkFacts]) -> SurveyedFile:
    parts = np.array([read.length for read in known], np.int64)
    around = [a.edges[1] + b.edges[0] for a, b in pairwise(known)]
    total = parts.sum(keepdims=True)
    return entry._replace(lengths=total[total > 0], parts=parts, around=tuple(around))


def _numbered_chunks(
    found: Sequence[Document | TextFile],
) -> Iterator[tuple[int, Chunk | None]]:
    """The chunks of all files, each with the number of its file; None where it cannot be read."""
    for number, file in enumerate(found):
        if isinstance(file, Document):
            yield number, whole_text(file.text)
            continue
        try:
            for chunk in chunks_of_file(file.path):
                yield number, chunk
        except NotStreamedError:
            yield number, None


def _entry(file: Document | TextFile) -> SurveyedFile:
    if isinstance(file, Document):
        return SurveyedFile(file.name, Path(), _NONE, text=file.text)
    return SurveyedFile(file.name, file.path, _NONE)


def _texts(file: SurveyedFile, column: str) -> Iterator[str]:
    """The texts of a table, none of them empty."""
    if file.text:
        return iter((file.text,))
    return (text for text in read_column(file.path, column) if text)


def _chunks(file: SurveyedFile, column: str) -> Iterator[Chunk]:
    """A surveyed file in chunks: a part of its only document each, or so many rows of a table."""
    if not column:
        if file.text or file.whole:
            yield whole_text(file.text or read_known(file.path).text)
        else:
            yield from chunks_of_file(file.path)
        return
    rows: list[str] = []
    size = 0
    for text in _texts(file, column):
        rows.append(text)
        size += len(text)
        if size >= chunks.CHUNK:
            yield Chunk(tuple(rows))
            rows, size = [], 0
    if rows:
        yield Chunk(tuple(rows))


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


def _digest(file: Document | TextFile) -> str:
    if isinstance(file, Document):
        return hashlib.sha256(file.text.encode()).hexdigest()
    try:
        with open_plain(file.path) as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise TextError(f"{file.name} cannot be read ({error.strerror or error}).") from None


def _dump(survey: Survey) -> bytes:
    facts = {
        "files": [
            [f.sha256, f.encoding, f.whole, len(f.lengths), len(f.parts), f.around]
            for f in survey.files
        ],
        "hangul": list(survey.hangul),
    }
    data = io.BytesIO()
    parts = np.concatenate([_NONE, *(file.parts for file in survey.files)])
    np.savez(
        data,
        lengths=survey.lengths,
        parts=parts,
        facts=np.frombuffer(json.dumps(facts).encode(), "u1"),
    )
    return data.getvalue()


def _load(
    stored: Path, name: str, found: Sequence[Document | TextFile], column: str
) -> Survey | None:
    """What `_dump` wrote; None where there is nothing, or nothing sound."""
    try:
        with np.load(stored, allow_pickle=False) as arrays:
            lengths, parts = arrays["lengths"], arrays["parts"]
            facts = json.loads(arrays["facts"].tobytes())
    except (OSError, ValueError, KeyError, zlib.error):
        return None
    files = []
    for file, (sha, encoding, whole, *counts, around) in zip(found, facts["files"], strict=True):
        own, lengths = np.split(lengths, [counts[0]])
        chunked, parts = np.split(parts, [counts[1]])
        entry = _entry(file)._replace(lengths=own, sha256=sha, encoding=encoding, whole=whole)
        files.append(entry._replace(parts=chunked, around=tuple(around)))
    return Survey(name, tuple(files), column, HangulShare(*facts["hangul"]))
