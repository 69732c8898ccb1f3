"""Times that follow, and places in the calendar."""

from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sunhwan.data.calendar import DAY, HOUR, MONDAY, SECOND, WEEK, UnevenTimesError, calendar_of
from sunhwan.data.clock import Clock, following
from sunhwan.errors import DataError


@pytest.mark.parametrize(
    ("times", "after"),
    [
        (("2001-11", "2001-12"), ("2002-01", "2002-02", "2002-03")),
        (("2023-12-31", "2024-01-31"), ("2024-02-29", "2024-03-31", "2024-04-30")),
        (("2024/06/30", "2024/09/30"), ("2024/12/30", "2025/03/30", "2025/06/30")),
        (("2024-01-30", "2024-01-31"), ("2024-02-01", "2024-02-02", "2024-02-03")),
        (("2024-01-15", "2024-01-22", "2024-01-29"), ("2024-02-05", "2024-02-12", "2024-02-19")),
        (("20240227", "20240228"), ("20240229", "20240301", "20240302")),
        (("2024Q3", "2024Q4"), ("2025Q1", "2025Q2", "2025Q3")),
        (("2023년 9월", "2023년 10월"), ("2023년 11월", "2023년 12월", "2024년 1월")),
        (("2024.09.29", "2024.09.30"), ("2024.10.01", "2024.10.02", "2024.10.03")),
        (
            ("2024-01-01 22:00", "2024-01-01 23:00"),
            ("2024-01-02 00:00", "2024-01-02 01:00", "2024-01-02 02:00"),
        ),
        (
            ("2024-01-01T23:40:00+09:00", "2024-01-01T23:50:00+09:00"),
            ("2024-01-02T00:00:00+09:00", "2024-01-02T00:10:00+09:00", "2024-01-02T00:20:00+09:00"),
        ),
        (("1999", "2000"), ("2001", "2002", "2003")),
        (("1958.25", "1958.50"), ("1958.75", "1959.00", "1959.25")),
        (("Jan", "Feb"), ("+1", "+2", "+3")),
        (("2024-01-31",), ("+1", "+2", "+3")),
        (("9999-11", "9999-12"), ("+1", "+2", "+3")),
    ],
    ids=lambda value: value[-1],
)  # fmt: skip
def test_times_go_on_as_they_were_written(times: tuple[str, ...], after: tuple[str, ...]) -> None:
    assert following(times, 3) == after


def test_days_without_weekends_go_on_without_weekends() -> None:
    days = ("2024-01-03", "2024-01-04", "2024-01-05", "2024-01-08", "2024-01-09", "2024-01-10")
    assert following((*days, "2024-01-11", "2024-01-12"), 2) == ("2024-01-15", "2024-01-16")


def test_a_year_of_months_with_its_last_days_is_the_calendars() -> None:
    every = [datetime(2023, 1, 1) + timedelta(n) for n in range(1000)]
    ends = [d.strftime("%Y-%m-%d") for d in every if (d + timedelta(1)).day == 1]
    assert list(following(ends[:6], len(ends) - 6)) == ends[6:]


def test_cycles_are_longer_than_the_season_and_were_gone_through_twice() -> None:
    hours = [f"{datetime(2024, 1, 1) + timedelta(hours=n)}" for n in range(24 * 20)]
    assert Clock.of(hours).longer_cycles(24) == ("week",)
    assert Clock.of(hours).longer_cycles(1) == ("day", "week")
    assert Clock.of(hours[: 24 * 10]).longer_cycles(24) == ()
    days = [f"{datetime(2020, 1, 1) + timedelta(n):%Y-%m-%d}" for n in range(800)]
    assert Clock.of(days).longer_cycles(7) == ("year",)
    months = [f"{2000 + n // 12}-{n % 12 + 1:02}" for n in range(60)]
    assert Clock.of(months).longer_cycles(12) == ()
    assert Clock.of(["1", "2", "3"]).longer_cycles(1) == ()


def test_phases_are_points_on_circles() -> None:
    days = Clock.of(["2024-01-01 06:00", "2024-01-04 12:00"])
    found = days.phases(("day", "week"), 0)
    angles = 2 * np.pi * np.array([[1 / 4, 1 / 28], [1 / 2, 1 / 2]])
    np.testing.assert_allclose(
        found, np.concatenate((np.sin(angles), np.cos(angles)), 1), atol=1e-6
    )
    assert Clock.of(["x", "y"]).phases((), 1).shape == (3, 0)
    with pytest.raises(ValueError, match="0"):
        Clock.of(["1", "2"]).phases(("year",), 1)


def office(days: int, hours: range = range(9, 18), weekend: bool = True) -> list[str]:
    start = datetime(2024, 1, 1)
    all_days = [start + timedelta(day) for day in range(days)]
    return [
        f"{day:%Y-%m-%d} {hour:02}:00"
        for day in all_days
        if weekend or day.weekday() < 5
        for hour in hours
    ]


