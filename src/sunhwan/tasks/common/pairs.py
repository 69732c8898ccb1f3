"""Pairs of question and answer: read from tables, and split into training and validation."""

import hashlib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from sunhwan.config import Config
from sunhwan.data.tables import Row, Table, read_table
from sunhwan.errors import DataError, did_you_mean, listed, quoted
from sunhwan.tasks.common.columns import Columns, choose_columns
from sunhwan.tasks.common.labels import no_answers
from sunhwan.tasks.common.questions import Pair, Question

EVIDENCE = ("evidence", "근거")
"""Names of a column with the sentence that holds the answer."""


class Answered(NamedTuple):
    """Rows that hold an answer, and how many did not, in words."""

    pairs: list[Pair]
    notes: list[str]


class Found(NamedTuple):
    """Contents of a configuration's files: which columns, the rows of each side, in words."""

    columns: Columns
    train: list[Pair]
    held_out: list[Pair]
    notes: list[str]


def pairs_of(
    table: Table,
    columns: Columns,
    path: Path,
    *,
    strict: bool = False,
    missing: Collection[str] = (),
) -> Answered:
    """The rows of a table that hold a question and an answer; the others are left out and counted.

    missing: what stands, in lower case, for no answer.

    DataError: no row holds one; or, where strict, one does not, or an empty line stands between rows.
    """
    if strict:
        table.check_filled()
    made = []
    empty: dict[str, list[str]] = {}
    told = next((table.by_case[name] for name in EVIDENCE if name in table.by_case), None)
    for row in table.rows:
        answer = row.values[columns.target]
        cells = tuple(row.values[name] for name in columns.inputs)
        lacks = columns.target if _is_none(answer, missing) else ""
        if not lacks and not any(map(str.strip, cells)):
            lacks = listed(columns.inputs)
        if lacks:
            if strict:
                raise _lacking(row, lacks, table, columns.target)
            empty.setdefault(lacks, []).append(row.where)
            continue
        evidence = row.values[told].strip() if told else ""
        made.append(Pair(Question(cells, row.where, path.parent, evidence), answer))
    if not made and set(empty) - {columns.target}:
        raise DataError(
            f"{table.name}: no row has both {listed(columns.inputs)} and {columns.target}: fill them in or "
            "name other columns with --input and --target"
        )
    if not made:
        raise DataError(
            f"{table.name}: the column {columns.target!r} is empty in every row, and the answers are "
            "needed: fill it in or name another one with --target"
        )
    notes = [_left_out(lacks, where, len(table.rows)) for lacks, where in empty.items()]
    return Answered(made, [*table.left_out, *notes])


def _is_none(answer: str, missing: Collection[str]) -> bool:
    return not answer.strip() or answer.strip().casefold() in missing


def _lacking(row: Row, lacks: str, table: Table, target: str) -> DataError:
    """The mistake of a row without an answer or a question, where none may be left out."""
    if lacks != target:
        return DataError(
            f"{row.where}: there is no {lacks} to read: fill it in or leave the row out"
        )
    cell = row.values[target].strip()
    if cell:
        return DataError(
            f"{row.where}: the column {target!r} holds {quoted(cell)}, which means no answer, and the "
            "answer is needed: fill it in or leave the row out"
        )
    empty = sum(not r.values[target].strip() for r in table.rows)
    return DataError(
        f"{row.where}: the column {target!r} is empty, as in {empty:,} of {len(table.rows):,} rows, and "
        "the answer is needed: fill it in or leave the row out"
    )


def _left_out(column: str, where: Sequence[str], rows: int) -> str:
    if len(where) > 1:
        many, first = f"{len(where):,} of {rows:,} rows have", "the first is "
    else:
        many, first = "a row has", ""
    left = "are" if len(where) > 1 else "is"
    return f"{many} no {column} and {left} left out ({first}{where[0]})"


