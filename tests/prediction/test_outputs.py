"""Outputs of predictions: what they must not replace, and what their names promise."""

import io
import json
import shutil
from pathlib import Path

import pytest

from sunhwan.errors import UsageError
from sunhwan.prediction import format_of, predict_into
from sunhwan.tasks import Task
from tests.conftest import Command


def test_no_file_that_is_read_is_replaced(
    command: Command, reviews_run: Path, tmp_path: Path
) -> None:
    """The questions, also under another name, and what the model was trained on."""
    source, link = tmp_path / "a.csv", tmp_path / "b.csv"
    source.write_text("review\ngood\n")
    link.symlink_to(source)
    for out in (source, link):
        done = command("predict", reviews_run, source, "--out", out)
        assert (done.code, f"--out {out} is the file that is read" in done.sentence) == (2, True)
    done = command("predict", reviews_run, source, "--picture", source)
    assert (done.code, "--picture" in done.sentence) == (2, True)
    assert source.read_text() == "review\ngood\n"
    trained = reviews_run.parent / "reviews.tsv"
    before = trained.read_bytes()
    try:
        done = command("predict", reviews_run, source, "--out", trained)
        assert (done.code, "trained or validated on" in done.sentence) == (2, True)
        assert trained.read_bytes() == before
    finally:
        trained.write_bytes(before)


def test_earlier_answers_are_replaced(command: Command, reviews_run: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "a.csv", tmp_path / "out.csv"
    source.write_text("review\ngood\n")
    assert command("predict", reviews_run, source, "--out", out).code == 0
    shutil.copy(out, tmp_path / "before.csv")
    source.write_text("review\nbad\n")
    assert command("predict", reviews_run, source, "--out", out).code == 0
    assert "bad" in out.read_text() != (tmp_path / "before.csv").read_text()


@pytest.mark.parametrize(
    ("name", "ending", "form"),
    [
        ("", ".csv", "csv"), ("", ".TSV", "tsv"), ("", ".jsonl", "jsonl"), ("", ".ndjson", "jsonl"),
        ("", ".parquet", "parquet"), ("", ".conllu", "conllu"), ("", ".txt", "text"), ("", "", "text"),
        ("", ".abc", "text"), ("json", ".json", "json"), ("json", ".jsonl", "json"),
        ("tsv", ".tab", "tsv"), ("tsv", ".conll", "tsv"), ("csv", ".txt", "csv"),
    ],
)  # fmt: skip
def test_the_name_chooses_the_format(name: str, ending: str, form: str) -> None:
    assert format_of(name, Path(f"o{ending}")) == form


@pytest.mark.parametrize(
    ("name", "ending"),
    [
        ("", ".xlsx"), ("", ".csv.gz"), ("", ".tab"), ("", ".json"), ("", ".ods"), ("", ".zip"),
        ("csv", ".xlsx"), ("csv", ".csv.gz"), ("csv", ".tsv"), ("text", ".csv"), ("tsv", ".parquet"),
    ],
)  # fmt: skip
def test_a_name_that_promises_another_format_is_refused(name: str, ending: str) -> None:
    with pytest.raises(UsageError, match="would hold"):
        format_of(name, Path(f"o{ending}"))


@pytest.mark.parametrize("name", ["-", "a.txt"])
def test_a_line_with_the_name_of_what_is_read_is_a_header(
    command: Command, reviews_run: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a pipe and in a file of lines, said; so is one that stands again; not with --no-header."""
    data = b"Review\ngood\nReview\nbad\n"
    (tmp_path / "a.txt").write_bytes(data)
    source = name if name == "-" else tmp_path / name

    def answers(*options: str) -> tuple[list[str], str]:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
        done = command("predict", reviews_run, source, "--as", "csv", *options)
        assert done.code == 0
        return [line.split(",")[0] for line in done.out.splitlines()], done.err

    lines, said = answers()
    assert lines == ["Review", "good", "bad"]
    assert "the first line is a header, Review" in said
    assert "the header stands 1 time more and is left out there" in said
    lines, said = answers("--no-header")
    assert lines == ["review", "Review", "good", "Review", "bad"]
    assert "header" not in said


def test_a_header_in_the_middle_is_left_out_as_in_training(
    command: Command, reviews_run: Path, tmp_path: Path
) -> None:
    source, out = tmp_path / "a.csv", tmp_path / "out.csv"
    source.write_text("id,review\n1,good\nid,review\n2,bad\nid,review\n")
    done = command("predict", reviews_run, source, "--out", out)
    assert [line.split(",")[0] for line in out.read_text().splitlines()] == ["id", "1", "2"]
    assert "the header stands 2 times more and is left out there" in done.err


@pytest.mark.parametrize(
    ("name", "text", "columns"),
    [
        ("a.csv", "id,review\n", "id,review"), ("a.csv", "", "review"), ("a.txt", "", "review"),
        ("a.tsv", "\n\n", "review"), ("a.txt", "review\n", "review"), ("a.jsonl", "", "review"),
    ],
)  # fmt: skip
def test_a_file_without_questions_has_the_whole_header(
    reviewer: Task, tmp_path: Path, name: str, text: str, columns: str
) -> None:
    (tmp_path / name).write_text(text)
    pieces: list[str] = []
    predict_into(reviewer, tmp_path / name, pieces.append, form="csv")
    assert "".join(pieces).splitlines()[0] == f"{columns},label,probability"
    assert not "".join(pieces).splitlines()[1:] or text == "\n\n"


def test_rows_without_an_answer_have_its_keys(reviewer: Task, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,review\n1,\n\n2,good\n")
    pieces: list[str] = []
    predict_into(reviewer, tmp_path / "a.csv", pieces.append, form="jsonl")
    empty, line, answered = map(json.loads, "".join(pieces).splitlines())
    assert empty == {"id": "1", "review": "", "label": None, "probability": None}
    assert line == {"id": None, "review": None, "label": None, "probability": None}
    assert list(answered) == list(empty)
