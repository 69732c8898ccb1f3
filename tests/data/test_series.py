"""Numbers in time: their columns, their order and their season."""

import sys
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sunhwan.data import BUILT_IN_SERIES, Series, load_built_in, read_series, seasonal_period
from sunhwan.data.times import moment
from sunhwan.errors import DataError, UsageError

SALES = "Month,Sales,Rain\n2023-12,1.5,0\n2024-01,-2,1e1\n2024-02,3,.5\n"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(text: str, name: str = "x.csv", time: str = "", columns: tuple[str, ...] = ()) -> Series:
    Path(name).write_text(text, "utf-8")
    return read_series(name, time=time, columns=columns)


def test_all_columns() -> None:
    series = read(SALES)
    assert series.name == "x.csv"
    assert series.times == ("2023-12", "2024-01", "2024-02")
    assert series.columns == ("Sales", "Rain")
    assert series.values.dtype == np.float64
    np.testing.assert_array_equal(series.values, [[1.5, 0], [-2, 10], [3, 0.5]])
    assert series.said == (
        "comma-separated, with a header: Month, Sales, Rain; the time is Month, "
        "the series Sales, Rain"
    )


def test_chosen_columns() -> None:
    assert read(SALES, columns=("rain",)).columns == ("Rain",)
    assert read(SALES, columns=("Rain", "Sales")).values[0].tolist() == [0, 1.5]
    assert read_series("x.csv", columns="Sales").columns == ("Sales",)
    text = "지역\t날짜\t기온\n서울\t2024-01-01\t-3\n서울\t2024-01-02\t-5\n"
    series = read(text, "x.tsv", columns=("기온",))
    assert series.times == ("2024-01-01", "2024-01-02")
    assert read(text, "x.tsv", time="지역", columns=("기온",)).times == ("서울", "서울")


def test_where_the_time_is() -> None:
    assert read("kind,when\n1,Jan\n2,Feb\n").times == ("Jan", "Feb")
    assert read("year,n\n1958,3\n1959,4\n").columns == ("n",)
    series = read("x,y\n1,2\n3,4\n")
    assert series.times == ("1", "2")
    assert series.columns == ("x", "y")
    assert "the time is the row" in series.said
    assert read("2024-01-01,5\n2024-01-02,6\n").times == ("2024-01-01", "2024-01-02")


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("ds,y\n2024-01-01,1\n2024-01-02,\n", {}, "x.csv, line 3: column 'y' is empty; write a num"),
        ("ds,y\n2024-01-01,NaN\n2024-01-02,1\n", {}, "x.csv, line 2: column 'y' holds 'NaN', which"),
        ("ds,y,지역\n2024-01-01,1,서울\n", {}, "x.csv, line 2: column '지역' holds '서울'"),
        ('ds,y\n2024-01-01,"1,234"\n', {}, "x.csv, line 2: column 'y' holds '1,234'"),
        ("ds,y\n2024-01-02,1\n2024-01-01,1\n", {}, "x.csv, line 3: the time 2024-01-01 does not come "
         "after 2024-01-02 in the row before; sort the rows by 'ds'"),
        ("ds,y\n2024-01-02,1\n2024-01-02,1\n", {}, "x.csv, line 3: the time 2024-01-02 does not"),
        ("t,y\n1,1\n2,1\n1.5,2\n", {"time": "t"}, "x.csv, line 4: the time 1.5 does not come after"),
        ("ds,y\n2024-02-28,1\n2024-02-30,1\n", {}, "x.csv, line 3: column 'ds' holds '2024-02-30', "
         "which is no date like '2024-02-28'"),
        ("ds,y\n9,1\nten,1\n", {}, "x.csv, line 3: column 'ds' holds 'ten', which is no number like"),
        ("ds,y\n2024-01-01,1\n", {"time": "when"}, "x.csv has no column 'when' for the time; its"),
        ("ds,y\n2024-01-01,1\n", {"columns": ("z",)}, "x.csv has no column 'z' for the series"),
        ("ds\n2024-01-01\n", {}, "x.csv has no column but the time 'ds'"),
        ("ds,y\n", {}, "x.csv holds a header but no row"),
        ("ds,y\n2024-01-01,1,2\n", {}, "x.csv, line 2: this row has 3 cells"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(text: str, options: dict[str, str], message: str) -> None:
    Path("x.csv").write_text(text, "utf-8")
    with pytest.raises(DataError) as caught:
        read_series("x.csv", **options)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_odd_spaces_around_numbers() -> None:
    series = read("year,y\n\x1c1958,\x1c1\n1959\u3000,\xa02\n")  # float() refuses the first
    assert series.values.ravel().tolist() == [1, 2]


def test_columns_named_twice() -> None:
    for columns in (("Sales", "sales"), ("Month",)):
        with pytest.raises(UsageError, match="named twice"):
            read(SALES, columns=columns)


@settings(deadline=None)
@given(st.lists(st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=2), min_size=1))
def test_what_is_written_is_read(values: list[list[float]]) -> None:
    rows = "".join(
        f"{2000 + n // 12}-{n % 12 + 1:02},{a!r},{b!r}\n" for n, (a, b) in enumerate(values)
    )
    np.testing.assert_array_equal(read("month,a,b\n" + rows).values, values)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2024-01-31", datetime(2024, 1, 31)),
        ("2024-01-31 13:05", datetime(2024, 1, 31, 13, 5)),
        ("2024-01-31 9:05", datetime(2024, 1, 31, 9, 5)),
        ("2024-01-31T09:00:00+09:00", datetime(2024, 1, 31)),
        ("2024-01-31T00:00:00Z", datetime(2024, 1, 31)),
        ("2024/1/31", datetime(2024, 1, 31)),
        ("2024.01.31", datetime(2024, 1, 31)),
        ("2024. 1. 31.", datetime(2024, 1, 31)),
        ("2024년 1월 31일", datetime(2024, 1, 31)),
        ("20240131", datetime(2024, 1, 31)),
        ("2024-01", datetime(2024, 1, 1)),
        ("2024년 3월", datetime(2024, 3, 1)),
        ("2024Q2", datetime(2024, 4, 1)),
        ("2024-Q4", datetime(2024, 10, 1)),
        ("2024-02-30", None),
        ("0001-01-01T00:00+09:00", None),
        ("2024", None),
        ("1958.25", None),
        ("31/01/2024", None),
        ("Jan", None),
        ("", None),
    ],
)
def test_moments(text: str, time: datetime | None) -> None:
    assert moment(text) == time


