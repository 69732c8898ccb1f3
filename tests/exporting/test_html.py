"""Language models as one page: the model's numbers and texts, in a browser that may ask for nothing."""

import importlib.util
import math
import re
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch

import sunhwan
from sunhwan.errors import ConfigError, UsageError
from sunhwan.exporting import export, loops
from sunhwan.exporting.html import build_products, packing
from sunhwan.exporting.html.build_products import COMPILER, build
from sunhwan.layers import observing
from sunhwan.tasks import LanguageModelTask
from tests.exporting.conftest import GOLDEN, needs_node
from tests.exporting.test_onnx import of_sentences, small


@needs_node
@pytest.mark.parametrize(
    "name", ["cells/slstm", pytest.param("texts/dense", marks=pytest.mark.deep)]
)
def test_numbers(tmp_path, name):
    found = export(GOLDEN / name, tmp_path / "notes.html", "html", "fp32")
    assert found.deviation < 1e-5
    assert found.notes == ()
    found = export(GOLDEN / name, tmp_path / "notes.html", "html")
    assert found.weights == "fp16"
    assert 0 < found.deviation < 1e-3


@pytest.mark.parametrize(
    "name",
    ["cells/antisymmetric", "texts/subwords", pytest.param("texts/bytes", marks=pytest.mark.deep)],
)  # fmt: skip
def test_it_writes_what_sample_writes(opened, name):
    """Of every kind of vocabulary; greedily."""
    page, task = opened(name), sunhwan.load(GOLDEN / name)
    assert isinstance(task, LanguageModelTask)
    length = 40 if name == "texts/bytes" else 200
    for prompt in ("나는 the 사", "너느", ""):
        (wanted,) = task.sample(prompt, length=length, temperature=0, precision="fp32")
        assert page.evaluate("a => sunhwan.write(...a)", [prompt, length]) == wanted.text


def test_a_model_of_sentences_begins_each_line_anew(opened):
    task = of_sentences(small(cell=["gru"]))
    page = opened(task)
    for prompt in ("the", "the cat\n나", ""):
        (wanted,) = task.sample(prompt, length=60, temperature=0, precision="fp32")
        assert page.evaluate("prompt => sunhwan.write(prompt, 60)", prompt) == wanted.text
    page.fill("#text", "the cat\nthe")
    titles = [span.get_attribute("title") for span in page.locator("#look span").all()]
    assert titles[:3] == titles[8:]


def test_without_webassembly_it_says_the_same(opened):
    """The address ends with #js: plain JavaScript."""
    task = small(cell=["lstm"], hidden_size=67)
    (wanted,) = task.sample("나는", length=100, temperature=0, precision="fp32")
    for hash, compiled in (("", True), ("#js", False)):
        page = opened(task, hash)
        assert page.evaluate("compiled") == compiled
        assert page.evaluate("sunhwan.write('나는', 100)") == wanted.text
    ran = """compiled => {
        const { floats, accumulate } = machine(9 * 7 + 7 * 13 + 9 * 13, compiled ? COMPILED : null);
        const A = floats(9 * 7), B = floats(7 * 13), C = floats(9 * 13);
        [A, B, C].forEach((X, k) => X.forEach((_, n) => { X[n] = Math.sin(n * n + k); }));
        accumulate(C, 13, A, 1, 1, 8, B, 0, 7, 7, 13);
        return Array.from(C);
    }"""
    page = opened(task)
    both = [page.evaluate(ran, compiled) for compiled in (True, False)]
    assert both[0] == pytest.approx(both[1], abs=1e-6)


def test_the_compiled_products_are_those_of_the_source():
    if importlib.util.find_spec("ziglang") is None or version("ziglang") != COMPILER:
        pytest.skip(f"ziglang {COMPILER} is not installed")
    assert build() == (Path(build_products.__file__).parent / "products.wasm").read_bytes()


def test_texts_and_tokens(opened):
    """Encoding and decoding are the vocabulary's, whatever the text."""
    page, task = opened("texts/subwords"), sunhwan.load(GOLDEN / "texts/subwords")
    assert isinstance(task, LanguageModelTask)
    for text in (
        "the cat sings at sea\n나는  산에서 12 웃고!?",
        "\ufeff x\r\ny\x1ca\x85b",
        "각 é Ω 🙂",
    ):
        ids = task.vocabulary.encode(text).tolist()
        assert page.evaluate("text => sunhwan.encode(text)", text) == ids
        assert page.evaluate("ids => sunhwan.decode(ids)", ids) == task.vocabulary.decode(ids)


