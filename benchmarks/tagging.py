"""Tagging a treebank: accuracy on its test file, of known and of unknown words.

`python -m benchmarks.tagging FOLDER [--minutes 20] [--seeds 1] [--target upos] [--cpu] [--json FILE]`

FOLDER holds three CoNLL-U files whose names end in train.conllu, dev.conllu and test.conllu. Training
reads the first and keeps the model that is best on the second; the third is read once, at the end.
Minutes are those of `sunhwan train --minutes`, start-up and validation included; with --cpu those that the
process has the processor, for machines that are shared. Known is a word that
the training file has twice at least, which gives it a vector of its own.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

import sunhwan
from benchmarks.measure import arguments_of, machine, processor_time, publish, table
from sunhwan.api import load
from sunhwan.config import Config, parse_assignment


def part(folder: Path, name: str) -> Path:
    """The one file of a treebank whose name ends so."""
    found = sorted(folder.glob(f"*{name}.conllu"))
    if len(found) != 1:
        raise SystemExit(f"{folder} has {len(found)} files *{name}.conllu instead of one")
    return found[0]


def measure(
    folder: Path, target: str, minutes: float, seed: int, settings: list[str]
) -> dict[str, Any]:
    """Train for so long, then score the test file once."""
    config = Config.from_dict(
        {
            "task": {"name": "tag", "target": target},
            "data": {"source": str(part(folder, "train"))},
            "text": {"validation": str(part(folder, "dev"))},
            "training": {"minutes": minutes, "seed": seed},
        }
    ).override(dict(map(parse_assignment, settings)))
    with tempfile.TemporaryDirectory() as scratch:
        begun = time.perf_counter()
        result = sunhwan.train(config, Path(scratch) / "run", started=begun)
        seconds = time.perf_counter() - begun
        review = load(result.run).review(part(folder, "test"))
    values = {name: review.values.get(f"{name}_accuracy") for name in ("known", "unknown")}
    return {
        "target": target,
        "minutes": minutes,
        "seed": seed,
        "seconds": seconds,
        "steps": result.steps,
        "dev": None if result.best is None else result.best.to_dict(),
        **review.scores.to_dict(),
        **values,
    }


def main() -> None:
    parser = arguments_of(__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--target", default="upos")
    parser.add_argument(
        "--cpu", action="store_true", help="minutes of the processor, on one thread"
    )
    parser.add_argument("--set", nargs="*", default=[], dest="settings")
    options = parser.parse_args()
    with processor_time(options.cpu):
        rows = [
            measure(options.folder, options.target, options.minutes, seed, options.settings)
            for seed in options.seeds
        ]
    header = ["minutes", "seed", "seconds", "steps", "dev", "test", "known words", "unknown words"]
    lines = table(
        header,
        [
            [
                f"{row['minutes']:g}", row["seed"], f"{row['seconds']:.0f}", f"{row['steps']:,}",
                *(f"{share:.4f}" for share in (row["dev"]["accuracy"], row["accuracy"])),
                *(f"{row[name]:.4f}" for name in ("known", "unknown")),
            ]
            for row in rows
        ],
    )  # fmt: skip
    clock = "; seconds of the processor" if options.cpu else ""
    text = f"{lines}\nAccuracy of {options.target}; one run a row; {machine()}{clock}.\n"
    publish(text, rows, options)


if __name__ == "__main__":
    main()
