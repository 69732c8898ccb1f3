"""Answered rows: each row of a file with what a model says to it, in order and in bounded memory."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from sunhwan.data.named_columns import asked_columns
from sunhwan.data.sheets import cell_text
from sunhwan.data.streamed_tables import open_table
from sunhwan.errors import DataError, SunhwanError, UsageError
from sunhwan.tasks import Answer, Task
from sunhwan.tasks.common.questions import CHUNK, Question


class Asked(NamedTuple):
    """One row of the file: its number from 1, its cells, and the question, None of an empty row.

    problem: why it is no question, where it is none.
    """

    number: int
    values: Mapping[str, Any]
    question: Any = None
    problem: SunhwanError | None = None

    @property
    def is_question(self) -> bool:
        """Whether the row asks something that can be read."""
        return self.question is not None and self.problem is None


class Answered(NamedTuple):
    """A row with its answer; None: the row is empty and stays so. asked: questions before it."""

    number: int
    values: Mapping[str, Any]
    answer: Answer | None
    asked: int = 0


@dataclass
class AskedRows:
    """The rows of a file, to be answered; columns: none where its questions are no rows of a table.

    notes: what of it is no question, in words; complete when all are taken.
    """

    columns: tuple[str, ...]
    asked: Iterator[Asked]
    is_table: bool = False
    one_answer_each: bool = True
    notes: Sequence[str] = ()


@contextmanager
def open_rows(
    task: Task,
    path: Path,
    header: bool | None = None,
    known_ahead: Path | None = None,
    *,
    broken_rows: bool = False,
) -> Iterator[AskedRows]:
    """The rows of a file as questions of a task; known_ahead: a file of what is known of steps to come.

    broken_rows: as of `open_table`.
    """
    names = task.columns_asked
    if task.forecasts or known_ahead is not None:
        problems: list[SunhwanError] | None = [] if broken_rows else None
        questions = task.sound_questions(path, problems)
        unmatched: tuple[str, ...] = ()
        if known_ahead is not None:
            questions, unmatched = task.with_known_ahead(questions, known_ahead)
        questions, notes = task.answerable(questions)
        asked_for = _whole([*questions, *(problems or ())])
        yield AskedRows((), asked_for, one_answer_each=False, notes=(*unmatched, *notes))
        return
    if not task.asks_rows(path):
        yield AskedRows(tuple(names), _whole(task.questions(path), names))
        return
    folder = Path() if str(path) == "-" else path.parent
    with open_table(path, names, header, broken_rows=broken_rows) as table:
        wanted = asked_columns(table.name, table.columns, names)

        def asked() -> Iterator[Asked]:
            for number, row in enumerate(table.rows, 1):
                cells = tuple(cell_text(row.values.get(name)) for name in wanted)
                question, problem = None, row.problem
                if problem is None and any(cell.strip() for cell in cells):
                    try:
                        question = task.row_question(cells, row.where, folder)
                    except DataError as error:
                        problem = error
                yield Asked(number, row.values, question, problem)

        yield AskedRows(table.columns, asked(), table.is_table, notes=table.notes)


def _whole(questions: Iterable[Any], names: Sequence[str] = ()) -> Iterator[Asked]:
    """Questions that are no rows of a table, such as sentences of a treebank, or why one is none."""
    for number, question in enumerate(questions, 1):
        if isinstance(question, SunhwanError):
            yield Asked(number, {}, None, question)
            continue
        values: dict[str, str] = {}
        if names and isinstance(question, Question):
            cells = (
                question.cells if len(names) == len(question.cells) else [" ".join(question.cells)]
            )
            values = dict(zip(names, cells, strict=False))
        yield Asked(number, values, question)


def answer_rows(
    task: Task,
    rows: AskedRows,
    options: Mapping[str, Any],
    on_problem: Callable[[SunhwanError], None] | None = None,
    asked: int = 0,
) -> Generator[Answered]:
    """Each row with its answer, or its answers one after another where several are drawn.

    As many questions as `CHUNK` are answered together, counted from the beginning of the file: the last
    digits of a probability may depend on what is beside it, and shall not on where a part began or on a
    question that failed.

    asked: how many questions of the file are before these rows, for that and for the seed of each.
    on_problem: is told of a row that cannot be answered, which is left out; None: its error is raised,
    after the rows before it. UsageError is always raised, and so is an error of the file itself.
    """
    options, drawn = dict(options), options.get("n", 1)
    answers: Callable[..., Iterator[Answer]] = task.answers
    waiting: deque[Asked] = deque()
    failed: list[SunhwanError] = []
    ended = False

    def questions() -> Iterator[Any]:
        nonlocal ended
        left = CHUNK - asked % CHUNK if rows.one_answer_each else None
        try:
            for one in rows.asked:
                if one.problem is None:
                    waiting.append(one)
                    if one.question is not None:
                        yield one.question
                        left = left and left - 1
                        if left == 0:
                            return
                elif on_problem is None:
                    failed.append(one.problem)
                    break
                else:
                    on_problem(one.problem)
        except SunhwanError as error:
            failed.append(error)  # of the file, from here on: no row comes after it
        ended = True

    def seeded() -> dict[str, Any]:
        first = options.get("seed", 1) + drawn * asked
        return options | {"seed": first} if "seed" in task.options else options

    def empty_ones() -> Iterator[Answered]:
        while waiting and waiting[0].question is None:
            row = waiting.popleft()
            yield Answered(row.number, row.values, None, asked)

    while not ended:
        try:
            for number, answer in enumerate(answers(questions(), **seeded()), 1):
                yield from empty_ones()
                row = waiting[0]
                yield Answered(row.number, row.values, answer, asked)
                if rows.one_answer_each and number % drawn == 0:
                    waiting.popleft()
                    asked += 1
        except UsageError:
            raise
        except SunhwanError:
            # One of those that wait: each is asked alone, then the rest of the chunk go on together.
            while waiting:
                row = waiting.popleft()
                if row.question is None:
                    yield Answered(row.number, row.values, None, asked)
                    continue
                try:
                    for answer in list(answers([row.question], **seeded())):
                        yield Answered(row.number, row.values, answer, asked)
                except SunhwanError as error:
                    if on_problem is None:
                        raise
                    on_problem(error)
                asked += 1
    yield from empty_ones()
    if failed:
        raise failed[0]


def named_values(answer: Answer) -> dict[str, Any]:
    """An answer as columns of a table: those that it names, or else its plain values.

    Of a value that has names itself, such as quantiles, each becomes a column.
    """
    if answer.named:
        return dict(answer.named)
    found: dict[str, Any] = {}
    for name, value in answer.values.items():
        if isinstance(value, Mapping):
            found |= {f"{name}_{key}": inner for key, inner in value.items()}
        elif not isinstance(value, list | tuple):
            found[name] = value
    return found


def column_names(columns: Iterable[str], named: Iterable[str]) -> dict[str, str]:
    """The answer's names → those of its columns: with "predicted_" where the input has the name."""
    taken = set(columns)
    return {name: f"predicted_{name}" if name in taken else name for name in named}
