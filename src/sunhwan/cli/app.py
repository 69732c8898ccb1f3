"""The commands, one a file; heavy imports wait inside them, so that --help is quick."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Annotated, Any

import typer

from sunhwan import __version__
from sunhwan.cli import (
    check_cell,
    compare,
    encode,
    evaluate,
    export,
    info,
    inspect,
    lab,
    predict,
    push,
    sample,
    score,
    serve,
    settings,
    show,
    tokenize,
    train,
    tune,
    words,
)
from sunhwan.cli.help_texts import Command, Group
from sunhwan.cli.language import language, say
from sunhwan.cli.output import echo
from sunhwan.errors import UsageError, printable


class _Group(Group):
    """Escapes what cannot be seen of the arguments that a message quotes."""

    def make_context(self, *args: Any, **options: Any) -> Any:
        with _printable():
            return super().make_context(*args, **options)

    def invoke(self, ctx: Any) -> Any:
        try:
            with _printable():
                found = super().invoke(ctx)
            sys.stdout.flush()
            return found
        except BrokenPipeError:
            # The reader of our output left (`| head`): not an error, and nothing more to say to it.
            # It is caught here, for click would end with 1.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None


@contextmanager
def _printable() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        # By its attribute, for the class is click's or, in some versions, typer's own.
        message = getattr(error, "message", None)
        if isinstance(message, str):
            with suppress(AttributeError):  # of other errors it cannot be set
                error.message = printable(message)  # type: ignore[attr-defined]
        told = getattr(error, "format_message", None)
        if told and getattr(error, "exit_code", 0) == 2 and language() != "en":
            raise UsageError(_told(told(), getattr(error, "ctx", None))) from None
        raise


def _told(sentence: str, context: Any) -> str:
    """What click found wrong, in the language that was chosen, and which help to see."""
    from sunhwan.messages.mistakes import usage_mistake

    told = usage_mistake(sentence, language())
    if context is None:
        return told
    return say("see_help", sentence=told, command=f"{context.command_path} --help")


app = typer.Typer(
    name="sunhwan",
    cls=_Group,
    help="Sunhwan (순환): train, sample and understand recurrent sequence models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: rich takes longer to import than all else that it needs
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(asked: bool) -> None:
    if asked:
        echo(f"sunhwan {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    language: Annotated[
        str | None,
        typer.Option(
            # Read before the commands are made: see `choose_language`.
            help="The language of messages and help, here or behind a command: en or ko; left out: "
            "that of this computer."
        ),
    ] = None,
) -> None:
    pass


for _function in (
    train.train, train.resume, compare.compare, tune.tune, sample.sample, predict.predict,
    evaluate.evaluate, score.score, tokenize.tokenize, serve.serve, info.info, export.export,
    push.push, inspect.inspect, show.show, words.words, encode.encode, settings.settings,
    check_cell.check_cell,
):  # fmt: skip
    app.command(cls=Command)(_function)
app.add_typer(lab.app, name="lab")
