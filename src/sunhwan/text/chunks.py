"""Chunks: parts of a corpus that are read, counted and encoded alone, in whichever process."""

import io
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from sunhwan.files import PACKED, open_plain, open_unpacked
from sunhwan.text.decoding import NormalText
from sunhwan.text.hangul import OPENING, HangulShare
from sunhwan.text.pieces import UNSEEN, WINDOW, NotStreamedError, next_cut, read_pieces
from sunhwan.text.vocabulary import Ids, Vocabulary

Found = TypeVar("Found")

CHUNK = 1 << 22
"""Bytes of a file, or characters of the rows of a table, in a chunk."""


class Chunk(NamedTuple):
    """Whole texts, or a part of a text file: its bytes, or where they are.

    start, stop: bytes of the text as it is unpacked. data: those of a packed file.
    """

    texts: tuple[str, ...] = ()
    path: Path | None = None
    start: int = 0
    stop: int = 0
    data: bytes | None = None

    def pieces(self) -> Iterator[Iterator[str]]:
        """Each text as its pieces, normalised where it is of a file: to be read one after another.

        NotStreamedError: not all of it is UTF-8, or it cannot be read.
        """
        if self.path is None:
            yield from (iter((text,)) for text in self.texts)
        else:
            yield self._of_file(self.path)

    def _of_file(self, path: Path) -> Iterator[str]:
        if self.data is not None:
            yield from read_pieces(io.BytesIO(self.data), first=not self.start)
            return
        try:
            with open_plain(path) as file:
                file.seek(self.start)
                yield from read_pieces(file, self.stop - self.start, first=not self.start)
        except OSError:
            raise NotStreamedError from None  # reading it whole says what is wrong


class ChunkFacts(NamedTuple):
    """Facts of a chunk of a text file.

    edges: its first two characters and its last one, to which those of the next chunk are added.
    """

    length: int
    edges: tuple[str, str]
    hangul: HangulShare


def chunks_of_file(path: Path) -> Iterator[Chunk]:
    """A text file in UTF-8 in chunks, always the same ones.

    A stretch without a place to cut is in one chunk. NotStreamedError: the file cannot be read.
    """
    try:
        if path.name.lower().endswith(PACKED):
            with open_unpacked(path) as unpacked:
                yield from _unpacked(path, unpacked)
            return
        with open_plain(path) as file:
            size = file.seek(0, 2)

            def read(at: int) -> bytes:
                file.seek(at)
                return file.read(WINDOW)

            at = 0
            while at < size:
                stop = (next_cut(read, at + CHUNK) if size - at > CHUNK else None) or size
                yield Chunk(path=path, start=at, stop=stop)
                at = stop
    except (OSError, EOFError, ValueError, zlib.error):
        raise NotStreamedError from None


def _unpacked(path: Path, file: BinaryIO) -> Iterator[Chunk]:
    at, held, looked = 0, b"", CHUNK

    def window(place: int) -> bytes:
        return held[place : place + WINDOW]

    while data := file.read(CHUNK):
        held += data
        while (cut := next_cut(window, looked)) is not None:
            yield Chunk(path=path, start=at, stop=at + cut, data=held[:cut])
            at, held, looked = at + cut, held[cut:], CHUNK
        looked = max(len(held) - UNSEEN, CHUNK)
    if held:
        yield Chunk(path=path, start=at, stop=at + len(held), data=held)


def facts_of_chunk(chunk: Chunk) -> ChunkFacts | None:
    """Survey a chunk of a text file; None where not all of it is UTF-8."""
    length, opening, begin, end = 0, "", "", ""
    try:
        for pieces in chunk.pieces():
            for piece in pieces:
                begin = begin or piece[:2]
                opening += piece[: max(OPENING - length, 0)]
                length += len(piece)
                end = piece[-1:] or end
    except NotStreamedError:
        return None
    hangul = HangulShare() if chunk.start else HangulShare().with_text(opening)
    return ChunkFacts(length, (begin, end), hangul)


def facts_of_numbered(numbered: tuple[int, Chunk | None]) -> tuple[int, ChunkFacts | None]:
    """The same of a chunk of the file with a number; None where that cannot be read."""
    number, chunk = numbered
    return number, facts_of_chunk(chunk) if chunk else None


def whole_text(text: str) -> Chunk:
    """A text that is normalised."""
    return Chunk((NormalText(text),))


