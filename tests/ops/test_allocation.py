"""What a training step frees stays in the process."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from sunhwan.ops.allocation import OWN
from tests.tiers import deep

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


@deep
@glibc
def test_a_step_asks_the_system_for_nothing_that_the_last_one_had() -> None:
    kept, pages = outcome()
    assert kept
    assert pages < 100


@deep
@glibc
def test_who_tunes_the_allocator_is_left_alone() -> None:
    kept, pages = outcome(MALLOC_MMAP_MAX_="65536")
    assert not kept
    assert pages > 10_000


ALLOCATOR = """
import sys, torch
from sunhwan.config import Config
from sunhwan.training import resume, start, train
import sunhwan.plots

sunhwan.plots.draw_losses = lambda run: None
changed = []
start.keep_freed_memory = lambda: changed.append(True)
config = Config().override({
    "text.corpus": "hello", "model.hidden_size": 4, "training.steps": 2, "training.threads": 2,
})
torch.set_num_threads(1)
torch.manual_seed(5)
before = torch.random.get_rng_state()
train(config, sys.argv[1] + "/run")
resume(sys.argv[1] + "/run")
assert torch.equal(before, torch.random.get_rng_state())
assert torch.get_num_threads() == 1
quiet = list(changed)
train(config, sys.argv[1] + "/own", own_process=True)
print(len(quiet), len(changed))
"""


@glibc
def test_training_from_python_leaves_the_process_as_it_was(tmp_path: Path) -> None:
    """Threads, random numbers and the allocator; the last is changed where it is asked for."""
    plain = {name: value for name, value in os.environ.items() if name not in OWN}
    done = subprocess.run(
        [sys.executable, "-c", ALLOCATOR, tmp_path],
        capture_output=True, text=True, check=True, env=plain,
    )  # fmt: skip
    assert done.stdout.split() == ["0", "1"]
