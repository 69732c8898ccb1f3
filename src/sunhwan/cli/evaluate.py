"""`sunhwan evaluate`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from sunhwan.cli.own_cell import Cells, name_cells


def evaluate(
    run: Annotated[Path, typer.Argument(help="A run folder or a model folder.")],
    file: Annotated[list[str], typer.Argument(help="The text: files, folders or globs.")],
    cell: Cells = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Score a whole text: loss, perplexity, bits per character, accuracy."""
    from sunhwan.api import load

    name_cells(cell)
    scores = load(run).evaluate(*file)
    if as_json:
        typer.echo(json.dumps(scores.to_dict()))
        return
    from rich.table import Table

    from sunhwan.cli.terminal import console

    table = Table(show_header=False, box=None)
    table.add_row("loss", f"{scores.loss:.4f} nats per token")
    table.add_row("perplexity", f"{scores.perplexity:.3f}")
    table.add_row("bits per character", f"{scores.bits_per_character:.4f}")
    table.add_row("accuracy", f"{scores.accuracy:.4f}")
    table.add_row("tokens", f"{scores.tokens:,}")
    table.add_row("characters", f"{scores.characters:,}")
    if scores.unknown:
        table.add_row("unknown tokens", f"{scores.unknown:,} (scored as UNK, which flatters)")
    console().print(table)
