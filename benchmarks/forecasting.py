"""Forecasts of the built-in series: MASE of what was held out, beside that of the seasonal naive.

`python -m benchmarks.forecasting [--minutes 1] [--seeds 1 2 3] [--origins 1] [--json FILE]`

The last 10 % of each series are kept apart. `sunhwan train --task forecast` reads the rest, of which
it keeps the end to validate on, then forecasts are made from every row of what was kept apart. MASE
divides by the mean |x_t − x_{t−m}| of all rows before, so that the seasonal naive has 1 there; on the
rows kept apart it has what the table says.

`--origins 5` does so five times, with what lies behind 50 %, 60 %, … 90 % of the series: each model
sees nothing from its origin on, and a row of the table tells the figures of all forecasts together.
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


def write(name: str, folder: Path, origin: int) -> tuple[Path, Path]:
    """A built-in series → a file of the rows before an origin, and one of 10 % more.

    origin: 1 for the last, 10 % before the end, 2 for the one before …
    """
    series = load_built_in(name)
    header = ",".join(("time", *series.columns))
    rows = zip(series.times, series.values.tolist(), strict=True)
    lines = [",".join((time, *map(repr, values))) for time, values in rows]
    apart = round(HELD_OUT * len(lines))
    kept = len(lines) - origin * apart
    paths = folder / "train.csv", folder / "all.csv"
    for path, some in zip(paths, (lines[:kept], lines[: kept + apart]), strict=True):
        path.write_text("\n".join((header, *some)) + "\n", encoding="utf-8")
    return paths


def measure(
    name: str, origin: int, minutes: float, steps: int, seed: int, settings: list[str]
) -> dict[str, Any]:
    """Train on the rows before an origin, then forecast from each of those behind it."""
    budget = {"steps": steps} if steps else {"minutes": minutes}
    with tempfile.TemporaryDirectory() as folder:
        train, everything = write(name, Path(folder), origin)
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
        "series": name, "seed": seed, "origin": origin, "steps": result.steps,
        "best_step": result.best_step, "seconds": result.seconds, "part": review.values["part"],
        **review.scores.to_dict(),
    }  # fmt: skip


def pooled(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each series and seed the figures of all origins together, each forecast counting once."""
    groups: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for result in results:
        groups.setdefault((result["series"], result["seed"]), []).append(result)
    found = []
    for (name, seed), runs in groups.items():
        total = sum(run["forecasts"] for run in runs)
        mean = {
            key: sum(run[key] * run["forecasts"] for run in runs) / total
            for key in ("mae", "mase", "naive_mase", "coverage")
        }
        steps = max(run["steps"] for run in runs)
        found.append({"series": name, "seed": seed, "steps": steps, "forecasts": total, **mean})
    return found


def main() -> None:
    parser = arguments_of(__doc__)
    parser.add_argument("--series", nargs="+", default=list(BUILT_IN_SERIES))
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--steps", type=int, default=0, help="instead of minutes")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--origins", type=int, default=1, help="so many, 10 %% of the series apart")
    parser.add_argument("--set", nargs="*", default=[], dest="settings")
    options = parser.parse_args()
    results = [
        measure(name, origin, options.minutes, options.steps, seed, options.settings)
        for name in options.series
        for seed in options.seeds
        for origin in range(options.origins, 0, -1)
    ]
    header = ["series", "seed", "steps", "forecasts", "MAE", "MASE", "seasonal naive", "80 % band"]
    rows = [
        (
            r["series"], r["seed"], r["steps"], r["forecasts"], f"{r['mae']:.3g}", f"{r['mase']:.3f}",
            f"{r['naive_mase']:.3f}", f"{100 * r['coverage']:.0f} %",
        )
        for r in pooled(results)
    ]  # fmt: skip
    budget = f"{options.steps} steps" if options.steps else f"{options.minutes:g} minutes"
    runs = f"{options.origins} runs a row, each" if options.origins > 1 else "One run a row,"
    text = f"{table(header, rows)}\n{runs} of {budget}; {machine()}.\n"
    publish(text, results, options)


if __name__ == "__main__":
    main()
