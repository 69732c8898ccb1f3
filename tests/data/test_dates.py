"""Dates as tables write them: read, decided over a column, and written alike."""

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sunhwan.data import month_names
from sunhwan.data.calendar import DAY, Calendar
from sunhwan.data.clock import following
from sunhwan.data.date_orders import UnreadTimeError
from sunhwan.data.dates import Writing, looks_like_date, orders_of, read_date
from sunhwan.data.times import Times, read_times
from sunhwan.data.zones import offsets_of
from sunhwan.errors import DataError, UsageError

WRITINGS = {
    "2024-01-31": datetime(2024, 1, 31),
    "2024-01-31 13:05": datetime(2024, 1, 31, 13, 5),
    "2024-01-31 9:05": datetime(2024, 1, 31, 9, 5),
    "2024-01-31T13:05:09.120": datetime(2024, 1, 31, 13, 5, 9, 120000),
    "2024/1/31": datetime(2024, 1, 31),
    "2024.01.31": datetime(2024, 1, 31),
    "2024. 1. 31.": datetime(2024, 1, 31),
    "2024년 1월 31일": datetime(2024, 1, 31),
    "2024년 2월 4일 오후 3시 5분": datetime(2024, 2, 4, 15, 5),
    "2024-02-04 오전 12:30:00": datetime(2024, 2, 4, 0, 30),
    "2024-01-31(수) 13:00": datetime(2024, 1, 31, 13),
    "20240131": datetime(2024, 1, 31),
    "2024013123": datetime(2024, 1, 31, 23),
    "20240131T090500": datetime(2024, 1, 31, 9, 5),
    "2024-01": datetime(2024, 1, 1),
    "2024년 3월": datetime(2024, 3, 1),
    "2024Q2": datetime(2024, 4, 1),
    "2024-Q4": datetime(2024, 10, 1),
    "2024년 1분기": datetime(2024, 1, 1),
    "2023.4분기": datetime(2023, 10, 1),
    "2015.1/4": datetime(2015, 1, 1),
    "2015 3/4": datetime(2015, 7, 1),
    "2015년 2/4분기": datetime(2015, 4, 1),
    "2015/1Q": datetime(2015, 1, 1),
    "2005H2": datetime(2005, 7, 1),
    "2024年4月29日": datetime(2024, 4, 29),
    "2024年4月29日 13:05": datetime(2024, 4, 29, 13, 5),
    "2024年4月": datetime(2024, 4, 1),
    "2024-W05": datetime(2024, 1, 29),
    "31/12/2020": datetime(2020, 12, 31),
    "12/31/2020": datetime(2020, 12, 31),
    "31.12.2020": datetime(2020, 12, 31),
    "12/31/2020 3:05 PM": datetime(2020, 12, 31, 15, 5),
    "31.12.2020 12:00:09 a.m.": datetime(2020, 12, 31, 0, 0, 9),
    "Feb 04, 2024": datetime(2024, 2, 4),
    "04-Feb-24": datetime(2024, 2, 4),
    "4 February 2024": datetime(2024, 2, 4),
    "Sunday, February 4, 2024": datetime(2024, 2, 4),
    "Feb 2024": datetime(2024, 2, 1),
    "04/Feb/2024:13:05:00": datetime(2024, 2, 4, 13, 5),
}


@pytest.mark.parametrize("text", WRITINGS)
def test_what_is_read_is_written_alike(text: str) -> None:
    (order,) = orders_of(text)
    found = read_date(text, order)
    assert found is not None
    assert found.local == WRITINGS[text]
    assert Writing.of([text], order).write(found.local) == text


@pytest.mark.parametrize(
    "text",
    ["2024-02-30", "2024", "1958.25", "Jan", "", "24/31/2020", "Monday, February 4, 2024",
     "0001-01-01T00:00+09:00", "2024-01-31 25:00", "2024-01-31 13:00 AM", "10:30", "25/12"],
)  # fmt: skip
def test_what_is_no_date_is_not_read_as_one(text: str) -> None:
    assert orders_of(text) == []


