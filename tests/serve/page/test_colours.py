"""The text in colours: by surprise, by a unit, by what mattered; gates as a heat map."""

from typing import Any

import pytest

from tests.serve.page.browser import Visit
from tests.serve.page.conftest import Visitor


def trace(here: Visit, model: str, text: str, **options: Any) -> Any:
    settings = {"stack": "recurrent", "layer": 0, "values": ["h"], "units": [0]}
    return here.asked("/api/trace", model=model, text=text, **settings | options)


def backgrounds(here: Visit) -> list[str]:
    return here.page.eval_on_selector_all(
        "#behind .piece", "all => all.map((one) => getComputedStyle(one).backgroundColor)"
    )


def by_unit(here: Visit, unit: int) -> None:
    """Colour by a unit, and wait until it is so."""
    here.page.check("input[value=unit]", force=True)
    here.page.fill("#unit", str(unit))
    here.wait(
        "said => document.querySelector('.legend-words').textContent === said", f"h of unit {unit}"
    )


def test_surprise_colours_each_character(visit: Visitor) -> None:
    here = visit()
    here.page.fill("#text", "abc xyz.")
    here.settled("abc xyz.")
    found = trace(here, "characters", "abc xyz.")
    assert "".join(found["pieces"]) == "abc xyz."
    assert here.colours() == [
        (piece, pytest.approx(nats))
        for piece, nats in zip(found["pieces"], found["surprise"], strict=True)
        if piece
    ]
    # The more surprising, the stronger: the same hue at another share.
    ordered = sorted(zip([value for _, value in here.colours()], backgrounds(here), strict=True))
    assert ordered[0][1] != ordered[-1][1]
    assert "nats" in here.page.inner_text("#legend")
    box = here.page.locator("#behind .piece").nth(2).bounding_box()
    here.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    here.page.wait_for_selector("#tip")
    assert f"surprise {here.colours()[2][1]:.3f} nats" in here.page.inner_text("#tip")
    assert here.page.inner_text("#tip").startswith("“c”")


def test_a_syllable_is_as_surprising_as_its_letters_together(visit: Visitor) -> None:
    here = visit("jamo")
    here.page.fill("#text", "난 다")
    here.settled("난 다")
    nats = trace(here, "jamo", "난 다")["surprise"]
    assert [text for text, _ in here.colours()] == ["난", " ", "다"]
    # Letters ㄴ ㅏ ㄴ, the space, ㄷ ㅏ, behind what is read before the text.
    sums = [sum(nats[1:4]), nats[4], sum(nats[5:7])]
    assert [value for _, value in here.colours()] == pytest.approx(sums, abs=1e-4)


def test_a_unit_colours_the_text(visit: Visitor) -> None:
    here = visit()
    text = "abc xyz. abc"
    here.page.fill("#text", text)
    here.settled(text)
    before = backgrounds(here)
    by_unit(here, 2)
    values = [value for _, value in here.colours()]
    found = trace(here, "characters", text, units=[2])["values"]["h"][0]
    assert values == pytest.approx(found[-len(text) :])
    second = backgrounds(here)
    assert second != before
    here.page.focus("#unit")
    here.page.keyboard.press("ArrowUp")
    here.wait("() => document.querySelector('.legend-words').textContent === 'h of unit 3'")
    assert backgrounds(here) != second
    here.page.select_option("#value", "f")
    here.wait("() => document.querySelector('.legend-words').textContent === 'f of unit 3'")
    assert "0.00" in here.page.inner_text("#legend")
    assert "−" not in here.page.inner_text("#legend"), "a gate goes from 0 to 1"
    here.page.check("input[value=plain]", force=True)
    here.wait("() => document.getElementById('legend').hidden")
    assert set(backgrounds(here)) == {"rgba(0, 0, 0, 0)"}


def test_what_is_typed_meanwhile_keeps_the_colours_around_it(visit: Visitor) -> None:
    here = visit()
    here.page.fill("#text", "abc xyz.")
    here.settled("abc xyz.")
    before = backgrounds(here)
    here.page.route("**/api/trace", lambda route: None)
    here.page.evaluate("document.getElementById('text').setSelectionRange(4, 4)")
    here.page.keyboard.press("g")
    assert here.text() == "abc gxyz."
    after = backgrounds(here)
    assert after[:4] + after[5:] == before
    assert after[4] == "rgba(0, 0, 0, 0)"
    here.page.unroute_all(behavior="ignoreErrors")


