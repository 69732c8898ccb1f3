"""What is typed is continued: candidates, completion, the model writing on, and Hangul as it grows."""

import json
from pathlib import Path
from typing import Any

import pytest

from sunhwan import generation
from sunhwan.api import load_language
from tests.serve.page.conftest import Visitor

SETTINGS = {"session": None, "temperature": 0.8, "top_k": 0, "top_p": 1.0, "count": 8, "seed": 1}


def offered(visitor: Any, model: str, text: str) -> Any:
    """What the server offers after a text; the page must show the same."""
    found = visitor.asked("/api/next", model=model, text=text, length=24, **SETTINGS)
    labels = [one["whole"] or one["label"] for one in found["candidates"]]
    visitor.wait(
        """labels => JSON.stringify(labels) === JSON.stringify(
            [...document.querySelectorAll("#candidates .token")].map((one) => one.textContent))""",
        labels,
    )
    return found


def test_each_keystroke_is_answered(visit: Visitor) -> None:
    here = visit()
    texts: list[str] = []
    here.page.on(
        "request", lambda one: one.url.endswith("next") and texts.append(one.post_data_json["text"])
    )
    offered(here, "characters", "")
    for text in ("a", "ab", "ab "):
        here.type(text[-1])
        found = offered(here, "characters", text)
        first = f"{found['candidates'][0]['probability'] * 100:.0f} %"
        assert here.page.locator("#candidates .figure").first.inner_text() == first
    assert [text for text in ("a", "ab", "ab ") if text in texts] == ["a", "ab", "ab "]
    assert here.page.locator("#behind .ghost").inner_text() == found["completion"]


def test_tab_inserts_and_escape_hides(visit: Visitor) -> None:
    here = visit()
    here.type("ab")
    completion = offered(here, "characters", "ab")["completion"]
    here.wait("text => document.querySelector('.ghost').textContent === text", completion)
    here.page.keyboard.press("Tab")
    assert here.text() == "ab" + completion
    here.page.keyboard.press("Control+z")
    assert here.text() == "ab", "what was inserted can be undone"
    here.wait("() => document.querySelector('.ghost').textContent !== ''")
    here.page.keyboard.press("Escape")
    assert not here.page.is_visible("#candidates")
    here.page.keyboard.press("Tab")
    assert here.text() == "ab"
    assert here.page.evaluate("document.activeElement.id") != "text", "the keyboard gets out"
    here.type("c")
    here.page.wait_for_selector("#candidates")


def test_a_digit_or_a_click_inserts_a_candidate(visit: Visitor) -> None:
    here = visit()
    here.type("ab")
    second = offered(here, "characters", "ab")["candidates"][1]["text"]
    here.page.keyboard.press("Alt+2")
    assert here.text() == "ab" + second
    first = offered(here, "characters", "ab" + second)["candidates"][0]["text"]
    here.page.locator("#candidates button").first.click()
    assert here.text() == "ab" + second + first


def test_a_letter_is_inserted_as_the_model_reads_it(visit: Visitor) -> None:
    here = visit("jamo")
    here.type("난 ")
    first = offered(here, "jamo", "난 ")["candidates"][0]
    here.page.keyboard.press("Alt+1")
    options = {"stack": "recurrent", "layer": 0, "values": ["h"], "units": [0]}
    found = here.asked("/api/trace", model="jamo", text=here.text(), **options)
    assert found["labels"][-2:] == ["␣", first["label"]]


@pytest.mark.parametrize(("by", "typed"), [("click", "난 다"), ("key", "난 \u1103\u1161")])
def test_a_letter_completes_the_syllable_before_it(visit: Visitor, by: str, typed: str) -> None:
    here = visit("jamo")
    here.page.fill("#text", typed)
    candidates = offered(here, "jamo", "난 다")["candidates"]
    (place, whole) = next((k, one["whole"]) for k, one in enumerate(candidates) if one["whole"])
    button = here.page.locator("#candidates button").nth(place)
    assert button.get_attribute("aria-label").startswith(f"Insert {whole},")

    def follows(answer: Any) -> bool:
        """Whether it is that to the text with the syllable, and none to what was typed before."""
        asked = answer.request.post_data or ""
        return answer.url.endswith("/api/next") and f"난 {whole}" in json.loads(asked).values()

    with here.page.expect_response(follows) as answered:
        if by == "key":
            here.page.keyboard.press(f"Alt+{place + 1}")
        else:
            button.click()
    assert here.text() == "난 " + whole
    assert answered.value.json()["read"] == 1, "the session goes on from the syllable"
    offered(here, "jamo", "난 " + whole)
    here.page.keyboard.press("Control+z")
    assert here.text() == typed, "what was replaced can be had back"


def test_words_come_with_the_space_between_them(visit: Visitor) -> None:
    here = visit("words")
    here.type("a")
    words = offered(here, "words", "a")["candidates"]
    here.page.keyboard.press("Alt+1")
    added = words[0]["text"]
    assert here.text() == "a " + added if added.strip() else "a" + added


