"""Rows of named columns, and every way in which a file of them can be wrong."""

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sunhwan.data import Table, column, read_table
from sunhwan.data.named_columns import asked_columns
from sunhwan.data.numbers import COMMA, GROUPED, is_number, plain_columns, writings
from sunhwan.data.separated import Layout, quoted_rows
from sunhwan.errors import DataError, TextError
from sunhwan.text import normalize

Save = Callable[[str, str], Path]


@pytest.fixture
def save(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Save:
    """Write a file and give its name, which is relative, so that messages begin with it."""
    monkeypatch.chdir(tmp_path)

    def write(name: str, text: str) -> Path:
        data = text.encode()
        Path(name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return Path(name)

    return write


def cells(table: Table) -> list[list[str]]:
    return [list(row.values()) for row in table.written or [row.values for row in table.rows]]


def values(table: Table) -> list[list[str]]:
    return [list(row.values.values()) for row in table.rows]


REVIEWS = 'id\tdocument\tlabel\n7\t재미있다 "정말\n8\t\t0\n'.replace("정말\n", "정말\t1\n")


@pytest.mark.parametrize("name", ["reviews.tsv", "reviews.txt", "reviews", "reviews.TSV.gz"])
def test_tab_separated(save: Save, name: str) -> None:
    table = read_table(save(name, "\ufeff" + REVIEWS.replace("\n", "\r\n")))
    assert table.columns == ("id", "document", "label")
    assert cells(table) == [["7", '재미있다 "정말', "1"], ["8", "", "0"]]
    assert [row.where for row in table.rows] == [f"{name}, line 2", f"{name}, line 3"]
    assert table.said == "tab-separated, with a header: id, document, label"
    assert table.name == name


def test_comma_separated(save: Save) -> None:
    text = '질문,답변\n"잘 가,\n친구야","그는 ""안녕""이라 했다"\n밥은?,먹었다\n'
    for name in ("chat.csv", "chat.data"):
        table = read_table(save(name, text))
        assert table.columns == ("질문", "답변")
        assert cells(table) == [["잘 가,\n친구야", '그는 "안녕"이라 했다'], ["밥은?", "먹었다"]]
        assert [row.where for row in table.rows] == [f"{name}, line 2", f"{name}, line 4"]
    long = "가" * 200_000
    assert read_table(save("long.csv", f"text,label\n{long},1\n")).rows[0].values["text"] == long
    # Nor is the limit of the process another one while a file is being read, or after two at once.
    open_ones = [quoted_rows(["a,b\n", "c,d\n"], Layout(","), "t") for _ in range(2)]
    assert [next(rows) for rows in open_ones] == [(1, ["a", "b"])] * 2
    assert csv.field_size_limit() == 131_072


@pytest.mark.parametrize(
    ("name", "text", "said", "rows"),
    [
        ("x.csv", "name;price\na;1,5\nb;2,25\n", "semicolon-separated, with a header: name, price; "
         "price with a decimal comma", [["a", "1.5"], ["b", "2.25"]]),
        ("x.csv", "a, b;1,5\nb, c;2,5\n", "semicolon-separated", [["a, b", "1.5"], ["b, c", "2.5"]]),
        ("x.csv", "a;1,5\nb;2,5\n", "semicolon-separated, without", [["a", "1.5"], ["b", "2.5"]]),
        ("x.txt", "text;label\nSo, so; yes;1\n".replace("; yes", " yes"), "semicolon-separated, with a",
         [["So, so yes", "1"]]),
        ("x.tsv", "text,label\na,1\nb,2\n", "comma-separated, with a", [["a", "1"], ["b", "2"]]),
        ("x.csv", "text\tlabel\na,b\t1\nc\t2\n", "tab-separated, with a", [["a,b", "1"], ["c", "2"]]),
        ("x.txt", '"two\nlines"\t1\nno\t2\n', "tab-separated, without", [["two\nlines", "1"], ["no", "2"]]),
        ("x.csv", "sep=;\ntext;label\na;1\n", "semicolon-separated, with a", [["a", "1"]]),
        ("x.csv", 'text;label\n"two\nlines; ""so""";1\n', "semicolon-separated, with a",
         [['two\nlines; "so"', "1"]]),
        ("x.tsv", 'text\tlabel\n"two\nlines"\t1\nno\t2\n', "tab-separated, with a",
         [["two\nlines", "1"], ["no", "2"]]),
        ("x.tsv", 'text\tlabel\n"he said ""no"""\t1\n', "tab-separated", [['he said "no"', "1"]]),
        ("x.tsv", 'text\tlabel\n"he said ""no"""\t1\na "b\t2\n', "tab-separated",
         [['"he said ""no"""', "1"], ['a "b', "2"]]),
        ("x.csv", 'text, label\n"a, b", 1\n"c", 2\n', "comma-separated, with",
         [["a, b", " 1"], ["c", " 2"]]),
        ("x.csv", 'label, text\n1, "a, b"\n2, "c"\n', "comma-separated, with", [["1", "a, b"], ["2", "c"]]),
        ("x.txt", "Well; it rains.\nSo; so.\n", "one text a line", [["Well; it rains."], ["So; so."]]),
        ("x.csv", "v1,v2,,,\nham,See you,,,\nspam,Win,,,\n", "comma-separated, with a header: v1, v2; 3 "
         "columns without a name are left out", [["ham", "See you"], ["spam", "Win"]]),
        ("x.csv", "text,label\na,1\ntext,label\nb,2\n", "comma-separated, with a header: text, label; the "
         "header stands 1 time more and is left out there", [["a", "1"], ["b", "2"]]),
        ("x.txt", "__label__pos so good\n__label__neg bad\n", "fastText: label, text",
         [["pos", "so good"], ["neg", "bad"]]),
    ],
)  # fmt: skip
def test_layouts_are_found_by_evidence(
    save: Save, name: str, text: str, said: str, rows: list[list[str]]
) -> None:
    table = read_table(save(name, text))
    assert table.said.startswith(said)
    assert values(table) == rows


@pytest.mark.parametrize(
    ("cells", "ways", "plain"),
    [
        (["1", "2.5", ""], ("plain",), None),
        (["1,204", "950"], ("with commas between thousands",), ["1204", "950"]),
        (["1,204,500", "3,000"], ("with commas between thousands",), ["1204500", "3000"]),
        (["1,204.5", "-3"], ("with commas between thousands",), ["1204.5", "-3"]),
        (["1.204,5", "950"], ("with a decimal comma",), ["1204.5", "950"]),
        (["0,204", "1,950"], ("with a decimal comma",), ["0.204", "1.950"]),
        (["1,5", "2", " -3,25 "], ("with a decimal comma",), ["1.5", "2", "-3.25"]),
        (["1,204", "1950"], ("with a decimal comma",), ["1.204", "1950"]),
        (["1\xa0204,5"], ("with a decimal comma",), ["1204.5"]),
        (["1,204", "3,500"], ("with commas between thousands", "with a decimal comma"), None),
        (["1,20,4"], (), None),
        (["31.12.2020"], (), None),
        (["", " "], (), None),
    ],
)
def test_numbers_by_evidence_of_their_column(
    cells: list[str], ways: tuple[str, ...], plain: list[str] | None
) -> None:
    assert writings(cells) == ways
    found = plain_columns({"x": cells})
    assert found == ({} if plain is None else {"x": (ways[0], plain)})


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        (("a", "b"), ("a", "b")), (("B", "x", "A"), ("A", "B")), (("1", "2"), ("1", "2")),
        ((), ("a", "b")),
    ],
)  # fmt: skip
def test_the_columns_that_a_model_reads(columns: tuple[str, ...], found: tuple[str, ...]) -> None:
    assert asked_columns("t.csv", columns, ("a", "b")) == found


