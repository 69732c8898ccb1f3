"""`sunhwan words`."""

from pathlib import Path
from typing import Annotated

import typer

from sunhwan.cli.output import echo, echo_json
from sunhwan.cli.own_cell import Cells, name_cells
from sunhwan.errors import UsageError, printable


def words(
    run: Annotated[Path, typer.Argument(help="A run folder or a model folder.")],
    token: Annotated[
        list[str] | None, typer.Argument(help="Words, or other tokens, to find the neighbours of.")
    ] = None,
    n: Annotated[int, typer.Option("-n", "--n", help="How many neighbours.")] = 10,
    map_: Annotated[
        Path | None, typer.Option("--map", help="A PNG of the tokens laid out in the plane.")
    ] = None,
    most: Annotated[
        int, typer.Option(help="Tokens on the map, the first of the vocabulary.")
    ] = 300,
    cell: Cells = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a word.")] = False,
) -> None:
    """Show which tokens the model takes for similar: nearest neighbours, and a map of all."""
    from sunhwan.api import embedding
    from sunhwan.atomic import check_writable
    from sunhwan.text.embedding_space import map_2d, neighbours

    if not token and map_ is None:
        raise UsageError("name a token to find the neighbours of, or --map FILE.png")
    if n < 1 or most < 2:
        raise UsageError(f"-n must be 1 or more, not {n}, and --most 2 or more, not {most}")
    name_cells(cell)
    if map_ is not None:
        check_writable(map_)
    names, values = embedding(run)
    for one in token or ():
        found = neighbours(names, values, one, n)
        if as_json:
            echo_json({"token": one, "neighbours": found})
        else:
            echo(printable(one))
            for name, similarity in found:
                echo(f"  {similarity:6.3f}  {name}")
    if map_ is not None:
        from sunhwan.plots import draw_map

        draw_map(names[:most], map_2d(values[:most]), map_)
