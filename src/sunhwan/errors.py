"""Exceptions. A message is one sentence: what is wrong, where, how to mend it."""

import unicodedata
from collections.abc import Iterable, Sequence

LONGEST = 1000
"""Characters of a message; what is longer loses its middle, for it quotes something endless."""


def printable(text: str) -> str:
    """The text with an escape, such as \\x1b or \\n, for every character that cannot be seen."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shortened(text: str, most: int = 60) -> str:
    """The text, or its beginning and its end where it has more than so many characters."""
    if len(text) <= most:
        return text
    end = most // 3
    return f"{text[: most - end - 1]}…{text[-end:]}"


def quoted(value: object) -> str:
    """`repr` of what was given, cut short; whatever it is, there is some text."""
    try:
        return shortened(repr(value))
    except (ValueError, RecursionError):  # a number of thousands of digits, a list in a list in …
        return f"a {type(value).__name__} too large to be shown"


def listed(names: Sequence[str], most: int = 20) -> str:
    """The first names, each cut short, in words."""
    shown = ", ".join(shortened(printable(name), 30) for name in names[:most])
    return shown + (" …" if len(names) > most else "")


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """The most similar one of some names, to follow what is wrong in a sentence; "": none is.

    Hangul is compared by its letters: 리뷴 is nearly 리뷰.
    """
    from difflib import get_close_matches

    by_letters = {_letters(other): other for other in names}
    found = get_close_matches(_letters(name), by_letters, 1)
    return f" (did you mean {quoted(by_letters[found[0]])}?)" if found else ""


def _letters(name: str) -> str:
    return unicodedata.normalize("NFD", name.casefold())


class SunhwanError(Exception):
    """Something the user can mend. The command line prints it and exits with `exit_code`.

    The message is one printable line, whatever it quotes from an argument or a file.
    """

    exit_code = 1

    def __init__(self, message: str = "") -> None:
        super().__init__(shortened(printable(shortened(message, LONGEST)), LONGEST))


class UsageError(SunhwanError):
    """An argument or a setting is unusable; nothing was started."""

    exit_code = 2


class ConfigError(UsageError):
    """A key of the configuration is unknown or its value out of range; the message names the key."""


class TextError(SunhwanError):
    """A text cannot be read: it names the file and, where there is one, the line and the byte."""


class DataError(SunhwanError):
    """The data is readable but cannot make a batch (too short, empty, ids out of range)."""


class StoreError(SunhwanError):
    """A run folder, model or checkpoint is missing, damaged or locked by another trainer."""


class ShapeError(SunhwanError, ValueError):
    """A tensor has the wrong shape; the message carries the offending sizes."""


class NonFiniteError(SunhwanError):
    """A loss or gradient became infinite or NaN; it names the step, the tensor and the likely cure."""
