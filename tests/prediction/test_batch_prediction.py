"""Batch prediction: columns that stay, rows that fail, outputs that are whole or continued."""

import csv
import gzip
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from filelock import FileLock

from sunhwan.data.named_columns import asked_columns
from sunhwan.data.streamed_tables import open_table
from sunhwan.errors import DataError, StoreError, SunhwanError, TextError
from sunhwan.prediction import Answered, Jobs, predict_into, processes
from sunhwan.prediction.answered import column_names
from sunhwan.tasks import Answer, Task
from sunhwan.tasks.common.questions import chunks
from sunhwan.workers import Workers
from tests.conftest import Command

ROWS = [
    ["id", "review", "note"],
    ["1", "7 good 9", "a, b"],
    ["2", "3 bad 3", 'two\nlines "quoted"'],
    ["3", "", "nothing asked"],
    ["4", "8 good 1", ""],
]
LABELS = ["good", "bad", "", "good"]


def write_csv(path: Path, rows: list[list[str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def records(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))


def into(task: Task, source: Path, form: str, **options: Any) -> str:
    pieces: list[str] = []
    predict_into(task, source, pieces.append, form=form, **options)
    return "".join(pieces)


@pytest.mark.parametrize("name", ["a.csv", "a.txt", "a.jsonl"])
@pytest.mark.parametrize("word", ["good", "좋아요"])
def test_a_row_with_broken_bytes_is_left_out_where_bad_ones_are(
    reviewer: Task, tmp_path: Path, name: str, word: str
) -> None:
    """And the file is refused where they are not."""
    rows = [f"{n} {word}" for n in range(30)]
    rows[20] += "\udc81"
    lines = [
        json.dumps({"review": row}, ensure_ascii=False) if name[-1] == "l" else row for row in rows
    ]
    source = tmp_path / name
    source.write_bytes(
        "\n".join(["review"] * ("csv" in name) + lines).encode(errors="surrogateescape")
    )
    told: list[str] = []
    found = into(reviewer, source, "csv", on_problem=lambda error: told.append(str(error)))
    (problem,) = told
    assert re.search(
        r"line 2[12]: this row holds bytes that are no text; save it as UTF-8", problem
    )
    assert len(found.splitlines()) == 30
    with pytest.raises(TextError, match="this is not UTF-8 text"):
        into(reviewer, source, "csv")
    bad = "\n".join(["review\n", *["\udc81"] * 9]).encode(errors="surrogateescape")
    (tmp_path / "b.csv").write_bytes(bad)
    with pytest.raises(TextError, match="this is not UTF-8 text"):
        into(reviewer, tmp_path / "b.csv", "csv", on_problem=told.append)


def test_columns_stay_and_the_answer_is_added(reviewer: Task, tmp_path: Path) -> None:
    """Other columns, commas, quotes and newlines inside cells; a row without a question stays empty."""
    source = write_csv(tmp_path / "a.csv", ROWS)
    for form, delimiter in (("csv", ","), ("tsv", "\t")):
        told = io.StringIO(into(reviewer, source, form), newline="")
        rows = list(csv.reader(told, delimiter=delimiter))
        assert [row[:3] for row in rows] == ROWS
        assert rows[0][3:] == ["label", "probability"]
        assert [row[3] for row in rows[1:]] == LABELS
        assert rows[3][3:] == ["", ""]
        assert all(0.5 < float(row[4]) <= 1 for row in (rows[1], rows[2], rows[4]))
    objects = [json.loads(line) for line in into(reviewer, source, "jsonl").splitlines()]
    assert [list(one.values())[:3] for one in objects] == ROWS[1:]
    assert [one["label"] or "" for one in objects] == LABELS
    assert into(reviewer, source, "text").splitlines()[2] == ""
    assert into(reviewer, source, "json").splitlines()[2] == "null"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "Review,id\ngood,1\nbad,2\n"), ("a.csv", "Review;id\ngood;1\nbad;2\n"),
        ("a.txt", "id\treview\n1\tgood\n2\tbad\n"), ("a.tsv", "id\treview\n1\tgood\n2\tbad\n"),
        ("a.jsonl", '{"review": "good", "id": 1}\n{"review": "bad", "id": 2}\n'),
        ("a.json", '{"review": "good", "id": 1}\n{"review": "bad", "id": 2}\n'),
        ("a.txt", '{"review": "good", "id": 1}\n{"review": "bad", "id": 2}\n'),
        ("a.csv", "comments\ngood\nbad\n"), ("a.txt", "comments\ngood\nbad\n"),
        ("a.txt", "good\r\nbad"), ("a.csv", "good\nbad\n"),
    ],
    ids=str,
)  # fmt: skip
def test_a_header_is_never_classified(reviewer: Task, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    header = True if "comments" in text else None
    told = into(reviewer, tmp_path / name, "csv", header=header)
    rows = list(csv.DictReader(io.StringIO(told)))
    assert [row["label"] for row in rows] == ["good", "bad"]
    if "id" in text:
        assert [row["id"] for row in rows] == ["1", "2"]


@pytest.mark.parametrize("rows", [1, 600])
def test_a_file_that_breaks_off_is_no_whole_answer(
    reviewer: Task, tmp_path: Path, rows: int
) -> None:
    """With rows that wait for their answers, and without."""
    text = "review,id\n" + "good,1\n" * rows + '"bad,2\n'
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    out = tmp_path / "out.csv"
    with pytest.raises(DataError, match=f"line {rows + 2}: .* unpaired double quote"):
        predict_into(reviewer, tmp_path / "a.csv", out, form="csv")
    assert not out.exists()


def test_fasttext_is_read_as_in_training(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("__label__x good\n\nbad\n", encoding="utf-8")
    with open_table(path, ["text"]) as table:
        first, empty, plain = table.rows
    assert first.values == {"label": "x", "text": "good"}
    assert (empty.values, empty.problem) == ({}, None)
    assert "line 3: this line has no label" in str(plain.problem)


def test_a_name_that_is_taken_is_not_taken_twice(reviewer: Task, tmp_path: Path) -> None:
    source = write_csv(tmp_path / "a.csv", [["review", "label"], ["good", "bad"]])
    told = list(csv.DictReader(io.StringIO(into(reviewer, source, "csv"))))
    assert (told[0]["label"], told[0]["predicted_label"]) == ("bad", "good")
    assert column_names(["a"], ["a", "b"]) == {"a": "predicted_a", "b": "b"}


def test_parquet_keeps_kinds(reviewer: Task, tmp_path: Path) -> None:
    source = tmp_path / "a.jsonl"
    lines = [{"id": 7, "review": "good", "share": 0.5}, {"id": 8, "review": " ", "share": 1.5}]
    source.write_text("".join(json.dumps(line) + "\n" for line in lines))
    out = tmp_path / "out.parquet"
    predict_into(reviewer, source, out, form="parquet")
    found = pyarrow.parquet.read_table(out).to_pylist()
    assert [{k: one[k] for k in lines[0]} for one in found] == lines
    assert [one["label"] for one in found] == ["good", None]
    again = tmp_path / "again.csv"
    predict_into(reviewer, out, again, form="csv")
    assert [row["predicted_label"] for row in records(again)] == ["good", ""]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "a.jsonl",
        "again.csv",
        "out.parquet",
    ]


def test_rows_that_fail_are_told_and_left_out_on_request(
    command: Command, reviews_run: Path, tmp_path: Path
) -> None:
    source = tmp_path / "a.csv"
    source.write_text("id,review\n1,good\n2,bad,more\n3,good\n")
    done = command("predict", reviews_run, source, "--as", "csv")
    assert (done.code, "line 3" in done.sentence) == (1, True)
    assert len(done.out.splitlines()) == 2
    out = tmp_path / "out.csv"
    assert command("predict", reviews_run, source, "--out", out).code == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv"]
    done = command("predict", reviews_run, source, "--out", out, "--skip-bad")
    assert done.code == 0
    assert "line 3" in done.err
    assert "1 rows were left out" in done.err
    assert [row["id"] for row in records(out)] == ["1", "3"]
    source.write_text("id,review\n2,bad,more\n")
    assert command("predict", reviews_run, source, "--skip-bad").code == 1
    assert command("predict", reviews_run, source, "--as", "xml").code == 2
    assert command("predict", reviews_run, source, "--skip-done").code == 2
    assert command("predict", reviews_run, source, "--as", "conllu").code == 2


class _Stopping:
    """Ends a prediction after so many rows, as a kill does."""

    def __init__(self, rows: int) -> None:
        self.left = rows

    def __call__(self, row: Answered) -> None:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


@pytest.mark.parametrize("form", ["csv", "jsonl", "text"])
def test_an_output_is_continued_to_the_same_bytes(
    reviewer: Task, tmp_path: Path, form: str
) -> None:
    source = tmp_path / "a.csv"
    rows = [f"{n},{n} {'good' if n % 3 else 'bad'}" if n % 7 else f"{n}," for n in range(700)]
    source.write_text("\n".join(["id,review", *rows]) + "\n")
    whole, out = tmp_path / "whole", tmp_path / "out"
    predict_into(reviewer, source, whole, form=form)
    for stop in (300, 200):
        with pytest.raises(KeyboardInterrupt):
            predict_into(
                reviewer, source, out, form=form, skip_done=True, on_row=_Stopping(stop)
            )  # fmt: skip
        assert not out.exists()
    with pytest.raises(StoreError, match="other questions"):
        predict_into(reviewer, source, out, form="json", skip_done=True)
    with pytest.raises(StoreError, match="other options"):
        predict_into(
            reviewer, source, out, form=form, skip_done=True, options={"at_least": 0.5}
        )  # fmt: skip
    with pytest.raises(
        StoreError, match=r"answers to 299 rows .* interrupted: go on with --skip-done"
    ):
        predict_into(reviewer, source, out, form=form)
    summary = predict_into(reviewer, source, out, form=form, skip_done=True)
    assert out.read_bytes() == whole.read_bytes()
    assert summary.before == 299  # the first 256 questions, which were answered together
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "out", "whole"]
    before = out.stat()
    assert predict_into(reviewer, source, out, form=form, skip_done=True).answered == 0
    assert out.stat() == before
    os.utime(source, (time.time() + 9, time.time() + 9))
    with pytest.raises(StoreError, match="older"):
        predict_into(reviewer, source, out, form=form, skip_done=True)


