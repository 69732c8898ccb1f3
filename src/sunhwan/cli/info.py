"""`sunhwan info`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from sunhwan.cli.own_cell import Cells, name_cells


def info(
    run: Annotated[Path, typer.Argument(help="A run folder or a model folder.")],
    cell: Cells = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """What a run or model is: sizes, training, figures, and which kernels run it here."""
    from sunhwan.api import load

    name_cells(cell)
    language = load(run)
    facts = language.facts()
    if as_json:
        typer.echo(json.dumps(facts, ensure_ascii=False))
        return
    from rich.table import Table

    from sunhwan.cli.terminal import console

    table = Table(show_header=False, box=None)
    for name, value in facts.items():
        table.add_row(name.replace("_", " "), _shown(value))
    console().print(table)
    console().print(language.model.recurrent.explain())


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key.replace('_', ' ')} {_shown(inner)}" for key, inner in value.items())
    if isinstance(value, float):
        return f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