def test_office_hours_go_on_as_office_hours() -> None:
    clock = Clock.of(office(60))
    assert clock.calendar.season == 9
    assert clock.after(10) == (
        *(f"2024-03-01 {h:02}:00" for h in range(9, 18)),
        "2024-03-02 09:00",
    )
    workdays = Clock.of(office(40, weekend=False))
    assert workdays.calendar.season == 9
    assert workdays.calendar.cycles["week"] == 45
    assert workdays.after(1) == ("2024-02-12 09:00",)  # after a Friday
    shorter = [t for t in office(40) if datetime.fromisoformat(t).weekday() < 5
               or (datetime.fromisoformat(t).weekday() == 5 and t[11:] < "13")]  # fmt: skip
    assert Clock.of(shorter).calendar.season == 49  # the week, for Saturdays differ
    three = [t for t in office(30) if t[11:13] in ("09", "12", "17")]
    assert Clock.of(three).calendar.season == 3
    assert Clock.of(three).after(2) == ("2024-01-31 09:00", "2024-01-31 12:00")


@given(st.integers(0, 2**32 - 1), st.floats(0.02, 0.3))
@settings(max_examples=25, deadline=None)
def test_gaps_by_chance_are_no_holes_of_the_calendar(seed: int, share: float) -> None:
    kept = np.random.default_rng(seed).random(24 * 28) > share
    kept[[0, 1, -1]] = True
    hours = [datetime(2024, 1, 1) + timedelta(hours=n) for n in np.flatnonzero(kept).tolist()]
    points = np.array([(h - datetime(1970, 1, 1)) // timedelta(microseconds=1) for h in hours])
    calendar, _ = calendar_of([points], "date")
    assert calendar.slots == ()
    np.testing.assert_array_equal(calendar.places(points), np.flatnonzero(kept))


def test_places_and_points_undo_each_other() -> None:
    for times in (
        office(30, weekend=False),
        ["2023-11-30", "2023-12-31", "2024-01-31"],
        ["0.5", "0.75"],
    ):
        clock = Clock.of(times)
        places = np.arange(clock.first - 30, clock.first + 90)
        np.testing.assert_array_equal(clock.calendar.places(clock.calendar.points(places)), places)


def test_rows_beside_the_grid_are_moved_and_uneven_ones_refused() -> None:
    start = datetime(2024, 1, 1)
    shaken = [start + timedelta(minutes=10 * n, seconds=7 * n % 40) for n in range(50)]
    micro = [np.array([(t - datetime(1970, 1, 1)) // timedelta(microseconds=1) for t in times])
             for times in (shaken, [start + timedelta(minutes=n * n) for n in range(50)])]  # fmt: skip
    calendar, notes = calendar_of(micro[:1], "date")
    assert (np.diff(calendar.places(micro[0])) == 1).all()
    assert notes == ("the times lie beside a grid of 10 minutes and are moved to it",)
    with pytest.raises(DataError, match="the times are uneven: the usual step is"):
        calendar_of(micro[1:], "date")


def test_months_end_on_their_last_workday() -> None:
    ends = ("2024-01-31", "2024-02-29", "2024-03-29", "2024-04-30", "2024-05-31")
    assert following(ends, 2) == ("2024-06-28", "2024-07-31")


def test_numbers_have_gaps_too_and_uneven_ones_are_refused() -> None:
    calendar, _ = calendar_of([np.array([0.0, 2.0, 3.0, 5.0, 7.0])], "number")
    assert calendar.places(np.array([0.0, 2.0, 7.0])).tolist() == [0, 2, 7]
    assert following(("1990", "1995", "2000"), 1) == ("2005",)
    with pytest.raises(DataError, match="the times are uneven numbers"):
        calendar_of([np.array([0.0, 3.1, 7.0, 10.4, 14.0])], "number")


def test_weeks_with_a_day_before_a_holiday_are_weeks() -> None:
    weeks = np.arange(60) * 7 * 86_400_000_000
    weeks[[14, 30]] -= 86_400_000_000
    found, notes = calendar_of([weeks], "date")
    assert (found.season, found.slots, notes) == (
        52, (), ("the times lie beside a grid of 7 days and are moved to it",),
    )  # fmt: skip
    assert (np.diff(found.places(weeks)) == 1).all()
    twice = np.sort(np.append(weeks, weeks[40] + 86_400_000_000))
    assert calendar_of([twice], "date")[0].slots


@pytest.mark.parametrize(
    ("step", "off"), [(10 * SECOND, 2000), (300 * SECOND, 19_000), (DAY, 500), (SECOND, 1000)]
)
def test_times_that_tremble_are_moved_to_their_grid(step: int, off: int) -> None:
    places = np.concatenate((np.arange(40), np.arange(42, 80)))
    points = 19_000 * DAY + places * step + (places * 7 % 3 - 1) * off
    (found, notes) = calendar_of([points], "date")
    assert (found.unit, found.step, found.slots) == ("time", step, ())
    assert (found.places(points) - found.places(points[:1]) == places).all()
    assert "and are moved to it" in notes[0]


def test_office_hours_that_tremble_keep_their_holes() -> None:
    hours = [24 * day + hour for day in range(60) if day % 7 < 5 for hour in range(9, 18)]
    points = MONDAY + 2600 * WEEK + np.array(hours) * HOUR - np.arange(len(hours)) % 2 * 1000
    found, _ = calendar_of([points], "date")
    assert len(found.slots) == 45
    assert (np.diff(found.places(points)) == 1).all()


def test_no_calendar_is_finer_than_its_rows() -> None:
    points = 19_000 * DAY + np.cumsum(np.arange(1, 60) * 7919 % 9973) * 1000
    with pytest.raises(UnevenTimesError):
        calendar_of([points], "date")
