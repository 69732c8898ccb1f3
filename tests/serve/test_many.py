"""Requests drawn at random, and many at once; `fuzz` and `crowd` are longer as modules of their own."""

import asyncio
from pathlib import Path

import pytest

from tests.serve.crowd import crowd
from tests.serve.fuzz import fuzz
from tests.serve.helpers import Address


@pytest.mark.slow
def test_no_request_makes_the_server_fail(tmp_path: Path) -> None:
    codes = fuzz(tmp_path, 300)
    assert sum(codes.values()) == 300
    right = {name for name, status in codes if status == 200}
    assert {"completions", "next", "score", "trace", "attribution", "predict"} <= right
    assert {400, 404, 413, 415, 422} & {status for _, status in codes} >= {404, 415, 422}


@pytest.mark.slow
def test_a_crowd_gets_what_each_would_get_alone(server: Address) -> None:
    found = asyncio.run(crowd(server, 12, 2.0))
    assert found["finished"] > 10
    assert found["hung up"] > 0
