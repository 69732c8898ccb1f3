"""Batch prediction: a file answered into another one, whole or not at all, and continued after a kill."""

import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

from sunhwan.atomic import reported, sync_folder, write_text
from sunhwan.errors import DataError, StoreError, SunhwanError, UsageError
from sunhwan.files import read_json
from sunhwan.prediction.answered import Answered, Rows, answer_rows, open_rows
from sunhwan.prediction.output_formats import WRITERS, ParquetWriter, RowWriter, Write
from sunhwan.tasks import Task

SAVED_EVERY = 2.0
"""Seconds between two records of how far an output is."""


class Summary(NamedTuple):
    """What a prediction made: rows answered, rows left out, those that were there before, seconds."""

    answered: int
    left_out: int
    before: int
    seconds: float


def predict_into(
    task: Task,
    path: Path,
    out: Path | Write,
    *,
    form: str,
    options: Mapping[str, Any] | None = None,
    header: bool | None = None,
    known_ahead: Path | None = None,
    on_problem: Callable[[SunhwanError], None] | None = None,
    skip_done: bool = False,
    on_row: Callable[[Answered], None] | None = None,
) -> Summary:
    """Answer each row of a file and write it in a format of `FORMATS`.

    Rows are read, answered and written a few hundred at a time, whatever the size of the file.

    Args:
        task: the model.
        path: the questions; "-": standard input.
        out: a file, which is replaced when all is done; or what takes pieces of text at once.
        form: the name of the format.
        options: of the task's answers.
        header: whether the first row names the columns; None: inferred.
        known_ahead: of series, a file of the columns that are known of the steps to come.
        on_problem: is told of each row that cannot be answered, which is left out; None: it is raised.
        skip_done: go on with an output that was not finished; one that was is left as it is.
        on_row: is told of each row.
    """
    begun = time.perf_counter()
    left_out = 0
    if form == "conllu" and not task.labels_steps:
        raise UsageError(f"conllu is written by models that tag words, not by a {task.title}")

    def count(error: SunhwanError) -> None:
        nonlocal left_out
        left_out += 1
        assert on_problem is not None
        on_problem(error)

    target = _Target(out, form, path, skip_done)
    answered = before = 0
    if target.is_finished:
        return Summary(0, 0, target.rows, 0.0)
    with target, open_rows(task, path, header, known_ahead) as rows:
        before = target.rows
        _pass(rows, before)
        writer = target.writer(rows)
        given = dict(options or {})
        if target.asked and "seed" in task.options:
            given["seed"] = given.get("seed", 1) + given.get("n", 1) * target.asked
        for row in answer_rows(task, rows, given, count if on_problem else None):
            target.reach(row)
            writer.add(row)
            answered += row.answer is not None
            if on_row is not None:
                on_row(row)
        writer.close()
        if left_out and not answered:
            raise DataError(f"none of the {left_out:,} rows of {path} could be answered")
    return Summary(answered, left_out, before, time.perf_counter() - begun)


def _pass(rows: Rows, count: int) -> None:
    """Go past the first rows."""
    for _ in range(count):
        next(rows.asked, None)


class _Target:
    """Where the answers go: a part beside the file, which takes its name when all is done.

    A record beside the part tells how many rows are in it, and of which questions and which format.
    """

    def __init__(self, out: Path | Write, form: str, source: Path, skip_done: bool) -> None:
        self._out, self._form, self._source, self._skip_done = out, form, source, skip_done
        self.rows = self.asked = self._bytes = 0
        self.is_finished = False
        self._names: dict[str, str] = {}
        self._last = time.monotonic()
        self._reached: Answered | None = None
        self._writer: RowWriter | None = None
        self._identity = (
            [] if str(source) == "-" or form == "parquet" else [form, *_identity(source)]
        )
        if skip_done and not (isinstance(out, Path) and self._identity):
            raise UsageError(
                "--skip-done is for a file of questions, a file of answers (--out), and every format but "
                "parquet, which cannot be continued"
            )
        if isinstance(out, Path):
            self._part = out.with_name(f"{out.name}.part")
            self._record = out.with_name(f".{out.name}.progress")
            if skip_done:
                self._look(out)

    def _look(self, out: Path) -> None:
        """What is there of an earlier time."""
        if out.exists():
            if self._source.exists() and out.stat().st_mtime < self._source.stat().st_mtime:
                raise StoreError(
                    f"{out} is older than {self._source}, so it holds the answers to other rows: remove "
                    "it or name another --out"
                )
            self.is_finished = True
        elif self._part.exists():
            try:
                record = read_json(self._record)
                identity, names = record["identity"], record["names"]
                rows, asked, size = (int(record[key]) for key in ("rows", "asked", "bytes"))
            except (OSError, ValueError, KeyError, TypeError):
                return  # killed before the first record: begun anew
            if identity != self._identity:
                raise StoreError(
                    f"{self._part} holds answers to other questions or in another format: remove it or "
                    "name another --out"
                )
            with reported(self._part), self._part.open("r+b") as file:
                file.truncate(size)
            self.rows, self.asked, self._bytes, self._names = rows, asked, size, names

    def __enter__(self) -> Self:
        if isinstance(self._out, Path):
            with reported(self._out):
                self._file = self._part.open("ab" if self.rows else "wb")
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if not isinstance(self._out, Path):
            return
        with reported(self._out):
            kept = kind is not None and self._skip_done
            if kept:
                self._save()
            elif kind is None and self._form != "parquet":
                self._sync()
            self._file.close()
            if kind is None:
                self._part.replace(self._out)
                sync_folder(self._out.parent)
            elif not kept:
                self._part.unlink(missing_ok=True)
            if not kept:
                self._record.unlink(missing_ok=True)

    def writer(self, rows: Rows) -> RowWriter:
        """The writer of the format into this place, which goes on where the part ends."""
        write = self._write if isinstance(self._out, Path) else self._out
        if self._form == "parquet":
            self._writer = ParquetWriter(rows.columns, self._part)
        else:
            self._writer = WRITERS[self._form](rows.columns, write, is_table=rows.is_table)
        self._writer.names = self._names
        return self._writer

    def reach(self, row: Answered) -> None:
        """A row is about to be written: all rows before it are."""
        last, self._reached = self._reached, row
        if not isinstance(self._out, Path) or last is None or row.number == last.number:
            return
        assert self._writer is not None
        if not self._writer.holds_back:
            self.rows, self._bytes = last.number, self._file.tell()
        self.asked += last.answer is not None
        if self._identity and time.monotonic() - self._last > SAVED_EVERY:
            self._save()

    def _write(self, text: str) -> None:
        with reported(self._part):
            self._file.write(text.encode("utf-8", "surrogatepass"))

    def _sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())

    def _save(self) -> None:
        self._sync()
        self._last = time.monotonic()
        record = {
            "identity": self._identity, "rows": self.rows, "asked": self.asked, "bytes": self._bytes,
            "names": self._writer.names if self._writer else {},
        }  # fmt: skip
        write_text(self._record, json.dumps(record))


def _identity(source: Path) -> list[Any]:
    if not source.exists():  # the name of data that is built in, or an error that its reader tells
        return [str(source)]
    status = source.stat()
    return [str(source.absolute()), status.st_size, status.st_mtime_ns]
