"""Requests out of /openapi.json, right and wrong: none may make the server fail.

python -m tests.serve.fuzz --requests 10000
"""

import argparse
import json
import random
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from sunhwan.serve.measurements import CONTENT_TYPE
from tests.serve.helpers import Client, client_of, save_languages, save_task

STRANGE: tuple[Any, ...] = (
    None, True, 0, -1, 1, 2**31, 2**63, -(2**70), 10**400, 0.5, -0.0, 1e308, 1e-320, "", "a", "난 다",
    "\ud800", "\x00", "\u202e<script>", "😀" * 3, "a\nb\r\n", "e\u0301", "ᄀ", [], [[]], {}, [None],
    [1, "a"], {"a": {"b": []}}, "x" * 5000,
)  # fmt: skip
"""What a field may be given beside what it should have."""
SELDOM = (
    "suffix", "presence_penalty", "frequency_penalty", "logit_bias", "best_of", "stream_options",
)  # fmt: skip
"""Fields of which nearly every value is refused."""
NUMBERS = ("NaN", "Infinity", "-Infinity", "1e999", "-0", "1" * 400)


class Fuzz:
    """Draws requests; the same seed draws the same ones."""

    def __init__(self, client: Client, models: list[str], seed: int) -> None:
        self.client, self.models, self.draw = client, models, random.Random(seed)
        self.schema = client.get("/openapi.json")
        self.codes: Counter[tuple[str, int]] = Counter()

    def request(self) -> tuple[str, str, str, dict[str, Any]]:
        """A method, an address, the same filled in, and what goes with it."""
        draw = self.draw
        address = draw.choice(sorted(self.schema["paths"]))
        method = draw.choice(sorted(self.schema["paths"][address]))
        operation = self.schema["paths"][address][method]
        name = draw.choice([*self.models, "nobody", "\ud7ff/.."])
        path = address.replace("{name}", quote(name, safe=""))
        options: dict[str, Any] = {}
        for parameter in operation.get("parameters", []):
            if parameter["in"] == "query" and draw.random() < 0.8:
                value = draw.choice([0, 1, 10**6, -1, "x", "", 2**70])
                options["params"] = {parameter["name"]: value}
        if "requestBody" in operation:
            content = operation["requestBody"]["content"]["application/json"]["schema"]
            body = self.value(content)
            if isinstance(body, dict) and draw.random() < 0.9:
                body["model"] = draw.choice(self.models)
                for name in SELDOM:
                    if draw.random() < 0.95:
                        body.pop(name, None)
            options["content"] = self.spoiled(json.dumps(body))
            kinds = ["application/json"] * 19 + ["text/plain"]
            options["headers"] = {"content-type": draw.choice(kinds)}
        return method.upper(), address, path, options

    def value(self, schema: dict[str, Any]) -> Any:
        """A value of a schema, or now and then another."""
        draw = self.draw
        if draw.random() < 0.02:
            return draw.choice(STRANGE)
        if "$ref" in schema:
            return self.value(self.schema["components"]["schemas"][schema["$ref"].split("/")[-1]])
        if "anyOf" in schema:
            return self.value(draw.choice(schema["anyOf"]))
        kind = schema.get("type")
        if kind == "object":
            needed = schema.get("required", [])
            made = {
                name: self.value(inner)
                for name, inner in schema.get("properties", {}).items()
                if name in needed or draw.random() < 0.4
            }
            if draw.random() < 0.03:
                made[draw.choice(["more", "\x00", "\udfff"])] = draw.choice(STRANGE)
            return made
        if kind == "array":
            most = min(schema.get("maxItems", 5), 5)
            return [self.value(schema.get("items", {})) for _ in range(draw.randrange(most + 1))]
        if kind in ("integer", "number"):
            low = schema.get("minimum", schema.get("exclusiveMinimum", -5))
            high = min(schema.get("maximum", 30), 30)
            if kind == "integer":
                return draw.randint(max(int(low), -5), int(high))
            return draw.choice([low, high, draw.uniform(max(low, -5), high), 1])
        if kind == "string":
            return draw.choice(
                ["", "a", "ab 난 다가\n", "h", "recurrent", "encoder", "x" * 40, "\n"]
            )
        return {"boolean": draw.random() < 0.5, "null": None}.get(str(kind), draw.choice(STRANGE))

    def spoiled(self, text: str) -> str:
        """Now and then no JSON any more, or JSON with numbers that are none."""
        chance = self.draw.random()
        if chance < 0.02:
            place = self.draw.randrange(len(text) + 1)
            return text[:place] + self.draw.choice('{}[]",:\\x0') + text[place:]
        if chance < 0.05:
            return text.replace("1", self.draw.choice(NUMBERS), 1)
        return text

    def once(self) -> None:
        """Ask once; AssertionError with the request where the answer is not as it must be."""
        method, address, path, options = self.request()
        found = self.client.ask(method, path, **options)
        self.codes[address.replace("/{name}", "").split("/")[-1], found.status_code] += 1
        told = f"{method} {path} {options} → {found.status_code} {found.text[:300]}"
        assert found.status_code < 500, told
        self._check(found, told)

    @staticmethod
    def _check(found: httpx.Response, told: str) -> None:
        if found.headers["content-type"].startswith("text/event-stream"):
            assert found.text.endswith("data: [DONE]\n\n"), told
            return

        if found.headers["content-type"] == CONTENT_TYPE:
            assert found.status_code == 200, told
            assert found.text.endswith("\n"), told
            return

        def no_constant(name: str) -> None:
            raise AssertionError(f"{name} is no JSON: {told}")

        body = json.loads(found.content, parse_constant=no_constant)
        if found.status_code != 200:
            assert set(body["error"]) == {"message", "type", "param", "code"}, told


def fuzz(folder: Path, requests: int, seed: int = 1) -> Counter[tuple[str, int]]:
    """Ask so many times; how often which address answered with which status."""
    runs = save_languages(folder / "languages")
    runs += [
        save_task(folder / name, name) for name in ("classify", "tag", "translate", "forecast")
    ]
    with client_of(runs) as client:
        asking = Fuzz(client, [run.name for run in runs], seed)
        for _ in range(requests):
            asking.once()
        return asking.codes


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        codes = fuzz(Path(place), given.requests, given.seed)
    for (name, status), count in sorted(codes.items()):
        print(f"{name:12} {status}  {count}")
    statuses = Counter({s: 0 for _, s in codes})
    for (_, status), count in codes.items():
        statuses[status] += count
    print(f"{given.requests} requests in {time.monotonic() - begun:.0f} s: {dict(statuses)}")
