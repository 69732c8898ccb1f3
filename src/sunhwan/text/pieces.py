"""Pieces: a text of any size as a row of normalised texts, cut where no vocabulary looks across.

A piece ends before a lone space or newline between two visible characters. Normalising, splitting
into words and cutting into subwords give the same of the pieces, one after another, as of the whole.
"""

import re
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterator
from typing import BinaryIO
from unicodedata import normalize as unicode_normalize

from sunhwan.text.decoding import NormalText
from sunhwan.text.encodings import is_wide

SIZE = 1 << 20
"""Bytes that are read at once, about a piece."""

_CUT = re.compile(r"(?<=\S)(?:[ \n]|\r\n?)(?=\S)")
WINDOW = 1 << 12
"""Bytes that are looked at for a place to cut."""
_LONGEST = 4
UNSEEN = 8 * _LONGEST
"""Bytes at the end of a window where a place to cut may not be seen."""


class NotStreamedError(Exception):
    """The bytes are in another encoding than UTF-8, or damaged: only the whole file tells."""


def read_pieces(file: BinaryIO, length: int | None = None, *, first: bool = True) -> Iterator[str]:
    """The text of an opened file in pieces, normalised as `read_text` gives it.

    A stretch without a place to cut is one piece. length: bytes to read; None: all. first: whether the
    text begins here, where a byte-order mark may stand.

    Raises:
        NotStreamedError: not all of it is UTF-8.
    """
    left = length if length is not None else -1

    def read() -> bytes:
        nonlocal left
        data = file.read(SIZE if left < 0 else min(SIZE, left))
        left -= len(data) if left >= 0 else 0
        return data

    decoder = getincrementaldecoder("utf-8")()
    try:
        data = read()
        if first and is_wide(data):
            raise NotStreamedError
        held = decoder.decode(data, final=not data)
        if first:  # as a decoder of `utf-8-sig` does, and `decode_known` once more
            held = held.removeprefix("\ufeff").removeprefix("\ufeff")
        looked = 0
        while data:
            data = read()
            cut = _last_cut(held, looked)
            if cut:
                yield _normal(held[:cut])
            looked = max(len(held) - cut - 3, 0)
            held = held[cut:] + decoder.decode(data, final=not data)
    except UnicodeDecodeError:
        raise NotStreamedError from None
    if held:
        yield _normal(held)


def next_cut(read: Callable[[int], bytes], start: int) -> int | None:
    """The first byte from `start` on where pieces may be cut; None: none, as far as can be seen.

    read: gives up to `WINDOW` bytes from a place on.
    """
    while True:
        data = read(start)
        skipped = next((i for i, byte in enumerate(data) if byte & 0xC0 != 0x80), 0)
        text = data[skipped:].decode("utf-8", "surrogateescape")
        # The last ones may be a part of a character.
        found = _CUT.search(text, 0, max(len(text) - _LONGEST, 0))
        if found:
            return start + skipped + len(text[: found.start()].encode("utf-8", "surrogateescape"))
        if len(data) < WINDOW:
            return None
        start += WINDOW - UNSEEN


def _normal(text: str) -> NormalText:
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return NormalText(unicode_normalize("NFC", text))


def _last_cut(text: str, start: int) -> int:
    """The last place from `start` on where a piece may end; 0: there is none."""
    for begin in (max(start, len(text) - WINDOW), start):
        # One character before, which the pattern looks at.
        places = [match.start() for match in _CUT.finditer(text, max(begin, 0))]
        if places:
            return places[-1]
    return 0
