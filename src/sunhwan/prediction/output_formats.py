"""Output formats of predictions: text, CSV, TSV, JSON, JSON Lines, CoNLL-U and Parquet."""

import csv
import io
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from sunhwan.data.sheets import COLUMNAR, WORKBOOKS, cell_text, parquet_library
from sunhwan.errors import DataError, UsageError, did_you_mean
from sunhwan.prediction.answered import Answered, column_names, named_values
from sunhwan.tasks import Answer

Write = Callable[[str], None]


class RowWriter(ABC):
    """Writes answered rows, one after another; `close` writes what was held back."""

    names: dict[str, str]
    """Of a format with a header: the answer's names → those of its columns, once they are known."""

    def __init__(
        self,
        columns: Sequence[str],
        write: Write,
        *,
        is_table: bool = True,
        answers: Sequence[str] = (),
    ) -> None:
        """answers: names that every answer has, which stand also where there is none."""
        self.columns, self._write, self.is_table = list(columns), write, is_table
        self._without = dict.fromkeys(answers)
        self.names = {}

    @property
    def holds_back(self) -> bool:
        """Whether rows that were added are not written yet."""
        return False

    @abstractmethod
    def add(self, row: Answered) -> None:
        """Write a row."""

    def close(self) -> None:  # noqa: B027  most formats hold nothing back
        """Write what was held back."""


class TextWriter(RowWriter):
    """The answer as a person reads it; an empty line of an empty row."""

    def add(self, row: Answered) -> None:
        self._write(f"{row.answer.text if row.answer else ''}\n")


class JsonWriter(RowWriter):
    """All that the model tells, one JSON object an answer; null of an empty row."""

    def add(self, row: Answered) -> None:
        self._write(_json(row.answer.values if row.answer else None))


class JsonLinesWriter(RowWriter):
    """The row's own values and the answer's, one JSON object a line."""

    def add(self, row: Answered) -> None:
        named = named_values(row.answer) if row.answer else self._without
        names = column_names(row.values or self.columns, named)
        values = row.values or dict.fromkeys(self.columns)
        self._write(_json({**values, **{names[name]: v for name, v in named.items()}}))


class HeaderWriter(RowWriter):
    """A writer that must know the answer's columns first: empty rows before them are held back."""

    def __init__(self, columns: Sequence[str], write: Write, **options: Any) -> None:
        super().__init__(columns, write, **options)
        self._held: list[Answered] = []

    @property
    def holds_back(self) -> bool:
        return bool(self._held)

    def add(self, row: Answered) -> None:
        if not self.names:
            if row.answer is None:
                self._held.append(row)
                return
            self._begin(row.answer)
        self.record(row)

    def _begin(self, answer: Answer | None) -> None:
        named = named_values(answer) if answer else self._without
        self.names = column_names(self.columns, named)
        self.begin([*self.columns, *self.names.values()])
        held, self._held = self._held, []
        for row in held:
            self.record(row)

    def close(self) -> None:
        if not self.names:
            self._begin(None)

    def values(self, row: Answered) -> list[Any]:
        """The row's values in the order of the header; None where there is none."""
        extra = [name for name in row.values if name not in self.columns]
        if extra:
            raise DataError(
                f"row {row.number} has the key {extra[0]!r}, which the first has not: write --as jsonl"
            )
        named = named_values(row.answer) if row.answer else {}
        return [
            *(row.values.get(name) for name in self.columns),
            *(named.get(name) for name in self.names),
        ]

    @abstractmethod
    def begin(self, names: Sequence[str]) -> None:
        """The names of all columns."""

    @abstractmethod
    def record(self, row: Answered) -> None:
        """Write a row under them."""


class SeparatedWriter(HeaderWriter):
    """Rows under a header; a cell with the separator, a quote or a newline is quoted (RFC 4180)."""

    separator = ","

    def begin(self, names: Sequence[str]) -> None:
        self._row(names)

    def record(self, row: Answered) -> None:
        self._row([cell_text(value) for value in self.values(row)])

    def _row(self, cells: Sequence[str]) -> None:
        line = io.StringIO()
        csv.writer(line, delimiter=self.separator, lineterminator="\n").writerow(cells)
        self._write(line.getvalue())


class TabWriter(SeparatedWriter):
    """The same between tabs; of sentences, CoNLL: a word and its tag a line, an empty line after."""

    separator = "\t"
    SENTENCES: ClassVar = {"": "sentences"}
    """In the place of names: no header stands over sentences."""

    def _begin(self, answer: Answer | None) -> None:
        if answer and answer.rows and not self.is_table:
            self.names = dict(self.SENTENCES)
            for _ in self._held:
                self._write("\n")
            self._held = []
        else:
            super()._begin(answer)

    def record(self, row: Answered) -> None:
        if self.names != self.SENTENCES:
            super().record(row)
            return
        rows = row.answer.rows if row.answer else ()
        self._write("".join(f"{_cells(cells)}\n" for cells in rows) + "\n")


