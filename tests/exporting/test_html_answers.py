"""Classifiers and taggers as one page: labels of texts, pairs, images and numbers."""

import numpy as np
import PIL.Image
import pytest

import sunhwan
from sunhwan.data import read_image
from sunhwan.data.edit_scripts import edit_script, edited
from sunhwan.errors import ConfigError
from sunhwan.exporting import export
from sunhwan.tasks import Tag
from tests.exporting.conftest import GOLDEN, needs_node
from tests.exporting.test_tasks import lively, other, reading


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
    page.wait_for_function("() => document.querySelector('#look span[title]')")
    assert page.text_content("#look") == text
    assert page.locator("img").count() == 0
    assert page.locator(".bar").count() == len(task.labels)
    whole, without = (page.evaluate("t => classify(t)", t) for t in (text, text[3:]))
    label = whole.index(max(whole))
    part = page.locator("#look span").first.get_attribute("title")
    assert part == f"{100 * (whole[label] - without[label]):.1f}%"


def test_of_a_long_text_it_says_what_was_looked_at(opened):
    """80 words of each text; those behind are without a colour and said not to be looked at."""
    page = opened(sunhwan.load(GOLDEN.parent / "v7" / "tasks" / "classify_linear"), locale="ko-KR")
    text = " the" * 80 + " cat" * 7
    page.fill("#text", text)
    page.wait_for_function("() => document.querySelectorAll('#look span[title]').length === 80")
    assert page.text_content("#look") == text
    assert page.text_content(".unseen") == "cat" + " cat" * 6
    assert not page.get_attribute(".unseen", "title")
    assert "단어 87개 가운데 앞의 80개만" in page.text_content("#legend")
    page.click("#language")
    assert "Only the first 80 of 87 words" in page.text_content("#legend")
    page.fill("#text", "the cat")
    assert "80" not in page.text_content("#legend")
    page.wait_for_function("() => document.querySelectorAll('#look span[title]').length === 2")


def test_a_look_goes_in_slices(opened):
    """The page can do something else between two pieces, and a change of the text ends the look."""
    page = opened(sunhwan.load(GOLDEN.parent / "v7" / "tasks" / "classify_linear"))
    page.evaluate("() => { let now = 0; performance.now = () => now += 1000; }")
    page.fill("#text", "the cat " * 30)
    titles = "document.querySelectorAll('#look span[title]').length"
    assert (
        page.evaluate(f"() => {{ clearTimeout(pending); look(asked(), 0); return {titles}; }}") == 1
    )
    page.fill("#text", "the")
    page.wait_for_function("() => document.querySelector('#look span[title]')")
    assert page.text_content("#look") == "the"


def test_many_labels(opened):
    """Twenty of them are shown, and how many more there are."""
    scale = {"mean": [0.0] * 2, "deviation": [1.0] * 2, "image_size": 0}
    task = lively(reading("classify", {"kind": "vector", **scale}))
    page = opened(task)
    page.evaluate("showBars([...Array(20).keys()], Array(20).fill(0.05))")
    assert page.locator(".bar").count() == 20
    assert "more" not in page.text_content("#answer")
    page.evaluate("showBars([...Array(23).keys()], Array(23).fill(0.04))")
    assert page.locator(".bar").count() == 20
    assert page.text_content("#answer").endswith("… and 3 more")


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
    page.fill("#text2", "나")
    page.wait_for_function("() => document.querySelector('#look span:last-child')?.title")
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
    for text in ("김 민수가 New York 오늘 Oslo", "x" * 70 + " 이\x85영희가\x1cOslo\ufeff", ""):
        (answer,) = task.predict([text])
        page.fill("#text", text)
        labels = page.evaluate("text => sunhwan.tag(text)", text)
        written = [f"{word}/{label}" for word, label in zip(text.split(), labels, strict=True)]
        assert " ".join(written) == answer.cells[0]
        assert page.locator(".tagged").count() == len(labels)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert "단어" in page.text_content("#about")


def test_raw_text_is_cut_and_tagged(opened, tmp_path):
    """Into sentences and words as in `predict RUN article.txt`, tokens of several words too."""
    whole = sunhwan.load(GOLDEN.parent / "v10" / "tasks" / "tag_raw")
    task = Tag(whole.config, whole.input_kind, whole.labels, tokenizer=whole.tokenizer)
    lively(task, seed=3).model.eval()
    for parameter in task.tokenizer.tagger.encoder.parameters():
        parameter.data /= 4  # or rounding would grow from character to character
    splits = task.tokenizer.splits
    splits.endings["o"] = '["as is", [], [-1, "ㅗ 간다"]]'
    splits.endings["하"] = '["lower", [], [-1, "ㅏ 고", -1]]'
    splits.tokens["toString"] = ["to", "String"]
    page = opened(task)
    lines = ["Oslo 김민수가\u00a0갔다.🙂 toString! Bob  하 Ao\x85x", "", "New York" * 150, " 끝 "]
    (tmp_path / "x.txt").write_text("\n".join(lines), encoding="utf-8")
    answers = task.answers(task.questions(tmp_path / "x.txt"))
    wanted = [[*row[:2]] for answer in answers for row in answer.rows]
    found = page.evaluate("text => sunhwan.tagged(text)", "\n".join(lines))
    assert [[one["piece"], one["label"]] for one in found] == wanted
    assert len({len(piece) for piece, _ in wanted}) > 2
    scripts = [*splits.endings.values(), *(edit_script(*pair) for pair in EDITS), '["whole", "x"]']
    words = ["", "o", "Oslo", "간다", "하", "닭", "😀고", *map("".join, EDITS)]
    for script in scripts:
        made = page.evaluate("([words, s]) => words.map(w => edited(w, s))", [words, script])
        assert made == [edited(word, script) for word in words]


