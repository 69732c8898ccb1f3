"""Pretrained word vectors: the files of word2vec, GloVe and fastText."""

import codecs
import gzip
import io
import re
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple, NoReturn, cast

import numpy as np
import numpy.typing as npt

from sunhwan.errors import TextError
from sunhwan.files import open_plain
from sunhwan.text.decoding import normalize

_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
_FASTTEXT = b"\xba\x16\x4f\x2f"  # 793712314, the magic number of fastText's model files
_HEADER = re.compile(rb"[ \t]*([0-9]{1,18})[ \t]+([0-9]{1,18})\s*")
_NUMBER = re.compile(
    rb"[-+]?(?:(?:\d++\.?\d*+|\.\d++)(?:e[-+]?\d++)?|nan|inf|infinity)", re.IGNORECASE
)
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")

_CHUNK = 1 << 24  # bytes read at once
_SAMPLE = 1 << 20  # bytes looked at to tell the formats apart
_LONGEST_WORD = 4096  # bytes
_LARGEST = 100_000  # numbers in a vector
_LONGEST_LINE = 32 * _LARGEST  # bytes
_MOST_BLANK = 1000  # empty lines at a file's end
_AGAIN = "fetch the file again"


class Vectors(NamedTuple):
    """Words and their vectors: row i of `values`, float32 of shape (n, D), belongs to words[i]."""

    words: tuple[str, ...]
    values: npt.NDArray[np.float32]


def read_vectors(path: str | Path, wanted: Collection[str] | None = None) -> Vectors:
    """Read word vectors; what the file holds decides on its format, not its name.

    - word2vec, text (Mikolov et al. 2013), and fastText .vec (Bojanowski et al. 2017): a line with
      the number of words and of dimensions, then on each line a word and its numbers.
    - GloVe (Pennington et al. 2014): the same without the first line. A word may hold spaces.
    - word2vec, binary: the first line, then for each word its text, a space, float32 numbers (little
      endian) and perhaps a newline.
    - any of them compressed by gzip.

    Words are normalised as all text is; of a word that is there twice the first vector counts.

    Args:
        wanted: keep these words alone; the numbers of all others are only counted.

    Raises:
        TextError: the file is missing or unreadable, or damaged; it names the line or the byte.
    """
    path = Path(path)
    name = normalize(str(path))
    try:
        raw = open_plain(path).detach()
        file: io.BufferedReader = io.BufferedReader(raw, _SAMPLE)
    except FileNotFoundError:
        raise TextError(f"There is no file {name}; check the path.") from None
    except IsADirectoryError:
        raise TextError(f"{name} is a folder where a file of word vectors is needed.") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL character inside the path
        reason = getattr(error, "strerror", None) or str(error)
        raise TextError(f"{name!r} cannot be read ({reason}); check the path.") from None
    with file:
        try:
            if file.peek(2)[:2] != _GZIP:
                return _Reader(file, name, wanted).read()
            unpacked = cast(io.RawIOBase, gzip.GzipFile(fileobj=file))
            return _Reader(io.BufferedReader(unpacked, _SAMPLE), name, wanted).read()
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise TextError(f"{name} is not a whole gzip file ({error}); fetch it again.") from None
        except OSError as error:
            raise TextError(f"{name} cannot be read ({error}); check the disk.") from None


