"""Workbooks and Parquet: typed cells become the texts that a person sees."""

import datetime
import gzip
import sys
import zipfile
from pathlib import Path

import pytest

from sunhwan.data import read_table
from sunhwan.data.survey import read_column
from sunhwan.errors import DataError, TextError

_PARTS = {
    "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="xml" ContentType="application/xml"/><Default Extension="rels" ContentType='
    '"application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/xl/workbook.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>',
    "_rels/.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/'
    'officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/_rels/workbook.xml.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/'
    'relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/'
    'relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
    "xl/workbook.xml": '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets>'
    '<sheet name="평" sheetId="1" r:id="r1"/></sheets></workbook>',
}  # fmt: skip


def workbook(path: Path, rows: list[list[object]]) -> Path:
    """A workbook of one sheet, as small as the standard allows."""
    lines = []
    for number, row in enumerate(rows, 1):
        cells = []
        for letter, value in zip("ABCDE", row, strict=False):
            if isinstance(value, str):
                cells.append(f'<c r="{letter}{number}" t="inlineStr"><is><t>{value}</t></is></c>')
            elif isinstance(value, bool):
                cells.append(f'<c r="{letter}{number}" t="b"><v>{int(value)}</v></c>')
            elif value is not None:
                cells.append(f'<c r="{letter}{number}"><v>{value}</v></c>')
        lines.append(f'<row r="{number}">{"".join(cells)}</row>')
    sheet = (
        '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
        f"{''.join(lines)}</sheetData></worksheet>"
    )
    with zipfile.ZipFile(path, "w") as file:
        for name, text in (_PARTS | {"xl/worksheets/sheet1.xml": sheet}).items():
            file.writestr(name, text)
    return path


def test_a_workbook(tmp_path: Path) -> None:
    pytest.importorskip("python_calamine")
    rows: list[list[object]] = [
        ["영화 평"], [], ["번호", "평", "점수", "본 날"], [1, "좋다, 아주", 4.5, True], [],
        [2, "두\n줄", None, False],
    ]  # fmt: skip
    table = read_table(workbook(tmp_path / "x.xlsx", rows))
    assert table.said == (
        "workbook, sheet 평, 1 line above the table left out, with a header: 번호, 평, 점수, 본 날"
    )
    assert [list(row.values.values()) for row in table.rows] == [
        ["1", "좋다, 아주", "4.5", "true"], ["2", "두\n줄", "", "false"]
    ]  # fmt: skip
    assert [row.where for row in table.rows] == [f"{table.name}, row 4", f"{table.name}, row 6"]


def test_damaged_and_empty_workbooks(tmp_path: Path) -> None:
    pytest.importorskip("python_calamine")
    with pytest.raises(DataError, match="holds no row"):
        read_table(workbook(tmp_path / "x.xlsx", []))
    for name in ("x.xlsx", "x.ods", "x.xls"):
        (tmp_path / name).write_bytes(b"PK\x03\x04 no")
        with pytest.raises(DataError, match="is no workbook that can be read"):
            read_table(tmp_path / name)
    with pytest.raises(TextError, match="no file"):
        read_table(tmp_path / "none.xlsx")
    (tmp_path / "x.csv").write_bytes((workbook(tmp_path / "y.xlsx", [["a"]])).read_bytes())
    with pytest.raises(TextError, match="is a ZIP archive, as workbooks of Excel"):
        read_table(tmp_path / "x.csv")


def test_parquet(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    columns = {
        "text": ["좋다", None], "label": [1, 0], "at": [datetime.datetime(2024, 1, 31, 5), None],
        "share": [0.5, None],
    }  # fmt: skip
    parquet.write_table(arrow.table(columns), tmp_path / "x.parquet")
    table = read_table(tmp_path / "x.parquet")
    assert table.said == "Parquet, with a header: text, label, at, share"
    assert [list(row.values.values()) for row in table.rows] == [
        ["좋다", "1", "2024-01-31 05:00:00", "0.5"], ["", "0", "", ""]
    ]  # fmt: skip
    (tmp_path / "x.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match="is no Parquet file that can be read"):
        read_table(tmp_path / "x.parquet")


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_packed_columns_are_those_of_the_plain_file(tmp_path: Path, suffix: str) -> None:
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = arrow.table({"text": ["좋다", "나쁘다"], "label": ["긍정", "부정"]})
    plain = tmp_path / f"x{suffix}"
    if suffix == ".parquet":
        parquet.write_table(rows, plain)
    else:
        with arrow.ipc.new_stream(plain, rows.schema) as stream:
            stream.write_table(rows)
    packed = tmp_path / f"x{suffix}.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    wanted = [row.values for row in read_table(plain).rows]
    assert wanted[0] == {"text": "좋다", "label": "긍정"}
    assert [row.values for row in read_table(packed).rows] == wanted
    assert list(read_column(packed, "text")) == ["좋다", "나쁘다"]
    packed.write_bytes(packed.read_bytes()[:40])
    with pytest.raises(TextError, match="is not a whole gzip file"):
        read_table(packed)


@pytest.mark.parametrize(
    ("name", "module"), [("x.xlsx", "python_calamine"), ("x.parquet", "pyarrow.parquet")]
)
def test_a_missing_library_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(DataError, match=r"install sunhwan\[tables\]"):
        read_table(tmp_path / name)