def test_the_end_of_a_text_cannot_be_inserted(visit: Visitor) -> None:
    here = visit("documents")
    here.type("ab")
    labels = [one["label"] for one in offered(here, "documents", "ab")["candidates"]]
    end = here.page.locator("#candidates button").nth(labels.index("<eos>"))
    assert end.is_disabled()
    here.page.keyboard.press(f"Alt+{labels.index('<eos>') + 1}")
    assert here.text() == "ab"


def test_sliders_count_at_once(visit: Visitor) -> None:
    here = visit()
    here.type("abc")
    offered(here, "characters", "abc")
    here.page.locator("#topK").fill("3")
    here.wait("() => document.querySelectorAll('#candidates li').length === 3")
    here.page.locator("#temperature").fill("0")
    here.wait("() => document.querySelectorAll('#candidates li').length === 1")
    assert here.page.locator("#candidates .figure").inner_text() == "100 %"


def test_an_answer_that_was_overtaken_is_dropped(visit: Visitor) -> None:
    here = visit()
    offered(here, "characters", "")
    held: list[Any] = []

    def hold(route: Any) -> None:
        if route.request.post_data_json["text"] == "a":
            held.append(route)
        else:
            route.continue_()

    here.page.route("**/api/next", hold)
    here.type("ab")
    wanted = offered(here, "characters", "ab")
    late = wanted | {"candidates": [{"text": "z", "label": "late", "probability": 1.0}]}
    held[0].fulfill(json=late)
    here.page.wait_for_timeout(200)
    assert here.candidates() == [one["label"] for one in wanted["candidates"]]


def test_a_syllable_is_composed_in_peace(visit: Visitor) -> None:
    here = visit("jamo")
    page = here.page
    page.focus("#text")
    ime = page.context.new_cdp_session(page)
    for part in ("ㄴ", "나", "난"):
        ime.send("Input.imeSetComposition", {"text": part, "selectionStart": 1, "selectionEnd": 1})
        offered(here, "jamo", part)
        assert here.text() == part
        assert page.locator("#behind .ghost").inner_text() == ""
    left_alone = page.evaluate(
        """() => document.getElementById("text").dispatchEvent(
            new KeyboardEvent("keydown", { key: "Tab", isComposing: true, cancelable: true }))"""
    )
    assert left_alone, "Tab belongs to the input method"
    ime.send("Input.insertText", {"text": "난"})
    assert here.text() == "난"
    found = offered(here, "jamo", "난")
    here.wait("text => document.querySelector('.ghost').textContent === text", found["completion"])
    page.keyboard.press("Tab")
    assert here.text() == "난" + found["completion"]


@pytest.mark.parametrize("model", ["characters", "jamo"])
def test_the_model_writes_on(visit: Visitor, runs: dict[str, Path], model: str) -> None:
    here = visit(model)
    prompt = {"characters": "abc", "jamo": "나을 "}[model]
    here.page.fill("#text", prompt)
    here.page.fill("#length", "40")
    here.page.fill("#seed", "7")
    here.page.click("#write")
    here.wait("() => document.getElementById('seedSaid').textContent.includes('7')")
    here.wait("() => !document.getElementById('write').classList.contains('running')")
    found = load_language(runs[model])
    (wanted,) = generation.sample(
        found.model, found.vocabulary, prompt, length=40, seed=7, temperature=0.8,
        precision="fp32", until_eos=True,
    )  # fmt: skip
    assert here.text() == prompt + wanted.text


def test_writing_can_be_stopped(visit: Visitor) -> None:
    here = visit("slow")
    here.page.fill("#length", "4096")
    here.page.click("#write")
    here.wait("() => document.getElementById('text').value.length > 5")
    assert here.page.locator("#text").get_attribute("readonly") is not None
    here.page.click("#write")
    here.wait("() => !document.getElementById('text').readOnly")
    length = len(here.text())
    assert length < 4096
    here.page.wait_for_timeout(300)
    assert len(here.text()) == length
    here.page.click("#clear")
    assert here.text() == ""


def test_a_finger_takes_the_grey_text(visit: Visitor) -> None:
    here = visit(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    here.type("ab")
    here.wait("() => document.querySelector('.ghost').textContent !== ''")
    grey = here.page.inner_text(".ghost")
    box = here.page.locator(".ghost").evaluate(
        "one => { const { left, top, width, height } = one.getClientRects()[0];"
        " return [left + width / 2, top + height / 2]; }"
    )
    here.page.touchscreen.tap(*box)
    here.wait("grey => document.getElementById('text').value === 'ab' + grey", grey)
    # Writing happens in sight, and so does the button that stops it.
    here.page.evaluate("() => scrollTo(0, document.body.scrollHeight)")
    here.page.tap("#write")
    for name in ("text", "write"):
        here.wait(
            "name => { const { top, bottom } = document.getElementById(name).getBoundingClientRect();"
            " return top >= 0 && bottom <= innerHeight; }",
            name,
        )
