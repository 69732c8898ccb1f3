"""What the loggers of others hold after a run and its second half: each step once, scores, samples."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sunhwan.config import Config
from sunhwan.errors import UsageError
from sunhwan.training import Reporter, resume, train
from sunhwan.training.loggers import LOGGERS, SENT_TOGETHER, LoggingReporter, MLflow

STEPS = 6


def config(tmp_path: Path, **further: Any) -> Config:
    """Of a run of six steps, scored and checkpointed at each third one."""
    text = tmp_path / "text.txt"
    text.write_text("the cat sat on the mat\n" * 60, encoding="utf-8")
    settings = {
        "text.corpus": [str(text)],
        "model.hidden_size": 4,
        "training.minutes": 0,
        "training.steps": STEPS,
        "training.validate_every": 3,
        "training.checkpoint_every": 3,
        "data.batch_size": 2,
        "data.block_length": 8,
        "training.sample_length": 5,
        "training.baselines": False,
    }
    return Config().override(settings | {f"training.{name}": on for name, on in further.items()})


class Stops(Reporter):
    """Ends the process, so to say, at a step that has no checkpoint."""

    def __init__(self, error: type[BaseException] = KeyboardInterrupt) -> None:
        self.error = error

    def step(self, report: Any) -> None:
        if report.step == 5:
            raise self.error


def in_two_parts(tmp_path: Path, key: str) -> Path:
    """A run that dies at step 5 and goes on from its checkpoint of step 3."""
    folder = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        train(config(tmp_path, **{key: True}), folder, reporter=Stops())
    resume(folder)
    return folder


theirs = pytest.mark.filterwarnings("ignore")
"""Of the libraries, which warn of one another."""


class Kept:
    """A writer that keeps what it is given, and fails from a step on."""

    setting = "training.kept"

    def __init__(self, fails: int = 10**9) -> None:
        self.fails, self.rows, self.ended = fails, [], []

    def begin(self, step: int) -> None:
        if self.fails <= step:
            raise OSError("no room\nat all")

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        if self.fails <= step:
            raise OSError("no room\nat all")
        self.rows.append((step, *values))

    def send(self) -> None:
        self.rows.append(("sent",))

    def text(self, name: str, text: str, step: int) -> None:
        self.rows.append((step, name))

    def end(self, failed: bool) -> None:
        self.ended.append("failed" if failed else "finished")


class Lines(Reporter):
    def __init__(self) -> None:
        self.messages: list[str] = []

    def say(self, message: str) -> None:
        self.messages.append(message)


def test_a_logger_gets_steps_scores_and_samples(tmp_path: Path) -> None:
    kept = Kept()
    train(config(tmp_path), tmp_path / "run", reporter=LoggingReporter(kept, Reporter()))
    steps = [row for row in kept.rows if "training/loss" in row]
    assert [step for step, *_ in steps] == [1, 2, 3, 4, 5, 6]
    assert [row[0] for row in kept.rows if "validation/loss" in row] == [3, 6]
    assert (6, "sample") in kept.rows
    sent = [kept.rows[i - 1] for i, row in enumerate(kept.rows) if row == ("sent",)]
    assert [step for step, *_ in sent] == [3, 6]
    assert kept.ended == ["finished"]


@pytest.mark.parametrize(
    ("error", "end"), [(KeyboardInterrupt, "finished"), (RuntimeError, "failed")]
)
def test_a_record_is_closed_as_failed_where_an_error_ends_the_run(
    error: type[BaseException], end: str, tmp_path: Path
) -> None:
    kept = Kept()
    with pytest.raises(error):
        train(config(tmp_path), tmp_path / "run", reporter=LoggingReporter(kept, Stops(error)))
    assert kept.ended == [end]


def test_a_record_is_closed_where_the_next_one_cannot_begin(tmp_path: Path) -> None:
    kept = Kept()
    both = LoggingReporter(kept, LoggingReporter(Kept(0), Reporter()))
    with pytest.raises(UsageError, match="cannot begin a record"):
        train(config(tmp_path), tmp_path / "run", reporter=both)
    assert kept.ended == ["failed"]


def test_a_logger_that_fails_is_given_up_and_the_run_goes_on(tmp_path: Path) -> None:
    kept, lines = Kept(fails=4), Lines()
    result = train(config(tmp_path), tmp_path / "run", reporter=LoggingReporter(kept, lines))
    assert result.steps == STEPS
    assert [s for s in lines.messages if "kept" in s] == [
        "training.kept stopped logging at step 4: no room"
    ]


def test_a_logger_that_cannot_begin_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"training\.kept cannot begin a record: no room"):
        train(config(tmp_path), tmp_path / "run", reporter=LoggingReporter(Kept(0), Reporter()))


@pytest.mark.parametrize("key", LOGGERS)
def test_a_logger_that_is_not_installed_is_named(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        sys.modules, "torch.utils.tensorboard" if key == "tensorboard" else key, None
    )
    with pytest.raises(UsageError, match=rf"training\.{key} needs .*sunhwan\[{key}\]"):
        train(config(tmp_path, **{key: True}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@theirs
def test_tensorboard_holds_a_resumed_run_once(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(in_two_parts(tmp_path, "tensorboard") / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("training/loss")] == [1, 2, 3, 4, 5, 6]
    # What was scored at the checkpoint is scored again, to the same figure.
    assert {event.step for event in events.Scalars("validation/loss")} == {3, 6}


@theirs
def test_mlflow_holds_a_resumed_run_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow")
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.chdir(tmp_path)
    in_two_parts(tmp_path, "mlflow")
    client = MlflowClient()
    (run,) = client.search_runs([client.get_experiment_by_name("sunhwan").experiment_id])
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "run"
    assert run.data.params["model.hidden_size"] == "4"
    steps = {m.step for m in client.get_metric_history(run.info.run_id, "training/loss")}
    assert steps == {1, 2, 3, 4, 5, 6}
    assert len(client.list_artifacts(run.info.run_id, "sample")) == 2


@theirs
def test_mlflow_is_sent_many_steps_in_one_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlflow")
    sent: list[list[int]] = []

    class Client:
        def log_batch(self, run: str, metrics: Any) -> None:
            sent.append([metric.step for metric in metrics])

        def set_terminated(self, run: str, status: str) -> None:
            sent.append([])

    writer = MLflow(tmp_path, Config())
    writer._client, writer._run = Client(), "run"
    for step in range(1, SENT_TOGETHER + 4):
        writer.numbers({"training/loss": 1.0}, step)
    assert sent == [list(range(1, SENT_TOGETHER + 1))]
    writer.end(False)
    assert sent[1:] == [[SENT_TOGETHER + k for k in (1, 2, 3)], []]


@theirs
def test_wandb_holds_a_resumed_run_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    logged: list[dict[str, Any]] = []
    monkeypatch.setattr(wandb.Run, "log", lambda self, row, **_: logged.append(row))
    folder = in_two_parts(tmp_path, "wandb")
    parts = sorted(folder.glob("wandb/offline-run-*"))
    assert len(parts) == 2
    assert {part.name.rsplit("-", 1)[1] for part in parts} == {
        (folder / "wandb.txt").read_text().strip()
    }
    assert {row["step"] for row in logged if "training/loss" in row} == {1, 2, 3, 4, 5, 6}