EDITS = (("난다", "나다"), ("Went", "go"), ("갔다", "가다"), ("닭이", "닥"), ("running", "run"))


def image_classifier(side=9, mean=0.3, deviation=0.2):
    scale = {"mean": [mean] * side**2, "deviation": [deviation] * side**2}
    return lively(reading("classify", {"kind": "vector", "image_size": side, **scale}))


def test_an_image_is_labelled(opened, tmp_path):
    """A picture is read as `predict` reads it, a drawing takes its place; on a phone in the dark."""
    task = image_classifier()
    pixels = np.random.default_rng(1).integers(0, 256, (23, 31, 3), np.uint8)
    PIL.Image.fromarray(pixels).save(tmp_path / "x.png")
    PIL.Image.fromarray(pixels[:2, :3]).save(tmp_path / "small.png")
    (tmp_path / "<img src=x>.png").write_text("no picture")
    page = opened(
        task, locale="ko-KR", viewport={"width": 360, "height": 740}, color_scheme="dark"
    )  # fmt: skip
    assert page.text_content("#about").startswith("손가락으로 그리거나")
    assert page.locator(".bar").count() == 0
    for name in ("x.png", "small.png"):
        page.set_input_files("#pick", tmp_path / name)
        wanted = read_image(tmp_path / name, 9).ravel()
        page.wait_for_function("v => Math.abs(asked()?.[0][0] - v) < 1e-6", arg=float(wanted[0]))
        np.testing.assert_allclose(page.evaluate("asked()[0]"), wanted, atol=1e-6)
    (answer,) = task.predict([str(tmp_path / "small.png")])
    found = page.evaluate("classify(...asked())")
    assert found == pytest.approx(list(answer.values["probabilities"].values()), abs=1e-5)
    assert page.text_content(".bar span") == answer.values["label"]
    page.wait_for_selector("#mattered")
    best = int(np.argmax(found))
    parts = page.evaluate("label => [...matters(asked(), 0, label)]", best)
    assert len(parts) == 25
    covered = wanted.reshape(9, 9).copy()
    covered[2:4, 8:] = 0  # paper, where 1 is ink
    without = page.evaluate("image => classify(image)", covered.ravel().tolist())
    assert parts[9]["piece"] == {"top": 2, "left": 8, "wide": 2}
    assert parts[9]["part"] == pytest.approx(found[best] - without[best], abs=1e-6)
    page.check("#swap")
    np.testing.assert_allclose(page.evaluate("asked()[0]"), 1 - wanted, atol=1e-6)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.set_input_files("#pick", tmp_path / "<img src=x>.png")
    page.wait_for_function("() => document.getElementById('fault').textContent")
    assert page.text_content("#fault").startswith("<img src=x>.png은(는) 이 브라우저가")
    assert page.locator(".bar, img").count() == 0
    box = page.locator("#drawing").bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 160, box["y"] + 160, steps=4)
    page.mouse.up()
    page.wait_for_function("() => document.querySelector('.bar')")
    assert page.text_content("#fault") == ""
    page.click("#clear")
    assert page.locator(".bar").count() == 0


def test_numbers_and_choices_are_labelled(opened):
    task = lively(
        reading(
            "classify", {"kind": "vector", "mean": [1, 5], "deviation": [1, 9], "image_size": 0}
        )
    )
    page = opened(task)
    page.fill("#number0", "0.5 -3")
    page.wait_for_function("() => asked()[0][0] === 0.5")
    page.evaluate("show()")
    (answer,) = task.predict(["0.5 -3"])
    assert page.text_content(".bar span") == answer.values["label"]
    found = page.evaluate("sunhwan.classify([0.5, -3])")
    assert found == pytest.approx(list(answer.values["probabilities"].values()), abs=1e-5)
    page.fill("#number0", "1 <b>")
    page.evaluate("show()")
    assert page.text_content("#fault").startswith("“<b>” is not a number")
    page.fill("#number0", "1")
    page.evaluate("show()")
    assert page.text_content("#fault") == "There is 1 number, but 2 are needed"
    assert page.locator(".bar").count() == 0
    task = lively(reading("classify", {"kind": "labels", "labels": [["red", "<b>", "blue"]]}))
    page = opened(task)
    page.locator("select").select_option(label="<b>")
    (answer,) = task.predict(["<b>"])
    assert page.text_content(".bar span") == answer.values["label"]
    assert page.evaluate("sunhwan.classify([1])") == pytest.approx(
        list(answer.values["probabilities"].values()), abs=1e-5
    )


def test_without_node_a_classifier_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(ConfigError, match=r"install Node\.js$"):
        export(GOLDEN / "tasks" / "classify", tmp_path / "x.html", "html")
