"""Continuous batching: one thread a model, one step for all its texts, which come and go."""

import asyncio
import threading
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, suppress

from sunhwan.generation import Job, Stepper
from sunhwan.generation.job import advance
from sunhwan.generation.text import TOGETHER

IDLE = 10.0
"""Seconds without work after which the thread ends."""


class Request:
    """The texts of one request; made and asked on the event loop, which the thread wakes."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.jobs = jobs
        self.cancelled = False
        self._loop, self._event = asyncio.get_running_loop(), asyncio.Event()

    @property
    def done(self) -> bool:
        """Whether all texts have ended."""
        return all(job.done for job in self.jobs)

    def wake(self) -> None:
        """Something is new; called by the thread."""
        if not self.cancelled:
            with suppress(RuntimeError):  # the loop is closed: the server has ended
                self._loop.call_soon_threadsafe(self._event.set)

    async def steps(self) -> AsyncIterator[None]:
        """Yields when there is news, a last time at the end; raises what went wrong with a text."""
        while True:
            done = self.done
            for job in self.jobs:
                if job.error is not None:
                    raise job.error
            yield
            if done:
                return
            await self._event.wait()
            self._event.clear()

    async def finished(self) -> None:
        """Wait for the end of all texts."""
        async for _ in self.steps():
            pass


class Batcher:
    """The texts of one model. Each step is one call of the stepper for all that are at work.

    At most `TOGETHER` are written side by side; the others wait, and of several requests each has
    its turn. A text whose client has left is dropped before the next step.
    """

    def __init__(self, stepper: Stepper) -> None:
        self.stepper = stepper
        self.steps = 0
        self._condition = threading.Condition()
        self._waiting: OrderedDict[Request, deque[Job]] = OrderedDict()
        self._thread: threading.Thread | None = None
        self._closed = False

    def close(self, seconds: float = 5.0) -> None:
        """Wait until the thread has ended, which is when all that is not given up is done."""
        with self._condition:
            self._closed, thread = True, self._thread
            self._condition.notify()
        if thread is not None:
            thread.join(seconds)

    @contextmanager
    def writing(self, jobs: Sequence[Job]) -> Iterator[Request]:
        """Let the jobs be done while the `with` lasts; what is not done at its end is given up."""
        request = Request(jobs)
        open_ = deque(job for job in jobs if not job.done)
        if open_:
            with self._condition:
                self._waiting[request] = open_
                if self._thread is None:
                    self._thread = threading.Thread(target=self._work, daemon=True)
                    self._thread.start()
                self._condition.notify()
        try:
            yield request
        finally:
            request.cancelled = True

    def _work(self) -> None:
        live: list[tuple[Request, Job]] = []
        while True:
            with self._condition:
                if not live:
                    self._condition.wait_for(lambda: self._waiting or self._closed, IDLE)
                    if not self._waiting:
                        self._thread = None
                        return
                self._admit(live)
            self._step(live)
            live = [pair for pair in live if not pair[1].done]

    def _admit(self, live: list[tuple[Request, Job]]) -> None:
        """Those that are given up leave, others take their places, one of each request in turn."""
        live[:] = [pair for pair in live if not pair[0].cancelled]
        while self._waiting and len(live) < TOGETHER:
            request, jobs = self._waiting.popitem(last=False)
            if request.cancelled:
                continue
            live.append((request, jobs.popleft()))
            if jobs:
                self._waiting[request] = jobs

    def _step(self, live: Sequence[tuple[Request, Job]]) -> None:
        if not live:
            return
        jobs = [job for _, job in live]
        try:
            advance(self.stepper, jobs)
        except Exception as error:  # those that wait must hear of it
            for job in jobs:
                job.error = error
        self.steps += 1
        for request in {id(request): request for request, _ in live}.values():
            request.wake()
