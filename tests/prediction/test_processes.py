"""Predictions by several processes: the bytes of one, rows that fail, workers that end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sunhwan.errors import DataError, SunhwanError, UsageError
from sunhwan.prediction import Jobs, predict_into, processes
from sunhwan.prediction.answered import Asked, AskedRows
from sunhwan.prediction.processes import answer_in_processes, check_jobs
from sunhwan.tasks import Answer, Task
from sunhwan.tasks.common.questions import CHUNK
from sunhwan.workers import Workers
from tests.conftest import Command
from tests.tiers import deep


@pytest.fixture
def here(reviewer: Task, monkeypatch: pytest.MonkeyPatch) -> Jobs:
    """Jobs whose parts are sent to this process."""
    monkeypatch.setattr(processes, "Workers", lambda count: Workers(1))
    monkeypatch.setattr(processes, "_model", lambda run, cells: reviewer)
    return Jobs(2, Path("nowhere"))


def questions(path: Path, rows: int) -> Path:
    """Rows with empty ones among them, and one with too many cells."""
    lines = [f"{n},{n} {'good' if n % 3 else 'bad'}" if n % 7 else f"{n}," for n in range(rows)]
    lines[rows // 2] += ",more"
    path.write_text("\n".join(["id,review", *lines]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("form", ["csv", "jsonl", "text"])
def test_several_processes_write_the_bytes_of_one(
    reviewer: Task, here: Jobs, tmp_path: Path, form: str
) -> None:
    source = questions(tmp_path / "a.csv", 5 * CHUNK)
    errors: dict[str, list[str]] = {}
    for name, jobs in (("one", None), ("several", here)):
        left: list[SunhwanError] = []
        predict_into(
            reviewer, source, tmp_path / name, form=form, jobs=jobs, on_problem=left.append
        )
        errors[name] = [str(error) for error in left]
    assert (tmp_path / "several").read_bytes() == (tmp_path / "one").read_bytes()
    assert errors["several"] == errors["one"] != []


def test_a_row_that_fails_ends_all_after_the_rows_before_it(
    reviewer: Task, here: Jobs, tmp_path: Path
) -> None:
    source = questions(tmp_path / "a.csv", 2 * CHUNK)
    written: dict[str, str] = {}
    for name, jobs in (("one", None), ("several", here)):
        pieces: list[str] = []
        with pytest.raises(DataError, match=f"line {CHUNK + 2}"):
            predict_into(reviewer, source, pieces.append, form="csv", jobs=jobs)
        written[name] = "".join(pieces)
    assert written["several"] == written["one"]
    source.write_text("review\n" + "good\n" * (CHUNK + 9) + '"bad\n')
    with pytest.raises(DataError, match="unpaired double quote"):
        predict_into(reviewer, source, tmp_path / "out", form="csv", jobs=here)
    assert not (tmp_path / "out").exists()


def test_drawn_answers_have_the_seeds_of_one_process(
    here: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each part is told how many questions were before it."""
    seeds: list[int] = []

    class Drawing:
        options = ("seed", "n")

        def answers(self, asked: Any, *, seed: int, n: int) -> Iterator[Answer]:
            for number, _ in enumerate(asked):
                seeds.append(seed + n * number)
                yield from [Answer({}, (), "")] * n

    monkeypatch.setattr(processes, "_model", lambda run, cells: Drawing())
    rows = [Asked(n, {}, "a question") for n in range(1, 2 * CHUNK + 1)]
    options = {"seed": 7, "n": 3}
    found = list(answer_in_processes(here, AskedRows((), iter(rows)), options, asked=4))
    assert [row.number for row in found] == [row.number for row in rows for _ in range(3)]
    assert seeds == [7 + 3 * n for n in range(4, 4 + len(rows))]


def test_jobs_that_make_no_sense_are_refused(
    command: Command, reviews_run: Path, here: Jobs, tmp_path: Path
) -> None:
    source = questions(tmp_path / "a.csv", 9)
    for options in (["--jobs", "0"], ["--jobs", "2", "--picture", str(tmp_path / "a.png")]):
        done = command("predict", reviews_run, source, *options)
        assert (done.code, "--jobs" in done.sentence) == (2, True)
    with pytest.raises(UsageError, match="series"):
        check_jobs(here, AskedRows((), iter(()), one_answer_each=False))


def started(run: Path, source: Path, out: Path) -> "subprocess.Popen[str]":
    """The command in two processes, once the first rows are recorded."""
    command = [sys.executable, "-m", "sunhwan", "predict", str(run), str(source)]
    process = subprocess.Popen(
        [*command, "--out", str(out), "--jobs", "2"],
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    end = time.monotonic() + 300
    while not out.with_name(f".{out.name}.progress").exists() and time.monotonic() < end:
        time.sleep(0.05)
    return process


def workers(parent: int) -> list[int]:
    """The processes that a process has started."""
    found = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(child) for child in found]


@deep
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="processes are counted in /proc")
@pytest.mark.parametrize("ending", ["Ctrl-C", "kill", "kill of a worker"])
def test_processes_end_together_and_leave_what_can_be_continued(
    reviewer: Task, reviews_run: Path, tmp_path: Path, ending: str
) -> None:
    source, out = tmp_path / "a.csv", tmp_path / "out.csv"
    source.write_text("review\n" + "".join(f"{n} good\n" for n in range(100_000)))
    process = started(reviews_run, source, out)
    children = workers(process.pid)
    assert len(children) == 2
    if ending == "Ctrl-C":  # of a terminal, which reaches all of its processes
        os.killpg(process.pid, signal.SIGINT)
    elif ending == "kill":
        process.kill()
    else:
        for child in children:
            os.kill(child, signal.SIGKILL)
    _, errors = process.communicate(timeout=300)
    code = {"Ctrl-C": 130, "kill": -signal.SIGKILL, "kill of a worker": 1}[ending]
    assert process.returncode == code
    assert "Traceback" not in errors
    end = time.monotonic() + 30
    while any(Path(f"/proc/{child}").exists() for child in children) and time.monotonic() < end:
        time.sleep(0.05)
    assert not out.exists()
    if ending == "kill of a worker":
        assert "sunhwan: a worker process was ended from outside (signal 9)" in errors
    predict_into(reviewer, source, tmp_path / "whole", form="csv")
    summary = predict_into(reviewer, source, out, form="csv", skip_done=True)
    assert summary.before
    assert out.read_bytes() == (tmp_path / "whole").read_bytes()
