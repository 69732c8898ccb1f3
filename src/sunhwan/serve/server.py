"""HTTP server (uvicorn): the application on a socket, with limits of connections and of time."""

import asyncio
import math
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from sunhwan.errors import SunhwanError
from sunhwan.serve.json_text import json_of
from sunhwan.serve.limits import Limits
from sunhwan.serve.refusals import RefusedError, body_of
from sunhwan.serve.service import Service

IDLE = 30
"""Seconds for which a connection without a request is kept: longer than clients usually do."""


def listen(host: str, port: int) -> socket.socket:
    """A socket at an address; port 0: a free one. SunhwanError where it is taken or not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or error
        raise SunhwanError(
            f"cannot listen at {host}, port {port} ({reason}): choose another --port"
        ) from None
    return listener


def address(listener: socket.socket) -> str:
    """What to type into a browser."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Server(uvicorn.Server):
    """Serves an application of `make_app` until SIGINT or SIGTERM, and then ends in order.

    Then no request is taken any more, and what is running may end: it has `grace` seconds, by default
    those of a request. What is left after that, or at a second signal, is answered with 503, or cut.
    """

    def __init__(self, app: FastAPI, limits: Limits, grace: float | None = None) -> None:
        self._service: Service = app.state.service
        self._grace = grace = limits.seconds if grace is None else grace
        self._loop: asyncio.AbstractEventLoop | None = None
        super().__init__(
            uvicorn.Config(
                app,
                http=protocol(limits),
                ws="none",
                loop="asyncio",
                log_level="error",
                access_log=False,
                server_header=False,
                timeout_keep_alive=IDLE,
                timeout_graceful_shutdown=math.ceil(grace) + 3,
                h11_max_incomplete_event_size=65_536,
            )
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        waiting = self._loop.call_later(self._grace, self._service.stop)
        try:
            await super().shutdown(sockets)
        finally:
            waiting.cancel()
        await asyncio.to_thread(self._service.close)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal stops the server in order, another one what is still running."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._service.stop)
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn does, but a signal that has ended the server is not raised again."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        names = (signal.SIGINT, signal.SIGTERM)
        before = {name: signal.signal(name, self.handle_exit) for name in names}
        try:
            yield
        finally:
            for name, handler in before.items():
                signal.signal(name, handler)


def protocol(limits: Limits) -> type[H11Protocol]:
    """HTTP/1.1 on a connection, which is cut where a client neither asks nor reads for too long."""

    class Patient(H11Protocol):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._timer = self.loop.call_later(limits.slow, transport.abort)
            if len(self.connections) > limits.connections:
                transport.write(_full())
                transport.close()

        def connection_lost(self, exc: Exception | None) -> None:
            self._timer.cancel()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self.cycle is not None and self.cycle.response_complete:
                self._wait()  # for the rest of the next request's head
            super().data_received(data)

        def handle_events(self) -> None:
            before = self.cycle
            super().handle_events()
            if self.cycle is not before:
                self._timer.cancel()  # the head of a request is there

        def pause_writing(self) -> None:
            self._wait()  # for the client to read
            super().pause_writing()

        def resume_writing(self) -> None:
            self._timer.cancel()
            super().resume_writing()

        def _wait(self) -> None:
            # Once only, so that a client that sends a byte now and then gains nothing.
            if self._timer.cancelled():
                self._timer = self.loop.call_later(limits.slow, self.transport.abort)

    return Patient


def _full() -> bytes:
    body = json_of(body_of(RefusedError(503, "too many connections are open: close some")))
    head = (
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nRetry-After: 1\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
