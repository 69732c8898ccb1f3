"""Encoder-decoders as C: the numbers of the model, and its greedy answers."""

import pytest
import torch

import sunhwan
from sunhwan.exporting import export, predictor_checks
from sunhwan.text import build_vocabulary
from tests.exporting.compilers import needs_compiler
from tests.exporting.test_c_predictors import lines_of, written_without_a_warning
from tests.exporting.test_tasks import FRAMES, GOLDEN, IMAGES, lively, other, reading, words

pytestmark = needs_compiler


@pytest.fixture(autouse=True)
def few_shapes(monkeypatch):
    """Compared at fewer sizes than users' models are."""
    monkeypatch.setattr(predictor_checks, "LENGTHS", (1, 20))


@pytest.mark.parametrize(
    ("weights", "task"),
    [
        ("fp32", lambda: reading("translate", FRAMES)),
        ("int8", lambda: sunhwan.load(GOLDEN / "translate_dot")),
        ("fp32", lambda: other("translate", attention="none", input_feeding=True, cell=["slstm", "gru"],
                               num_layers=2, hidden_size=[5, 5], connection="residual")),
        ("fp32", lambda: other("translate", attention="general", cell=["lstm_projected"],
                               connection="highway", num_layers=3)),
        ("int8", lambda: sunhwan.load(GOLDEN / "describe_tunes")),
        ("int8", lambda: reading("describe_images", IMAGES)),
        ("int8", lambda: reading("translate", words())),
    ],
)  # fmt: skip
def test_numbers(tmp_path, task, weights):
    """Every kind of attention, input feeding, levels, every kind of input; no warning."""
    written_without_a_warning(task(), tmp_path / "out.c", weights)


PUT = "static void put(const char *text, void *to) { (void)to; fputs(text, stdout); }\n"
TRANSLATE = """
    for (int n = 1; n < count; n++) {
        const int written = notes_text(&m, texts[n], put, 0);
        puts(written < 0 ? "too long" : "");
    }
"""
DESCRIBE = """
    for (int n = 1; n + 1 < count; n += 2) {
        const float numbers[] = { strtof(texts[n], 0), strtof(texts[n + 1], 0) };
        if (notes_begin(&m, numbers) >= 0) notes_write(&m, put, 0);
        puts("");
    }
"""


@pytest.fixture
def printing(monkeypatch):
    """A main program with a function that prints what is written."""
    from tests.exporting import test_c_predictors

    head = "#include <stdlib.h>\n" + test_c_predictors.MAIN.replace("int main", PUT + "int main")
    monkeypatch.setattr(test_c_predictors, "MAIN", head)


def of_subwords():
    """Subwords are read, and words are written."""
    task = sunhwan.load(GOLDEN / "translate")
    text = "둘 하나 넷 two one four zero three 2 1 4 0 3 " * 9
    source = build_vocabulary("subwords", [text], max_size=60).to_dict()
    written = build_vocabulary("words", ["four two one\n"] * 9, eos=True).to_dict()
    made = {"source": {"kind": "text", "vocabulary": source}, "vocabulary": written}
    return type(task).restored(task.config, {**task.preprocessing(), **made})


@pytest.mark.usefixtures("printing")
@pytest.mark.parametrize(
    "make",
    [
        lambda: sunhwan.load(GOLDEN / "translate"),
        lambda: reading("translate", words()),
        lambda: sunhwan.load(GOLDEN / "translate_dot"),
        of_subwords,
    ],
    ids=["characters", "words and letters", "words", "subwords"],
)
def test_translations(tmp_path, make, machine):
    """Greedily, under sanitizers; of two vocabularies, the state begun anew with each text."""
    task = lively(make(), 20)
    export(task, tmp_path / "notes.c", "c")
    texts = ["2 1", "4 4\t4 0\u30001  2 3", "", " x 2 ", "2 1", "New 하나 Oslo two", "four", "0"]
    wanted = [answer.values["output"] for answer in task.predict(texts, beam=1)]
    assert len(set(wanted)) > 3
    assert lines_of(tmp_path, TRANSLATE, [*texts, "2 " * 300], machine) == [*wanted, "too long"]


def test_tokens_are_written_as_they_are(tmp_path):
    """Those, too, that are called as something in the file is."""
    words = ("ARROWS", "GIVEN", "NAME", "ORDER")
    task = lively(sunhwan.load(GOLDEN / "translate"))
    for vocabulary in (task.vocabulary, task.input_kind.vocabulary):
        object.__setattr__(vocabulary, "tokens", (*vocabulary.tokens[:-4], *words))
    export(task, tmp_path / "notes.c", "c")
    text = (tmp_path / "notes.c").read_text("utf-8")
    assert [text.count(f'"{word}",\n') for word in words] == [2, 2, 2, 2]


@pytest.mark.usefixtures("printing")
def test_descriptions(tmp_path, machine):
    """Numbers go in as they are read, and NaN and infinity do not."""
    task = lively(sunhwan.load(GOLDEN / "describe"))
    export(task, tmp_path / "notes.c", "c")
    rows = [("30", "0.5"), ("-8", "20")]
    wanted = [answer.values["output"] for answer in task.predict(rows, beam=1)]
    texts = [text for row in [*rows, ("nan", "1"), ("1", "-inf")] for text in row]
    assert lines_of(tmp_path, DESCRIBE, texts, machine) == [*wanted, "", ""]


SEE = """
    for (int n = 1; n + 80 < count; n += 81) {
        float pixels[81];
        for (int k = 0; k < 81; k++) pixels[k] = strtof(texts[n + k], 0);
        notes_begin(&m, pixels);
        notes_write(&m, put, 0);
        puts("");
    }
"""


@pytest.mark.usefixtures("printing")
def test_descriptions_of_images(tmp_path, machine):
    """By convolutions at the full size and at halves of an odd one, under sanitizers."""
    task = lively(reading("describe_images", IMAGES), 7)
    for parameter in task.model.reader.parameters():
        parameter.data.mul_(0.2)
    export(task, tmp_path / "notes.c", "c")
    draw = torch.Generator().manual_seed(1)
    images = [[f"{v:.3f}" for v in torch.rand(81, generator=draw).tolist()] for _ in range(4)]
    wanted = [task.predict([" ".join(one)], beam=1)[0].values["output"] for one in images]
    assert len(set(wanted)) > 1
    assert lines_of(tmp_path, SEE, [number for one in images for number in one], machine) == wanted
