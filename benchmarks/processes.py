"""A step of training in two processes of a thread each against one process of two, and of one.

`python -m benchmarks.processes [--hidden-sizes 512] [--optimizers muon,adamw] [--rounds 5] [--steps 30]`

`sunhwan train` on the built-in text with an LSTM of one layer, N = 32, T = 64, in turn: two processes of
one thread each, one process of two threads, one process of one. A round's time is the median time between
two steps of the run's own log, so that starting, reading and validating do not count.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from itertools import pairwise, product
from pathlib import Path

from benchmarks.measure import arguments_of, machine, publish, table

SIDES = {
    "two processes": ("--processes", "2", "--threads", "1"),
    "two threads": ("--threads", "2"),
    "one thread": ("--threads", "1"),
}
SETTINGS = [
    "training.validations=1",
    "training.baselines=false",
    "data.batch_size=32",
    "data.block_length=64",
]


def seconds_a_step(side: str, hidden_size: int, optimizer: str, steps: int) -> float:
    """The median of a run's times from step to step, but for the first five."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        command = [sys.executable, "-m", "sunhwan", "train", "stdlib", "--cell", "lstm", "--quiet"]
        command += ["--out", str(run), "--steps", str(steps), "--seed", "1", *SIDES[side]]
        for setting in [
            *SETTINGS,
            f"model.hidden_size={hidden_size}",
            f"training.optimizer={optimizer}",
        ]:
            command += ["--set", setting]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        told = (run / "log.jsonl").read_text(encoding="utf-8").splitlines()
    ends: list[float] = [one["seconds"] for one in map(json.loads, told) if one["event"] == "step"]
    return statistics.median(end - begun for begun, end in pairwise(ends[5:]))


def main() -> None:
    """Print the table of the sides."""
    parser = arguments_of(__doc__)
    parser.add_argument("--hidden-sizes", default="512", help="each H")
    parser.add_argument("--optimizers", default="muon,adamw", help="each with every H")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=30)
    arguments = parser.parse_args()
    found = []
    for H, optimizer in product(
        map(int, arguments.hidden_sizes.split(",")), arguments.optimizers.split(",")
    ):
        times: dict[str, list[float]] = {side: [] for side in SIDES}
        for _ in range(arguments.rounds):
            for side in SIDES:
                times[side].append(seconds_a_step(side, H, optimizer, arguments.steps))
        medians = {side: statistics.median(values) for side, values in times.items()}
        found.append({"H": H, "optimizer": optimizer, **medians})
    rows = [
        [
            f"LSTM 1×{one['H']}",
            one["optimizer"],
            *(f"{1000 * one[side]:.1f}" for side in SIDES),
            f"{one['two threads'] / one['two processes']:.2f}",
            f"{one['one thread'] / one['two processes']:.2f}",
        ]
        for one in found
    ]
    header = [
        "model",
        "optimizer",
        *(f"{side}, ms a step" for side in SIDES),
        "speed by two threads",
        "by one thread",
    ]
    publish(
        f"{table(header, rows)}\nMedians of {arguments.rounds} rounds in turn; {machine()}.\n",
        found,
        arguments,
    )


if __name__ == "__main__":
    main()