def every(step: timedelta, count: int = 30, form: str = "%Y-%m-%d %H:%M") -> list[str]:
    return [(datetime(2024, 1, 1) + n * step).strftime(form) for n in range(count)]


MONTHS = [f"{year}-{month:02}" for year in (2023, 2024) for month in range(1, 13)]
DAYS = every(timedelta(days=1), 60, "%Y-%m-%d")


@pytest.mark.parametrize(
    ("times", "period"),
    [
        (MONTHS, 12),
        ([f"{month}-28" for month in MONTHS], 12),
        ([month.replace("-", "") + "01" for month in MONTHS], 12),
        (MONTHS[::3], 4),
        (["2023Q3", "2023Q4", "2024Q1", "2024Q2"], 4),
        ([*MONTHS[::12], "2025-01"], 1),
        (["1958", "1959", "1960"], 1),
        ([f"{1958 + n / 12:.2f}" for n in range(40)], 12),
        (["1958.0", "1958.25", "1958.5", "1958.75"], 4),
        (DAYS, 7),
        ([day for day in DAYS if datetime.fromisoformat(day).weekday() < 5], 5),
        (DAYS[:20] + DAYS[25:], 7),
        (DAYS[::7], 52),
        (every(timedelta(hours=1)), 24),
        (every(timedelta(minutes=10)), 144),
        (every(timedelta(hours=7)), None),
        (["2024-01-01", "2024-01-02", "2024-03-01", "2024-03-05", "2025-01-01"], None),
        (MONTHS[:2], None),
        (["1", "2", "3"], None),
        (["Jan", "Feb", "Mar"], None),
        (["2024-01-01", "2024-01-02", "x"], None),
        (["2024-01-03", "2024-01-02", "2024-01-01"], None),
        ([], None),
    ],
)
def test_seasons(times: list[str], period: int | None) -> None:
    assert seasonal_period(times) == period


def test_built_in_series() -> None:
    pytest.importorskip("statsmodels")
    periods = {"co2": 12, "elnino": 12, "sunspots": 1}
    assert periods.keys() == BUILT_IN_SERIES.keys()
    for name, period in periods.items():
        series = load_built_in(name)
        assert series.name == name
        assert series.values.shape == (len(series.times), 1)
        assert np.isfinite(series.values).all()
        assert seasonal_period(series.times) == period
    co2 = load_built_in("co2")
    assert (co2.times[0], co2.times[-1], len(co2.times)) == ("1958-03", "2001-12", 526)
    assert 313 < co2.values.min() < co2.values.max() < 374


def test_a_missing_built_in_series(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"no built-in series 'co3'; there are co2, elnino"):
        load_built_in("co3")
    monkeypatch.setitem(sys.modules, "statsmodels", None)
    with pytest.raises(UsageError, match=r"pip install 'sunhwan\[series\]'"):
        load_built_in("co2")
