"""`sunhwan predict`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from sunhwan.cli.own_cell import Cells, name_cells
from sunhwan.errors import UsageError

FORMATS = ("text", "tsv", "json")


def predict(
    run: Annotated[Path, typer.Argument(help="A run folder or a model folder.")],
    file: Annotated[
        Path | None,
        typer.Argument(help="A file of questions; left out or -: standard input, one a line."),
    ] = None,
    as_: Annotated[
        str, typer.Option("--as", help="How to write the answers: text, tsv or json.")
    ] = "text",
    out: Annotated[Path | None, typer.Option(help="A file for them instead of the screen.")] = None,
    cell: Cells = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --as json.")] = False,
) -> None:
    """What a trained model says to new questions: labels, tags, translations, forecasts."""
    from sunhwan.api import Language, load
    from sunhwan.store import write_text

    form = "json" if as_json else as_
    if form not in FORMATS:
        raise UsageError(f"--as must be one of {', '.join(FORMATS)}, not {form}")
    name_cells(cell)
    found = load(run)
    if isinstance(found, Language):
        raise UsageError(f"{run} is a language model: let it write with `sunhwan sample {run}`")
    lines = []
    for answer in found.predict_file(file or Path("-")):
        if form == "json":
            line = json.dumps(answer.values, ensure_ascii=False)
        elif form == "tsv":
            line = "\t".join(" ".join(cell.split()) for cell in answer.cells)
        else:
            line = answer.text
        if out is None:
            typer.echo(line)
        else:
            lines.append(line + "\n")
    if out is not None:
        write_text(out, "".join(lines))