def test_what_looks_like_a_date() -> None:
    assert all(
        map(
            looks_like_date,
            (
                "2024-02-30", "25/12", "10:30", "Feb 27", "3월 2일", "13/13/13", "27 avril 2023",
                "avril 2023", "1. März 2024", "1 de abril de 2023", "1Q23", "2024年第2季度", "3분기",
            ),
        )
    )  # fmt: skip
    assert not any(
        map(
            looks_like_date,
            ("Jan", "week 3", "T17", "Windows 2000", "item 3b", "", "서울", "may be", "4.5"),
        )
    )


def column(*cells: str, **options: Any) -> Times:
    return read_times(cells, [f"line {n}" for n in range(2, len(cells) + 2)], "ds", **options)


@pytest.mark.parametrize(
    ("cells", "order"),
    [
        (("01/02/2024", "13/02/2024"), "day-month-year"),
        (("01/02/2024", "02/13/2024"), "month-day-year"),
        (("04.02.2024", "05.02.2024"), "day-month-year"),
        # Nothing over 12: months go on evenly in one order only.
        (tuple(f"{m:02}/01/{y}" for y in (2022, 2023) for m in range(1, 13)), "month-day-year"),
        (tuple(f"01/{m:02}/{y}" for y in (2022, 2023) for m in range(1, 13)), "day-month-year"),
        (tuple(f"{d:02}/04/2024 {h:02}:00" for d in (3, 4) for h in range(24)), "day-month-year"),
        (("24.02.29", "24.03.01", "24.03.02"), "year-month-day"),
        (("29.02.24", "01.03.24", "02.03.24"), "day-month-year"),
    ],
)  # fmt: skip
def test_the_whole_column_decides(cells: tuple[str, ...], order: str) -> None:
    assert column(*cells).order == order
    assert order in column(*cells).notes[0]


def test_what_no_row_decides_is_asked_about() -> None:
    with pytest.raises(
        DataError, match=r"--set task\.dates=day-first or --set task\.dates=month-first"
    ):
        column("03/04/2024", "04/04/2024", "05/04/2024")
    for choice, day in (("day-first", 4), ("month-first", 1)):
        points = column("03/04/2024", "04/04/2024", "05/04/2024", dates=choice).points
        assert np.diff(points)[0] / 86_400e6 == (1 if day == 4 else 31)
    with pytest.raises(DataError, match=r"not all month-day-year, as task\.dates says"):
        column("13/04/2024", "14/04/2024", dates="month-first")


@settings(deadline=None, max_examples=60)
@given(
    st.datetimes(datetime(1975, 1, 1), datetime(2068, 1, 1)),
    st.sampled_from(["%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y %H:%M", "%b %d, %Y", "%Y년 %m월 %d일", "%y-%m-%d",
                     "%d-%b-%y", "%m/%d/%Y %I:%M %p", "%Y%m%d", "%A, %d %B %Y"]),
    st.booleans(),
)  # fmt: skip
def test_days_in_any_writing_go_on_or_are_refused(start: datetime, form: str, turned: bool) -> None:
    start = start.replace(minute=0, second=0, microsecond=0)
    days = [start + timedelta(n) for n in range(44)]
    cells = [f"{day:{form}}" for day in days]
    assert following(cells[:40], 4) == tuple(cells[40:])
    points = column(*(cells[::-1] if turned else cells)).points
    assert (np.diff(points) == (-1 if turned else 1) * 86_400e6).all()


def test_a_month_of_four_letters_is_written_in_full() -> None:
    assert following(["30 July 2000", "31 July 2000"], 1) == ("01 August 2000",)
    assert following(["30 Jul 2000", "31 Jul 2000"], 1) == ("01 Aug 2000",)


def test_a_trained_model_decides_what_a_short_file_leaves_open() -> None:
    assert column("03/04/2024", "04/04/2024", usual="month-day-year").order == "month-day-year"
    assert column("13/04/2024", "14/04/2024", usual="month-day-year").order == "day-month-year"


