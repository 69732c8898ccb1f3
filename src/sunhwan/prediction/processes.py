"""Prediction in worker processes: rows answered by several copies of a model, in the order of the rows.

A model of short rows spends its time in Python, one thread of which runs at a time; so each worker is a
process of its own, with one thread for the kernels. It is sent as many rows as are answered together
anyway, and gives the same answers, to the bit.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch

from sunhwan.cells import own_cell
from sunhwan.errors import SunhwanError, UsageError
from sunhwan.prediction.answered import Answered, Asked, AskedRows, answer_rows
from sunhwan.store import load_model
from sunhwan.tasks import Task
from sunhwan.tasks.common.questions import CHUNK
from sunhwan.workers import Workers

MOST_ROWS = 16 * CHUNK
"""Empty rows that are sent together."""


class Jobs(NamedTuple):
    """Several processes that answer rows: how many, the model's folder, files with cells of one's own."""

    processes: int
    run: Path
    cells: tuple[str, ...] = ()


class _Part(NamedTuple):
    """What a worker makes of its rows: answers and rows that are left out, and what ended it."""

    found: list[Answered | SunhwanError]
    error: SunhwanError | None


def check_jobs(jobs: Jobs, rows: AskedRows) -> None:
    """UsageError where several processes cannot share the rows."""
    if jobs.processes < 1:
        raise UsageError(f"--jobs must be 1 or more, not {jobs.processes}")
    if not rows.one_answer_each:
        raise UsageError("--jobs is for rows of a file, not for series, which are read together")


def answer_in_processes(
    jobs: Jobs,
    rows: AskedRows,
    options: Mapping[str, Any],
    on_problem: Callable[[SunhwanError], None] | None = None,
    asked: int = 0,
) -> Generator[Answered]:
    """What `answer_rows` gives, from several processes.

    SunhwanError: a process was ended from outside.
    """
    sent: deque[list[Asked]] = deque()
    failed: list[SunhwanError] = []

    def inputs() -> Iterator[tuple[list[Asked], int]]:
        before = asked
        for part in _parts(rows, failed, asked):
            sent.append(part)
            yield [row._replace(values={}) for row in part], before
            before += sum(row.is_question for row in part)

    work = _Answering(str(jobs.run), jobs.cells, dict(options), on_problem is not None)
    with Workers(jobs.processes) as workers:
        for found, error in workers.map(work, inputs()):
            values = {row.number: row.values for row in sent.popleft()}
            for one in found:
                if isinstance(one, Answered):
                    yield one._replace(values=values[one.number])
                elif on_problem is not None:
                    on_problem(one)
            if error is not None:
                raise error
    if failed:
        raise failed[0]


def _parts(rows: AskedRows, failed: list[SunhwanError], asked: int) -> Iterator[list[Asked]]:
    """The rows, cut where one process would cut the questions, of which so many were asked before.

    failed: gets what ended the file before its end, to be raised after the rows before it.
    """
    some: list[Asked] = []
    before = asked
    try:
        for row in rows.asked:
            some.append(row)
            asked += row.is_question
            is_chunk = row.is_question and asked % CHUNK == 0
            if is_chunk or (asked == before and len(some) == MOST_ROWS):
                yield some
                some, before = [], asked
    except SunhwanError as error:
        failed.append(error)
    if some:
        yield some


@dataclass(frozen=True)
class _Answering:
    """The work of a process: answers to some rows, the model being loaded at the first of them."""

    run: str
    cells: tuple[str, ...]
    options: dict[str, Any]
    leave_out: bool

    def __call__(self, part: tuple[list[Asked], int]) -> _Part:
        """The answers to rows before which so many questions were asked."""
        found: list[Answered | SunhwanError] = []
        rows, asked = part
        task, left_out = _model(self.run, self.cells), found.append if self.leave_out else None
        try:
            for row in answer_rows(task, AskedRows((), iter(rows)), self.options, left_out, asked):
                found.append(_sendable(row))
        except SunhwanError as error:
            return _Part(found, error)
        return _Part(found, None)


@cache
def _model(run: str, cells: tuple[str, ...]) -> Task:
    torch.set_num_threads(1)
    for cell in cells:
        own_cell(cell)
    return load_model(Path(run)).task


def _sendable(row: Answered) -> Answered:
    """The row without what is for a picture alone, in plain values."""
    if row.answer is None:
        return row
    return row._replace(answer=row.answer._replace(alignment=None, named=dict(row.answer.named)))
