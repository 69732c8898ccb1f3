"""The option --cell of the commands that load a model."""

from typing import Annotated

import typer

Cells = Annotated[
    list[str] | None,
    typer.Option(
        "--cell",
        help="FILE.py:CLASS, if the model was made with a cell of your own: the file is run.",
    ),
]


def own_files(cells: list[str] | None) -> list[str]:
    """Those of the options that name a file."""
    return [cell for cell in cells or () if cell.endswith(".py") or ".py:" in cell]


def name_cells(cells: list[str] | None) -> list[str]:
    """The names of cells given by name or by file; files are run, and their cells registered."""
    files = own_files(cells)
    if not files:
        return cells or []
    from sunhwan.cells import own_cell

    return [own_cell(cell) if cell in files else cell for cell in cells or ()]