def test_typing(opened):
    """What is typed is coloured, candidates go on from it, → at the end takes the likeliest, Tab leaves."""
    page, task = opened("cells/gru"), sunhwan.load(GOLDEN / "cells/gru")
    assert isinstance(task, LanguageModelTask)
    page.fill("#text", "the cat")
    assert page.text_content("#look") == "the cat"
    assert page.locator("#look span").count() == 7
    assert page.locator("#candidates button").count() == 8
    titles = [span.get_attribute("title") for span in page.locator("#look span").all()]
    ids = torch.from_numpy(task.vocabulary.encode("the cat"))
    with torch.no_grad():
        log_p = torch.log_softmax(task.model.eval()(ids[None])[0][0], -1)
    surprises = -log_p[:-1].gather(1, ids[1:, None])[:, 0] / math.log(2)
    assert titles[1:] == [f"{bits:.1f} bit" for bits in surprises.tolist()]
    page.press("#text", "Home")
    page.press("#text", "ArrowRight")
    assert page.input_value("#text") == "the cat"
    page.press("#text", "Tab")
    assert page.input_value("#text") == "the cat"
    assert page.evaluate("document.activeElement.closest('#candidates') !== null")
    page.press("#text", "End")
    page.press("#text", "ArrowRight")
    (next_,) = task.sample("the cat", length=1, temperature=0, precision="fp32")
    assert page.input_value("#text") == "the cat" + next_.text
    page.locator("#candidates button").nth(2).click()
    assert len(page.input_value("#text")) == 9
    page.fill("#text", "the")
    assert page.text_content("#look") == "the"


@pytest.mark.parametrize(
    ("model", "text", "pieces"),
    [
        ("cells/gru", "the 뷁 cat 뷁", ["뷁", "뷁"]),
        ("texts/subwords", "the 뷁\u0301 cat🙂", ["뷁", "\u0301", "🙂"]),
        (small("words"), "the 뷁\ncat 🙂!", [" 뷁", " 🙂!"]),
        (small("jamo"), "the 뷁", ["ᄇ", "ᅰ", "ᆰ"]),
    ],
)  # fmt: skip
def test_what_the_model_does_not_know(opened, model, text, pieces):
    """It stands as it was typed, under a line of its own, and how much of it there is."""
    page = opened(model, locale="ko-KR")
    page.fill("#text", text)
    assert page.locator(".stranger").all_text_contents() == pieces
    assert "\ufffd" not in page.text_content("#look")
    said = page.text_content("#strangers")
    assert said.startswith("모델이 모르는")
    assert f"{len(pieces)}개" in said
    page.click("#language")
    assert f"does not know {len(pieces)} of these" in page.text_content("#strangers")
    page.fill("#text", "the")
    assert page.text_content("#strangers") == ""


def test_writing_on_and_units(opened):
    page = opened("cells/lstm")
    page.fill("#text", "the ")
    page.click("#write")
    page.wait_for_function("() => document.getElementById('text').value.length > 100")
    page.press("#temperature", "Escape")
    text = page.input_value("#text")
    assert page.get_attribute("#write", "aria-pressed") == "false"
    page.wait_for_timeout(100)
    assert page.input_value("#text") == text
    assert page.locator("#colour option").count() == 5 + 2 * 4
    before = page.locator("#look span").last.get_attribute("style")
    assert page.text_content("#legend").startswith("The stronger the orange")
    page.select_option("#colour", "state_1_c")
    assert page.text_content("#legend").startswith("Red is above 0")
    page.fill("#unit", "2")
    assert page.locator("#look span").last.get_attribute("style") != before
    page.click("#clear")
    assert page.input_value("#text") == ""


