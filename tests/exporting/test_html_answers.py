"""Models that answer as one page: labels, pairs, forecasts, texts written about what is read."""

import pytest

import sunhwan
from sunhwan.errors import ConfigError, UsageError
from sunhwan.exporting import export
from tests.exporting.conftest import GOLDEN, needs_node
from tests.exporting.test_tasks import other


def test_a_classifier_answers(opened):
    """With a linear model of n-grams beside it, the labels of `predict` and what mattered."""
    task = sunhwan.load(GOLDEN.parent / "v7" / "tasks" / "classify_linear")
    page = opened(task)
    for text in ("the 사과 7 cat", ""):
        (answer,) = task.predict([text])
        found = page.evaluate("text => classify(text)", text)
        assert max(found) == pytest.approx(answer.values["probability"], abs=1e-5)
        assert page.evaluate("LABELS")[found.index(max(found))] == answer.values["label"]
    text = "the 사과 <img src=x onerror=alert(1)>"
    page.fill("#text", text)
    page.wait_for_function("() => document.querySelector('#look span')")
    assert page.text_content("#look") == text
    assert page.locator("img").count() == 0
    assert page.locator(".bar").count() == len(task.labels)
    whole, without = (page.evaluate("t => classify(t)", t) for t in (text, text[3:]))
    label = whole.index(max(whole))
    part = page.locator("#look span").first.get_attribute("title")
    assert part == f"{100 * (whole[label] - without[label]):.1f}%"


def test_a_pair_is_labelled(opened):
    """Two texts, each with a box under the name of its column, and what mattered in both."""
    task = sunhwan.load(GOLDEN / "tasks" / "classify_pair")
    page = opened(task, viewport={"width": 360, "height": 640}, color_scheme="dark")
    for pair in (("가", "나 다"), ("", "가")):
        (answer,) = task.predict([pair])
        found = page.evaluate("pair => classify(...pair)", list(pair))
        assert found == pytest.approx(list(answer.values["probabilities"].values()), abs=1e-5)
    assert page.locator("label").all_text_contents() == list(task.columns.inputs)
    page.fill("#text", "<img src=x onerror=alert(1)> 가")
    page.fill("#second", "나")
    page.wait_for_function("() => document.querySelectorAll('#look span').length === 8")
    assert page.locator("#look span").last.text_content() == "나"
    assert page.locator("img").count() == 0
    whole, without = (
        page.evaluate("b => classify('<img src=x onerror=alert(1)> 가', b)", b) for b in ("나", "")
    )
    label = whole.index(max(whole))
    part = page.locator("#look span").last.get_attribute("title")
    assert part == f"{100 * (whole[label] - without[label]):.1f}%"
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.text_content("#about").startswith("Type two texts")


@pytest.mark.deep
@needs_node
def test_layers_of_a_classifier(tmp_path):
    settings = {"cell": ["gru"], "num_layers": 2, "connection": "highway", "pooling": "attention"}
    made = other("classify", hidden_size=[6], layer_norm=True, **settings)
    assert export(made, tmp_path / "x.html", "html", "fp32").deviation < 1e-5


def test_a_tagger_answers(opened):
    """Words with their letters, and a CRF."""
    page = opened("tasks/tag", viewport={"width": 360, "height": 640}, locale="ko-KR")
    task = sunhwan.load(GOLDEN / "tasks" / "tag")
    for text in ("김 민수가 New York 오늘 Oslo", "x" * 70 + " 이 영희가", ""):
        (answer,) = task.predict([text])
        page.fill("#text", text)
        labels = page.evaluate("text => sunhwan.tag(text)", text)
        written = [f"{word}/{label}" for word, label in zip(text.split(), labels, strict=True)]
        assert " ".join(written) == answer.cells[0]
        assert page.locator(".tagged").count() == len(labels)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert "낱말" in page.text_content("#about")


def test_frames_are_refused(tmp_path):
    with pytest.raises(UsageError, match="cannot be exported as a page with inputs of this kind"):
        export(GOLDEN / "tasks" / "classify_frames", tmp_path / "x.html", "html")


def test_without_node_a_classifier_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(ConfigError, match=r"install Node\.js$"):
        export(GOLDEN / "tasks" / "classify", tmp_path / "x.html", "html")
