"""Token files: a corpus in ids on the disk, made once as a stream and mapped by every training.

CACHE/tokens/HASH/  meta.json  train.ids  train.starts.npy  validation.ids  validation.starts.npy
"""

import contextlib
import hashlib
import json
import os
import shutil
import time
from array import array
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from filelock import FileLock

from sunhwan.atomic import replaced_folder, reported
from sunhwan.data.survey import Survey, check_unchanged
from sunhwan.data.tokens import MappedIds, Tokens, check_length
from sunhwan.errors import StoreError
from sunhwan.files import read_json
from sunhwan.progress import tell
from sunhwan.text import Vocabulary, build_vocabulary, vocabulary_from_dict
from sunhwan.text.documents import training_lengths
from sunhwan.text.vocabulary import Ids

FORMAT = 1
_ABANDONED = 86_400
"""Seconds after which a folder that was begun counts as left by a process that died."""


class TokenSettings(NamedTuple):
    """What decides how a corpus becomes tokens: settings of the section `text`, all of them complete."""

    vocabulary: str
    min_count: int
    max_size: int
    unknown: str
    validation_share: float


class TokenFile(NamedTuple):
    """A corpus in ids that are mapped. made: whether this process made it just now."""

    folder: Path
    vocabulary: Vocabulary
    train: Tokens
    validation: Tokens | None
    made: bool


def cache_folder() -> Path:
    """Where token files are kept: SUNHWAN_CACHE, or the user's cache folder."""
    chosen = os.environ.get("SUNHWAN_CACHE")
    if chosen:
        return Path(chosen)
    home = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return Path(home or Path.home() / ".cache") / "sunhwan"