def test_units_most_active_at_a_character(visit: Visitor) -> None:
    here = visit()
    here.page.fill("#text", "abc xyz.")
    here.settled("abc xyz.")
    by_unit(here, 0)
    here.page.evaluate("document.getElementById('text').setSelectionRange(3, 3)")
    here.page.click("#activeUnits")
    here.page.wait_for_selector("#active .chip")
    found = trace(here, "characters", "abc", units=None)
    last = [row[-1] for row in found["values"]["h"]]
    most = max(range(len(last)), key=lambda unit: abs(last[unit]))
    assert here.page.locator("#active .chip").first.inner_text().split()[0] == str(most)
    assert "at most the last 300 characters" in here.page.inner_text("#active")
    here.page.locator("#active .chip").first.click()
    assert here.page.input_value("#unit") == str(most)


def test_what_mattered_for_the_next_token(visit: Visitor) -> None:
    here = visit()
    here.page.fill("#text", "abc xyz.")
    here.page.check("input[value=mattered]", force=True)
    here.wait("() => document.querySelector('.legend-words')?.textContent.startsWith('towards')")
    found = here.asked("/api/attribution", model="characters", text="abc xyz.", position=None)
    steps = [k for k, piece in enumerate(found["pieces"]) if piece]
    for way in ("gradient_x_input", "occlusion"):
        here.page.select_option("#way", way)
        wanted = [found[way][step] for step in steps]
        assert [value for _, value in here.colours()] == pytest.approx(wanted)
    assert f"“{found['predicted']}”" in here.page.inner_text(".legend-words")
    # At a character inside the text: what mattered for that one.
    here.page.focus("#text")
    here.page.evaluate("document.getElementById('text').setSelectionRange(5, 5)")
    found = here.asked("/api/attribution", model="characters", text="abc xyz.", position=5)
    assert found["predicted"] == "x"
    here.wait("() => document.querySelector('.legend-words').textContent.includes('“x”')")
    assert [value for _, value in here.colours()] == pytest.approx(found["occlusion"][1:])
    assert here.colours()[-1] == (".", 0.0)


def test_of_a_long_text_the_end_is_explained(visit: Visitor) -> None:
    here = visit()
    text = "abc xyz. " * 70
    here.page.fill("#text", text)
    here.page.check("input[value=mattered]", force=True)
    here.wait("() => document.querySelector('.legend-words')?.textContent.startsWith('towards')")
    assert not here.page.is_visible("#problem"), "the server takes no more at a time"
    coloured = [piece for piece, value in here.colours() if value is not None]
    assert "".join(coloured) == text[-600:]
    assert "too long" in here.page.inner_text("#clipped")


def test_gates_are_a_heat_map_for_keys_and_pointer(visit: Visitor) -> None:
    here = visit()
    text = "abc xyz."
    here.page.fill("#text", text)
    here.page.wait_for_selector("#gateMap")
    found = trace(here, "characters", text, values=["f"], units=None)
    units, steps = len(found["units"]), len(found["labels"])
    label = here.page.get_attribute("#gateMap", "aria-label")
    assert f"{units} units over {steps} steps" in label
    here.page.focus("#gateMap")
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        here.page.keyboard.press(key)
    value = f"{found['values']['f'][1][1]:.3f}"
    said = here.page.inner_text("#gateCell")
    assert said == f"unit 1 at “{found['labels'][1]}”: {value}"
    here.page.keyboard.press("Enter")
    assert here.page.is_checked("input[value=unit]")
    assert here.page.input_value("#unit") == "1"
    assert here.page.input_value("#value") == "f"
    here.page.select_option("#gateOrder", "mean")
    means = [sum(row) for row in found["values"]["f"]]
    here.page.focus("#gateMap")
    here.page.keyboard.press("ArrowRight")
    most = max(range(units), key=means.__getitem__)
    assert here.page.inner_text("#gateCell").startswith(f"unit {most} at ")
    opened = found["open"]["units"]
    chips = here.page.locator("#gateOpen .chip").all_inner_texts()
    assert chips == [str(unit) for unit in opened]


def test_a_cell_without_gates_has_no_tab_of_gates(visit: Visitor) -> None:
    assert visit().page.inner_text("#tab-gates") == "Gates"
    assert visit("plain").page.inner_text("#tab-gates") == "States"
    assert visit("plain", locale="ko-KR").page.inner_text("#tab-gates") == "상태"
