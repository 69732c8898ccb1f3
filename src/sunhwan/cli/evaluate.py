"""`sunhwan evaluate`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sunhwan.cli.own_cell import Cells, name_cells
from sunhwan.errors import UsageError

if TYPE_CHECKING:
    from sunhwan.api import Language, Predictor


def evaluate(
    run: Annotated[Path, typer.Argument(help="A run folder or a model folder.")],
    file: Annotated[
        list[str],
        typer.Argument(help="Of a language model: files, folders or globs; else one file."),
    ],
    precision: Annotated[
        str, typer.Option(help="Of the weights: fp32; or fp16, int8, and what they cost.")
    ] = "fp32",
    picture: Annotated[
        Path | None, typer.Option(help="A PNG to draw, where the task has a picture.")
    ] = None,
    cell: Cells = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """How good a model is on a file that holds the right answers, or on a whole text."""
    from sunhwan.api import Language, load

    name_cells(cell)
    found = load(run)
    if isinstance(found, Language):
        if picture:
            raise UsageError("--picture: a language model's figures have no picture")
        _evaluate_language(found, file, precision, as_json)
    else:
        if precision != "fp32":
            raise UsageError(f"--precision is for language models, not for {found.task.name}")
        if len(file) != 1:
            raise UsageError("give one file to evaluate on")
        _evaluate_task(found, file[0], picture, as_json)


def _evaluate_language(
    language: "Language", file: list[str], precision: str, as_json: bool
) -> None:
    scores = language.evaluate(*file, precision=precision)
    found, rows = scores.to_dict(), scores.table()
    if precision != "fp32":
        whole = language.evaluate(*file).bits_per_character
        lost = scores.bits_per_character - whole
        found |= {"precision": precision, "lost": lost}
        rows.insert(3, (f"of which {precision} costs", f"{lost:+.5f}"))
    if as_json:
        typer.echo(json.dumps(found))
    else:
        _show(rows)


def _evaluate_task(predictor: "Predictor", file: str, picture: Path | None, as_json: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    from sunhwan.cli.terminal import console

    review = predictor.review(file)
    if picture:
        from sunhwan.plots import draw_review

        draw_review(review, picture)
    if as_json:
        typer.echo(json.dumps({**review.scores.to_dict(), **review.values}, ensure_ascii=False))
        return
    _show(review.scores.table())
    for listing in review.listings:
        table = Table(title=listing.title, title_justify="left", box=None)
        for name in listing.columns:
            table.add_column(name, overflow="fold")
        for row in listing.rows:
            table.add_row(*map(Text, row))
        console().print("")
        console().print(table)


def _show(rows: list[tuple[str, Any]]) -> None:
    from rich.table import Table

    from sunhwan.cli.terminal import console

    table = Table(show_header=False, box=None)
    for row in rows:
        table.add_row(*row)
    console().print(table)
