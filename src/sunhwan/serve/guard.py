"""ASGI middleware in front of the application: allowed hosts and origins, limits of size and time."""

import asyncio
import re
from collections.abc import Iterable
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sunhwan.serve.limits import Limits
from sunhwan.serve.refusals import RefusedError, response_of

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(?::[0-9]{1,5})?")


class Guard:
    """Lets a request through that names this server, comes from its own page, and is small enough.

    A page of another site can make a browser ask this server, but not under its own name (Host) nor
    without saying where it comes from (Origin). The body is read here, at most `limits.body` bytes
    of it, before it reaches the application; it must be JSON by its type.
    """

    def __init__(self, app: ASGIApp, limits: Limits, hosts: Iterable[str] = ()) -> None:
        self.app, self.limits = app, limits
        self.hosts = {host.casefold() for host in (*LOOPBACK, *hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        try:
            self._check(scope)
            body = await self._body(scope, receive)
        except RefusedError as refused:
            # What is left of the body is not waited for.
            response = response_of(refused)
            response.headers["Connection"] = "close"
            await response(scope, receive, _protected(send))
            return
        if body is not None:
            await self.app(scope, _replayed(body, receive), _protected(send))

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        match = _HOST.fullmatch(host)
        if match is None or match[1].casefold() not in self.hosts:
            raise RefusedError(
                403,
                "this server answers to 127.0.0.1, localhost and [::1] alone: start it with "
                "--allow-host for another name",
                code="host",
            )
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2].casefold() != host.casefold():
            raise RefusedError(403, "pages of other sites may not ask this server", code="origin")
        if scope["method"] in ("GET", "HEAD", "OPTIONS"):
            return
        kind = headers.get("content-type", "").partition(";")[0].strip().casefold()
        if kind != "application/json":
            raise RefusedError(415, "the request must be JSON: send Content-Type: application/json")

    async def _body(self, scope: Scope, receive: Receive) -> bytes | None:
        """The whole body; None where the client left before its end."""
        length = Headers(scope=scope).get("content-length", "0")
        if not length.isdecimal() or len(length) > 15 or int(length) > self.limits.body:
            raise self._too_large()
        parts, size = [], 0
        try:
            async with asyncio.timeout(self.limits.slow):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > self.limits.body:
                        raise self._too_large()
                    if not message.get("more_body", False):
                        return b"".join(parts)
        except TimeoutError:
            raise RefusedError(
                408, f"the request took over {self.limits.slow:g} s to arrive"
            ) from None

    def _too_large(self) -> RefusedError:
        return RefusedError(413, f"a request may have {self.limits.body:,} bytes", code="body")


def _replayed(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body first, then what else comes: that the client has left."""
    given = False

    async def replayed() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed


def _protected(send: Send) -> Send:
    """A `send` that adds the headers which keep a browser from more than the page needs."""

    async def protected(message: Any) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return protected