def test_columns_of_other_names_are_not_taken_by_their_places() -> None:
    assert asked_columns("t.csv", ("review",), ("text",)) == ("review",)
    with pytest.raises(DataError, match=r"t\.csv has the columns x, y, but the model reads a, b"):
        asked_columns("t.csv", ("x", "y"), ("a", "b"))


def test_a_column_that_does_not_tell_is_told_by_the_others() -> None:
    unsure, groups = ["1,204", "3,500"], ["1.204", "950"]
    other = plain_columns({"a": unsure, "b": ["0,5", "1,25"], "c": groups, "d": ["0.5", "1"]})
    assert {name: cells for name, (_, cells) in other.items()} == {
        "a": ["1.204", "3.500"], "b": ["0.5", "1.25"], "c": ["1204", "950"]
    }  # fmt: skip
    assert plain_columns({"a": unsure, "b": ["1,204.5"]})["a"][1] == ["1204", "3500"]
    # What separates the cells tells too, but less than another column.
    assert plain_columns({"a": unsure, "c": groups}, ",") == {"a": (GROUPED, ["1204", "3500"])}
    assert plain_columns({"a": unsure, "c": groups}, ";") == {"a": (COMMA, ["1.204", "3.500"])}
    assert plain_columns({"a": unsure, "b": ["0,5"]}, ",")["a"][1] == ["1.204", "3.500"]


