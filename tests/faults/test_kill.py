"""Real processes: killed at any instant, or asked to stop."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sunhwan.store import Run
from tests.conftest import TEXT, TINY
from tests.faults.test_resume import outcome
from tests.tasks.cases import CASES
from tests.tiers import and_deep

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("SUNHWAN_KILLS", "3"))
"""Of a language model, and a third as many of each other task."""

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.mark.parametrize("task", and_deep(["language_model"], CASES))
def test_killed_at_random_instants_and_resumed_is_uninterrupted(tmp_path: Path, task: str) -> None:
    kills = KILLS if task == "language_model" else max(KILLS // 3, 1)
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    if task in CASES:
        corpus = CASES[task].write(corpus)
    else:
        for number in range(3):
            (corpus / f"{number}.txt").write_text(TEXT[number * 50 : number * 50 + 200])
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.killing", corpus, tmp_path, str(kills), "1", task],
        cwd=Path(__file__).parents[2],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["killed"] == kills
    assert set(report["codes"]) == {0}
    wanted = outcome(tmp_path / "straight")
    assert len(wanted["log"]) > 30
    for number in range(report["runs"]):
        assert outcome(tmp_path / str(number)) == wanted


@pytest.mark.parametrize(
    "number", and_deep([signal.SIGTERM], [signal.SIGINT]), ids=lambda s: s.name
)
def test_asked_to_stop_it_saves_and_ends_well(
    tmp_path: Path, text_file: Path, number: signal.Signals
) -> None:
    out = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, "-m", "sunhwan", "train", text_file, "--out", out, "--steps=1000000",
         "--json", *TINY],
        env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if "step " in line:
            break
    process.send_signal(number)
    printed, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    report = json.loads(printed.splitlines()[-1])
    assert report["stopped"] == "interrupted"
    assert report["steps"] >= 1
    _, state, skipped = Run.open(out).load_checkpoint()
    assert (state["step"], skipped) == (report["steps"], [])
