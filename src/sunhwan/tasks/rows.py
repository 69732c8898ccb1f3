"""From tables on disk to rows of question and answer, and from a file or a line to questions."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from sunhwan.config import Config
from sunhwan.data.tables import Table, column, read_table
from sunhwan.errors import DataError, UsageError
from sunhwan.tasks.base import share_of

TABLES = (".tsv", ".csv", ".jsonl", ".ndjson")


class Question(NamedTuple):
    """What is asked: the cells that are read, where they stand, and from where files are named."""

    cells: tuple[str, ...]
    where: str = "the question"
    folder: Path = Path()


class Pair(NamedTuple):
    """A question and its answer."""

    question: Question
    answer: str


class Columns(NamedTuple):
    """Which columns are read, and which is the answer."""

    inputs: tuple[str, ...]
    target: str


def choose_columns(
    table: Table, config: Config, inputs: Sequence[str], targets: Sequence[str]
) -> Columns:
    """Those that the configuration names, or the first of each list of usual names that are there."""
    task = config.task
    target = column(table, task.target, targets, "the answers")
    if task.input:
        return Columns(tuple(column(table, name, (), "the input") for name in task.input), target)
    return Columns((column(table, "", inputs, "the input"),), target)


def pairs_of(table: Table, columns: Columns, path: Path) -> list[Pair]:
    """The rows of a table that hold an answer."""
    made = []
    for row in table.rows:
        answer = row.values[columns.target]
        if not answer.strip():
            raise DataError(
                f"{row.where}: the column {columns.target!r} is empty, and the answer is needed: "
                "fill it in or leave the row out"
            )
        cells = tuple(row.values[name] for name in columns.inputs)
        made.append(Pair(Question(cells, row.where, path.parent), answer))
    return made


def split(pairs: Sequence[Pair], share: float) -> tuple[list[Pair], list[Pair]]:
    """Training and validation: a hash of the question decides, so that equal ones never cross."""
    train: list[Pair] = []
    held_out: list[Pair] = []
    for pair in pairs:
        side = held_out if share_of("\t".join(pair.question.cells)) < share else train
        side.append(pair)
    if not train:
        raise DataError(
            f"{len(pairs)} rows are too few to learn from and validate on: give more rows, or a "
            "file of its own to text.validation and 0 to text.validation_share"
        )
    return train, held_out


def questions_in(path: Path, columns: Sequence[str]) -> Iterator[Question]:
    """The questions of a file: the named columns of a table, or each line of any other text.

    A table without these columns must have as many as there are questions' parts. `-` is standard
    input, one question a line, its parts separated by tabs.
    """
    from sunhwan.text.decoding import read_text

    if str(path) != "-" and any(suffix in TABLES for suffix in path.suffixes):
        table = read_table(path)
        if all(name in table.columns for name in columns):
            names: Sequence[str] = columns
        elif len(table.columns) == len(columns):
            # Without a header a table's first row is a question too.
            table = read_table(path, header=False)
            names = table.columns
        else:
            raise DataError(
                f"{table.name} has the columns {', '.join(table.columns)}, but the model reads "
                f"{', '.join(columns)}: rename or add a column"
            )
        for row in table.rows:
            yield Question(tuple(row.values[name] for name in names), row.where, path.parent)
        return
    text = read_stdin() if str(path) == "-" else read_text(path)
    folder = Path() if str(path) == "-" else path.parent
    name = "standard input" if str(path) == "-" else str(path)
    for number, line in enumerate(text.removesuffix("\n").split("\n") if text else [], 1):
        yield question_of(line, len(columns), f"{name}, line {number}", folder)


def question_of(line: str, parts: int, where: str, folder: Path = Path()) -> Question:
    """A line → a question of so many parts, separated by tabs."""
    cells = (line,) if parts == 1 else tuple(line.split("\t"))
    if len(cells) != parts:
        raise DataError(
            f"{where} has {len(cells)} parts, but the model reads {parts}: separate them by tabs"
        )
    return Question(cells, where, folder)


def as_question(given: object, parts: int) -> Question:
    """What a Python caller asks: a `Question`, a text, or a sequence of the parts."""
    if isinstance(given, Question):
        found = given
    elif isinstance(given, str):
        return question_of(given, parts, "the question")
    elif isinstance(given, Sequence) and all(isinstance(part, str) for part in given):
        found = Question(tuple(given))
    else:
        raise UsageError(f"a question is a text or {parts} texts, not {type(given).__name__}")
    if len(found.cells) != parts:
        raise UsageError(f"{found.where} has {len(found.cells)} parts, but the model reads {parts}")
    return found


def read_stdin() -> str:
    """Standard input as text."""
    import sys

    from sunhwan.text.decoding import decode

    return decode(sys.stdin.buffer.read(), "standard input")