@pytest.mark.parametrize("cell", ["lstm", "gru", "mingru"])
def test_gates_are_those_that_inspection_sees(opened, cell):
    """Of each layer under the equation's names, character by character; read anew, too."""
    text = "the cat sings"
    task = small(cell=[cell], num_layers=2)
    page = opened(task)
    page.fill("#text", "the dog")
    page.fill("#text", text)
    names = page.locator("#colour option").all_text_contents()
    for layer in (0, 1):
        ids = task.vocabulary.encode(text)
        with observing(task.model.recurrent) as calls, torch.no_grad():
            task.model.eval()(torch.from_numpy(ids)[None])
        seen = calls[0].traced.layers[layer]
        assert {f"{layer} {name}" for name in seen} <= set(names)
        for name, values in seen.items():
            page.select_option("#colour", label=f"{layer} {name}")
            page.fill("#unit", "3")
            titles = [s.get_attribute("title") for s in page.locator("#look span").all()]
            wanted = values[0, :, 3].tolist()
            assert [float(t) for t in titles] == pytest.approx(wanted, abs=6e-4)


@pytest.mark.parametrize(
    "settings",
    [
        {"cell": ["lstm", "indrnn"], "num_layers": 2},
        {"cell": ["gru", "elman"], "num_layers": 2, "input": "one-hot"},
    ],
)  # fmt: skip
def test_the_gradient_of_the_page_is_autograd_s(opened, settings):
    """Of 3 streams over 7 steps, from the model's weights; of every parameter."""
    task = small(**settings)
    page = opened(task)
    model = task.model.eval()
    ids = torch.randint(len(task.vocabulary), (3, 8), generator=torch.Generator().manual_seed(2))
    nats, found = page.evaluate(
        """([inputs, targets]) => {
            const { layers, weights } = TRAINING.model;
            const net = network(layers, TOKENS.length, weights["0 W_x"] ? MODEL.width : 0);
            const train = trainer(net, 3, 7);
            takeModel(train);
            reset(train.block, initialOf);
            forward(train, train.block, inputs);
            const nats = loss(train.block, targets, net.V);
            backward(train, train.block, inputs);
            return [nats, Object.entries(train.g).map(([name, g]) => [name, Array.from(g)])];
        }""",
        [ids[:, :-1].T.flatten().tolist(), ids[:, 1:].T.flatten().tolist()],
    )
    logits, _ = model(ids[:, :-1])
    wanted = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
    wanted.backward()
    assert nats == pytest.approx(wanted.item(), abs=1e-5)
    parameters = {"W_o": model.output.weight.grad.T, "b_o": model.output.bias.grad}
    for depth, layer in enumerate(model.recurrent.stack):
        for own, parameter in layer.named_parameters():
            if not own.endswith("_0"):
                grad = parameter.grad
                parameters[f"{depth} {own.removesuffix('_T')}"] = (
                    grad.T if grad.dim() == 2 else grad
                )
    if model.embedding is None:
        parameters["E"] = parameters.pop("0 W_x")
    else:
        parameters["E"] = model.embedding.weight.grad
    assert {key for key, _ in found} == set(parameters)
    for key, numbers in found:
        torch.testing.assert_close(
            torch.tensor(numbers), parameters[key].flatten(), rtol=1e-4, atol=1e-6, msg=key
        )


def test_a_network_learns_in_the_page(opened):
    """From random weights a text of Hangul is learned; from the model, with characters it does not know."""
    page = opened("cells/gru")
    page.click("#training summary")
    page.fill("#lesson", "산은 산이요 물은 물이로다\n" * 3)
    page.select_option("#cell", "lstm")
    page.select_option("#units", "32")
    page.click("#learn")
    page.wait_for_function("() => lesson.losses.at(-1) < 0.5 && lesson.samples.length > 3")
    page.click("#learn")
    first, last = page.evaluate("[lesson.losses[0], lesson.losses.at(-1)]")
    assert first > 3 * last
    assert page.evaluate("lesson.norms.length") == 32
    assert page.evaluate("lesson.norms[0]") == 1
    assert page.locator("#samples li").count() > 3
    drawn = page.evaluate(
        "id => document.getElementById(id).getContext('2d').getImageData(0, 0, 600, 90).data.some(v => v)",
        "lag",
    )
    assert drawn
    assert page.text_content("#learn") == "Go on"
    page.evaluate("() => { lesson.samples[0].text = '\\n'.repeat(100); showLesson(); }")
    assert page.locator("#samples div").first.bounding_box()["height"] < 200
    page.select_option("#from", "model")
    assert "산" not in page.text_content("#strange")
    assert "로" in page.text_content("#strange")
    page.click("#learn")
    page.wait_for_function(
        "() => lesson.losses.length > 20 && lesson.losses.at(-1) < lesson.losses[0]"
    )


