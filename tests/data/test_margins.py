"""Margins of a table: titles above and totals below are left out by evidence, and said."""

from pathlib import Path

import pytest

from sunhwan.data.streamed_tables import open_table
from sunhwan.data.tables import read_table
from sunhwan.errors import DataError

ROWS = "".join(f"2024-01-{day:02},{day * 1.5},{day}\n" for day in range(1, 21))
TABLE = "Date,Sales,Staff\n" + ROWS


def written(path: Path, text: str) -> Path:
    file = path / "a.csv"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize("below", ["Total,315,210\n", "\n합계,315.0,\n", "Average:,15.75,10.5\n"])
@pytest.mark.parametrize("above", ["", "Sales of January\n\n", "Sales,,\nof January,,\n"])
def test_titles_and_totals_are_left_out(tmp_path: Path, above: str, below: str) -> None:
    table = read_table(written(tmp_path, above + TABLE + below))
    assert table.columns == ("Date", "Sales", "Staff")
    assert [row.values["Staff"] for row in table.rows] == [str(n) for n in range(1, 21)]
    assert ("above the header left out" in table.said) == bool(above)
    assert "their totals" in table.said


def test_what_is_no_total_stays(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, TABLE + "Total,999,999\n"))
    assert len(table.rows) == 21
    text = "text,label\n" + "".join(f"word {n},{n % 2}\n" for n in range(9)) + "Total,1\n"
    assert len(read_table(written(tmp_path, text)).rows) == 10


@pytest.mark.parametrize("cell", ["1e999", "-1e999", "9" * 4000])
def test_a_total_beyond_all_numbers_stays(tmp_path: Path, cell: str) -> None:
    assert len(read_table(written(tmp_path, TABLE + f"Total,{cell},{cell}\n")).rows) == 21


def test_a_first_row_that_is_no_title_stays(tmp_path: Path) -> None:
    assert len(read_table(written(tmp_path, "a good film,\n" + "bad,no\n" * 9)).rows) == 10
    with pytest.raises(DataError, match="line 1: this line is empty"):
        read_table(written(tmp_path, "\n" + "bad,no\n" * 9))


def test_a_streamed_table_has_the_same_header(tmp_path: Path) -> None:
    with open_table(written(tmp_path, "Sales of January\n\n" + TABLE)) as table:
        assert table.columns == ("Date", "Sales", "Staff")
        assert len(list(table.rows)) == 20


DAYS = "".join(f"2024-03-{n:02},{n * 3},{n % 4}\n" for n in range(1, 13))


@pytest.mark.parametrize(
    ("below", "count"),
    [
        ("출처: 통계청\n", 12), ("출처: 통계청,,\n주) 잠정치,,\n", 12), ("\n* 잠정치\nSource: KIS\n", 12),
        ("합계,234,18\n,,\n자료: 한국은행,,\n", 12), ("2024-03-13,,\n", 13),
        ("2024-03-13,5,출처: 통계청\n", 13),
    ],
)  # fmt: skip
def test_footnotes_below_the_rows_are_left_out(tmp_path: Path, below: str, count: int) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"날짜,매출,방문\n{DAYS}{below}", encoding="utf-8")
    table = read_table(path)
    assert len(table.rows) == count
    assert ("below the rows left out, of footnotes (" in table.said) == (count == 12)


@pytest.mark.parametrize(
    ("header", "names", "said"),
    [
        ("날짜,매출,\n,서울,부산\n", ("날짜", "매출 서울", "매출 부산"), "in two lines, which are"),
        ("날짜,매출,매출\n날짜,서울,부산\n", ("날짜", "매출 서울", "매출 부산"), "in two lines, which are"),
        ("날짜,매출,방문\n,천원,명\n", ("날짜", "매출", "방문"), "below the header is left out (천원, 명)"),
        ("날짜,매출,방문\n,-,NA\n", ("날짜", "매출", "방문"), ""),
    ],
)  # fmt: skip
def test_two_lines_of_names_are_one_header(
    tmp_path: Path, header: str, names: tuple[str, ...], said: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(header + DAYS, encoding="utf-8")
    table = read_table(path)
    assert table.columns == names
    assert len(table.rows) == 12 + (not said)
    assert said in table.said


def test_a_row_of_words_below_a_header_of_texts_is_a_row(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("리뷰,라벨\n정말 좋아요,긍정\n" + "나빠요,0\n좋아요,1\n" * 9, encoding="utf-8")
    assert len(read_table(path).rows) == 19


TEMPERATURES = "Daily minimum temperatures in Melbourne, Australia, 1981-1990, in degrees"


@pytest.mark.parametrize("below", [f"\n{TEMPERATURES}\n", f'\n"{TEMPERATURES}"\n', ""])
def test_a_long_name_over_numbers_is_one_and_may_stand_below_once_more(
    tmp_path: Path, below: str
) -> None:
    path = tmp_path / "a.csv"
    rows = "".join(f"2024-03-{n:02},{n * 3}\n" for n in range(1, 13))
    path.write_text(f'"Date","{TEMPERATURES}"\n{rows}{below}', encoding="utf-8")
    table = read_table(path)
    assert table.columns == ("Date", TEMPERATURES)
    assert len(table.rows) == 12


def test_facts_about_a_table_above_it_are_left_out(tmp_path: Path) -> None:
    facts, rows = (
        "latitude,longitude,zone\n52.5,13.4,GMT\n",
        "time,rain\n2021-01-01,1\n2021-01-02,3\n",
    )
    file = tmp_path / "weather.csv"
    file.write_text(f"{facts}\n{rows}", encoding="utf-8")
    table = read_table(file)
    assert (table.columns, len(table.rows)) == (("time", "rain"), 2)
    assert "3 lines above the header left out" in table.said
    file.write_text(f"{facts}1,2,3\n\n{rows}", encoding="utf-8")
    with pytest.raises(DataError):
        read_table(file)
