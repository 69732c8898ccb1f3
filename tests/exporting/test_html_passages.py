"""Question answering as one page: the word of a passage, its sentence, and where the model looked."""

import pytest

import sunhwan
from sunhwan.errors import UsageError
from sunhwan.exporting import export
from sunhwan.exporting.html import write_answers
from tests.exporting.conftest import GOLDEN, needs_node
from tests.exporting.test_tasks import lively

ANSWER = GOLDEN.parent / "v7" / "tasks" / "answer"
HOSTILE = "Ann is here. <img src=x onerror=alert(1)> Bob naps."


def test_a_passage_answers(opened):
    """What `predict` says; hostile text; on a phone in the dark, in Korean."""
    task = lively(sunhwan.load(ANSWER))
    page = opened(
        task, locale="ko-KR", viewport={"width": 360, "height": 640}, color_scheme="dark"
    )  # fmt: skip
    assert list(task.columns.inputs) == ["passage", "question"]
    assert page.locator("label").all_text_contents() == ["지문", "질문"]
    assert page.locator("#look .piece, .bar").count() == 0
    questions = [
        ("Ann is in the hall now. Bob naps. ann! naps", "Where is Ann?"),
        ("(민수는) 부엌에 있다.” 영희가 갔다 . 부엌에", "?"),
        ("STRASSE straße Σας. ... σασ", "who"),
        ("민수: 있다.", ""),
        ("", "?"),
    ]
    for question in questions:
        (answer,) = task.predict([question])
        found = page.evaluate("q => sunhwan.answer(...q)", list(question))
        assert found["word"] == answer.values["answer"]
        assert found["probability"] == pytest.approx(answer.values["probability"], abs=1e-5)
        assert found["evidence"] == answer.values["evidence"]
    (answer,) = task.predict([(HOSTILE, "Who?")])
    page.fill("#text", HOSTILE)
    page.fill("#question-text", "Who?")
    page.evaluate("show()")
    assert page.text_content(".bar span") == answer.values["answer"]
    assert page.text_content("#look").split() == HOSTILE.split()
    evidence = [node.text_content() for node in page.locator(".evidence").all()]
    assert " ".join(evidence) == answer.values["evidence"]
    titles = [node.get_attribute("title") for node in page.locator("#look .piece").all()]
    assert titles == [f"{100 * weight:.1f}%" for weight in answer.alignment.weights[0].tolist()]
    assert page.locator("img").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.text_content("#about").startswith("지문과 질문을")


@needs_node
def test_small_weights_are_measured(tmp_path):
    found = export(lively(sunhwan.load(ANSWER)), tmp_path / "x.html", "html")
    assert 0 < found.deviation < 1e-2


def test_other_tasks_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(write_answers, "PAGES", {})
    with pytest.raises(UsageError, match="cannot be exported as a page with inputs of this kind"):
        export(ANSWER, tmp_path / "x.html", "html")
