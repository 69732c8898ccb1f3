"""A real server: OpenAI's own client, clients that hang up, rubbish on the wire, and its end."""

import json
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from sunhwan import generation
from sunhwan.api import load_language
from tests.serve.helpers import Address, events, server_of, until
from tests.tiers import and_deep

COMPLETIONS: dict[str, Any] = {"model": "characters", "prompt": "ab", "seed": 3}


@pytest.fixture
def client(server: Address) -> Iterator[openai.OpenAI]:
    plain = httpx.Client(trust_env=False)
    with openai.OpenAI(
        base_url=f"{server.url}/v1", api_key="none", max_retries=0, http_client=plain
    ) as found:
        yield found


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    """What is entered is left at the test's end."""
    with ExitStack() as found:
        yield found


def texts(runs: list[Path], prompt: str, **options: Any) -> list[str]:
    language = load_language(runs[0])
    options = {"precision": "fp32", "until_eos": True, "temperature": 1.0} | options
    found = generation.sample(language.model, language.vocabulary, prompt, **options)
    return [one.text for one in found]


def test_models_are_listed_for_openai(client: openai.OpenAI) -> None:
    names = [model.id for model in client.models.list()]
    assert "jamo" in names
    assert client.models.retrieve("jamo").id == "jamo"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nobody")


def test_openai_gets_the_texts_of_sample(client: openai.OpenAI, language_runs: list[Path]) -> None:
    wanted = texts(language_runs, "ab", length=40, n=3, seed=3)
    found = client.completions.create(**COMPLETIONS, max_tokens=40, n=3)
    assert [choice.text for choice in found.choices] == wanted
    assert found.usage is not None
    assert found.usage.completion_tokens == 120
    stop = wanted[0][9:11]
    found = client.completions.create(**COMPLETIONS, max_tokens=40, stop=[stop, "zz"])
    assert found.choices[0].text == wanted[0].partition(stop)[0]
    assert found.choices[0].finish_reason == "stop"


def test_openai_streams(client: openai.OpenAI, language_runs: list[Path]) -> None:
    wanted = texts(language_runs, "ab", length=300, n=2, seed=3)
    said, usage = ["", ""], None
    for part in client.completions.create(
        **COMPLETIONS, max_tokens=300, n=2, stream=True, stream_options={"include_usage": True}
    ):
        usage = part.usage or usage
        for choice in part.choices:
            said[choice.index] += choice.text
    assert said == wanted
    assert usage is not None
    assert usage.total_tokens == 602


def test_openai_gets_log_probabilities(client: openai.OpenAI) -> None:
    found = client.completions.create(**COMPLETIONS, max_tokens=8, logprobs=2, echo=True)
    scored = found.choices[0].logprobs
    assert scored is not None
    assert scored.tokens is not None
    assert "".join(scored.tokens) == found.choices[0].text
    assert scored.token_logprobs is not None
    assert scored.token_logprobs[0] is None
    assert all(p < 0 for p in scored.token_logprobs[1:])
    assert scored.text_offset == list(range(10))


def test_openai_is_told_what_is_wrong(client: openai.OpenAI) -> None:
    with pytest.raises(openai.UnprocessableEntityError, match="suffix is not offered"):
        client.completions.create(**COMPLETIONS, suffix="x")
    with pytest.raises(openai.NotFoundError, match="no model"):
        client.completions.create(model="nobody", prompt="a")


def begin(server: Address, body: dict[str, Any]) -> socket.socket:
    """A connection on which completions were asked for."""
    data = json.dumps(body).encode()
    wire = socket.create_connection(("127.0.0.1", server.port), 10)
    wire.sendall(
        b"POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(data), data)
    )
    return wire


def hear(wire: socket.socket, wanted: bytes) -> None:
    """Read until something was said."""
    heard = b""
    while wanted not in heard:
        part = wire.recv(65_536)
        assert part, heard
        heard += part


@pytest.mark.parametrize("stream", [True, False])
def test_nothing_is_written_for_those_who_have_left(
    language_runs: list[Path], stream: bool
) -> None:
    with server_of(language_runs[:1]) as server:
        batcher = server.app.state.service.models["characters"].loaded().batcher
        taken, may, gone = [0], threading.Semaphore(0), threading.Event()
        step, writing = batcher.stepper.run_rows, batcher.writing

        def held(steps: Any) -> Any:
            assert may.acquire(timeout=30)
            taken[0] += 1
            return step(steps)

        class Noted:
            def __init__(self, jobs: Any) -> None:
                self.inner = writing(jobs)

            def __enter__(self) -> Any:
                return self.inner.__enter__()

            def __exit__(self, *error: Any) -> None:
                self.inner.__exit__(*error)
                gone.set()

        batcher.stepper.run_rows, batcher.writing = held, Noted
        body = COMPLETIONS | {"max_tokens": 4000, "n": 8, "stream": stream}
        with begin(server, body) as wire:
            may.release(3)
            if stream:
                hear(wire, b"data: ")
            until(lambda: taken[0] == 3)
        assert gone.wait(20), "the server has not noticed"
        may.release(10_000)
        time.sleep(0.2)
        # The step that was begun is ended; no other is made.
        assert taken[0] <= 4
        until(lambda: server.app.state.service._places._value == 64)
        batcher.stepper.run_rows, batcher.writing = step, writing
        found = httpx.post(
            f"{server.url}/v1/completions", json=COMPLETIONS, trust_env=False, timeout=20
        )
        assert found.status_code == 200


