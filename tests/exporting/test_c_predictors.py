"""Classifiers, taggers and forecasters as C: the numbers of the model, and the labels of `predict`."""

import re
import unicodedata

import pytest
import torch

import sunhwan
from sunhwan.errors import SunhwanError
from sunhwan.exporting import export, predictor_checks
from sunhwan.exporting.c import write_c
from tests.exporting.compilers import (
    SANITIZED,
    STRICT,
    compiled,
    compiler,
    needs_compiler,
    said,
    said_in_wasm,
    without_a_warning,
)
from tests.exporting.test_tasks import FRAMES, GOLDEN, IMAGES, lively, other, reading, words

pytestmark = needs_compiler


@pytest.fixture(autouse=True)
def few_shapes(monkeypatch):
    """Compared at fewer sizes than users' models are."""
    monkeypatch.setattr(predictor_checks, "BATCHES", (3,))
    monkeypatch.setattr(predictor_checks, "LENGTHS", (1, 20))


def written_without_a_warning(task, file, weights):
    """The model as C, near to the numbers of Python, and taken by a strict compiler."""
    found = export(task, file, "c", weights)
    assert found.deviation < (1e-5 if weights == "fp32" else 0.1)
    without_a_warning(file)


def with_ngrams(source):
    """A classifier with a linear model of n-grams beside it and a temperature, all at random."""
    made = lively(reading("../../v7/tasks/classify_linear", source))
    made.model.temperature = 1.7
    draw = torch.Generator().manual_seed(2)
    for buffer in (made.model.linear.weight, made.model.linear.bias):
        buffer.normal_(std=3, generator=draw)
    made.model.linear.frequency.uniform_(1, 5, generator=draw)
    return made


@pytest.mark.parametrize(
    ("weights", "task"),
    [
        ("fp32", lambda: sunhwan.load(GOLDEN / "classify_frames")),
        ("int8", lambda: sunhwan.load(GOLDEN / "forecast")),
        ("int8", lambda: other("../../v7/tasks/answer", direction="forward", cell=["gru"])),
        ("fp32", lambda: reading("tag", FRAMES)),
        ("fp32", lambda: reading("tag_softmax", FRAMES)),
        ("fp32", lambda: reading("classify_frames", IMAGES)),
        ("fp32", lambda: with_ngrams(words())),
        ("int8", lambda: other("tag", direction="both", cell=["gru_layer_norm"])),
        ("int8", lambda: other("classify_pair", pooling="concat", direction="both")),
        ("fp32", lambda: other("classify", pooling="concat", direction="both", num_layers=2,
                               connection="residual", lag=2)),
        ("int8", lambda: other("classify", pooling="attention", cell=["slstm"],
                               learned_initial_state=True)),
    ],
)  # fmt: skip
def test_numbers(tmp_path, task, weights):
    """Pooling, directions, levels, Viterbi, quantiles, images, n-grams of words; no warning."""
    written_without_a_warning(task(), tmp_path / "out.c", weights)


MAIN = """
#include "notes.c"
#include <stdio.h>
int main(int count, char **texts)
{
    static struct notes m;
    BODY
    printf("%lu\\n", (unsigned long)sizeof m);
    return 0;
}
"""
CLASSIFY = """
    static float logits[NOTES_LABELS];
    for (int n = 1; n < count; n++) {
        const int label = notes_text(&m, texts[n], logits);
        puts(label < 0 ? "too long" : notes_label(label));
    }
"""
TAG = """
    static float emissions[NOTES_STEPS * NOTES_LABELS];
    static int labels[NOTES_STEPS];
    for (int n = 1; n < count; n++) {
        const int words = notes_text(&m, texts[n], emissions, labels);
        for (int k = 0; k < words; k++) printf("%s ", notes_label(labels[k]));
        puts(words < 0 ? "too long" : "");
    }
"""


def lines_of(folder, body, texts, machine="here"):
    """What the file says to texts, here under sanitizers; the RAM that its comment tells is checked."""
    main = folder / "main.c"
    main.write_text(MAIN.replace("BODY", body), encoding="utf-8")
    if machine == "wasm32":
        text = said_in_wasm(main, texts)
    else:
        compiled([compiler, *STRICT, *SANITIZED, main, "-lm", "-o", folder / "run"])
        text = said(folder / "run", *texts)
    *lines, size = text.splitlines()
    told = re.search(r"RAM +([\d,]+) ", (folder / "notes.c").read_text(encoding="utf-8"))
    assert told
    assert size == told[1].replace(",", "")
    return lines


@pytest.mark.parametrize(
    "make",
    [
        lambda: sunhwan.load(GOLDEN / "classify"),
        lambda: with_ngrams(sunhwan.load(GOLDEN / "classify").preprocessing()["source"]),
        lambda: with_ngrams(words()),
    ],
    ids=["characters", "n-grams", "n-grams of words"],
)
def test_labels_of_texts(tmp_path, make, machine):
    """A text that is too long is no text that was read in part."""
    task = make()
    export(task, tmp_path / "notes.c", "c")
    texts = [
        "the 사과 7",
        "a cow",
        "",
        "나 " * 128,
        "New York, Bo!",
        "... OSLO\u3000oslo",
        "- ?",
        "김",
        "the\r\nNew\rYork " + unicodedata.normalize("NFD", "사과 각"),
    ]
    wanted = [answer.values["label"] for answer in task.predict(texts)]
    assert len(set(wanted)) > 1
    assert lines_of(tmp_path, CLASSIFY, [*texts, "나 " * 257], machine) == [*wanted, "too long"]


