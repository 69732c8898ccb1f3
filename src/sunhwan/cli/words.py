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
    analogy: Annotated[
        str, typer.Option(help="A,B,C: what is to C as B is to A, nearest to B − A + C.")
    ] = "",
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
    from sunhwan.text.embedding_space import analogy as analogous
    from sunhwan.text.embedding_space import map_2d, neighbours

    if not token and map_ is None and not analogy:
        raise UsageError(
            "name a token to find the neighbours of, --analogy A,B,C, or --map FILE.png"
        )
    three = analogy.split(",") if analogy else []
    if analogy and (len(three) != 3 or not all(three)):
        raise UsageError(f"--analogy {analogy!r} must be three tokens with commas between: A,B,C")
    if n < 1 or most < 2:
        raise UsageError(f"-n must be 1 or more, not {n}, and --most 2 or more, not {most}")
    name_cells(cell)
    if map_ is not None:
        check_writable(map_)
    names, values = embedding(run)
    answers = [(one, {"token": one}, neighbours(names, values, one, n)) for one in token or ()]
    if three:
        a, b, c = three
        found = analogous(names, values, a, b, c, n)
        answers.append((f"{a} : {b} = {c} : ?", {"analogy": analogy}, found))
    for title, asked, found in answers:
        if as_json:
            echo_json({**asked, "neighbours": found})
        else:
            echo(printable(title))
            for name, similarity in found:
                echo(f"  {similarity:6.3f}  {name}")
    if map_ is not None:
        from sunhwan.plots import draw_map

        draw_map(names[:most], map_2d(values[:most]), map_)