def test_an_order_that_the_rows_fit_better_comes_before_the_usual_one() -> None:
    days = tuple(f"06/{day:02}/2024" for day in range(1, 13))
    daily = Calendar("time", DAY)
    assert column(*days, usual="day-month-year", calendar=daily).order == "month-day-year"
    assert column(*days, usual="month-day-year", calendar=daily).order == "month-day-year"
    monthly = Calendar("months", day=6)
    assert column(*days, usual="month-day-year", calendar=monthly).order == "day-month-year"
    with_gaps = [f"{day:02}/06/2024" for day in (1, 3, 4, 7, 8, 12)]
    assert column(*with_gaps, usual="day-month-year", calendar=daily).order == "day-month-year"
    hours = [f"{d:02}/04/2024 {h:02}:00" for d in (3, 4) for h in range(24)]
    assert column(*hours, usual="month-day-year").order == "day-month-year"


def test_dates_of_which_a_spreadsheet_swapped_some_are_refused() -> None:
    days = [datetime(2024, 4, 1) + timedelta(n) for n in range(60)]
    swapped = [f"{day:%m/%d/%Y}" if day.day < 13 else f"{day:%d/%m/%Y}" for day in days]
    for cells in (swapped, swapped[::-1]):
        with pytest.raises(
            DataError, match="are in order only if day and month are swapped in one"
        ):
            column(*cells)
    mixed = [f"{day:%d/%m/%Y}" for day in (*days[30:], *days[:30])]
    assert column(*mixed).order == "day-month-year"


def test_midnight_is_the_hour_24_where_the_column_writes_it_so() -> None:
    hours = [f"2024-01-0{day} {hour:02}:00" for day in (1, 2) for hour in range(1, 25)]
    assert (np.diff(column(*hours).points) == 3600e6).all()
    assert following(hours[:46], 3) == ("2024-01-02 23:00", "2024-01-02 24:00", "2024-01-03 01:00")


def test_counts_since_1970_are_dates() -> None:
    assert following(["1700000000", "1700003600"], 1) == ("1700007200",)
    found = column("1700000000000", "1700000060000")
    assert found.kind == "date"
    assert np.diff(found.points) == 60e6
    assert column("1", "2", "3").kind == "number"
    assert column("1999", "2000").kind == "number"


def test_counts_since_1970_go_on_with_their_decimals() -> None:
    assert following(["1700006400.0", "1700092800.0"], 1) == ("1700179200.0",)
    assert following(["1700006400.25", "1700006400.75"], 1) == ("1700006401.25",)


def test_offsets_that_change_are_those_of_a_zone() -> None:
    before = [f"2024-03-31T0{hour}:00:00+01:00" for hour in (0, 1)]
    after = [f"2024-03-31T0{hour}:00:00+02:00" for hour in (3, 4)]
    assert following(before + after, 2) == tuple(f"2024-03-31T0{h}:00:00+02:00" for h in (5, 6))
    # On into the autumn, when the clock is put back.
    days = [f"2024-{m:02}-01T00:00:00+0{1 if m < 4 else 2}:00" for m in range(1, 11)]
    assert following(days, 2) == ("2024-11-01T00:00:00+01:00", "2024-12-01T00:00:00+01:00")
    assert following(["2024-01-01 23:50 Asia/Seoul", "2024-01-02 00:00 Asia/Seoul"], 1) == (
        "2024-01-02 00:10 Asia/Seoul",
    )


def test_an_hour_that_comes_twice_is_told_by_its_place() -> None:
    hours = ("2024-10-27 01:00", "2024-10-27 02:00", "2024-10-27 02:00", "2024-10-27 03:00")
    found = column(*hours, zone="Europe/Berlin")
    assert (np.diff(found.points) == 3600e6).all()
    assert found.write(found.points[2].item()) == "2024-10-27 02:00"
    assert found.write(found.points[3].item() + 3600e6) == "2024-10-27 04:00"
    with pytest.raises(UsageError, match="no time zone 'Mars/Olympus'"):
        column(*hours, zone="Mars/Olympus")


def test_times_of_utc_whose_days_are_those_of_a_clock() -> None:
    hours = [f"2024-03-{day}T{hour:02}:00:00Z" for day in (30, 31) for hour in range(24)]
    found = column(*hours, zone="Europe/Berlin")
    assert found.zone == "Europe/Berlin"
    assert [found.write(point) for point in found.points.tolist()] == hours
    assert found.write(found.points[-1].item() + 3600e6) == "2024-04-01T00:00:00Z"
    assert column(*hours).zone == ""
    seconds = column("1700000000", "1700003600", zone="Europe/Berlin")
    assert (seconds.order, seconds.zone) == ("epoch", "Europe/Berlin")


