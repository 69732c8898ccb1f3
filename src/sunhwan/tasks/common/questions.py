"""Questions: from tables, lines of text, files that are one themselves, and Python."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sunhwan.data.arrays import load_arrays
from sunhwan.data.audio import AUDIO_SUFFIXES
from sunhwan.data.frames import FRAME_SUFFIXES
from sunhwan.data.headers import is_header
from sunhwan.data.images import IMAGE_SUFFIXES
from sunhwan.data.named_columns import asked_columns
from sunhwan.data.numbers import is_number
from sunhwan.data.sheets import COLUMNAR, WORKBOOKS
from sunhwan.data.tables import names_columns, read_table
from sunhwan.errors import DataError, UsageError, did_you_mean, quoted
from sunhwan.files import beside, is_plain
from sunhwan.text.decoding import decode, normalize, read_bytes, read_text

TABLES = (".tsv", ".csv", ".jsonl", ".ndjson", *WORKBOOKS, *COLUMNAR)
ARRAYS = (".npy", ".npz")
UNREAD = (".m4a", ".aac", ".wma", ".opus", ".amr", ".mp4", ".webm", ".heic", ".svg", ".pdf")
"""Endings of sound, images and the like that nothing here reads."""


class Question(NamedTuple):
    """A question: the cells that are read, where they stand, and from where files are named.

    evidence: the sentence that holds the answer, where a table has a column for it. written: of a
    sentence, how its words are written; None where that is not known.
    """

    cells: tuple[str, ...]
    where: str = "the question"
    folder: Path = Path()
    evidence: str = ""
    written: Any = None


class Pair(NamedTuple):
    """A question and its answer."""

    question: Question
    answer: str


def names_a_file(cell: str) -> bool:
    """Whether a cell looks like the name of a file of sound, an array or an image."""
    suffix = Path(cell.strip().lower().removesuffix(".gz")).suffix
    return suffix in (*AUDIO_SUFFIXES, *IMAGE_SUFFIXES, *ARRAYS, *UNREAD)


def _slashed(cell: str) -> str:
    return cell.strip().replace("\\", "/")


def file_of(cell: str, folder: Path, where: str, count: str = "") -> Path:
    """The file that a cell names, with slashes either way; DataError where there is none."""
    for name in (cell, _slashed(cell)):
        if name and is_plain(folder / name):
            return folder / name
    near = folder / _slashed(cell)
    raise DataError(
        f"{where}: there is no file {quoted(cell)} in {folder}"
        f"{did_you_mean(near.name, beside(near))}: {count}check the name, or set task.kind to text if the "
        "name itself is to be read"
    )


def check_files(questions: Iterable[Question]) -> None:
    """DataError for the first file, named by a question, that is not there, with how many are not."""
    cells = [(cell, q.folder, q.where) for q in questions for cell in q.cells if names_a_file(cell)]
    missing = [
        (cell, folder, where)
        for cell, folder, where in cells
        if not is_plain(folder / cell) and not is_plain(folder / _slashed(cell))
    ]
    if missing:
        file_of(*missing[0], count=f"{len(missing):,} of {len(cells):,} files are missing: ")


def is_question(path: Path, columns: Sequence[str]) -> bool:
    """Whether a file is itself what a column of names would name: sound, an array, an image, or a table
    of numbers alone without that column."""
    if names_a_file(path.name):
        return True
    if Path(path.name.lower().removesuffix(".gz")).suffix not in FRAME_SUFFIXES:
        return False
    table = read_table(path)
    return columns[0].casefold() not in table.by_case and all(
        is_number(cell) for row in table.rows for cell in row.values.values()
    )


def questions_in(path: Path, columns: Sequence[str]) -> Iterator[Question]:
    """The questions of a file.

    A table gives the named columns of each row; one without names gives as many as are read, in
    order. A file of another name is a table where its first row names the columns. Any other text
    gives each line, its parts separated by tabs, and so does `-`, standard input, but for a first line
    of the names of the columns alone.
    """
    name = normalize(str(path))
    text = read_stdin() if name == "-" else ""
    is_table = name != "-" and any(suffix in TABLES for suffix in path.suffixes)
    if name != "-" and not is_table:
        if names_a_file(name):
            raise DataError(
                f"{name} is no text, but the model reads {', '.join(columns)} of a table or a line"
            )
        text = read_text(path)
        is_table = names_columns(text, columns)
    if is_table:
        table = read_table(path)
        names = asked_columns(table.name, table.columns, columns)
        for row in table.rows:
            yield Question(tuple(row.values[column] for column in names), row.where, path.parent)
        return
    folder = Path() if name == "-" else path.parent
    place = "standard input" if name == "-" else name
    for number, line in enumerate(text.removesuffix("\n").split("\n") if text else [], 1):
        if number == 1 and is_header(line.split("\t"), columns):
            continue
        yield question_of(line, len(columns), f"{place}, line {number}", folder)


def rows_of_array(path: Path, parts: int) -> Iterator[Question]:
    """The rows of numbers in a numpy file, (N, parts) or (parts,), a question each."""
    name = normalize(str(path))
    (array,) = load_arrays(read_bytes(path), name, ("x", "features")).values()
    rows = array.reshape(1, -1) if array.ndim == 1 else array
    if rows.ndim != 2 or rows.shape[1] != parts or rows.dtype.kind not in "biuf":
        raise DataError(
            f"{name} holds {array.dtype} of shape {array.shape}, but the model reads rows of {parts} "
            f"numbers: save an array of shape (N, {parts})"
        )
    for number, row in enumerate(rows.tolist(), 1):
        yield Question(tuple(f"{value:.9g}" for value in row), f"{name}, row {number}", path.parent)


def question_of(line: str, parts: int, where: str, folder: Path = Path()) -> Question:
    """A line → a question of so many parts, separated by tabs."""
    cells = (line,) if parts == 1 else tuple(line.split("\t"))
    if len(cells) != parts:
        raise DataError(
            f"{where}: the model reads {parts} parts, separated by tabs, and finds {len(cells)}"
        )
    return Question(cells, where, folder)


def as_question(given: object, parts: int) -> Question:
    """What a Python caller asks: a `Question`, a text, or a sequence of the parts."""
    if isinstance(given, Question):
        found = given
    elif isinstance(given, str):
        return question_of(normalize(given), parts, "the question")
    elif isinstance(given, Sequence) and all(isinstance(part, str) for part in given):
        found = Question(tuple(map(normalize, given)))
    else:
        raise UsageError(f"a question is a text or {parts} texts, not {type(given).__name__}")
    if len(found.cells) != parts:
        raise UsageError(f"{found.where} has {len(found.cells)} parts, but the model reads {parts}")
    return found


CHUNK = 256
"""Questions that are answered together."""


def chunks(questions: Iterable[Question], size: int = CHUNK) -> Iterator[list[Question]]:
    """Questions a few hundred at a time: an endless pipe is answered as it comes."""
    some: list[Question] = []
    for question in questions:
        some.append(question)
        if len(some) == size:
            yield some
            some = []
    if some:
        yield some


def read_stdin() -> str:
    """Standard input as text."""
    import sys

    return decode(sys.stdin.buffer.read(), "standard input")
