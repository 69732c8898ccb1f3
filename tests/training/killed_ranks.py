"""Kills one of two processes of a training at random instants, resumes it, and prints what became of it.

    python -m tests.training.killed_ranks FOLDER KILLS SEED

As in `together`, every process is a fork of this one.
"""

import contextlib
import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import torch

import sunhwan.plots
from sunhwan.errors import SunhwanError
from sunhwan.training import resume, train
from sunhwan.training.processes import RENDEZVOUS
from tests.conftest import TEXT
from tests.training.together import MANY, apart, config_of, losses

LIMIT, PATIENCE = 60.0, 5.0
"""Seconds in which the process that is left must end, and after which it is asked to, as by a launcher:
before the two have met, neither can know that the other is gone."""


def main(folder: Path, kills: int, seed: int) -> None:
    rng = random.Random(seed)
    sunhwan.plots.draw_losses = lambda run: run.folder / "loss.png"
    text = folder / "text.txt"
    text.write_text(TEXT, encoding="utf-8")
    config = config_of("language_model", text, MANY)
    train(config, folder / "straight")  # imports what is imported late
    begun = time.monotonic()
    ended(start(folder, lambda: train(config, folder / "whole")))
    longest = time.monotonic() - begun
    killed, runs, slowest = 0, 0, 0.0
    while killed < kills:
        out = folder / str(runs)
        runs += 1
        codes = [1, 1]
        while codes != [0, 0]:
            if not list(out.glob("checkpoints/*")):
                shutil.rmtree(out, ignore_errors=True)
                children = start(folder, lambda out=out: train(config, out))
            else:
                children = start(folder, lambda out=out: resume(out))
            if killed < kills:
                time.sleep(rng.uniform(0, longest))
                with contextlib.suppress(ProcessLookupError):
                    os.kill(rng.choice(children), signal.SIGKILL)
            begun = time.monotonic()
            codes = ended(children)
            slowest = max(slowest, time.monotonic() - begun)
            killed += -signal.SIGKILL in codes
    ends = [folder / str(number) for number in range(runs)]
    pairs = [zip(losses(folder / "straight"), losses(end), strict=True) for end in ends]
    found = {
        "killed": killed,
        "runs": runs,
        "slowest": slowest,
        "apart": max(apart(folder / "straight", end) for end in ends),
        "losses": max(abs(a - b) for pair in pairs for a, b in pair),
    }
    print(json.dumps(found))


def start(folder: Path, work: object) -> list[int]:
    """Two processes at work; their ids."""
    place = folder / f"meet-{time.monotonic_ns()}"
    children = []
    for rank in range(2):
        child = os.fork()
        if not child:
            code = 70
            os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", RENDEZVOUS: str(place)}
            with contextlib.suppress(BaseException):
                try:
                    work()  # type: ignore[operator]
                    code = 0
                except SunhwanError:
                    code = 1
            os._exit(code)
        children.append(child)
    return children


def ended(children: list[int]) -> list[int]:
    """The exit codes; RuntimeError where a process hangs."""
    limit, asked = time.monotonic() + LIMIT, time.monotonic() + PATIENCE
    codes: dict[int, int | None] = dict.fromkeys(children)
    while None in codes.values():
        for child in [child for child, code in codes.items() if code is None]:
            found, status = os.waitpid(child, os.WNOHANG)
            if found:
                codes[child] = os.waitstatus_to_exitcode(status)
        if time.monotonic() > asked and any(codes.values()):
            asked = limit
            for child in [child for child, code in codes.items() if code is None]:
                os.kill(child, signal.SIGTERM)
        if time.monotonic() > limit:
            raise RuntimeError(
                f"a process still runs {LIMIT:g} s after the other was killed: {codes}"
            )
        time.sleep(0.005)
    return [code for code in codes.values() if code is not None]


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
