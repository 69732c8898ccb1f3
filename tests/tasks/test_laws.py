"""What every task obeys: resuming is exact, saving keeps everything, rows do not touch each other."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

import sunhwan
from sunhwan.config import Config
from sunhwan.prediction.answered import named_values
from sunhwan.store import Run, load_model, read_tensors
from sunhwan.tasks import TASKS, Task
from sunhwan.training import Reporter, resume, train
from sunhwan.training.reporter import StepReport
from tests.conftest import Outcome, losses
from tests.tasks.cases import CASES
from tests.tiers import deep

STEPS = 24
QUICKER = {"answer": {"training.learning_rate": 0.05}}
"""Settings of tasks that learn too little in so few steps."""
NAMES = sorted(CASES)


def config(name: str, folder: Path, **changes: Any) -> Config:
    case = CASES[name]
    values = {
        "task.name": name,
        "data.source": str(case.write(folder)),
        "text.validation_share": 0.3,
        "model.dropout": 0.2,
        "training.steps": STEPS,
        "training.checkpoint_every": 4,
        "training.validate_every": 6,
        "training.sample_length": 20,
        "training.threads": 1,  # as many for runs that fixtures make as for those of tests
        **case.settings,
        **QUICKER.get(name, {}),
        **changes,
    }
    return Config().override(values, "the test")


class Stop(Reporter):
    """Interrupts at a step, as Ctrl-C does."""

    def __init__(self, at: int) -> None:
        self.at = at

    def step(self, report: StepReport) -> None:
        if report.step == self.at:
            import signal

            signal.raise_signal(signal.SIGINT)


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run of each task that nothing disturbed."""
    runs = {}
    for name in NAMES:
        folder = tmp_path_factory.mktemp(name)
        runs[name] = train(config(name, folder), folder / "run").run
    return runs


def test_every_task_has_a_case() -> None:
    assert set(CASES) | {"language_model"} == set(TASKS)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "stops",
    [(7, 13), pytest.param((1,), marks=deep), pytest.param((6, 12, 23), marks=deep)],
    ids=str,
)
def test_a_resumed_run_is_the_run_that_never_stopped(
    name: str, stops: tuple[int, ...], straight: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    # The same files at the same place: they are named in the configuration.
    settings = Run.open(straight[name]).config()
    result = train(settings, out, reporter=Stop(stops[0]))
    assert (result.stopped, result.steps) == ("interrupted", stops[0])
    for stop in stops[1:]:
        assert resume(out, reporter=Stop(stop)).steps == stop
    assert resume(out).stopped == "budget"
    assert losses(out) == losses(straight[name])
    assert (out / "samples.txt").exists() == (straight[name] / "samples.txt").exists()
    for where in ("model/model.safetensors", f"checkpoints/step-{STEPS:012d}.safetensors"):
        ours, theirs = read_tensors(out / where)[0], read_tensors(straight[name] / where)[0]
        assert ours.keys() == theirs.keys()
        assert all(ours[key].equal(theirs[key]) for key in ours)


@pytest.mark.parametrize("name", NAMES)
def test_it_learned_something(name: str, straight: dict[str, Path]) -> None:
    steps = [e["loss"] for e in losses(straight[name]) if e["event"] == "step"]
    half = STEPS // 2
    assert sum(steps[-half:]) < sum(steps[:half])  # type: ignore[arg-type]


def answers(task: Task, questions: Any) -> list[dict[str, Any]]:
    """What the task says, as for JSON."""
    return [answer.values for answer in task.predict(questions)]


def alike(left: Any, right: Any) -> bool:
    """Whether two answers are the same but for rounding: sums of other rows may be in another order."""
    if isinstance(left, float):
        return math.isclose(left, right, rel_tol=1e-5, abs_tol=1e-5)
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(alike(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(alike, left, right))
    return bool(left == right)


@pytest.mark.parametrize("name", NAMES)
def test_saving_keeps_everything(name: str, straight: dict[str, Path], tmp_path: Path) -> None:
    saved = load_model(straight[name])
    sunhwan.store.save_model(tmp_path / "copy", saved.task, saved.facts)
    again = load_model(tmp_path / "copy")
    assert again.task.preprocessing() == saved.task.preprocessing()
    assert again.task.config.model == saved.task.config.model
    assert again.task.config.task == saved.task.config.task
    assert answers(again.task, CASES[name].questions) == answers(saved.task, CASES[name].questions)


@pytest.mark.parametrize("name", NAMES)
def test_a_question_alone_and_among_others_has_the_same_answer(
    name: str, straight: dict[str, Path]
) -> None:
    task, questions = load_model(straight[name]).task, CASES[name].questions
    together = answers(task, questions)
    assert alike(together, [answer for q in questions for answer in answers(task, [q])])
    assert len(together) >= len(questions)
    if task.answer_columns:
        first = next(iter(task.answers(questions[:1])))
        assert tuple(named_values(first)) == task.answer_columns


@pytest.mark.parametrize("name", NAMES)
def test_the_commands_evaluate_and_info(name: str, straight: dict[str, Path], command: Any) -> None:
    file = Run.open(straight[name]).config().sources[0]
    done: Outcome = command("evaluate", straight[name], file, "--json")
    assert done.code == 0, done.err
    figures = json.loads(done.out)
    assert figures["loss"] > 0
    shown = command("evaluate", straight[name], file)
    assert (shown.code, shown.err) == (0, "")
    assert json.loads(command("info", straight[name], "--json").out)["task"] == name
    assert command("sample", straight[name]).sentence.endswith("use `sunhwan predict`")
    assert "another" not in command("resume", straight[name], "--quiet").err
