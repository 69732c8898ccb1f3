"""Standard output: text and JSON, whatever the encoding of the terminal can show."""

import codecs
import io
import json
import sys
from collections.abc import Callable
from typing import Any

from sunhwan.errors import DataError, quoted

SIMPLER = {
    "…": "...", "→": "->", "−": "-", "·": ".", "│": "|", "─": "-", "█": "#", "≥": ">=", "≤": "<=",
    "×": "x", "√": "sqrt", "⊙": "*", "σ": "sigmoid", "′": "'", "‘": "'", "’": "'", "“": '"', "”": '"',
}  # fmt: skip
"""What the messages themselves use, in ASCII."""


class _Replacing:
    """The error handler of the output: it writes "?" for a character, and knows that it did."""

    acted = False

    def __call__(self, error: UnicodeError) -> tuple[str, int]:
        if not isinstance(error, UnicodeEncodeError):
            raise error
        lost = error.object[error.start : error.end]
        if any(character not in SIMPLER for character in lost):
            self.acted = True
        return "".join(SIMPLER.get(character, "?") for character in lost), error.end


def replace_unshowable() -> _Replacing:
    """Let standard output and error replace what their encoding lacks: no work is lost for a letter."""
    replacing = _Replacing()
    codecs.register_error("sunhwan-replace", replacing)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="sunhwan-replace")
    return replacing


def echo(text: object = "", *, end: str = "\n") -> None:
    """Print to standard output at once."""
    print(text, end=end, flush=True)


def printing(form: str) -> Callable[[str], None]:
    """Print pieces of a format to standard output; in a terminal what cannot be seen is escaped.

    A letter that the encoding of a pipe lacks is replaced in "text" and escaped in JSON; in what else a
    program reads it is a DataError.
    """
    from sunhwan.cli.terminal import shown

    def write(text: str) -> None:
        if form != "text" and not sys.stdout.isatty():
            encoding = sys.stdout.encoding or "utf-8"
            try:
                text.encode(encoding, "surrogatepass")
            except UnicodeEncodeError as error:
                if form.startswith("json"):
                    escaped = (c if c.isascii() else json.dumps(c)[1:-1] for c in text)
                    return echo("".join(escaped), end="")
                raise DataError(
                    f"{quoted(error.object[error.start])} cannot be written in {encoding}, the encoding of "
                    "standard output: name a file with --out, or set PYTHONIOENCODING=utf-8"
                ) from None
        echo(shown(text), end="")

    return write


def complain(sentence: str, style: str = "bold red") -> None:
    """Print one sentence to standard error; in a terminal it is broken between words."""
    if not sys.stderr.isatty():
        print(f"sunhwan: {sentence}", file=sys.stderr)
        return
    from rich.text import Text

    from sunhwan.cli.terminal import console

    console(stderr=True).print(Text("sunhwan: ", style).append(sentence, "not bold default"))


def echo_json(value: Any) -> None:
    """Print one JSON value in one line, with escapes where the encoding is not UTF-8."""
    is_unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    echo(json.dumps(value, ensure_ascii=not is_unicode))
