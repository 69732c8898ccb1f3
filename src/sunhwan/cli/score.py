"""`sunhwan score`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from sunhwan.cli.adaptation_options import CacheOption, Dynamic, adaptation_of
from sunhwan.cli.language import say
from sunhwan.cli.output import echo, echo_json
from sunhwan.cli.own_cell import Cells, name_cells


def score(
    run: Annotated[Path, typer.Argument(help="A run folder or a model folder.")],
    file: Annotated[
        Path | None, typer.Argument(help="A text file; left out or -: standard input.")
    ] = None,
    tokens: Annotated[
        bool, typer.Option("--tokens", help="Each token by itself: which ones surprise the model.")
    ] = False,
    end: Annotated[
        bool,
        typer.Option(
            "--end/--no-end",
            help="Whether the probability counts that the text ends after the line (EOS, or a line "
            "break where the vocabulary has none).",
        ),
    ] = True,
    dynamic: Dynamic = None,
    cache: CacheOption = None,
    cell: Cells = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Print the log-probability of each line, in nats; each line is read from the initial state."""
    from sunhwan.api import load_language
    from sunhwan.cli.terminal import shown
    from sunhwan.text import decode, read_text

    name_cells(cell)
    language = load_language(run)
    if file is None or str(file) == "-":
        text = decode(sys.stdin.buffer.read(), "standard input")
    else:
        text = read_text(file)
    lines = text.removesuffix("\n").split("\n") if text else []
    adaptation = adaptation_of(run, language, dynamic, cache)
    for line in language.score(lines, end=end, adaptation=adaptation):
        if as_json:
            value: dict[str, object] = {
                "text": line.text,
                "log_probability": line.log_probability,
                "tokens": len(line.tokens),
            }
            if tokens:
                value["token_log_probabilities"] = [
                    [t.text, t.log_probability] for t in line.tokens
                ]
            echo_json(value)
        elif tokens:
            for token in line.tokens:
                echo(f"{token.log_probability:9.3f}  {_bar(token.log_probability)}  {token.text}")
            echo(f"{line.log_probability:9.3f}  {say('in_all')}\n")
        else:
            echo(f"{line.log_probability:10.3f}\t{shown(line.text)}")


def _bar(log_probability: float) -> str:
    """Surprise as a bar: a cell for each nat, ten at most."""
    return "█" * min(10, round(-log_probability)) + " " * max(0, 10 - round(-log_probability))
