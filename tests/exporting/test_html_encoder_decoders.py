"""Encoder-decoders as one page: what the model writes, and where it looked."""

import math

import numpy as np
import pytest

import sunhwan
from sunhwan.exporting import export
from sunhwan.tasks.common.encoder_decoder_task import EncoderDecoderTask
from sunhwan.text import build_vocabulary
from tests.exporting.conftest import GOLDEN, needs_node
from tests.exporting.test_tasks import lively, other

HOSTILE = "2 <img src=x onerror=alert(1)>"


def loaded(name: str) -> EncoderDecoderTask:
    task = sunhwan.load(GOLDEN / "tasks" / name)
    assert isinstance(task, EncoderDecoderTask)
    return task


def test_translations_and_where_it_looked(opened):
    """Additive attention in both directions; hostile text; a phone in the dark; labels of tokens."""
    task = loaded("translate")
    read = build_vocabulary("jamo", ["가ㅋ각 1234"])
    source = {"kind": "text", "vocabulary": read.to_dict()}
    written = build_vocabulary("jamo", ["각ㅋ 01234\n"], eos=True).to_dict()
    whole = {**task.preprocessing(), "source": source, "vocabulary": written}
    task = lively(type(task).restored(task.config, whole))
    page = opened(task, viewport={"width": 360, "height": 640}, color_scheme="dark")
    for question, beam in (("2 1", 5), ("각ㅋ 4가", 3), ("1", 1)):
        (answer,) = task.predict([question], beam=beam)
        page.fill("#beam", str(beam))
        page.fill("#text", question)
        page.wait_for_function("() => document.querySelector('#pieces button')")
        page.evaluate("show()")
        assert page.text_content("#written") == answer.values["output"]
        found = page.evaluate("q => search(...q)", [question, beam])
        answers = answer.values["answers"]
        assert [text["text"] for text in found] == [one["output"] for one in answers]
        shares = [math.exp(one["log_probability"]) for one in answers]
        assert [text["share"] for text in found] == pytest.approx(shares, rel=1e-4)
        assert page.locator("#others li").count() == len(answers) - 1
        looks = found[0]["looks"]
        np.testing.assert_allclose(looks, answer.alignment.weights, atol=1e-5)
        cells = page.locator("#grid td").count()
        assert cells == answer.alignment.weights.numel()
        assert page.locator("#pieces button").all_text_contents() == answer.alignment.target
        _, *heads = page.locator("#grid tr").first.locator("th").all_text_contents()
        assert heads == answer.alignment.source
    page.locator("#pieces button").last.click()
    last = [node.get_attribute("title") for node in page.locator("#look .piece").all()]
    assert last == [f"{100 * weight:.1f}%" for weight in looks[-1]]
    page.fill("#text", HOSTILE)
    page.evaluate("show()")
    assert page.locator("img").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.fill("#text", "")
    page.evaluate("show()")
    assert page.text_content("#written") == ""


@needs_node
def test_other_attention(tmp_path):
    """Dot products with input feeding; none, with a tied embedding that is kept once."""
    assert export(loaded("translate_dot"), tmp_path / "x.html", "html", "fp32").deviation < 1e-5
    model = {"attention": "none", "tied": True, "input_feeding": True, "connection": "residual"}
    model |= {"num_layers": 2, "hidden_size": [4, 4], "cell": ["slstm", "gru"], "pooling": "max"}
    made = lively(other("translate", **model))
    assert export(made, tmp_path / "x.html", "html", "fp32").deviation < 1e-5
    page = (tmp_path / "x.html").read_text(encoding="utf-8")
    assert '"written output W"' not in page


