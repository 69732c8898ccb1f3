"""`sunhwan evaluate`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from sunhwan.cli.language import named_figure
from sunhwan.cli.output import echo_json
from sunhwan.cli.own_cell import Cells, name_cells


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
    strict: Annotated[
        bool,
        typer.Option(
            "--strict", help="Refuse rows without an answer, instead of leaving them out."
        ),
    ] = False,
    cell: Cells = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Measure a model on a file that holds the right answers, or on a whole text."""
    from rich.table import Table
    from rich.text import Text

    from sunhwan.api import load
    from sunhwan.atomic import check_writable
    from sunhwan.cli.terminal import console, visible

    name_cells(cell)
    if picture:
        check_writable(picture)
    review = load(run).review(*file, precision=precision, strict=strict)
    if picture:
        from sunhwan.plots import draw_review

        draw_review(review, picture)
    if as_json:
        notes = {"notes": list(review.notes)} if review.notes else {}
        echo_json({**review.scores.to_dict(), **review.values, **notes})
        return
    for note in review.notes:
        console().print(Text(visible(note)))
    _show(review.table())
    for listing in review.listings:
        table = Table(title=named_figure(listing.title), title_justify="left", box=None)
        for name in listing.columns:
            table.add_column(Text(visible(named_figure(name))), overflow="fold")
        for row in listing.rows:
            table.add_row(*(Text(visible(cell)) for cell in row))
        console().print("")
        console().print(table)


def _show(rows: list[tuple[str, Any]]) -> None:
    from rich.table import Table

    from sunhwan.cli.terminal import console

    table = Table(show_header=False, box=None)
    for name, *cells in rows:
        table.add_row(named_figure(name), *cells)
    console().print(table)
