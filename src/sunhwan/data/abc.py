"""Tunes in ABC notation."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from sunhwan.errors import DataError
from sunhwan.text.decoding import normalize, read_text

_COMMENT = re.compile(r"(?<!\\)%.*")
_FIELD = re.compile(r"([A-Za-z+]):(.*)")


class Tune(NamedTuple):
    """One tune.

    Attributes:
        where: where it begins, such as "jigs.abc, line 12".
        fields: its header by letter, X to K; lines of the same letter are joined by a newline. M and L
            that stand above the file's first tune are those of every tune that has none.
        body: what follows, line by line, changes of key and metre (`K:D`, `M:2/4`) among it.
    """

    where: str
    fields: dict[str, str]
    body: str


def read_tunes(path: str | Path) -> tuple[Tune, ...]:
    """Read the tunes of a file, plain or `.gz`.

    A tune begins with its field X, its header ends with its first field K, and the tune itself
    before an empty line or another X. Comments (`%` to the line's end) are left out, and so is
    what stands between tunes.

    Raises:
        TextError: the file is missing, unreadable or in no known encoding.
        DataError: a header has another line than fields or no K, or there is no tune.
    """
    name = normalize(str(path))
    text = read_text(path)
    usual = _usual_fields(text)
    tunes = tuple(_tune(block, name, usual) for block in _blocks(text))
    if not tunes:
        raise DataError(
            f"{name} holds no tune; in ABC notation one begins with a line such as X:1."
        )
    return tunes


def _usual_fields(text: str) -> dict[str, str]:
    """M and L above the first tune."""
    found: dict[str, str] = {}
    for line in text.split("\n"):
        if line.startswith("X:"):
            return found
        field = _FIELD.fullmatch(_COMMENT.sub("", line).rstrip())
        if field is not None and field[1] in "ML":
            found[field[1]] = field[2].strip()
    return found


def _blocks(text: str) -> Iterator[list[tuple[int, str]]]:
    """The lines of each tune with their numbers, without comments."""
    block: list[tuple[int, str]] = []
    for number, line in enumerate(text.split("\n"), 1):
        bare = _COMMENT.sub("", line).rstrip()
        if block and (line.startswith("X:") or not line.strip()):
            yield block
            block = []
        if bare and (block or bare.startswith("X:")):
            block.append((number, bare))
    if block:
        yield block


def _tune(block: list[tuple[int, str]], name: str, usual: dict[str, str]) -> Tune:
    fields: dict[str, str] = {}
    letter = ""
    first = block[0][0]
    for place, (number, line) in enumerate(block, 1):
        field = _FIELD.fullmatch(line)
        if field is None:
            raise DataError(
                f"{name}, line {number}: the header of the tune of line {first} has no field K "
                "before this line; end it with its key, such as K:G."
            )
        if field[1] != "+":  # the sign of a line that goes on with the field before
            letter = field[1]
        value = field[2].strip()
        fields[letter] = f"{fields[letter]}\n{value}" if letter in fields else value
        if letter == "K":
            body = "\n".join(line for _, line in block[place:])
            return Tune(f"{name}, line {first}", {**usual, **fields}, body)
    raise DataError(
        f"{name}, line {first}: the tune that begins here has no field K; end its header with its "
        "key, such as K:G, and leave no empty line before that."
    )
