"""Tunes as texts about their metre and key, and back."""

from fractions import Fraction
from pathlib import Path

import pytest

from sunhwan.data import read_tunes
from sunhwan.errors import DataError
from sunhwan.tasks.describe.tunes import in_eighths, key_of, metre_of, tune_pairs, whole_tune

TUNES = """\
X:1
T:아침
M:C
L:1/4
K:Gmaj
P:A
G2 B  d|\\
P:B
c2 A2:|
K:D
d4|

X:2
T:two
M:4/4
K:A minor
M:6/8
ABc dcB|A3 [M:3/4]A3|

X:3
T:nothing
K:C
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.abc"
    path.write_text(TUNES, encoding="utf-8")
    return path


def test_the_question_holds_for_all_of_the_answer(file: Path) -> None:
    first, second = tune_pairs(file)
    assert first.question.cells == ("4/4", "G")
    # Names of parts are left out, lines that go on are joined, and a new key ends it.
    assert first.answer == "G4 B2 d2| c4 A4:|"
    assert first.question.where.endswith("a.abc, line 1")
    # What stands before the first note is of the header.
    assert second.question.cells == ("6/8", "Am")
    assert second.answer == "ABc dcB|A3"


def test_a_folder_is_all_its_files(file: Path) -> None:
    (file.parent / "b.abc").write_text("X:1\nK:D\nd4|\n", encoding="utf-8")
    (file.parent / "c.txt").write_text("X:1\nK:D\nd4|\n", encoding="utf-8")
    assert [p.question.cells for p in tune_pairs(file.parent)][2:] == [("none", "D")]
    file.write_text("X:1\nK:D\n", encoding="utf-8")
    with pytest.raises(DataError, match="no tune with notes"):
        tune_pairs(file)


def test_a_written_tune_is_whole(file: Path, tmp_path: Path) -> None:
    written = tmp_path / "out.abc"
    pairs = tune_pairs(file)
    tunes = [whole_tune(n, *p.question.cells, p.answer) for n, p in enumerate(pairs, 1)]
    written.write_text("\n".join(tunes), encoding="utf-8")
    assert [(p.question.cells, p.answer) for p in tune_pairs(written)] == [
        (p.question.cells, p.answer) for p in pairs
    ]
    assert [tune.fields["X"] for tune in read_tunes(written)] == ["1", "2"]
    assert whole_tune(7, "2/4", "D", "d2|") == "X:7\nT:2/4 in D\nM:2/4\nL:1/8\nK:D\nd2|\n"


def test_lengths_count_in_eighths() -> None:
    bar = 'G B/2c/ d//"Am"^e3/2 z2 [Ce]2 (3abc {g}_f\'4'
    assert in_eighths(bar, Fraction(1, 8)) == 'G B/2c/2 d/4"Am"^e3/2 z2 [Ce]2 (3abc {g}_f\'4'
    doubled = 'G2 Bc d/2"Am"^e3 z4 [C2e2]2 (3a2b2c2 {g2}_f\'8'
    assert in_eighths(bar, Fraction(1, 4)) == doubled
    # Back, and letters that are no notes stay as they are.
    assert in_eighths(doubled, Fraction(1, 16)) == in_eighths(bar, Fraction(1, 8))
    assert (
        in_eighths('!accent!A "Dmaj7/a"[r:bag]c', Fraction(1, 4)) == '!accent!A2 "Dmaj7/a"[r:bag]c2'
    )


def test_the_usual_length_of_a_metre(tmp_path: Path) -> None:
    file = tmp_path / "a.abc"
    for field, answer in (
        ("M:2/4", "A"),
        ("M:6/8", "A2"),
        ("M:C", "A2"),
        ("", "A2"),
        ("M:2/4\nL:1/4", "A4"),
    ):
        file.write_text(f"X:1\n{field}\nK:C\nA2\n".replace("\n\n", "\n"), encoding="utf-8")
        assert [pair.answer for pair in tune_pairs(file)] == [answer]


def test_names_of_metres_and_keys() -> None:
    assert [metre_of(m) for m in ("C", "C|", " 6/8 ", "")] == ["4/4", "2/2", "6/8", "none"]
    keys = ("G", "Gmaj", "G major", "Am", "A minor", "Amin", "Bbm", "F#", "D Mix", "Ddor", "HP", "")
    names = ["G", "G", "G", "Am", "Am", "Am", "Bbm", "F#", "Dmix", "Ddor", "HP", ""]
    assert [key_of(key) for key in keys] == names


@pytest.mark.parametrize(
    ("field", "key"),
    [
        ("G clef=treble", "G"), ("Bb clef=treble", "Bb"), ("Am bass", "Am"), ("D treble-8", "D"),
        ("F#mix clef=alto", "F#mix"), ("A minor transpose=2", "Am"), ("E Dorian", "Edor"),
        ("HP", "HP"), ("none", "none"),
    ],
)  # fmt: skip
def test_a_clef_is_no_part_of_a_key(field: str, key: str) -> None:
    assert key_of(field) == key


def test_whole_notes_and_fields_of_the_file(tmp_path: Path) -> None:
    """L:1 is a length, and M and L above the first tune hold for those without their own."""
    folder = tmp_path / "more" / "inside"
    folder.mkdir(parents=True)
    (folder / "A.ABC").write_text(
        "%abc-2.1\nM:3/4\nL:1\n\nX:1\nK:C\nC|D|\n\nX:2\nM:2/4\nL:1/8\nK:G clef=bass\nA2\n",
        encoding="utf-8",
    )
    first, second = tune_pairs(tmp_path)
    assert (first.question.cells, first.answer) == (("3/4", "C"), "C8|D8|")
    assert (second.question.cells, second.answer) == (("2/4", "G"), "A2")
