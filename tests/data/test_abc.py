"""Tunes in ABC notation."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sunhwan.data import Tune, read_tunes
from sunhwan.errors import DataError, TextError

TUNES = """\
% a collection
Two tunes follow.

X: 7
T:산 너머  % a name
T:Over the hill
N:first line
+:second line
% a remark
M:3/4
K:D
%%MIDI program 74
DFA|"G"B2 \\% d|\\
M:2/4
w:산 너 머
P:B
K:G
GB|  % turn

free text
X:8
K:C
X:9
M:4/4
K:Am
A4|
"""


def read(folder: Path, text: str) -> tuple[Tune, ...]:
    (folder / "x.abc").write_text(text, "utf-8")
    return read_tunes(folder / "x.abc")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_tunes() -> None:
    first, second, third = read(Path(), TUNES)
    assert first.where == "x.abc, line 4"
    assert first.fields == {
        "X": "7",
        "T": "산 너머\nOver the hill",
        "N": "first line\nsecond line",
        "M": "3/4",
        "K": "D",
    }
    assert list(first.fields) == list("XTNMK")
    assert first.body == 'DFA|"G"B2 \\% d|\\\nM:2/4\nw:산 너 머\nP:B\nK:G\nGB|'
    assert second == Tune("x.abc, line 21", {"X": "8", "K": "C"}, "")
    assert third == Tune("x.abc, line 23", {"X": "9", "M": "4/4", "K": "Am"}, "A4|")
    assert read(Path(), TUNES.replace("\n", "\r\n")) == (first, second, third)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "x.abc holds no tune"),
        ("just prose\n% X:1\n", "x.abc holds no tune"),
        ("\nX:1\nM:3/4\n\nK:G\nGB|\n", "x.abc, line 2: the tune that begins here has no field K"),
        ("X:1\nK:G\nG|\nX:2\nX:3\nK:G\n", "x.abc, line 4: the tune that begins here has no field K"),
        ("X:1\n% remark\nT:한강\nGB|d2|\nK:G\n", "x.abc, line 4: the header of the tune of line 1 "
         "has no field K before this line"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(text: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read(Path(), text)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_no_file() -> None:
    with pytest.raises(TextError, match="no file"):
        read_tunes("none.abc")


BODY = st.text('ABcd|:2 [](/"^', min_size=1, max_size=12).map(lambda s: f"|{s}|")


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("CDGAm"), st.lists(BODY, max_size=3)), min_size=1, max_size=4
    )
)
def test_what_is_written_is_read(tunes: list[tuple[str, list[str]]]) -> None:
    text = "\n".join(
        "\n".join((f"X:{n}", "L:1/8", f"K:{key}", *body)) + "\n"
        for n, (key, body) in enumerate(tunes)
    )
    found = read(Path(), text)
    assert [(t.fields["X"], t.fields["K"], t.body) for t in found] == [
        (str(n), key, "\n".join(body)) for n, (key, body) in enumerate(tunes)
    ]
