"""Pieces: a text of any size as a row of normalised texts, cut where no vocabulary looks across.

A piece ends before a lone space or newline between two visible characters. Normalising, splitting
into words and cutting into subwords give the same of the pieces, one after another, as of the whole.
"""

import io
import re
import zlib
from codecs import getincrementaldecoder
from collections.abc import Iterator
from pathlib import Path
from unicodedata import normalize as unicode_normalize

from sunhwan.files import open_unpacked
from sunhwan.text.decoding import NormalText, read_known
from sunhwan.text.encodings import is_wide

SIZE = 1 << 20
"""Bytes that are read at once, about a piece."""

_CUT = re.compile(r"(?<=\S)[ \n](?=\S)")
_WINDOW = 1 << 12


class NotStreamedError(Exception):
    """The bytes are in another encoding than UTF-8, or damaged: only the whole file tells."""


def read_pieces(path: Path, *, whole: bool = False) -> Iterator[str]:
    """The text of a file in pieces, normalised as `read_text` gives it; packed files are unpacked.

    A stretch without a place to cut is one piece. whole: read it at once, in whatever encoding.

    Raises:
        NotStreamedError: not all of it is UTF-8.
        TextError, with whole: the file cannot be read.
    """
    if whole:
        text = read_known(path).text
        if text:
            yield NormalText(text)
        return
    decoder = io.IncrementalNewlineDecoder(getincrementaldecoder("utf-8")(), translate=True)
    try:
        with open_unpacked(path) as file:
            data = file.read(SIZE)
            if is_wide(data):
                raise NotStreamedError
            # As a decoder of `utf-8-sig` does, and `decode_known` once more.
            held = (
                decoder.decode(data, final=not data).removeprefix("\ufeff").removeprefix("\ufeff")
            )
            looked = 0
            while data:
                data = file.read(SIZE)
                cut = _last_cut(held, looked)
                if cut:
                    yield NormalText(unicode_normalize("NFC", held[:cut]))
                looked = max(len(held) - cut - 2, 0)
                held = held[cut:] + decoder.decode(data, final=not data)
    except UnicodeDecodeError:
        raise NotStreamedError from None
    except (OSError, EOFError, ValueError, zlib.error):
        raise NotStreamedError from None  # reading it whole says what is wrong
    if held:
        yield NormalText(unicode_normalize("NFC", held))


def _last_cut(text: str, start: int) -> int:
    """The last place from `start` on where a piece may end; 0: there is none."""
    for begin in (max(start, len(text) - _WINDOW), start):
        # One character before, which the pattern looks at.
        places = [match.start() for match in _CUT.finditer(text, max(begin, 0))]
        if places:
            return places[-1]
    return 0
