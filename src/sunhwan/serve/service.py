"""Service shared by all routes: the models, the limits, and waiting for a request's result."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from starlette.types import Receive

from sunhwan.serve.limits import Limits
from sunhwan.serve.models import Loaded, Served
from sunhwan.serve.refusals import RefusedError

Value = TypeVar("Value")


class Service:
    """The models by name, and places for so many requests at a time."""

    def __init__(self, models: Mapping[str, Served], limits: Limits) -> None:
        self.models, self.limits = dict(models), limits
        self._places = asyncio.Semaphore(limits.running)
        self._queue = 0
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """End all that is running: it is answered with 503, a stream with an event that says so."""
        self._stopping.set()

    @property
    def is_stopping(self) -> bool:
        """Whether the server was asked to stop."""
        return self._stopping.is_set()

    @property
    def waiting(self) -> int:
        """How many requests wait for a place."""
        return self._queue

    def close(self) -> None:
        """Wait for the threads that write: one that the interpreter's end cuts off takes it down."""
        for one in self.models.values():
            one.close()

    def named(self, name: str) -> Served:
        """A model by its name; refused where there is none."""
        if name not in self.models:
            known = ", ".join(self.models)
            raise RefusedError(
                404, f"there is no model of that name here, only {known}",
                param="model", code="model_not_found",
            )  # fmt: skip
        return self.models[name]

    async def loaded(self, name: str) -> Loaded:
        """The newest model of that name; StoreError where it is not there yet."""
        return await asyncio.to_thread(self.named(name).loaded)

    def check(self, count: int, limit: int, what: str, status: int = 422) -> None:
        """Refused where there is more of something than a request may have."""
        if count > limit:
            raise RefusedError(status, f"{count:,} {what} are more than the {limit:,} of a request")

    async def attend(self, receive: Receive, work: Coroutine[Any, Any, Value]) -> Value:
        """Do the work when there is a place for it, as long as its client waits.

        Refused: 429 where too many wait already, 503 after the time of a request and when the
        server stops, 499 where the client has left.
        """
        task = asyncio.create_task(self._placed(work))
        gone = asyncio.create_task(_gone(receive))
        stop = asyncio.create_task(self._stopping.wait())
        tasks = (task, gone, stop)
        try:
            await asyncio.wait(
                tasks, timeout=self.limits.seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if task.done():
                return task.result()
            if gone.done():
                raise RefusedError(499, "the client has left")
            if stop.done():
                raise RefusedError(503, "the server is stopping")
            raise RefusedError(503, f"the answer would take more than {self.limits.seconds:g} s")
        finally:
            for one in tasks:
                one.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            work.close()

    async def _placed(self, work: Coroutine[Any, Any, Value]) -> Value:
        async with self._place():
            return await work

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        if self._places.locked() and self._queue >= self.limits.waiting:
            raise RefusedError(429, "the server is at capacity: retry shortly")
        self._queue += 1
        try:
            await self._places.acquire()
        finally:
            self._queue -= 1
        try:
            yield
        finally:
            self._places.release()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
