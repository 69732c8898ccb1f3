"""`sunhwan lab grid`: rows and blocks of truncated backpropagation through time."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sunhwan.cli.lab_tables import lab_say
from sunhwan.cli.language import language
from sunhwan.cli.output import echo_json

if TYPE_CHECKING:
    from rich.table import Table

    from sunhwan.lab.grid import Grid


def grid(
    length: Annotated[int, typer.Option(help="L: steps of the text, x0 … x(L-1).")] = 1000,
    batch: Annotated[int, typer.Option(help="N: rows that are read side by side.")] = 2,
    block: Annotated[int, typer.Option(help="T: steps of a block, until weights change.")] = 10,
    bptt_length: Annotated[
        int, typer.Option(help="k2: steps that the gradient goes back; 0: those of a block.")
    ] = 0,
    out: Annotated[Path | None, typer.Option(help="A PNG file for the picture.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Where each row begins, what each block reads, and how far the gradient goes back."""
    from sunhwan.cli.terminal import console
    from sunhwan.lab.grid import grid as laid_out
    from sunhwan.lab.grid_figure import draw_grid, summary

    found = laid_out(length, batch, block, bptt_length)
    if out is not None:
        draw_grid(found, out, language())
    if as_json:
        echo_json(found.to_dict())
        return
    target = console()
    target.print(summary(found, language()))
    target.print(_table(found))
    into = [cell.next_row for cell in found.cells if cell.next_row is not None]
    if into:
        target.print(lab_say("flows", n=f"{into[0] + 1:,}"))
    if found.bptt_length > found.block_length:
        target.print(lab_say("reach_over", back=f"{found.bptt_length:,}"))
    else:
        target.print(lab_say("reach_block"))
    if out is not None:
        target.print(lab_say("picture", path=out))


def _table(found: "Grid") -> "Table":
    """Rows down, blocks across."""
    from rich.table import Table

    from sunhwan.lab.grid_figure import named

    table = Table(box=None)
    table.add_column("")
    blocks = sorted({cell.block for cell in found.cells})
    for place, block in enumerate(blocks):
        gap = place > 0 and blocks[place - 1] < block - 1
        table.add_column(("… " if gap else "") + lab_say("block", n=f"{block + 1:,}"), no_wrap=True)
    for row in sorted({cell.row for cell in found.cells}):
        mine = [cell for cell in found.cells if cell.row == row]
        table.add_row(lab_say("row", n=f"{row + 1:,}"), *(named(cell, lab_say) for cell in mine))
    return table
