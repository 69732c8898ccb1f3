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
