"""Made retail sales, 12 stores × 20 items, beside seasonal naive, AutoETS and gradient boosting with lags.

`python -m benchmarks.retail [--days 420] [--minutes 3] [--seeds 1] [--json FILE]`

Daily sales that are Poisson numbers around a level, a week and a year; promotions, known ahead, that
raise them; stores that open late, and days without a row. All forecast the last 14 days of each series
from what was before. Gradient boosting (scikit-learn) reads lags, their means, the day of the week, the
promotion, store and item; AutoETS is that of statsforecast, left out where it is not installed.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import sunhwan
from benchmarks.measure import arguments_of, machine, publish, table
from sunhwan.api import load
from sunhwan.config import Config, parse_assignment
from sunhwan.data.windows import filled, naive_error

HORIZON, SEASON = 14, 7
LAGS = (1, 2, 3, 4, 5, 6, 7, 14, 21, 28)
Array = NDArray[np.float64]


class Sales(NamedTuple):
    """One item in one store: from which day on, what was sold (NaN: no row), the promotions."""

    store: int
    item: int
    start: int
    sold: Array
    promo: Array


def made(days: int, seed: int = 1) -> list[Sales]:
    """The sales of all stores and items."""
    rng = np.random.default_rng(seed)
    t = np.arange(days)
    found = []
    week_of_store = rng.normal(0, 0.25, (12, 7))
    opened = np.where(rng.random(12) < 0.3, rng.integers(60, days // 2, 12), 0)
    for store in range(12):
        for item in range(20):
            level = np.exp(rng.normal(1.6, 1.0))
            slow = np.cumsum(rng.normal(0, 0.01, days))
            year = 0.3 * np.sin(2 * np.pi * (t / 365.25 + item / 20))
            promo = np.repeat(rng.random(days // 7 + 1) < 0.15, 7)[:days].astype(float)
            lift = 0.4 + 0.5 * (item % 4) / 3
            mean = level * np.exp(slow + year + week_of_store[store, t % 7] + lift * promo)
            sold = rng.poisson(mean).astype(float)
            sold[rng.random(days) < 0.02] = np.nan
            start = int(opened[store])
            sold[start], sold[-1] = max(sold[start], 0), max(sold[-1], 0)
            sold[[start, -1]] = np.nan_to_num(sold[[start, -1]])
            found.append(Sales(store, item, start, sold[start:], promo[start:]))
    return found


def write(path: Path, sales: list[Sales]) -> Path:
    """The long table: a row a day that has one."""
    first = np.datetime64("2022-01-03")
    lines = ["store,item,date,sold,promo"]
    for one in sales:
        lines += [
            f"{one.store},{one.item},{first + one.start + n},{value:.0f},{one.promo[n]:.0f}"
            for n, value in enumerate(one.sold)
            if not np.isnan(value)
        ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def ours(sales: list[Sales], minutes: float, steps: int, seed: int, settings: list[str]) -> Array:
    """Train on all but the horizon, forecast it: (series, H)."""
    budget = {"steps": steps} if steps else {"minutes": minutes}
    with tempfile.TemporaryDirectory() as folder:
        file = write(Path(folder) / "sales.csv", sales)
        task = {"name": "forecast", "horizon": HORIZON, "leave_out": HORIZON, "future": ["promo"]}
        config = Config.from_dict(
            {
                "task": task,
                "data": {"source": str(file)},
                "training": {"seed": seed, "threads": 1, **budget},
            }
        ).override(dict(map(parse_assignment, settings)))
        forecaster: Any = load(sunhwan.train(config, Path(folder) / "run").run)
        windows = [w for w in forecaster.read(file) if w.origin == len(w.track.values) - HORIZON]
        quantiles, _ = forecaster.quantiles(windows)
    found: Array = quantiles[..., quantiles.shape[-1] // 2]
    return found


def naive(sales: list[Sales]) -> Array:
    """The last week again and again."""
    past = [filled(one.sold[:-HORIZON], SEASON)[-SEASON:] for one in sales]
    return np.stack([week[np.arange(HORIZON) % SEASON] for week in past])


def boosting(sales: list[Sales]) -> Array:
    """Gradient boosting, one model for all series and steps, each lag at least the horizon old."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    def row(one: Sales, past: Array, n: int, h: int) -> list[float]:
        lags = [past[n - lag] if n >= lag else np.nan for lag in LAGS]
        same = [past[n - 1 - k] for k in range(56) if n - 1 - k >= 0 and (k + h) % 7 == 0]
        week = float(np.mean(same)) if same else np.nan
        recent = float(past[max(0, n - 28) : n].mean())
        day = one.start + n + h - 1
        return [*lags, week, recent, day % 7, h, one.promo[n + h - 1], one.store, one.item]

    rows, answers, asked = [], [], []
    rng = np.random.default_rng(1)
    for one in sales:
        past = filled(one.sold[:-HORIZON], SEASON)
        known = len(past)
        for n in rng.integers(28, known, 150):
            h = int(rng.integers(1, HORIZON + 1))
            if n + h <= known and not np.isnan(one.sold[n + h - 1]):
                rows.append(row(one, past, int(n), h))
                answers.append(one.sold[n + h - 1])
        asked += [row(one, past, known, h) for h in range(1, HORIZON + 1)]
    model = HistGradientBoostingRegressor(loss="absolute_error", max_iter=400, learning_rate=0.05)
    found: Array = model.fit(np.array(rows), np.array(answers)).predict(np.array(asked))
    return found.reshape(len(sales), HORIZON)


