"""Who is let in: hosts, origins, sizes, types; and what a browser is told."""

import json

import pytest

from tests.serve.helpers import Client, refusal

JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:8000", "localhost", "LOCALHOST:8000", "[::1]", "[::1]:8000"],
)
def test_this_computer_may_ask(client: Client, host: str) -> None:
    assert client.get("/health", headers={"host": host}) == {"status": "ok"}


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "127.0.0.1.evil.example", "localhost.", "localhost:8000:1", "127.0.0.2", "",
        "evil@localhost", "localhost/", "[::2]", "localhost:port", "0.0.0.0", "127.1",
    ],
)  # fmt: skip
def test_other_names_are_refused(client: Client, host: str) -> None:
    for path in ("/health", "/", "/v1/models"):
        status, error = refusal(client.ask("GET", path, headers={"host": host}))
        assert (status, error["code"]) == (403, "host")


@pytest.mark.parametrize(
    ("origin", "may"),
    [
        ("http://127.0.0.1:8000", True), ("http://127.0.0.1", False), ("http://localhost:8000", False),
        ("http://evil.example", False), ("null", False), ("", False), ("http://127.0.0.1:80001", False),
    ],
)  # fmt: skip
def test_only_its_own_page_may_ask(client: Client, origin: str, may: bool) -> None:
    headers = {"host": "127.0.0.1:8000", "origin": origin, **JSON}
    for method, path in (("GET", "/health"), ("POST", "/api/next")):
        found = client.ask(method, path, headers=headers, content=b'{"model": "bytes", "text": ""}')
        assert (found.status_code == 200) == may
        if not may:
            assert refusal(found)[1]["code"] == "origin"


@pytest.mark.parametrize(
    "kind", [None, "text/plain", "application/x-www-form-urlencoded", "application/jsonx", "json"]
)
def test_a_request_must_be_json_by_its_type(client: Client, kind: str | None) -> None:
    headers = {} if kind is None else {"content-type": kind}
    for path in ("/api/next", "/v1/completions", "/nowhere"):
        found = client.ask("POST", path, headers=headers, content=b"{}")
        assert refusal(found)[0] == 415


def test_the_type_may_say_more(client: Client) -> None:
    headers = {"content-type": "Application/JSON; charset=utf-8"}
    body = json.dumps({"model": "bytes", "text": "가"}, ensure_ascii=False).encode()
    assert client.ask("POST", "/api/next", headers=headers, content=body).status_code == 200


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"nothing", b"\xff", b'{"model": "\xff"}', b"[" * 100_000, b'{"a":' * 50_000, b"1" * 5000],
    ids=lambda body: f"{body[:8]!r}",
)  # fmt: skip
def test_what_is_no_json_is_refused(client: Client, body: bytes) -> None:
    found = client.ask("POST", "/v1/completions", headers=JSON, content=body)
    status, error = refusal(found)
    assert status in (400, 422)
    assert error["type"] == "invalid_request_error"


def test_a_body_has_a_size(client: Client) -> None:
    large = json.dumps({"model": "bytes", "text": "a" * 1_000_000})
    assert refusal(client.ask("POST", "/api/next", headers=JSON, content=large))[0] == 413
    claimed = {**JSON, "content-length": "9" * 30}
    assert refusal(client.ask("POST", "/api/next", headers=claimed, content=b"{}"))[0] == 413

    async def parts():  # type: ignore[no-untyped-def]
        for _ in range(20):
            yield b" " * 100_000

    assert refusal(client.ask("POST", "/api/next", headers=JSON, content=parts()))[0] == 413


def test_addresses_and_methods_that_are_none(client: Client) -> None:
    assert refusal(client.ask("GET", "/nothing"))[0] == 404
    assert refusal(client.ask("GET", "/v1/completions"))[0] == 405
    assert refusal(client.ask("DELETE", "/v1/models", headers=JSON))[0] == 405
    for path in ("/docs", "/redoc", "/page/..%2Fapp.py", "/page/app.py", "/page/%00"):
        assert refusal(client.ask("GET", path))[0] == 404


def test_a_browser_is_told_what_it_must_not_do(client: Client) -> None:
    for path in ("/health", "/", "/nothing", "/plotly.js"):
        headers = client.ask("GET", path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy


def test_the_page_and_its_parts(client: Client) -> None:
    page = client.ask("GET", "/")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    plotly = client.ask("GET", "/plotly.js")
    assert plotly.headers["content-type"].startswith("text/javascript")
    assert b"Plotly" in plotly.content
