"""The 359 weekly series of the M4 competition as one long table: sMAPE of the 13 weeks to forecast.

`python -m benchmarks.m4_weekly FOLDER [--minutes 6] [--seeds 1] [--origins 2] [--json FILE]`

FOLDER holds `Weekly-train.csv` and `Weekly-test.csv` of the competition. Settings are chosen by rolling
origins on the training rows: `--origins N` trains on the rows before each of the last N blocks of 13
weeks and forecasts that block. Without it all training rows are learned from and the test rows are
forecast, once.
"""

import csv
import tempfile
import time
from pathlib import Path
from typing import Any

import sunhwan
from benchmarks.measure import arguments_of, machine, publish, table
from sunhwan.api import load
from sunhwan.config import Config, parse_assignment

HORIZON = 13


def rows_of(path: Path) -> dict[str, list[str]]:
    """The values of each series, as they are written."""
    with path.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.reader(lines))[1:]
    return {row[0]: [cell for cell in row[1:] if cell] for row in rows}


def write_long(path: Path, series: dict[str, list[str]]) -> Path:
    """A long table: unique_id, ds, y."""
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(("unique_id", "ds", "y"))
        for name, values in series.items():
            writer.writerows((name, week, value) for week, value in enumerate(values, 1))
    return path


def measure(
    train: dict[str, list[str]], whole: dict[str, list[str]], minutes: float, steps: int, seed: int,
    settings: list[str],
) -> dict[str, Any]:  # fmt: skip
    """Learn from the training rows, then forecast the 13 weeks after them."""
    budget = {"steps": steps} if steps else {"minutes": minutes}
    with tempfile.TemporaryDirectory() as folder:
        begun = time.process_time()
        config = Config.from_dict(
            {
                "task": {"name": "forecast", "horizon": HORIZON},
                "data": {"source": str(write_long(Path(folder) / "train.csv", train))},
                "training": {"seed": seed, "threads": 1, **budget},
            }
        ).override(dict(map(parse_assignment, settings)))
        result = sunhwan.train(config, Path(folder) / "run")
        task = load(result.run)
        scores = task.review(write_long(Path(folder) / "all.csv", whole)).scores
    return {
        "seed": seed, "steps": result.steps, "best_step": result.best_step,
        "cpu_seconds": time.process_time() - begun, "settings": settings, **scores.to_dict(),
    }  # fmt: skip


def main() -> None:
    parser = arguments_of(__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=6.0)
    parser.add_argument("--steps", type=int, default=0, help="instead of minutes")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--origins", type=int, default=0, help="rolling origins on training rows")
    parser.add_argument("--set", nargs="*", default=[], dest="settings")
    options = parser.parse_args()
    train = rows_of(options.folder / "Weekly-train.csv")
    parts = []
    if options.origins:
        for origin in range(options.origins, 0, -1):
            end = -HORIZON * (origin - 1) or None
            whole = {name: values[:end] for name, values in train.items()}
            before = {name: values[: -HORIZON * origin] for name, values in train.items()}
            parts.append((f"{HORIZON * origin} weeks before the end", before, whole))
    else:
        test = rows_of(options.folder / "Weekly-test.csv")
        whole = {name: values + test[name] for name, values in train.items()}
        parts.append(("test", train, whole))
    results = [
        {
            "part": part,
            **measure(before, whole, options.minutes, options.steps, seed, options.settings),
        }
        for part, before, whole in parts
        for seed in options.seeds
    ]
    header = ["rows", "seed", "steps", "CPU s", "sMAPE", "MASE", "seasonal naive", "80 % band"]
    rows = [
        (
            r["part"], r["seed"], r["steps"], f"{r['cpu_seconds']:.0f}", f"{r['smape']:.2f}",
            f"{r['mase']:.3f}", f"{r['naive_mase']:.3f}", f"{100 * r['coverage']:.0f} %",
        )
        for r in results
    ]  # fmt: skip
    publish(f"{table(header, rows)}\nOne run a row; {machine()}.\n", results, options)


if __name__ == "__main__":
    main()