def test_a_zone_that_is_not_that_of_the_times_is_refused() -> None:
    offsets = ("2024-03-31T01:00:00+01:00", "2024-03-31T03:00:00+02:00")
    assert column(*offsets, zone="Europe/Berlin").zone == "Europe/Berlin"
    with pytest.raises(UsageError, match="are not those of its clock"):
        column(*offsets, zone="America/New_York")
    with pytest.raises(UsageError, match="but the times name Asia/Seoul"):
        column("2024-01-01 23:50 Asia/Seoul", "2024-01-02 00:00 Asia/Seoul", zone="Europe/Paris")
    alias = ("2024-01-01 23:50 Asia/Calcutta", "2024-01-02 00:00 Asia/Calcutta")
    assert column(*alias, zone="Asia/Kolkata").kind == "date"


@pytest.mark.parametrize("offset", ["", "Z", "+09:00"])
def test_a_zone_is_assumed_where_the_times_tell_no_other(offset: str) -> None:
    hours = [f"2024-07-{day}T{hour:02}:00:00" for day in range(10, 20) for hour in range(24)]
    found = column(*(h + offset for h in hours), usual_zone="Europe/Berlin", assume_zone=True)
    assert found.zone == "Europe/Berlin"
    assert [found.write(point) for point in found.points.tolist()] == [h + offset for h in hours]
    assert column(*(h + offset for h in hours), usual_zone="Europe/Berlin").zone == ""
    seconds = ("1700000000", "1700003600")
    assert column(*seconds, usual_zone="Europe/Berlin", assume_zone=True).zone == "Europe/Berlin"


def test_a_zone_that_is_assumed_gives_way_to_that_of_the_times() -> None:
    new_york = (
        "2024-03-10T01:00:00-05:00",
        "2024-03-10T03:00:00-04:00",
        "2024-03-10T04:00:00-04:00",
    )
    assert (
        column(*new_york, usual_zone="Europe/Berlin", assume_zone=True).zone == "America/New_York"
    )
    named = [f"2024-03-10 {hour:02}:00 America/New_York" for hour in (1, 3, 4)]
    assert column(*named, usual_zone="Europe/Berlin", assume_zone=True).zone == "America/New_York"
    # Of no zone that there is: the last offset stays.
    odd = ("2024-03-10T01:00:00-05:00", "2024-03-10T03:00:00+04:00")
    assert column(*odd, usual_zone="Europe/Berlin", assume_zone=True).zone == ""


def test_clocks_are_asked_from_the_first_year_on() -> None:
    ancient = np.array([-62_135_596_800_000_000, -60_000_000_000_000_000])
    assert len(set(offsets_of(ancient, "America/New_York").tolist())) == 1


def test_one_that_is_not_like_the_others_is_named() -> None:
    with pytest.raises(DataError, match="line 4: column 'ds' holds '2024-02-30', which is no date"):
        column("2024-02-28", "2024-02-29", "2024-02-30")
    with pytest.raises(DataError, match="line 2: column 'ds' holds 'x', which is no date"):
        column("x", "2024-02-29", "2024-03-01")
    assert column("Jan", "Feb").kind == "name"


def test_quarters_and_half_years_go_on() -> None:
    quarters = [f"{year}.{quarter}/4" for year in (2021, 2022, 2023) for quarter in range(1, 5)]
    assert column(*quarters).order == "year-quarter"
    assert following(quarters[:-2], 3) == ("2023.3/4", "2023.4/4", "2024.1/4")
    assert column("2023.4분기", "2023.3분기", "2023.2분기").points[0] == (
        datetime(2023, 10, 1) - datetime(1970, 1, 1)
    ) // timedelta(microseconds=1)
    assert following(["2004H1", "2004H2", "2005H1"], 2) == ("2005H2", "2006H1")


@pytest.mark.parametrize("cell", ["27 kwietnia 2023", "2024년 1주", "제3차"])
def test_what_stands_for_a_date_and_is_not_understood_is_named(cell: str) -> None:
    with pytest.raises(DataError, match=f"line 2: column 'ds' holds '{cell}'"):
        column(cell, f"{cell}a")


