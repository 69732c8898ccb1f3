"""Worker processes: a function of many inputs on several cores, its results in order.

Each is `python -m sunhwan.workers` and talks over its standard streams. Unlike those of
`multiprocessing` they need no guard in the script that starts them, and none outlives its parent.
"""

import contextlib
import os
import pickle
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any, Self, TypeVar

from sunhwan.errors import SunhwanError

PAYS = 1 << 26
"""Bytes of text for each process: with less, starting it takes longer than it saves."""

Given = TypeVar("Given")
Found = TypeVar("Found")


def processes_for(size: int) -> int:
    """How many processes are worth starting for so many bytes of text, one a core at most."""
    if not sys.executable:
        return 1
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(min(cores, size // PAYS), 1)


class Workers:
    """So many processes, ended when it is left; with one the work is done in this process.

    goes_on: whether what was done by the end of a process is kept, for the sentence that tells of it.
    """

    def __init__(self, count: int, *, goes_on: bool = False) -> None:
        self.count, self.goes_on = count, goes_on
        self._running: list[subprocess.Popen[bytes]] = []
        self._free: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._running:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):
                    stream.close()  # type: ignore[union-attr]

    def map(self, work: Callable[[Given], Found], inputs: Iterable[Given]) -> Iterator[Found]:
        """The results in the order of the inputs, of which a few are taken ahead.

        What the work raises is raised, and the error of what cannot be sent to a process or back.
        SunhwanError: a process was ended from outside.
        """
        if self.count == 1:
            yield from map(work, inputs)
            return
        self._begin(work)
        waiting: deque[Future[Found]] = deque()
        with ThreadPoolExecutor(self.count) as threads:
            try:
                for given in inputs:
                    waiting.append(threads.submit(self._ask, given))
                    if len(waiting) > 2 * self.count:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def _begin(self, work: Callable[[Any], Any]) -> None:
        """Give the work to all processes, which are started at the first."""
        while len(self._running) < self.count:
            self._running.append(_started())
            self._free.put(self._running[-1])
        for process in self._running:
            self._send(process, "work", work)

    def _ask(self, given: Any) -> Any:
        process = self._free.get()
        try:
            self._send(process, "input", given)
            with self._told_where_lost(process):
                answer = pickle.load(process.stdout)  # type: ignore[arg-type]
        finally:
            self._free.put(process)
        succeeded, found = pickle.loads(answer)
        if not succeeded:
            raise found
        return found

    def _send(self, process: subprocess.Popen[bytes], kind: str, content: object) -> None:
        # Within its own bytes, so that what comes next can be read where it cannot.
        message = kind, pickle.dumps(content)
        with self._told_where_lost(process):
            pickle.dump(message, process.stdin)  # type: ignore[arg-type]
            process.stdin.flush()  # type: ignore[union-attr]

    @contextlib.contextmanager
    def _told_where_lost(self, process: subprocess.Popen[bytes]) -> Iterator[None]:
        try:
            yield
        except (OSError, EOFError, pickle.UnpicklingError):
            code = process.wait()
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            if self.goes_on:
                raise SunhwanError(
                    f"a worker process was ended from outside ({how}), as by a lack of memory: "
                    "start again, and it goes on"
                ) from None
            raise SunhwanError(
                f"a worker process was ended from outside ({how}), as by a lack of memory: start again"
            ) from None


def _started() -> subprocess.Popen[bytes]:
    paths = os.pathsep.join(path for path in sys.path if path)
    # -P: not the folder one happens to be in, which may hold a module of any name.
    command = [sys.executable, "-P", "-m", "sunhwan.workers"]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": paths},
    )


def _serve() -> None:
    """Answer messages until there are no more: the pickled work, or an input of it, which has an answer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this one
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what else is printed must not stand between the answers
    pickled_work = work = None
    while True:
        try:
            kind, content = pickle.load(sys.stdin.buffer)
        except (EOFError, OSError):
            return
        if kind == "work":
            pickled_work, work = content, None
            continue
        try:
            work = work or pickle.loads(pickled_work)  # type: ignore[arg-type]
            answer = pickle.dumps((True, work(pickle.loads(content))))
        except Exception as error:
            answer = _pickled_error(error)
        try:
            pickle.dump(answer, answers)
            answers.flush()
        except BrokenPipeError:
            return


def _pickled_error(error: Exception) -> bytes:
    """The answer of an error; as a RuntimeError where the other side could not read it."""
    try:
        answer = pickle.dumps((False, error))
        pickle.loads(answer)
    except Exception:
        return pickle.dumps((False, RuntimeError(f"{type(error).__name__}: {error}")))
    return answer


if __name__ == "__main__":
    _serve()
