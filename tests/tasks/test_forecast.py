"""Numbers to numbers: what is learned, what must not be seen, how good it is, what is refused."""

import json
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import sunhwan
from sunhwan.config import Config
from sunhwan.data import Series
from sunhwan.errors import DataError, UsageError
from sunhwan.tasks import Forecast
from sunhwan.tasks.forecast.tracks import windows_of
from tests.conftest import Command
from tests.tasks.cases import seasons

SMALL = (
    "--threads=1", "--set=model.hidden_size=12", "--set=model.embedding_size=8",
    "--set=data.batch_size=16", "--set=training.validations=2", "--quiet",
)  # fmt: skip


def learn(command: Command, file: Path | str, out: Path, *options: object, steps: int = 60) -> Path:
    done = command(
        "train", "--task", "forecast", file, "--out", out, "--steps", steps, *SMALL, *options
    )
    assert done.code == 0, done.err
    return out


def prepared(file: Path, **settings: Any) -> Any:
    small = {"model.hidden_size": 4, "model.embedding_size": 4, "task.context": 6}
    given = {"task.name": "forecast", "data.source": str(file), **small, **settings}
    return Forecast.prepare(Config().override(given, "the test"))


def disturb(task: Forecast) -> None:
    """Weights with which the model says something else at each step."""
    generator = torch.Generator().manual_seed(1)
    for parameter in task.model.parameters():
        parameter.data.normal_(generator=generator)


def write(path: Path, values: np.ndarray, columns: str = "a") -> Path:
    rows = [",".join(map(repr, np.atleast_1d(row).tolist())) for row in values]
    path.write_text("\n".join((columns, *rows)) + "\n", encoding="utf-8")
    return path


def test_it_learns_a_trend_and_beats_the_naive(command: Command, tmp_path: Path) -> None:
    file = seasons(tmp_path)
    run = learn(command, file, tmp_path / "run", "--set=training.learning_rate=0.01", steps=150)
    done = command("evaluate", run, file, "--json", "--picture", tmp_path / "held.png")
    figures = json.loads(done.out)
    assert figures["mase"] < 0.5 * figures["naive_mase"]
    assert figures["mase"] < 1
    assert 0.4 < figures["coverage"] <= 1
    assert (tmp_path / "held.png").read_bytes().startswith(b"\x89PNG")
    picture = tmp_path / "forecast.png"
    answers = command("predict", run, file, "--json", "--picture", picture).out.splitlines()
    values = [json.loads(line) for line in answers]
    assert [v["series"] for v in values] == ["사과"] * 4 + ["pear"] * 4
    assert [v["time"] for v in values[:4]] == ["2022Q1", "2022Q2", "2022Q3", "2022Q4"]
    assert all(v["lower"] <= v["median"] <= v["upper"] for v in values)
    assert values[0]["quantiles"]["0.5"] == values[0]["median"]
    assert picture.read_bytes().startswith(b"\x89PNG")
    rows = [
        line.split("\t") for line in command("predict", run, file, "--as", "tsv").out.splitlines()
    ]
    assert rows.pop(0)[:5] == ["series", "분기", "median", "lower", "upper"]
    assert [row[:2] for row in rows] == [[v["series"], v["time"]] for v in values]
    assert all(
        float(row[2]) == pytest.approx(v["median"], rel=0.01)
        for row, v in zip(rows, values, strict=True)
    )
    assert "사과  2022Q1  " in command("predict", run, file).out
    assert "name one" in command("predict", run).sentence
    assert "writes nothing" in command("predict", run, file, "--beam", 3).sentence


