"""Decoding: bytes to text of one newline and one normal form, or one clear sentence."""

import gzip
import re
import unicodedata
import zlib
from pathlib import Path
from typing import NamedTuple

from sunhwan.errors import TextError, did_you_mean, shortened
from sunhwan.files import UNPACKED, beside, open_unpacked, read_plain, unpack
from sunhwan.text.encodings import Guess, recognise

_SURROGATE = re.compile("[\ud800-\udfff]")


class NormalText(str):
    """Text that was normalised: `normalize` returns it as it is. What is cut of it is plain text again."""


def normalize(text: str) -> str:
    """Normalise text that is already a `str`, such as an argument of the command line.

    Surrogates become U+FFFD, CRLF and lone CR become LF, and the result is in NFC.
    Applying it twice changes nothing more.
    """
    if isinstance(text, NormalText):
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        text = _SURROGATE.sub("\ufffd", text)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return unicodedata.normalize("NFC", text)


class Decoded(NamedTuple):
    """A text, and the name of the encoding that its bytes were in, such as "UTF-8" or "CP949"."""

    text: str
    encoding: str

    @property
    def said(self) -> str:
        """The encoding as the beginning of a sentence; "" for UTF-8, which goes without saying."""
        return "" if self.encoding == "UTF-8" else f"{self.encoding}, "


def decode(data: bytes, name: str) -> str:
    """Decode `data` and normalise it; see `decode_known`."""
    return decode_known(data, name).text


def decode_known(data: bytes, name: str) -> Decoded:
    """Decode `data`, in UTF-8 or another encoding that is certain (`recognise`), and normalise it.

    A byte-order mark in front is dropped; NUL bytes are legal text. `name` is what errors call the
    data, usually its path.

    Raises:
        TextError: the encoding is not certain, or the bytes are damaged; it names the line, the byte
            offset and the cure.
    """
    guess = recognise(data)
    if not guess.certain or not guess.name:
        raise TextError(_complaint(data, name, guess))
    try:
        text = data.decode(guess.codec)
    except UnicodeDecodeError as error:  # after a byte-order mark
        finding = f"begins as {guess.name} but has damaged bytes here"
        raise TextError(_sentence(data, name, error.start, finding)) from None
    return Decoded(normalize(text.removeprefix("\ufeff")), guess.name)


def read_text(path: str | Path) -> str:
    """Read and `decode` one file; a name that ends in `.gz` is decompressed.

    Raises:
        TextError: the file is missing, a folder, unreadable, broken gzip or in no known encoding.
    """
    return read_known(path).text


def read_known(path: str | Path) -> Decoded:
    """The same, with the name of the encoding."""
    path = Path(path)
    return decode_known(read_bytes(path), normalize(str(path)))


def read_bytes(path: Path) -> bytes:
    """The bytes of one file, decompressed where its name ends in `.gz` or `.zst`."""
    shown = normalize(str(path))  # a file name may hold what no terminal can print
    try:
        data = read_plain(path)
    except FileNotFoundError:
        near = did_you_mean(path.name, beside(path))
        raise TextError(f"There is no file {shown}{near}; check the path.") from None
    except IsADirectoryError:
        raise TextError(f"{shown} is a folder where a text file is needed.") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL character inside the path
        reason = getattr(error, "strerror", None) or str(error)
        raise TextError(f"{shown!r} cannot be read ({reason}); check the path.") from None
    if path.suffix.lower() == ".zst":
        return _unpacked_zstd(path, shown)
    if path.suffix.lower() != ".gz":
        return data
    try:
        return unpack(data)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise TextError(
            f"{shown} is not a whole gzip file ({error}); fetch it again or decompress it yourself."
        ) from None
    except (OSError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or "it does not fit in memory"
        raise TextError(f"{shown} cannot be read ({reason}); unpack and split it.") from None


def _unpacked_zstd(path: Path, shown: str) -> bytes:
    try:
        with open_unpacked(path) as file:
            data = file.read(UNPACKED + 1)
    except OSError as error:
        reason = error.strerror or str(error)
        raise TextError(f"{shown} cannot be read ({reason}); unpack it yourself.") from None
    if len(data) > UNPACKED:
        raise TextError(f"{shown} unpacks to more than {UNPACKED:,} bytes; unpack and split it.")
    return data


def _complaint(data: bytes, name: str, guess: Guess) -> str:
    kind = kind_of_file(data)
    if kind:
        return f"{name} is {kind}, where a text file is needed; save its content as UTF-8 text."
    try:
        data.decode("utf-8")
        start, reason, end = data.index(0), "", 0
    except UnicodeDecodeError as error:
        start, reason, end = error.start, error.reason, error.end
    if guess.name:
        looks = f"{guess.name}{_readings(data, guess)}"
        finding = f"looks like {looks}, which is not certain"
        return _sentence(data, name, start, finding, guess.codec)
    if data[start] == 0xED and data[start + 1 : start + 2] >= b"\xa0":
        return _sentence(data, name, start, "encodes a lone surrogate, as CESU-8 does")
    if end == len(data) and reason == "unexpected end of data":
        return _sentence(data, name, start, "ends inside a character, as a file cut short does")
    return _sentence(data, name, start, f"cannot hold the byte 0x{data[start]:02X} here")


def _readings(data: bytes, guess: Guess) -> str:
    """What the first bytes beyond ASCII are in CP949 and in Latin-1; "" of other encodings."""
    first = re.search(rb"[\x80-\xff]+", data) if guess.codec == "cp949" else None
    if first is None:
        return ""
    korean, western = (shortened(first[0].decode(c, "replace"), 20) for c in ("cp949", "latin-1"))
    return f" ({korean!r}; Latin-1: {western!r})"


def _sentence(
    data: bytes, name: str, offset: int, finding: str, encoding: str = "ITS_ENCODING"
) -> str:
    before = data[:offset]
    line = 1 + before.count(b"\n") + before.count(b"\r") - before.count(b"\r\n")
    return (
        f"{name}, line {line}, byte offset {offset}: this is not UTF-8 text, it {finding}; "
        f"save it as UTF-8 or convert it with `iconv -f {encoding} -t UTF-8`."
    )


_SIGNATURES = (
    (b"PK\x03\x04", "a ZIP archive, as workbooks of Excel (.xlsx) and LibreOffice (.ods) are"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a file of an older Office (.xls, .doc, .hwp)"),
    (b"PAR1", "a Parquet file"),
    (b"%PDF-", "a PDF"),
    (b"\x89PNG\r\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"RIFF", "a RIFF file, as WAV sound is"),
    (b"ID3", "an MP3 file"),
    (b"OggS", "an Ogg file"),
    (b"fLaC", "a FLAC file"),
    (b"\x93NUMPY", "an array of numpy"),
    (b"\x1f\x8b", "a gzip file, whose name should end in .gz"),
)


def kind_of_file(data: bytes) -> str:
    """What a file is that is no text, by its first bytes, in words; "": unknown."""
    return next((kind for mark, kind in _SIGNATURES if data.startswith(mark)), "")
