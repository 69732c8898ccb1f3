"""Dates in plain numbers: read by the steps of the whole column, refused or left as numbers."""

from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from sunhwan.data import read_panel
from sunhwan.data.times import Times, read_times
from sunhwan.errors import DataError

DAYS = [date(2024, 1, 1) + timedelta(day) for day in range(60)]
MONTHS = [date(2015 + n // 12, n % 12 + 1, 1) for n in range(30)]
QUARTERS = [(2000 + n // 4, n % 4 + 1) for n in range(12)]


def read(name: str, cells: list[str]) -> Times:
    return read_times(cells, [f"line {n}" for n in range(2, len(cells) + 2)], name)


@pytest.mark.parametrize(
    ("name", "cells", "following"),
    [
        ("date", [f"{day:%y%m%d}" for day in DAYS], "240301"),
        ("YYMMDD", [f"{day:%y%m%d}" for day in DAYS], "240301"),
        ("date", [f"{day:%d%m%Y}" for day in DAYS], "01032024"),
        ("date", [f"{day:%d%m%Y}".lstrip("0") for day in DAYS], "1032024"),
        ("date", [f"{day:%m%d%Y}" for day in DAYS], "03012024"),
        ("month", [f"{day:%y%m}" for day in MONTHS], "1707"),
        ("date", [f"{datetime(2024, 1, 1) + timedelta(hours=n):%y%m%d%H}" for n in range(50)], "24010302"),
        ("quarter", [f"{year}{n}" for year, n in QUARTERS], "20031"),
        ("분기", [f"{year}0{n}" for year, n in QUARTERS], "200301"),
        ("quarter", [f"{year}.{n}" for year, n in QUARTERS], "2003.1"),
        ("월", [f"{day:%Y.%m}".replace(".10", ".1") for day in MONTHS], "2017.07"),
    ],
)  # fmt: skip
def test_digits_whose_steps_are_even_as_dates_go_on_as_dates(
    tmp_path: Path, name: str, cells: list[str], following: str
) -> None:
    path = tmp_path / "a.csv"
    rows = (f"{cell},{n}\n" for n, cell in enumerate(cells))
    path.write_text(f"{name},v\n{''.join(rows)}", encoding="utf-8")
    (series,) = read_panel(path)
    assert len(series.values) == len(cells)
    assert series.clock.after(1) == (following,)


def test_times_of_the_day_in_digits_are_refused() -> None:
    with pytest.raises(DataError, match="'90000', which looks like a time in digits alone"):
        read("time", [f"{9 + n // 6}{n % 6}000" for n in range(40)])


def test_dates_in_digits_that_no_step_decides_are_refused() -> None:
    with pytest.raises(DataError, match="'01012024', which looks like a time in digits alone"):
        read("date", [f"{n:02}012024" for n in range(1, 13)])


@pytest.mark.parametrize(
    "cells",
    [
        [str(year) for year in range(1990, 2024)],
        ["2001", "2002", "2004", "2005", "2006", "2009"],
        [str(n) for n in range(101, 160)],
        ["2020.01", "2020.02", "2020.05", "2020.1", "2020.12", "2020.4"],
    ],
)
def test_other_numbers_stay_numbers(cells: list[str]) -> None:
    assert read("x", cells).kind == "number"


@pytest.mark.parametrize("written", ["%Y.%m", "%Y%m"])
def test_years_among_months_are_refused(tmp_path: Path, written: str) -> None:
    rows = [
        f"{time},{n}"
        for n, day in enumerate(MONTHS)
        for time in ([f"{day:%Y}"] if day.month == 1 else []) + [f"{day:{written}}"]
    ]
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["시점,매출", *rows]) + "\n", encoding="utf-8")
    with pytest.raises(
        DataError, match=r"line 2: column '시점' holds the year '2015' among months"
    ):
        read_panel(path)


@pytest.mark.parametrize(
    ("name", "cells", "following"),
    [
        ("STD_YM", [f"{day:%Y%m}" for day in MONTHS], "201707"),
        ("when", [f"{day:%Y.%m}" for day in MONTHS], "2017.07"),
        ("yr", [str(year) for year in range(2000, 2024)], "2024"),
        ("ts", [str(1_700_006_400 + 60 * n) for n in range(30)], "1700008200"),
        ("cycle", [str(n) for n in range(1, 31)], "31"),
    ],
)
@pytest.mark.parametrize("names", [("서울", "부산", "대구"), ("1", "2", "3")])
@pytest.mark.parametrize("below", [True, False])
def test_numbers_that_go_on_in_each_series_are_times_under_any_name(
    tmp_path: Path, name: str, cells: list[str], following: str, names: tuple[str, ...], below: bool
) -> None:
    both = [(one, cell) for one in names for cell in cells]
    if not below:
        both.sort(key=lambda pair: float(pair[1]))
    rows = [f"{one},{cell},{names.index(one) * 100 + cells.index(cell)}" for one, cell in both]
    path = tmp_path / "a.csv"
    path.write_text("\n".join([f"region,{name},sold", *rows]) + "\n", encoding="utf-8")
    found = read_panel(path)
    assert [series.key for series in found] == [(("region", one),) for one in names]
    assert [series.values[0].tolist() for series in found] == [[0], [100], [200]]
    assert found[0].times == tuple(cells)
    assert found[0].clock.text(len(cells)) == following


def test_numbers_without_order_in_the_rows_of_a_name_are_no_times(tmp_path: Path) -> None:
    rows = [f"{'ab'[n % 2]},{1990 + n * 7 % 24},{n}" for n in range(48)]
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["who,born,sold", *rows]) + "\n", encoding="utf-8")
    (series,) = read_panel(path)
    assert series.columns == ("born", "sold")