def test_nothing_behind_the_origin_is_seen(tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(size=(60, 2)).cumsum(0)
    settings = {"task.season": 4, "task.horizon": 3, "task.input": ["b"]}
    task = prepared(write(tmp_path / "a.csv", values, "a,b"), **settings).task
    disturb(task)
    for origin in (5, 20, 57):
        other = values.copy()
        other[origin:] = 1e6
        found = []
        for some in (values, other):
            track = task.read(write(tmp_path / "b.csv", some, "a,b"))[0].track
            found.append(task.quantiles(windows_of(track, [origin], task.config.task))[0])
        np.testing.assert_array_equal(*found)
        assert np.ptp(found[0]) > 0


def test_what_is_held_out_changes_neither_scale_nor_training(tmp_path: Path) -> None:
    values = np.random.default_rng(2).normal(size=(60, 2)).cumsum(0)
    other = values.copy()
    other[-6:] += 1000
    settings = {"task.season": 4, "task.horizon": 3, "task.input": ["b"]}
    one, two = (prepared(write(tmp_path / "a.csv", v, "a,b"), **settings) for v in (values, other))
    assert one.task.layout == two.task.layout
    assert [w.origin for w in one.validation] == [54, 55, 56, 57]
    assert max(w.origin + w.horizon for w in one.train) == 54
    for a, b in zip(one.train, two.train, strict=True):
        assert a.track.error == b.track.error
        for x, y in zip(one.task.collate([a]).inputs, two.task.collate([b]).inputs, strict=True):
            assert x.equal(y)
    mean, deviation = values[:54, 1].mean(), values[:54, 1].std()
    assert one.task.layout.means == pytest.approx((mean,))
    assert one.task.layout.deviations == pytest.approx((deviation,))


def test_the_figures_are_those_by_hand(tmp_path: Path) -> None:
    values = np.random.default_rng(3).normal(size=(50, 1)).cumsum(0)
    settings = {"task.season": 2, "task.horizon": 3, "text.validation_share": 0.2}
    ready = prepared(write(tmp_path / "a.csv", values), **settings)
    x = values[:, 0]
    scale = sum(abs(x[t] - x[t - 2]) for t in range(2, 40)) / 38
    disturb(ready.task)
    found, scales = ready.task.quantiles(ready.validation)
    errors, naive, loss, inside = [], [], [], []
    for n, origin in enumerate(range(40, 48)):
        assert ready.validation[n].origin == origin
        c = 6
        steps = [abs(x[t] - x[t - 2]) for t in range(2, origin)]
        own = (sum(steps[-c:]) + 12 * np.mean(steps)) / (c + 12)
        assert scales[n] == pytest.approx(own)
        for h in range(3):
            y, q = x[origin + h], found[n, h]
            errors.append(abs(y - q[4]))
            naive.append(abs(y - x[origin - 2 + h % 2]))
            loss += [
                max(k / 10 * (y - a), (k / 10 - 1) * (y - a)) / own for k, a in enumerate(q, 1)
            ]
            inside.append(q[0] <= y <= q[8])
    scores = ready.task.evaluate_data(ready.validation)
    assert scores.mae == pytest.approx(np.mean(errors))
    assert scores.mase == pytest.approx(np.mean(errors) / scale)
    assert scores.naive_mase == pytest.approx(np.mean(naive) / scale)
    assert scores.loss == pytest.approx(np.mean(loss))
    assert scores.coverage == np.mean(inside)
    truth = [x[origin + h] for origin in range(40, 48) for h in range(3)]
    median = found[..., 4].ravel()
    assert scores.smape == pytest.approx(
        np.mean([200 * abs(y - m) / (abs(y) + abs(m)) for y, m in zip(truth, median, strict=True)])
    )
    unscaled = [v * scales[n // 27] for n, v in enumerate(loss)]
    assert scores.crps == pytest.approx(2 * np.mean(unscaled) / np.mean(np.abs(truth)))
    assert scores.forecasts == 8
    assert 1 < ready.task.evaluate_data(ready.validation, limit=30).forecasts < 8


def test_a_file_is_compared_where_it_is_new(command: Command, tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    values = rng.normal(size=(70, 1)).cumsum(0)
    run = learn(command, write(tmp_path / "a.csv", values[:60]), tmp_path / "run", steps=2)
    parts = {}
    for name, some in {
        "same": values[:60], "longer": values, "later": values[20:], "a little longer": values[:62],
        "other": values + 1,
    }.items():  # fmt: skip
        figures = json.loads(
            command("evaluate", run, write(tmp_path / "b.csv", some), "--json").out
        )
        parts[name] = figures["part"], figures["forecasts"]
    assert parts == {
        "same": ("the rows after 54, held out in training", 1),
        "longer": ("the rows after 60, never seen before", 5),
        # Rows without times are numbered anew: they cannot be recognised.
        "later": ("all of the file, which goes on from no row that the model knows", 43),
        "a little longer": ("the rows after 54, held out in training", 3),
        "other": ("all of the file, which goes on from no row that the model knows", 63),
    }


def test_several_files_share_a_model(command: Command, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    first = write(tmp_path / "가.csv", rng.normal(size=40).cumsum(), "x")
    second = write(tmp_path / "나.csv", 1000 * rng.normal(size=(30, 2)).cumsum(0), "y,z")
    out = tmp_path / "run"
    done = command(
        "train", "--task", "forecast", first, second, "--out", out, "--steps", 3, *SMALL[:-1]
    )
    assert "3 series" in done.out
    assert [v["series"] for v in map(json.loads, command(
        "predict", out, second, "--json").out.splitlines())] == ["y"] * 6 + ["z"] * 6  # fmt: skip


def test_the_calendar_is_read_on_into_the_future(tmp_path: Path) -> None:
    rng = random.Random(6)
    lines = ["날짜,수요"]
    for hour in range(24 * 20):
        value = 10 * math.sin(hour * math.pi / 12) + rng.random()
        lines.append(f"2024-01-{hour // 24 + 1:02} {hour % 24:02}:00,{value}")
    file = tmp_path / "hours.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    task = prepared(file).task
    assert (task.season, task.horizon, task.layout.cycles) == (24, 24, ("week",))
    window = next(iter(task.asked(next(iter(task.questions(file))))))
    assert window.track.times[-24:][::23] == ("2024-01-21 00:00", "2024-01-21 23:00")
    inputs = task.collate([window]).inputs.values[0]
    angle = 2 * np.pi * (6 + 23 / 24) / 7
    np.testing.assert_allclose(inputs[-1], [0, 0, 1, 1, np.sin(angle), np.cos(angle)], atol=1e-6)
    with pytest.raises(DataError, match="the time 1 is no date"):
        task.asked(list(range(60)))


def test_one_step_of_context_and_of_horizon(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", np.random.default_rng(7).normal(size=12))
    sizes = {"task.season": 1, "task.horizon": 1, "task.context": 1}
    ready = prepared(file, **sizes)
    assert {window.steps for window in ready.train} == {2}
    assert ready.task.evaluate_data(ready.validation).forecasts == 1
    (answer,) = ready.task.predict([[1.0, 3.0]])
    assert answer.values["median"] == 3
    assert answer.cells == ("3", "a", "3.00", "3.00", "3.00")


def test_unit_and_level_of_a_series_go_through_to_its_forecast(tmp_path: Path) -> None:
    values = np.random.default_rng(8).normal(size=50).cumsum()
    task = prepared(write(tmp_path / "a.csv", values)).task
    disturb(task)
    plain, other = (
        [answer.values["quantiles"]["0.3"] for answer in task.predict([v])]
        for v in (values, 1e4 * values - 7)
    )
    np.testing.assert_allclose(other, 1e4 * np.array(plain) - 7, rtol=1e-4)


def test_co2_needs_no_file_and_is_forecast_better_than_repeating(
    command: Command, tmp_path: Path
) -> None:
    pytest.importorskip("statsmodels")
    run = tmp_path / "run"
    done = command("train", "--task", "forecast", "--out", run, "--steps", 60, *SMALL)
    assert done.code == 0, done.err
    figures = json.loads(command("evaluate", run, "co2", "--json").out)
    assert figures["mase"] < 1 < figures["naive_mase"]
    assert command("predict", run, "co2").out.startswith("2002-01  37")
    assert sunhwan.load(run).facts()["horizon"] == "12 steps"


GOOD = "".join(f"{n},{n * n % 17}\n" for n in range(40))


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("time,a\n" + GOOD.replace("7,15", "7,inf", 1), (), "line 9: column 'a'"),
        ("time,a\n" + GOOD.replace("7,15", "7", 1), (), "line 9"),
        ("time,a\n1,2\n2,3\n3,5\n", (), "has 3 rows, but with a season of 1"),
        ("time,a\n" + GOOD, ("--target", "b"), "no column 'b'"),
        ("time,a\n" + GOOD, ("--input", "a"), "leave one to be forecast"),
        ("time,a\n" + GOOD, ("--set=task.season=30",), "at least"),
        ("", (), "bad.csv"),
    ],
    ids=["infinite", "ragged", "short", "no column", "all inputs", "long season", "empty"],
)  # fmt: skip
def test_a_wrong_file_is_one_sentence(
    command: Command, tmp_path: Path, text: str, options: tuple[str, ...], said: str
) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(text, encoding="utf-8")
    done = command("train", "--task", "forecast", file, "--out", tmp_path / "run", *options)
    assert "bad.csv" in done.sentence
    assert said in done.sentence
    assert not (tmp_path / "run").exists()


def test_a_series_that_repeats_exactly_is_repeated(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "weeks.csv"
    file.write_text("day,a\n" + "".join(f"{n},{n % 7}\n" for n in range(90)), encoding="utf-8")
    run = tmp_path / "run"
    done = command(
        "train", "--task=forecast", file, "--out", run, "--steps=5", "--set=task.season=7"
    )
    assert "so are the forecasts" in done.out
    told = command("predict", run, file, "--as=csv").out.splitlines()[1:]
    assert [float(line.split(",")[2]) for line in told] == [n % 7 for n in range(90, 97)]


def test_wrong_questions_are_one_sentence(tmp_path: Path) -> None:
    values = np.random.default_rng(9).normal(size=(50, 2))
    task = prepared(write(tmp_path / "a.csv", values, "a,b"), **{"task.season": 4}).task
    with pytest.raises(DataError, match="has 4 rows, but at least 5"):
        task.asked(values[:4])
    for wrong in ("abc", [[1, 2, 3]] * 9, [1.0] * 9, [[1, math.inf]] * 9, [[[1]]], None):
        with pytest.raises(UsageError):
            task.asked(wrong)
    with pytest.raises(DataError, match="to compare a forecast of 4"):
        task.read(write(tmp_path / "b.csv", values[:8], "a,b"))
    with pytest.raises(DataError, match="no column 'b'"):
        task.read(write(tmp_path / "b.csv", values[:, 0], "a"))
    series = Series("mine", tuple("12345"), ("a", "b"), values[:5], "")
    assert [window.origin for window in task.asked(series)] == [5, 5]
