"""Loggers: a run's curves in TensorBoard, Weights & Biases or MLflow, beside whatever else watches.

Each writer takes numbers of a step, texts of a step, and the end. A run that is resumed goes on in the
same record: the one whose name stands in the run folder.
"""

import dataclasses
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from sunhwan.atomic import write_text
from sunhwan.config import Config
from sunhwan.errors import UsageError
from sunhwan.progress import Progress
from sunhwan.tasks import Scores
from sunhwan.training.reporter import Reporter, StepReport

PROJECT = "sunhwan"
"""Project of Weights & Biases and experiment of MLflow, unless their own settings name another."""

LONGEST = 6000
"""Characters of a setting's value that MLflow keeps."""

SENT_TOGETHER = 100
"""Steps whose numbers MLflow is sent in one request, which the training waits for."""


class Writer(Protocol):
    """Where the curves of one run go. Making one has no effect; `begin` opens the record.

    setting: the setting that asks for it.
    """

    setting: str

    def begin(self, step: int) -> None:
        """Open the record: steps after this one, if it has any, did not happen."""

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """Write numbers of a step by name, at once or with later ones."""

    def send(self) -> None:
        """Send what was held back."""

    def text(self, name: str, text: str, step: int) -> None:
        """Write a text of a step."""

    def end(self, failed: bool) -> None:
        """Close the record: of a run that failed, or is over or interrupted."""


class LoggingReporter(Reporter):
    """Writes loss, gradient norm, learning rate, validation figures and samples; passes all on.

    UsageError where the record cannot be opened. One that fails later is given up in a sentence, for
    no run is to be lost for its curves.
    """

    def __init__(self, writer: Writer, inner: Reporter) -> None:
        self._writer, self._inner = writer, inner
        self._open, self._failed, self._step = False, False, 0

    def reading(self, progress: Progress) -> None:
        self._inner.reading(progress)

    def begin(self, facts: dict[str, Any]) -> None:
        self._step = facts["step"]
        try:
            self._writer.begin(self._step)
        except Exception as error:  # what a library of someone else's raises is not known
            raise UsageError(
                f"{self._writer.setting} cannot begin a record: {first_line(error)}"
            ) from None
        self._open = True
        self._inner.begin(facts)

    def step(self, report: StepReport) -> None:
        self._step = report.step
        names = ("loss", "grad_norm", "learning_rate", "tokens_per_second")
        self._write_numbers({f"training/{name}": getattr(report, name) for name in names})
        self._inner.step(report)

    def validated(self, step: int, scores: Scores, improved: bool) -> None:
        found = {name: value for name, value in scores.to_dict().items() if value is not None}
        self._write_numbers({f"validation/{name}": value for name, value in found.items()})
        self._write(self._writer.send)
        self._inner.validated(step, scores, improved)

    def sample(self, text: str) -> None:
        self._write(lambda: self._writer.text("sample", text, self._step))
        self._inner.sample(text)

    def say(self, message: str) -> None:
        self._inner.say(message)

    def of_pretraining(self) -> Reporter:
        return self._inner.of_pretraining()

    def failed(self) -> None:
        self._failed = True
        self._inner.failed()

    def end(self) -> None:
        self._write(lambda: self._writer.end(self._failed))
        self._open = False
        self._inner.end()

    def _write_numbers(self, values: Mapping[str, float]) -> None:
        self._write(lambda: self._writer.numbers(values, self._step))

    def _write(self, write: Callable[[], None]) -> None:
        if not self._open:
            return
        try:
            write()
        except Exception as error:
            self._open = False
            self._inner.say(
                f"{self._writer.setting} stopped logging at step {self._step}: {first_line(error)}"
            )


