"""Wide tables: a row for each series and a column for each time."""

from pathlib import Path

import numpy as np
import pytest

from sunhwan.data import Series, read_panel
from sunhwan.errors import DataError


def read(folder: Path, *lines: str) -> list[Series]:
    path = folder / "a.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return read_panel(path)


@pytest.mark.parametrize(
    ("header", "times"),
    [
        ("Product,2019,2020,2021,2022", "2019 2020 2021 2022"),
        ("시도별,2021.10,2021.11,2021.12,2022.01", "2021.10 2021.11 2021.12 2022.01"),
        ("시도별,2021.10 월,2021.11 월,2021.12 월,2022.01 월", "2021.10 2021.11 2021.12 2022.01"),
        ("Country,1/30/24,1/31/24,2/1/24,2/2/24", "1/30/24 1/31/24 2/1/24 2/2/24"),
        ("Country,2000 [YR2000],2001 [YR2001],2002 [YR2002],2003", "2000 2001 2002 2003"),
        (",2024Q1,2024Q2,2024Q3,2024Q4", "2024Q1 2024Q2 2024Q3 2024Q4"),
    ],
)  # fmt: skip
def test_a_row_a_series_and_a_column_a_time_is_read_as_a_long_table(
    tmp_path: Path, header: str, times: str
) -> None:
    first, second = read(tmp_path, header, "A,1,2,3,4", "B,,6,7,")
    assert (first.times, first.values[:, 0].tolist()) == (tuple(times.split()), [1, 2, 3, 4])
    assert (second.times, second.values[:, 0].tolist()) == (tuple(times.split()[1:3]), [6, 7])
    assert second.key[0][1] == "B"
    assert "2 rows of a series each, with a column for each time from" in first.said


def test_columns_numbered_by_r_over_words_that_differ_are_times(tmp_path: Path) -> None:
    header = ",".join(f'"V{n}"' for n in range(1, 11))
    found = read(tmp_path, header, *(f"W{n},{n},2,3,4,5,6,,," for n in range(3)))
    assert [series.key for series in found] == [(("V1", f"W{n}"),) for n in range(3)]
    assert found[2].values[:, 0].tolist() == [2, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    "months",
    [
        "Jan,Feb,Mar,Apr,May,Jun,Jul,Aug,Sep,Oct,Nov,Dec",
        "1월,2월,3월,4월,5월,6월,7월,8월,9월,10월,11월,12월",
        "1,2,3,4,5,6,7,8,9,10,11,12", "Januar,Februar,März,April,Mai,Juni,Juli,August,September,Oktober,"
        "November,Dezember",
    ],
)  # fmt: skip
@pytest.mark.parametrize("backwards", [False, True])
def test_a_row_a_year_and_a_column_a_month_is_one_series(
    tmp_path: Path, months: str, backwards: bool
) -> None:
    rows = ["2001,,,3,4,5,6,7,8,9,10,11,12,75", "2002,13,14,,16,17,18,19,20,21,22,,NA,9"]
    header = f"Year,{months},J-D"
    if months.endswith("12"):
        header = header.replace("Year", "연도")
    (found,) = read(tmp_path, header, *(reversed(rows) if backwards else rows))
    assert (found.times[0], found.times[-1]) == ("2001-03", "2002-10")
    values = found.values[:, 0]
    assert values[:12].tolist() == [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]
    assert np.isnan(values[12])
    assert values[13:].tolist() == [*range(16, 23)]
    assert "2 rows of a year each" in found.said
    assert "left out: J-D" in found.said


def test_a_wide_table_has_titles_above_it(tmp_path: Path) -> None:
    found = read(
        tmp_path, "Data Source", "Country,Code,2000,2001,2002", "A,a,1990,1991,1992", "B,b,1,2,4"
    )
    assert [series.values[-1, 0] for series in found] == [1992, 4]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("Month,1958,1959,1960", "Jan,1,2,3", "Feb,4,5,6"), "so are the rows of 'Month'"),
        (("A,2019,2020,2021,Total", "x,1,2,3,6", "y,1,2,4,7"), "'2021' are times, .* but Total behind"),
    ],
)  # fmt: skip
def test_rows_of_times_and_totals_behind_are_refused(
    tmp_path: Path, lines: tuple[str, ...], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, *lines)


def test_dated_rows_keep_columns_called_as_years(tmp_path: Path) -> None:
    rows = (f"2024-01-{day:02},{day},2,3" for day in range(1, 9))
    (series,) = read(tmp_path, "date,2019,2020,2021", *rows)
    assert series.columns == ("2019", "2020", "2021")


def test_a_column_without_a_number_is_no_series(tmp_path: Path) -> None:
    (series,) = read(
        tmp_path, "date,sold,비고", *(f"2024-01-{day:02},{day}," for day in range(1, 9))
    )
    assert series.columns == ("sold",)
    assert "columns without a number are left out: 비고" in series.said


@pytest.mark.parametrize(
    ("names", "count"), [("item_id,store_id", "d_{}"), ("Product_Code", "W{}"), ("id", "month {}")]
)
def test_columns_counted_by_days_weeks_or_months_are_times(
    tmp_path: Path, names: str, count: str
) -> None:
    header = ",".join([names, *(count.format(n) for n in range(1, 21))])
    several = "," in names
    keys = [f"P{n % 2},S{n // 2}" if several else f"P{n}" for n in range(4)]
    found = read(tmp_path, header, *(f"{key},{','.join(map(str, range(20)))}" for key in keys))
    assert [",".join(cell for _, cell in series.key) for series in found] == keys
    assert found[0].times == tuple(map(str, range(1, 21)))
    assert found[0].values[:, 0].tolist() == list(range(20))


def test_counted_columns_over_times_are_series(tmp_path: Path) -> None:
    header = ",".join(["date", *(f"d_{n}" for n in range(1, 11))])
    rows = [f"2024-01-{day:02},{','.join(map(str, range(10)))}" for day in range(1, 21)]
    (series,) = read(tmp_path, header, *rows)
    assert series.columns == tuple(header.split(",")[1:])
