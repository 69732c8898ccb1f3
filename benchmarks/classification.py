"""Classification on files of one's own: accuracy and macro F1 on texts that were held out.

`python -m benchmarks.classification nsmc TRAIN TEST [--minutes 5 20] [--seed 1] [--json FILE]`
`python -m benchmarks.classification sms FILE [--minutes 2]`

nsmc: Naver film reviews, the official training and test files (id, document, label). sms: one file
without a header, label and message; every message whose hash says so, a fifth, is held out, so that
the same message is never on both sides. Minutes are those of `sunhwan train --minutes`, validation and
start-up included; training keeps its own validation rows apart, the test file is read once.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

import sunhwan
from benchmarks.measure import arguments_of, machine, publish, split_by_hash, table
from sunhwan.api import load
from sunhwan.config import Config, parse_assignment

HELD_OUT = 0.2


def measure(
    train: Path, test: Path, minutes: float, seed: int, settings: list[str]
) -> dict[str, Any]:
    """Train for so long, then score the test file once."""
    config = Config.from_dict(
        {
            "task": {"name": "classify"},
            "data": {"source": str(train)},
            "training": {"minutes": minutes, "seed": seed},
        }
    ).override(dict(map(parse_assignment, settings)))
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        result = sunhwan.train(config, Path(folder) / "run", started=begun)
        seconds = time.perf_counter() - begun
        scores = load(result.run).evaluate(test)
    return {"minutes": minutes, "seed": seed, "seconds": seconds, **scores.to_dict()}


def main() -> None:
    parser = arguments_of(__doc__.splitlines()[0])
    parser.add_argument("data", choices=("nsmc", "sms"))
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--minutes", nargs="+", type=float)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--set", nargs="*", default=[], dest="settings")
    options = parser.parse_args()
    minutes = options.minutes or ([5, 20] if options.data == "nsmc" else [2])
    with tempfile.TemporaryDirectory() as folder:
        if options.data == "sms":
            train, test = split_by_hash(
                options.files[0], Path(folder), ("label", "text"), "2", HELD_OUT
            )
        else:
            train, test = options.files
        rows = [
            measure(train, test, budget, seed, options.settings)
            for budget in minutes
            for seed in options.seeds
        ]
    header = ["data", "minutes", "seed", "seconds", "test rows", "accuracy", "macro F1"]
    lines = table(
        header,
        [
            [
                options.data, f"{row['minutes']:g}", row["seed"], f"{row['seconds']:.0f}",
                f"{row['examples']:,}", f"{row['accuracy']:.4f}", f"{row['macro_f1']:.4f}",
            ]
            for row in rows
        ],
    )  # fmt: skip
    publish(f"{lines}\nOne run a row; {machine()}.\n", rows, options)


if __name__ == "__main__":
    main()
