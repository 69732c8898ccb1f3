"""Numbers in time: their columns, their order and their season."""

import sys
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sunhwan.data import (
    BUILT_IN_SERIES,
    Series,
    load_built_in,
    read_panel,
    read_series,
    seasonal_period,
)
from sunhwan.data.series_columns import Wanted
from sunhwan.errors import DataError, UsageError
from sunhwan.messages.mistakes import mistake

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
        "the series Sales, Rain; Month is read as year-month (2023-12)"
    )


def test_an_empty_line_is_left_out_where_times_tell_the_steps() -> None:
    series = read(SALES.replace("\n2024-01", "\n\n2024-01"))
    assert len(series.values) == 3
    assert "; empty lines left out: 1; the time is" in series.said
    with pytest.raises(DataError, match="line 3: this line is empty"):
        read_panel("x.csv", Wanted(filled=True))
    with pytest.raises(DataError, match="line 3: this line is empty"):
        read("Sales,Rain\n1,2\n\n3,4\n")


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["$1,200.50", "$ 3", "-$4.5", "$-2"], [1200.5, 3, -4.5, -2]),
        (["$1,200.50", "$ 3", "($4.5)", "$(2)", ""], [1200.5, 3, -4.5, -2, None]),
        (["1,200원", "3,500원", "950", "0원"], [1200, 3500, 950, 0]),
        (["₩1,200", "₩12,345", "(₩900)"], [1200, 12345, -900]),
        (["₩1.200", "₩12.345"], [1200, 12345]),
        (["900 €", "800 €", "700 €", "1.000 €", "1.100 €", "1.200 €"], [900, 800, 700, 1000, 1100, 1200]),
        (["12%", "7.5 %", "0", "-3%"], [12, 7.5, 0, -3]),
        (["€ 3,50", "1.200,00\u202f€", "€2,5"], [3.5, 1200, 2.5]),
        (["(3.5)", "4", "1,204.5"], [-3.5, 4, 1204.5]),
    ],
)  # fmt: skip
def test_amounts_are_read_as_numbers(cells: list[str], numbers: list[float | None]) -> None:
    lines = [f"2024-01-{day:02};{cell}\n" for day, cell in enumerate(cells, 1)]
    text = "date;price\n" + "".join(lines)
    series = read(text)
    wanted = np.array([np.nan if n is None else n for n in numbers])
    np.testing.assert_array_equal(series.values[:, 0], wanted)
    assert "; price is read as plain numbers (" in series.said


def test_amounts_that_may_be_thousands_are_said() -> None:
    series = read("date;price\n2024-01-01;1.000 €\n2024-01-02;1.799 €\n")
    np.testing.assert_array_equal(series.values[:, 0], [1, 1.799])
    assert "; price with a decimal point (1.000 is not 1000)" in series.said


def test_amounts_that_do_not_agree_are_refused() -> None:
    with pytest.raises(DataError, match="the column 'price' has amounts in \\$, €"):
        read("date,price\n2024-01-01,$3\n2024-01-02,€4\n")
    for cells in (("12%", "5"), ("(1)", "(2)"), ("-1", "(2)"), ("-$1", "$(2)")):
        with pytest.raises(DataError, match="not a finite number"):
            read(f"date\tprice\n2024-01-01\t{cells[0]}\n2024-01-02\t{cells[1]}\n", "x.tsv")


def test_a_column_that_counts_the_rows_is_no_series() -> None:
    for name in ("", "번호", "index"):
        assert read(f"{name},month,sales\n1,2024-01,9\n2,2024-02,7\n").columns == ("sales",)
    assert read(",month,sales\n1,2024-01,9\n3,2024-02,7\n").columns == ("1", "sales")
    assert read("index,month\n1,2024-01\n2,2024-02\n").columns == ("index",)


