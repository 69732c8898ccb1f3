"""Forecast a series: sales that rise, with a week's rhythm and chance, and a band of what may come.

    python examples/forecast_series.py
    python examples/forecast_series.py my_series.csv --horizon 14 --picture forecast.png

A file of one's own has a column of times and one of numbers or several, the oldest row first.
"""

import argparse
import datetime
import math
import random
import tempfile
from pathlib import Path

import sunhwan
from sunhwan.plots import draw_forecasts

WEEK = (0.0, -3.0, -2.0, 1.0, 4.0, 12.0, 8.0)
START = datetime.date(2023, 1, 2)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", type=Path, help="a table of numbers (default: ours)")
    parser.add_argument("--horizon", type=int, default=7, help="how many steps ahead")
    parser.add_argument("--hidden-size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--picture", type=Path, help="a PNG of the forecast")
    options = parser.parse_args(arguments)

    with tempfile.TemporaryDirectory() as scratch:
        file = options.file or Path(scratch, "빵집.csv")
        if options.file is None:
            file.write_text("날짜,식빵\n" + "".join(days(400)), encoding="utf-8")
        config = sunhwan.Config.from_dict(
            {
                "task": {"name": "forecast", "horizon": options.horizon},
                "data": {"source": str(file)},
                "model": {"hidden_size": options.hidden_size},
                "training": {"steps": options.steps, "validations": 4},
            }
        )
        result = sunhwan.train(config, Path(scratch, "run"))
        forecaster = sunhwan.load(result.run)
        print(f"{result.steps} steps, {result.seconds:.1f} s; validation {result.best.summary()}")
        for answer in forecaster.predict_file(file):
            print(answer.text)
        if options.picture:
            draw_forecasts(forecaster.panels(forecaster.questions(file)), options.picture)


def days(count: int) -> list[str]:
    """So many days of loaves sold, one a line."""
    rng = random.Random(1)
    lines = []
    for day in range(count):
        sold = 60 + 0.05 * day + WEEK[day % 7] + 2 * math.sin(day / 30) + rng.gauss(0, 2)
        lines.append(f"{START + datetime.timedelta(day)},{sold:.1f}\n")
    return lines


if __name__ == "__main__":
    main()
