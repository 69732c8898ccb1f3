"""Three texts that are always at hand: one word, some Korean prose, a lot of Python."""

import hashlib
import sysconfig
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from sunhwan.errors import TextError
from sunhwan.text.decoding import decode, decode_known, read_bytes
from sunhwan.text.documents import Document, Setting
from sunhwan.text.folders import files_below


def _hello() -> list[Document]:
    return [Document("hello", "hello" * 200)]


def _korean() -> list[Document]:
    data = resources.files("sunhwan.text").joinpath("korean.txt").read_bytes()
    return [Document("korean", decode(data, "korean.txt"))]


# Other people's packages, tests and their data, an application, caches and generated files.
_NOT_STDLIB = frozenset(
    ("site-packages", "dist-packages", "test", "tests", "idlelib", "__pycache__", "pydoc_data")
)


def _stdlib() -> list[Document]:
    """Modules in an order given by the hash of their path.

    In the order of their names, validation would hold whole families of modules that training
    has never seen (unittest, urllib, xml). Hashing mixes the families, alike on every machine.
    """
    folder = Path(sysconfig.get_paths()["stdlib"])
    names = sorted(filter(_is_stdlib_source, files_below(folder, _NOT_STDLIB)), key=_hash)
    documents = []
    for name in names:
        try:
            text, encoding = decode_known(read_bytes(folder / name), name)
        except TextError:  # a file that may not be read
            continue
        # The code pages of `encodings` are tables that the tool gencodec.py wrote: over 1 MB of
        # hexadecimal numbers that would drown the modules which people have written.
        if encoding == "UTF-8" and "gencodec.py" not in text[:1000]:
            documents.append(Document(f"stdlib/{name}", text))
    if not documents:
        raise TextError(
            f"This Python has no library sources in {folder}; install them or give your own text."
        )
    return documents


def _is_stdlib_source(name: str) -> bool:
    *folders, file = name.split("/")
    # config-* and _sysconfigdata* are written when Python is built and hold its build paths.
    return (
        file.endswith(".py")
        and not file.startswith("_sysconfigdata")
        and not any(part.startswith("config-") for part in folders)
    )


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()


class BuiltIn(NamedTuple):
    """A text that needs no file: what it is, how to get it, and settings that suit it."""

    description: str
    load: Callable[[], list[Document]]
    suggested: Mapping[str, Setting]


BUILT_IN: Mapping[str, BuiltIn] = MappingProxyType(
    {
        "hello": BuiltIn(
            "the word of the lectures: from h, e, l, l predict e, l, l, o",
            _hello,
            MappingProxyType(
                {"text.vocabulary": "characters", "text.unknown": "drop", "model.input": "one-hot"}
            ),
        ),
        "korean": BuiltIn(
            "short essays and stories in Korean, shipped with the package",
            _korean,
            MappingProxyType({"text.vocabulary": "jamo"}),
        ),
        "stdlib": BuiltIn(
            "the Python sources of the running interpreter's standard library, about 10 MB",
            _stdlib,
            MappingProxyType({"text.vocabulary": "characters"}),
        ),
    }
)
