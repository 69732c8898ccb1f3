"""Times that follow, and places in the calendar."""

from datetime import datetime, timedelta

import numpy as np
import pytest

from sunhwan.data.calendar import following, longer_cycles, phases


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
    assert longer_cycles(hours, 24) == ("week",)
    assert longer_cycles(hours, 1) == ("day", "week")
    assert longer_cycles(hours[: 24 * 10], 24) == ()
    days = [f"{datetime(2020, 1, 1) + timedelta(n):%Y-%m-%d}" for n in range(800)]
    assert longer_cycles(days, 7) == ("year",)
    assert longer_cycles([f"{2000 + n // 12}-{n % 12 + 1:02}" for n in range(60)], 12) == ()
    assert longer_cycles(["1", "2", "3"], 1) == ()


def test_phases_are_points_on_circles() -> None:
    found = phases(["2024-01-01 06:00", "2024-01-04 12:00"], ("day", "week"))
    angles = 2 * np.pi * np.array([[1 / 4, 1 / 28], [1 / 2, 1 / 2]])
    np.testing.assert_allclose(
        found, np.concatenate((np.sin(angles), np.cos(angles)), 1), atol=1e-6
    )
    assert phases(["x", "y"], ()).shape == (2, 0)
    with pytest.raises(ValueError, match="x"):
        phases(["2024-01-01", "x"], ("year",))
