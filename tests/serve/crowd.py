"""Many clients at once, of whom some hang up: every answer that is finished is what it is alone.

python -m tests.serve.crowd --clients 64 --seconds 120
"""

import argparse
import asyncio
import json
import random
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from tests.serve.helpers import Address, events, save_languages, server_of

MODELS = ("characters", "jamo", "bytes", "documents", "words")


def bodies(count: int) -> list[dict[str, Any]]:
    """Requests of every kind."""
    draw = random.Random(1)
    found = [
        {
            "model": draw.choice(MODELS),
            "prompt": "ab 난 다가 " * draw.randrange(20),
            "max_tokens": draw.choice((1, 10, 100, 400)),
            "n": draw.choice((1, 1, 2, 5)),
            "seed": draw.randrange(1000),
            "temperature": draw.choice((0, 0.7, 1.3)),
            "top_p": draw.choice((1, 0.8)),
            "logprobs": draw.choice((None, None, 2)),
            "echo": draw.random() < 0.2,
            "stop": draw.choice((None, "zz", ["a b", "다"])),
        }
        for _ in range(count)
    ]
    # A model without the engine is slow: a little of it is enough.
    few = {"model": "slow", "max_tokens": 10, "n": 1}
    return [body | few if k % 10 == 0 else body for k, body in enumerate(found)]


def choices_of(text: str, n: int) -> list[dict[str, Any]]:
    """The choices that a stream tells, each in one piece."""
    whole: list[dict[str, Any]] = [{"text": "", "index": k, "logprobs": None} for k in range(n)]
    *told, done = events(text)
    assert done == "[DONE]", done
    for choice in (choice for event in told for choice in json.loads(event)["choices"]):
        own = whole[choice["index"]]
        own["text"] += choice["text"]
        own["finish_reason"] = choice["finish_reason"]
        if choice["logprobs"]:
            own["logprobs"] = own["logprobs"] or {name: [] for name in choice["logprobs"]}
            for name, values in choice["logprobs"].items():
                own["logprobs"][name] += values
    return whole


async def crowd(server: Address, clients: int, seconds: float) -> Counter[str]:
    """What became of the requests; AssertionError for an answer that is not what it is alone."""
    asked = bodies(60)
    found: Counter[str] = Counter()
    limits = httpx.Limits(max_connections=clients + 8, keepalive_expiry=5)
    async with httpx.AsyncClient(
        base_url=server.url, timeout=120, limits=limits, trust_env=False
    ) as client:
        alone = [
            (await client.post("/v1/completions", json=body)).json()["choices"] for body in asked
        ]
        end = time.monotonic() + seconds

        async def one(number: int) -> None:
            draw = random.Random(number)
            while time.monotonic() < end:
                place = draw.randrange(len(asked))
                stream, leaves = draw.random() < 0.5, draw.random() < 0.2
                body = asked[place] | {"stream": stream}
                try:
                    work = client.post("/v1/completions", json=body)
                    answer = await asyncio.wait_for(work, draw.random() * 0.1 if leaves else None)
                except TimeoutError:
                    found["hung up"] += 1
                    continue
                if answer.status_code == 429:
                    found["come again"] += 1
                    await asyncio.sleep(0.1)
                    continue
                assert answer.status_code == 200, answer.text
                text = answer.text
                got = choices_of(text, body["n"]) if stream else answer.json()["choices"]
                assert got == alone[place], body
                found["finished"] += 1

        await asyncio.gather(*(one(number) for number in range(clients)))
    return found


def resident() -> float:
    """Memory of this process in MB, as Linux tells it; elsewhere 0."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next(int(line.split()[1]) / 1000 for line in lines if line.startswith("VmRSS"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=120)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, server_of(save_languages(Path(place))) as served:
        print(asyncio.run(crowd(served, given.clients, 5)), f"{resident():.0f} MB after 5 s")
        print(asyncio.run(crowd(served, given.clients, given.seconds)), f"{resident():.0f} MB")
