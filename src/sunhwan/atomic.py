"""Atomic writes: wholly or not at all, also when the process or the machine dies in between."""

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sunhwan.errors import StoreError


def write_bytes(path: Path, data: bytes) -> None:
    """Replace a file: temporary file in the same folder → fsync → rename → fsync of the folder."""
    with reported(path):
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """`write_bytes` of UTF-8."""
    write_bytes(path, text.encode("utf-8"))


def check_writable(path: Path) -> None:
    """StoreError where a file cannot be made in the place of this one: to be asked before the work."""
    with reported(path):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        with tempfile.TemporaryFile(dir=path.parent):
            pass


def check_folder_writable(path: Path) -> None:
    """The same of a folder, which with those above it may not be there yet."""
    with reported(path):
        above = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
        with tempfile.TemporaryFile(dir=above):
            pass


@contextmanager
def replaced_folder(path: Path) -> Iterator[Path]:
    """Fill the yielded empty folder; afterwards it stands at `path` in place of what was there.

    Renaming needs two steps, so a reader calls `recover_folder` first: whatever the instant of a
    crash, either the old or the new folder is found whole.
    """
    new, old = _new(path), _old(path)
    with reported(path):
        recover_folder(path)
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        yield new
        for file in new.rglob("*"):
            if file.is_dir():
                sync_folder(file)
                continue
            with file.open("rb") as opened:
                os.fsync(opened.fileno())
        sync_folder(new)
        if path.exists():
            path.rename(old)
        try:
            new.rename(path)
        except FileNotFoundError:
            # A reader between the two renames took it for a crash and finished the work.
            if not path.exists():
                raise
        sync_folder(path.parent)
        shutil.rmtree(old, ignore_errors=True)


def recover_folder(path: Path) -> None:
    """Finish a replacement that a crash interrupted between its two renames."""
    path = Path(os.path.abspath(path))  # noqa: PTH100  "." has a name, too, and ".." another
    if not path.name:
        return  # the root of the file system, which cannot be replaced
    new, old = _new(path), _old(path)
    if not path.exists() and new.exists() and old.exists():
        # The old one was moved away only after the new one was complete and on disk.
        with contextlib.suppress(OSError):
            new.rename(path)
    if path.exists():
        shutil.rmtree(old, ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """Make a rename in a folder last (a no-op where folders cannot be opened, as on Windows)."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _new(path: Path) -> Path:
    return path.with_name(f".{path.name}.new")


def _old(path: Path) -> Path:
    return path.with_name(f".{path.name}.old")


@contextmanager
def reported(path: Path) -> Iterator[None]:
    """An OSError inside becomes a StoreError: a disk that is full or may not be written."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise StoreError(
            f"cannot write {path}: {reason}; what was there before is unchanged"
        ) from None
