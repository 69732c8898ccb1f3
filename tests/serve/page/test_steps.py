"""A text step by step in a browser: forward, back, and every number as the package has it."""

from typing import Any

import numpy as np
import pytest

from sunhwan.inspection import UnrolledText, hello_model, unroll_text
from tests.serve.page.browser import Visit
from tests.serve.page.conftest import Visitor

ROW = """() => [...document.querySelectorAll(".step")].map((one) => [
    one.getAttribute("aria-current") === "step",
    one.classList.contains("passed"),
    parseFloat(one.querySelector(".step-back").style.height) > 0,
])"""
TOUCHED = """() => {
    const row = document.getElementById("stepsRow"), seen = new MutationObserver(() => {});
    seen.observe(row, { attributes: true, childList: true, subtree: true });
    document.getElementById("stepsNext").click();
    return new Set(seen.takeRecords().map((one) => one.target.closest(".step"))).size;
}"""
READS = """all => [...document.querySelectorAll(".step .token")].map((one) => one.textContent)
    .join("") === all"""
READY = "said => document.getElementById('stepsSaid').textContent.includes(said)"


@pytest.fixture(scope="module")
def hello() -> UnrolledText:
    return unroll_text(hello_model(), "hell", then="o")


def opened(here: Visit) -> Visit:
    here.page.click("#tab-steps")
    here.wait("() => !document.getElementById('stepsPart').hidden")
    return here


def numbers(here: Visit, name: str, table: int = 0) -> list[float]:
    """The numbers of a row, by its name."""
    found = (
        here.page.locator("#stepsNow table")
        .nth(table)
        .locator(f"tr[data-name='{name}'] td[data-value]")
    )
    return [
        float(value) for value in found.evaluate_all("all => all.map(one => one.dataset.value)")
    ]


def test_hello_is_walked_forward_and_back(visit: Visitor, hello: UnrolledText) -> None:
    here = opened(visit())
    assert here.page.input_value("#stepsText") == "hell"
    assert here.page.locator(".step .token").all_inner_texts() == list("hell")
    for t, step in enumerate(hello.steps):
        here.wait(READY, f"step {t + 1} of 4")
        assert here.page.evaluate(ROW) == [[k == t, k <= t, False] for k in range(4)]
        own = step.layers[0]
        for name, wanted in (("x", own.x), ("s h", own.pre_activation["h"]), ("h", own.state["h"])):
            np.testing.assert_allclose(numbers(here, name), wanted, rtol=1e-6, atol=1e-6)
        for k, label in enumerate(hello.labels):
            wanted = [step.y[k], step.softmax[k]]
            np.testing.assert_allclose(numbers(here, label, 1), wanted, rtol=1e-6, atol=1e-6)
        assert step.loss is not None
        assert f"{step.loss:.6f}" in here.page.inner_text("#stepsLoss")
        here.page.click("#stepsNext")
    so_far = 0.0
    for t in (3, 2, 1, 0):
        here.wait(READY, f"at step {t + 1} of 4")
        assert here.page.evaluate(ROW) == [[k == t, True, k >= t] for k in range(4)]
        own = hello.steps[t].backward[0]
        np.testing.assert_allclose(numbers(here, "∂L/∂h"), own.gradient["h"], rtol=1e-6, atol=1e-6)
        so_far += own.shares["W_h"].share
        wanted = [own.shares["W_h"].norm, own.shares["W_h"].share, so_far]
        np.testing.assert_allclose(numbers(here, "W_h", 1), wanted, rtol=1e-6, atol=1e-6)
        here.page.click("#stepsNext")
    assert so_far == pytest.approx(1.0)
    assert here.page.is_disabled("#stepsNext")
    assert f"{hello.update.loss:.6f}" in here.page.inner_text("#stepsUpdated")
    shown = np.array(numbers(here, "W_h", 1)).reshape(3, 9)
    parts = (hello.weights[0], hello.gradients[0], hello.update.weights[0])
    np.testing.assert_allclose(shown, np.hstack([p["W_h"] for p in parts]), rtol=1e-6, atol=1e-6)
    here.page.click("#stepsBack")
    here.wait(READY, "at step 1 of 4")


def test_before_training_the_losses_are_guesses(visit: Visitor) -> None:
    here = opened(visit())
    here.page.select_option("#stepsModel", "before")
    here.wait(
        "() => [...document.querySelectorAll('.step-loss')].every(one => one.textContent > '0.3')"
    )
    here.page.fill("#stepsBlock", "2")
    here.wait("() => document.querySelectorAll('.steps .border').length === 1")
    for _ in range(6):
        here.page.click("#stepsNext")
    assert "no gradient comes back" in here.page.inner_text("#stepsNow")
    # With k1 = 2 < k2 = 3 the second block reads the second step once more, and its gradient ends there.
    here.page.fill("#stepsReach", "3")
    here.wait("() => document.querySelectorAll('.lane.again').length === 1")
    for _ in range(6):
        here.page.click("#stepsNext")
    assert "block 2 comes back over its border, as far as step 2" in here.page.inner_text(
        "#stepsNow"
    )
    wanted = unroll_text(
        hello_model(trained=False), "hell", then="o", block_length=2, bptt_length=3
    )
    got = wanted.steps[1].backward[0].gradient["h"]
    np.testing.assert_allclose(numbers(here, "∂L/∂h"), got, rtol=1e-6, atol=1e-6)
    here.page.select_option("#stepsCell", "lstm")
    here.wait("() => document.querySelectorAll('#stepsNow .circle').length > 0")


