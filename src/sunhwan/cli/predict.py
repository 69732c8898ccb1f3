"""`sunhwan predict`."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sunhwan.cli.language import noted, say
from sunhwan.cli.left_out import Problems
from sunhwan.cli.output import complain, printing
from sunhwan.cli.own_cell import Cells, name_cells, own_files
from sunhwan.errors import UsageError

if TYPE_CHECKING:
    from sunhwan.prediction import Answered, Summary
    from sunhwan.tasks import Answer


def predict(
    run: Annotated[Path, typer.Argument(help="A run folder or a model folder.")],
    file: Annotated[
        Path | None,
        typer.Argument(
            help="A file of questions, or the series to forecast; left out or -: standard input, one "
            "question a line."
        ),
    ] = None,
    as_: Annotated[
        str,
        typer.Option(
            "--as",
            help="How to write the answers: text; csv, tsv, jsonl or parquet: the columns of the file "
            "with the answer beside them; json: all that the model tells; conllu. Left out: as the "
            "name of --out says, else text.",
        ),
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option(
            help="The file for the answers, instead of the screen; an earlier one is replaced when all is "
            "done, but no file of questions and none the model was trained on."
        ),
    ] = None,
    header: Annotated[
        bool | None,
        typer.Option(
            "--header/--no-header",
            help="Whether the first row names the columns; left out: told from the rows.",
            show_default=False,
        ),
    ] = None,
    skip_bad: Annotated[
        bool,
        typer.Option("--skip-bad", help="Leave out rows that cannot be answered, and tell which."),
    ] = False,
    skip_done: Annotated[
        bool,
        typer.Option(
            "--skip-done", help="Go on with an --out that was interrupted; a finished one stays."
        ),
    ] = False,
    jobs: Annotated[
        int | None,
        typer.Option(
            help="Answer the rows in this many processes, each with one thread; left out: in this one."
        ),
    ] = None,
    beam: Annotated[
        int | None,
        typer.Option(help="Of a model that writes: the width of its beam search; 1: greedy (5)."),
    ] = None,
    n: Annotated[
        int | None,
        typer.Option(
            "-n", help="Of a model that writes: how many answers to draw for each question."
        ),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(
            help="Of a model that writes: above 0 answers are drawn at random, the higher the more varied."
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the random numbers (1).")] = None,
    at_least: Annotated[
        float | None,
        typer.Option(
            help="Of a classifier: give no label where its probability is below this, such as 0.8."
        ),
    ] = None,
    future: Annotated[
        Path | None,
        typer.Option(
            help="Of a forecaster: a file of the columns that are known ahead, a row for each step to come."
        ),
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(help="A PNG to draw: the forecast, or the attention of the first answer."),
    ] = None,
    cell: Cells = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --as json.")] = False,
) -> None:
    """Apply a trained model to new data: labels, tags, translations, descriptions, forecasts.

    Ends with 0 when all rows were answered or left out with --skip-bad, with 1 when something failed,
    with 2 when an option is wrong.
    """
    from sunhwan.api import load
    from sunhwan.atomic import check_writable
    from sunhwan.prediction import Jobs, check_unread, check_untrained, format_of, predict_into

    form = format_of("json" if as_json else as_, out)
    name_cells(cell)
    path = file or Path("-")
    for option, target in (("--out", out), ("--picture", picture)):
        if target is not None:
            check_writable(target)
            check_unread(target, [path, *filter(None, [future])], option)
            check_untrained(target, run, option)
    task = load(run)
    if task.command != "predict":
        raise UsageError(f"{run} is a {task.title}: use `sunhwan {task.command} {run}`")
    given = {"beam": beam, "n": n, "temperature": temperature, "seed": seed, "at_least": at_least}
    options = {name: value for name, value in given.items() if value is not None}
    for name in options:
        if name not in task.options:
            option = "-n" if name == "n" else f"--{name.replace('_', '-')}"
            why = "is no classifier" if name == "at_least" else "writes nothing"
            raise UsageError(f"{option}: a {task.title} {why}")
    if jobs is not None and picture is not None:
        raise UsageError("--picture is drawn of what one process answers: leave out --jobs")
    shared = None if jobs in (None, 1) else Jobs(jobs, run, tuple(own_files(cell)))
    if picture and task.forecasts:
        from sunhwan.plots import draw_forecasts

        questions = task.questions(path)
        if future is not None:
            questions, _ = task.with_known_ahead(questions, future)
        draw_forecasts(task.panels(list(task.answerable(questions)[0])), picture)
        picture = None
    problems = Problems() if skip_bad else None
    continued = out if str(path) != "-" and form != "parquet" else None
    with _kept(continued) as reach, _counter(out) as counted:

        def on_row(row: "Answered") -> None:
            nonlocal picture
            if picture and row.answer:
                _draw(row.answer, picture)
                picture = None
            reach(row.number)
            counted(row.number)

        summary = predict_into(
            task, path, out or printing(form), form=form, options=options, header=header,
            known_ahead=future, on_problem=problems, skip_done=skip_done, on_row=on_row,
            on_note=lambda line: complain(noted(line), "yellow"), jobs=shared,
        )  # fmt: skip
    if picture is not None:
        raise UsageError(
            f"{path} is empty or none of its rows was answered: there is nothing to draw"
        )
    if problems:
        problems.tell()
    if out is not None:
        complain(_told(summary, out), "green")


def _told(summary: "Summary", out: Path) -> str:
    if summary.finished or (summary.before and not summary.answered):
        return say("finished_before", out=out)
    pace = say("rows_per_second", speed=f"{summary.answered / max(summary.seconds, 1e-9):,.0f}")
    before = say("rows_before", count=f"{summary.before:,}") if summary.before else ""
    return say(
        "rows_answered", count=f"{summary.answered:,}", seconds=f"{summary.seconds:.1f}", pace=pace,
        before=before, out=out,
    )  # fmt: skip


@contextmanager
def _kept(out: Path | None) -> Iterator[Callable[[int], None]]:
    """Tells what is left of a prediction that ends before all is done; it is told of each row.

    out: where the answers go, None where nothing goes on with what is left.
    """
    from sunhwan.prediction import part_of

    reached = 0

    def reach(number: int) -> None:
        nonlocal reached
        reached = number

    try:
        yield reach
    except BaseException:
        if reached and out and part_of(out).exists():
            complain(say("rows_kept", file=part_of(out)), "yellow")
        raise


@contextmanager
def _counter(out: Path | None) -> Iterator[Callable[[int], None]]:
    """Counts rows in a terminal where the answers go to a file."""
    from sunhwan.cli.terminal import console

    target = console(stderr=True)
    if out is None or not target.is_terminal:
        yield lambda number: None
        return
    begun = time.monotonic()
    with target.status(say("reading")) as status:

        def counted(number: int) -> None:
            if number % 256 == 0:
                pace = number / max(time.monotonic() - begun, 1e-9)
                speed = say("rows_per_second", speed=f"{pace:,.0f}")
                status.update(f"{say('rows', count=f'{number:,}')}  {speed}")

        yield counted


def _draw(answer: "Answer", picture: Path) -> None:
    if answer.alignment is None:
        raise UsageError("--picture: this model has no attention, so there is nothing to draw")
    from sunhwan.plots import draw_attention

    source, target, weights = answer.alignment
    draw_attention(source, target, weights.numpy(), picture)
