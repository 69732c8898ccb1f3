"""`sunhwan push`."""

from pathlib import Path
from typing import Annotated

import typer

from sunhwan.cli.output import echo, echo_json
from sunhwan.cli.own_cell import Cells, name_cells


def push(
    run: Annotated[Path, typer.Argument(help="A run folder or a model folder.")],
    name: Annotated[str, typer.Argument(help="USER/NAME on the Hugging Face Hub.")],
    private: Annotated[bool, typer.Option("--private", help="Make a new one private.")] = False,
    cell: Cells = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Send a trained model with its card to the Hugging Face Hub; hf://USER/NAME then loads it."""
    from sunhwan.api import push as send

    name_cells(cell)
    address = send(run, name, private=private)
    if as_json:
        echo_json({"address": address, "load": f"hf://{name}"})
    else:
        echo(f"{address}\nsunhwan info hf://{name}")
