"""The separator of streamed tables: by evidence, and by the columns that are asked for."""

from pathlib import Path

import pytest

from sunhwan.data.streamed_tables import open_table

ROWS = [("1", "정말, 좋은 영화"), ("4", "돈이, 아깝다"), ("5", "감동, 또 감동")]


def cells_of(path: Path, asked: tuple[str, ...]) -> list[dict[str, str]]:
    with open_table(path, asked) as table:
        return [row.values for row in table.rows]


@pytest.mark.parametrize("separator", [";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("above", "between"), [([], []), ([], [""]), (["Report", ""], []), (["Report"], ["", ""])]
)
def test_empty_lines_and_titles_do_not_hide_the_separator(
    tmp_path: Path, separator: str, end: str, above: list[str], between: list[str]
) -> None:
    rows = [separator.join(row) for row in [("id", "리뷰"), *ROWS]]
    path = tmp_path / "rows.csv"
    path.write_bytes(end.join([*above, *rows[:2], *between, *rows[2:], ""]).encode())
    found = [values for values in cells_of(path, ("리뷰",)) if values]
    assert found == [{"id": number, "리뷰": text} for number, text in ROWS]


def test_an_empty_line_does_not_hide_the_separator_of_a_table_that_nobody_asked_of(
    tmp_path: Path,
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("id;text\n1;a\n\n2;b\n", encoding="utf-8")
    assert [values for values in cells_of(path, ()) if values] == [
        {"id": "1", "text": "a"},
        {"id": "2", "text": "b"},
    ]
