"""`sunhwan sample`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from sunhwan.cli.own_cell import Cells, name_cells
from sunhwan.config import TEMPERATURE
from sunhwan.errors import UsageError


def sample(
    run: Annotated[Path, typer.Argument(help="A run folder or a model folder.")],
    prompt: Annotated[str, typer.Option("--prompt", "-p", help="How the text begins.")] = "",
    length: Annotated[int, typer.Option(help="At most so many tokens.")] = 500,
    n: Annotated[int, typer.Option("-n", "--n", help="How many texts; seeds count up.")] = 1,
    temperature: Annotated[
        float,
        typer.Option(
            "--temperature", "-t", help="Below 1 bolder words grow rarer; 0: the likeliest."
        ),
    ] = TEMPERATURE,
    top_k: Annotated[int, typer.Option(help="Draw from the k likeliest tokens; 0: all.")] = 0,
    top_p: Annotated[
        float, typer.Option(help="Draw from the likeliest tokens holding this mass.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same text.")] = 1,
    until_eos: Annotated[
        bool, typer.Option("--until-eos", help="Stop where the model ends the text.")
    ] = False,
    cell: Cells = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a text.")] = False,
) -> None:
    """Let a trained model write."""
    from sunhwan import decode
    from sunhwan.store import load_model
    from sunhwan.text import normalize

    decode.check_options(length, temperature, top_k, top_p, seed)
    decode.check_options(length, temperature, top_k, top_p, seed + n - 1)
    if n < 1:
        raise UsageError(f"-n must be 1 or more, not {n}")
    prompt = normalize(prompt)  # an argument can hold bytes that are no text
    name_cells(cell)
    saved = load_model(run)
    for one in range(seed, seed + n):
        pieces = decode.stream(
            saved.model,
            saved.vocabulary,
            prompt,
            length=length,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            seed=one,
            until_eos=until_eos,
        )
        if as_json:
            text = "".join(pieces)
            typer.echo(
                json.dumps({"prompt": prompt, "text": text, "seed": one}, ensure_ascii=False)
            )
            continue
        if n > 1:
            typer.echo(f"── seed {one} ──")
        typer.echo(prompt, nl=False)
        for piece in pieces:
            typer.echo(piece, nl=False)
        typer.echo()
