"""Sentences about mistakes: each that the catalogue has is one that the package says."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import sunhwan.errors
import sunhwan.messages
from sunhwan.cli.listings import show_listing
from sunhwan.config import Config
from sunhwan.data import read_panel
from sunhwan.data.dates import ORDERS, ORDERS_OF_NUMBERS
from sunhwan.errors import TextError
from sunhwan.messages import catalogue
from sunhwan.messages.mistakes import mistake, note
from sunhwan.tasks.common.pairs import find_pairs
from sunhwan.tasks.common.results import Listing
from sunhwan.text.decoding import decode

PACKAGE = Path(sunhwan.messages.__file__).parents[1]


@cache
def nodes() -> dict[Path, list[ast.AST]]:
    """The code of the package, file by file."""
    files = PACKAGE.rglob("*.py")
    return {file: list(ast.walk(ast.parse(file.read_text(encoding="utf-8")))) for file in files}


def templates() -> set[str]:
    """Every text of the package's code, with {} where something is filled in."""
    return {template(node) for found in nodes().values() for node in found}


def template(node: ast.AST) -> str:
    """A text of the code with {} where something is filled in; "" of what is no text."""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(p.value) if isinstance(p, ast.Constant) else "{}" for p in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def test_each_mistake_is_one_that_the_package_says() -> None:
    known = templates()
    told = {key: re.sub(r"\{[0-9]+\}", "{}", t["en"]) for key, t in catalogue()["mistakes"].items()}
    assert {key: text for key, text in told.items() if text not in known} == {}


def raised() -> dict[str, str]:
    """The sentences with which the command line can end, and where: those of errors of ours, written out
    where they are raised. What layers and cells say is met in Python alone."""
    found = {}
    for file, inside in nodes().items():
        if file.relative_to(PACKAGE).parts[0] in ("cells", "layers", "ops", "laws", "numpy_rnn.py"):
            continue
        for node in inside:
            if not (isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)):
                continue
            name = getattr(node.exc.func, "id", "")
            own = isinstance(getattr(sunhwan.errors, name, None), type)
            text = next(iter(template(part) for part in node.exc.args), "")
            if own and len(text.replace("{}", "")) > 20:
                found[text] = f"{file.relative_to(PACKAGE)}:{node.lineno}"
    return found


def test_each_sentence_that_ends_a_command_is_in_korean_too() -> None:
    told = {re.sub(r"\{[0-9]+\}", "{}", t["en"]) for t in catalogue()["mistakes"].values()}
    assert {text: where for text, where in raised().items() if text not in told} == {}


def test_each_mistake_is_recognised_with_what_it_quotes() -> None:
    for texts in catalogue()["mistakes"].values():
        count = len(re.findall(r"\{[0-9]+\}", texts["en"]))
        values = ["" if f"}}{{{n}}}" in texts["en"] else f"«{n}»" for n in range(count)]
        assert mistake(texts["en"].format(*values), "ko") == texts["ko"].format(*values)


def test_places_and_orders_inside_a_sentence_are_korean_too() -> None:
    said = (
        "a.csv, line 2: the dates of 'd', such as '3/4/2024', could be day-month-year or month-day-year, "
        "and no row decides; say which with --set task.dates=day-first"
    )
    told = mistake(said, "ko")
    assert told.startswith("a.csv 2번째 줄: '3/4/2024' 같은 'd'의 날짜는 일-월-연 또는 월-일-연"), (
        told
    )


@pytest.mark.parametrize(
    ("said", "korean"),
    [
        ("a.csv has no column 'saels' (did you mean 'sales'?) for the series; its columns are date, sales: "
         "name one of them.", "a.csv에 시계열 열로 쓸 'saels' (혹시 'sales'?)이(가) 없습니다"),
        ("a.csv, line 5: column 'date' holds 'foo', which is no date like '2024-01-01'; write all times "
         "alike.", "'foo'은(는) '2024-01-01' 같은 날짜 값이 아닙니다"),
        ("the times are uneven: the usual step is 15 days, but 3 of 4 steps are others", "대개 15일인데"),
        ("task.name in the command line must be one of 'a', 'b', not 'c'", "명령줄의 task.name의 값은"),
        ("unknown key 'foo' in [task] of --set: it can be name", "--set의 [task]에"),
        ("line 2: the dates of 'd', such as '3/4/2024', could be day-month-year or month-day-year, and no "
         "row decides; say which with --set task.dates=day-first or --set task.dates=month-first",
         "--set task.dates=day-first 또는 --set task.dates=month-first로"),
    ],
)  # fmt: skip
def test_what_a_sentence_names_is_korean_too(said: str, korean: str) -> None:
    told = mistake(said, "ko")
    assert korean in told, told


