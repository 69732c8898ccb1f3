"""Language, colours, keys and narrow screens."""

from itertools import product

import pytest

from tests.serve.page.conftest import MARKUP, Visitor
from tests.tiers import and_deep

TABS = ("gates", "learning", "findings")


def test_the_language_is_the_visitors_and_can_be_switched(visit: Visitor) -> None:
    here = visit(locale="ko-KR")
    page = here.page
    assert page.inner_text("#write") == "이어 쓰기"
    assert page.get_attribute("#text", "placeholder") == "여기에 글을 쓰세요 …"
    assert page.locator("html").get_attribute("lang") == "ko"
    page.click("#language")
    assert page.inner_text("#write") == "Write on"
    assert page.inner_text("#language") == "한국어"
    page.reload()
    assert page.inner_text("#write") == "Write on", "the choice is kept"
    assert page.locator("html").get_attribute("lang") == "en"


def test_all_is_said_in_both_languages(visit: Visitor) -> None:
    page = visit().page
    pairs = page.evaluate(
        """async () => {
            const { say } = await import("/page/messages.js");
            const keys = [...document.querySelectorAll("*")].flatMap((one) =>
                Object.entries(one.dataset).filter(([k]) => k.startsWith("word")).map(([, v]) => v));
            const said = (language) => {
                document.documentElement.lang = language;
                return keys.map((key) => say(key));
            };
            return [said("en"), said("ko")];
        }"""
    )
    assert len(pairs[0]) > 30
    for english, korean in zip(*pairs, strict=True):
        assert english
        assert korean
        assert english == "Top-k" or english == "Top-p" or english != korean


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_follow_the_system_until_they_are_chosen(visit: Visitor, scheme: str) -> None:
    here = visit(color_scheme=scheme)
    page = here.page
    other = {"light": "dark", "dark": "light"}[scheme]
    theme = page.locator("html")
    assert theme.get_attribute("data-theme") == scheme
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.emulate_media(color_scheme=other)
    here.wait("name => document.documentElement.dataset.theme === name", other)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != paper
    page.click("#theme")
    assert theme.get_attribute("data-theme") == scheme
    page.reload()
    assert theme.get_attribute("data-theme") == scheme, "the choice is kept"


MODELS = ("characters", "classify", "tag", "translate", "forecast", MARKUP)
LOCALES = ("en-US", "ko-KR")


@pytest.mark.parametrize(
    ("model", "locale"),
    and_deep(zip(MODELS, LOCALES * 3, strict=True), product(MODELS, LOCALES)),
)
def test_a_phone_shows_all_without_sideways_scroll(visit: Visitor, model: str, locale: str) -> None:
    here = visit(model, locale=locale, viewport={"width": 360, "height": 740})
    page = here.page

    def fits() -> None:
        widths = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert widths == [360, 360]

    if page.is_visible("#text"):
        page.fill("#text", "a b " * 30 + "w" * 200)
        page.wait_for_timeout(400)
    if page.is_visible("input[value=unit]"):
        page.check("input[value=unit]", force=True)
    fits()
    for tab in page.locator("[role=tab]:visible").all():
        tab.click()
        page.wait_for_timeout(150)
        fits()


def test_everything_can_be_reached_by_keys(visit: Visitor) -> None:
    page = visit().page
    page.fill("#text", "abc")
    page.wait_for_selector("#candidates li")
    page.wait_for_selector("#gateMap")
    page.keyboard.press("Escape")
    page.focus(".skip")
    reached = ["skip"]
    for _ in range(60):
        page.keyboard.press("Tab")
        name, outlined = page.evaluate(
            """() => {
                const one = document.activeElement;
                const shown = one.type === "radio" ? one.nextElementSibling : one;
                const style = getComputedStyle(shown);
                const around = getComputedStyle(one.parentElement);
                return [one.id || one.value || one.className,
                    style.outlineStyle !== "none" || around.boxShadow !== "none"];
            }"""
        )
        if not name:
            break
        assert outlined, f"where the focus is must be seen: {name}"
        reached.append(name)
    wanted = {
        "skip", "model", "language", "theme", "surprise", "text", "activeUnits", "temperature",
        "topK", "topP", "length", "seed", "write", "clear", "tab-gates", "gateLayer", "gateValue",
        "gateOrder", "gateMap",
    }  # fmt: skip
    assert wanted <= set(reached)
    page.focus("#tab-gates")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.id") == "tab-steps"
    shown = (
        "() => [...document.querySelectorAll('[role=tabpanel]:not([hidden])')].map((one) => one.id)"
    )
    assert page.evaluate(shown) == ["steps"]
    page.keyboard.press("End")
    assert page.evaluate(shown) == ["findings"]
    page.focus("input[value=surprise]")
    page.keyboard.press("ArrowRight")
    assert page.is_checked("input[value=unit]")


def test_every_field_has_a_name(visit: Visitor) -> None:
    for model in ("characters", "translate"):
        nameless = visit(model).page.evaluate(
            """() => [...document.querySelectorAll("input, select, textarea, button, canvas")]
                .filter((one) => one.checkVisibility())
                .filter((one) => !one.labels?.[0]?.textContent.trim()
                    && !one.getAttribute("aria-label") && !one.textContent.trim())
                .map((one) => one.id)"""
        )
        assert nameless == []


def test_nothing_moves_for_who_wants_no_motion(visit: Visitor) -> None:
    page = visit(reduced_motion="reduce").page
    page.wait_for_selector("#candidates li")
    moving = page.evaluate(
        """[...document.querySelectorAll("*")].filter((one) =>
            getComputedStyle(one).transitionDuration !== "0s"
            || getComputedStyle(one).animationName !== "none").length"""
    )
    assert moving == 0