def test_chosen_columns() -> None:
    assert read(SALES, columns=("rain",)).columns == ("Rain",)
    assert read(SALES, columns=("Rain", "Sales")).values[0].tolist() == [0, 1.5]
    assert read_series("x.csv", columns="Sales").columns == ("Sales",)
    text = "지역\t날짜\t기온\n서울\t2024-01-01\t-3\n서울\t2024-01-02\t-5\n"
    series = read(text, "x.tsv", columns=("기온",))
    assert series.times == ("2024-01-01", "2024-01-02")


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
        ("ds,y\n2024-01-01,1\n2024-01-02,inf\n", {}, "x.csv, line 3: column 'y' holds 'inf', which"),
        ("ds,y,지역\n2024-01-01,1,서울\n", {"columns": "지역"},
         "x.csv, line 2: column '지역' holds '서울'"),
        ('ds,y\n2024-01-01,"1,23,4"\n', {}, "x.csv, line 2: column 'y' holds '1,23,4'"),
        ("ds,y\n2024-01-02,1\n2024-01-02,1\n", {}, "x.csv, line 3: the time 2024-01-02 is that of "
         "x.csv, line 2 too; keep one row for each time"),
        ("ds,y\n2024-01-01,1\n2024-01-02,1\n2024-03-01,1\n2024-03-05,1\n2025-01-01,1\n", {},
         "x.csv: the times are uneven: the usual step is"),
        ("ds,y\n03/04/2024,1\n04/04/2024,2\n", {}, "x.csv, line 2: the dates of 'ds', such as "
         "'03/04/2024', could be day-month-year or month-day-year, and no row decides; say which with "
         "--set task.dates=day-first or --set task.dates=month-first"),
        ("ds,y\n10:30,1\n10:31,1\n", {}, "x.csv, line 2: column 'ds' holds '10:30', which looks like"),
        ("ds,y\n24/31/2024,1\n25/31/2024,1\n", {}, "x.csv, line 2: column 'ds' holds '24/31/2024', w"),
        ("ds,y\nFeb 27,1\nFeb 28,1\n", {}, "x.csv, line 2: column 'ds' holds 'Feb 27', which looks"),
        ("ds,y\n2024-02-28,1\n2024-02-30,1\n", {}, "x.csv, line 3: column 'ds' holds '2024-02-30', "
         "which is no date like '2024-02-28'"),
        ("ds,y\n9,1\nten,1\n", {}, "x.csv, line 3: column 'ds' holds 'ten', which is no number like"),
        ("ds,y\n2024-01-01,1\n", {"time": "when"}, "x.csv has no column 'when' for the time; its"),
        ("ds,y\n2024-01-01,1\n", {"columns": ("z",)}, "x.csv has no column 'z' for the series"),
        ("ds\n2024-01-01\n", {}, "x.csv has no column of numbers to forecast, only ds"),
        ("date|y\n2024-01-01|1\n", {}, "x.csv has no column of numbers to forecast, only "),
        ("ds,y\n", {}, "x.csv holds a header but no row"),
        ("ds,y\n2024-01-01,1,2\n", {}, "x.csv, line 2: the header has 2 cells, and this row 3"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(text: str, options: dict[str, str], message: str) -> None:
    Path("x.csv").write_text(text, "utf-8")
    with pytest.raises(DataError) as caught:
        read_series("x.csv", **options)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_rows_of_empty_cells_are_left_out_where_times_tell_the_steps() -> None:
    series = read("date,y\n2024-01-01,1\n,\n2024-01-02,2\n , \n,\n")
    assert series.values[:, 0].tolist() == [1, 2]
    assert "; empty lines left out: 3; the time is" in series.said
    with pytest.raises(DataError, match="line 3: this line is empty"):
        read_panel("x.csv", Wanted(filled=True))
    assert len(read("Sales,Rain\n1,2\n,\n3,4\n").values) == 3  # where rows are counted, a gap


@pytest.mark.parametrize("cell", ["-", "NA", "n/a"])
@pytest.mark.parametrize("mark", ["", "$"])
def test_a_dash_beside_numbers_in_groups_is_a_missing_number(cell: str, mark: str) -> None:
    lines = [mark + "1,300", cell, mark + "900"]
    series = read("date;y\n" + "".join(f"2024-01-0{n};{c}\n" for n, c in enumerate(lines, 1)))
    np.testing.assert_array_equal(series.values[:, 0], [1300, np.nan, 900])
    assert series.said.endswith("1 number is missing")


def test_series_on_days_of_the_month_of_their_own_go_on_so() -> None:
    ends = ("01-31", "02-29", "03-31", "04-30")
    rows = [f"a,2024-0{n}-01,{n}\n" for n in range(1, 5)] + [f"b,2024-{d},1\n" for d in ends]
    Path("x.csv").write_text("unique_id,ds,y\n" + "".join(rows), "utf-8")
    made = read_panel("x.csv")
    assert [series.clock.after(1) for series in made] == [("2024-05-01",), ("2024-05-31",)]
    assert "stands for all" not in made[0].said


def test_quarters_in_a_column_of_their_own_are_one_time_with_the_year() -> None:
    rows = [f"{y},Q{q},{10 * y + q}\n" for y in (2022, 2023) for q in range(1, 5)]
    series = read("Year,Quarter,y\n" + "".join(rows))
    assert (series.columns, series.clock.calendar.season) == (("y",), 4)
    assert series.clock.after(1) == ("2024-Q1",)


@pytest.mark.parametrize(
    ("header", "row", "name", "after"),
    [
        ("YYYYMMDD,HH", "{d:%Y%m%d},{h}", "YYYYMMDD HH", "20240103 01:00"),
        ("tm_day,tm_hour", "{d:%Y%m%d},{d:%H%M}", "tm_day tm_hour", "20240103 00:00"),
        ("dteday,hr", "{d:%Y-%m-%d},{d.hour}", "dteday hr", "2024-01-03 00:00"),
        ("date,time", "{d:%Y-%m-%d},{n}", "date time", "2024-01-03 00:00"),
        ("year,month,day,hour", "{d.year},{d.month},{d.day},{d.hour}",
         "year month day hour", "2024-01-03 00:00"),
        ("판매일자,판매시간", "{d:%Y%m%d},{d.hour}:00", "판매일자 판매시간", "20240103 0:00"),
        ("년,월,일", "{day.year}년,{day.month}월,{day.day}일", "년 월 일", "2024-02-18"),
        ("Month,Year", "{month:%b},{month.year}", "Year Month", "2028-Jan"),
        ("Year,Week", "{day:%G},{day:%V}", "Year Week", "2024-W08"),
    ],
)  # fmt: skip
def test_parts_of_a_time_in_columns_of_their_own_are_joined(
    header: str, row: str, name: str, after: str
) -> None:
    lines, first = [f"{header},y\n"], datetime(2024, 1, 1)
    for n in range(48):
        d, month = first + timedelta(hours=n), datetime(2024 + n // 12, n % 12 + 1, 1)
        day = first + timedelta(days=n if "Week" not in header else 7 * (n % 7))
        if "Week" in header and n > 6:
            break
        made = row.format(d=d, h=d.hour + 1, n=100 * d.hour, month=month, day=day)
        lines.append(f"{made},{n}\n")
    series = read("".join(lines))
    assert (series.time, series.columns, series.clock.after(1)) == (name, ("y",), (after,))
    assert f"are joined to one time, such as {series.times[0]}" in series.said
    assert not np.isnan(series.values).any()


def test_dates_in_digits_under_any_name_are_times_and_no_series() -> None:
    rows = [f"a,202401{d:02},{d}\nb,202401{d:02},{d}\n" for d in range(1, 20)]
    Path("x.csv").write_text("Shop,TRADT,y\n" + "".join(rows), "utf-8")
    made = read_panel("x.csv")
    assert [(s.columns, s.clock.after(1)) for s in made] == [(("y",), ("20240120",))] * 2


def test_weeks_in_digits_are_weeks() -> None:
    days = [datetime(2020, 1, 6) + timedelta(weeks=n) for n in range(60)]
    series = read("week,v\n" + "".join(f"{day:%G%V},{n}\n" for n, day in enumerate(days)))
    assert (series.columns, series.clock.calendar.season) == (("v",), 52)
    assert series.clock.after(1) == ("202109",)


def test_a_part_of_a_time_is_never_said_to_name_series() -> None:
    rows = "".join(f"2024-01-0{d},{h},NW,{h}\n" for d in (1, 2, 3) for h in (1, 1, 2) for _ in "ab")
    with pytest.raises(DataError) as refused:
        read("date,hour,wind,y\n" + rows)
    assert not str(refused.value).endswith("hour")


@pytest.mark.parametrize("missing", [".", "결측", "N/A"])
def test_cells_that_say_that_a_number_is_missing(missing: str) -> None:
    rows = [f"2024-01-{d:02},{missing if d == 3 else d}\n" for d in range(1, 10)]
    series = read("DATE,DGS10\n" + "".join(rows))
    assert np.flatnonzero(np.isnan(series.values[:, 0])).tolist() == [2]
    assert "1 number is missing" in series.said


def test_a_row_without_the_name_of_its_series_is_refused() -> None:
    rows = "".join(f"{k},2024-01-0{d},{d}\n" for k in "ab" for d in (1, 2, 3))
    with pytest.raises(DataError, match="line 3: the column 'store', which names the series, is e"):
        read("store,date,y\n" + rows.replace("a,2024-01-02", ",2024-01-02"))


def test_names_of_series_that_differ_in_case_are_said() -> None:
    rows = "".join(f"{k},2024-01-0{d},{d}\n" for k in "Aa" for d in (1, 2, 3))
    Path("x.csv").write_text("store,date,y\n" + rows, "utf-8")
    assert "A and a are two series, for their names differ in case" in read_panel("x.csv")[0].said


def test_series_on_clocks_of_their_own_go_on_with_their_offsets() -> None:
    rows = [f"{k},2024-01-0{d} 0{h}:00{o},{h}\n" for k, o in (("A", "+09:00"), ("B", "+01:00"), ("C", "Z"))
            for d in (1, 2) for h in range(6)]  # fmt: skip
    Path("x.csv").write_text("unique_id,time,y\n" + "".join(rows), "utf-8")
    made = read_panel("x.csv")
    after = [series.clock.after(1)[0] for series in made]
    assert after == [f"2024-01-03 00:00{offset}" for offset in ("+09:00", "+01:00", "Z")]
    assert all(series.values[-1, 0] == 5 for series in made)
    Path("x.csv").write_text(
        "unique_id,time,y\n" + "".join(rows).replace("2 03:00+09", "2 03:00+02"), "utf-8"
    )
    with pytest.raises(DataError, match="of one series have offsets of no one clock"):
        read_panel("x.csv")


def test_rows_are_counted_whatever_their_times() -> None:
    Path("x.csv").write_text("date,y\n2. kwietnia 2023,1\n3. kwietnia 2023,2\n", "utf-8")
    with pytest.raises(DataError, match=r"or count rows with --set task\.steps=rows"):
        read_panel("x.csv")
    (series,) = read_panel("x.csv", Wanted(rows=True))
    assert series.values[:, 0].tolist() == [1, 2]
    assert series.clock.after(1) == ("+1",)


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


def test_rows_are_put_in_order_and_gaps_are_known_as_gaps() -> None:
    text = "Date,Price\n19/01/2023,5\n17/01/2023,\n16/01/2023,2\n"
    series = read(text)
    assert series.times == ("16/01/2023", "17/01/2023", "18/01/2023", "19/01/2023")
    np.testing.assert_array_equal(series.values[:, 0], [2, np.nan, np.nan, 5])
    assert "the newest rows come first and are turned round" in series.said
    assert "1 step of the calendar has no row and is a gap; 1 number is missing" in series.said
    mixed = read("t,y\n1,1\n2,2\n1.5,3\n", time="t")
    assert mixed.times == ("1", "1.5", "2")
    assert "rows are put in order of time" in mixed.said


def test_dates_and_clocks_in_columns_of_their_own_are_one_time() -> None:
    two = (
        "Date;Time;y".replace(";", ",")
        + "\n2024-01-01,23:00,1\n2024-01-02,00:00,2\n2024-01-02,01:00,3\n"
    )
    assert read(two).times == ("2024-01-01 23:00", "2024-01-02 00:00", "2024-01-02 01:00")
    parts = read("year,month,n\n2023,11,1\n2023,12,2\n2024,1,3\n")
    assert parts.times == ("2023-11", "2023-12", "2024-01")
    assert parts.clock.after(1) == ("2024-02",)


LONG = """store,item,date,sales,promo,city
1,a,2024-01-01,5,0,Seoul
1,a,2024-01-02,6,1,Seoul
1,a,2024-01-04,7,0,Seoul
2,a,2024-01-03,50,0,Busan
2,a,2024-01-04,60,1,Busan
2,a,2024-01-05,,1,Busan
"""


def test_a_long_table_is_recognised() -> None:
    Path("x.csv").write_text(LONG, "utf-8")
    first, second = read_panel("x.csv", Wanted(future=("promo",)))
    assert first.columns == ("sales", "promo")
    assert first.key == (("store", "1"),)
    assert first.static == (("item", "a"), ("city", "Seoul"))
    assert first.times == tuple(f"2024-01-0{day}" for day in (1, 2, 3, 4))
    np.testing.assert_array_equal(first.values[:, 0], [5, 6, np.nan, 7])
    assert second.times == ("2024-01-03", "2024-01-04")
    np.testing.assert_array_equal(second.ahead, [[np.nan, 1]])
    assert second.clock.after(2) == ("2024-01-05", "2024-01-06")
    assert "the series sales of each store" in first.said
    both = read_panel("x.csv", Wanted(group=("item", "store")))
    assert [s.key for s in both] == [(("item", "a"), ("store", n)) for n in "12"]
    assert both[0].columns == ("sales",)
    assert "not read: promo (--input or --future reads them)" in both[0].said
    with pytest.raises(DataError, match="2 series below one another: use read_panel"):
        read_series("x.csv")


def test_series_that_nothing_tells_apart_are_refused() -> None:
    Path("x.csv").write_text("ds,y,tag\n2024-01-01,1,u\n2024-01-01,2,u\n", "utf-8")
    with pytest.raises(
        DataError, match=r"line 3: the time 2024-01-01 is that of x.csv, line 2 too"
    ):
        read_panel("x.csv")


def test_of_series_that_nothing_tells_apart_two_lines_are_told_and_what_may_name_them() -> None:
    rows = [
        f"2024-01-{day:02},{shop},{day % 2},{day * 7.5},{day * 11}\n"
        for shop in "ab"
        for day in range(1, 10)
    ]
    rows.insert(13, rows[11])
    Path("x.csv").write_text("ds,shop,nr,sales,cost\n" + "".join(rows), "utf-8")
    with pytest.raises(
        DataError, match=r"line 15: the time 2024-01-03 is that of x.csv, line 13 too.*as shop, nr$"
    ):
        read_panel("x.csv")


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


@pytest.mark.parametrize(
    ("cells", "after"),
    [
        ([str(1_704_067_200 + 3600 * n) for n in range(48)], "1704240000"),
        ([f"202401{n:02}" for n in range(1, 32)], "20240201"),
        ([f"{2015 + n // 12}.{n % 12 + 1:02}" for n in range(30)], "2017.07"),
        ([str(n) for n in range(1, 41)], "41"),
        (["1704067200", *(str(1_704_067_200 + 3600 * n) for n in range(2, 48))], "1704240000"),
    ],
)
def test_plain_numbers_that_go_on_as_times_do_are_the_time(cells: list[str], after: str) -> None:
    rows = "".join(f"{cell},{n % 7}\n" for n, cell in enumerate(cells))
    for text in (
        f"when,wert\n{rows}",
        "when,wert\n" + "".join(f"{r}\n" for r in rows.split()[::-1]),
    ):
        series = read(text)
        assert series.columns == ("wert",)
        assert series.clock.after(1) == (after,)
    # What is named as a series is one.
    assert read(f"when,wert\n{rows}", columns=("when",)).columns == ("when",)


@pytest.mark.parametrize(
    "cells",
    [
        [
            str(2_000_000_000 + 17_000_000 * n + 90_000 * n * n) for n in range(30)
        ],  # people, not seconds
        [f"{19 + n / 10:.1f}" for n in range(30)],
        [str(20_240_101 + 40 * n) for n in range(30)],
        ["1e400", *map(str, range(30))],
    ],
)
def test_plain_numbers_that_only_rise_are_a_series(cells: list[str]) -> None:
    rows = "".join(f"{cell},{n % 7}\n" for n, cell in enumerate(cells))
    if cells[0] == "1e400":
        with pytest.raises(DataError):
            read(f"leute,wert\n{rows}")
    else:
        assert read(f"leute,wert\n{rows}").columns == ("leute", "wert")


DAYS = [f"2024-01-{day:02}" for day in range(1, 30)]


@pytest.mark.parametrize("names", [("1", "2"), ("A", "B")])
def test_names_of_series_are_none_though_no_times_meet(
    names: tuple[str, str], tmp_path: Path
) -> None:
    """Stores whose dates do not overlap are no one series, and their numbers no values."""
    path = tmp_path / "x.csv"
    first, second = ([f"{name},{day},{n}\n" for n, day in enumerate(DAYS)] for name in names)
    second = [row.replace("-01-", "-03-") for row in second]
    path.write_text("".join(["store,date,sales\n", *first, *second]))
    found = read_panel(path)
    assert [one.key for one in found] == [(("store", names[0]),), (("store", names[1]),)]
    assert {one.columns for one in found} == {("sales",)}
    path.write_text("".join(["store,date,sales\n", *first]))
    (alone,) = read_panel(path)
    assert (alone.key, alone.columns) == ((("store", names[0]),), ("sales",))
    assert read_panel(path, Wanted(targets=("sales",)))[0].key == alone.key
    (joined,) = read_panel(path, Wanted(targets=("sales",), joined=True))
    assert joined.key == ()
    path.write_text("".join(["store,date,sales\n", *first[:15], *second[15:], *first[16:]]))
    with pytest.raises(DataError, match="say --group store to take each as a series"):
        read_panel(path)


def test_columns_of_words_beside_series_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    rows = [
        f"{day},{n},{'월화수목금토일'[n % 7]},{'rain' * (n == 3)}\n" for n, day in enumerate(DAYS)
    ]
    path.write_text("".join(["date,sales,weekday,memo\n", *rows]), encoding="utf-8")
    (found,) = read_panel(path)
    assert found.columns == ("sales",)
    assert "; columns of words are left out: weekday, memo" in found.said
    with pytest.raises(DataError, match="column 'weekday' holds '월'"):
        read_panel(path, Wanted(targets=("weekday",)))
    rows = [f"{day},{n},1.{n}M,3 kg{'' if n else ' or so'}\n" for n, day in enumerate(DAYS)]
    path.write_text("".join(["date,price,Vol.,weight\n", *rows]))
    with pytest.raises(DataError, match="column 'weight' holds '3 kg or so'"):
        read_panel(path)
    path.write_text("date,sales\n2024-01-01,1\n2024-01-02,two\n2024-01-03,3\n")
    with pytest.raises(DataError, match="column 'sales' holds 'two'"):
        read_panel(path)


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("date,y\n2024-01-01,1\n2024-01-01,2\n", ""),
        ("date,y,z\n2024-01-01,1,5\n2024-01-01,2,5\n",
         ", or name the columns that tell series apart with --group"),
        ("년,주,y\n2024,1,1\n2024,2,2\n2025,1,3\n",
         ", or join 년, 주 into one column of dates, such as 2024-04-29"),
        ("date,y\n2024-01-01 10:00,1\n2024-01-01 10:00,2\n",
         ", or tell the clock's zone, such as --set task.zone=Europe/Berlin, or series apart by --group"),
    ],
)  # fmt: skip
def test_only_what_would_help_is_advised(text: str, cure: str, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_panel(tmp_path / "x.csv", Wanted(time=text.split(",")[0]))
    assert str(caught.value).endswith(f"keep one row for each time{cure}")
    assert "keep" not in mistake(str(caught.value), "ko")


@pytest.mark.parametrize(
    ("cells", "numbers", "said"),
    [
        ("$1,200|$ -|$950", [1200, 0, 950], "$ - in 값 is 0, as spreadsheets show it"),
        ("1,200원|-|₩ -", [1200, np.nan, 0], "₩ - in 값 is 0, as spreadsheets show it"),
        ("$1,200|$0|$ -", [1200, 0, np.nan], "1 number is missing"),
        ("3|#DIV/0!|#ref!|5", [3, np.nan, np.nan, 5], "missing numbers: 2, such as #DIV/0!"),
        ("1,200|#N/A|950", [1200, np.nan, 950], "missing numbers: 1, such as #N/A"),
        ("−3.5|2|-4", [-3.5, 2, -4], "(−3.5 is -3.5)"),
        ("$−3.5|$2", [-3.5, 2], "($−3.5 is -3.5)"),
        ("△1,200|950||▲3", [-1200, 950, np.nan, -3], "(△1,200 is -1200)"),
        ("3.5-|2|10 -", [-3.5, 2, -10], "(3.5- is -3.5)"),
        ("2|1.204,50-|5,5", [2, -1204.5, 5.5], "(1.204,50- is -1204.50)"),
        ("-999|5|-999|7", [-999, 5, -999, 7], "-999 stands 2 times in 값 and is read as a number"),
        ("▲3.5|▼2|0", [3.5, -2, 0], "(▲3.5 is 3.5)"),
        ("1 200|950|2 300", [1200, 950, 2300], "값 with spaces between thousands"),
        ("1\u202f200.5|950|2\xa0300", [1200.5, 950, 2300], "값 with spaces between thousands"),
        ("1 200|950,5", [1200, 950.5], "값 with a decimal comma"),
    ],
)  # fmt: skip
def test_numbers_are_read_as_accounts_and_other_countries_write_them(
    cells: str, numbers: list[float], said: str
) -> None:
    rows = [f"2024-03-0{n}\t{cell}\n" for n, cell in enumerate(cells.split("|"), 1)]
    series = read("날짜\t값\n" + "".join(rows), "x.tsv")
    np.testing.assert_array_equal(series.values[:, 0], numbers)
    assert said in series.said


@pytest.mark.parametrize(
    "cells", [("▲3.5", "▲2"), ("△3.5", "-2"), ("3-", "-2"), ("3–4", "2"), ("12 34", "5")]
)
def test_signs_that_are_not_certain_are_refused(cells: tuple[str, str]) -> None:
    with pytest.raises(DataError, match=r"which is not a finite number|no column of numbers"):
        read(
            "날짜\t값\n" + "".join(f"2024-03-0{n}\t{c}\n" for n, c in enumerate(cells, 1)), "x.tsv"
        )


@pytest.mark.parametrize("cells", ["-999|5|-998|7|-999", "-999|5|7|8", "-99|-20|-99|3"])
def test_a_low_number_among_others_or_once_is_no_stand_in(cells: str) -> None:
    rows = [f"2024-03-0{n}\t{cell}\n" for n, cell in enumerate(cells.split("|"), 1)]
    assert "is read as a number" not in read("날짜\t값\n" + "".join(rows), "x.tsv").said


def test_a_column_of_yes_and_no_is_to_be_written_as_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = [f"2024-03-0{n},{n},{'yes' if n % 2 else 'no'}" for n in range(1, 10)]
    path.write_text("\n".join(["date,sold,promo", *rows]) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"holds 'yes'.*write 1 for yes and 0 for no"):
        read_panel(path, Wanted(future=("promo",)))


@pytest.mark.parametrize("written", ["FY{0}", "FY {0} Q1", "Q1 FY{0}"])
def test_fiscal_years_are_refused(tmp_path: Path, written: str) -> None:
    path = tmp_path / "a.csv"
    rows = [f"{written.format(2000 + n)},{n}" for n in range(12)]
    path.write_text("\n".join(["year,sold", *rows]) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match="looks like a time and is not understood"):
        read_panel(path)