def test_two_languages_a_phone_and_the_dark(opened):
    page = opened(
        "cells/gru", locale="ko-KR", viewport={"width": 360, "height": 640}, color_scheme="dark"
    )
    assert page.text_content("#write") == "이어 쓰기"
    page.click("#training summary")
    assert page.text_content("#learn") == "시작"
    assert "고양이" in page.input_value("#lesson")
    page.fill("#text", "the cat sings at sea " * 5)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate("getComputedStyle(document.body).colorScheme || 'light dark'")
    page.click("#language")
    assert page.text_content("#write") == "Write on"
    assert page.get_attribute("html", "lang") == "en"


def test_hostile_text_is_text(opened, browser, tmp_path, monkeypatch):
    """A vocabulary of markup, a name of markup, and markup that is typed."""
    from sunhwan.text import build_vocabulary
    from tests.exporting import test_onnx

    monkeypatch.setattr(
        test_onnx, "TEXT", "</script><img src=x onerror=alert(1)>\u2028'\"`${}%%NAME%%"
    )
    task = small()
    assert len(build_vocabulary("characters", [test_onnx.TEXT])) == len(task.vocabulary)
    export(task, tmp_path / "<b>notes.html", "html")
    page = browser.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("dialog", lambda dialog: errors.append(dialog.message))
    page.goto((tmp_path / "<b>notes.html").as_uri())
    assert page.text_content("h1") == "<b>notes"
    page.fill("#text", "<img src=x onerror=alert(1)>")
    assert page.text_content("#look") == "<img src=x onerror=alert(1)>"
    page.click("#training summary")
    page.fill("#lesson", "<img src=x onerror=alert(1)>" * 2)
    page.click("#learn")
    page.wait_for_function("() => lesson.losses.at(-1) < 0.1 && lesson.samples.length > 2")
    page.click("#learn")
    assert "<img" in page.text_content("#samples")
    assert page.locator("img").count() == 0
    page.close()
    assert errors == []


def test_the_size(tmp_path):
    """The weights in float16, and less than 150 kB; somewhat more than half of that is code."""
    task = small(cell=["gru"], hidden_size=256)
    export(task, tmp_path / "notes.html", "html")
    weights = 2 * sum(p.numel() for p in task.model.parameters())
    assert (tmp_path / "notes.html").stat().st_size < weights + 80_000
    page = (tmp_path / "notes.html").read_text(encoding="utf-8")
    assert not re.search(r"%%[A-Z]+%%|https?://", page)


def test_codes_are_short_enough():
    """Frequencies like Fibonacci's numbers make the longest codes; one symbol alone has one, too."""
    counts = np.array([0, 1, 1, *(round(1.618**k) for k in range(2, 25))])
    lengths = packing.code_lengths(counts)
    assert lengths[0] == 0
    assert lengths.max() <= packing.LONGEST
    assert sum(2.0**-n for n in lengths[1:]) == 1
    assert packing.code_lengths(np.array([0, 7])).tolist() == [0, 1]
    assert packing.code_lengths(np.zeros(3, int)).tolist() == [0, 0, 0]


@needs_node
def test_a_page_that_disagrees_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setitem(loops.JAVASCRIPT.functions, "tanh", "Math.sin({0})")
    with pytest.raises(ConfigError, match=r"^the page is not written: its logits are off by"):
        export(small(cell=["gru"]), tmp_path / "out.html", "html")
    assert list(tmp_path.iterdir()) == []


def test_without_node_it_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    found = export(small(cell=["gru"]), tmp_path / "out.html", "html", "fp32")
    assert found.deviation < 1e-5
    assert found.notes[0].startswith("the page's program was compared, not the page itself")


def test_a_page_is_a_file(tmp_path):
    with pytest.raises(UsageError, match=r"name one such as out\.html"):
        export(GOLDEN / "texts" / "tied", tmp_path / "out", "html")
