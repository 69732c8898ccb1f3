"""Compilers of C: those that are here, those for other machines, and what a program says on each."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

STRICT = ["-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror"]
SANITIZED = ["-O1", "-g", "-fsanitize=address,undefined"]
HERE = [found for found in map(shutil.which, ("gcc", "clang")) if found]
MACHINES = {
    "Cortex-M4F": ("arm-linux-musleabihf", "-mcpu=cortex_m4"),
    "AArch64": ("aarch64-linux-musl",),
    "RISC-V": ("riscv64-linux-musl",),
    "wasm32": ("wasm32-wasi",),
}
"""By name: the target of clang, and options."""

compiler = shutil.which("cc") or next(iter(HERE), None)
needs_compiler = pytest.mark.skipif(compiler is None, reason="there is no C compiler")


def compiled(command: Sequence[str | Path]) -> None:
    """Run a compiler, whose every warning is an error."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def without_a_warning(*files: Path) -> None:
    """Every compiler that is here takes the files."""
    for one in HERE:
        compiled([one, *STRICT, "-fsyntax-only", *files])


def cross_compiled(file: Path, to: Path, machine: str, *options: str) -> None:
    """The same for another machine, by clang."""
    pytest.importorskip("ziglang")
    command = [sys.executable, "-m", "ziglang", "cc", "-target", *MACHINES[machine], "-O2"]
    compiled([*command, *STRICT, *options, file, "-o", to])


def said(run: Path, *arguments: str) -> str:
    """What a program of this machine writes."""
    done = subprocess.run([run, *arguments], capture_output=True, check=False)
    assert done.stderr == b""
    assert done.returncode == 0
    return done.stdout.decode("utf-8", "replace")


def said_in_wasm(file: Path, arguments: Sequence[str], *options: str) -> str:
    """What the program of a file writes under wasmtime."""
    wasmtime = pytest.importorskip("wasmtime")
    module, output = file.with_suffix(".wasm"), file.with_suffix(".said")
    cross_compiled(file, module, "wasm32", *options, "-lm")
    engine = wasmtime.Engine()
    linker, store = wasmtime.Linker(engine), wasmtime.Store(engine)
    linker.define_wasi()
    wasi = wasmtime.WasiConfig()
    wasi.argv = ["program", *arguments]
    wasi.stdout_file = str(output)
    store.set_wasi(wasi)
    instance = linker.instantiate(store, wasmtime.Module.from_file(engine, str(module)))
    with suppress(wasmtime.ExitTrap):
        instance.exports(store)["_start"](store)
    return output.read_text(encoding="utf-8")