def test_places_in_tables_are_korean_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sunhwan.cli.listings.language", lambda: "ko")
    rows = [("r.csv, line 46", "see a.csv, line 2")]
    show_listing(Listing("the first answers", ("where", "asked"), rows))
    shown = capsys.readouterr().out
    assert "r.csv 46번째 줄" in shown
    assert "see a.csv, line 2" in shown


def test_where_forecasts_were_measured_is_said_in_korean_too() -> None:
    title = (
        "the worst 20 of 30 series (--json has all), over the rows after 2024-01, never seen before"
    )
    assert not re.search("rows|worst|seen", note(title, "ko"))
    assert not re.search("rows", note("over the rows after 2024-01, held out in training", "ko"))


def test_a_sentence_in_korean_and_one_that_stays() -> None:
    said = "There is no file a.txt (did you mean 'b.txt'?); check the path."
    assert mistake(said, "ko") == "파일 a.txt이(가) 없습니다 (혹시 'b.txt'?). 경로를 확인하세요"
    assert mistake(said, "en") == said
    assert mistake("nobody translated this", "ko") == "nobody translated this"


@pytest.mark.parametrize(
    "data",
    [
        b"\xb0\xa1\xb3\xaa \xb4\xd9 \xff\xfe\xff", b"a\xed\xa0\x80", "가나".encode()[:-1], b"a\0b\xff",
        b"\xff\xfea\0\0\xd8", b"\xbc\xbd", b"PK\x03\x04\xff", b"%PDF-1.4\xff", b"\x1f\x8b\x08\xff",
    ],
)  # fmt: skip
def test_what_is_wrong_with_bytes_is_said_in_korean_too(data: bytes) -> None:
    with pytest.raises(TextError) as raised:
        decode(data, "FILE")
    told = mistake(str(raised.value), "ko")
    assert told != str(raised.value)
    assert not re.findall(r"\b(?:is|it|as|a|here|not|which)\b", told), told


def test_each_note_is_one_that_the_package_says() -> None:
    """Its words stand in the code, which puts some notes together of parts."""
    known = {word for text in templates() for word in re.findall(r"[\w.=-]+", text)}
    told = {
        key: [w for part in re.split(r"\{[0-9]+\}", t["en"]) for w in re.findall(r"[\w.=-]+", part)]
        for key, t in catalogue()["notes"].items()
    }
    assert {key: w for key, words in told.items() for w in words if w not in known} == {}


def test_what_was_found_in_a_file_is_said_in_korean_too(tmp_path: Path) -> None:
    rows = "".join(f"영화 {n} 평;{'긍정' if n % 2 else ''}\n" for n in range(40))
    path = tmp_path / "평.csv"
    path.write_bytes(f"문장;라벨\n\n{rows}".encode("cp949"))
    config = Config.from_dict({"task": {"name": "classify"}, "data": {"source": str(path)}})
    said = find_pairs(config, ("문장",), ("라벨",)).notes
    assert [note(line, "en") for line in said] == said
    first, empty, second, third = (note(line, "ko").replace(str(path), "평.csv") for line in said)
    assert first == "평.csv: CP949, 세미콜론으로 구분, 머리글: 문장, 라벨"
    assert empty == "평.csv: 빈 줄 1개는 뺌"
    assert second == "평.csv: 행 40개 가운데 라벨이(가) 없는 20개를 뺍니다(첫 행은 평.csv 3번째 줄)"
    assert re.fullmatch("문장 → 라벨: 학습할 행 [0-9]+개, 검증할 행 [0-9]+개", third)
    assert note("the rows stand at 45 times of a week, and so do the next ones", "ko").startswith(
        "행이"
    )
    for order in ORDERS + ORDERS_OF_NUMBERS:
        assert not re.search("[a-z]", note(f"날짜 is read as {order} (1)", "ko")), order
    days = "".join(f"2024-01-{day:02},{day % 7}\n" for day in range(31, 0, -1))
    (tmp_path / "a.csv").write_text(f"날짜,값\n{days}", encoding="utf-8")
    (series,) = read_panel(str(tmp_path / "a.csv"))
    assert note(series.said, "ko").split("; ")[1:] == [
        "시간은 날짜, 시계열은 값", "날짜을(를) 연-월-일(으)로 읽습니다(2024-01-31)",
        "최근 행이 먼저 나와서 순서를 뒤집습니다",
    ]  # fmt: skip
