"""`sunhwan tokenize`."""

import time
from typing import Annotated, Any

import typer

from sunhwan.cli.language import named_figure
from sunhwan.cli.options import ConfigFile, Settings
from sunhwan.cli.output import echo_json
from sunhwan.config import Config, parse_assignment
from sunhwan.errors import UsageError


def tokenize(
    corpus: Annotated[list[str], typer.Argument(help="Files, folders or globs; .gz and .zst too.")],
    column: Annotated[
        str | None,
        typer.Option(help="Of tables (CSV, JSON Lines, Parquet, Arrow): the column of the texts."),
    ] = None,
    vocabulary: Annotated[
        str | None, typer.Option(help="bytes, characters, words, jamo or subwords; or by the text.")
    ] = None,
    max_size: Annotated[
        int | None, typer.Option(help="Keep at most this many tokens, the most frequent.")
    ] = None,
    validation: Annotated[
        str | None, typer.Option(help="A file to validate on, instead of a tenth of each text.")
    ] = None,
    config: ConfigFile = None,
    set_: Settings = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
) -> None:
    """Make the token file of a corpus alone; training with the same settings finds it."""
    from sunhwan.cli.train import reporter_for
    from sunhwan.progress import listening
    from sunhwan.tasks.language_model.corpus import read_corpus

    given = {
        "text.corpus": corpus, "text.column": column, "text.vocabulary": vocabulary,
        "text.max_size": max_size, "text.validation": validation, "text.tokens": "file",
    }  # fmt: skip
    settings = Config.load(config) if config else Config()
    settings = settings.override(
        {name: value for name, value in given.items() if value is not None}, "the command line"
    )
    settings = settings.override(dict(map(parse_assignment, set_ or [])))
    begun, reporter = time.perf_counter(), reporter_for(quiet, as_json)
    try:
        with listening(reporter.reading):
            found = read_corpus(settings)
    finally:
        reporter.end()
    if found.folder is None:
        raise UsageError("a built-in text stays in memory: name files, folders or globs")
    facts: dict[str, Any] = {
        "folder": str(found.folder),
        "vocabulary": f"{len(found.vocabulary)} {found.vocabulary.kind}",
        "tokens": len(found.train.ids),
        "characters": found.train.characters,
        "validation tokens": 0 if found.validation is None else len(found.validation.ids),
        "seconds": round(time.perf_counter() - begun, 1),
    }
    if as_json:
        echo_json({name.replace(" ", "_"): value for name, value in facts.items()})
        return
    for note in found.notes[:-1]:
        reporter.say(note)
    _show(facts)


def _show(facts: dict[str, Any]) -> None:
    from rich.table import Table

    from sunhwan.cli.terminal import console

    table = Table(show_header=False, box=None)
    for name, value in facts.items():
        table.add_row(named_figure(name), f"{value:,}" if isinstance(value, int) else str(value))
    console().print(table)
