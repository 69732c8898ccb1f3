"""The compiled library: which file, which instruction set, and what is said without it."""

import ctypes
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from sunhwan.cells import CELLS
from sunhwan.errors import UsageError
from sunhwan.ops import library as module
from sunhwan.ops.library import RECORDS, SETS, Library, library, warn_if_missing

built = pytest.mark.skipif(library() is None, reason="sunhwan was installed without its library")


@pytest.fixture(autouse=True)
def _anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every test finds the library anew, and so does whoever comes after it."""
    monkeypatch.setattr(module, "_warned", False)
    monkeypatch.delenv("SUNHWAN_INSTRUCTIONS", raising=False)
    library.cache_clear()
    yield
    monkeypatch.undo()
    library.cache_clear()
    library()


@pytest.fixture
def native() -> Library:
    found = library()
    assert found is not None
    return found


@built
def test_the_best_instruction_set_is_taken(native: Library) -> None:
    assert native.instructions == native.usable[0]
    assert native.usable[-1] == "portable"
    assert [name for name in SETS if name in native.usable] == list(native.usable)


@built
def test_an_instruction_set_can_be_asked_for(
    native: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in native.usable:
        monkeypatch.setenv("SUNHWAN_INSTRUCTIONS", name)
        library.cache_clear()
        found = library()
        assert found is not None
        assert found.instructions == name


@built
def test_one_that_cannot_be_had_is_one_sentence(
    native: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUNHWAN_INSTRUCTIONS", "mmx")
    library.cache_clear()
    with pytest.raises(UsageError, match=r"'mmx'.*SUNHWAN_INSTRUCTIONS.*portable"):
        library()
    assert native.use_instructions("portable") == "portable"
    with pytest.raises(UsageError):
        native.use_instructions("mmx")
    assert native.instructions == "portable"


@built
def test_kernels_are_found_by_name_and_precision(native: Library) -> None:
    for dtype in (torch.float32, torch.float64):
        assert all(native.kernel(name, dtype) for name in ("elman", "gru", "lstm"))
        assert native.kernel("no such cell", dtype) is None
    assert native.kernel("lstm", torch.float32) != native.kernel("lstm", torch.float64)
    assert native.kernel("lstm", torch.float16) is None
    assert native.kernel("elman_relu", torch.float32)
    assert "elman_relu" in CELLS


@built
def test_threads_are_those_of_pytorch(native: Library) -> None:
    runtimes = [*(Path(torch.__file__).parent / "lib").glob("libgomp*")]
    assert native.openmp or not runtimes


@built
def test_threads_are_shared_where_the_system_knows_no_lazy_loading(
    native: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows, whose `os` has no such flags: that is no reason to do without."""
    for flag in ("RTLD_LAZY", "RTLD_NOLOAD"):
        monkeypatch.delattr(os, flag, raising=False)
    assert module._share_openmp(native.dll) == native.openmp


def test_another_file_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SUNHWAN_LIBRARY", str(tmp_path / "none.so"))
    with pytest.raises(UsageError, match=r"SUNHWAN_LIBRARY.*none\.so"):
        library()
    (tmp_path / "none.so").write_bytes(b"no library")
    with pytest.raises(UsageError, match="build it anew"):
        library()


def test_it_can_be_switched_off_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUNHWAN_LIBRARY", "none")
    assert library() is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_if_missing()


def test_that_it_is_missing_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUNHWAN_LIBRARY", raising=False)
    monkeypatch.setattr(module, "NAME", "no such file")
    with pytest.warns(RuntimeWarning, match=r"compiled kernels.*C\+\+ compiler"):
        warn_if_missing()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_if_missing()


@built
def test_nothing_is_said_where_it_is(native: Library) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_if_missing()


FORKING = """
import os, signal, sys
import torch
from sunhwan.layers import Recurrent
from sunhwan.ops import description, library

library._share_openmp = lambda dll: False
torch.set_num_threads(1)  # PyTorch's own do not live through a fork
description._threads = lambda *sizes: 2
layer, x = Recurrent("lstm", 32, 200), torch.ones(16, 3, 32)
with torch.inference_mode():
    before = layer(x)[0]
    child = os.fork()
    signal.alarm(30)  # of both: who waits for threads that are not there waits for ever
    assert torch.equal(layer(x)[0], before)
if not child:
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@built
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_of_a_fork_has_threads_of_its_own() -> None:
    """Where there is no OpenMP to borrow them from."""
    done = subprocess.run(
        [sys.executable, "-c", FORKING], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


@built
@pytest.mark.parametrize("name", RECORDS)
def test_a_library_with_another_record_is_refused(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Other(ctypes.Structure):
        _fields_ = [("number", ctypes.c_int16)]

    monkeypatch.setitem(RECORDS, name, Other)
    library.cache_clear()
    with pytest.raises(UsageError, match=rf"its record {name} has \d+ bytes, not 2; build it anew"):
        library()


@built
def test_a_library_of_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "VERSION", 1)
    library.cache_clear()
    with pytest.raises(UsageError, match=r"of version \d+, not 1; build it anew"):
        library()
