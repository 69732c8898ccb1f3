"""`sunhwan export`."""

from pathlib import Path
from typing import Annotated

import typer

from sunhwan.cli.output import echo, echo_json
from sunhwan.cli.own_cell import Cells, name_cells


def export(
    run: Annotated[Path, typer.Argument(help="A run folder or a model folder.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where to write.", show_default=False)],
    to: Annotated[
        str, typer.Option("--to", help="The format: onnx, a folder; c or html, a file.")
    ] = "onnx",
    weights: Annotated[
        str | None,
        typer.Option(
            "--weights", help="What weights are kept in: fp32, fp16 or int8.", show_default=False
        ),
    ] = None,
    cell: Cells = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Write a trained model as files that need neither sunhwan nor PyTorch.

    What is written was run and compared with the model; a file that disagrees is not kept.
    """
    from sunhwan.exporting import export as write

    name_cells(cell)
    found = write(run, out, to, weights)
    if as_json:
        echo_json({"files": list(map(str, found.files)), "deviation": found.deviation})
        return
    for file in found.files:
        echo(f"{file}  {file.stat().st_size:,} bytes")
    for note in found.notes:
        echo(note)
    echo(found.summary())
