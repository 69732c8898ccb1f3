"""Models of the other tasks: what they answer, and what it came from."""

from itertools import product

import pytest

from tests.serve.page.conftest import Visitor
from tests.tiers import and_deep


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


def test_an_answer_colours_the_passage_and_underlines_its_evidence(visit: Visitor) -> None:
    here = visit("answer", locale="ko-KR")
    assert here.page.inner_text("#firstColumn") == "지문"
    assert here.page.inner_text("#columns bdi") == "질문"
    question = ["Ann naps. Bob is in the hall now.", "Where is Bob?"]
    here.type(question[0])
    here.page.fill("#columns textarea", question[1])
    here.page.wait_for_selector("#answer .passage")
    (said,) = here.asked("/api/predict", model="answer", questions=[question])["answers"]
    here.wait("word => document.querySelector('#answer .written bdi')?.textContent === word",
              said["values"]["answer"])  # fmt: skip
    here.wait("n => document.querySelectorAll('#answer .passage span').length === n", 8)
    evidence = here.page.locator("#answer .evidence").all_inner_texts()
    assert " ".join(word.strip() for word in evidence) == said["values"]["evidence"]
    colours = here.page.locator("#answer .passage span").evaluate_all(
        "all => all.map((one) => Number(/ ([\\d.]+)%/.exec(one.style.background)?.[1]))"
    )
    assert colours == pytest.approx([100 * w for w in said["alignment"]["weights"][0]], abs=0.06)


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
    found = here.asked("/api/attribution", model="translate", text="2 1 3", position=0)
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
        values=["h"], units=[0],
    )  # fmt: skip
    assert here.page.locator("#stripText").text_content() == "".join(found["pieces"])


SERIES = "\n".join(f"{n % 4}.5\t{1000 - n}" for n in range(40))
"""Of the two columns that the model reads."""


@pytest.mark.parametrize(
    ("locale", "scheme"),
    and_deep([("ko-KR", "dark")], product(["en-US", "ko-KR"], ["light", "dark"])),
)
def test_a_forecast_goes_on_from_what_is_typed(visit: Visitor, locale: str, scheme: str) -> None:
    here = visit("forecast", locale=locale, color_scheme=scheme)
    page = here.page
    assert "사과, pear" in page.inner_text("#firstColumn")
    assert "sunhwan predict" in page.inner_text("#answer")
    assert page.locator("[role=tab]:visible").count() == 2
    assert not page.is_visible("#gates"), "there is no layer to look into"
    assert page.get_attribute("#tab-learning", "aria-selected") == "true"
    page.fill("#text", SERIES + "\n")
    page.wait_for_selector("#forecastPicture .main-svg")
    answers = here.asked("/api/predict", model="forecast", questions=[SERIES])["answers"]
    for k, name in enumerate(("사과", "pear")):
        page.select_option("#forecastSeries", label=name)
        wanted = [one["values"] for one in answers if one["values"]["series"] == name]
        rows = page.locator("#forecastRows tr").all_inner_texts()
        cells = [row.replace(",", "").replace("−", "-").split() for row in rows]
        assert [row[0] for row in cells] == [one["time"] for one in wanted]
        for row, one in zip(cells, wanted, strict=True):
            told = [one["median"], one["lower"], one["upper"]]
            width = max(step["upper"] - step["lower"] for step in wanted)
            assert [float(cell) for cell in row[1:]] == pytest.approx(told, abs=width / 100)
        here.wait(
            "name => document.getElementById('forecastPicture').layout.yaxis.title.text === name",
            name,
        )
        drawn = page.evaluate(
            "document.getElementById('forecastPicture').data.map(({x, y}) => [[...x], [...y]])"
        )
        given = [float(line.split()[k]) for line in SERIES.splitlines()]
        assert drawn[0] == [list(range(1, 41)), given]
        for (x, y), field in zip(drawn[1:], ("lower", "upper", "median"), strict=True):
            assert x == list(range(40, 41 + len(wanted)))
            assert y == pytest.approx([given[-1], *(one[field] for one in wanted)])
        assert rows[0].split()[1] in page.inner_text("#forecastSaid")
        assert name in page.get_attribute("#forecastPicture", "aria-label")
    line = page.locator("#forecastPicture .js-line").first
    before = line.evaluate("one => getComputedStyle(one).stroke")
    page.click("#theme")
    here.wait(
        "old => getComputedStyle(document.querySelector('#forecastPicture .js-line')).stroke !== old",
        before,
    )


def test_a_forecast_goes_on_from_dates(visit: Visitor) -> None:
    here = visit("forecast")
    months = [f"{2020 + n // 12}-{n % 12 + 1:02}" for n in range(40)]
    rows = [f"{month} {line}" for month, line in zip(months, SERIES.splitlines(), strict=True)]
    here.page.fill("#text", "\n".join(rows))
    here.page.wait_for_selector("#forecastPicture .main-svg")
    first, *_, median = here.page.evaluate(
        "document.getElementById('forecastPicture').data.map(({x, y}) => [[...x], [...y]])"
    )
    assert first == [months, [float(line.split()[0]) for line in SERIES.splitlines()]]
    assert median[0][:3] == ["2023-04", "2023-05", "2023-06"]
    assert here.page.locator("#forecastRows th").first.inner_text() == "2023-05"


def test_what_is_no_series_is_refused_in_a_sentence(visit: Visitor) -> None:
    here = visit("forecast")
    page = here.page
    page.fill("#text", SERIES)
    page.wait_for_selector("#forecastRows tr")
    for text, said in (("1 2\n3", "as many columns"), ("1 x", "finite"), ("1 2\n2 3", "at least")):
        page.fill("#text", text)
        here.wait("said => document.getElementById('problem').textContent.includes(said)", said)
        assert not page.is_visible("#forecast"), "the old forecast is gone"
    page.fill("#text", "")
    here.wait("() => document.getElementById('problem').hidden")
    page.fill("#text", SERIES.replace("\t", ", "))
    page.wait_for_selector("#forecastRows tr")
    assert not page.is_visible("#problem")


def test_a_forecast_has_nothing_to_colour(visit: Visitor) -> None:
    here = visit("forecast")
    page = here.page
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url.rpartition("/")[2]))
    page.fill("#text", SERIES)
    page.wait_for_selector("#forecastRows tr")
    page.wait_for_timeout(300)
    assert "predict" in asked
    assert not {"trace", "attribution", "next"} & set(asked)
    for hidden in ("#modes", "#legend", "#activeUnits", "#unitControls", "#matteredControls"):
        assert not page.is_visible(hidden)
    page.select_option("#model", "classify")
    page.wait_for_selector("#modes")
    assert page.is_checked("input[value=mattered]")
    assert not page.is_visible("#forecast")
    assert page.inner_text("#forecastSaid") == ""


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
