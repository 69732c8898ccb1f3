"""The compiled library of CPU kernels, `native/`: found, loaded, and told what it needs to know."""

import ctypes
import os
import sys
from functools import cache
from pathlib import Path

import torch

SUFFIX = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")


class Library:
    """The functions of the library, and the instruction set they use."""

    def __init__(self, path: Path) -> None:
        self.path = path
        dll = ctypes.CDLL(str(path))
        dll.sunhwan_use_instructions.argtypes = [ctypes.c_char_p]
        dll.sunhwan_use_instructions.restype = ctypes.c_char_p
        dll.sunhwan_kernel.argtypes = [ctypes.c_char_p, ctypes.c_int]
        dll.sunhwan_kernel.restype = ctypes.c_void_p
        for pass_ in (dll.sunhwan_forward, dll.sunhwan_backward):
            pass_.argtypes, pass_.restype = [ctypes.c_void_p, ctypes.c_void_p], None
        dll.sunhwan_use_openmp.argtypes, dll.sunhwan_use_openmp.restype = [ctypes.c_void_p] * 3, None
        self.dll = dll
        self.instructions = self.use_instructions(None)
        self.openmp = _share_openmp(dll)

    def use_instructions(self, name: str | None) -> str:
        """Take the named instruction set, or the best one; ValueError where it cannot be had."""
        found = self.dll.sunhwan_use_instructions(None if name is None else name.encode())
        if found is None:
            raise ValueError(f"this processor or build has no instruction set {name!r}")
        self.instructions = found.decode()
        return self.instructions

    def kernel(self, name: str, dtype: torch.dtype) -> int | None:
        """The address of a cell's kernel, None where it has none."""
        if dtype not in (torch.float32, torch.float64):
            return None
        found: int | None = self.dll.sunhwan_kernel(name.encode(), int(dtype == torch.float64))
        return found


@cache
def library() -> Library | None:
    """The library, or None where it was not built."""
    told = os.environ.get("SUNHWAN_LIBRARY")
    paths = [Path(told)] if told else [Path(__file__).parents[1] / f"sunhwan_native{SUFFIX}"]
    found = [path for path in paths if path.is_file()]
    return Library(found[0]) if found else None


def _share_openmp(dll: ctypes.CDLL) -> bool:
    """Let the library use the OpenMP threads that PyTorch has; True if it has any."""
    names = ("GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads")
    for path in (Path(torch.__file__).parent / "lib").glob("lib*omp*"):
        try:
            runtime = ctypes.CDLL(str(path), mode=getattr(os, "RTLD_NOLOAD", 0) | os.RTLD_LAZY)
            entries = [ctypes.cast(getattr(runtime, name), ctypes.c_void_p) for name in names]
        except (OSError, AttributeError):
            continue
        dll.sunhwan_use_openmp(*entries)
        return True
    return False