HUNDREDS = [f"{n / 10:.3f}" if n > 9 else f"{n}00" for n in range(3, 16)]


@pytest.mark.parametrize(
    "cells",
    [
        HUNDREDS, ["412", "-1.204", "938", "2.391", "", "771", "1.006"],
        ["7", "1.200", "150", "12.391", "23", "1.006"],
        ["0", "999", *(f"{n}.{1000 - n - 1:03}" for n in range(1, 10))],
    ],
)  # fmt: skip
def test_points_stand_between_thousands_where_the_column_tells(
    cells: list[str], save: Save
) -> None:
    numbers = [cell.replace(".", "") for cell in cells]
    assert plain_columns({"x": cells, "y": ["1.204"] * len(cells)})["x"] == (COMMA, numbers)
    assert plain_columns({"x": cells, "y": ["0.5"] * len(cells)}) == {}  # a table has one writing
    for separator in "\t,;":
        lines = "".join(f"a{separator}{cell}\n" for cell in cells)
        table = read_table(save("x.csv", f"name{separator}x\n{lines}"))
        assert [row.values["x"] for row in table.rows] == numbers
        assert "; x with points between thousands (" in table.said


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ([*(f"1.{n * 37:03}" for n in range(1, 12)), "999"], True),
        (["0.204", "1.204", "2.000", "300"], False), (["1.204", "2.000", "3.117"], False),
        (["0", "1.204", "2.310", "0", "0", "1.117"], False), (["1.204", "950"], True),
        (["2", "1.204", "3", "2.310", "1", "4.117"], True),
        (["100", "101.325", "99.875", "98", "102", "100.125"], True),
        (["1.204", "2.310", "3.117", "1950", "300", "400", "500"], False),
    ],
)  # fmt: skip
def test_points_are_decimal_where_no_column_tells_otherwise(
    cells: list[str], said: bool, save: Save
) -> None:
    table = read_table(save("x.tsv", "name\tx\n" + "".join(f"a\t{cell}\n" for cell in cells)))
    assert [row.values["x"] for row in table.rows] == cells
    assert (f"x with a decimal point ({next(c for c in cells if '.' in c)}" in table.said) == said


def test_a_row_that_is_broken_does_not_change_the_separator(save: Save) -> None:
    rows = "2024-01-01;4.2;a\n2024-01-02;3.5;c\nd\n2024-01-03;4.1;e, f\n2024-01-04;4.1;g 1,204\n"
    with pytest.raises(DataError, match="line 4: the header has 3 cells, and this row 1"):
        read_table(save("x.csv", "date;memo;note\n" + rows))


def test_json_lines(save: Save) -> None:
    text = (
        '{"text": "나\\u1100\\u1161", "label": 1, "sure": true}\n'
        '{"sure": false, "text": "\\ud800\\r\\n", "label": 1.50e3}\n\n'
    )
    for name in ("a.jsonl", "a.ndjson", "a.json", "a.jsonl.gz", "a"):
        table = read_table(save(name, text))
        assert table.columns == ("text", "label", "sure")
        assert cells(table) == [["나가", "1", "true"], ["\ufffd\n", "1.50e3", "false"]]
        assert table.rows[1].where == f"{name}, line 2"
        assert table.said == "JSON Lines with the keys text, label, sure"