def test_one_s_own_text_in_korean_with_gates(visit: Visitor) -> None:
    here = visit("jamo", locale="ko-KR")
    here.type("가나")
    opened(here)
    assert here.page.input_value("#stepsText") == "가나"
    here.wait(READY, "앞으로")
    shares = here.page.locator("#stepsNow .circle")
    assert shares.count() > 0
    for _ in range(10):
        here.page.click("#stepsNext")
    assert "∂L/∂E" in here.page.inner_text("#stepsNow")
    for _ in range(10):
        here.page.click("#stepsBack")
    width = shares.first.evaluate("one => one.style.getPropertyValue('--share')")
    assert 0 <= float(width.rstrip("%")) <= 100
    assert "손실" in here.page.inner_text("#stepsLoss")


def test_hello_goes_on_behind_any_word_of_it(visit: Visitor) -> None:
    here = opened(visit())
    for read, follows in (("ello", "h"), ("he", "l"), ("lohel", "l")):
        here.page.fill("#stepsText", read)
        here.wait(READS, read)
        assert here.page.get_attribute("#stepsThen", "placeholder") == follows
        assert here.page.inner_text(".step:last-child .step-loss") != "–"


def test_what_is_refused_is_said_and_nothing_old_is_left(visit: Visitor) -> None:
    here = opened(visit(locale="ko-KR"))
    here.page.fill("#stepsText", "hexlyx")
    here.wait("() => document.getElementById('stepsPart').hidden")
    problem = here.page.inner_text("#stepsProblem")
    assert problem == "모델이 'x', 'y'을(를) 모릅니다. 배운 글자만 주세요"
    here.page.fill("#stepsText", "hell")
    here.wait("() => document.getElementById('stepsProblem').hidden")
    for field, value in (("#stepsBlock", "0"), ("#stepsBlock", "1.5"), ("#stepsReach", "2")):
        here.page.fill(field, value)
        here.wait("() => document.getElementById('stepsPart').hidden")
        assert "걸음 수" in here.page.inner_text("#stepsProblem")
        here.page.fill(field, "")
        here.wait("() => !document.getElementById('stepsPart').hidden")


def test_numbers_that_are_no_longer_asked_for_cannot_be_walked_through(visit: Visitor) -> None:
    here = opened(visit())
    held: list[Any] = []
    here.page.route("**/api/steps", lambda route: held.append(route))
    here.page.select_option("#stepsCell", "gru")
    here.wait("() => !document.getElementById('stepsWaiting').hidden")
    assert "being prepared" in here.page.inner_text("#stepsWaiting")
    assert here.page.evaluate("() => document.getElementById('stepsPart').inert")
    assert here.page.is_hidden("#stepsEmpty")
    held[0].continue_()
    here.wait("() => document.getElementById('stepsWaiting').hidden")
    here.wait("() => !document.getElementById('stepsPart').inert")
    assert "z" in here.page.inner_text("#stepsNow")


def test_lines_are_typed_with_their_breaks(visit: Visitor) -> None:
    here = visit("jamo")
    here.type("가\n나")
    opened(here)
    assert here.page.input_value("#stepsText") == "가\n나"
    assert len(here.page.locator(".step").all()) == 6


def test_nothing_is_said_to_be_certain_but_what_is(visit: Visitor) -> None:
    written = visit().page.evaluate(
        """async () => {
            const { number, percent, plain } = await import("/page/messages.js");
            const signs = [number(-0.0004, 3), number(-0.0006, 3), plain(-0)];
            return [...signs, ...[0, 0.0003, 0.042, 0.5, 0.994, 0.9988, 0.99999, 1].map(percent)];
        }"""
    )
    assert written == [
        "0.000", "−0.001", "0", "0.0 %", "< 0.1 %", "4.2 %", "50 %", "99 %", "99.9 %", "> 99.9 %", "100 %",
    ]  # fmt: skip


BROKEN = """where => [...document.querySelectorAll(where)].filter((one) => {
    const range = document.createRange();
    range.selectNodeContents(one);
    return new Set([...range.getClientRects()].map((r) => Math.round(r.top))).size > 1;
}).map((one) => one.textContent)"""


def test_on_a_phone_no_word_breaks_and_what_is_wide_scrolls_within(visit: Visitor) -> None:
    here = opened(visit(viewport={"width": 390, "height": 800}))
    here.page.fill("#stepsText", "hello" * 40)
    here.wait("() => document.querySelectorAll('.step').length === 200")
    wide = here.page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0
    assert (
        here.page.evaluate(TOUCHED) == 2
    )  # however many there are: the step left and the next one
    assert here.page.evaluate(BROKEN, ".tabs button, .step-loss, #stepsNow td, #stepsNow th") == []
    here.page.fill("#stepsText", "hell")
    here.wait("() => document.querySelectorAll('.step').length === 4")
    for _ in range(8):
        here.page.click("#stepsNext")
    now = here.page.locator("#stepsNow")
    assert now.evaluate("one => one.scrollWidth > one.clientWidth")
    assert "gradient" in now.evaluate("one => getComputedStyle(one).backgroundImage")
    assert "0.1 ∂L/∂W_h" in now.inner_text()
    here.page.click("#stepsBack")
    widths = now.locator(".bar").evaluate_all("all => all.map(one => one.clientWidth)")
    assert min(widths) >= 40
    assert "0.10" not in now.inner_text()
    assert "−0.0000" not in now.inner_text()


def test_only_writers_have_steps(visit: Visitor) -> None:
    assert visit("classify").page.is_hidden("#tab-steps")
