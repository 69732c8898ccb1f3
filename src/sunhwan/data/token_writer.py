"""Writer of token files: ids in chunks on their way to the disk, and where to go on after a stop."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import numpy as np

from sunhwan.atomic import write_text
from sunhwan.files import read_json
from sunhwan.text import Vocabulary, chunks, vocabulary_from_dict
from sunhwan.text.chunks import EncodedPart, id_type

SIDES = ("train", "validation")
RECORD_EVERY = 1 << 27
"""Bytes of ids after which it is recorded how far they are."""
_BLOCK = 1 << 22


class TokenWriter:
    """Both parts of a token file in a folder, which goes on where an earlier one was stopped.

    done: how many parts of the corpus were written. The vocabulary is made by the first one.
    """

    def __init__(self, folder: Path, make_vocabulary: Callable[[], Vocabulary]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        record = _record(folder)
        if record is None:
            self.vocabulary = make_vocabulary()
            record = {
                "chunk": chunks.CHUNK,
                "done": 0,
                "vocabulary": self.vocabulary.to_dict(),
                **{side: dict.fromkeys(_COUNTS, 0) for side in SIDES},
            }
        else:
            self.vocabulary = vocabulary_from_dict(record["vocabulary"])
        self.done: int = record["done"]
        self._sides = {name: _Side(folder, name, self.vocabulary, record[name]) for name in SIDES}
        self._unrecorded = 0
        if not self.done:
            self._write_record()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for side in self._sides.values():
            side.close()

    def add(self, *encoded: EncodedPart) -> None:
        """Append the next part: for training and for validation."""
        for side, part in zip(self._sides.values(), encoded, strict=True):
            side.add(part)
            self._unrecorded += part.ids.nbytes
        self.done += 1
        if self._unrecorded >= RECORD_EVERY:
            self._write_record()

    def finish(self) -> dict[str, dict[str, Any]]:
        """End both parts: what reading them again needs."""
        return {name: side.finish() for name, side in self._sides.items()}

    def _write_record(self) -> None:
        """What was written until now is kept, whatever happens."""
        for side in self._sides.values():
            side.keep()
        record = {
            "chunk": chunks.CHUNK,
            "done": self.done,
            "vocabulary": self.vocabulary.to_dict(),
            **{name: side.counts for name, side in self._sides.items()},
        }
        write_text(self._folder / "record.json", json.dumps(record))
        self._unrecorded = 0


_COUNTS = ("length", "starts", "characters", "unknown")


def _record(folder: Path) -> dict[str, Any] | None:
    """How far an earlier writer came; None where there was none, or its files are not whole."""
    try:
        record: dict[str, Any] = read_json(folder / "record.json")
        if record["chunk"] != chunks.CHUNK:
            return None
        width = id_type(vocabulary_from_dict(record["vocabulary"])).itemsize
        for side in SIDES:
            for end, size in (("ids", width), ("starts", 8)):
                count = record[side]["length" if end == "ids" else end]
                if (folder / f"{side}.{end}").stat().st_size < size * count:
                    return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return record


class _Side:
    """The ids of one part: their file, their digest computed beside, and where documents begin."""

    def __init__(
        self, folder: Path, name: str, vocabulary: Vocabulary, counts: dict[str, int]
    ) -> None:
        self.counts = counts
        self._folder, self._name, self._vocabulary = folder, name, vocabulary
        self._type = id_type(vocabulary)
        self._ids, self._starts = (
            _opened(folder / f"{name}.{end}", size)
            for end, size in (
                ("ids", self._type.itemsize * counts["length"]),
                ("starts", 8 * counts["starts"]),
            )
        )
        self._sha = hashlib.sha256()
        for ids in self._written():
            self._sha.update(ids.astype(np.int64).data)
        self._thread = ThreadPoolExecutor(1)
        self._waiting: list[Future[None]] = []

    def add(self, part: EncodedPart) -> None:
        """Append some ids."""
        (part.starts + self.counts["length"]).tofile(self._starts)
        for name, more in zip(
            _COUNTS,
            (len(part.ids), len(part.starts), part.characters, part.unknown),
            strict=True,
        ):
            self.counts[name] += more
        # The digest is that of 64-bit ids, which takes longer than all the rest: beside it.
        self._waiting.append(self._thread.submit(self._take, part.ids))
        self._wait(4)

    def keep(self) -> None:
        """Wait until all of it is on the disk."""
        self._wait(0)
        for file in (self._ids, self._starts):
            file.flush()
            os.fsync(file.fileno())

    def finish(self) -> dict[str, Any]:
        """Write the end: what reading the ids again needs."""
        if self.counts["starts"] and self._vocabulary.eos_id is not None:
            end = np.array([self._vocabulary.eos_id], self._type)
            self.add(EncodedPart(end, np.empty(0, np.int64), 0, 0))
        self.keep()
        path = self._folder / f"{self._name}.starts"
        starts = np.fromfile(path, np.int64)
        np.save(self._folder / f"{self._name}.starts.npy", starts)
        self._sha.update(starts.data)
        return {
            "length": self.counts["length"],
            "dtype": self._type.str,
            "characters": self.counts["characters"],
            "unknown": self.counts["unknown"],
            "digest": self._sha.hexdigest(),
        }

    def close(self) -> None:
        """Close the files as they are."""
        self._thread.shutdown(cancel_futures=True)
        self._ids.close()
        self._starts.close()

    def _written(self) -> Iterator[Any]:
        self._ids.seek(0)
        while len(ids := np.fromfile(self._ids, self._type, _BLOCK)):
            yield ids

    def _take(self, ids: Any) -> None:
        self._ids.write(ids.data)
        self._sha.update(ids.astype(np.int64).data)

    def _wait(self, most: int) -> None:
        """Wait until so many blocks at most are on their way."""
        while len(self._waiting) > most:
            self._waiting.pop(0).result()


def _opened(path: Path, size: int) -> Any:
    """A file to append to what an earlier writer left of it."""
    path.touch()
    file = path.open("r+b")
    file.truncate(size)
    file.seek(size)
    return file
