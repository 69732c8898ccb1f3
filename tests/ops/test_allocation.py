"""What a training step frees stays in the process."""

import os
import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource
import torch
from sunhwan.ops import keep_freed_memory

kept = keep_freed_memory()
assert keep_freed_memory() is kept

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def step():
    tensors = [torch.ones(size) for size in (20_000_000, 3_000_000, 70_000)]

counts = []
for _ in range(8):
    before = faults()
    step()
    counts.append(faults() - before)
print(kept, min(counts))
"""

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")


def outcome(**environment: str) -> tuple[bool, int]:
    """Whether memory is kept, and the fewest pages that one of equal steps asks the system for.

    Something small that stays may fall into what a step freed, and the next one then needs more.
    """
    small_pages = os.environ | {"THP_MEM_ALLOC_ENABLE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", FAULTS],
        capture_output=True, text=True, check=True, env=small_pages | environment,
    )  # fmt: skip
    kept, pages = done.stdout.split()
    return kept == "True", int(pages)


@glibc
def test_a_step_asks_the_system_for_nothing_that_the_last_one_had() -> None:
    kept, pages = outcome()
    assert kept
    assert pages < 100


@glibc
def test_who_tunes_the_allocator_is_left_alone() -> None:
    kept, pages = outcome(MALLOC_MMAP_MAX_="65536")
    assert not kept
    assert pages > 10_000
