"""Two versions of this package beside each other: steps of training and tokens written a second.

`python -m benchmarks.versions OTHER [--threads 2] [--rounds 5] [--json FILE] [--markdown FILE]`

OTHER is a checkout of another version whose compiled library was built into its folder build
(`cmake -S native -B build -DCMAKE_BUILD_TYPE=Release && cmake --build build`), as that of this one was.
Each version runs in a process of its own, which keeps the memory it frees as `sunhwan train` does, and they
are asked in turn. Nothing but what every version has is called: `Config`, `train`, `load`, `sample`.
"""

import json
import os
import random
import statistics
import string
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parents[1]
TRAINED = [
    ("lstm", 1, 64, 64),
    ("lstm", 1, 256, 64),
    ("lstm", 2, 512, 100),
    ("gru", 2, 512, 100),
    ("lstm_layer_norm", 1, 256, 64),
]
"""Cell, layers, H, T of models whose steps are timed; N = 32."""

WRITTEN = [("lstm", 1, 512), ("lstm", 2, 512), ("gru", 1, 64)]
STEPS, FIRST, LETTERS = 24, 4, 4000


def settings(corpus: str, cell: str, layers: int, H: int, T: int, steps: int) -> dict[str, Any]:
    """A configuration that means the same in every version."""
    return {
        "text": {"corpus": corpus, "vocabulary": "characters"},
        "data": {"batch_size": 32, "block_length": T},
        "model": {
            "cell": cell, "hidden_size": H, "num_layers": layers, "input": "embedding",
            "embedding_size": 64, "dropout": 0.0,
        },
        "training": {
            "optimizer": "adamw", "learning_rate": 0.002, "steps": steps, "sample_length": 0,
            "fast_products": False,
        },
    }  # fmt: skip


def train_seconds(corpus: str, case: tuple[str, int, int, int], run: Path) -> float:
    """The median step of a short run, without its first ones."""
    import sunhwan
    from sunhwan.training import Reporter

    moments: list[float] = []

    class Watch(Reporter):
        def step(self, report: Any) -> None:
            moments.append(time.perf_counter())

    config = sunhwan.Config.from_dict(settings(corpus, *case, STEPS))
    sunhwan.train(config, run, reporter=Watch())
    return statistics.median(
        after - before for before, after in zip(moments[FIRST:], moments[FIRST + 1 :], strict=False)
    )


def write_seconds(corpus: str, case: tuple[str, int, int], run: Path) -> float:
    """One token, of a text of `LETTERS` written by an untrained model."""
    import sunhwan

    if not run.exists():
        sunhwan.train(sunhwan.Config.from_dict(settings(corpus, *case, 16, 1)), run)
    model: Any = sunhwan.load(run)
    model.sample("a", length=50)
    begun = time.perf_counter()
    model.sample("a", length=LETTERS)
    return (time.perf_counter() - begun) / LETTERS


def answer() -> None:
    """What a version's process does: a request a line, the seconds a line."""
    import torch

    from sunhwan.ops import keep_freed_memory

    keep_freed_memory()
    for line in sys.stdin:
        request = json.loads(line)
        torch.set_num_threads(request["threads"])
        measure = train_seconds if request["kind"] == "train" else write_seconds
        seconds = measure(request["corpus"], tuple(request["case"]), Path(request["run"]))
        print(json.dumps(seconds), file=sys.__stdout__, flush=True)


class Version:
    """A checkout, in a process of its own."""

    def __init__(self, checkout: Path) -> None:
        library = checkout / "build" / "sunhwan_native.so"
        if not library.is_file():
            raise SystemExit(f"{library} is missing: build the compiled library of this version")
        env = {
            **os.environ,
            "PYTHONPATH": str(checkout / "src"),
            "SUNHWAN_LIBRARY": str(library),
        }
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--answer"], env=env, text=True, cwd=checkout,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def seconds(self, **request: Any) -> float:
        """One measurement."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(request), file=self.process.stdin, flush=True)
        return float(json.loads(self.process.stdout.readline()))


def main() -> None:
    from benchmarks.measure import arguments_of, machine, publish, table

    parser = arguments_of(__doc__)
    parser.add_argument("other", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    cases = [("train", case) for case in TRAINED] + [("write", case) for case in WRITTEN]
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        corpus = folder / "letters.txt"
        letters = random.Random(1).choices(string.ascii_letters + " ", k=400_000)
        corpus.write_text("".join(letters), encoding="utf-8")
        sides = {"other": Version(options.other.resolve()), "this": Version(HERE)}
        for kind, case in cases:
            found: dict[str, list[float]] = {side: [] for side in sides}
            for turn in range(options.rounds):
                for side, version in sides.items():
                    run = f"{side}-{kind}-{'-'.join(map(str, case))}"
                    run += f"-{turn}" if kind == "train" else ""
                    found[side].append(
                        version.seconds(
                            kind=kind, case=case, corpus=str(corpus), run=str(folder / run),
                            threads=options.threads,
                        )
                    )  # fmt: skip
            seconds = {side: statistics.median(values) for side, values in found.items()}
            ratio = seconds["other"] / seconds["this"]
            rows.append({"kind": kind, "case": case, **seconds, "ratio": ratio})
    names = {"train": "a step of training, ms", "write": "a token written, µs"}
    scale = {"train": 1e3, "write": 1e6}
    lines = table(
        ["what", "model", "other", "this", "ratio"],
        [
            (
                names[row["kind"]],
                " ".join(map(str, row["case"])),
                *(f"{scale[row['kind']] * row[side]:.1f}" for side in sides),
                f"{row['ratio']:.2f}",
            )
            for row in rows
        ],
    )
    publish(
        f"{lines}\nRatio: the speed of this version over the other's. Medians of "
        f"{options.rounds} rounds in turn; "
        f"{machine()}.\n",
        rows,
        options,
    )


if __name__ == "__main__":
    answer() if "--answer" in sys.argv else main()
