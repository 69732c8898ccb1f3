"""Forecasts across a change of the clock: days are those of the clock that the file is written on."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from numpy.typing import NDArray

from sunhwan.api import load
from sunhwan.config import Config
from sunhwan.data import read_panel
from sunhwan.data.slots import Slots, of_season
from sunhwan.data.windows import naive_error, past_seasons, stretch, usual_scales
from sunhwan.tasks.forecast.layout import Layout
from sunhwan.tasks.forecast.tracks import Track, Window, tracks_of, with_scales
from sunhwan.training import train

DAY, WEEK, HORIZON = 24, 168, 48
CHANGES = [
    ("Europe/Berlin", datetime(2024, 3, 31, 1)),
    ("Europe/Berlin", datetime(2024, 10, 27, 1)),
    ("America/New_York", datetime(2024, 3, 10, 7)),
    ("America/New_York", datetime(2024, 11, 3, 6)),
]
"""Zones, and the instants of UTC at which their clocks change."""

HOURS = np.arange(WEEK) % DAY
PATTERN = 100 - 60 * np.cos((HOURS - 3) * 2 * np.pi / DAY) + 25 * np.exp(-((HOURS - 8) ** 2))
"""Of the hours of a week, as the clock shows them: least at 3, with a peak at 8."""


def shown(instants: list[datetime], zone: str) -> list[datetime]:
    return [instant.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)) for instant in instants]


def around(change: datetime, before: int, after: int) -> list[datetime]:
    return [change + timedelta(hours=n) for n in range(-before, after)]


def daily(clock: list[datetime]) -> NDArray[np.float64]:
    return PATTERN[[time.hour for time in clock]]


def weekly(clock: list[datetime]) -> NDArray[np.float64]:
    days = [time.weekday() for time in clock]
    return daily(clock) * np.array([1, 1, 1.1, 1, 1, 0.6, 0.4])[days]


def track(
    folder: Path, clock: list[datetime], values: NDArray[np.float64], *, on_clock: bool = True
) -> Track:
    """The track of a file whose times are written with their offsets; no row where a value is missing."""
    rows = [f"{t.isoformat()},{v}" for t, v in zip(clock, values.tolist(), strict=True) if v == v]
    (folder / "hours.csv").write_text("\n".join(("time,load", *rows)) + "\n", encoding="utf-8")
    (series,) = read_panel(folder / "hours.csv")
    (made,) = tracks_of(series, Layout(targets=("load",), on_clock=on_clock), HORIZON)
    np.testing.assert_array_equal(made.values, values)
    return made


@pytest.mark.parametrize(("zone", "change"), CHANGES)
@pytest.mark.parametrize("gaps", [False, True])
def test_a_pattern_of_the_clock_goes_on_behind_a_change(
    tmp_path: Path, zone: str, change: datetime, gaps: bool
) -> None:
    clock = shown(around(change, 26 * DAY, 12 * DAY), zone)
    values = daily(clock)
    if gaps:
        values[np.random.default_rng(1).permutation(len(values) - 2)[:80] + 1] = np.nan
    (found,) = with_scales([track(tmp_path, clock, values)], Layout(drawn=True), DAY)
    assert found.usual is not None
    assert not found.usual[3 * DAY :].any()
    for origin in range(24 * DAY, len(values) - HORIZON, 11):
        window = Window(found, origin, 3 * DAY, HORIZON)
        expected = daily(clock[origin : origin + HORIZON])
        np.testing.assert_array_equal(window.naive(DAY), expected)
        _, repeated, scale = window.stretch(DAY)
        assert scale == 0
        np.testing.assert_allclose(repeated, expected, atol=14 if gaps else 3)


@pytest.mark.parametrize(("zone", "change"), CHANGES)
def test_a_week_ago_is_the_same_hour_of_the_clock(
    tmp_path: Path, zone: str, change: datetime
) -> None:
    """Compared with a clock that never changes: each of its hours once, none of them skipped."""
    clock = shown(around(change, 30 * DAY, 6 * DAY), zone)
    found = track(tmp_path, clock, weekly(clock))
    first = clock[0].replace(tzinfo=None)
    even = [first + timedelta(hours=n) for n in range(40 * DAY)]
    values, places = weekly(even), {time: n for n, time in enumerate(even)}
    for origin in range(28 * DAY, len(clock) - HORIZON, 7):
        rows = [
            places[time.replace(tzinfo=None)] for time in clock[origin - DAY : origin + HORIZON]
        ]
        least, now, most = min(rows), rows[DAY], max(rows) + 1
        expected = past_seasons(values, now, now - least, most - now, DAY, WEEK)
        got = past_seasons(found.values, origin, DAY, HORIZON, DAY, WEEK, found.slots)
        np.testing.assert_allclose(got, expected[np.array(rows) - least], atol=1)
        other = np.where(np.arange(len(found.values)) < origin, found.values, 1e6)
        again = past_seasons(other, origin, DAY, HORIZON, DAY, WEEK, found.slots)
        np.testing.assert_array_equal(got, again)


@pytest.mark.parametrize(("zone", "change"), CHANGES)
def test_naive_figures_are_those_of_the_clock(tmp_path: Path, zone: str, change: datetime) -> None:
    """Compared with the times as zoneinfo shows them, looked up in a table."""
    clock = shown(around(change, 6 * DAY, 4 * DAY), zone)
    values = np.random.default_rng(2).normal(size=len(clock))
    values[1:-1:11] = np.nan
    found = track(tmp_path, clock, values)
    wall = [time.replace(tzinfo=None) for time in clock]
    # Of an hour that is shown twice the later that is known.
    at = {time: value for time, value in zip(wall, values.tolist(), strict=True) if value == value}
    steps = [abs(v - at.get(t - timedelta(1), np.nan)) for t, v in zip(wall, values, strict=True)]
    expected = np.nanmean(steps)
    slots = of_season(found.slots, DAY)
    assert naive_error(found.values, DAY, slots) == pytest.approx(expected)
    assert naive_error(found.values, DAY) != pytest.approx(expected)
    assert usual_scales(found.values, DAY, slots)[-1] == pytest.approx(expected)
    for origin in range(3 * DAY, len(clock) - HORIZON):
        known = {t.hour: v for t, v in zip(wall[:origin], values[:origin], strict=True) if v == v}
        again = [known[t.hour] for t in wall[origin : origin + HORIZON]]
        naive = Window(found, origin, DAY, HORIZON).naive(DAY)
        np.testing.assert_array_equal(naive, again)


def test_half_hours_behind_hours_shown_twice_and_contexts_of_one_step() -> None:
    """At the origin between the two of them, with nothing from it on looked at."""
    at = np.concatenate((np.arange(100), np.arange(98, 160)))  # two half hours come twice
    values = 10 + np.sin(at * 2 * np.pi / 48)
    for origin in (99, 100, 101, 102, 103):
        for context in (1, 40):
            part = Slots(at, 48).part(origin - context - 48, origin + 50)
            got = stretch(values[origin - context - 48 : origin], 48, 50, None, part)
            np.testing.assert_allclose(got.repeated, values[origin : origin + 50], atol=0.3)
            assert got.read.shape == (context, 2)
    before = past_seasons(values, 101, 5, 30, 1, 48, Slots(at, 48))
    values[101:] = np.nan
    np.testing.assert_array_equal(before, past_seasons(values, 101, 5, 30, 1, 48, Slots(at, 48)))


def test_seasons_of_other_lengths_and_clocks_that_never_change_stay(tmp_path: Path) -> None:
    clock = shown(around(CHANGES[0][1], 9 * DAY, 5 * DAY), "Europe/Berlin")
    values = np.random.default_rng(4).normal(size=len(clock))
    changing, old = (track(tmp_path, clock, values, on_clock=own) for own in (True, False))
    assert changing.slots
    assert old.slots is None
    seoul = track(tmp_path, shown(around(CHANGES[0][1], 9 * DAY, 5 * DAY), "Asia/Seoul"), values)
    assert seoul.slots is None
    for origin in (200, 220, 230):
        one, two, three = (Window(x, origin, 40, HORIZON) for x in (changing, old, seoul))
        for season in (1, 7, 12):
            for got, wanted in zip(one.stretch(season), two.stretch(season), strict=True):
                np.testing.assert_array_equal(got, wanted)
            np.testing.assert_array_equal(one.naive(season), two.naive(season))
        np.testing.assert_array_equal(two.naive(DAY), three.naive(DAY))
        assert (one.naive(DAY) != two.naive(DAY)).any()
        np.testing.assert_array_equal(two.stretch(DAY).repeated, three.stretch(DAY).repeated)


def test_the_place_in_the_week_is_that_of_the_clock(tmp_path: Path) -> None:
    clock = shown(around(CHANGES[1][1], 9 * DAY, 5 * DAY), "Europe/Berlin")
    (tmp_path / "hours.csv").write_text(
        "\n".join(("time,load", *(f"{t.isoformat()},1" for t in clock))), encoding="utf-8"
    )
    (series,) = read_panel(tmp_path / "hours.csv")
    local = np.array([t.weekday() + t.hour / DAY for t in clock]) / 7
    found = series.clock.phases(("week",), 0)
    np.testing.assert_allclose(found[:, 0], np.sin(2 * np.pi * local), atol=1e-6)
    assert not np.allclose(series.clock.phases(("week",), 0, on_clock=False), found)


def written(path: Path, clock: list[datetime], *, offsets: bool) -> Path:
    """A file of the daily pattern, its times with offsets or as the clock shows them."""
    times = clock if offsets else [time.replace(tzinfo=None) for time in clock]
    rows = [f"{t.isoformat(' ')},{v}" for t, v in zip(times, daily(clock).tolist(), strict=True)]
    path.write_text("\n".join(("time,load", *rows)) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(("zone", "change", "offsets"), [(*CHANGES[0], False), (*CHANGES[3], True)])
def test_a_forecast_across_a_change_is_right_in_value_and_in_its_times(
    tmp_path: Path, zone: str, change: datetime, offsets: bool
) -> None:
    """Of a network that says 0, so that the median is what a window repeats. Of times with offsets the
    zone is known by the change; else it is named, and its clock never changed in the rows learned from."""
    clock = shown(around(change, 14 * DAY, 5 * DAY), zone)
    now = 14 * DAY
    learned = clock if offsets else clock[: now - 9]
    settings = {
        "task.name": "forecast", "task.horizon": HORIZON, "task.context": 30,
        "data.source": str(written(tmp_path / "learn.csv", learned, offsets=offsets)),
        "model.hidden_size": 3, "training.steps": 1, "training.threads": 1,
        **({} if offsets else {"task.zone": zone}),
    }  # fmt: skip
    task = load(train(Config().override(settings), tmp_path / "run").run)
    assert (task.layout.zone, task.layout.on_clock) == (zone, True)
    task.model.output.weight.data.zero_()
    task.model.output.bias.data.zero_()
    # The days before the change alone, when its offset is that of other zones, too.
    for end in (now - 20, now - 1, now + 3, now + 20):
        file = written(tmp_path / "ask.csv", clock[end - 8 * DAY : end], offsets=offsets)
        lines = file.read_text(encoding="utf-8").splitlines()[1:]
        coming = clock[end : end + HORIZON]
        times = [t.isoformat(" ")[: None if offsets else 19] for t in coming]
        for questions in (task.questions(file), [task.parse_question(lines)]):
            answers = list(task.answers(questions))
            assert [a.values["time"].replace("T", " ") for a in answers] == times
            medians = [a.values["median"] for a in answers]
            np.testing.assert_allclose(medians, daily(coming), atol=2)
    # A question of another zone, with its change, is one of that zone.
    elsewhere = shown(around(CHANGES[1][1], 6 * DAY, 2 * DAY), "Europe/London")
    lines = [f"{t.isoformat()},{v}" for t, v in zip(elsewhere, daily(elsewhere), strict=True)]
    (asked,) = [task.parse_question(lines)]
    assert asked.clock.zone == "Europe/London"


@pytest.mark.parametrize(("zone", "change"), CHANGES)
def test_times_that_a_clock_shows_twice_are_said(
    tmp_path: Path, zone: str, change: datetime
) -> None:
    clock = shown(around(change, WEEK, WEEK), zone)
    rows = "".join(f"{time.isoformat()},{n % 7}\n" for n, time in enumerate(clock))
    (tmp_path / "a.csv").write_text(f"time,load\n{rows}", encoding="utf-8")
    (series,) = read_panel(tmp_path / "a.csv")
    assert ("1 of the times are shown twice" in series.said) == (change.month > 9)