def token_file(
    survey: Survey, held_out: Survey | None, settings: TokenSettings, cache: Path
) -> TokenFile:
    """The token file of a corpus: that in the cache, or a new one.

    held_out: the corpus to validate on; None: a share of each file or text. Ids, documents and digests
    are those of `encode` on the texts in memory. A folder is there whole or not at all.

    Raises:
        DataError: there are too few tokens. TextError: there is no token to keep, or a file changed.
        StoreError: the cache cannot be written.
    """
    folder = cache / "tokens" / _key(survey, held_out, settings)
    with reported(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        found = _opened(folder, made=False)
        if found:
            return found
        _clear(folder.parent)
        with replaced_folder(folder) as new:
            try:
                _make(new, survey, held_out, settings)
            except BaseException:
                shutil.rmtree(new, ignore_errors=True)
                raise
        made = _opened(folder, made=True)
        assert made is not None
        return made


def _key(survey: Survey, held_out: Survey | None, settings: TokenSettings) -> str:
    corpora = [
        None if corpus is None
        else [corpus.column, [[file.sha256, file.encoding] for file in corpus.files]]
        for corpus in (survey, held_out)
    ]  # fmt: skip
    known = json.dumps([FORMAT, list(settings), corpora])
    return hashlib.sha256(known.encode()).hexdigest()[:32]


def _opened(folder: Path, *, made: bool) -> TokenFile | None:
    """A token file as it lies on the disk; None where there is none, or one that lacks something."""
    try:
        meta = read_json(folder / "meta.json")
        vocabulary = vocabulary_from_dict(meta["vocabulary"])
        train, validation = (
            None if meta[part] is None else _tokens(folder, part, meta[part])
            for part in ("train", "validation")
        )
    except (OSError, ValueError, KeyError, TypeError, StoreError):
        return None
    return None if train is None else TokenFile(folder, vocabulary, train, validation, made)


def _tokens(folder: Path, part: str, facts: dict[str, Any]) -> Tokens:
    path, length, dtype = folder / f"{part}.ids", int(facts["length"]), np.dtype(facts["dtype"])
    if path.stat().st_size != length * dtype.itemsize:
        raise ValueError(f"{path} has another size than it was written with")
    starts = torch.from_numpy(np.load(folder / f"{part}.starts.npy"))
    ids = MappedIds(path, dtype.str, length)
    return Tokens(ids, starts, facts["characters"], facts["unknown"], facts["digest"])


def _clear(folder: Path) -> None:
    """Remove what processes that died long ago had begun."""
    for path in folder.glob(".*.new"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _ABANDONED:
                shutil.rmtree(path)


def _make(new: Path, survey: Survey, held_out: Survey | None, settings: TokenSettings) -> None:
    check = check_unchanged(survey)
    cuts = _cuts(survey, 0.0 if held_out else settings.validation_share)
    vocabulary = build_vocabulary(
        settings.vocabulary,
        _Reading(survey, cuts),
        min_count=settings.min_count,
        max_size=settings.max_size or None,
        unk=settings.unknown == "unk",
        eos=settings.vocabulary == "words" or len(survey.lengths) > 1,
    )
    with _Writer(new, "train", vocabulary) as train, _Writer(new, "validation", vocabulary) as rest:
        for pieces, cut in zip(_told(survey, "encoding"), cuts, strict=True):
            head, tail = _divided(pieces, cut)
            train.add(head)
            rest.add(tail)
        if held_out:
            for pieces in _told(held_out, "encoding"):
                rest.add(pieces)
    check()
    check_length(train.length if train.characters else min(train.length, 1), survey.name)
    kept = rest.length >= 2 and rest.characters > 0
    if held_out:
        check_length(rest.length if kept else min(rest.length, 1), "the validation text")
    meta = {
        "format": FORMAT,
        "made_of": [file.name for file in survey.files[:100]],
        "vocabulary": vocabulary.to_dict(),
        "train": train.facts(),
        "validation": rest.facts() if kept else None,
    }
    (new / "meta.json").write_text(json.dumps(meta), encoding="utf-8")


def _cuts(survey: Survey, fraction: float) -> list[int]:
    """How many characters of each document are for training.

    Of texts the first ones of each, as `Corpus.split` has it; of a table the first rows, whole.
    """
    lengths = survey.lengths
    if not survey.column:
        return training_lengths(lengths.tolist(), fraction)
    of_files = training_lengths([int(file.lengths.sum()) for file in survey.files], fraction)
    parts = []
    for file, cut in zip(survey.files, of_files, strict=True):
        middles = np.cumsum(file.lengths) - file.lengths / 2
        parts.append(np.where(middles <= cut, file.lengths, 0))
    cuts = np.concatenate(parts)
    return [int(cut) for cut in (cuts if cuts.any() else lengths)]


class _Reading:
    """The training part of a corpus as documents in pieces, as often as one asks for it."""

    def __init__(self, survey: Survey, cuts: Sequence[int]) -> None:
        self._survey, self._cuts = survey, cuts

    def __iter__(self) -> Iterator[Iterator[str]]:
        for pieces, cut in zip(_told(self._survey, "counting"), self._cuts, strict=True):
            yield (part for part, is_head in _parts(pieces, cut) if is_head)


def _told(survey: Survey, what: str) -> Iterator[Iterator[str]]:
    """The documents; whoever listens is told how far the reading is."""
    total, done = survey.characters, 0

    def told(pieces: Iterator[str]) -> Iterator[str]:
        nonlocal done
        for piece in pieces:
            yield piece
            done += len(piece)
            tell(what, done, total)

    return map(told, survey.documents())


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


class _Writer:
    """The ids of one part on their way to the disk, their digest computed beside."""

    def __init__(self, folder: Path, part: str, vocabulary: Vocabulary) -> None:
        self.length = self.characters = 0
        self._folder, self._part, self._vocabulary = folder, part, vocabulary
        self._dtype = np.dtype("<u2" if len(vocabulary) <= 1 << 16 else "<u4")
        self._starts = array("q")
        self._unknown = 0
        self._sha = hashlib.sha256()
        self._pool = ThreadPoolExecutor(1)
        self._waiting: list[Future[None]] = []

    def __enter__(self) -> Self:
        self._file = (self._folder / f"{self._part}.ids").open("wb")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None and self._starts and self._vocabulary.eos_id is not None:
                self._write(np.array([self._vocabulary.eos_id]))
            self._wait(0)
        finally:
            self._pool.shutdown()
            self._file.close()
        starts = np.frombuffer(self._starts, np.int64) if self._starts else np.empty(0, np.int64)
        np.save(self._folder / f"{self._part}.starts.npy", starts)
        self._sha.update(starts.tobytes())

    def add(self, pieces: Iterable[str]) -> None:
        """Append a document; none where it has no text."""
        begun = False
        for ids in self._vocabulary.encode_pieces(self._counted(pieces)):
            if not begun:
                begun = True
                self._starts.append(self.length)
                if self._vocabulary.eos_id is not None:
                    ids = np.concatenate(([self._vocabulary.eos_id], ids))
            self._write(ids)

    def facts(self) -> dict[str, Any]:
        """What reading the files again needs."""
        return {
            "length": self.length,
            "dtype": self._dtype.str,
            "characters": self.characters,
            "unknown": self._unknown,
            "digest": self._sha.hexdigest(),
        }

    def _counted(self, pieces: Iterable[str]) -> Iterator[str]:
        for piece in pieces:
            self.characters += len(piece)
            yield piece

    def _write(self, ids: Ids) -> None:
        self.length += len(ids)
        # The digest is that of 64-bit ids, which takes longer than all the rest: beside it.
        self._waiting.append(self._pool.submit(self._take, ids))
        self._wait(8)

    def _take(self, ids: Ids) -> None:
        if self._vocabulary.unk_id is not None:
            self._unknown += int((ids == self._vocabulary.unk_id).sum())
        self._file.write(ids.astype(self._dtype).tobytes())
        self._sha.update(np.ascontiguousarray(ids, np.int64).data)

    def _wait(self, most: int) -> None:
        """Wait until so many pieces at most are on their way."""
        done = len(self._waiting) - most
        for future in islice(self._waiting, max(done, 0)):
            future.result()
        del self._waiting[: max(done, 0)]