def exchange(server: Address, data: bytes, *, finish: bool = True) -> bytes:
    """What the server answers to bytes, until it closes the connection or says no more."""
    found = b""
    with socket.create_connection(("127.0.0.1", server.port), 10) as wire:
        try:
            wire.sendall(data)
            if finish:
                wire.shutdown(socket.SHUT_WR)
            while part := wire.recv(65_536):
                found += part
        except OSError:
            pass  # the server has closed the connection before it had read all
    return found


HEAD = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\x00" * 100, b"GET", b"GET / HTTP/9.9\r\n\r\n", b"\r\n" * 1000, HEAD, HEAD + b"X: \xff\r\n",
        b"GET /health HTTP/1.1\r\n\r\n", b"GET " + b"/a" * 100_000, HEAD + b"X: " + b"y" * 200_000,
        HEAD + b"".join(b"X%d: y\r\n" % k for k in range(20_000)), HEAD + b"Host: evil\r\n\r\n",
        b"POST /api/next HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Content-Length: 50\r\n\r\n{",
        b"POST /api/next HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /api/next HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
        b"GET /%ff%00 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"CONNECT evil:443 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
        HEAD + b"Upgrade: websocket\r\nConnection: upgrade, close\r\n\r\n",
        HEAD + b"Upgrade: h2c\r\nConnection: close\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
    ids=lambda data: f"{data[:30]!r}-{len(data)}",
)  # fmt: skip
def test_rubbish_does_not_stop_the_server(server: Address, data: bytes) -> None:
    answer = exchange(server, data)
    assert not answer or answer.startswith(b"HTTP/1.1 ")
    assert b" 500 " not in answer.partition(b"\r\n")[0]
    assert b"Traceback" not in answer
    assert b'"ok"' in exchange(server, HEAD + b"Connection: close\r\n\r\n")


def test_random_bytes_do_not_stop_the_server(server: Address) -> None:
    draw = random.Random(1)
    whole = HEAD + b"Connection: close\r\n\r\n"
    for _ in range(60):
        data = bytearray(whole if draw.random() < 0.5 else draw.randbytes(draw.randrange(1, 400)))
        for _ in range(draw.randrange(1, 6)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        assert b" 500 " not in exchange(server, bytes(data)).partition(b"\r\n")[0]
    assert b'"ok"' in exchange(server, whole)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", b""), (b"GE", b""), (HEAD, b""),
        (b"POST /api/next HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
         b"Content-Length: 50\r\n\r\n{", b"HTTP/1.1 408 "),
        (HEAD + b"Connection: close\r\n\r\n", b"HTTP/1.1 200 "),
    ],
    ids=str,
)  # fmt: skip
def test_who_takes_too_long_is_cut(language_runs: list[Path], data: bytes, status: bytes) -> None:
    with server_of(language_runs[:1], slow=0.2) as server:
        answer = exchange(server, data, finish=False)
        assert answer.startswith(status)
        assert bool(answer) == bool(status)


def test_the_second_request_on_a_connection_has_its_time_too(language_runs: list[Path]) -> None:
    with (
        server_of(language_runs[:1], slow=0.3) as server,
        socket.create_connection(("127.0.0.1", server.port), 10) as wire,
    ):
        for _ in range(2):
            wire.sendall(HEAD + b"\r\n")
            hear(wire, b'"ok"')
            time.sleep(0.5)  # without a request begun there is no haste
        with suppress(OSError):
            for _ in range(100):
                wire.sendall(b"G")
                time.sleep(0.05)
            pytest.fail("a head of a byte now and then was waited for")


@pytest.mark.slow
def test_who_does_not_read_is_cut(language_runs: list[Path]) -> None:
    with server_of(language_runs[:1], slow=0.3) as server:
        service = server.app.state.service
        body = COMPLETIONS | {"max_tokens": 4000, "n": 16, "stream": True, "logprobs": 5}
        wire = socket.socket()
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        wire.connect(("127.0.0.1", server.port))
        data = json.dumps(body).encode()
        wire.sendall(
            b"POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(data), data)
        )
        until(lambda: service._places._value < 64)
        until(lambda: service._places._value == 64)
        wire.close()


def test_so_many_connections_and_no_more(language_runs: list[Path]) -> None:
    with server_of(language_runs[:1], connections=3) as server:
        wires = [socket.create_connection(("127.0.0.1", server.port), 10) for _ in range(3)]
        time.sleep(0.1)
        answer = exchange(server, HEAD + b"\r\n")
        assert answer.startswith(b"HTTP/1.1 503 ") or not answer
        for wire in wires:
            wire.close()
        until(lambda: b'"ok"' in exchange(server, HEAD + b"Connection: close\r\n\r\n"))


