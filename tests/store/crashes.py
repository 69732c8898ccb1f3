"""Crashes at a chosen point: every call that changes the disk is counted, and one is the last.

After it nothing more reaches the disk, also no cleaning up, and what was written but not
synchronised is lost, as when the machine dies.
"""

import builtins
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


class Crash(BaseException):
    """The machine died."""


CALLS = ("rename", "replace", "unlink", "remove", "rmdir", "mkdir", "fsync", "truncate")


class Disk:
    """Lets `allowed` changes pass, then fails: with `failure`, or by a crash for good."""

    def __init__(self, allowed: int, failure: OSError | None = None) -> None:
        self.left, self.failure = allowed, failure
        self.done = 0
        self.dead = False
        self._unsafe: dict[int, Path] = {}

    def change(self) -> None:
        """Ask before a change."""
        if self.dead:
            raise Crash
        if self.left == 0:
            self.left = -1
            if self.failure is not None:
                raise self.failure
            self.dead = True
            self._lose()
            raise Crash
        self.left -= 1
        self.done += 1

    def _lose(self) -> None:
        for path in self._unsafe.values():
            # Written through the real functions: the disk itself forgets.
            if path.exists():
                REAL["truncate"](path, path.stat().st_size // 2)

    def wrote(self, descriptor: int, path: Path) -> None:
        self._unsafe[os.fstat(descriptor).st_ino] = path

    def synced(self, descriptor: int) -> None:
        self._unsafe.pop(os.fstat(descriptor).st_ino, None)

    def moved(self, source: Path, target: Path) -> None:
        for inode, path in self._unsafe.items():
            if path == source or source in path.parents:
                self._unsafe[inode] = target / path.relative_to(source)


REAL: dict[str, Callable[..., Any]] = {name: getattr(os, name) for name in CALLS}


class _Writer:
    """A file that asks the disk before each write; the write that crashes is done by half."""

    def __init__(self, file: Any, disk: Disk, path: Path) -> None:
        self._file, self._disk, self._path = file, disk, path

    def write(self, data: Any) -> int:
        try:
            self._disk.change()
        except BaseException:
            self._file.write(data[: len(data) // 2])
            raise
        self._disk.wrote(self._file.fileno(), self._path)
        return int(self._file.write(data))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


@contextmanager
def limited(disk: Disk, within: Path) -> Iterator[Disk]:
    """Everything that changes the disk below `within` goes through `disk`."""
    real_open = io.open

    def counted(name: str) -> Callable[..., Any]:
        def call(path: Any, *rest: Any, **options: Any) -> Any:
            disk.change()
            result = REAL[name](path, *rest, **options)
            if name == "fsync":
                disk.synced(path)
            if name in ("rename", "replace"):
                disk.moved(Path(path), Path(rest[0]))
            return result

        return call

    def opened(file: Any, mode: str = "r", *rest: Any, **options: Any) -> Any:
        changes = set(mode) & set("wax+") and within in Path(str(file)).parents
        if not changes:
            return real_open(file, mode, *rest, **options)
        disk.change()
        return _Writer(real_open(file, mode, *rest, **options), disk, Path(str(file)))

    with pytest.MonkeyPatch.context() as patch:
        for name in CALLS:
            patch.setattr(os, name, counted(name))
        patch.setattr(io, "open", opened)
        patch.setattr(builtins, "open", opened)
        yield disk


def every_crash(
    prepare: Callable[[], Path], act: Callable[[Path], None], check: Callable[[Path], None]
) -> int:
    """Prepare a folder, crash in `act` at each of its points in turn, check; how many there were."""
    for point in range(10_000):
        folder = prepare()
        disk = Disk(point)
        try:
            with limited(disk, folder):
                act(folder)
        except Crash:
            check(folder)
            continue
        assert not disk.dead
        check(folder)
        return point
    raise AssertionError("no end of points")


def every_failure(
    failure: OSError,
    prepare: Callable[[], Path],
    act: Callable[[Path], None],
    check: Callable[[Path, Exception | None], None],
) -> int:
    """The same with one call that fails, after which the disk works again."""
    for point in range(10_000):
        folder = prepare()
        disk = Disk(point, failure)
        caught: Exception | None = None
        with limited(disk, folder):
            try:
                act(folder)
            except Exception as error:
                caught = error
        check(folder, caught)
        if disk.left >= 0:
            return point
    raise AssertionError("no end of points")
