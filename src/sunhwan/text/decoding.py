"""Bytes become text here, strictly: UTF-8, one newline, one normal form, or one clear sentence."""

import codecs
import gzip
import re
import unicodedata
import zlib
from pathlib import Path

from sunhwan.errors import TextError
from sunhwan.files import read_plain, unpack

_SURROGATE = re.compile("[\ud800-\udfff]")
_SAMPLE = 1 << 16  # bytes looked at when guessing an encoding; a multiple of 4
# The marks of UTF-32 come first: the little-endian one begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


def normalize(text: str) -> str:
    """Normalise text that is already a `str`, such as an argument of the command line.

    Surrogates become U+FFFD, CRLF and lone CR become LF, and the result is in NFC.
    Applying it twice changes nothing more.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        text = _SURROGATE.sub("\ufffd", text)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return unicodedata.normalize("NFC", text)


def decode(data: bytes, name: str) -> str:
    """Decode `data` as strict UTF-8 and normalise it; a byte-order mark in front is dropped.

    NUL bytes are legal text. `name` is what errors call the data, usually its path.

    Raises:
        TextError: the bytes are not UTF-8; it names the line, the byte offset and the cure.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise TextError(_complaint(data, name, error)) from None
    if "\0" in text:
        wide = _wide_encoding(data, valid_utf8=True)
        if wide is not None:
            raise TextError(_sentence(data, name, data.index(0), f"looks like {wide}", wide))
    return normalize(text.removeprefix("\ufeff"))


def read_text(path: str | Path) -> str:
    """Read and `decode` one file; a name that ends in `.gz` is decompressed.

    Raises:
        TextError: the file is missing, a folder, unreadable, broken gzip or not UTF-8.
    """
    path = Path(path)
    return decode(read_bytes(path), normalize(str(path)))


def read_bytes(path: Path) -> bytes:
    """The bytes of one file, decompressed where its name ends in `.gz`."""
    shown = normalize(str(path))  # a file name may hold what no terminal can print
    try:
        data = read_plain(path)
    except FileNotFoundError:
        raise TextError(f"There is no file {shown}; check the path.") from None
    except IsADirectoryError:
        raise TextError(f"{shown} is a folder where a text file is needed.") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL character inside the path
        reason = getattr(error, "strerror", None) or str(error)
        raise TextError(f"{shown!r} cannot be read ({reason}); check the path.") from None
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


def _complaint(data: bytes, name: str, error: UnicodeDecodeError) -> str:
    start = error.start
    wide = _wide_encoding(data, valid_utf8=False)
    if wide is not None:
        return _sentence(data, name, start, f"looks like {wide}", wide)
    if data[start] == 0xED and data[start + 1 : start + 2] >= b"\xa0":
        return _sentence(data, name, start, "encodes a lone surrogate, as CESU-8 does")
    # Valid multi-byte characters before the bad byte speak for damaged UTF-8, not for CP949.
    if data[:start].isascii() and _is_cp949(data):
        return _sentence(data, name, start, "looks like CP949, the older Korean encoding", "CP949")
    if error.end == len(data) and error.reason == "unexpected end of data":
        return _sentence(data, name, start, "ends inside a character, as a file cut short does")
    return _sentence(data, name, start, f"cannot hold the byte 0x{data[start]:02X} here")


def _sentence(
    data: bytes, name: str, offset: int, finding: str, encoding: str = "ITS_ENCODING"
) -> str:
    before = data[:offset]
    line = 1 + before.count(b"\n") + before.count(b"\r") - before.count(b"\r\n")
    return (
        f"{name}, line {line}, byte offset {offset}: this is not UTF-8 text, it {finding}; "
        f"save it as UTF-8 or convert it with `iconv -f {encoding} -t UTF-8`."
    )


def _wide_encoding(data: bytes, *, valid_utf8: bool) -> str | None:
    """UTF-16 or UTF-32 where the byte-order mark or the places of the NUL bytes tell so."""
    for mark, encoding in _MARKS:
        if data.startswith(mark) and (encoding == "UTF-16" or _decodes(data, encoding)):
            return encoding
    sample = data[:_SAMPLE]
    if len(sample) < 8 or 0 not in sample or sample.count(0) == len(sample):
        return None
    for encoding in ("UTF-32LE", "UTF-32BE"):
        if _decodes(data, encoding) and sample.decode(encoding).count("\0") < len(sample) / 20:
            return encoding
    even, odd = (sample[parity::2].count(0) / (len(sample) // 2) for parity in (0, 1))
    # Bytes that are UTF-8 as well need strong evidence, because NUL is a legal character.
    needed = 0.4 if valid_utf8 else 0.02
    if odd >= needed and even <= 0.05 * odd and _decodes(data, "UTF-16LE"):
        return "UTF-16LE"
    if even >= needed and odd <= 0.05 * even and _decodes(data, "UTF-16BE"):
        return "UTF-16BE"
    return None


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _is_cp949(data: bytes) -> bool:
    try:
        wide = [character for character in data.decode("cp949") if not character.isascii()]
    except UnicodeDecodeError:
        return False
    hangul = sum("\uac00" <= character <= "\ud7a3" for character in wide)
    return 2 * hangul >= len(wide)