def test_null_is_an_empty_cell(save: Save) -> None:
    assert values(read_table(save("x.jsonl", '{"a": "b", "c": null}\n'))) == [["b", ""]]


def test_one_text_a_line(save: Save) -> None:
    table = read_table(save("lines.txt", "Well, it rains.\n비가 온다.\n\n\n"))
    assert table.columns == ("text",)
    assert cells(table) == [["Well, it rains."], ["비가 온다."]]
    assert table.said == "one text a line, without a header: text"
    assert read_table(Path("lines.txt"), header=True).columns == ("Well, it rains.",)


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("ham\tSee you at six\nspam\tYou won a prize\n", False),
        ("Go.\t가.\nHi.\t안녕.\n", False),
        ("q\ta\n뭐 해?\t공부해\n", True),
        ("a\tㅏ\nb\tㅂ\n", False),
        ("문장\t분류\n비가 온다\t날씨\n", True),
        ("Text\tkind\nrain\tweather\n", True),
        ("city\tpeople\n서울\t9400000\n부산\t\n", True),
        ("서울\t9400000\n부산\t3300000\n", False),
        ("label\tlabel\n1\t2\n", False),
        ("\ttext\tlabel\n0\t좋다\t1\n", True),
        ("text\t\tlabel\nx\ty\tz\n", False),
        ("text\t" + "long " * 9 + "\nx\ty\n", False),
        ("1\ttext\n2\tlabel\n", False),
        ("v1\tv2\nham\tSee you\n", True),
        ("kind\tsaid\n" + "ham\tSee you\nspam\tWin\n" * 20, True),
        ("spam\tlabel\n" + "ham\tSee you\nspam\tWin\n" * 20, False),
        ("x\t7,5\ny\t8,5\n", False),
        ("city\tprice\nA\t7,5\nB\t8,5\n", True),
    ],
)
def test_the_header_is_inferred(save: Save, text: str, header: bool) -> None:
    table = read_table(save("x.tsv", text))
    assert (f"{'with' if header else 'without'} a header") in table.said
    assert len(table.rows) == text.count("\n") - header
    assert read_table(Path("x.tsv"), header=False).columns == tuple(
        str(n) for n in range(1, len(table.columns) + 1)
    )


@pytest.mark.parametrize("text", [
    "text,label\na,1\n\n\nb,2\n\n", "text\tlabel\na\t1\n\n\n\"b\"\t2\n",
    'text\tlabel\n"a\n\nc"\t1\n\n\n"b"\t2\n',
])  # fmt: skip
def test_empty_lines_between_rows_are_left_out_where_they_may_be(save: Save, text: str) -> None:
    file = save("x.csv" if "," in text else "x.tsv", text)
    table = read_table(file, empty_lines=True)
    assert [row.values["label"] for row in table.rows] == ["1", "2"]
    assert table.left_out == ["empty lines left out: 2"]
    with pytest.raises(DataError, match=f"{table.empty[0]}: this line is empty"):
        read_table(file)
    with pytest.raises(DataError, match="this line is empty"):
        read_table(save("x.txt", "하나\n\n둘\n"), empty_lines=True)


@pytest.mark.parametrize("names", ["words,tags", "단어,품사"])
def test_the_names_of_a_table_to_tag_by_are_a_header(save: Save, names: str) -> None:
    assert read_table(save("x.csv", f"{names}\n가 나,A B\n다,B\n")).columns == tuple(
        names.split(",")
    )


