"""Series below one another: which column names them, though no times meet or cells were merged."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from sunhwan.data import Series, read_panel
from sunhwan.data.series_columns import FOUND, Wanted
from sunhwan.errors import DataError


def read(folder: Path, header: str, names: str, days: int, wanted: Wanted = FOUND) -> list[Series]:
    """The series of a table: ten days of each name, the next one's begin so many days after its first."""
    rows = [header]
    for place, name in enumerate(names.split()):
        first = date(2024, 6, 1) + timedelta(place * days)
        rows += [f"{name},{first + timedelta(day)},{100 * place + day}" for day in range(10)]
    path = folder / "a.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return read_panel(path, wanted)


@pytest.mark.parametrize(
    ("header", "names"), [("도시,날짜,판매", "서울 부산"), ("code,date,sold", "11 12")]
)
def test_a_column_is_of_names_where_the_times_begin_anew_with_it(
    tmp_path: Path, header: str, names: str
) -> None:
    found = read(tmp_path, header, names, -20)
    assert [series.key[0][1] for series in found] == names.split()
    assert [series.values[0, 0] for series in found] == [0, 100]
    column = header.partition(",")[0]
    uncertain = f"the column '{column}' seems to name series.* say --group {column}"
    with pytest.raises(DataError, match=uncertain):
        read(tmp_path, header, names, 20)
    assert len(read(tmp_path, header, names, 20, Wanted(group=(column,)))) == 2


@pytest.mark.parametrize(
    ("header", "names", "days"),
    [
        ("날씨,date,sold", "맑음 비", 10),  # no gap at the change
        ("weather,date,sold", "dry wet dry wet", 20),  # the words come again
        ("jahr,date,sold", "2024 2025", 300),  # a part of the time
    ],
)
def test_a_column_of_words_is_of_no_names_where_nothing_tells_it(
    tmp_path: Path, header: str, names: str, days: int
) -> None:
    (series,) = read(tmp_path, header, names, days)
    assert series.columns[-1] == "sold"


def merged(folder: Path, *columns: str) -> Path:
    """Two blocks of ten days, with the first columns in the first row of each alone."""
    rows = [",".join((*columns, "날짜", "매출"))]
    for block in "가나":
        for day in range(1, 11):
            names = [f"{block}{n}" if day == 1 else "" for n in range(len(columns))]
            rows.append(",".join((*names, f"2024-03-{day:02}", f"{ord(block) % 100 + day}")))
    path = folder / "a.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("columns", [("매장",), ("who",), ("매장", "품목")])
def test_names_of_merged_cells_are_those_of_all_rows_of_their_block(
    tmp_path: Path, columns: tuple[str, ...]
) -> None:
    path = merged(tmp_path, *columns)
    first, second = read_panel(path)
    assert second.key[0] == (columns[0], "나0")
    assert len(first.times) == len(second.times) == 10
    said = (
        f"in the first row of each block alone, and read for all of its rows: {', '.join(columns)}"
    )
    assert said in first.said


def test_one_name_that_is_missing_is_not_filled_in(tmp_path: Path) -> None:
    read(tmp_path, "매장,날짜,매출", "가 나", 0)
    path = tmp_path / "a.csv"
    text = path.read_text(encoding="utf-8").replace("가,2024-06-02", ",2024-06-02")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match="line 3: the column '매장', which names the series, is em"):
        read_panel(path)


@pytest.mark.parametrize(
    ("column", "names"), [("매장", "서울 부산 대전"), ("시각", "09:00 10:00 11:00")]
)
def test_dates_of_merged_cells_are_those_of_all_rows_of_their_block(
    tmp_path: Path, column: str, names: str
) -> None:
    rows = [f"날짜,{column},매출"]
    for day in range(1, 11):
        for place, name in enumerate(names.split()):
            rows.append(f"{f'2024-03-{day:02}' if not place else ''},{name},{day}")
    path = tmp_path / "a.csv"
    path.write_text("\n".join(rows[:-1]) + "\n", encoding="utf-8")
    found = read_panel(path)
    assert len(found) == (3 if column == "매장" else 1)
    assert sum(len(series.times) for series in found) == 29
    assert (
        "in the first row of each block alone, and read for all of its rows: 날짜" in found[0].said
    )
    path.write_text("\n".join([*rows[:2], *rows[3:]]) + "\n", encoding="utf-8")
    with pytest.raises(
        DataError, match=r"column '날짜( 시각)?' (has no time, as in 19 of 29|holds '11:00')"
    ):
        read_panel(path)


def test_numbers_of_the_rows_name_no_series_and_codes_do(tmp_path: Path) -> None:
    days = [date(2024, 1, 1) + timedelta(day) for day in range(20)]
    rows = ["id,date,store_nbr,item_nbr,unit_sales,onpromotion"]
    for day in days:
        for store in (1, 2):
            for item in (96995, 99197):
                rows.append(
                    f"{len(rows)},{day},{store},{item},{store + item % 10},{day.day % 3 > 0}"
                )
    path = tmp_path / "a.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    found = read_panel(path)
    assert [name for name, _ in found[0].key] == ["store_nbr", "item_nbr"]
    assert {series.columns for series in found} == {("unit_sales",)}
    assert [len(series.times) for series in found] == [20] * 4


def test_the_columns_that_are_advised_tell_the_series_apart(tmp_path: Path) -> None:
    days = [date(2024, 1, 1) + timedelta(day) for day in range(20)]
    rows = [
        f"{day},{one},{other},{day.day % 7 > 4},{day.day + one + other}"
        for day in days for one in (1, 2) for other in (1, 2)
    ]  # fmt: skip
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["date,first,second,holiday,sold", *rows]) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"with --group, such as first, second$"):
        read_panel(path)
