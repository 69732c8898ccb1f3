"""`sunhwan evaluate`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from sunhwan.cli.own_cell import Cells, name_cells


def evaluate(
    run: Annotated[Path, typer.Argument(help="A run folder or a model folder.")],
    file: Annotated[list[str], typer.Argument(help="The text: files, folders or globs.")],
    precision: Annotated[
        str, typer.Option(help="Of the weights: fp32; or fp16, int8, and what they cost.")
    ] = "fp32",
    cell: Cells = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Score a whole text: loss, perplexity, bits per character, accuracy."""
    from sunhwan.api import load

    name_cells(cell)
    language = load(run)
    scores = language.evaluate(*file, precision=precision)
    found = scores.to_dict()
    if precision != "fp32":
        whole = language.evaluate(*file).bits_per_character
        found |= {"precision": precision, "lost": scores.bits_per_character - whole}
    if as_json:
        typer.echo(json.dumps(found))
        return
    from rich.table import Table

    from sunhwan.cli.terminal import console

    table = Table(show_header=False, box=None)
    table.add_row("loss", f"{scores.loss:.4f} nats per token")
    table.add_row("perplexity", f"{scores.perplexity:.3f}")
    table.add_row("bits per character", f"{scores.bits_per_character:.4f}")
    if precision != "fp32":
        table.add_row(f"of which {precision} costs", f"{found['lost']:+.5f}")
    table.add_row("accuracy", f"{scores.accuracy:.4f}")
    table.add_row("tokens", f"{scores.tokens:,}")
    table.add_row("characters", f"{scores.characters:,}")
    if scores.unknown:
        table.add_row("unknown tokens", f"{scores.unknown:,} (scored as UNK, which flatters)")
    console().print(table)
