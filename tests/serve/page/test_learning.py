"""The learning curve, also while it grows, and what was found in the model."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sunhwan.store import Run
from tests.serve.helpers import VOCABULARIES, language, save_run, server_of
from tests.serve.page.conftest import Visitor

DRAWN = "() => document.querySelectorAll('#{} .scatterlayer .trace path.js-line').length >= {}"


def line(step: int, **values: object) -> str:
    values = {"loss": 3 / step, "grad_norm": 0.5} | values
    return json.dumps({"event": "step", "step": step, **values}) + "\n"


@pytest.fixture
def growing(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A run with a few steps in its log, and where it is served."""
    run = save_run(tmp_path / "growing", language(VOCABULARIES["bare"]))
    log = "".join(line(step) for step in (1, 2, 3))
    (run / "log.jsonl").write_text(log, encoding="utf-8")
    with server_of([run]) as address:
        yield run, address.url


def test_the_curve_grows_while_the_run_trains(visit: Visitor, growing: tuple[Path, str]) -> None:
    run, url = growing
    with Run.open(run):
        here = visit("growing", url)
        here.page.click("#tab-learning")
        here.wait("() => document.getElementById('lossPicture').dataset.steps === '3'")
        here.wait(DRAWN.format("lossPicture", 2))
        assert here.page.inner_text("#state") == "training"
        assert "Step 3: training loss 1.000." in here.page.inner_text("#lossSaid")
        with (run / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(line(4) + json.dumps({"event": "validation", "step": 4, "loss": 0.8}) + "\n")
            log.write(json.dumps({"event": "clip", "step": 5, "grad_norm": 9.0}) + "\n")
            log.write(line(5)[:20])
        here.wait("() => document.getElementById('lossPicture').dataset.steps === '4'")
        assert "Best validation 0.800 at step 4." in here.page.inner_text("#lossSaid")
        with (run / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(line(5)[20:])
        here.wait("() => document.getElementById('lossPicture').dataset.steps === '5'")
        here.wait("() => document.getElementById('lossSaid').textContent.includes('Clipped: 20 %')")
        assert "Training now." in here.page.inner_text("#lossSaid")


def test_a_resumed_run_writes_its_steps_anew(visit: Visitor, growing: tuple[Path, str]) -> None:
    run, url = growing
    with Run.open(run):
        here = visit("growing", url)
        here.page.click("#tab-learning")
        here.wait("() => document.getElementById('lossPicture').dataset.steps === '3'")
        (run / "log.jsonl").write_text(line(1) + line(2, loss=0.25), encoding="utf-8")
        here.wait("() => document.getElementById('lossPicture').dataset.steps === '2'")
        assert "Step 2: training loss 0.250." in here.page.inner_text("#lossSaid")


def test_a_run_without_a_model_shows_its_reason(visit: Visitor) -> None:
    page = visit("waiting").page
    assert page.is_visible("#waiting")
    assert page.inner_text("#waiting").startswith("not ready: ")
    page.click("#tab-learning")
    page.wait_for_function("() => document.getElementById('lossSaid').textContent !== ''")
    assert page.inner_text("#lossSaid") == "This run has no log."


def test_without_a_report_the_command_is_shown(visit: Visitor) -> None:
    page = visit("jamo").page
    page.click("#tab-findings")
    assert page.inner_text("#command") == "sunhwan inspect jamo"
    assert not page.is_visible("#fullReport")
    assert not page.is_visible("#probedChoice")


def test_what_was_found_is_shown_and_its_units_colour_the_text(visit: Visitor) -> None:
    here = visit("characters", locale="ko-KR")
    page = here.page
    page.fill("#text", "abc xyz.")
    page.click("#tab-findings")
    here.wait(DRAWN.format("flowPicture", 1))
    assert "21걸음부터 1% 미만" in page.inner_text("#horizons")
    row = page.locator("#probeRows tr").first
    assert row.locator("th").inner_text() == "한 characters"
    assert row.locator("td.figure").all_inner_texts() == ["0.750", "0.250"]
    row.locator("button").click()
    assert page.is_checked("input[value=unit]")
    assert page.input_value("#unit") == "4"
    page.fill("#unit", "1")
    page.select_option("#probed", label="한 characters · 유닛 4")
    assert page.input_value("#unit") == "4"
    here.wait("() => document.querySelector('.legend-words').textContent === '유닛 4의 h'")
    with page.context.expect_page() as opened:
        page.click("#fullReport")
    assert opened.value.inner_text("p") == "a report"
