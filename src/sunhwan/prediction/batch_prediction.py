"""Batch prediction: a file answered into another one, whole or not at all, and continued after a kill."""

import hashlib
import itertools
import json
import math
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Self

from filelock import FileLock, Timeout

from sunhwan.atomic import reported, sync_folder, write_text
from sunhwan.errors import DataError, StoreError, SunhwanError, UsageError
from sunhwan.files import read_json
from sunhwan.prediction.answered import Answered, Asked, AskedRows, answer_rows, open_rows
from sunhwan.prediction.kept_files import check_unread
from sunhwan.prediction.output_formats import WRITERS, ParquetWriter, RowWriter, Write
from sunhwan.prediction.processes import Jobs, answer_in_processes, check_jobs
from sunhwan.store.tensors import digest
from sunhwan.tasks import Task
from sunhwan.tasks.common.questions import CHUNK

_DECIMAL = re.compile(r"(-?[0-9]+\.([0-9]+)(e[+-]?[0-9]+)?)")
SAVED_EVERY = 2.0
"""Seconds between two records of how far an output is."""


class Summary(NamedTuple):
    """Summary of a prediction: rows answered, rows left out, those that were there before, seconds.

    finished: whether all was done before.
    """

    answered: int
    left_out: int
    before: int
    seconds: float
    finished: bool = False


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
    on_note: Callable[[str], None] | None = None,
    jobs: Jobs | None = None,
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
        on_row: is told of each row. on_note: is told what of the file was no question, such as a header.
        jobs: processes that answer the rows, to the same bytes; None: this one.
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

    if isinstance(out, Path):
        check_unread(out, [path, *filter(None, [known_ahead])])
    made_by = {"options": dict(options or {}), "header": header}
    target = _Target(out, form, path, skip_done, lambda: [model_digest(task), made_by])
    broken = on_problem is not None
    if target.is_finished:
        with open_rows(task, path, header, known_ahead, broken_rows=True) as rows:
            some = replace(rows, asked=_first(rows.asked))
            first = answer_rows(task, some, dict(options or {}), lambda error: None)
            target.check_begins_alike(rows, first, task.answer_columns)
    answered = before = 0
    if target.is_finished:
        return Summary(0, 0, 0, 0.0, finished=True)
    with target, open_rows(task, path, header, known_ahead, broken_rows=broken) as rows:
        if jobs is not None:
            check_jobs(jobs, rows)
        before = target.rows
        asked = _pass(rows, before)
        writer = target.writer(rows, task.answer_columns)
        given, told = dict(options or {}), count if on_problem else None
        if jobs is None:
            answers = answer_rows(task, rows, given, told, asked)
        else:
            answers = answer_in_processes(jobs, rows, given, told, asked)
        with closing(answers):
            for row in answers:
                target.reach(row)
                writer.add(row)
                answered += row.answer is not None
                if on_row is not None:
                    on_row(row)
        writer.close()
        if on_note is not None:
            for note in rows.notes:
                on_note(note)
        if left_out and not answered:
            raise DataError(f"none of the {left_out:,} rows of {path} could be answered")
    return Summary(answered, left_out, before, time.perf_counter() - begun)


def _pass(rows: AskedRows, count: int) -> int:
    """Go past the first rows; how many questions are among them."""
    return sum(row.is_question for row in itertools.islice(rows.asked, count))