def find_pairs(
    config: Config, inputs: Sequence[str], targets: Sequence[str], *, labels: bool = False
) -> Found:
    """The rows of the corpus, split; inputs, targets: the columns' usual names.

    labels: whether the answers are labels, see `choose_columns`.
    """
    pairs: list[Pair] = []
    said = []
    columns: Columns | None = None
    tables = []
    for source in config.data.source:
        table = read_table(Path(source), empty_lines=True)
        if columns is None:
            columns = choose_columns(table, config, inputs, targets, labels=labels).written_as(
                table
            )
        else:
            _check_columns(table, columns, f"{config.data.source[0]}, which was read first, has")
        tables.append(table)
    assert columns is not None
    answers = (row.values[columns.target] for table in tables for row in table.rows)
    missing, told = no_answers(answers if labels else (), columns.target)
    for table, source in zip(tables, config.data.source, strict=True):
        said.append(f"{table.name}: {table.said}")
        found = pairs_of(table, columns, Path(source), strict=config.data.strict, missing=missing)
        pairs += found.pairs
        said += [f"{table.name}: {note}" for note in found.notes]
    said += told
    if config.text.validation:
        other = pairs_in(
            Path(config.text.validation), columns, strict=config.data.strict, missing=missing
        )
        train, held_out = pairs, other.pairs
        said += [f"{config.text.validation}: {note}" for note in other.notes]
    else:
        of_labels = config.task.kind == "labels"
        train, held_out = split(pairs, config.text.validation_share, labels=of_labels)
    said += [in_words(columns, train, held_out), *unvalidated(train, held_out, config)]
    return Found(columns, train, held_out, said)


def in_words(columns: Columns, train: Sequence[Pair], held_out: Sequence[Pair]) -> str:
    """What is read, what is answered, and how many rows there are."""
    return (
        f"{' and '.join(columns.inputs)} → {columns.target}: {len(train):,} rows to learn from, "
        f"{len(held_out):,} to validate on"
    )


def unvalidated(train: Sequence[Pair], held_out: Sequence[Pair], config: Config) -> list[str]:
    """A note that no row is left to validate on, where a share of them was to be."""
    if held_out or not config.text.validation_share:
        return []
    different = len({pair.question.cells for pair in train})
    return [
        f"no row is left to validate on, for {different:,} of {len(train):,} rows are different, and equal "
        "ones stay together: give more rows, or a file to --validation"
    ]


def pairs_in(
    path: Path, columns: Columns, *, strict: bool = False, missing: Collection[str] = ()
) -> Answered:
    """The rows of a file of the kind that a model was trained on; strict, missing: as of `pairs_of`."""
    table = read_table(path, empty_lines=True)
    _check_columns(table, columns, "the model was trained with it")
    return pairs_of(table, columns, path, strict=strict, missing=missing)


def _check_columns(table: Table, columns: Columns, why: str) -> None:
    for name in (*columns.inputs, columns.target):
        if name not in table.columns:
            raise DataError(
                f"{table.name} has no column {quoted(name)}{did_you_mean(name, table.columns)}, only "
                f"{listed(table.columns)}, but {why}: give files of the same columns"
            )


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
        raise DataError(_too_few(pairs))
    return train, held_out


def _too_few(pairs: Sequence[Pair]) -> str:
    different = len({pair.question.cells for pair in pairs})
    asked = quoted(" | ".join(pairs[0].question.cells)) if pairs else ""
    found = (
        f"all {len(pairs):,} rows ask the same, {asked}, so that nothing is left to validate on"
        if different == 1 < len(pairs)
        else f"{len(pairs):,} rows, {different:,} of them different, are too few to learn from and "
        "validate on"
    )
    return (
        f"{found}: give more rows, or a file of its own to text.validation and 0 to "
        "text.validation_share"
    )


def share_of(text: str) -> float:
    """A number in [0, 1) that a text alone decides: equal questions fall on one side of a split."""
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:8]) / 2**64