def test_a_header_can_be_demanded(save: Save) -> None:
    table = read_table(save("x.csv", ",좋다\n0,나쁘다\n"), header=True)
    assert table.columns == ("1", "좋다")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.tsv", "text\tlabel\na\t1\nb\n", "x.tsv, line 3: the header has 2 cells, and this row "
         "1; put one tab between two cells"),
        ("x.tsv", "가\t나\n다\t라\t마\n", "x.tsv, line 2: the first row has 2 cells, and this "
         "row 3"),
        ("x.csv", 'q,a\n"두\n줄",a\nb,c,d\n', "x.csv, line 4: the header has 2 cells, and this row "
         "3; put a cell that holds a comma in double quotes"),
        ("x.tsv", "text\tlabel\na\t1\n\nb\t2\n", "x.tsv, line 3: this line is empty"),
        ("x.csv", "text,label\na,1\n\nb,2\n", "x.csv, line 3: this line is empty"),
        ("x.txt", "하나\n\n둘\n", "x.txt, line 2: this line is empty"),
        ("x.csv", 'text,label\na,1\n"b,2\nc,3\n', "x.csv, line 3: the row that begins here has an "
         "unpaired double quote"),
        ("x.csv", 'text,label\n"a"b,1\n', "x.csv, line 2: the row that begins here has an unpaired"),
        ("x.tsv", "", "x.tsv holds no row"),
        ("x.csv", "\n\n", "x.csv holds no row"),
        ("x.jsonl", "", "x.jsonl holds no row"),
        ("x.tsv", "text\tlabel\n", "x.tsv holds a header but no row"),
        ("x.jsonl", '{"a": "b"}\n["c"]\n', "x.jsonl, line 2: this line is not one JSON object"),
        ("x.jsonl", '{"a": "b"}\n{"a": "b"\n', "x.jsonl, line 2: this line is not one JSON object"),
        ("x.jsonl", "{}\n", "x.jsonl, line 1: this line is not one JSON object"),
        ("x.json", '[\n{"a": "b"}\n]\n', "x.json, line 1: this line is not one JSON object"),
        ("x.jsonl", "[" * 100_000, "x.jsonl, line 1: this line is not one JSON object"),
        ("x.jsonl", '{"a": "b"}\n\n{"a": "c"}\n', "x.jsonl, line 2: this line is empty"),
        ("x.jsonl", '{"a": "b"}\n{"a": ["b"]}\n', "x.jsonl, line 2: the value of 'a' is a list"),
        ("x.jsonl", '{"a": {}}\n', "x.jsonl, line 1: the value of 'a' is an object"),
        ("x.jsonl", '{"a": 1, "a": 2}\n', "x.jsonl, line 1: the key 'a' stands twice"),
        ("x.txt", "__label__a x\n__label__a __label__b y\n", "x.txt, line 2: this line has several labels"),
        ("x.txt", "__label__a x\ny\n", "x.txt, line 2: this line has no label"),
        ("x.csv", "text;label\na;1\nb\n" + "c;3\n" * 9, "x.csv, line 3: the header has 2 cells, "
         "and this row 1; put a cell that holds a semicolon in double quotes"),
        ("x.jsonl", '{"a": 1}\n{"b": 2}\n', "x.jsonl, line 2: this object lacks the key 'a'"),
        ("x.jsonl", '{"a": 1}\n{"a": 1, "b": 2}\n', "x.jsonl, line 2: this object has a key 'b'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(save: Save, name: str, text: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read_table(save(name, text))
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_header_stays_one_above_a_number_that_is_none(save: Save) -> None:
    rows = [f"2023-01-{day:02},{'<1' if day == 4 else day}" for day in range(1, 21)]
    table = read_table(save("x.csv", "\n".join(["Week,bitcoin: (South Korea)", *rows])))
    assert table.columns == ("Week", "bitcoin: (South Korea)")
    assert read_table(save("x.csv", "\n".join(["2022-12-31,k.A.", *rows]))).columns == ("1", "2")


def test_two_columns_of_one_usual_name_are_named(save: Save) -> None:
    rows = "".join(f"good {n},yes,x\nbad {n},no,x\n" for n in range(4))
    with pytest.raises(DataError, match=r"^x.csv, line 1: two columns are named 'label'"):
        read_table(save("x.csv", "text,label,label\n" + rows))


def test_two_columns_of_one_name(save: Save) -> None:
    with pytest.raises(DataError, match=r"^x.tsv, line 1: two columns are named 'a'"):
        read_table(save("x.tsv", "a\tb\ta\n1\t2\t3\n"), header=True)


def test_unreadable_files(tmp_path: Path) -> None:
    (tmp_path / "old.tsv").write_bytes("text\n쏜띨".encode("cp949"))
    for name, message in (("old.tsv", "CP949"), ("none.tsv", "no file"), (".", "folder")):
        with pytest.raises(TextError, match=message):
            read_table(tmp_path / name)


def test_columns_are_found_by_name(save: Save) -> None:
    table = read_table(save("x.csv", "Q,A,label\n뭐 해?,놀아,0\n"))
    assert column(table, "", ("question", "q"), "question") == "Q"
    assert column(table, "label", ("Q",), "answer") == "label"
    assert column(table, "a", (), "answer") == "A"
    with pytest.raises(
        DataError, match=r"^x.csv has no column 'text' for the text; its columns ar"
    ):
        column(table, "text", ("Q",), "text")
    with pytest.raises(DataError, match=r"no column named text or 문장 .*are Q, A, label"):
        column(table, "", ("text", "문장"), "text")


CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), max_size=6)