def model_digest(task: Task) -> str:
    """SHA-256 of a model: configuration, preprocessing and weights."""
    parts = [json.dumps(task.preprocessing(), sort_keys=True), task.config.to_toml()]
    parts += [digest(name, tensor.cpu()) for name, tensor in task.model.state_dict().items()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def part_of(out: Path) -> Path:
    """Where the answers stand until all is done."""
    return out.with_name(f"{out.name}.part")


class _Target:
    """Where the answers go: a part beside the file, which takes its name when all is done.

    A record beside the part tells how many rows are in it, and of which questions and which format.
    """

    def __init__(
        self,
        out: Path | Write,
        form: str,
        source: Path,
        skip_done: bool,
        made_by: Callable[[], list[Any]],
    ) -> None:
        """made_by: the model and the options, which with the questions decide on every answer; asked for
        once there is something to go on with, as the weights of a model may be many."""
        self._out, self._form, self._source, self._skip_done = out, form, source, skip_done
        self.rows = self._bytes = self._written = 0
        self.is_finished = False
        self._names: dict[str, str] = {}
        self._last = time.monotonic()
        self._reached: Answered | None = None
        self._writer: RowWriter | None = None
        continued = isinstance(out, Path) and str(source) != "-" and form != "parquet"
        if skip_done and not continued:
            raise UsageError(
                "--skip-done is for a file of questions, a file of answers (--out), and every format but "
                "parquet, which cannot be continued"
            )
        self._asked_for, self._made_by = [form, *_identity(source)] if continued else [], made_by
        if isinstance(out, Path):
            self._part = part_of(out)
            self._record = out.with_name(f".{out.name}.progress")
            self._lock = FileLock(out.with_name(f".{out.name}.lock"))
            if skip_done and out.exists():
                self._check_finished(out)

    @cached_property
    def _identity(self) -> list[Any]:
        return [*self._asked_for, *self._made_by()] if self._asked_for else []

    def check_begins_alike(
        self, rows: AskedRows, answers: Iterable[Answered], names: Sequence[str]
    ) -> None:
        """StoreError where a finished output does not begin with these answers to the first questions.

        Numbers may differ in their last digits, as those of other machines do.
        """
        assert isinstance(self._out, Path)
        pieces: list[str] = []
        writer = WRITERS[self._form](
            rows.columns, pieces.append, is_table=rows.is_table, answers=names
        )
        for row in answers:
            writer.add(row)
        if next(rows.asked, None) is None:
            writer.close()
        begun = "".join(pieces)
        with self._out.open("rb") as file:
            lines = b"".join(itertools.islice(file, begun.count("\n")))
        if not _alike(begun, lines.decode("utf-8", "replace")):
            raise StoreError(
                f"{self._out} holds answers to other questions, of another model or with other options: "
                "remove it or name another --out"
            )

    def _check_finished(self, out: Path) -> None:
        if self._source.exists() and out.stat().st_mtime < self._source.stat().st_mtime:
            raise StoreError(
                f"{out} is older than {self._source}, so it holds the answers to other rows: remove "
                "it or name another --out"
            )
        self.is_finished = True

    def _look(self) -> None:
        """What is there of an earlier time: gone on with, or refused."""
        try:
            with self._part.open("rb"):
                record = read_json(self._record)
            identity, names = record["identity"], record["names"]
            rows, size = int(record["rows"]), int(record["bytes"])
        except (OSError, ValueError, KeyError, TypeError):
            return  # there is none, or it was killed before the first record: begun anew
        if not self._skip_done:
            raise StoreError(
                f"{self._part} holds the answers to {rows:,} rows of a prediction that was interrupted: go "
                "on with --skip-done, or remove it"
            )
        if identity != self._identity:
            raise StoreError(
                f"{self._part} holds answers to other questions, of another model or with other options: "
                "remove it or name another --out"
            )
        with self._part.open("r+b") as file:
            file.truncate(size)
        self.rows, self._bytes, self._written, self._names = rows, size, size, names

    def __enter__(self) -> Self:
        if isinstance(self._out, Path):
            with reported(self._out):
                try:
                    self._lock.acquire(timeout=0)
                except Timeout:
                    raise StoreError(
                        f"another process is writing {self._out} at this moment: wait for it, or name "
                        "another --out"
                    ) from None
                try:
                    self._look()
                    self._file = self._part.open("ab" if self.rows else "wb")
                except BaseException:
                    self._unlock()
                    raise
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if not isinstance(self._out, Path):
            return
        try:
            with reported(self._out):
                self._end(self._out, kind)
        finally:
            self._unlock()

    def _end(self, out: Path, kind: Any) -> None:
        # What was recorded is kept whatever ends the work, as a kill leaves it.
        kept = kind is not None and (self._skip_done or self._record.exists())
        if kept:
            self._save()
        elif kind is None and self._form != "parquet":
            self._sync()
        self._file.close()
        if kind is None:
            self._part.replace(out)
            sync_folder(out.parent)
        elif not kept:
            self._part.unlink(missing_ok=True)
        if not kept:
            self._record.unlink(missing_ok=True)

    def _unlock(self) -> None:
        self._lock.release()
        Path(self._lock.lock_file).unlink(missing_ok=True)

    def writer(self, rows: AskedRows, answers: Sequence[str]) -> RowWriter:
        """The writer of the format into this place, which goes on where the part ends."""
        write = self._write if isinstance(self._out, Path) else self._out
        if self._form == "parquet":
            self._writer = ParquetWriter(rows.columns, self._part, answers)
        else:
            made = WRITERS[self._form]
            self._writer = made(rows.columns, write, is_table=rows.is_table, answers=answers)
        self._writer.names = self._names
        return self._writer

    def reach(self, row: Answered) -> None:
        """A row is about to be written: all rows before it are.

        Gone on with is where questions were answered together up to, so that the same ones are again.
        """
        last, self._reached = self._reached, row
        if not isinstance(self._out, Path) or last is None or row.number == last.number:
            return
        assert self._writer is not None
        if not self._writer.holds_back and row.asked // CHUNK != last.asked // CHUNK:
            self.rows, self._bytes = last.number, self._written
        if self._asked_for and self.rows and time.monotonic() - self._last > SAVED_EVERY:
            self._save()

    def _write(self, text: str) -> None:
        data = text.encode("utf-8", "surrogatepass")
        self._written += len(data)
        with reported(self._part):
            self._file.write(data)

    def _sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())

    def _save(self) -> None:
        self._sync()
        self._last = time.monotonic()
        record = {
            "identity": self._identity, "rows": self.rows, "bytes": self._bytes,
            "names": self._writer.names if self._writer else self._names,
        }  # fmt: skip
        write_text(self._record, json.dumps(record))


def _first(rows: Iterator[Asked]) -> Iterator[Asked]:
    """The rows up to the last question of those that are answered together first."""
    questions = 0
    for row in rows:
        yield row
        questions += row.is_question
        if questions == CHUNK:
            return


def _alike(one: str, other: str) -> bool:
    """Whether two texts are the same but for the last digits of their numbers."""
    if one == other:
        return True
    pairs = list(zip(_DECIMAL.findall(one), _DECIMAL.findall(other), strict=False))
    return _DECIMAL.sub("0", one) == _DECIMAL.sub("0", other) and all(
        math.isclose(float(a), float(b), rel_tol=1e-3, abs_tol=1.01 * 10.0 ** -len(digits))
        for (a, digits, _), (b, _, _) in pairs
    )


def _identity(source: Path) -> list[Any]:
    if not source.exists():  # the name of data that is built in, or an error that its reader tells
        return [str(source)]
    status = source.stat()
    return [str(source.absolute()), status.st_size, status.st_mtime_ns]
