"""Timing in turn: A B A B …, so that a machine whose speed drifts treats both alike."""

import argparse
import hashlib
import json
import multiprocessing
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from sunhwan.data import read_table


def in_turn(
    sides: Mapping[str, Callable[[], object]], *, rounds: int = 7, seconds: float = 0.2
) -> dict[str, float]:
    """Median seconds a call of each side: `rounds` rounds, in each of which every side runs for
    about `seconds`, after one warm-up call."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    calls = {name: max(1, round(seconds / _once(side))) for name, side in sides.items()}
    for _ in range(rounds):
        for name, side in sides.items():
            begun = time.perf_counter()
            for _ in range(calls[name]):
                side()
            times[name].append((time.perf_counter() - begun) / calls[name])
    return {name: statistics.median(values) for name, values in times.items()}


@contextmanager
def in_own_process(
    make: Callable[..., Callable[[], object]], *arguments: object
) -> Iterator[Callable[[], None]]:
    """What `make(*arguments)` gives, called in a process of its own, with as many threads as here.

    So the other side runs as it comes: nothing of what we set in this process, its allocator above
    all, reaches it.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    threads = torch.get_num_threads()
    child = context.Process(target=_answer, args=(there, threads, make, arguments), daemon=True)
    child.start()
    there.close()

    def call() -> None:
        here.send(None)
        here.recv()

    try:
        yield call
    finally:
        here.close()
        child.join()


def _answer(
    calls: Connection, threads: int, make: Callable[..., Callable[[], object]], arguments: Any
) -> None:
    torch.set_num_threads(threads)
    side = make(*arguments)
    with suppress(EOFError):
        while True:
            calls.recv()
            side()
            calls.send(None)


def _once(side: Callable[[], object]) -> float:
    side()
    begun = time.perf_counter()
    side()
    return max(time.perf_counter() - begun, 1e-6)


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def arguments_of(description: str | None) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", type=Path, help="a file for the numbers")
    parser.add_argument("--markdown", type=Path, help="a file for the table")
    return parser


@contextmanager
def processor_time(wanted: bool) -> Iterator[None]:
    """Let all budgets and times count what this process has the processor, on one thread, if wanted."""
    if not wanted:
        yield
        return
    torch.set_num_threads(1)
    with mock.patch("time.perf_counter", time.process_time):
        yield


def publish(text: str, rows: object, arguments: argparse.Namespace) -> None:
    """Print the table, and write what was asked for."""
    print(text)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    if arguments.markdown:
        arguments.markdown.write_text(text, encoding="utf-8")


def split_by_hash(
    file: Path, folder: Path, names: tuple[str, str], key: str, held_out: float, fold: int = 0
) -> tuple[Path, Path]:
    """A headerless TSV, of which the first two columns get names → training and test files.

    The hash of the column `key` ("1" or "2") decides, so that equal texts are on one side; each `fold` is
    another part of so many rows.
    """
    folder.mkdir(exist_ok=True)
    sides: dict[bool, list[str]] = {False: [], True: []}
    for row in read_table(file, header=False).rows:
        digest = hashlib.sha256(("split " + row.values[key]).encode()).digest()
        sides[int(digest[0] / 256 / held_out) == fold].append(
            f"{row.values['1']}\t{row.values['2']}\n"
        )
    train, test = folder / "train.tsv", folder / "test.tsv"
    for path, side in ((train, False), (test, True)):
        path.write_text("\t".join(names) + "\n" + "".join(sides[side]), encoding="utf-8")
    return train, test


def train_apart(corpus: str, run: Path, options: Sequence[str]) -> float:
    """`sunhwan train` in a process of its own; the CPU seconds that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "sunhwan", "train", corpus, "--out", str(run), "--quiet"]
    subprocess.run([*command, *options], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def command(*arguments: object) -> list[str]:
    """`sunhwan` in a process of its own."""
    return [sys.executable, "-m", "sunhwan", *map(str, arguments)]


def ran(arguments: list[str], until: Callable[[], bool] | None = None) -> dict[str, Any]:
    """Run to the end, or kill once `until` holds: exit code, seconds, peak megabytes, lines on stderr.

    Memory is that of the command's processes together, sampled every half second (`megabytes`).
    """
    begun, peak = time.perf_counter(), 0.0
    with tempfile.TemporaryFile("w+", encoding="utf-8") as told:
        process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=told)
        while process.poll() is None:
            peak = max(peak, megabytes(process.pid))
            if until is not None and until():
                process.kill()
            time.sleep(0.05 if until else 0.5)
        seconds = time.perf_counter() - begun
        told.seek(0)
        said = told.read().strip().splitlines()
    return {"code": process.returncode, "seconds": seconds, "MB": peak, "said": said}


def megabytes(pid: int) -> float:
    """The memory of a process and of those that it started (Linux; elsewhere 0).

    Of the pages that they share, each has its part (PSS); those of mapped files are counted.
    """
    found = 0.0
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                found = int(line.split()[1]) / 1024
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            found += megabytes(int(child))
    except (OSError, ValueError):
        pass
    return found


def describing(seed: int, arguments: argparse.Namespace) -> list[str]:
    """The options of a benchmark of `describe` for `train_apart`."""
    options = ["--task", "describe", "--seed", str(seed)]
    options += ["--minutes", str(arguments.minutes)] if arguments.minutes else []
    return options + [part for setting in arguments.set for part in ("--set", setting)]


def machine() -> str:
    """The processor, its cores and instruction set, and the version of PyTorch."""
    capability = torch.backends.cpu.get_cpu_capability()
    threads = f"{torch.get_num_threads()} threads"
    return f"{processor()}, {threads}, {capability}, PyTorch {torch.__version__}"


def processor() -> str:
    """The processor's name, as the system tells it."""
    try:
        told = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    named = [line.partition(":")[2] for line in told.splitlines() if line.startswith("model name")]
    return " ".join(named[0].split()) if named else platform.machine()
