"""Memory allocation: what a training step frees is kept for the next one, not given back to the system."""

import ctypes
import os
import platform
from functools import cache

M_MMAP_MAX, M_TRIM_THRESHOLD, M_TOP_PAD = -4, -1, -2
"""The names of glibc's mallopt(3)."""

TOP_PAD = 64 << 20
"""Bytes that the heap grows by at least."""

OWN = ("GLIBC_TUNABLES", "MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_")
"""Variables by which a user tunes the allocator."""


@cache
def keep_freed_memory() -> bool:
    """Let this process keep the memory that it frees, for its next tensors.

    A training step frees what the next one asks for again. By itself glibc gives blocks of some
    megabytes back to the system, which clears every page before it lends it again: up to a third of
    a step's time. From here on the process stays as large as its largest step was.

    It holds for the whole process and is not undone. True where it was done; nothing is done where
    the C library is another one, or where the user tunes it in the environment.
    """
    if platform.libc_ver()[0] != "glibc" or any(name in os.environ for name in OWN):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    settings = {M_MMAP_MAX: 0, M_TRIM_THRESHOLD: -1, M_TOP_PAD: TOP_PAD}
    taken = [mallopt(name, value) == 1 for name, value in settings.items()]
    return all(taken)
