"""`sunhwan encode`: vectors of texts and tokens, of several tasks."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from sunhwan.api import load
from sunhwan.errors import UsageError
from sunhwan.inspection import encode_texts
from sunhwan.inspection.measures.encoding import unknown_pieces
from tests.conftest import Command
from tests.serve.helpers import VOCABULARIES, language, save_run, save_task

TEXTS = ["가나", "나", "가나가나가"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("encode")
    found = {name: save_task(folder / name, name) for name in ("classify", "tag", "translate")}
    found["forecast"] = save_task(folder / "forecast", "forecast")
    found["language"] = save_run(folder / "language", language(VOCABULARIES["jamo"], cell="lstm"))
    return found


def test_a_language_model_s_vector_is_the_mean_of_its_outputs(runs: dict[str, Path]) -> None:
    task = load(runs["language"])
    together = encode_texts(task, TEXTS)
    for text, found in zip(TEXTS, together, strict=True):
        (alone,) = encode_texts(task, [text])
        np.testing.assert_allclose(alone.vector, found.vector, rtol=1e-6, atol=1e-7)
        assert found.tokens.shape == (len(found.labels), 7)
        np.testing.assert_allclose(found.vector, found.tokens.mean(0), rtol=1e-5, atol=1e-7)
    last = encode_texts(task, TEXTS, pooling="last")
    np.testing.assert_allclose(last[0].vector, last[0].tokens[-1], rtol=1e-6)
    wide = encode_texts(task, TEXTS, pooling="concat")[0].vector
    assert wide.shape == (21,)


def test_a_classifier_s_vector_is_what_its_output_layer_reads(runs: dict[str, Path]) -> None:
    task = load(runs["classify"])
    found = encode_texts(task, ["good film", "bad"])
    output = task.model.output  # type: ignore[attr-defined]
    with torch.no_grad():
        logits = output(torch.from_numpy(np.stack([one.vector for one in found])))
        answers = torch.softmax(logits, 1).max(1)
    for (answer, place), text in zip(zip(*answers, strict=True), ["good film", "bad"], strict=True):
        (said,) = task.predict([text])
        assert task.labels is not None
        assert said.named["label"] == task.labels[int(place)]
        assert said.named["probability"] == pytest.approx(float(answer), rel=1e-4)


@pytest.mark.parametrize("name", ["tag", "translate"])
def test_other_tasks_have_vectors_too(runs: dict[str, Path], name: str) -> None:
    first, second = encode_texts(load(runs[name]), ["a b", "b a b"])
    assert first.vector.shape == second.vector.shape
    assert not np.allclose(first.vector, second.vector)


def test_the_command(runs: dict[str, Path], command: Command, tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow.parquet")
    (tmp_path / "lines.txt").write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    done = command("encode", runs["language"], tmp_path / "lines.txt", "--out", tmp_path / "v.npy")
    assert done.code == 0, done.err
    values = np.load(tmp_path / "v.npy")
    wanted = encode_texts(load(runs["language"]), TEXTS)
    np.testing.assert_array_equal(values, np.stack([one.vector for one in wanted]))
    rows = "document\tlabel\n" + "".join(f"{text}\t1\n" for text in TEXTS)
    (tmp_path / "table.tsv").write_text(rows, encoding="utf-8")
    for options in ((), ("--column", "document")):
        out = tmp_path / "v.parquet"
        done = command("encode", runs["language"], tmp_path / "table.tsv", "--out", out, *options)
        assert done.code == 0, done.err
        table = arrow.read_table(out).to_pydict()
        assert table["text"] == TEXTS
        np.testing.assert_array_equal(np.array(table["vector"], np.float32), values)
    out = tmp_path / "t.parquet"
    assert (
        command("encode", runs["language"], tmp_path / "lines.txt", "--out", out, "--tokens").code
        == 0
    )
    table = arrow.read_table(out).to_pydict()
    assert table["token"] == [label for one in wanted for label in one.labels]
    assert table["text"] == [k for k, one in enumerate(wanted) for _ in one.labels]


def test_texts_that_are_too_short_are_left_out_where_asked(
    runs: dict[str, Path], command: Command, tmp_path: Path
) -> None:
    arrow = pytest.importorskip("pyarrow.parquet")
    (tmp_path / "lines.txt").write_text("가나\n\n나\n", encoding="utf-8")
    out = tmp_path / "v.parquet"
    done = command("encode", runs["language"], tmp_path / "lines.txt", "--out", out, "--skip-bad")
    assert done.code == 0, done.err
    assert "text 2 is too short: it has 1 tokens of the 2 that the model needs\n" in done.err
    assert "1 rows were left out" in done.err
    table = arrow.read_table(out).to_pydict()
    assert table["text"] == ["가나", "나"]
    wanted = np.stack([one.vector for one in encode_texts(load(runs["language"]), ["가나", "나"])])
    np.testing.assert_allclose(np.array(table["vector"]), wanted, rtol=1e-6, atol=1e-7)
    (tmp_path / "lines.txt").write_text("\n가\n", encoding="utf-8")
    done = command(
        "encode", runs["language"], tmp_path / "lines.txt", "--out", out, "--tokens", "--skip-bad"
    )
    assert arrow.read_table(out).to_pydict()["text"][0] == 1


def test_standard_input_is_read_and_what_the_model_does_not_know_is_told(
    runs: dict[str, Path], command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    data = io.BytesIO("가나\n나☃가☃뷁\n".encode())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(data, encoding="utf-8"))
    done = command("encode", runs["language"], "-", "--out", tmp_path / "v.npy")
    assert done.code == 0, done.err
    assert len(np.load(tmp_path / "v.npy")) == 2
    assert "has no token for 3 letters or words of these texts: '☃', '뷁'" in done.err
    assert unknown_pieces(load(runs["language"]), TEXTS) == {}
    assert unknown_pieces(load(runs["tag"]), ["a a", "a\ta☃"]) == {"☃": 1}
    done = command("encode", runs["language"], "-", "--column=a", "--out", tmp_path / "v.npy")
    assert "standard input is read as a text a line" in done.sentence


def test_neighbours_of_a_word_are_not_looked_for_among_letters(
    runs: dict[str, Path], command: Command
) -> None:
    done = command("words", runs["language"], "사과", "--language=ko")
    assert "'사과'은(는) 낱글자가 아닙니다" in done.sentence
    assert command("words", runs["language"], "ㄱ").code == 0


def test_a_mistake_is_one_sentence(runs: dict[str, Path], command: Command, tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("가나\n\n", encoding="utf-8")
    good = ("--out", tmp_path / "v.npy")
    for run, options, said in (
        ("language", ("--out", tmp_path / "v.csv"), ".npy or .parquet"),
        ("language", (*good, "--tokens"), "name a .parquet"),
        ("language", (*good, "--pooling=attention"), "attention is learned"),
        ("language", good, "the 2 that the model needs: leave it out (--skip-bad)"),
        ("language", (*good, "--language=ko"), "적어도 2개 필요합니다. 그 글을 빼세요(--skip-bad)"),
        ("language", (*good, "--column=nothing"), "no column"),
        ("forecast", good, "nothing to look into"),
    ):
        done = command("encode", runs[run], tmp_path / "lines.txt", *options)
        assert (done.code != 0, done.out) == (True, ""), said
        assert said in done.sentence
    with pytest.raises(UsageError, match="last, mean, max, concat"):
        encode_texts(load(runs["language"]), ["가"], pooling="sum")
