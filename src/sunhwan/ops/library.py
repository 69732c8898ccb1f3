"""The compiled library of CPU kernels, `native/`: found, loaded, and told what it needs to know."""

import ctypes
import os
import sys
import warnings
from functools import cache
from pathlib import Path

import torch

from sunhwan.errors import UsageError
from sunhwan.ops.engine_record import EngineLayer, EngineModel, EngineRow
from sunhwan.ops.record import VERSION, Kernel, Matrix, Problem, Series

SUFFIX = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
NAME = f"sunhwan_native{SUFFIX}"
SETS = ("avx512", "avx2", "portable")
"""Instruction sets, the best one first."""

OFF = "none"
"""What SUNHWAN_LIBRARY says to do without the library."""


class Library:
    """The functions of the library, and the instruction set they use."""

    def __init__(self, path: Path, instructions: str | None = None) -> None:
        self.path = path
        dll = ctypes.CDLL(str(path))
        _check_records(dll)  # before anything else is called
        dll.sunhwan_use_instructions.argtypes = [ctypes.c_char_p]
        dll.sunhwan_use_instructions.restype = ctypes.c_char_p
        dll.sunhwan_kernel.argtypes = [ctypes.c_char_p, ctypes.c_int]
        dll.sunhwan_kernel.restype = ctypes.c_void_p
        for pass_ in (dll.sunhwan_forward, dll.sunhwan_backward):
            pass_.argtypes, pass_.restype = [ctypes.c_void_p, ctypes.c_void_p], None
        dll.sunhwan_use_openmp.argtypes, dll.sunhwan_use_openmp.restype = (
            [ctypes.c_void_p] * 3,
            None,
        )
        dll.sunhwan_generates.argtypes = [ctypes.c_char_p]
        dll.sunhwan_generates_fast.argtypes = [ctypes.c_int64]
        dll.sunhwan_engine.argtypes, dll.sunhwan_engine.restype = [ctypes.c_void_p], ctypes.c_void_p
        dll.sunhwan_engine_run.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
        dll.sunhwan_engine_sweep.argtypes = [ctypes.c_void_p, ctypes.c_int64]
        dll.sunhwan_engine_sweep.restype = ctypes.c_int64
        dll.sunhwan_engine_free.argtypes = [ctypes.c_void_p]
        dll.sunhwan_engine_run.restype = dll.sunhwan_engine_free.restype = None
        self.dll = dll
        self.usable = tuple(name for name in SETS if self._take(name))
        self.instructions = self.use_instructions(instructions)
        self.openmp = _share_openmp(dll)

    def use_instructions(self, name: str | None) -> str:
        """Take the named instruction set, or the best one; UsageError where it cannot be had."""
        found = self._take(name)
        if found is None:
            told = f"the instruction set {name!r} (SUNHWAN_INSTRUCTIONS) cannot be used"
            raise UsageError(f"{told}: this processor and build have {', '.join(self.usable)}")
        self.instructions = found
        return found

    def _take(self, name: str | None) -> str | None:
        found: bytes | None = self.dll.sunhwan_use_instructions(name.encode() if name else None)
        return None if found is None else found.decode()

    def kernel(self, name: str, dtype: torch.dtype) -> int | None:
        """The address of a cell's kernel, None where it has none."""
        if dtype not in (torch.float32, torch.float64):
            return None
        found: int | None = self.dll.sunhwan_kernel(name.encode(), int(dtype == torch.float64))
        return found


RECORDS: dict[str, type[ctypes.Structure]] = {
    "Series": Series,
    "Matrix": Matrix,
    "Recurrence": Problem,
    "Kernel": Kernel,
    "LayerOfModel": EngineLayer,
    "Model": EngineModel,
    "Row": EngineRow,
}
"""What passes between Python and the library, by the names of native/."""


def _check_records(dll: ctypes.CDLL) -> None:
    """OSError where the library was built for records of another version or size."""
    version, size_of = dll.sunhwan_record_version, dll.sunhwan_size_of
    version.argtypes, size_of.argtypes = [], [ctypes.c_char_p]
    version.restype = size_of.restype = ctypes.c_int64
    if version() != VERSION:
        raise OSError(f"its records are of version {version()}, not {VERSION}")
    for name, record in RECORDS.items():
        found, needed = size_of(name.encode()), ctypes.sizeof(record)
        if found != needed:
            raise OSError(f"its record {name} has {found} bytes, not {needed}")


@cache
def library() -> Library | None:
    """The library, or None where it was not built.

    SUNHWAN_LIBRARY names another file, or `none`; SUNHWAN_INSTRUCTIONS an instruction set.
    """
    told = os.environ.get("SUNHWAN_LIBRARY")
    if told == OFF:
        return None
    # An editable install has the sources in one folder and what was compiled in another.
    paths = [Path(told)] if told else [Path(p) / NAME for p in sys.modules["sunhwan"].__path__]
    found = next((path for path in paths if path.is_file()), None)
    if found is None:
        if told:
            raise UsageError(f"SUNHWAN_LIBRARY: there is no file {told}; `{OFF}` does without one")
        return None
    try:
        return Library(found, os.environ.get("SUNHWAN_INSTRUCTIONS"))
    except (OSError, AttributeError) as error:
        raise UsageError(
            f"{found} is not the library of this sunhwan: {error}; build it anew"
        ) from None


def why_missing() -> str:
    """Why there is no library, and how to get it."""
    if os.environ.get("SUNHWAN_LIBRARY") == OFF:
        return "switched off by SUNHWAN_LIBRARY"
    return "not built: install a C++ compiler (GCC or Clang), then sunhwan again"


_warned = False


def warn_if_missing() -> None:
    """Say once in a process that there could be a faster way, unless it was switched off."""
    global _warned
    if _warned or library() is not None or os.environ.get("SUNHWAN_LIBRARY") == OFF:
        return
    _warned = True
    warnings.warn(f"{SLOWER}; {why_missing()}", RuntimeWarning, stacklevel=2)


SLOWER = "recurrences on the CPU run without sunhwan's compiled kernels, which is slower"


def _share_openmp(dll: ctypes.CDLL) -> bool:
    """Let the library use the OpenMP threads that PyTorch has; True if it has any."""
    names = ("GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads")
    mode = getattr(os, "RTLD_NOLOAD", 0) | getattr(os, "RTLD_LAZY", 0)  # Windows has neither
    for path in (Path(torch.__file__).parent / "lib").glob("lib*omp*"):
        try:
            runtime = ctypes.CDLL(str(path), mode=mode)
        except OSError:
            continue
        if not all(hasattr(runtime, name) for name in names):
            continue
        entries = [ctypes.cast(getattr(runtime, name), ctypes.c_void_p) for name in names]
        dll.sunhwan_use_openmp(*entries)
        return True
    return False