def test_weights_are_digested_only_to_go_on(
    reviewer: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing is recorded as long as nothing could be gone on with."""
    monkeypatch.setattr("sunhwan.prediction.batch_prediction.SAVED_EVERY", 0)
    monkeypatch.setattr("sunhwan.prediction.batch_prediction.model_digest", None)
    source, out = tmp_path / "a.txt", tmp_path / "out"
    source.write_text("good\n" * 200)
    predict_into(reviewer, source, out, form="text")
    assert out.read_text().count("\n") == 200


@pytest.mark.parametrize("form", ["csv", "tsv", "jsonl", "json", "text"])
def test_a_finished_output_of_other_rows_or_another_model_is_no_answer(
    reviewer: Task, tmp_path: Path, form: str
) -> None:
    other, source, out = (tmp_path / name for name in ("b.csv", "a.csv", "out"))
    other.write_text("id,review\n7,bad\n8,good\n", encoding="utf-8")
    source.write_text('id,review\n1,\n2,"good,\nso good"\n3,bad\n', encoding="utf-8")
    predict_into(reviewer, source, out, form=form)
    assert predict_into(reviewer, source, out, form=form, skip_done=True).answered == 0
    refused = pytest.raises(StoreError, match="other questions, of another model or with other op")
    with refused:
        predict_into(reviewer, other, out, form=form, skip_done=True)
    with refused:
        options = {"at_least": 1.0}
        predict_into(reviewer, source, out, form=form, skip_done=True, options=options)
    with refused, another_model(reviewer):
        predict_into(reviewer, source, out, form=form, skip_done=True)
    text = re.sub(r"(\.[0-9]{5,})[0-9]", r"\g<1>5", out.read_text(encoding="utf-8"))
    out.write_text(text, encoding="utf-8")  # as another machine rounds
    assert predict_into(reviewer, source, out, form=form, skip_done=True).answered == 0


def test_a_finished_output_without_questions_stays(reviewer: Task, tmp_path: Path) -> None:
    source, out = tmp_path / "a.csv", tmp_path / "out"
    source.write_text("id,review\n1,\n2,\n", encoding="utf-8")
    predict_into(reviewer, source, out, form="csv")
    assert predict_into(reviewer, source, out, form="csv", skip_done=True).answered == 0


@contextmanager
def another_model(task: Task) -> Iterator[None]:
    """The model with other weights for a while."""
    kept = {name: tensor.clone() for name, tensor in task.model.state_dict().items()}
    for parameter in task.model.parameters():
        parameter.data.add_(1)
    try:
        yield
    finally:
        task.model.load_state_dict(kept)


def test_another_model_does_not_go_on(reviewer: Task, tmp_path: Path) -> None:
    source, out = tmp_path / "a.txt", tmp_path / "out"
    source.write_text("good\n" * 600)
    with pytest.raises(KeyboardInterrupt):
        predict_into(reviewer, source, out, form="text", skip_done=True, on_row=_Stopping(300))
    with another_model(reviewer), pytest.raises(StoreError, match="of another model"):
        predict_into(reviewer, source, out, form="text", skip_done=True)


def beside(self: Task, questions: Iterable[Any], **_: Any) -> Iterator[Answer]:
    """Answers that tell which questions were answered together; those with "broken" fail."""

    def read(question: Any) -> str:
        if "unread" in question.cells[0]:
            raise DataError(f"{question.where}: it is unread")
        return str(question.cells[0])

    for some in chunks(map(read, questions)):  # type: ignore[arg-type]
        if any("broken" in cell for cell in some):
            raise DataError("one of them is broken")
        for cell in some:
            yield Answer({}, (), f"{cell} of {some[0]} to {some[-1]}")


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize(
    "failing",
    [{40: "broken"}, {40: "unread", 70: "unread"}, {255: "broken", 256: "unread"}],
    ids=str,
)
def test_questions_that_fail_do_not_move_those_answered_together(
    reviewer: Task,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    failing: dict[int, str],
    jobs: int,
) -> None:
    """Neither behind them, nor where a file is continued, nor in several processes."""
    monkeypatch.setattr(type(reviewer), "answers", beside)
    monkeypatch.setattr(processes, "Workers", lambda count: Workers(1))
    monkeypatch.setattr(processes, "_model", lambda run, cells: reviewer)
    source, out, whole = tmp_path / "a.csv", tmp_path / "out", tmp_path / "whole"
    rows = [failing.get(n, str(n)) for n in range(1300)]
    rows[300:300] = [""] * 5000  # which are sent apart, and belong to no question
    source.write_text("id,review\n" + "".join(f",{row}\n" for row in rows))
    settings: dict[str, Any] = {"form": "text", "on_problem": lambda error: None, "skip_done": True}
    predict_into(reviewer, source, whole, **settings)
    last = [line.split()[-1] for line in whole.read_text().splitlines() if line]
    assert {"511", "767", "1023", "1279", "1299"} <= set(last)
    if jobs > 1:
        settings["jobs"] = Jobs(jobs, Path("nowhere"))
    for stop in (5600, 500):
        with pytest.raises(KeyboardInterrupt):
            predict_into(reviewer, source, out, on_row=_Stopping(stop), **settings)
    assert predict_into(reviewer, source, out, **settings).before > 5256
    assert out.read_bytes() == whole.read_bytes()


def test_two_processes_do_not_write_one_output(
    command: Command, reviews_run: Path, tmp_path: Path
) -> None:
    source, out = tmp_path / "a.txt", tmp_path / "out.csv"
    source.write_text("good\n")
    with FileLock(tmp_path / ".out.csv.lock"):
        done = command("predict", reviews_run, source, "--out", out)
    assert (done.code, "another process is writing" in done.sentence) == (1, True)
    again = ("predict", reviews_run, source, "--out", out, "--skip-done")
    assert command(*again).code == 0
    assert f"{out} is finished already" in command(*again).err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "out.csv"]


def test_what_an_error_leaves_is_told(
    command: Command, reviews_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the first record on, a row that fails costs no row before it."""
    monkeypatch.setattr("sunhwan.prediction.batch_prediction.SAVED_EVERY", 0.01)
    source, out = tmp_path / "a.csv", tmp_path / "out.csv"
    source.write_text("id,review\n" + "1,good\n" * 300 + "2,bad,more\n3,bad\n")
    done = command("predict", reviews_run, source, "--out", out)
    assert done.code == 1
    assert f"{out}.part: the same command with --skip-done goes on" in done.err
    done = command("predict", reviews_run, source, "--out", out)
    assert (done.code, "go on with --skip-done" in done.sentence) == (1, True)
    assert "goes on" not in done.err
    done = command("predict", reviews_run, source, "--out", out, "--skip-done", "--skip-bad")
    assert done.code == 0
    assert [row["id"] for row in records(out)] == ["1"] * 300 + ["3"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "out.csv"]


def test_only_what_can_be_continued_is_said_to_be(
    command: Command, reviews_run: Path, tmp_path: Path
) -> None:
    pytest.importorskip("pyarrow")
    source, out = tmp_path / "a.csv", tmp_path / "out.parquet"
    source.write_text("id,review\n1,good\n2,bad,more\n")
    (tmp_path / ".out.parquet.progress").write_text("broken off")
    done = command("predict", reviews_run, source, "--out", out)
    assert (done.code, "--skip-done" in done.err) == (1, False)


def test_a_killed_process_leaves_no_output_and_is_continued(
    reviews_run: Path, tmp_path: Path
) -> None:
    source, out = tmp_path / "a.csv", tmp_path / "out.csv"
    source.write_text("review\n" + "".join(f"{n} good\n" for n in range(200_000)))
    arguments = ["predict", str(reviews_run), str(source), "--out", str(out), "--skip-done"]
    process = subprocess.Popen(
        [sys.executable, "-m", "sunhwan", *arguments], stderr=subprocess.PIPE
    )
    record = tmp_path / ".out.csv.progress"
    end = time.monotonic() + 300
    while not record.exists() and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not out.exists()
    rows = json.loads(record.read_text())["rows"]
    assert 0 < rows < 200_000
    part = (tmp_path / "out.csv.part").read_bytes()
    assert part.count(b"\n") >= rows + 1


def test_a_file_of_any_encoding_and_size_is_streamed(tmp_path: Path) -> None:
    """The head decides on the encoding; bytes that differ further on are an error with a cure."""
    lines = [f"{n},아주 좋은 영화였어요" for n in range(40_000)]
    text = "\n".join(["id,review", *lines]) + "\n"
    for encoding in ("utf-8", "utf-8-sig", "cp949", "utf-16", "utf-16-le"):
        path = tmp_path / "a.csv"
        path.write_bytes(text.encode(encoding))
        with open_table(path, ["review"]) as table:
            rows = list(table.rows)
        assert len(rows) == 40_000
        assert rows[-1] == (
            f"{path}, line 40001",
            {"id": "39999", "review": "아주 좋은 영화였어요"},
            None,
        )
    packed = tmp_path / "a.csv.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    with open_table(packed, ["review"]) as table:
        assert sum(1 for _ in table.rows) == 40_000
    path.write_bytes(b"review\n" + b"plain words\n" * 200_000 + b"\xff\xfe\xfd\n")
    with pytest.raises(TextError, match="save it as UTF-8"), open_table(path, ["review"]) as table:
        list(table.rows)
    with pytest.raises(TextError, match="no file"), open_table(tmp_path / "none.csv"):
        pass


def test_what_cannot_be_read_is_a_problem_of_its_row(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"review": "a", "more": [1, {"b": 2}]}\n\nno json\n[1]\n{"review": null}\n')
    with open_table(path, ["review"]) as table:
        rows = list(table.rows)
    assert [row.values for row in rows] == [
        {"review": "a", "more": [1, {"b": 2}]}, {}, {}, {}, {"review": None},
    ]  # fmt: skip
    assert [isinstance(row.problem, DataError) for row in rows] == [False, False, True, True, False]
    path.write_text('\nno json\n{"review": "a"}\n')
    with open_table(path, ["review"]) as table:
        assert table.columns == ("review",)
        assert len(list(table.rows)) == 3
    path.write_text("")
    with open_table(path, ["review"]) as table:
        assert asked_columns(table.name, table.columns, ["review"]) == ("review",)
        assert list(table.rows) == []
    path = tmp_path / "a.csv"
    path.write_text('review,b\n"open,1\n2,3\n')
    with pytest.raises(DataError, match="unpaired"), open_table(path, ["review"]) as table:
        list(table.rows)


def test_memory_does_not_grow_with_the_file(reviewer: Task, tmp_path: Path) -> None:
    """Rows are taken only as answers are asked for."""
    source = tmp_path / "a.txt"
    source.write_text("good\n" * 3_000)
    with open_table(source, ["review"]) as table:
        taken = 0

        def counted(rows: Iterator[Any]) -> Iterator[Any]:
            nonlocal taken
            for row in rows:
                taken += 1
                yield row

        questions = (
            reviewer.row_question((row.values["review"],), row.where, tmp_path)
            for row in counted(table.rows)
        )
        answers = reviewer.answers(questions)
        next(answers)
        assert taken == 256


def test_a_row_that_the_model_cannot_read_fails_alone(
    reviewer: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Among those that are read together."""
    real = type(reviewer)._example

    def example(self: Any, question: Any, target: Any) -> Any:
        if "broken" in question.cells[0]:
            raise DataError(f"{question.where}: it is broken")
        return real(self, question, target)

    monkeypatch.setattr(type(reviewer), "_example", example)
    source = tmp_path / "a.txt"
    source.write_text("good\nbroken\n\nbad\n" * 100)
    told: list[SunhwanError] = []
    lines = into(reviewer, source, "text", on_problem=told.append).splitlines()
    assert [line[:3].strip() for line in lines] == ["goo", "", "bad"] * 100
    assert len(told) == 100
    assert str(told[1]) == f"{source}, line 6: it is broken"
    pieces: list[str] = []
    with pytest.raises(DataError, match="line 2"):
        predict_into(reviewer, source, pieces.append, form="text")
    assert "".join(pieces).startswith("good")