def test_a_drawing_is_described(opened):
    """A finger draws, the model sees it small and writes; the numbers are those of training."""
    task = lively(loaded("describe_images"))
    side = task.config.task.image_size
    page = opened(task, locale="ko-KR", viewport={"width": 360, "height": 740}, has_touch=True)
    assert page.text_content("#about").startswith("손가락으로 그리거나")
    assert page.text_content("#written") == ""
    box = page.locator("#drawing").bounding_box()
    left, top = box["x"], box["y"]
    page.mouse.move(left + 100, top + 40)
    page.mouse.down()
    page.mouse.move(left + 100, top + 120, steps=4)
    page.mouse.up()
    page.wait_for_function("() => asked()")
    ink = np.array(page.evaluate("asked()")).reshape(side, side)
    on_white = task.input_kind.mean[0] > 0.5
    if on_white:
        ink = 1 - ink
    assumed = f"추측한 값입니다: 획은 {0 if on_white else 1}, 바탕은 {int(on_white)}."
    assert assumed in page.text_content("#assumed")
    assert ink[:, side // 2].min() > 0.8
    assert max(ink[:, 0].max(), ink[:, -1].max()) < 0.1
    page.uncheck("#fit")
    assert not np.allclose(page.evaluate("asked()"), ink.ravel())
    numbers = page.evaluate("asked()")
    (answer,) = task.predict([" ".join(map(repr, numbers))])
    page.evaluate("show()")
    assert page.text_content("#written") == answer.values["output"]
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    ranges = [(0.1, 0.3), (0.9, 0.3), (4.88, 6.02), (12.0, 1.0), (33.0, 78.0), (240.0, 20.0)]
    found = [page.evaluate("one => inkOf(...one)", list(one)) for one in ranges]
    wanted = [(1, 0), (0, 1), (16, 0), (0, 16), (255, 0), (0, 255)]
    assert [(one["ink"], one["paper"]) for one in found] == wanted
    page.click("#clear")
    assert page.text_content("#written") == ""


def test_numbers_are_described(opened):
    task = lively(loaded("describe"))
    page = opened(task)
    assert page.locator("#question label").all_text_contents() == ["temperature ", "rain "]
    page.fill("#number0", "30")
    page.fill("#number1", "0.5")
    page.evaluate("show()")
    (answer,) = task.predict([("30", "0.5")])
    assert page.text_content("#written") == answer.values["output"]
    page.fill("#number1", "<b>")
    page.evaluate("show()")
    assert page.text_content("#fault") == "rain: “<b>” is not a number: write one such as -0.5"
    page.fill("#number0", "1 2")
    page.fill("#number1", "")
    page.evaluate("show()")
    assert page.text_content("#fault") == "temperature holds 2 numbers: write one"
    page.fill("#number0", "30")
    page.evaluate("show()")
    assert page.text_content("#fault") == "rain is empty: write a number such as -0.5"
    assert page.text_content("#written") == ""
    page.click("#language")
    assert page.text_content("#fault") == "rain 칸이 비어 있습니다. -0.5 같은 수를 쓰세요"


def test_a_blank_text_is_said_to_be_one(opened):
    task = lively(loaded("describe"))
    task.model.decoder.output.bias.detach()[task.eos] += 30
    (answer,) = task.predict([("30", "0.5")])
    assert answer.values["output"] == ""
    page = opened(task, locale="ko-KR")
    assert page.text_content("#written") == "(빈 글)"
    assert page.text_content("#share").startswith("확률 1")
    page.click("#language")
    assert page.text_content("#written") == "(a blank text)"
    assert page.locator("#others li").count() > 0


def test_tunes_are_drawn(opened):
    """Labels are chosen; at temperature 0 the tune is that of the model, above it any draw is a token."""
    task = lively(loaded("describe_tunes"))
    page = opened(task)
    metre, key = (labels[-1] for labels in task.input_kind.labels)
    for n, label in enumerate((metre, key)):
        page.locator("select").nth(n).select_option(label=label)
    page.fill("#heat", "0")
    assert page.locator("#searched").is_visible()
    (answer,) = task.predict([(metre, key)], temperature=0)
    assert page.text_content("#written") == answer.text
    page.fill("#heat", "1.5")
    page.click("#again")
    assert page.locator("#searched").is_hidden()
    assert page.text_content("#written").startswith("X:1\n")
    # Of some counts the shares, subtracted one by one, leave more than nothing of the largest draw.
    draws = """() => {
        Math.random = () => 1 - 2 ** -53;
        const logits = count => Array.from({ length: count }, (_, n) => -n / 1000);
        return Array.from({ length: 20 }, (_, n) => chosen(logits(n + 2), new Set([1]), 1));
    }"""
    found = page.evaluate(draws)
    assert all(0 <= token <= n + 1 and token != 1 for n, token in enumerate(found))


@pytest.mark.deep
@needs_node
@pytest.mark.parametrize("name", ["translate", "describe", "describe_images", "describe_tunes"])
def test_small_weights_are_measured(tmp_path, name):
    found = export(GOLDEN / "tasks" / name, tmp_path / "x.html", "html")
    assert 0 < found.deviation < 1e-2
