"""A server of tiny models, and visits to its page."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from sunhwan.store import Run
from sunhwan.text import build_vocabulary
from tests.serve.helpers import (
    VOCABULARIES,
    Address,
    language,
    save_run,
    save_task,
    server_of,
)
from tests.serve.page.browser import Visit, launched, visited

MARKUP = "<img src=x onerror=alert(1)>"
"""The name of a run, and of what was found in it."""

Visitor = Callable[..., Visit]


@pytest.fixture(scope="package")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Run folders by name: languages, one of them with a name like markup; four other tasks."""
    folder = tmp_path_factory.mktemp("page")
    found = {
        name: save_run(folder / name, language(VOCABULARIES[name], cell="lstm"))
        for name in ("characters", "jamo", "words", "documents")
    }
    found["plain"] = save_run(folder / "plain", language(VOCABULARIES["jamo"], cell="elman"))
    strange = build_vocabulary("characters", ["<b onx=\"'>&\n\u202e"])
    found[MARKUP] = save_run(folder / MARKUP, language(strange))
    # One that is written token by token, so that there is time to stop it.
    slow = language(VOCABULARIES["jamo"], num_layers=2, layer_norm=True, hidden_size=512)
    found["slow"] = save_run(folder / "slow", slow)
    for name in ("answer", "classify", "tag", "translate", "forecast"):
        found[name] = save_task(folder / f"of-{name}", name)
    found["waiting"] = folder / "waiting"
    Run.create(found["waiting"], language(VOCABULARIES["bare"]).config)
    for name in ("characters", MARKUP):
        found[name].joinpath("inspect").mkdir()
        report = json.dumps(report_of(name, "recurrent"))
        found[name].joinpath("inspect", "report.json").write_text(report, encoding="utf-8")
        found[name].joinpath("inspect", "report.html").write_text("<p>a report", encoding="utf-8")
    return found


def report_of(feature: str, stack: str) -> dict[str, Any]:
    """What `sunhwan inspect` leaves, as far as the page shows it."""
    median = [0.8**lag for lag in range(31)]
    curve = {
        "stack": stack, "layer": 0, "direction": "forward", "field": "h", "start": 1.0,
        "median": median, "low": [v / 2 for v in median], "high": [v * 2 for v in median],
        "horizon": 21,
    }  # fmt: skip
    unit = {"stack": stack, "layer": 0, "direction": "forward", "field": "h", "index": 4}
    result = {"feature": feature, "korean": f"한 {feature}", "kind": "binary", **unit}
    figures = {"score": 0.75, "chance": 0.25, "passed": True, "sign": 1}
    return {
        "flow": {"curves": [curve], "lags": 30, "windows": 8},
        "probes": {"results": [result | figures]},
    }


@pytest.fixture(scope="package")
def address(runs: dict[str, Path]) -> Iterator[Address]:
    with server_of(list(runs.values())) as found:
        yield found


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    with launched() as found:
        yield found


@pytest.fixture
def visit(browser: Any, address: Address) -> Iterator[Visitor]:
    """`visit("characters", locale="ko-KR")`: the page with a model; at the end it did no wrong."""
    contexts, visits = [], []

    def call(model: str = "characters", url: str = "", **options: Any) -> Visit:
        settings = {"locale": "en-US", "viewport": {"width": 1280, "height": 900}} | options
        contexts.append(browser.new_context(base_url=url or address.url, **settings))
        visits.append(visited(contexts[-1], url or address.url, quote(model, safe="")))
        return visits[-1]

    yield call
    for context in contexts:
        context.close()
    assert [fault for one in visits for fault in one.faults] == []
