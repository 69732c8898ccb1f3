"""Measurements of the server for Prometheus: requests by address and answer, their time, what waits."""

import time
from bisect import bisect_left
from collections import Counter
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Seconds that part the requests by how long they took."""
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Measurements:
    """Counts since the server began; only addresses that exist have names, so they are few."""

    def __init__(self) -> None:
        self.running = 0
        self._answers: Counter[tuple[str, str, int]] = Counter()
        self._times: dict[str, list[int]] = {}
        self._seconds: Counter[str] = Counter()

    def add(self, method: str, route: str, status: int, seconds: float) -> None:
        """Note that a request was answered."""
        self._answers[method, route, status] += 1
        times = self._times.setdefault(route, [0] * (len(BOUNDS) + 1))
        times[bisect_left(BOUNDS, seconds)] += 1
        self._seconds[route] += seconds  # type: ignore[assignment]

    def text(self, waiting: int) -> str:
        """All of them in the text format of Prometheus."""
        lines = ["# TYPE sunhwan_requests_total counter"]
        for (method, route, status), count in sorted(self._answers.items()):
            labels = f'method="{method}",route="{route}",status="{status}"'
            lines.append(f"sunhwan_requests_total{{{labels}}} {count}")
        lines.append("# TYPE sunhwan_request_seconds histogram")
        for route, times in sorted(self._times.items()):
            total = 0
            for bound, count in zip((*map(str, BOUNDS), "+Inf"), times, strict=True):
                total += count
                labels = f'route="{route}",le="{bound}"'
                lines.append(f"sunhwan_request_seconds_bucket{{{labels}}} {total}")
            lines.append(f'sunhwan_request_seconds_sum{{route="{route}"}} {self._seconds[route]}')
            lines.append(f'sunhwan_request_seconds_count{{route="{route}"}} {total}')
        for name, value in (("running", self.running), ("waiting", waiting)):
            lines += [f"# TYPE sunhwan_requests_{name} gauge", f"sunhwan_requests_{name} {value}"]
        return "\n".join(lines) + "\n"


class Measured:
    """Stands before all else and notes each request, refused ones too."""

    def __init__(self, app: ASGIApp, measurements: Measurements) -> None:
        self.app, self.measurements = app, measurements

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun, status = time.perf_counter(), 499  # the client had left

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self.measurements.running += 1
        try:
            await self.app(scope, receive, noted)
        finally:
            self.measurements.running -= 1
            self.measurements.add(
                _method(scope), _route(scope), status, time.perf_counter() - begun
            )


def _method(scope: Scope) -> str:
    method = scope["method"]
    return method if method in ("GET", "HEAD", "POST", "OPTIONS") else "other"


def _route(scope: Scope) -> str:
    route: Any = scope.get("route")
    return getattr(route, "path", "other")
