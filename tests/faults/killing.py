"""Runs the command line again and again and kills it at random instants, until each run is finished.

    python -m tests.faults.killing CORPUS FOLDER KILLS SEED [TASK]

Importing PyTorch takes longer than a tiny run, so it happens once: every command is a fork of this
process. FOLDER/straight is the run that nobody killed; FOLDER/0, 1, … are the others. What happened
is printed as JSON.
"""

import contextlib
import io
import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import sunhwan.plots
import sunhwan.training
from sunhwan.cli import main
from tests.tasks.cases import CASES

STEPS = 30


def train(corpus: Path, out: Path, task: str) -> list[str]:
    settings: dict[str, object] = {
        "data.batch_size": 3, "data.block_length": 6, "data.reset_probability": 0.2,
        "model.hidden_size": 4, "model.dropout": 0.2, "training.checkpoint_every": 3,
        "training.validate_every": 6, "training.sample_length": 8,
    }  # fmt: skip
    if task in CASES:
        settings |= {"text.validation_share": 0.3, **CASES[task].settings}
    chosen = [f"--set={name}={value}" for name, value in settings.items()]
    start = ["train", "--task", task, str(corpus), "--out", str(out)]
    return [*start, f"--steps={STEPS}", "--threads=1", *chosen]


def fork(arguments: list[str]) -> int:
    """Start a command in a child and return its process id."""
    child = os.fork()
    if child:
        return child
    code = 70
    with contextlib.suppress(BaseException):
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 1)
        os.dup2(null, 2)
        sys.argv = ["sunhwan", *arguments, "--quiet"]
        try:
            main()
        except SystemExit as exit:
            code = exit.code if isinstance(exit.code, int) else int(exit.code is not None)
        else:
            code = 0
    os._exit(code)


def finished(child: int, seconds: float) -> int | None:
    """The exit code of a child that ends in time; None for one that does not."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.001)
    return None


def kill_all(corpus: Path, folder: Path, kills: int, seed: int, task: str) -> dict[str, object]:
    """Kill so many times; what became of each run."""
    rng = random.Random(seed)
    # Once here, for what is imported late.
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        sys.argv = ["sunhwan", *train(corpus, folder / "warm", task), "--quiet"]
        main()
    begun = time.monotonic()
    codes = [finished(fork(train(corpus, folder / "straight", task)), 100)]
    longest = 0.8 * (time.monotonic() - begun)
    killed = rounds = 0
    while killed < kills:
        out = folder / str(rounds)
        rounds += 1
        while True:
            if not (out / "config.toml").exists():
                shutil.rmtree(out, ignore_errors=True)
                child = fork(train(corpus, out, task))
            else:
                child = fork(["resume", str(out)])
            code = finished(child, rng.uniform(0, longest) if killed < kills else 100)
            if code is not None:
                codes.append(code)
                break
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            killed += 1
    return {"killed": killed, "runs": rounds, "codes": codes, "seconds": longest}


if __name__ == "__main__":
    sunhwan.plots.draw_losses = lambda run: run.folder / "loss.png"
    corpus, folder, kills, seed, *task = sys.argv[1:]
    report = kill_all(
        Path(corpus), Path(folder), int(kills), int(seed), *task or ["language_model"]
    )
    print(json.dumps(report))