class ConlluWriter(RowWriter):
    """CoNLL-U: ten columns a word, the tag among them."""

    def add(self, row: Answered) -> None:
        if row.answer is None:
            return
        if row.answer.conllu is None:
            raise UsageError("conllu is written by models that tag words, not by those of frames")
        lines = (_cells(line) for line in row.answer.conllu)
        text = _written(row.answer.conllu)
        if text:
            self._write(f"# text = {text}\n" + "".join(f"{line}\n" for line in lines) + "\n")


def _written(lines: Sequence[Sequence[str]]) -> str:
    """Lines of CoNLL-U → the text they are written as: a range stands for its words."""
    text, last = "", 0
    for number, form, *_, misc in lines:
        first, _, end = number.partition("-")
        if int(first) > last:
            text += form + " " * ("SpaceAfter=No" not in misc.split("|"))
            last = int(end or first)
    return " ".join(text.split())


class ParquetWriter(HeaderWriter):
    """A Parquet file, in groups of rows; needs pyarrow."""

    GROUP = 10_000

    def __init__(self, columns: Sequence[str], path: Path, answers: Sequence[str] = ()) -> None:
        super().__init__(columns, lambda text: None, answers=answers)
        self._parquet, self._path = parquet_library(), path
        self._file: Any = None
        self._rows: list[list[Any]] = []

    def begin(self, names: Sequence[str]) -> None:
        self._names = list(names)

    def record(self, row: Answered) -> None:
        self._rows.append(self.values(row))
        if len(self._rows) == self.GROUP:
            self._group()

    def close(self) -> None:
        super().close()
        self._group()
        self._file.close()

    def _group(self) -> None:
        import pyarrow as arrow

        columns = [[row[place] for row in self._rows] for place in range(len(self._names))]
        self._rows = []
        try:
            if self._file is None:
                arrays = [_array(values) for values in columns]
                schema = arrow.schema(zip(self._names, (a.type for a in arrays), strict=True))
                self._file = self._parquet.ParquetWriter(self._path, schema)
            schema = self._file.schema
            arrays = [
                arrow.array(v, type=kind.type) for v, kind in zip(columns, schema, strict=True)
            ]
        except (arrow.ArrowInvalid, arrow.ArrowTypeError) as error:
            raise DataError(
                f"a column holds other values than its first rows ({error}): write --as jsonl"
            ) from None
        self._file.write_table(arrow.table(arrays, schema=schema))


def _array(values: Sequence[Any]) -> Any:
    import pyarrow as arrow

    if all(value is None for value in values):
        return arrow.array(values, type=arrow.string())
    return arrow.array(values)


WRITERS: Mapping[str, type[RowWriter]] = {
    "text": TextWriter,
    "csv": SeparatedWriter,
    "tsv": TabWriter,
    "jsonl": JsonLinesWriter,
    "json": JsonWriter,
    "conllu": ConlluWriter,
    "parquet": ParquetWriter,
}
FORMATS = tuple(WRITERS)

ENDINGS: Mapping[str, tuple[str, ...]] = {
    ".csv": ("csv",),
    ".tsv": ("tsv",),
    ".jsonl": ("jsonl", "json"),
    ".ndjson": ("jsonl", "json"),
    ".parquet": ("parquet",),
    ".pq": ("parquet",),
    ".conllu": ("conllu",),
}
"""Endings of a name → the formats it may hold; the first is written where none is named."""
_OTHERS: Mapping[str, tuple[str, ...]] = {".json": ("json", "jsonl"), ".tab": ("tsv",)} | dict.fromkeys(
    (*WORKBOOKS, *COLUMNAR, ".gz", ".zst", ".zip", ".bz2", ".xz", ".npy", ".npz", ".pdf", ".png",
     ".html", ".xml"),
    (),
)  # fmt: skip
"""Endings that choose no format; those they have must be named, and most have none."""


def format_of(name: str, out: Path | None) -> str:
    """The format that is named, or that of the output's name; UsageError where it is none, or where the
    name's ending is that of another one."""
    if name and name not in FORMATS:
        near = did_you_mean(name, FORMATS)
        raise UsageError(f"--as must be one of {', '.join(FORMATS)}, not {name}{near}")
    if out is None:
        if name == "parquet":
            raise UsageError("--as parquet needs a file: name one with --out")
        return name or "text"
    ending = out.suffix.lower()
    usual = ENDINGS.get(ending, ())
    form = name or (usual[0] if usual else "text")
    if form not in (*usual, *_OTHERS.get(ending, ())) and (usual or ending in _OTHERS):
        raise UsageError(
            f"--out {out} would hold {form}, which is not what {ending} says: let the name end with "
            f"{', '.join(ENDINGS)} or .txt, or choose the format with --as"
        )
    return form


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) + "\n"


def _cells(cells: Sequence[str]) -> str:
    return "\t".join(" ".join(cell.split()) for cell in cells)
