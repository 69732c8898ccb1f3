"""Texts that would be commands elsewhere: here they are shown as they are, and do nothing."""

from typing import Any

import pytest

from tests.serve.page.browser import Visit
from tests.serve.page.conftest import MARKUP, Visitor
from tests.tiers import and_deep

TEXTS = {
    "script": "<script>alert(1)</script>",
    "handler": "<img src=x onerror=alert(1)><svg/onload=alert(2)>",
    "quotes": "\"'`--><!--]]>${alert(1)}{{7*7}}%0a",
    "entities": "&lt;b&gt;&#x3c;i&#x3e;&amp;",
    "link": "javascript:alert(1)",
    "bidi": "a\u202eb\u2066c\u2069\u200f한",
    "controls": "a\x00b\x07\x1b[31mc\x7f\ufeff",
    "emoji": "👩‍👩‍👧‍👦🏳️‍🌈 e\u0301\u0301",
    "long": "w" * 3000,
}
ELEMENTS = "img, iframe, object, embed, audio, video, base, form, [onerror], [onload], svg a"


def unharmed(here: Visit) -> None:
    """No element came in that the page does not make itself; the rest is in `Visit.faults`."""
    page = here.page
    assert page.locator(ELEMENTS).count() == 0
    sources = page.eval_on_selector_all("script", "all => all.map((one) => one.src)")
    assert all(source.endswith(".js") for source in sources)
    assert page.locator("style").count() == 0


@pytest.mark.parametrize(
    ("model", "mode"),
    and_deep(
        [("characters", "surprise"), ("translate", "mattered")],
        [("jamo", "unit"), ("classify", "mattered"), ("tag", "unit")],
    ),
)  # fmt: skip
def test_a_text_is_a_text(visit: Visitor, model: str, mode: str) -> None:
    here = visit(model)
    page = here.page
    page.check(f"input[value={mode}]", force=True)
    shown = (
        "[...document.querySelectorAll('#behind .piece')].map((one) => one.textContent).join('')"
    )
    for name, text in TEXTS.items():
        page.fill("#text", text)
        assert here.text() == text, name
        assert page.evaluate(shown) == text, name
        if model == "translate":
            page.click("#ask")
        page.wait_for_timeout(350)
        page.mouse.move(*middle(here, "#text"))
        assert page.evaluate(shown) == text, name
        unharmed(here)


def middle(here: Visit, selector: str) -> tuple[float, float]:
    box = here.page.locator(selector).bounding_box()
    return box["x"] + 30, box["y"] + 30


def test_an_error_is_a_text(visit: Visitor) -> None:
    here = visit()
    said = {"message": "", "type": "server_error", "param": None, "code": None}

    def refuse(route: Any) -> None:
        route.fulfill(status=500, json={"error": said})

    here.page.route("**/api/next", refuse)
    for text in TEXTS.values():
        said["message"] = text
        here.type("a")
        here.wait("text => document.getElementById('problem').textContent === text", text)
        unharmed(here)


def test_all_that_a_server_says_is_text(visit: Visitor) -> None:
    here = visit("translate")
    page = here.page
    said: dict[str, Any] = {}
    page.route("**/api/predict", lambda route: route.fulfill(json={"answers": [said["answer"]]}))
    page.route("**/api/attribution", lambda route: route.fulfill(json=said["mattered"]))
    for text in TEXTS.values():
        alignment = {"source": [text, "b"], "target": [text], "weights": [[0.25, 0.75]]}
        values = {"answers": [{"output": text}, {"output": text}]}
        answer = {"values": values, "text": text, "rows": [], "alignment": alignment}
        mattered = {"pieces": [text], "predicted": text, "probability": 0.5}
        figures = {"gradient_x_input": [0.5], "occlusion": [0.25]}
        said |= {"answer": answer, "mattered": mattered | figures}
        here.type("2")
        page.click("#ask")
        for place in (".written", "ol li"):
            shown = "([place, text]) => document.querySelector(place)?.textContent === text"
            here.wait(shown, [f"#answer {place}", text])
        page.focus("#attention")
        page.keyboard.press("ArrowRight")
        assert text in page.locator("#attentionCell").text_content()
        legend = "text => document.querySelector('.legend-words')?.textContent.includes(text)"
        here.wait(legend, text)
        said["answer"] = {"values": {}, "text": "", "rows": [[text, text]], "alignment": None}
        page.click("#ask")
        here.wait(shown, ["#answer .tagged-word", text * 2])
        unharmed(here)


def test_a_run_may_have_a_name_like_markup(visit: Visitor) -> None:
    here = visit(MARKUP)
    page = here.page
    assert page.input_value("#model") == MARKUP
    here.type("<b onx='>&")
    here.settled("<b onx='>&")
    assert page.locator("#candidates li").count() == 8
    page.click("#tab-learning")
    page.click("#tab-findings")
    here.wait("() => document.querySelectorAll('#flowPicture .trace').length > 0")
    assert page.locator("#probeRows th").text_content() == MARKUP
    page.check("input[value=unit]", force=True)
    page.select_option("#probed", index=1)
    assert MARKUP in page.locator("#probed option").nth(1).text_content()
    assert page.input_value("#unit") == "4"
    unharmed(here)
    page.click("#language")
    assert f"한 {MARKUP}" in page.locator("#probeRows th").text_content()
    unharmed(here)


def test_curves_may_have_names_like_markup(visit: Visitor) -> None:
    here = visit()
    name = "<a href='javascript:alert(1)'>x</a><b>y</b>"
    curve = {
        "stack": name, "layer": 0, "direction": name, "field": name, "start": 1.0,
        "median": [1.0, 0.5], "low": [0.5, 0.25], "high": [2.0, 1.0], "horizon": None,
    }  # fmt: skip
    flow = {"curves": [curve], "lags": 1, "windows": 1}
    here.page.route("**/api/report/*", lambda route: route.fulfill(json={"flow": flow}))
    here.page.reload()
    here.page.click("#tab-findings")
    here.wait("() => document.querySelectorAll('#flowPicture .legendtext').length > 0")
    assert name in here.page.locator("#flowPicture .legendtext").first.text_content()
    unharmed(here)
