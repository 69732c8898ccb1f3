"""Makes the golden models of a format, once, when the format is new.

    python -m tests.golden.make tests/golden/v3 [cells texts tasks stopped cells/mgu]

A format that changes needs new models of its kind alone ("stopped" of runs and checkpoints), a new
cell or task its own.
Nothing that is there is overwritten: golden models are kept for ever.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import torch

import sunhwan.plots
from sunhwan.config import Config
from sunhwan.training import Reporter, resume, train
from sunhwan.training.reporter import StepReport
from tests.golden.asking import asked, logged, machine
from tests.golden.models import MODELS, RUNS, SMALL, STOP, Golden


class Stop(Reporter):
    """Interrupts at a step, as Ctrl-C does."""

    def step(self, report: StepReport) -> None:
        if report.step == STOP:
            import signal

            signal.raise_signal(signal.SIGINT)


def configuration(golden: Golden, file: Path) -> Config:
    """All settings of a golden model."""
    config = Config().override({"task.name": golden.task, **SMALL, **golden.settings})
    return config.override({config.source_setting: str(file)})


def make_model(golden: Golden, folder: Path, data: Path) -> None:
    """Train one, keep its model folder, and beside it what it answers."""
    data.mkdir(parents=True, exist_ok=True)
    file = golden.write(data)
    with tempfile.TemporaryDirectory() as scratch:
        run = train(configuration(golden, file), Path(scratch) / "run").run
        shutil.copytree(run / "model", folder)
    found = asked(folder, golden.questions, file)
    _write(folder, {"file": file.name, "questions": golden.questions, **found})


def make_run(golden: Golden, folder: Path) -> None:
    """Stop one, keep the run folder with its data, and beside it how it ended when it went on."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        file = golden.write(Path(scratch))
        run = Path(scratch) / "run"
        train(configuration(golden, file), run, reporter=Stop())
        shutil.copytree(run, folder, ignore=shutil.ignore_patterns(".lock"))
        shutil.copy(file, folder)
        # Named from where the run is resumed, not from where it was made.
        config = folder / "config.toml"
        text = config.read_text(encoding="utf-8").replace(f"{scratch}/", "")
        config.write_text(text, encoding="utf-8")
        resume(run)
        found = asked(run, golden.questions, file)
        _write(
            folder, {"file": file.name, "questions": golden.questions, "log": logged(run)} | found
        )


def _write(folder: Path, content: dict[str, object]) -> None:
    body = {"machine": machine(), **content}
    lines = ",\n".join(
        f"{json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in body.items()
    )
    folder.with_name(f"{folder.name}.json").write_text(f"{{{lines}}}\n", encoding="utf-8")


def main(to: Path, parts: list[str]) -> None:
    """Make those of some parts, or all."""
    if to.exists():
        raise SystemExit(f"{to} exists already, and golden models are never changed")
    torch.set_num_threads(1)
    sunhwan.plots.draw_losses = lambda run: run.folder / "loss.png"
    for name, golden in (MODELS | RUNS).items():
        if parts and not {name, name.partition("/")[0]} & set(parts):
            continue
        if name in RUNS:
            make_run(golden, to / name)
        else:
            make_model(golden, to / name, to / "data")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
