"""Models of the other tasks: what they answer, and what it came from."""

import pytest

from tests.serve.page.conftest import Visitor


def test_labels_come_with_their_probabilities(visit: Visitor) -> None:
    here = visit("classify")
    here.type("the 사과 7")
    (answer,) = here.asked("/api/predict", model="classify", questions=["the 사과 7"])["answers"]
    shares = answer["values"]["probabilities"]
    ranked = sorted(shares, key=lambda label: -shares[label])
    here.wait(
        "labels => JSON.stringify(labels) === JSON.stringify("
        "[...document.querySelectorAll('#answer .token')].map((one) => one.textContent))",
        ranked,
    )
    figure = here.page.locator("#answer .figure").first.inner_text()
    assert figure == f"{shares[ranked[0]] * 100:.0f} %"
    here.settled("the 사과 7")
    assert f"“{ranked[0]}”" in here.page.inner_text(".legend-words")
    assert not here.page.is_visible("#next")
    assert not here.page.is_visible("input[value=surprise]")


def test_words_are_shown_with_their_tags(visit: Visitor) -> None:
    here = visit("tag")
    here.type("김 민수가 Oslo")
    (answer,) = here.asked("/api/predict", model="tag", questions=["김 민수가 Oslo"])["answers"]
    here.wait("() => document.querySelectorAll('#answer .tagged-word').length === 3")
    found = here.page.locator("#answer .tagged-word").all_inner_texts()
    assert [one.split() for one in found] == answer["rows"]
    here.wait("() => document.querySelectorAll('#behind .piece').length === 3")
    assert [text.strip() for text, _ in here.colours()] == ["김", "민수가", "Oslo"]


def test_a_translation_shows_where_it_looked(visit: Visitor) -> None:
    here = visit("translate")
    here.type("2 1 3")
    here.page.click("#ask")
    here.page.wait_for_selector("#answer .written", state="attached")
    asked = {"model": "translate", "questions": ["2 1 3"]}
    (answer,) = here.asked("/api/predict", **asked)["answers"]
    assert here.page.locator("#answer .written").text_content() == answer["text"]
    alignment = answer["alignment"]
    here.page.focus("#attention")
    here.page.keyboard.press("ArrowRight")
    weight = alignment["weights"][0][0]
    said = here.page.inner_text("#attentionCell")
    assert said.startswith(f"{alignment['target'][0]} ← {alignment['source'][0]}: ")
    assert said.endswith(f"{weight * 100:.{1 if weight < 0.0995 else 0}f} %")
    here.page.keyboard.press("Enter")
    found = here.asked("/api/matters", model="translate", text="2 1 3", position=0)
    here.wait(
        "said => document.querySelector('.legend-words')?.textContent.includes(said)",
        f"“{found['predicted']}”",
    )
    steps = [k for k, piece in enumerate(found["pieces"]) if piece]
    wanted = [found["gradient_x_input"][step] for step in steps]
    here.wait("() => document.querySelectorAll('#behind .piece[data-value]').length > 1")
    assert [value for _, value in here.colours()] == pytest.approx(wanted)
    for field, value in (("answers", "2"), ("answerTemperature", "0.8"), ("answerSeed", "3")):
        here.page.fill(f"#{field}", value)
    here.page.click("#ask")
    options = {"n": 2, "temperature": 0.8, "seed": 3}
    answer, other = here.asked("/api/predict", options=options, **asked)["answers"]
    shown = "[...document.querySelectorAll('#answer .written, #answer li')]"
    here.wait(
        f"texts => JSON.stringify({shown}.map((one) => one.textContent)) === JSON.stringify(texts)",
        [answer["text"], other["text"]],
    )


def test_a_decoder_is_coloured_as_it_reads(visit: Visitor) -> None:
    here = visit("translate")
    here.type("2 1 3")
    here.page.check("input[value=unit]", force=True)
    here.page.select_option("#layer", "decoder/0")
    here.page.wait_for_selector("#stripText .piece", state="attached")
    found = here.asked(
        "/api/trace", model="translate", text="2 1 3", stack="decoder", layer=0,
        values=["h"], units=[0], session=None,
    )  # fmt: skip
    assert here.page.locator("#stripText").text_content() == "".join(found["pieces"])


@pytest.mark.parametrize(("locale", "said"), [("en-US", "from a file"), ("ko-KR", "파일")])
def test_a_forecast_says_where_it_is_made(visit: Visitor, locale: str, said: str) -> None:
    page = visit("forecast", locale=locale).page
    assert said in page.inner_text("#answer")
    assert "sunhwan predict" in page.inner_text("#answer")
    assert not page.is_visible("#text")


def test_a_change_of_models_begins_anew(visit: Visitor) -> None:
    here = visit("classify")
    here.type("a cow")
    here.page.wait_for_selector("#answer .labels")
    here.page.select_option("#model", "characters")
    here.page.wait_for_selector("#candidates li")
    assert here.text() == "a cow", "the text stays"
    assert not here.page.is_visible("#answering")
    assert here.page.url.endswith("#characters")
    here.page.reload()
    here.page.wait_for_selector("#candidates li")
    assert here.page.input_value("#model") == "characters"
