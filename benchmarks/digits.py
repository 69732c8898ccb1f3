"""Handwritten digits in words: how many held-out images are described word for word.

`python -m benchmarks.digits [--names digits digits-ko] [--seeds 1 2 3] [--minutes 1]`

A fifth of the 1,797 images that come with scikit-learn is never seen in training, not to choose the
best model either; the same fifth in every run. CPU seconds are those of the training process.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.measure import arguments_of, describing, machine, publish, table, train_apart


def measured(name: str, seed: int, arguments: Any) -> dict[str, Any]:
    """Train with the shipped defaults in a process of its own, then describe the held-out images."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        sunhwan = [sys.executable, "-m", "sunhwan"]
        used = train_apart(name, run, describing(seed, arguments))
        scores = json.loads(
            subprocess.run(
                [*sunhwan, "evaluate", str(run), name, "--json"], check=True, capture_output=True
            ).stdout
        )
    return {"name": name, "seed": seed, "cpu": used, **scores}


def main() -> None:
    parser = arguments_of(__doc__)
    parser.add_argument("--names", nargs="+", default=["digits", "digits-ko"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--minutes", type=float, help="a budget; left out, the default")
    parser.add_argument("--set", action="append", default=[], help="passed on to sunhwan train")
    arguments = parser.parse_args()
    results = [
        measured(name, seed, arguments) for name in arguments.names for seed in arguments.seeds
    ]
    rows = [
        (r["name"], r["seed"], f"{r['cpu']:.0f}", r["examples"], f"{r['exact_by_beam_search']:.4f}")
        for r in results
    ]
    header = ["", "seed", "CPU seconds", "images", "exact"]
    publish(table(header, rows) + f"\nOne run a row; {machine()}.\n", results, arguments)


if __name__ == "__main__":
    main()
