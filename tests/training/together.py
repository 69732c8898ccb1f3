"""Trains one case alone and shared by several processes, and prints how far apart they end, as JSON.

    python -m tests.training.together FOLDER

Importing PyTorch takes longer than a tiny run, so it happens once: every process is a fork of this one.
"""

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import sunhwan.plots
from sunhwan.config import Config
from sunhwan.errors import SunhwanError
from sunhwan.store import Run, load_model
from sunhwan.training import Reporter, StepReport, resume, train
from sunhwan.training.processes import RENDEZVOUS, FollowerError, ProcessLostError
from tests.conftest import TEXT
from tests.tasks.cases import CASES

PLAIN: dict[str, object] = {
    "training.optimizer": "sgd", "training.momentum": 0.0, "training.clip_norm": 0.0,
    "training.learning_rate": 1.0, "training.schedule": "constant", "training.warmup": 0,
    "training.steps": 1, "training.epochs": 0, "training.minutes": 0,
    "model.hidden_size": 6, "model.dropout": 0.0,
    "training.sample_length": 0, "training.validations": 1,
}  # fmt: skip
"""One step of gradient descent: the change of the weights is the gradient."""
MANY = PLAIN | {
    "training.optimizer": "muon", "training.learning_rate": 0.01, "training.clip_norm": 0.5,
    "training.steps": 30, "training.checkpoint_every": 7, "training.validations": 3,
}  # fmt: skip


def config_of(task: str, corpus: Path, settings: dict[str, object]) -> Config:
    source = "text.corpus" if task == "language_model" else "data.source"
    own: dict[str, object] = {"data.batch_size": 5, "data.block_length": 6}
    if task in CASES:
        own |= {"text.validation_share": 0.3, **CASES[task].settings}
        own |= {"model.word_dropout": 0.0} if task in ("answer", "tag") else {}
    # Rounded to bfloat16, numbers that differ in their last digit may differ by one in 256.
    float32 = {"training.fast_products": False}
    return Config().override({"task.name": task, source: str(corpus), **float32, **own, **settings})


def together(folder: Path, count: int, work: Callable[[int], Any]) -> list[int]:
    """Run in so many processes; the exit code of each.

    0: done. 1: it said why. 3: another one was lost. 4: there was nothing to say.
    """
    place = folder / f"meet-{time.monotonic_ns()}"
    children = []
    for rank in range(count):
        child = os.fork()
        if not child:
            code = 70
            os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(count), RENDEZVOUS: str(place)}
            with contextlib.suppress(BaseException):
                try:
                    work(rank)
                    code = 0
                except ProcessLostError:
                    code = 3
                except FollowerError:
                    code = 4
                except SunhwanError as error:
                    code = 1
                    print(error, file=sys.stderr, flush=True)
            os._exit(code)
        children.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


class Deadly(Reporter):
    """Ends this process, or asks all to stop, after some steps."""

    def __init__(self, step: int, number: signal.Signals) -> None:
        self._step, self._number = step, number

    def step(self, report: StepReport) -> None:
        if report.step == self._step:
            os.kill(os.getpid(), self._number)


def apart(one: Path, other: Path) -> float:
    """The largest difference of the weights of two runs; of what was fitted to held-out data, which may
    be far above 1, relative to its size."""
    models = [load_model(run).task.model for run in (one, other)]
    learned = dict(models[0].named_parameters())
    found = [model.state_dict() for model in models]
    largest = 0.0
    for name, value in found[0].items():
        size = 1.0 if name in learned else max(float(value.abs().max()), 1.0)
        largest = max(largest, float((value - found[1][name]).abs().max()) / size)
    return largest


def losses(run: Path) -> list[float]:
    return [event["loss"] for event in Run.open(run).events() if event["event"] == "step"]


