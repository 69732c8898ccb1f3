"""Options that several commands take alike."""

from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[Path | None, typer.Option(help="A TOML file of settings.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="section.key=value for any setting; `sunhwan settings` lists them."),
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict",
        help="Refuse rows without an answer and empty lines, instead of leaving them out.",
    ),
]
