"""`--processes`: the same command in several processes of this machine, which train together."""

import logging
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from sunhwan.cli.output import complain
from sunhwan.errors import UsageError

Count = Annotated[
    int | None,
    typer.Option(
        "--processes",
        help="Train in this many processes of this machine, each with a part of a batch.",
    ),
]


def is_first() -> bool:
    """Whether this process reports: it is alone, or the first of those that train together."""
    return os.environ.get("RANK", "0") == "0"


def alone() -> None:
    """UsageError where this is one of several processes: for commands of several runs in turn."""
    count = os.environ.get("WORLD_SIZE", "1")
    if count != "1":
        raise UsageError(
            f"this command trains one run after another, and {count} processes were started: start one"
        )


def share_command(count: int | None) -> None:
    """Run this command in so many processes and end with their exit code; return in each of them.

    PyTorch starts them, and ends all when one of them ends badly.
    """
    if count is None:
        return
    if count < 1:
        raise UsageError(f"--processes must be 1 or more, not {count}")
    started = os.environ.get("WORLD_SIZE")
    if started and int(started) != count:
        raise UsageError(f"--processes is {count}, but {started} were started: leave it out")
    if started or count == 1:
        return
    raise typer.Exit(_run_all(count))


def _run_all(count: int) -> int:
    from torch.multiprocessing.spawn import ProcessExitedException, start_processes

    # Its warning that the others are ended would stand above our sentence.
    logging.getLogger("torch.multiprocessing.spawn").setLevel(logging.ERROR)
    threads = max((os.cpu_count() or 1) // count, 1)
    with tempfile.TemporaryDirectory() as folder, _environment(OMP_NUM_THREADS=str(threads)):
        place = str(Path(folder) / "processes")
        context: Any = start_processes(  # type: ignore[no-untyped-call]
            _run_one, (count, place, sys.argv), count, join=False, start_method="spawn"
        )
        try:
            with _passing_signals_on(context.processes):
                while not context.join():
                    pass
        except ProcessExitedException:
            codes = [process.exitcode for process in context.processes]
            if (codes[0] or 0) not in (-signal.SIGTERM, *range(256)):
                complain(
                    f"the first process of the training ended by signal {-codes[0]}: `sunhwan resume` "
                    "goes on from the last checkpoint of the run"
                )
            return max((code for code in codes if code and code > 0), default=1)
    return 0


def _run_one(rank: int, count: int, place: str, arguments: list[str]) -> None:
    from sunhwan.cli import main
    from sunhwan.training.processes import RENDEZVOUS

    named = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, RENDEZVOUS: place}
    os.environ |= {name: str(value) for name, value in named.items()}
    sys.argv = arguments
    main()


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    """Variables that are set for the processes that are started inside, where they are not set."""
    added = {name: value for name, value in values.items() if name not in os.environ}
    os.environ |= added
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


@contextmanager
def _passing_signals_on(processes: list[Any]) -> Iterator[None]:
    """SIGTERM goes to the processes. Ctrl-C reaches all of a terminal's processes by itself."""

    def pass_on(signum: int, frame: FrameType | None) -> None:
        for process in processes:
            if process.is_alive() and signum != signal.SIGINT:
                os.kill(process.pid, signum)

    before = {name: signal.signal(name, pass_on) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
