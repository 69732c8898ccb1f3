"""Writes happen wholly or not at all, whatever call is the last one."""

import errno
import os
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from sunhwan.atomic import recover_folder, replaced_folder
from sunhwan.errors import StoreError
from sunhwan.store import write_bytes, write_text
from tests.store.crashes import every_crash, every_failure

OLD = {"one": b"old one", "two": b"old two"}
NEW = {"one": b"new one", "three": b"new three" * 1000}


def content(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def fresh(tmp_path: Path, files: dict[str, bytes] | None) -> Callable[[], Path]:
    numbers = count()

    def prepare() -> Path:
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        if files is not None:
            (folder / "model").mkdir()
            for name, data in files.items():
                (folder / "model" / name).write_bytes(data)
        return folder

    return prepare


def replace(folder: Path) -> None:
    with replaced_folder(folder / "model") as new:
        for name, data in NEW.items():
            (new / name).write_bytes(data)


def test_a_file_is_old_or_new_after_a_crash_at_any_point(tmp_path: Path) -> None:
    seen = set()
    make = fresh(tmp_path, None)

    def check(folder: Path) -> None:
        found = (folder / "file").read_bytes()
        assert found in (b"old", b"new" * 1000)
        seen.add(found)

    points = every_crash(
        lambda: _with_file(make()), lambda f: write_bytes(f / "file", b"new" * 1000), check
    )
    assert points >= 4
    assert len(seen) == 2


def _with_file(folder: Path) -> Path:
    (folder / "file").write_bytes(b"old")
    return folder


@pytest.mark.parametrize("old", [OLD, None], ids=["replacing", "first"])
def test_a_folder_is_old_or_new_after_a_crash_at_any_point(
    tmp_path: Path, old: dict[str, bytes] | None
) -> None:
    seen = []

    def check(folder: Path) -> None:
        recover_folder(folder / "model")
        found = content(folder / "model") if (folder / "model").exists() else None
        assert found in (old, NEW)
        seen.append(found == NEW)
        # And what a crash left is no obstacle to the next write.
        replace(folder)
        assert content(folder / "model") == NEW
        assert [path.name for path in folder.iterdir()] == ["model"]

    assert every_crash(fresh(tmp_path, old), replace, check) >= 8
    assert set(seen) == {True, False}


def test_a_crash_while_recovering_loses_nothing(tmp_path: Path) -> None:
    make = fresh(tmp_path, None)

    def prepare() -> Path:
        folder = make()
        for name, files in ((".model.old", OLD), (".model.new", NEW)):
            (folder / name).mkdir()
            for file, data in files.items():
                (folder / name / file).write_bytes(data)
        return folder

    def check(folder: Path) -> None:
        recover_folder(folder / "model")
        assert content(folder / "model") == NEW

    assert every_crash(prepare, lambda f: recover_folder(f / "model"), check) >= 3


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO])
def test_a_disk_that_fails_gives_one_sentence_and_the_old_folder(
    tmp_path: Path, number: int
) -> None:
    failed = 0

    def check(folder: Path, error: Exception | None) -> None:
        nonlocal failed
        recover_folder(folder / "model")
        found = content(folder / "model")
        if error is None:
            assert found == NEW
            return
        failed += 1
        assert isinstance(error, StoreError), repr(error)
        assert str(error).startswith(f"cannot write {folder / 'model'}")
        assert os.strerror(number) in str(error)
        assert found in (OLD, NEW)

    every_failure(OSError(number, os.strerror(number)), fresh(tmp_path, OLD), replace, check)
    assert failed >= 6


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_fails_gives_one_sentence_and_the_old_file(tmp_path: Path, number: int) -> None:
    failed = 0
    make = fresh(tmp_path, None)

    def check(folder: Path, error: Exception | None) -> None:
        nonlocal failed
        assert [path.name for path in folder.iterdir()] == ["file"], "no temporary file is left"
        found = (folder / "file").read_bytes()
        if error is None:
            assert found == b"new"
            return
        failed += 1
        assert isinstance(error, StoreError), repr(error)
        assert found == b"old"

    every_failure(
        OSError(number, os.strerror(number)),
        lambda: _with_file(make()),
        lambda f: write_text(f / "file", "new"),
        check,
    )
    assert failed >= 4


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot write"):
        write_bytes(tmp_path / "none" / "file", b"")


def test_a_reader_that_recovers_between_the_renames_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader may come at any instant, also while the folder is away."""
    folder = fresh(tmp_path, OLD)()
    rename = os.rename
    met = []

    def renamed(source: Path, target: Path) -> None:
        rename(source, target)
        if Path(target).name == ".model.old":
            recover_folder(folder / "model")
            met.append(content(folder / "model"))

    monkeypatch.setattr(os, "rename", renamed)
    replace(folder)
    assert met == [NEW]
    assert content(folder / "model") == NEW


def test_an_error_while_filling_leaves_the_old_folder(tmp_path: Path) -> None:
    folder = fresh(tmp_path, OLD)()

    def fill() -> None:
        with replaced_folder(folder / "model") as new:
            (new / "one").write_bytes(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fill()
    recover_folder(folder / "model")
    assert content(folder / "model") == OLD
