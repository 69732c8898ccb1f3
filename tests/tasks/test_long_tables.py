"""Long tables of series: known columns ahead, gaps, unequal lengths, figures by series."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import sunhwan
from sunhwan.config import Config
from sunhwan.data.seasons import found_longer, found_season
from sunhwan.errors import ConfigError, DataError
from sunhwan.models.forecaster import QUANTILES, fitted_spread, mixed_spread
from sunhwan.tasks import Forecast
from sunhwan.tasks.forecast.layout import Layout
from sunhwan.training import rolling_origins
from tests.conftest import Command

SMALL = (
    "--threads=1", "--set=model.hidden_size=12", "--set=model.embedding_size=8",
    "--set=data.batch_size=16", "--set=training.validations=2", "--quiet",
)  # fmt: skip


def day(number: int) -> str:
    return f"{np.datetime64('2023-01-02') + number}"


def shops(path: Path, sold: Callable[[int, int], float], days: int = 84, ahead: int = 7) -> Path:
    """Sales of four shops of unequal age, one of them new, with holes; promotions double them."""
    lines = ["day,shop,city,sold,promo"]
    for shop in range(4):
        for n in range(0 if shop < 3 else days - 4, days + ahead):
            if n % 17 == 5 + shop:
                continue
            promo = int((n * 7 + shop * 3) % 11 < 3)
            cell = "" if n >= days else f"{sold(shop, n) * (1 + promo):.3f}"
            lines.append(f"{day(n)},s{shop},{'AB'[shop % 2]},{cell},{promo}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def weekly(shop: int, n: int) -> float:
    return float(10**shop * (2 + math.sin(n * 2 * math.pi / 7)))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("shops")
    file = shops(folder / "shops.csv", weekly)
    config = Config.from_dict(
        {
            "task": {"name": "forecast", "future": ["promo"], "horizon": 5},
            "data": {"source": str(file), "batch_size": 16},
            "model": {"hidden_size": 24, "embedding_size": 12, "dropout": 0.0},
            "training": {"steps": 120, "threads": 1, "validations": 2, "learning_rate": 0.01},
        }
    )
    return sunhwan.train(config, folder / "run").run, file


def test_promotions_known_ahead_are_used(trained: tuple[Path, Path]) -> None:
    run, file = trained
    task = sunhwan.load(run)
    answers = [answer.values for answer in task.predict_file(file)]
    assert [(a["shop"], a["day"] if "day" in a else a["time"]) for a in answers[:5]] == [
        ("s0", day(n)) for n in range(84, 89)
    ]
    assert [a["series"] for a in answers] == [f"s{shop}" for shop in range(4) for _ in range(5)]
    for shop in (0, 1, 2):
        for a, n in zip(answers[5 * shop :], range(84, 89), strict=False):
            promo = (n * 7 + shop * 3) % 11 < 3
            expected = weekly(shop, n) * (1 + promo)
            assert a["median"] == pytest.approx(expected, rel=0.35), (shop, n, promo)
    # A young series has a forecast of its own size.
    young = [a["median"] for a in answers[15:]]
    assert all(200 < value < 12_000 for value in young)
    assert answers == [answer.values for answer in task.predict_file(file)]


def test_what_is_known_ahead_must_be_given(trained: tuple[Path, Path], tmp_path: Path) -> None:
    run, file = trained
    short = tmp_path / "short.csv"
    lines = file.read_text(encoding="utf-8").splitlines()
    short.write_text(
        "\n".join(line for line in lines if line < day(87) or line.startswith("day")) + "\n",
        "utf-8",
    )
    with pytest.raises(
        DataError, match="promo is known ahead, but the file does not give it for the 5 "
    ):
        list(sunhwan.load(run).predict_file(short))


def test_what_is_known_ahead_may_be_a_file_of_its_own(
    trained: tuple[Path, Path], tmp_path: Path, command: Command
) -> None:
    run, file = trained
    header, *lines = file.read_text(encoding="utf-8").splitlines()
    past, ahead = tmp_path / "past.csv", tmp_path / "ahead.csv"
    before = [line for line in lines if line < day(84)]
    after = [line.split(",") for line in lines if line >= day(84)]
    past.write_text("\n".join([header, *before]) + "\n", "utf-8")
    cells = [f"{row[4]},{row[1]},{row[0]}" for row in after]
    ahead.write_text("\n".join(["promo,shop,day", *cells]) + "\n", "utf-8")
    together = command("predict", run, file, "--as=csv").out
    assert command("predict", run, past, "--future", ahead, "--as=csv").out == together
    unknown = [cells[0].replace(",s0,", ",s9,"), cells[1].replace(",s0,", ",s8,")]
    ahead.write_text("\n".join(["promo,shop,day", *cells, *unknown]) + "\n", "utf-8")
    done = command("predict", run, past, "--future", ahead, "--as=csv")
    assert done.out == together
    assert "ahead.csv without a past to go on from are left out: 2, the first s9" in done.err
    ahead.write_text("\n".join(["promo,shop,day", *cells[4:]]) + "\n", "utf-8")
    done = command("predict", run, past, "--future", ahead)
    assert f"ahead.csv has no row for '{day(84)}' of s0" in done.sentence
    other = cells[0].replace(cells[0][0], "1" if cells[0][0] == "0" else "0", 1)
    ahead.write_text("\n".join(["promo,shop,day", *cells, cells[1], other]) + "\n", "utf-8")
    done = command("predict", run, past, "--future", ahead)
    assert "which holds another promo" in done.sentence


def test_series_without_numbers_are_left_out_and_said(
    trained: tuple[Path, Path], tmp_path: Path, command: Command
) -> None:
    run, file = trained
    rows = [
        f"{day(n)},s{shop},A,{7 if (shop, n) == (9, 80) else ''},0\n"
        for shop in (8, 9)
        for n in range(70, 91)
    ]
    bare = tmp_path / "bare.csv"
    bare.write_text(file.read_text(encoding="utf-8") + "".join(rows), "utf-8")
    done = command("predict", run, bare, "--as=csv")
    assert done.out == command("predict", run, file, "--as=csv").out
    assert "2 series with fewer than two numbers are left out, the first s8" in done.err
    bare.write_text("day,shop,city,sold,promo\n" + "".join(rows), "utf-8")
    assert "each series has fewer than two numbers" in command("predict", run, bare).sentence


def test_series_with_a_broken_cell_are_left_out_on_request_and_told(
    trained: tuple[Path, Path], tmp_path: Path, command: Command
) -> None:
    run, file = trained
    lines = file.read_text("utf-8").splitlines()
    broken = next(n for n, line in enumerate(lines) if ",s1," in line)
    cells = lines[broken].split(",")
    lines[broken] = ",".join([*cells[:3], "much", cells[4]])
    some = tmp_path / "some.csv"
    some.write_text("\n".join(lines) + "\n", "utf-8")
    place = f"some.csv, line {broken + 1}: column 'sold' holds 'much'"
    done = command("predict", run, some, "--as=csv", "--skip-bad")
    whole = command("predict", run, file, "--as=csv").out.splitlines()
    assert done.out.splitlines() == [line for line in whole if "s1," not in line]
    assert place in done.err.replace("\n", " ")
    assert place in command("predict", run, some, "--as=csv").sentence


def test_figures_of_each_series_and_of_all(trained: tuple[Path, Path]) -> None:
    run, file = trained
    review = sunhwan.load(run).review(file)
    assert set(review.values["series"]) == {"s0", "s1", "s2"}
    total = review.scores
    assert total.mase < total.naive_mase
    each = review.values["series"].values()
    assert total.smape == pytest.approx(np.mean([s["smape"] for s in each]), rel=0.2)
    assert 0 < total.crps < 1
    json.dumps(review.values, allow_nan=False)
    assert [panel["of"] for panel in review.values["panels"]] == [3, 3, 3]


def test_nothing_behind_the_origin_is_seen_of_gaps_and_longer_seasons(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    week = rng.normal(size=7 * 24)
    lines = ["ds,y"]
    values = [3 * math.sin(n * math.pi / 12) + week[n % 168] for n in range(24 * 50)]
    for n, value in enumerate(values):
        stamp = np.datetime64("2024-01-01T00") + n
        cell = "" if n % 97 == 3 else f"{value:.4f}"
        lines.append(f"{str(stamp).replace('T', ' ')}:00,{cell}")
    file = tmp_path / "hours.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    small = {"model.hidden_size": 4, "model.embedding_size": 4, "task.name": "forecast"}
    task: Any = Forecast.prepare(
        Config().override({**small, "data.source": str(file)}, "the test")
    ).task
    assert task.layout.longer == (168,)
    assert task.layout.gaps
    for parameter in task.model.parameters():
        parameter.data.normal_(generator=torch.Generator().manual_seed(1))
    origin = 24 * 45
    lines[origin + 2 :] = [line.rpartition(",")[0] + ",999999" for line in lines[origin + 2 :]]
    other = tmp_path / "other.csv"
    other.write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = []
    for path in (file, other):
        (window,) = [w for w in task.read(path) if w.origin == origin]
        found.append(task.quantiles([window])[0])
    np.testing.assert_array_equal(*found)
    # The step a week before stands beside each step of the future.
    inputs = task.collate([window]).inputs.values[0]
    assert inputs.shape[1] == task.layout.features
    assert bool((inputs[:, -1] == 1).all())


def test_seasons_are_found_where_values_repeat() -> None:
    rng = np.random.default_rng(2)
    t = np.arange(600)
    walk = rng.normal(size=(3, 600)).cumsum(1)
    assert found_season(list(walk)) is None
    assert found_season([8 * np.sin(t * 2 * np.pi / 13) + w for w in walk]) == 13
    day = np.tile(rng.normal(size=24), 60)
    week = np.repeat(np.tile([0, 0, 0, 0, 0, 5.0, 5.0], 9), 24)[:1440]
    cycles = {"day": 24.0, "week": 168.0, "year": 8766.0}
    noise = rng.normal(size=1440)
    assert found_longer([day + week + noise], 24, cycles) == (168,)
    assert found_longer([day + noise], 24, cycles) == ()


def test_spread_makes_bands_hold_their_share() -> None:
    generator = torch.Generator().manual_seed(3)
    targets = torch.randn(4000, 3, generator=generator)
    levels = torch.tensor(QUANTILES)
    narrow = 0.4 * torch.erfinv(2 * levels - 1) * math.sqrt(2)
    quantiles = narrow.expand(4000, 3, -1)
    factors = fitted_spread(quantiles, targets)
    assert factors == pytest.approx([2.5] * 4 + [1.0] + [2.5] * 4, rel=0.1)
    targets[0] = math.nan
    assert fitted_spread(quantiles[:5], targets[:5]).tolist() == [1.0] * 9


def test_bands_are_not_fitted_to_a_calm_end(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    values = (rng.normal(size=300) * np.where(np.arange(300) < 270, 1.0, 0.2)).cumsum()
    rows = [f"{day(n)},{values[n]}" for n in range(300)]
    file = tmp_path / "calm.csv"
    file.write_text("\n".join(["day,y", *rows]) + "\n", encoding="utf-8")
    settings = {"model.hidden_size": 4, "model.embedding_size": 4, "task.name": "forecast"}
    ready = Forecast.prepare(Config().override({**settings, "data.source": str(file)}, "the test"))
    task: Any = ready.task
    torch.nn.init.uniform_(task.model.output.bias, -1, 1)
    task.sample, factors = (), []
    for moved in (task.moved, 0.0):
        task.moved = moved
        task.validate(ready.validation)
        factors.append(float(task.model.spread[0]))
    assert factors[0] > 1.2 * factors[1]


def test_bands_widen_to_what_was_learned_from(tmp_path: Path) -> None:
    held, learned = torch.tensor([0.5, 1.0]), torch.tensor([3.0, 0.5])
    assert mixed_spread(held, learned, 1.5, 0).tolist() == [3.0, 1.5]
    assert mixed_spread(held, learned, 1.5, 20) == pytest.approx([1.5**0.5, 1.5**0.5])
    rng = np.random.default_rng(5)
    rows = [f"{day(n)},{value}" for n, value in enumerate(rng.normal(size=200).cumsum())]
    file = tmp_path / "narrow.csv"
    file.write_text("\n".join(["day,y", *rows]) + "\n", encoding="utf-8")
    settings = {"model.hidden_size": 4, "model.embedding_size": 4, "task.name": "forecast"}
    ready = Forecast.prepare(Config().override({**settings, "data.source": str(file)}, "the test"))
    task: Any = ready.task
    with torch.no_grad():
        task.model.output.bias.copy_(torch.linspace(-0.2, 0.2, len(QUANTILES)))  # far too narrow
    factors = []
    for sample in (task.sample, ()):
        task.sample = sample
        task.validate(ready.validation)
        factors.append(float(task.model.spread[0]))
    assert factors[0] > 1.5 * factors[1]


def test_a_constant_series_does_not_flatter(command: Command, tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    walk = rng.normal(size=60).cumsum()
    rows = [f"u,{day(n)},{walk[n]}" for n in range(60)] + [f"c,{day(n)},5" for n in range(60)]
    both, alone = tmp_path / "both.csv", tmp_path / "alone.csv"
    both.write_text("\n".join(["unique_id,ds,y", *rows]) + "\n", encoding="utf-8")
    alone.write_text("\n".join(["unique_id,ds,y", *rows[:60]]) + "\n", encoding="utf-8")
    run = tmp_path / "run"
    done = command("train", "--task", "forecast", both, "--out", run, "--steps", 5, *SMALL)
    assert done.code == 0, done.err
    figures = [json.loads(command("evaluate", run, f, "--json").out) for f in (both, alone)]
    assert figures[0]["mase"] == pytest.approx(figures[1]["mase"])
    assert figures[0]["without_mase"] == figures[0]["forecasts"] - figures[1]["forecasts"]
    assert figures[0]["series"]["c"]["mase"] is None


def test_counts_are_never_less_than_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    rows = [f"{day(n)},{rng.poisson(0.4)}" for n in range(80)]
    file = tmp_path / "counts.csv"
    file.write_text("\n".join(["day,sold", *rows]) + "\n", encoding="utf-8")
    small = {"model.hidden_size": 4, "model.embedding_size": 4, "task.name": "forecast"}
    task: Any = Forecast.prepare(
        Config().override({**small, "data.source": str(file)}, "the test")
    ).task
    for parameter in task.model.parameters():
        parameter.data.normal_(generator=torch.Generator().manual_seed(1))
    (window,) = task.asked(next(iter(task.questions(file))))
    found, _ = task.quantiles([window])
    assert (found >= 0).all()
    assert (np.diff(found, axis=-1) >= 0).all()


def test_a_layout_is_kept_whole(trained: tuple[Path, Path]) -> None:
    layout = sunhwan.load(trained[0]).layout
    assert Layout.from_dict(json.loads(json.dumps(layout.to_dict()))) == layout
    assert layout.static == (
        ("city", ("A", "B")),
    )  # a word of its own for each says nothing of others


def test_typed_rows_with_a_gap_are_put_on_the_calendar(tmp_path: Path) -> None:
    rows = [f"{day(n)},{n % 7 + n * 0.1}" for n in range(60)]
    file = tmp_path / "days.csv"
    file.write_text("\n".join(["day,y", *rows]) + "\n", encoding="utf-8")
    settings = {"model.hidden_size": 4, "model.embedding_size": 4, "task.name": "forecast"}
    task: Any = Forecast.prepare(
        Config().override({**settings, "data.source": str(file)}, "the test")
    ).task
    typed = task.parse_question("\n".join(f"{day(n)} {n}" for n in range(20) if n != 17))
    assert typed.times == tuple(map(day, range(20)))
    assert np.flatnonzero(np.isnan(typed.values[:, 0])).tolist() == [17]
    assert next(iter(task.answers([typed]))).values["time"] == day(20)
    half = task.parse_question(f"{day(0)} 1\n{day(0)} 12:00 2\n{day(1)} 3")
    assert half.clock.after(1) == (f"{day(1)}T12:00",)
    with pytest.raises(DataError, match="so far apart that most are missing"):
        task.parse_question(f"{day(0)} 1\n{day(1)} 2\n{day(900)} 3")


def test_rolling_origins_look_at_nothing_behind_them(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    values = rng.normal(size=(2, 60)).cumsum(1)
    files = []
    for change in (0.0, 1e6):
        changed = values.copy()
        changed[:, 56:] += change
        rows = [f"s{k},{day(n)},{changed[k, n]}" for k in range(2) for n in range(60)]
        files.append(tmp_path / f"{change:g}.csv")
        files[-1].write_text("\n".join(["unique_id,ds,y", *rows]) + "\n", encoding="utf-8")
    settings = {
        "task.name": "forecast", "task.horizon": 4, "model.hidden_size": 4, "model.embedding_size": 4,
        "training.steps": 2, "training.threads": 1,
    }  # fmt: skip
    scores = [
        rolling_origins(
            Config().override({**settings, "data.source": [str(file)]}),
            tmp_path / file.stem,
            folds=2,
        )
        for file in files
    ]
    assert [one.forecasts for one in scores[0]] == [2, 2]
    assert scores[0][0] == scores[1][0]
    assert scores[0][1].mae < 1e5 < scores[1][1].mae
    with pytest.raises(ConfigError, match=r"set task\.name to forecast and task\.horizon"):
        rolling_origins(Config(), tmp_path / "x")


def test_the_command_cross_validates(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    rows = [f"{day(n)},{n % 7 + n % 3}" for n in range(60)]
    file.write_text("\n".join(["ds,y", *rows]) + "\n", encoding="utf-8")
    asked = ("train", "--task=forecast", file, "--steps=2", "--origins=2", "--json", "-q")
    done = command(*asked, "--set=task.horizon=4", "--out", tmp_path / "runs")
    assert [scores["forecasts"] for scores in json.loads(done.out)] == [1, 1]
    assert "say with --out" in command(*asked).sentence


def test_the_command_names_columns(command: Command, tmp_path: Path) -> None:
    file = shops(tmp_path / "shops.csv", weekly, ahead=0)
    out = tmp_path / "run"
    done = command(
        "train",
        "--task",
        "forecast",
        file,
        "--group",
        "shop, city",
        "--out",
        out,
        "--steps",
        2,
        *SMALL[:-1],
    )
    assert done.code == 0, done.err
    assert "the series sold of each shop, city" in done.out
    line = json.loads(command("predict", out, file, "--json").out.splitlines()[0])
    assert (line["shop"], line["city"], line["series"], line["time"]) == (
        "s0",
        "A",
        "s0 A",
        day(84),
    )
    wrong = command("train", "--task", "forecast", file, "--group", "shp", "--out", tmp_path / "x")
    assert "no column 'shp'" in wrong.sentence