def first_line(error: Exception) -> str:
    """What an exception says, in one line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


class TensorBoard:
    """Events in the run folder."""

    setting = "training.tensorboard"

    def __init__(self, folder: Path, config: Config) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise UsageError(
                "training.tensorboard needs TensorBoard: pip install 'sunhwan[tensorboard]'"
            ) from None
        self._make, self._folder = SummaryWriter, folder / "tensorboard"

    def begin(self, step: int) -> None:
        self._writer: Any = self._make(str(self._folder), purge_step=step + 1)

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def send(self) -> None:
        self._writer.flush()

    def text(self, name: str, text: str, step: int) -> None:
        self._writer.add_text(name, f"```\n{text}\n```", step)

    def end(self, failed: bool) -> None:
        self._writer.close()


class WeightsAndBiases:
    """A run of wandb, online or offline as its own settings (WANDB_MODE, WANDB_PROJECT) have it.

    Steps are a column of their own, for a resumed run writes some of them again.
    """

    setting = "training.wandb"

    def __init__(self, folder: Path, config: Config) -> None:
        try:
            import wandb
        except ImportError:
            raise UsageError(
                "training.wandb needs Weights & Biases: pip install 'sunhwan[wandb]'"
            ) from None
        self._wandb: Any = wandb
        self._folder, self._config = folder, config

    def begin(self, step: int) -> None:
        note = self._folder / "wandb.txt"
        self._run = self._wandb.init(
            project=self._wandb.Settings().project or PROJECT,
            name=self._folder.name,
            id=_noted(note),
            resume="allow",
            dir=str(self._folder),
            settings=self._wandb.Settings(console="off"),
            config=dataclasses.asdict(self._config),
        )
        _note(note, self._run.id)
        self._run.define_metric("step")
        self._run.define_metric("*", step_metric="step")

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        self._run.log({"step": step, **values})

    def send(self) -> None:
        """Send nothing: wandb sends by itself."""

    def text(self, name: str, text: str, step: int) -> None:
        # Text in a table is shown as it is; as HTML it would be run.
        table = self._wandb.Table(columns=["step", name], data=[[step, text]])
        self._run.log({"step": step, name: table})

    def end(self, failed: bool) -> None:
        self._run.finish(exit_code=int(failed))


class MLflow:
    """A run of MLflow, where its own settings (MLFLOW_TRACKING_URI, MLFLOW_EXPERIMENT_NAME) have it."""

    setting = "training.mlflow"

    def __init__(self, folder: Path, config: Config) -> None:
        try:
            from mlflow import MlflowClient
            from mlflow.entities import Metric, Param
        except ImportError:
            raise UsageError(
                "training.mlflow needs MLflow: pip install 'sunhwan[mlflow]'"
            ) from None
        self._client_of: Any = MlflowClient
        self._metric, self._param = Metric, Param
        self._experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME") or PROJECT
        self._folder, self._config = folder, config
        self._held: list[Any] = []
        self._steps = 0

    def begin(self, step: int) -> None:
        client = self._client = self._client_of()
        note = self._folder / "mlflow.txt"
        noted = _noted(note)
        if noted:
            client.update_run(noted, "RUNNING")
            self._run = noted
            return
        found = client.get_experiment_by_name(self._experiment)
        experiment = found.experiment_id if found else client.create_experiment(self._experiment)
        self._run = client.create_run(experiment, run_name=self._folder.name).info.run_id
        _note(note, self._run)
        settings = dataclasses.asdict(self._config)
        client.log_batch(
            self._run,
            params=[
                self._param(f"{section}.{key}", str(value)[:LONGEST])
                for section, values in settings.items()
                for key, value in values.items()
            ],
        )

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        now = int(1000 * time.time())
        self._held += [self._metric(name, value, now, step) for name, value in values.items()]
        self._steps += 1
        if self._steps == SENT_TOGETHER:
            self.send()

    def send(self) -> None:
        held, self._held, self._steps = self._held, [], 0
        if held:
            self._client.log_batch(self._run, metrics=held)

    def text(self, name: str, text: str, step: int) -> None:
        self._client.log_text(self._run, text, f"{name}/step-{step}.txt")

    def end(self, failed: bool) -> None:
        self.send()
        self._client.set_terminated(self._run, "FAILED" if failed else "FINISHED")


LOGGERS: dict[str, Callable[[Path, Config], Writer]] = {
    "tensorboard": TensorBoard,
    "wandb": WeightsAndBiases,
    "mlflow": MLflow,
}
"""By the key of the setting in `training` that asks for it."""


def logged(reporter: Reporter, folder: Path, config: Config) -> Reporter:
    """The reporter behind each logger that the settings ask for; UsageError where one is not installed."""
    for key, make in LOGGERS.items():
        if getattr(config.training, key):
            reporter = LoggingReporter(make(folder, config), reporter)
    return reporter


def _noted(note: Path) -> str | None:
    """The name of the record that an earlier part of the run began, None where there is none."""
    return note.read_text(encoding="utf-8").strip() if note.exists() else None


def _note(note: Path, name: str) -> None:
    write_text(note, f"{name}\n")