class _Reader:
    """One pass through one file."""

    def __init__(
        self, stream: io.BufferedReader, name: str, wanted: Collection[str] | None
    ) -> None:
        self._stream = stream
        self._name = name
        self._wanted = None if wanted is None else set(map(normalize, wanted))
        self._words: dict[str, None] = {}
        self._blocks: list[npt.NDArray[np.float32]] = []
        self._size = 0  # of a vector

    def read(self) -> Vectors:
        start = self._stream.peek(_SAMPLE)
        if start.startswith(codecs.BOM_UTF8):
            self._stream.read(len(codecs.BOM_UTF8))
            start = start.removeprefix(codecs.BOM_UTF8)
        self._refuse_other_formats(start)
        first = start.partition(b"\n")[0]
        header = _HEADER.fullmatch(first)
        if header is None:
            self._size = self._size_of(first)
            self._read_text(None)
        else:
            count, self._size = map(int, header.groups())
            if not (count and 0 < self._size <= _LARGEST):
                self._fail(
                    f"line 1 promises {count} vectors of {self._size} numbers, which cannot be",
                    _AGAIN,
                )
            offset = len(self._stream.readline())
            if _is_binary(self._stream.peek(_SAMPLE), self._size):
                self._read_binary(count, offset)
            else:
                self._read_text(count)
        empty = np.empty((0, self._size), np.float32)
        return Vectors(tuple(self._words), np.concatenate([empty, *self._blocks]))

    def _refuse_other_formats(self, start: bytes) -> None:
        if not start.strip():
            self._fail("it holds nothing", _AGAIN)
        if start.startswith(_FASTTEXT):
            self._fail(
                "this is fastText's own .bin format, which is not read here",
                "give the .vec file that comes with it",
            )
        if start.startswith(_ZIP):
            self._fail("this is a zip archive", "unpack it and give the file inside")

    def _size_of(self, line: bytes) -> int:
        """The numbers at the end of the first line, where no header tells how many there are."""
        numbers = [_NUMBER.fullmatch(field) is not None for field in line.split()[1:]]
        size = next((i for i, number in enumerate(reversed(numbers)) if not number), len(numbers))
        if not size or _CONTROL.search(line):
            self._fail(
                "these are no word vectors, for line 1 is not a word followed by its numbers",
                "give a word2vec file (text or binary), a GloVe file or a fastText .vec file",
            )
        return size

    def _read_text(self, count: int | None) -> None:
        """The lines after the header, of which there must be `count`."""
        number = before = 0 if count is None else 1
        blank = 0
        while lines := self._lines(number):
            rows: list[tuple[int, bytes]] = []
            for line in lines:
                number += 1
                # Fast for the usual line; whatever is unusual about one is seen in `_parted`.
                word, _, numbers = line.rstrip().partition(b" ")
                if not (word and numbers) or numbers.count(b" ") != self._size - 1:
                    if not line.strip():
                        blank = blank or number
                        if number - blank < _MOST_BLANK:
                            continue
                    if not blank:
                        word, numbers = self._parted(line, number)
                if blank:
                    self._fail("the line is empty", "remove it", f"line {blank}")
                if count is not None and number - before > count:
                    finding = f"line 1 promises only {count} vectors, but more follows"
                    self._fail(finding, "mend the number in line 1", f"line {number}")
                if self._takes(word, f"line {number}"):
                    rows.append((number, numbers))
            if rows:
                self._blocks.append(self._parsed(rows))
        found = (blank or number + 1) - 1 - before
        if count is not None and found < count:
            self._fail(
                f"line 1 promises {count} vectors, but the file ends after {found}",
                "fetch it again, or mend the number in line 1",
            )

    def _lines(self, before: int) -> list[bytes]:
        """The next lines, some MB of them; `before` are done with. A line may not be without end."""
        lines: list[bytes] = []
        size = 0
        while size < _CHUNK and (line := self._stream.readline(_LONGEST_LINE)):
            if len(line) == _LONGEST_LINE and not line.endswith(b"\n"):
                self._fail_line(
                    before + len(lines) + 1, f"it has more than {_LONGEST_LINE:,} bytes"
                )
            lines.append(line)
            size += len(line)
        return lines

    def _parted(self, line: bytes, number: int) -> tuple[bytes, bytes]:
        """A line → its word and its numbers, each one space apart; every number is looked at."""
        fields = line.split()
        word, numbers = fields[: -self._size], fields[-self._size :]
        right = [_NUMBER.fullmatch(field) is not None for field in fields]
        if not word or any(right[1 : len(word)]) or not all(right[len(word) :]):
            wrong = [field for field, fine in zip(fields[1:], right[1:], strict=True) if not fine]
            finding = f"{self._size} numbers must follow the word, not {len(fields) - 1}"
            self._fail_line(number, _no_number(wrong[0]) if wrong else finding)
        return b" ".join(word), b" ".join(numbers)

    def _parsed(self, rows: list[tuple[int, bytes]]) -> npt.NDArray[np.float32]:
        lines = [numbers for _, numbers in rows]
        try:
            with np.errstate(over="ignore"):
                values: npt.NDArray[np.float32] = np.loadtxt(
                    lines, np.float32, comments=None, delimiter=" ", ndmin=2
                )
            if np.isfinite(values).all():
                return values
        except ValueError:
            pass
        for number, numbers in rows:
            self._parted(b"word " + numbers, number)
            for field in numbers.split(b" "):
                if not _NUMBER.fullmatch(field):
                    self._fail_line(number, _no_number(field))
                with np.errstate(over="ignore"):
                    if not np.isfinite(np.float32(float(field))):
                        finding = f"{field.decode()} is not a finite number of 32 bits"
                        self._fail_line(number, finding)
        return np.array([[*map(float, line.split(b" "))] for line in lines], np.float32)

    def _read_binary(self, count: int, offset: int) -> None:
        """The records after the header, which ends at byte `offset`."""
        length = 4 * self._size
        buffer, at = b"", 0  # byte `offset` of the file is the first of the buffer
        rows: list[tuple[int, bytes]] = []
        for found in range(count):
            while (end := buffer.find(b" ", at) + 1) == 0 or len(buffer) < end + length:
                if not end and len(buffer) - at > _LONGEST_WORD:
                    self._fail("no word begins here", _AGAIN, f"byte {offset + at}")
                more = self._stream.read(_CHUNK)
                if not more:
                    finding = f"line 1 promises {count} vectors, but the file ends after {found}"
                    self._fail(finding, _AGAIN, f"byte {offset + len(buffer)}")
                offset, buffer, at = offset + at, buffer[at:] + more, 0
            word = buffer[at : end - 1].removeprefix(b"\n")
            if not word or b"\n" in word:
                self._fail("no word begins here", _AGAIN, f"byte {offset + at}")
            if self._takes(word, f"byte {offset + at}"):
                rows.append((offset + at, buffer[end : end + length]))
                if len(rows) * length >= _CHUNK:
                    self._blocks.append(self._unpacked(rows))
                    rows = []
            at = end + length
        if rows:
            self._blocks.append(self._unpacked(rows))
        if (buffer[at:] + self._stream.read(2)).strip():
            self._fail(
                f"line 1 promises only {count} vectors, but more follows",
                _AGAIN,
                f"byte {offset + at}",
            )

    def _unpacked(self, rows: list[tuple[int, bytes]]) -> npt.NDArray[np.float32]:
        values = np.frombuffer(b"".join(numbers for _, numbers in rows), "<f4")
        values = values.astype(np.float32).reshape(len(rows), self._size)
        finite = np.isfinite(values).all(1)
        if not finite.all():
            offset, _ = rows[int(finite.argmin())]
            self._fail("the vector of this word holds NaN or infinity", _AGAIN, f"byte {offset}")
        return values

    def _takes(self, data: bytes, place: str) -> bool:
        """Whether the vector of a word is kept; if so, it is noted as the next."""
        try:
            word = data.decode()
        except UnicodeDecodeError:
            shown = data[:40].decode(errors="replace")
            self._fail(
                f"the word {shown!r} is not UTF-8",
                "convert a text file with `iconv -f ITS_ENCODING -t UTF-8`, or fetch it again",
                place,
            )
        word = word if word.isascii() else normalize(word)
        if word in self._words or not (self._wanted is None or word in self._wanted):
            return False
        self._words[word] = None
        return True

    def _fail_line(self, number: int, finding: str) -> NoReturn:
        cure = "mend or remove the line, or fetch the file again if it was cut short"
        self._fail(finding, cure, f"line {number}")

    def _fail(self, finding: str, cure: str, place: str = "") -> NoReturn:
        where = f"{self._name}, {place}" if place else self._name
        raise TextError(f"{where}: {finding}; {cure}.")


def _is_binary(start: bytes, size: int) -> bool:
    """Whether what follows the header is binary: numbers that can be read speak against it."""
    first = start.partition(b"\n")[0]
    if 2 * sum(_NUMBER.fullmatch(field) is not None for field in first.split()[1:]) >= size:
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return True
    return _CONTROL.search(start) is not None


def _no_number(field: bytes) -> str:
    return f"{field.decode(errors='replace')[:40]!r} is not a number"
