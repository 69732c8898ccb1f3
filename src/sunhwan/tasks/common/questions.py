"""Questions and answers: read from tables, and from lines of text."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

from sunhwan.config import Config
from sunhwan.data.images import IMAGE_SUFFIXES
from sunhwan.data.numbers import is_number
from sunhwan.data.tables import Table, column, read_table
from sunhwan.errors import DataError, UsageError, listed, quoted
from sunhwan.files import is_plain

ROW_NUMBERS = ("id", "idx", "index", "no", "번호")
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

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {"inputs": list(self.inputs), "target": self.target}

    @classmethod
    def from_dict(cls, values: Any) -> Self:
        """Of what `to_dict` gave; KeyError or TypeError where it is damaged."""
        return cls(tuple(map(str, values["inputs"])), str(values["target"]))


def choose_columns(
    table: Table, config: Config, inputs: Sequence[str], targets: Sequence[str]
) -> Columns:
    """Those that the configuration names, or the first of each list of usual names that are there."""
    task = config.task
    taken = {name.casefold() for name in (*task.input, task.target)}
    inputs, targets = (
        [n for n in names if n.casefold() not in taken] for names in (inputs, targets)
    )
    target = column(table, task.target, targets, "answers")
    if task.input:
        return Columns(tuple(column(table, name, (), "input") for name in task.input), target)
    usual = {name.casefold() for name in inputs} & {name.casefold() for name in table.columns}
    if task.kind == "vector" or (not usual and task.kind != "text"):
        found = step_columns(table, target)
        if found:
            return Columns(found, target)
    return Columns((column(table, "", inputs, "input"),), target)


def step_columns(table: Table, target: str) -> tuple[str, ...]:
    """What a vector stands in, beside the answers: every column of numbers, or the first of images.

    Numbers under a name such as "id" tell rows apart and say nothing.
    """
    others = [n for n in table.columns if n != target and n.casefold() not in ROW_NUMBERS]
    numbers = tuple(name for name in others if every(table, name, is_number))
    return numbers or tuple(name for name in others if every(table, name, is_image))[:1]


def every(table: Table, name: str, test: Callable[[str], bool]) -> bool:
    """Whether every cell of a column passes a test."""
    return all(test(row.values[name]) for row in table.rows)


def is_image(cell: str) -> bool:
    """Whether a cell is the name of an image."""
    return Path(cell).suffix.lower() in IMAGE_SUFFIXES


def file_of(cell: str, folder: Path, where: str) -> Path:
    """The file that a cell names; DataError where there is none."""
    path = folder / cell
    if not cell or not is_plain(path):
        raise DataError(f"{where}: there is no file {quoted(cell)} in {folder}: check the name")
    return path


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


class Found(NamedTuple):
    """What the files of a configuration hold: which columns, the rows of each side, in words."""

    columns: Columns
    train: list[Pair]
    held_out: list[Pair]
    notes: list[str]


def find_pairs(config: Config, inputs: Sequence[str], targets: Sequence[str]) -> Found:
    """The rows of the corpus, split; inputs, targets: the columns' usual names."""
    pairs: list[Pair] = []
    said = []
    columns: Columns | None = None
    for source in config.data.source:
        table = read_table(Path(source))
        columns = columns or choose_columns(table, config, inputs, targets)
        pairs += pairs_of(table, columns, Path(source))
        said.append(f"{table.name}: {table.said}")
    assert columns is not None
    if config.text.validation:
        train, held_out = pairs, pairs_in(Path(config.text.validation), columns)
    else:
        labels = config.task.kind == "labels"
        train, held_out = split(pairs, config.text.validation_share, labels=labels)
    said.append(in_words(columns, train, held_out))
    return Found(columns, train, held_out, said)


def in_words(columns: Columns, train: Sequence[Pair], held_out: Sequence[Pair]) -> str:
    """What is read, what is answered, and how many rows there are."""
    return (
        f"{' and '.join(columns.inputs)} → {columns.target}: {len(train):,} rows to learn from, "
        f"{len(held_out):,} to validate on"
    )


def pairs_in(path: Path, columns: Columns) -> list[Pair]:
    """The rows of a file of the kind that a model was trained on."""
    table = read_table(path)
    for name in (*columns.inputs, columns.target):
        if name not in table.columns:
            raise DataError(
                f"{table.name} has no column {name!r}, only {listed(table.columns)}: the model "
                "was trained with it"
            )
    return pairs_of(table, columns, path)


def split(
    pairs: Sequence[Pair], share: float, *, labels: bool = False
) -> tuple[list[Pair], list[Pair]]:
    """Training and validation: a hash of the question decides, so that equal ones never cross.

    labels: that is what the questions are. There are few of these, each with many answers: then the
    hash is of question and answer, and rows with labels that only validation has are learned from.
    """
    train: list[Pair] = []
    held_out: list[Pair] = []
    for pair in pairs:
        cells = (*pair.question.cells, pair.answer) if labels else pair.question.cells
        side = held_out if share_of("\t".join(cells)) < share else train
        side.append(pair)
    if labels and train:
        known = [set(column) for column in zip(*(p.question.cells for p in train), strict=True)]
        kept: list[Pair] = []
        for pair in held_out:
            seen = all(c in k for c, k in zip(pair.question.cells, known, strict=True))
            (kept if seen else train).append(pair)
        held_out = kept
    if not train:
        raise DataError(
            f"{len(pairs)} rows are too few to learn from and validate on: give more rows, or a "
            "file of its own to text.validation and 0 to text.validation_share"
        )
    return train, held_out


def share_of(text: str) -> float:
    """A number in [0, 1) that a text alone decides: equal questions fall on one side of a split."""
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:8]) / 2**64


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
            names = table.columns
        else:
            raise DataError(
                f"{table.name} has the columns {listed(table.columns)}, but the model reads "
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


def chunks(questions: Iterable[Question], size: int = 256) -> Iterator[list[Question]]:
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

    from sunhwan.text.decoding import decode

    return decode(sys.stdin.buffer.read(), "standard input")
