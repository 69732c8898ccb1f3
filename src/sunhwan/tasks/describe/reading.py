"""Reading for description: digits, arrays, tunes, and tables with their texts."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sunhwan.config import Config
from sunhwan.data.arrays import read_arrays
from sunhwan.data.built_in_digits import BUILT_IN_DIGITS, load_digits
from sunhwan.data.headers import ROW_NAMES
from sunhwan.data.named_columns import column
from sunhwan.data.numbers import is_number
from sunhwan.data.tables import Table, read_table
from sunhwan.errors import DataError
from sunhwan.tasks.common.columns import Columns, every, is_image, step_columns
from sunhwan.tasks.common.pairs import Answered, pairs_in, pairs_of, share_of
from sunhwan.tasks.common.questions import Pair, Question, questions_in
from sunhwan.tasks.describe.tunes import TUNE, tune_pairs

TEXTS = (
    "text", "caption", "description", "sentence", "comment", "title", "설명", "문장", "글", "제목",
)  # fmt: skip
ARRAY = Columns(("x",), "text")
TESTED = 0.2
"""The share of the digits that training never sees."""


class Described(NamedTuple):
    """Contents of files: their columns, the kind of the questions, the rows, and a sentence on each.

    image_size: the side of the squares that the vectors are, or 0. An answer is "" where none is.
    """

    columns: Columns
    kind: str
    pairs: list[Pair]
    image_size: int
    notes: list[str]


def read_corpus(config: Config) -> Described:
    """The files to learn from. DataError: they are not of one kind, or none that is described."""
    first, *others = (read_described(Path(name), config) for name in config.data.source)
    if first.kind not in ("vector", "labels"):
        raise DataError(
            f"a model to describe reads no {first.kind}: set task.kind to vector or labels, or take "
            "--task translate"
        )
    for name, other in zip(config.data.source[1:], others, strict=True):
        if _kind(other) != _kind(first) or other.image_size != first.image_size:
            raise DataError(
                f"{name} and {config.data.source[0]} hold different things to describe: give files "
                "of one kind"
            )
    everything = (first, *others)
    return first._replace(
        pairs=[pair for found in everything for pair in found.pairs],
        notes=[note for found in everything for note in found.notes],
    )


def _kind(found: Described) -> tuple[Any, ...]:
    return found.columns.inputs, found.columns.target, found.kind


def read_described(path: Path, config: Config) -> Described:
    """A file to learn from. DataError: it holds no texts, or rows that cannot be read."""
    known = _known(path, tested=False)
    if known is None:
        table = read_table(path, empty_lines=True)
        columns, kind = _choose(table, config)
        columns = columns.written_as(table)
        found = pairs_of(table, columns, path, strict=config.data.strict)
        notes = [f"{table.name}: {note}" for note in (table.said, *found.notes)]
        return Described(columns, kind, found.pairs, 0, notes)
    if not all(pair.answer for pair in known.pairs):
        raise DataError(f"{path} has no texts: save them beside x as an array named text")
    return known


def described_pairs(path: Path, columns: Columns, strict: bool = False) -> Answered:
    """Questions and answers of a file, to measure a model on that reads these columns.

    Of the digits, those that training never sees.
    """
    known = _fitting(path, columns)
    if known is None:
        return pairs_in(path, columns, strict=strict)
    if not all(pair.answer for pair in known.pairs):
        raise DataError(f"{path} has no texts: save them beside x as an array named text")
    return Answered(known.pairs, [])


def described_questions(path: Path, columns: Columns) -> Iterator[Question]:
    """The questions of a file."""
    known = _fitting(path, columns)
    if known is not None:
        return (pair.question for pair in known.pairs)
    return questions_in(path, columns.inputs)


def _fitting(path: Path, columns: Columns) -> Described | None:
    known = _known(path, tested=True)
    if known is not None and len(known.columns.inputs) != len(columns.inputs):
        raise DataError(
            f"{path} holds {' and '.join(known.columns.inputs)}, but the model reads "
            f"{' and '.join(columns.inputs)}: give a file of the kind it was trained on"
        )
    return known


def holds_questions(path: Path) -> bool:
    """Whether a file, or a name, is no table: arrays, tunes or the built-in digits."""
    name = path.name.lower().removesuffix(".gz")
    return str(path) in BUILT_IN_DIGITS or name.endswith((".npz", ".abc")) or path.is_dir()


def _known(path: Path, *, tested: bool) -> Described | None:
    """What a file holds whose kind says it; None: a table. tested: of the digits, which part."""
    name = path.name.lower().removesuffix(".gz")
    if str(path) in BUILT_IN_DIGITS:
        images, sentences = load_digits(str(path))
        made = _array_pairs(images, sentences, str(path))
        pairs = [p for p in made if (share_of(f"test {p.question.cells[0]}") < TESTED) == tested]
        said = f"{path}: {len(pairs):,} images of handwritten digits, from scikit-learn"
        return Described(ARRAY, "vector", pairs, images.shape[1], [said])
    if name.endswith(".npz"):
        x, texts = read_arrays(path)
        size = x.shape[1] if x.ndim == 3 and x.shape[1] == x.shape[2] else 0
        pairs = _array_pairs(x, texts or ("",) * len(x), str(path))
        return Described(ARRAY, "vector", pairs, size, [f"{path}: x of shape {x.shape}"])
    if name.endswith(".abc") or path.is_dir():
        pairs = tune_pairs(path)
        return Described(TUNE, "labels", pairs, 0, [f"{path}: {len(pairs):,} tunes"])
    return None


def _array_pairs(x: NDArray[np.float32], texts: Sequence[str], name: str) -> list[Pair]:
    """Each row of (N, …) as numbers in one cell, with its text."""
    rows = x.reshape(len(x), -1).tolist()
    return [
        Pair(Question((" ".join(f"{value:.9g}" for value in row),), f"{name}, row {number}"), text)
        for number, (row, text) in enumerate(zip(rows, texts, strict=True), 1)
    ]


def _choose(table: Table, config: Config) -> tuple[Columns, str]:
    """Which columns are read and how: as a vector where there are numbers or images, else labels.

    The answer is the column of a usual name, or the last that holds neither numbers nor images.
    """
    task = config.task
    texts = [
        n for n in table.columns if not (every(table, n, is_number) or every(table, n, is_image))
    ]
    usual = {name.casefold() for name in table.columns} & set(TEXTS)
    target = column(table, task.target or ("" if usual or not texts else texts[-1]), TEXTS, "texts")
    others = tuple(n for n in table.columns if n != target and n.casefold() not in ROW_NAMES)
    steps = step_columns(table, target)
    if task.input:
        inputs = tuple(column(table, name, (), "the input") for name in task.input)
    else:
        inputs = others if task.kind == "labels" or not steps else steps
    if not inputs:
        raise DataError(f"{table.name} has only the column {target!r}: add one to be described")
    vector = all(every(table, name, is_number) for name in inputs) or (
        len(inputs) == 1 and every(table, inputs[0], is_image)
    )
    return Columns(inputs, target), task.kind or ("vector" if vector else "labels")