def ets(sales: list[Sales]) -> Array | None:
    """AutoETS of each series; None where statsforecast is not installed."""
    try:
        from statsforecast.models import AutoETS
    except ImportError:
        return None
    found = [
        AutoETS(season_length=SEASON).forecast(filled(one.sold[:-HORIZON], SEASON), h=HORIZON)[
            "mean"
        ]
        for one in sales
    ]
    return np.stack(found)


def figures(sales: list[Sales], found: Array) -> dict[str, float]:
    """MAE, MASE and sMAPE over the horizon."""
    truth = np.stack([one.sold[-HORIZON:] for one in sales])
    known = ~np.isnan(truth)
    units = np.array([[naive_error(one.sold[:-HORIZON], SEASON)] for one in sales])
    errors = np.abs(truth - found)
    sizes = np.abs(truth) + np.abs(found)
    smape = 200 * errors / np.where(sizes > 0, sizes, 1)
    return {
        "mae": float(errors[known].mean()),
        "mase": float((errors / units)[known].mean()),
        "smape": float(smape[known].mean()),
    }


def main() -> None:
    parser = arguments_of(__doc__)
    parser.add_argument("--days", type=int, default=420)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--steps", type=int, default=0, help="instead of minutes")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--only", nargs="+", default=["sunhwan", "naive", "boosting", "ets"])
    parser.add_argument("--set", nargs="*", default=[], dest="settings")
    options = parser.parse_args()
    sales = made(options.days)
    sides: dict[str, Callable[[], Array | None]] = {
        f"sunhwan, seed {seed}": lambda seed=seed: ours(  # type: ignore[misc]
            sales, options.minutes, options.steps, seed, options.settings
        )
        for seed in options.seeds
        if "sunhwan" in options.only
    }
    others = {
        "naive": ("seasonal naive", lambda: naive(sales)),
        "boosting": ("gradient boosting with lags", lambda: boosting(sales)),
        "ets": ("AutoETS", lambda: ets(sales)),
    }
    sides |= {name: side for key, (name, side) in others.items() if key in options.only}
    results = []
    for name, side in sides.items():
        begun = time.process_time()
        found = side()
        if found is not None:
            spent = time.process_time() - begun
            results.append({"method": name, "cpu_seconds": spent, **figures(sales, found)})
    header = ["method", "CPU s", "MAE", "MASE", "sMAPE"]
    rows = [
        (r["method"], f"{r['cpu_seconds']:.0f}", f"{r['mae']:.3f}", f"{r['mase']:.4f}",
         f"{r['smape']:.2f}")
        for r in results
    ]  # fmt: skip
    text = (
        f"{table(header, rows)}\n{len(sales)} series of up to {options.days} days; {machine()}.\n"
    )
    publish(text, results, options)


if __name__ == "__main__":
    main()