def report(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    sunhwan.plots.draw_losses = lambda run: run.folder / "loss.png"
    text = folder / "text.txt"
    text.write_text(TEXT, encoding="utf-8")
    cases = {"language_model": text}
    for task, case in CASES.items():
        (folder / task).mkdir()
        cases[task] = case.write(folder / task)
    for task, corpus in cases.items():
        config = config_of(task, corpus, PLAIN)
        train(config, folder / f"{task}-1")
        train(config.override({"training.accumulate": 2}), folder / f"{task}-parts")
        found[f"{task} accumulated"] = apart(folder / f"{task}-1", folder / f"{task}-parts")
        for count in (2, 3) if task in ("language_model", "tag") else (2,):
            out = folder / f"{task}-{count}"
            codes = together(folder, count, lambda rank, c=config, o=out: train(c, o))
            found[f"{task} {count}"] = [codes, apart(folder / f"{task}-1", out)]
    first = config_of("classify", cases["classify"], PLAIN)
    first = first.override({"training.steps": 4, "training.pretrain": 0.5})
    train(first, folder / "first-1")
    codes = together(folder, 2, lambda rank: train(first, folder / "first-2"))
    found["pretrained"] = [codes, apart(folder / "first-1", folder / "first-2")]
    config = config_of("language_model", text, MANY)
    straight = folder / "straight"
    train(config, straight)
    shared = folder / "shared"
    found["shared codes"] = together(folder, 2, lambda rank: train(config, shared))
    pairs = zip(losses(straight), losses(shared), strict=True)
    found["losses"] = max(abs(a - b) for a, b in pairs)
    parts, both = config.override({"training.accumulate": 3}), folder / "both"
    train(parts, folder / "parts")
    found["accumulated apart"] = apart(straight, folder / "parts")
    parts = config.override({"training.accumulate": 2})
    codes = together(folder, 2, lambda rank: train(parts, both))
    found["accumulated shared"] = [codes, apart(straight, both)]
    # Stopped in two processes, continued in three, and ended alone.
    moved = folder / "moved"
    stop = Deadly(11, signal.SIGTERM)
    found["stopped"] = together(folder, 2, lambda rank: train(config, moved, reporter=stop))
    found["stopped at"] = checkpoint_step(moved)
    stop = Deadly(20, signal.SIGINT)
    found["moved"] = together(folder, 3, lambda rank: resume(moved, reporter=stop))
    resume(moved)
    found["moved apart"] = apart(straight, moved)
    pairs = zip(losses(straight), losses(moved), strict=True)
    found["moved losses"] = max(abs(a - b) for a, b in pairs)
    for rank in (0, 1):
        killed = folder / f"killed-{rank}"
        begun = time.monotonic()

        def work(own: int, rank: int = rank, killed: Path = killed) -> None:
            # A follower reports nothing: it counts its steps by the losses that it computes.
            if own == rank == 1:
                die_at_step(11)
            train(config, killed, reporter=Deadly(11, signal.SIGKILL) if own == rank else None)

        codes = together(folder, 2, work)
        seconds = time.monotonic() - begun
        resume(killed)
        found[f"killed {rank}"] = [codes, seconds, checkpoint_step(killed), apart(straight, killed)]
    different = folder / "different.txt"
    different.write_text(TEXT[:500], encoding="utf-8")
    other = config_of("language_model", different, MANY)
    found["different data"] = together(
        folder, 2, lambda rank: train(other if rank else config, folder / "no")
    )
    few = config.override({"data.batch_size": 2})
    found["few streams"] = together(folder, 3, lambda rank: train(few, folder / "few"))
    return found


def die_at_step(step: int) -> None:
    from sunhwan.training.trainer import Trainer

    train_step = Trainer._train_step

    def counted(self: Trainer) -> None:
        if self.step == step:
            os.kill(os.getpid(), signal.SIGKILL)
        train_step(self)

    Trainer._train_step = counted  # type: ignore[method-assign]


def checkpoint_step(run: Path) -> int:
    return int(Run.open(run).load_checkpoint()[1]["step"])


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps(report(Path(sys.argv[1]))))
