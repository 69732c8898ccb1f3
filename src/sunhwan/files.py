"""Files from outside: plain files of bounded size, gzip with a bounded result, JSON and TOML with
bounded depth.

A file that may come from elsewhere is read here. A size is compared with its
limit before memory is taken for it.
"""

import contextlib
import errno
import gzip
import io
import json
import os
import re
import stat
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

LARGEST = 1 << 34
"""Bytes of a file that is read at once."""
UNPACKED = 1 << 30
"""Bytes that what is packed may unpack to; a few MB can hold terabytes."""
RECORD = 1 << 28
"""Bytes of a JSON file."""
SETTINGS = 1 << 18
"""Bytes of a TOML file."""
DEPTH = 64
"""How many lists and objects may stand one inside another."""
PARTS = 16
"""How many parts a TOML key may have; its reader takes the square of their number."""

_CHUNK = 1 << 20
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\Z)', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_KEY_PART = re.compile(r"""[\w\-"' \t]*+""")


def open_plain(path: Path) -> io.BufferedReader:
    """Open a plain file to read its bytes; OSError for a folder, a pipe or a device too.

    The opening never waits, as that of a pipe without a writer would.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, "it is a folder", str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is no plain file", str(path))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def is_plain(path: Path) -> bool:
    """Whether this is a plain file that can be looked at; whatever the name, there is an answer."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name too long, or with a NUL character
        return False


def beside(path: Path) -> list[str]:
    """The names of the files in the same folder; none where it cannot be looked at."""
    try:
        return [other.name for other in path.parent.iterdir()]
    except (OSError, ValueError):
        return []


def read_plain(path: Path, most: int = LARGEST) -> bytes:
    """The bytes of a plain file; OSError where there are more than so many, or no memory for them."""
    with open_plain(path) as file:
        size = os.fstat(file.fileno()).st_size
        try:
            # Not most + 1: a reader takes the memory before it reads. Some files tell no size.
            data = file.read(size + 1) if size <= most else b""
            while size < len(data) <= most and (more := file.read(_CHUNK)):
                data += more
        except MemoryError:
            raise OSError(errno.ENOMEM, f"{size:,} bytes do not fit in memory") from None
        if size > most or len(data) > most:
            raise OSError(errno.EFBIG, f"it has more than {most:,} bytes")
        return data


def unpack(data: bytes, most: int = UNPACKED) -> bytes:
    """The content of gzip; OSError where there are more than so many bytes.

    EOFError, zlib.error or gzip.BadGzipFile where it is damaged.
    """
    parts, size = [], 0
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
        while part := file.read(_CHUNK):
            size += len(part)
            if size > most:
                raise OSError(errno.EFBIG, f"it unpacks to more than {most:,} bytes")
            parts.append(part)
    return b"".join(parts)


PACKED = (".gz", ".zst")
"""How the names of files end that are unpacked while they are read."""


def unpacked_name(name: str) -> str:
    """The name in lower case without the ending that says how it is packed."""
    name = name.lower()
    return next((name.removesuffix(end) for end in PACKED if name.endswith(end)), name)


@contextlib.contextmanager
def open_unpacked(path: Path) -> Iterator[BinaryIO]:
    """Open a plain file to read its bytes one after another, unpacked by its name: `.gz` or `.zst`.

    OSError as of `open_plain`, and where `.zst` cannot be read here; EOFError or zlib.error, while it
    is read, where gzip is damaged.
    """
    with open_plain(path) as file:
        name = path.name.lower()
        if name.endswith(".gz"):
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield io.BufferedReader(unpacked)
        elif name.endswith(".zst"):
            with _zstd(file) as unpacked:
                yield unpacked
        else:
            yield file


def _zstd(file: BinaryIO) -> Any:
    try:
        import pyarrow
    except ModuleNotFoundError:
        raise OSError(
            errno.ENOSYS, "zstd needs the package pyarrow: install sunhwan[tables], or unpack it"
        ) from None
    return pyarrow.CompressedInputStream(pyarrow.PythonFile(file, mode="r"), "zstd")


def parse_json(text: str | bytes, **options: Any) -> Any:
    """A JSON value; ValueError where it is none, or deeper than `DEPTH`. options: of `json.loads`."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if not _is_flat(data):
        raise ValueError(f"it is nested more than {DEPTH} levels deep")
    return json.loads(text if isinstance(text, str) else data.decode("utf-8"), **options)


def read_json(path: Path, most: int = RECORD) -> Any:
    """The JSON of a plain file; OSError or ValueError."""
    return parse_json(read_plain(path, most))


def parse_toml(text: str) -> dict[str, Any]:
    """A TOML document; ValueError where it is none, or deeper than `DEPTH`."""
    if len(text) > SETTINGS:
        raise ValueError(f"it has more than {SETTINGS:,} characters")
    if _has_long_key(text):
        raise ValueError(f"a key has more than {PARTS} parts")
    try:
        found = tomllib.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not _is_shallow(found):
        raise ValueError(f"it is nested more than {DEPTH} levels deep")
    return found


def _is_flat(text: bytes) -> bool:
    """Whether at most `DEPTH` brackets are open at once, outside strings."""
    if text.count(b"[") + text.count(b"{") <= DEPTH:
        return True
    brackets = _STRING.sub(b"", text).translate(None, _NO_BRACKETS)
    for _ in range(DEPTH):
        # The innermost pairs of each round: passes in C, where a walk would take seconds.
        before, brackets = brackets, brackets.replace(b"[]", b"").replace(b"{}", b"")
        if len(brackets) == len(before):
            return len(brackets) <= DEPTH  # none has a partner: the parser refuses them
    return not brackets


def _has_long_key(text: str) -> bool:
    parts = 0
    for part in text.split("."):
        parts = parts + 1 if _KEY_PART.fullmatch(part) else 0
        if parts > PARTS:
            return True
    return False


def _is_shallow(value: Any) -> bool:
    level = [value]
    for _ in range(DEPTH):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return True
    return False
