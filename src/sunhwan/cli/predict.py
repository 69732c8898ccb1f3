"""`sunhwan predict`."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sunhwan.cli.output import echo
from sunhwan.cli.own_cell import Cells, name_cells
from sunhwan.errors import UsageError

if TYPE_CHECKING:
    from sunhwan.tasks import Answer

FORMATS = ("text", "tsv", "json")


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
        str, typer.Option("--as", help="How to write the answers: text, tsv or json.")
    ] = "text",
    out: Annotated[Path | None, typer.Option(help="A file for them instead of the screen.")] = None,
    beam: Annotated[
        int | None,
        typer.Option(help="Of a model that writes: how many beginnings it keeps; 1: greedily (5)."),
    ] = None,
    n: Annotated[
        int | None,
        typer.Option("-n", help="Of a model that writes: answers to draw to each question."),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(
            help="Of a model that writes: over 0, draw at random, more boldly the higher."
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of what is drawn (1).")] = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            help="A PNG: of a forecast; or of where the first answer's tokens looked (attention)."
        ),
    ] = None,
    cell: Cells = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --as json.")] = False,
) -> None:
    """What a trained model says to new questions: labels, tags, translations, forecasts."""
    from sunhwan.api import load
    from sunhwan.cli.terminal import shown
    from sunhwan.store.atomic import check_writable, write_text

    form = "json" if as_json else as_
    if form not in FORMATS:
        raise UsageError(f"--as must be one of {', '.join(FORMATS)}, not {form}")
    name_cells(cell)
    for target in (out, picture):
        if target is not None:
            check_writable(target)
    task = load(run)
    if task.command != "predict":
        raise UsageError(f"{run} is a {task.title}: use `sunhwan {task.command} {run}`")
    given = {"beam": beam, "n": n, "temperature": temperature, "seed": seed}
    options = {name: value for name, value in given.items() if value is not None}
    for name in options:
        if name not in task.options:
            option = "-n" if name == "n" else f"--{name}"
            raise UsageError(f"{option}: a {task.title} writes nothing")
    questions = task.questions(file or Path("-"))
    if picture and task.forecasts:
        from sunhwan.plots import draw_forecasts

        questions = list(questions)
        draw_forecasts(task.panels(questions), picture)
        picture = None
    lines = []
    answers: Callable[..., Iterator[Answer]] = task.answers
    for answer in answers(questions, **options):
        if picture:
            _draw(answer, picture)
            picture = None
        if form == "json":
            line = json.dumps(answer.values, ensure_ascii=False)
        elif form == "tsv":
            line = answer.tsv()
        else:
            line = answer.text
        if out is None:
            echo(shown(line))
        else:
            lines.append(line + "\n")
    if out is not None:
        write_text(out, "".join(lines))


def _draw(answer: "Answer", picture: Path) -> None:
    if answer.alignment is None:
        raise UsageError("--picture: this model has no attention, so there is nothing to draw")
    from sunhwan.plots import draw_attention

    source, target, weights = answer.alignment
    draw_attention(source, target, weights.numpy(), picture)
