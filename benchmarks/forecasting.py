"""Forecasts of the built-in series: MASE of what was held out, beside that of the seasonal naive.

`python -m benchmarks.forecasting [--minutes 1] [--seeds 1 2 3] [--json FILE]`

The last 10 % of each series are kept apart. `sunhwan train --task forecast` reads the rest, of which
it keeps the end to validate on, then forecasts are made from every row of what was kept apart. MASE
divides by the mean |x_t − x_{t−m}| of all rows before, so that the seasonal naive has 1 there; on the
rows kept apart it has what the table says.
"""

import tempfile
from pathlib import Path
from typing import Any

import sunhwan
from benchmarks.measure import arguments_of, machine, publish, table
from sunhwan.api import load
from sunhwan.config import Config, parse_assignment
from sunhwan.data import BUILT_IN_SERIES, load_built_in

HELD_OUT = 0.1


def write(name: str, folder: Path) -> tuple[Path, Path]:
    """A built-in series → a file of its first rows, and one of all of them."""
    series = load_built_in(name)
    header = ",".join(("time", *series.columns))
    rows = zip(series.times, series.values.tolist(), strict=True)
    lines = [",".join((time, *map(repr, values))) for time, values in rows]
    kept = len(lines) - round(HELD_OUT * len(lines))
    paths = folder / "train.csv", folder / "all.csv"
    for path, some in zip(paths, (lines[:kept], lines), strict=True):
        path.write_text("\n".join((header, *some)) + "\n", encoding="utf-8")
    return paths


def measure(
    name: str, minutes: float, steps: int, seed: int, settings: list[str]
) -> dict[str, Any]:
    """Train on the first rows, then forecast from each of the others."""
    budget = {"steps": steps} if steps else {"minutes": minutes}
    with tempfile.TemporaryDirectory() as folder:
        train, everything = write(name, Path(folder))
        config = Config.from_dict(
            {
                "task": {"name": "forecast"},
                "data": {"source": str(train)},
                "training": {"seed": seed, **budget},
            }
        ).override(dict(map(parse_assignment, settings)))
        result = sunhwan.train(config, Path(folder) / "run")
        review = load(result.run).review(everything)
    return {
        "series": name, "seed": seed, "steps": result.steps, "best_step": result.best_step,
        "seconds": result.seconds, "part": review.values["part"], **review.scores.to_dict(),
    }  # fmt: skip


def main() -> None:
    parser = arguments_of(__doc__)
    parser.add_argument("--series", nargs="+", default=list(BUILT_IN_SERIES))
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--steps", type=int, default=0, help="instead of minutes")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--set", nargs="*", default=[], dest="settings")
    options = parser.parse_args()
    results = [
        measure(name, options.minutes, options.steps, seed, options.settings)
        for name in options.series
        for seed in options.seeds
    ]
    header = ["series", "seed", "steps", "forecasts", "MAE", "MASE", "seasonal naive", "80 % band"]
    rows = [
        (
            r["series"], r["seed"], r["steps"], r["forecasts"], f"{r['mae']:.3g}", f"{r['mase']:.3f}",
            f"{r['naive_mase']:.3f}", f"{100 * r['coverage']:.0f} %",
        )
        for r in results
    ]  # fmt: skip
    budget = f"{options.steps} steps" if options.steps else f"{options.minutes:g} minutes"
    text = f"{table(header, rows)}\nOne run a row, of {budget}; {machine()}.\n"
    publish(text, results, options)


if __name__ == "__main__":
    main()
