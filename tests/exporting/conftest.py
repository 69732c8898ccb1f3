"""Pages of exported models, opened in a browser that may ask for nothing."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sunhwan.exporting import export
from sunhwan.tasks import Task
from tests.serve.page.browser import launched
from tests.tiers import deep

GOLDEN = Path(__file__).parents[1] / "golden" / "v1"

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node.js")


@pytest.fixture(params=["here", pytest.param("wasm32", marks=deep)])
def machine(request: pytest.FixtureRequest) -> Any:
    """Where a C program runs."""
    return request.param


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    with launched() as found:
        yield found


@pytest.fixture(scope="module")
def written() -> dict[object, Path]:
    """The pages by golden model or task."""
    return {}


@pytest.fixture
def opened(browser, written, tmp_path_factory):
    """Opens a model's page from the disk; a request of any kind, and an error, fails the test."""
    pages, asked, errors = [], [], []

    def open_(model: str | Task, hash: str = "", **options: Any) -> Any:
        if model not in written:
            written[model] = tmp_path_factory.mktemp("pages") / "notes.html"
            source = GOLDEN / model if isinstance(model, str) else model
            export(source, written[model], "html", "fp32")
        file = written[model]
        context = browser.new_context(offline=True, **options)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text))
        page.goto(file.as_uri() + hash)
        pages.append(page)
        return page

    yield open_
    for page in pages:
        page.context.close()
    assert [url for url in asked if "/notes.html" not in url] == []
    assert errors == []
