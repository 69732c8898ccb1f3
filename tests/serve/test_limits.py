"""Each limit: what is below is answered, what is over is refused before it costs anything."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from sunhwan.errors import UsageError
from sunhwan.serve.limits import Limits
from tests.serve.helpers import Client, client_of, refusal, until

SMALL: dict[str, Any] = {
    "body": 5_000, "prompt": 20, "max_tokens": 9, "n": 2, "prompts": 3, "lines": 2,
    "characters": 30, "explained": 10, "numbers": 40, "sessions": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def small(language_runs: list[Path], task_runs: list[Path]) -> Any:
    with client_of([language_runs[0], *task_runs[:2]], **SMALL) as found:
        yield found


COMPLETIONS = {"model": "characters", "prompt": "a", "max_tokens": 1}
FIRST: dict[str, dict[str, Any]] = {
    "/v1/completions": COMPLETIONS, "/api/next": {"text": "", "length": 1}
}  # fmt: skip


@pytest.mark.parametrize(
    ("path", "fits", "over", "status"),
    [
        ("/v1/completions", {"prompt": "a" * 20}, {"prompt": "a" * 21}, 413),
        ("/v1/completions", {"prompt": [[1], [1] * 20]}, {"prompt": [[1], [1] * 21]}, 413),
        ("/v1/completions", {"max_tokens": 9}, {"max_tokens": 10}, 422),
        ("/v1/completions", {"n": 2}, {"n": 3}, 422),
        ("/v1/completions", {"prompt": ["a"] * 3}, {"prompt": ["a"] * 4}, 422),
        ("/v1/completions", {"user": "a" * 4000}, {"user": "a" * 5000}, 413),
        ("/api/next", {"text": "a" * 20}, {"text": "a" * 21}, 413),
        ("/api/next", {"length": 9}, {"length": 10}, 422),
        ("/api/score", {"lines": ["a"] * 2}, {"lines": ["a"] * 3}, 422),
        ("/api/score", {"lines": ["a" * 20]}, {"lines": ["a" * 21]}, 413),
        ("/api/trace", {"text": "a" * 30, "units": [0], "values": ["h"]}, {"text": "a" * 31}, 413),
        ("/api/trace", {"text": "aaa", "values": ["h"]}, {"text": "a" * 9}, 413),
        ("/api/attribution", {"text": "a" * 10}, {"text": "a" * 11}, 413),
    ],
    ids=str,
)
def test_a_request_has_a_size(
    small: Client, path: str, fits: dict[str, Any], over: dict[str, Any], status: int
) -> None:
    body = {"model": "characters"} | FIRST.get(path, {})
    small.post(path, **(body | fits))
    found, error = small.refused(path, **(body | over))
    assert found == status, error
    assert error["type"] == "invalid_request_error"


def test_questions_have_a_size(small: Client) -> None:
    small.post("/api/predict", model="classify", questions=["a" * 30] * 2)
    for questions in (["a"] * 3, ["a" * 31], [["a"] * 31]):
        assert small.refused("/api/predict", model="classify", questions=questions)[0] in (413, 422)


def test_sessions_are_forgotten(small: Client) -> None:
    body = {"model": "characters", "text": "abca", "length": 2}
    names = [small.post("/api/next", **body)["session"] for _ in range(3)]
    body["text"] = "abcab"
    assert small.post("/api/next", session=names[2], **body)["read"] == 1
    again = small.post("/api/next", session=names[0], **body)
    assert again["read"] == 5
    assert again["session"] != names[0]


class Held:
    """A stepper that waits until it may take each step."""

    def __init__(self, client: Client, name: str) -> None:
        self.batcher = client.app.state.service.models[name].loaded().batcher
        self._step = self.batcher.stepper.run_rows
        self.steps, self._may = 0, threading.Semaphore(0)
        self.batcher.stepper.run_rows = self._held

    def _held(self, steps: Any) -> Any:
        self._may.acquire()
        self.steps += 1
        return self._step(steps)

    def let(self, steps: int = 100_000) -> None:
        self._may.release(steps)


def asked(client: Client, **change: Any) -> Any:
    """A request that is on its way."""
    work = client.asked("POST", "/v1/completions", json=COMPLETIONS | change)
    return asyncio.run_coroutine_threadsafe(work, client.loop)


def test_what_is_too_much_for_now_is_told_to_come_again(language_runs: list[Path]) -> None:
    with client_of(language_runs[:1], running=2, waiting=3) as client:
        held = Held(client, "characters")
        inside = [asked(client) for _ in range(5)]
        service = client.app.state.service
        until(lambda: service._queue == 3)
        late = [asked(client, stream=k % 2 == 1).result(20) for k in range(4)]
        for found in late:
            status, error = refusal(found)
            assert (status, error["type"]) == (429, "rate_limit_error")
            assert int(found.headers["retry-after"]) >= 1
        # What costs nothing is answered all the same.
        assert client.get("/health") == {"status": "ok"}
        held.let()
        assert [found.result(20).status_code for found in inside] == [200] * 5
        assert asked(client).result(20).status_code == 200


def test_a_request_has_its_time(language_runs: list[Path]) -> None:
    with client_of(language_runs[:1], seconds=0.3, running=1) as client:
        held = Held(client, "characters")
        first, second = asked(client), asked(client)
        streamed = asked(client, stream=True)
        for found in (first, second, streamed):
            status, error = refusal(found.result(20))
            assert (status, error["type"]) == (503, "server_error")
        held.let()
        until(lambda: client.app.state.service._places._value == 1)
        assert asked(client).result(20).status_code == 200


def test_a_stream_that_takes_too_long_ends_with_an_error(language_runs: list[Path]) -> None:
    with client_of(language_runs[:1], seconds=0.5) as client:
        held = Held(client, "characters")
        held.let(2)
        found: httpx.Response = asked(client, stream=True, max_tokens=100).result(20)
        assert found.status_code == 200
        *told, last = found.text.removesuffix("\n\n").split("\n\n")
        assert told
        assert "more than 0.5 s" in last
        assert "server_error" in last
        assert held.steps == 2
        held.let()


def test_a_server_that_stops_says_so(language_runs: list[Path]) -> None:
    with client_of(language_runs[:1]) as client:
        held = Held(client, "characters")
        running = asked(client)
        until(lambda: held.batcher._thread is not None)
        client.loop.call_soon_threadsafe(client.app.state.service.stop)
        status, error = refusal(running.result(20))
        assert status == 503
        assert "stopping" in error["message"]
        held.let()


@pytest.mark.parametrize("change", [{"n": 0}, {"seconds": float("nan")}, {"waiting": -1}], ids=str)
def test_a_limit_is_over_zero(change: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(change))):
        Limits(**change)