PAIR = """
    static float logits[NOTES_LABELS];
    for (int n = 1; n + 1 < count; n += 2) {
        const int label = notes_text(&m, texts[n], texts[n + 1], logits);
        puts(label < 0 ? "too long" : notes_label(label));
    }
"""


def test_labels_of_pairs(tmp_path, machine):
    """Both texts count, each for itself; one that is too long has no label."""
    task = sunhwan.load(GOLDEN / "classify_pair")
    export(task, tmp_path / "notes.c", "c")
    pairs = [("가", "가"), ("나", "다"), ("가 나", ""), ("", "나"), ("나" * 128, "가")]
    wanted = [answer.values["label"] for answer in task.predict(pairs)]
    assert len(set(wanted)) > 1
    texts = [text for pair in [*pairs, ("나" * 129, ""), ("", "나" * 129)] for text in pair]
    assert lines_of(tmp_path, PAIR, texts, machine) == [*wanted, "too long", "too long"]


def test_labels_of_words(tmp_path, machine):
    """By Viterbi's algorithm; a long word is read at both its ends."""
    task = sunhwan.load(GOLDEN / "tag")
    export(task, tmp_path / "notes.c", "c")
    texts = [
        "김 민수가 New York",
        "Bo 오늘  Oslo 이\t영희가",
        "",
        "민" * 50 + "abc" * 9 + " Bo",
        unicodedata.normalize("NFD", "김 민수가\r\n영희가 ") + "New\rYork",
        "a " * 257,
    ]
    answers = (answer.cells[0].split() for answer in task.predict(texts[:5]))
    wanted = ["".join(word.rpartition("/")[2] + " " for word in words) for words in answers]
    assert lines_of(tmp_path, TAG, texts, machine) == [*wanted, "too long"]


ANSWER = """
    static float weights[NOTES_STEPS];
    for (int n = 1; n + 1 < count; n += 2) {
        struct notes_answer answer;
        int size = 0;
        const int words = notes_text(&m, texts[n], texts[n + 1], weights, &answer);
        if (words < 0) {
            puts("too long");
        } else {
            const char *word = answer.word < 0 ? "" : notes_word(texts[n], answer.word, &size);
            printf("%.*s %d %d %.3f\\n", size, word, answer.first, answer.last + 1, answer.probability);
        }
    }
"""
PASSAGES = (
    "Ann is in the hall now. Bob naps! The HALL, “hall”",
    "민수: 지금 부엌에 있다.\u3000영희는 … 지금",
    "STRASSE. straße (ΣΊΣΥΦΟΣ) σίσυφος' ﬃ FFI ǆ Ǆ.)' end",
    "... ,, -- ...",
    unicodedata.normalize("NFD", "민수: 부엌에 있다.\r\n부엌에\r민수"),
    "",
    "one",
)


def test_answers_of_passages(tmp_path, machine):
    """Equal words count together, by Unicode's case folding; the sentence that was looked at most."""
    task = lively(sunhwan.load(GOLDEN.parents[1] / "v7" / "tasks" / "answer"), 3)
    export(task, tmp_path / "notes.c", "c")
    asked = [(passage, text) for passage in PASSAGES for text in ("Where is Ann?", "민수", "")]
    wanted = []
    for answer in task.predict(asked):
        values = answer.values
        first, last = values["evidence_words"] if values["answer"] else (-1, 0)
        wanted.append(f"{values['answer']} {first} {last} {values['probability']:.3f}")
    assert len(set(wanted)) > 8
    texts = [text for pair in [*asked, ("a " * 257, ""), ("", "a " * 257)] for text in pair]
    # In C the answer is a stretch of the text as it was given; what Python asks is composed.
    found = [unicodedata.normalize("NFC", x) for x in lines_of(tmp_path, ANSWER, texts, machine)]
    assert found == [*wanted, "too long", "too long"]


REFUSED = """
    static float numbers[81], out[NOTES_STEPS * NOTES_LABELS];
    const float given[] = { 1, NAN, 2, INFINITY, -INFINITY };
    (void)count, (void)texts;
    for (int n = 0; n < 5; n++) {
        numbers[5] = given[n];
        printf("%d ", notes_predict(&m, numbers, STEPS, out) < 0);
    }
    puts("");
"""


@pytest.mark.parametrize(("source", "steps"), [(FRAMES, 2), (IMAGES, 1)], ids=["frames", "image"])
def test_neither_nan_nor_infinity_is_read(tmp_path, source, steps):
    export(reading("classify_frames", source), tmp_path / "notes.c", "c")
    assert lines_of(tmp_path, REFUSED.replace("STEPS,", f"{steps},"), []) == ["0 1 0 1 1 "]


def test_what_a_task_without_a_form_is_told(tmp_path, monkeypatch):
    monkeypatch.delitem(write_c.FORMS, "tag")
    with pytest.raises(SunhwanError, match="model to tag cannot be exported to C: export to ONNX"):
        export(GOLDEN / "tag", tmp_path / "out.c", "c")
    assert list(tmp_path.iterdir()) == []