def test_what_is_running_when_it_ends_is_answered(
    language_runs: list[Path], closing: ExitStack
) -> None:
    with server_of(language_runs[:1], grace=0.3) as server:
        batcher = server.app.state.service.models["characters"].loaded().batcher
        step, stopping = batcher.stepper.run_rows, server.app.state.service._stopping
        taken: list[int] = []

        def held(steps: Any) -> Any:
            found = step(steps)
            if taken:
                until(stopping.is_set)
            taken.append(1)
            return found

        batcher.stepper.run_rows = held
        body = COMPLETIONS | {"max_tokens": 100}
        stream = closing.enter_context(begin(server, body | {"stream": True}))
        hear(stream, b"data: ")
        whole = closing.enter_context(begin(server, body))
        until(lambda: server.app.state.service._places._value == 62)
    assert b"stopping" in b"".join(iter(lambda: stream.recv(65_536), b""))
    answer = b"".join(iter(lambda: whole.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 503 ")


def test_what_is_running_may_end_after_sigterm(
    language_runs: list[Path], closing: ExitStack
) -> None:
    """As much time as a request has, not some seconds; new requests are not taken meanwhile."""
    with server_of(language_runs[:1], grace=None) as server:
        batcher = server.app.state.service.models["characters"].loaded().batcher
        step, begun, go_on = batcher.stepper.run_rows, threading.Event(), threading.Event()

        def held(steps: Any) -> Any:
            begun.set()
            assert go_on.wait(20)
            return step(steps)

        batcher.stepper.run_rows = held
        body = COMPLETIONS | {"max_tokens": 30}
        stream = closing.enter_context(begin(server, body | {"stream": True}))
        assert begun.wait(20)
        whole = closing.enter_context(begin(server, body))
        until(lambda: server.app.state.service._places._value == 62)
        server.stop(signal.SIGTERM)
        until(lambda: refuses(server))
        go_on.set()
    assert b"[DONE]" in b"".join(iter(lambda: stream.recv(65_536), b""))
    answer = b"".join(iter(lambda: whole.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_a_second_signal_cuts_off_what_is_running(
    language_runs: list[Path], closing: ExitStack
) -> None:
    with server_of(language_runs[:1], grace=None) as server:
        batcher = server.app.state.service.models["characters"].loaded().batcher
        step, begun = batcher.stepper.run_rows, threading.Event()
        stopping = server.app.state.service._stopping

        def held(steps: Any) -> Any:
            begun.set()
            until(stopping.is_set)
            return step(steps)

        batcher.stepper.run_rows = held
        whole = closing.enter_context(begin(server, COMPLETIONS | {"max_tokens": 30}))
        assert begun.wait(20)
        server.stop(signal.SIGTERM)
        until(lambda: refuses(server))
        server.stop(signal.SIGTERM)
    answer = b"".join(iter(lambda: whole.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 503 ")


def refuses(server: Address) -> bool:
    """Whether no connection is taken any more."""
    try:
        socket.create_connection(("127.0.0.1", server.port), 1).close()
    except OSError:
        return True
    return False


def started(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "sunhwan", "serve", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", and_deep(["SIGINT"], ["SIGTERM"]))
def test_the_command_serves_until_it_is_told_to_stop(language_runs: list[Path], name: str) -> None:
    process = started(str(language_runs[0]), str(language_runs[1]), "--port", "0", "--threads", "1")
    assert process.stdout is not None
    names, _, url = process.stdout.readline().strip().partition(": ")
    assert names == "characters, jamo"
    assert httpx.get(f"{url}/health", trust_env=False).json() == {"status": "ok"}
    body = COMPLETIONS | {"max_tokens": 20, "stream": True}
    found = httpx.post(f"{url}/v1/completions", json=body, trust_env=False, timeout=20)
    assert events(found.text)[-1] == "[DONE]"
    process.send_signal(getattr(signal, name))
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--host", "0.0.0.0"], 2, "--allow-host"), (["--host", "example.org"], 2, "--allow-host"),
        (["--threads", "-1"], 2, "--threads"), (["--n", "0"], 2, "--n must"),
        (["--precision", "fp8"], 2, "precision"), (["--port", "TAKEN"], 1, "choose another --port"),
        (["--port", "99999"], 1, "choose another --port"),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_served(
    server: Address, language_runs: list[Path], arguments: list[str], code: int, said: str,
    command: Any,
) -> None:  # fmt: skip
    arguments = [str(server.port) if one == "TAKEN" else one for one in arguments]
    found = command("serve", language_runs[0], *arguments)
    assert found.code == code
    assert said in found.sentence


def test_a_folder_that_is_no_run(tmp_path: Path, command: Any) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        assert command("serve", folder, "--port", "0").code == 1