def test_days_of_a_spreadsheet_are_dates() -> None:
    cells = ["45292.5", "45293.25"]
    found = read_times(cells, ["line 2", "line 3"], "Order date")
    assert found.kind == "date"
    points = [datetime(1970, 1, 1) + timedelta(microseconds=int(p)) for p in found.points]
    assert points == [datetime(2024, 1, 1, 12), datetime(2024, 1, 2, 6)]
    assert [found.write(p) for p in found.points] == ["45292.50", "45293.25"]
    assert read_times(cells, ["line 2", "line 3"], "price").kind == "number"
    assert read_times(["1e99999999999999999999", "1"], ["line 2", "line 3"], "date").kind == "name"


@pytest.mark.parametrize(
    ("times", "following"),
    [
        ("30. März 2024|31. März 2024|1. April 2024", "2. April 2024"),
        ("Okt 2023|Nov 2023|Dez 2023", "Jan 2024"),
        ("29 AVRIL 2023|30 AVRIL 2023|1er MAI 2023", "2 MAI 2023"),
        ("janv. 2023|févr. 2023|mars 2023|avr. 2023", "mai 2023"),
        ("1 de abril de 2023|2 de abril de 2023", "3 de abril de 2023"),
        ("mar-23|abr-23|may-23", "jun-23"), ("Feb. 2023|Mar. 2023|Apr. 2023", "May. 2023"),
        ("30 novembre 2023|1 dicembre 2023", "2 dicembre 2023"),
        ("fev/2023|mar/2023|abr/2023", "mai/2023"),
        ("May 2023|Jun 2023|Jul 2023|Aug 2023|Sept 2023", "Oct 2023"),
        ("2024年4月29日|2024年4月30日", "2024年5月1日"),
    ],
)  # fmt: skip
def test_months_are_read_and_written_in_their_language(times: str, following: str) -> None:
    cells = times.split("|")
    found = read_times(cells, cells, "날짜")
    assert found.kind == "date"
    months = found.points[1] - found.points[0] > 20 * 86_400_000_000
    last = np.datetime64(int(found.points[-1]), "us")
    step = (last.astype("M8[M]") + 1).astype("M8[us]") if months else last + np.timedelta64(1, "D")
    assert [found.write(point) for point in found.points] == [c.replace("1er", "1") for c in cells]
    assert found.write(int(step.astype(int))) == following


def test_no_name_of_a_month_is_that_of_two() -> None:
    for table in month_names._TABLES:
        numbers = [month_names.MONTH_NUMBERS[name.rstrip(".").lower()] for name in table]
        assert numbers == list(range(1, 13))


def test_a_time_that_the_clock_of_the_zone_skips_is_refused() -> None:
    hours = [f"31.03.2024 {hour:02}:00" for hour in range(6)]
    with pytest.raises(UsageError, match=r"its clock skips '31\.03\.2024 02:00'"):
        column(*hours, zone="Europe/Berlin")
    days = [f"2024-09-{day:02}" for day in range(6, 10)]  # midnight of the 8th is skipped there
    assert column(*days, zone="America/Santiago").kind == "date"


def test_midnights_of_a_zone_that_are_written_in_utc_are_days_of_its_clock() -> None:
    days = [f"2024-03-{day}T23:00:00Z" for day in range(25, 30)] + [
        f"2024-{day}T22:00:00Z" for day in ("03-31", "04-01", "04-02")
    ]
    days.insert(5, "2024-03-30T23:00:00Z")
    found = column(*days, zone="Europe/Berlin")
    assert set(np.diff(found.points)) == {DAY}
    assert "steps are those of the clock of Europe/Berlin" in found.notes
    assert [found.write(point) for point in found.points] == days


@pytest.mark.parametrize("count", [5, 12, 14])
def test_years_that_end_in_the_next_one_are_no_months(count: int) -> None:
    with pytest.raises(
        UnreadTimeError, match="'2000-01', which may be a month or a year that ends"
    ):
        column(*(f"{2000 + n}-{n + 1:02}" for n in range(count)))
