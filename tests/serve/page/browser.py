"""A browser that watches what a page does: what it complains of, and whom it asks."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

WAIT = 15_000
"""Milliseconds until something that must happen counts as not happening."""


class Visit(NamedTuple):
    """An open page, and what it did that no page should: complaints, dialogs, strange requests."""

    page: Any
    faults: list[str]

    def type(self, text: str) -> None:
        """Type at the end of the text, key by key."""
        self.page.locator("#text").press_sequentially(text)

    def wait(self, condition: str, argument: Any = None) -> None:
        """Until a JavaScript function says so."""
        self.page.wait_for_function(condition, arg=argument, timeout=WAIT)

    def candidates(self) -> list[str]:
        """The tokens that are offered."""
        return self.page.locator("#candidates .token").all_inner_texts()

    def text(self) -> str:
        """What is typed."""
        return str(self.page.input_value("#text"))

    def colours(self) -> list[tuple[str, float | None]]:
        """The stretches of the text, each with the number that colours it."""
        found = self.page.eval_on_selector_all(
            "#behind .piece", "all => all.map(one => [one.textContent, one.dataset.value ?? null])"
        )
        return [(text, None if value is None else float(value)) for text, value in found]

    def settled(self, text: str) -> None:
        """Until all of a text has its colours."""
        self.wait(
            """text => {
                const all = [...document.querySelectorAll("#behind .piece")];
                return all.map((one) => one.textContent).join("") === text
                    && all.at(-1)?.dataset.value !== undefined;
            }""",
            text,
        )

    def asked(self, path: str, **body: Any) -> Any:
        """What the server says when it is asked directly."""
        answer = self.page.request.post(path, data=body)
        assert answer.ok, answer.text()
        return answer.json()


@contextmanager
def launched() -> Iterator[Any]:
    """Chromium, wherever it is; skips the test where it is nowhere."""
    module = pytest.importorskip("playwright.sync_api", reason="the browser's driver is missing")
    with module.sync_playwright() as playwright:
        found = os.environ.get("SUNHWAN_BROWSER") or shutil.which("chromium")
        path = found or playwright.chromium.executable_path
        if not Path(path).exists():
            pytest.skip("no browser: install chromium, or name one in SUNHWAN_BROWSER")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def visited(context: Any, url: str, anchor: str = "") -> Visit:
    """Open the server's page; what it does wrong gathers in `faults`."""
    page, faults = context.new_page(), list[str]()

    def dismissed(dialog: Any) -> None:
        faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def asked(request: Any) -> None:
        if not request.url.startswith((url, "data:", "blob:")):
            faults.append(f"request: {request.url}")

    def said(message: Any) -> None:
        # An answer that is an error, which the page itself shows, is no fault of the page.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            faults.append(message.text)

    page.on("dialog", dismissed)
    page.on("request", asked)
    page.on("console", said)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(f"{url}/#{anchor}")
    page.wait_for_selector("#model option", state="attached", timeout=WAIT)
    return Visit(page, faults)
