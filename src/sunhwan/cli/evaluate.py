"""`sunhwan evaluate`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from sunhwan.cli.adaptation_options import CacheOption, Dynamic, adaptation_of, held_out
from sunhwan.cli.language import named_figure, noted, with_unit
from sunhwan.cli.listings import show_baselines, show_listing
from sunhwan.cli.options import Strict
from sunhwan.cli.output import echo_json
from sunhwan.cli.own_cell import Cells, name_cells
from sunhwan.errors import UsageError


def evaluate(
    run: Annotated[Path, typer.Argument(help="A run folder or a model folder.")],
    file: Annotated[
        list[str],
        typer.Argument(help="Of a language model: files, folders or globs; else one file."),
    ],
    precision: Annotated[
        str,
        typer.Option(help="Precision of the weights: fp32; or fp16 or int8, with what they cost."),
    ] = "fp32",
    picture: Annotated[
        Path | None, typer.Option(help="A PNG to draw, where the task has a picture.")
    ] = None,
    strict: Strict = False,
    baselines: Annotated[
        bool,
        typer.Option(
            "--baselines/--no-baselines",
            help="Compare with simple methods, fitted to the run's training data.",
            show_default=False,
        ),
    ] = True,
    dynamic: Dynamic = None,
    cache: CacheOption = None,
    cell: Cells = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Measure a model on a file that holds the right answers, or on a whole text."""
    from rich.text import Text

    from sunhwan import api
    from sunhwan.atomic import check_writable
    from sunhwan.cli.terminal import console, visible, watched
    from sunhwan.tasks.language_model.adapted import with_adapted, with_tuning

    name_cells(cell)
    if picture:
        check_writable(picture)
    task = api.load(run)
    adaptation = adaptation_of(run, task, dynamic, cache)
    language = task.as_language_model()
    with watched():
        review = task.review(*file, precision=precision, strict=strict)
        if adaptation and language:
            review = with_adapted(review, language, adaptation)
    if adaptation and language and "auto" in (dynamic, cache):
        review = with_tuning(review, held_out(run, language))
    beside = None
    if baselines:
        try:
            beside = api.baselines(run, task, review)
        except UsageError as error:
            review = review._replace(notes=[*review.notes, str(error)])
    if picture:
        from sunhwan.plots import draw_review

        draw_review(review, picture)
    if as_json:
        notes = {"notes": list(review.notes)} if review.notes else {}
        compared = {"baselines": beside.to_dict()} if beside else {}
        echo_json({**review.scores.to_dict(), **review.values, **compared, **notes})
        return
    for note in review.notes:
        console().print(Text(visible(noted(note))))
    _show(review.table())
    if beside:
        show_baselines(beside, task)
    for listing in review.listings:
        show_listing(listing)


def _show(rows: list[tuple[str, Any]]) -> None:
    from rich.table import Table

    from sunhwan.cli.terminal import console

    table = Table(show_header=False, box=None)
    for name, *cells in rows:
        table.add_row(named_figure(name), *map(with_unit, cells))
    console().print(table)