@settings(deadline=None)
@given(
    st.integers(2, 4).flatmap(
        lambda n: st.lists(st.lists(CELL, min_size=n, max_size=n), min_size=1)
    )
)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    written = [[normalize(cell) for cell in row] for row in rows]
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows(written)
    (folder / "x.csv").write_text(out.getvalue(), "utf-8", newline="")
    assert cells(read_table(folder / "x.csv", header=False)) == written
    lines = [json.dumps(dict(enumerate(row))) + "\n" for row in rows]
    (folder / "x.jsonl").write_text("".join(lines), "utf-8")
    assert cells(read_table(folder / "x.jsonl")) == written
    # Quotes in a TSV are ordinary unless all are those of a spreadsheet.
    gone = str.maketrans({"\t": " ", "\n": " ", '"': "'"})
    flat = [[cell.translate(gone) for cell in row] for row in written]
    (folder / "x.tsv").write_text("".join("\t".join(row) + "\n" for row in flat), "utf-8")
    expected = [[cell.removeprefix("\ufeff") if (i, j) == (0, 0) else cell
                 for j, cell in enumerate(row)] for i, row in enumerate(flat)]  # fmt: skip
    assert cells(read_table(folder / "x.tsv", header=False)) == expected


@settings(deadline=None)
@given(
    st.text(st.sampled_from('a1{}[]:,"\t\n 가#'), max_size=30),
    st.sampled_from(["", ".csv", ".tsv", ".jsonl"]),
)
def test_any_text_is_a_table_or_a_data_error(
    tmp_path_factory: pytest.TempPathFactory, text: str, suffix: str
) -> None:
    path = tmp_path_factory.getbasetemp() / f"any{suffix}"
    path.write_text(text, "utf-8")
    try:
        table = read_table(path)
    except DataError as error:
        assert str(error).startswith(str(path))  # noqa: PT017
    else:
        assert table.rows
        assert all(tuple(row.values) == table.columns for row in table.rows)


def test_numbers() -> None:
    assert all(map(is_number, ("1", "-1.5", "+.5", "1.", " 2e-3 ")))
    assert not any(map(is_number, ("", "nan", "inf", "1_000", "1,000", "１", ".", "e5", "0x1")))


def test_points_that_may_stand_between_thousands_are_told(tmp_path: Path) -> None:
    path = tmp_path / "sales.csv"
    path.write_text("Datum;Umsatz\n02.01.2023;1.000\n03.01.2023;2.037\n", encoding="utf-8")
    table = read_table(path)
    assert [row.values["Umsatz"] for row in table.rows] == ["1.000", "2.037"]
    assert table.said.endswith("Umsatz with a decimal point (1.000 is not 1000)")
    for cells in ("1.5", "1000", "0.123", "1.0000"):  # each alone makes the others decimals
        path.write_text(f"Datum;Umsatz\na;1.000\nb;{cells}\n", encoding="utf-8")
        assert "decimal point" not in read_table(path).said