class Part(NamedTuple):
    """Unit of encoding: chunks of whole documents, or those of a part of one.

    cuts: of each document how many characters here are for training, the first ones. begins: whether
    the training and the validation part of the first document begin here, if they are here. characters:
    of both.
    """

    chunks: tuple[Chunk, ...]
    cuts: tuple[int, ...]
    characters: int
    begins: tuple[bool, bool] = (True, True)

    def documents(self) -> Iterator[tuple[Iterator[str], Iterator[str]]]:
        """The pieces of each document for training and for validation: to be read in this order."""
        texts: Iterable[Iterator[str]]
        if len(self.chunks) == 1:
            texts = self.chunks[0].pieces()
        else:
            texts = (chain.from_iterable(next(chunk.pieces()) for chunk in self.chunks),)
        return map(_divided, texts, self.cuts)


def work_on_training_texts(
    work: Callable[[Iterable[Iterator[str]]], Found], part: Part
) -> tuple[int, Found]:
    """How many characters of a part are for training, and what the work finds in them."""
    return sum(part.cuts), work(head for head, _ in part.documents())


class EncodedPart(NamedTuple):
    """Ids in as few bits as the vocabulary needs, and where among them documents begin."""

    ids: npt.NDArray[Any]
    starts: Ids
    characters: int
    unknown: int


def id_type(vocabulary: Vocabulary) -> np.dtype[Any]:
    """How ids of a vocabulary lie in a file: 16 or 32 bits, little-endian."""
    return np.dtype("<u2" if len(vocabulary) <= 1 << 16 else "<u4")


def encode_part(vocabulary: Vocabulary, part: Part) -> tuple[EncodedPart, EncodedPart]:
    """The ids for training and for validation, each document with the EOS before it, where there is one."""
    sides = (_Side(vocabulary, part.begins[0]), _Side(vocabulary, part.begins[1]))
    for halves in part.documents():
        for side, pieces in zip(sides, halves, strict=True):
            side.add(pieces)
    return sides[0].encoded(), sides[1].encoded()


class _Side:
    """The ids of one side of the validation cut."""

    def __init__(self, vocabulary: Vocabulary, begins: bool) -> None:
        self._vocabulary, self._begins = vocabulary, begins
        self._type = id_type(vocabulary)
        self._blocks: list[npt.NDArray[Any]] = []
        self._starts: list[int] = []
        self._length = self._characters = self._unknown = 0

    def add(self, pieces: Iterator[str]) -> None:
        """Append a document; none where it has no text."""
        begun = not self._begins
        self._begins = True
        for ids in self._vocabulary.encode_pieces(self._counted(pieces)):
            if not begun:
                begun = True
                self._starts.append(self._length)
                if self._vocabulary.eos_id is not None:
                    self._append(np.array([self._vocabulary.eos_id]))
            if self._vocabulary.unk_id is not None:
                self._unknown += int(np.count_nonzero(ids == self._vocabulary.unk_id))
            self._append(ids)

    def encoded(self) -> EncodedPart:
        ids = np.concatenate([np.empty(0, self._type), *self._blocks])
        starts = np.array(self._starts, np.int64)
        return EncodedPart(ids, starts, self._characters, self._unknown)

    def _append(self, ids: Ids) -> None:
        self._blocks.append(ids.astype(self._type))
        self._length += len(ids)

    def _counted(self, pieces: Iterator[str]) -> Iterator[str]:
        for piece in pieces:
            self._characters += len(piece)
            yield piece


def _parts(pieces: Iterator[str], cut: int) -> Iterator[tuple[str, bool]]:
    """The pieces, cut in two at a character, and whether each stands before it."""
    at = 0
    for piece in pieces:
        before = min(max(cut - at, 0), len(piece))
        at += len(piece)
        if before == len(piece):
            yield piece, True
        elif not before:
            yield piece, False
        else:
            yield piece[:before], True
            yield piece[before:], False


def _divided(pieces: Iterator[str], cut: int) -> tuple[Iterator[str], Iterator[str]]:
    """What stands before a character and what behind it: to be read in this order."""
    parts = _parts(pieces, cut)
    rest: list[str] = []

    def head() -> Iterator[str]:
        for part, is_head in parts:
            if not is_head:
                rest.append(part)
                return
            yield part

    def tail() -> Iterator[str]:
        yield from rest
        yield from (part for part, _ in parts)

    return head(), tail()
