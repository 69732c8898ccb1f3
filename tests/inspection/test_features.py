"""Features by texts marked by hand, their laws, and functions of the user's own."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sunhwan.errors import UsageError
from sunhwan.inspection.features import FEATURES, Feature, load_feature


def marked(name: str, text: str) -> str:
    """The values of a feature, a digit a character; beyond 9 a +."""
    return "".join("+" if v > 9 else str(round(v)) for v in FEATURES[name].of(text).tolist())


# Where a text has two lines, | stands for the line break.
BY_HAND = [
    ("inside quotation marks", 'a "bc" d', "00111000"),
    ("inside quotation marks", "it's 'is it' so", "000001111110000"),
    ("inside quotation marks", "'don't'.", "11111100"),
    ("inside quotation marks", "“가 나” 「다」", "111100110"),
    ("inside quotation marks", 'a "b|c "d" e', "001100011000"),
    ("inside quotation marks", '"""a|b"c""" "d', "11111111110011"),
    ("inside quotation marks", "\"ab'|c", "111100"),
    ("inside parentheses", "a(b[c)d)(", "011110001"),
    ("inside parentheses", "(a||b)", "110000"),
    ("inside square brackets", "[a(]b)]", "1110000"),
    ("inside braces", "{a}{", "1101"),
    ("bracket depth", "([{}])a)(", "123210001"),
    ("position in the line", "ab|cd|", "120120"),
    ("at the start of a line", "  a b||  c", "1100011110"),
    ("indentation", "  a b|   c d||e", "122220123333000"),
    ("lines since an empty one", "a|b||c|d", "01110011"),
    ("inside a word", "ab_1, 한글", "11110011"),
    ("start of a word", "ab_1, 한글", "10000010"),
    ("position in the word", "ab_1, 한글", "12340012"),
    ("digit", "a1.5", "0101"),
    ("capital letter", "aBC", "011"),
    ("run of capitals", "ABc DEF", "0100011"),
    ("capitalised word", "The cat iS Ok", "1110000000011"),
    ("blank", "a b|", "0101"),
    ("after a comma in the line", "a,b|c", "01100"),
    ("after a colon in the line", "a:b|c", "01100"),
    ("line after a colon", "a:|bc|d", "0011100"),
    ("inside a web address", "see http://a.b c", "0000000000011100"),
    ("inside a string literal", "a = b'c\\'d' + \"e", "0000011111000011"),
    ("inside a string literal", "don't 'x'", "000000110"),
    ("inside a string literal", "# it's 'x'|'y", "0000000000011"),
    ("inside a string literal", "''+'''a'|b'''+1", "100111111111000"),
    ("inside triple quotes", "''+'''a'|b'''+1", "000001111111000"),
    ("inside a comment", "a # b|'# c' # d", "001110000000111"),
    ("inside a comment", "// a|b // c|/* d|e */ f", "11110001111011111111100"),
    ("after an equals sign in the line", "a=b|c", "01100"),
    ("line that defines", " def f(x):|a", "000111111100"),
    ("line that imports", "import a|b", "0000011100"),
    ("inside a tag", "a <b c> d < e", "0011110000000"),
    ("line that began indented", " ab|c", "11100"),
    ("Hangul syllable", "aㄱ가각", "0011"),
    ("final consonant", "a가각힣하", "00110"),
    ("bright vowel", "가거오와우", "10110"),
    ("syllables of the word", "가나 다a라", "120101"),
]


@pytest.mark.parametrize(("name", "text", "wanted"), BY_HAND)
def test_marked_by_hand(name: str, text: str, wanted: str) -> None:
    assert marked(name, text.replace("|", "\n")) == wanted


def test_the_distance_from_a_sentence_is_a_logarithm() -> None:
    values = FEATURES["position in the sentence"].of("Yes. No?) I e.g. do.\n\nAh")
    counts = np.expm1(values).round().astype(int).tolist()
    assert counts == [1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 0, 0, 1, 2]


texts = st.text(st.sampled_from("aB1 가각한\n\"'“”‘’()[]{}<>#=:,.!_-rfdefimport\\"), max_size=60)


@given(texts, st.integers(0, 60))
def test_features_know_only_what_was_read(text: str, length: int) -> None:
    # One character ahead they may look: an apostrophe is known by the letter behind it.
    before = text[: length + 1]
    for feature in FEATURES.values():
        known = len(before) - 1
        assert (feature.of(text)[:known] == feature.of(before)[:known]).all(), feature.name


@given(st.text(max_size=30))
def test_any_text_has_a_number_a_character(text: str) -> None:
    for feature in FEATURES.values():
        values = feature.of(text)
        assert values.shape == (len(text),)
        assert feature.kind == "numeric" or set(values.tolist()) <= {0, 1}


def test_names_are_told_apart_in_both_languages() -> None:
    assert all(feature.name == name for name, feature in FEATURES.items())
    assert len({feature.korean for feature in FEATURES.values()}) == len(FEATURES)
    assert all(any("가" <= c <= "힣" for c in f.korean) for f in FEATURES.values())


OWN = '''
"""Features of mine."""
import numpy

def vowel(text):
    """A vowel of Latin.

    More of it.
    """
    return [c in "aeiou" for c in text]

def code(text):
    return (ord(c) for c in text)

def array(text):
    return numpy.array([c.isupper() for c in text])

def short(text):
    return [1]

def words(text):
    return ["a"] * len(text)

def nothing(text):
    pass

def fails(text):
    return [1 / 0 for c in text]

def infinite(text):
    return [float("inf")] * len(text)

number = 3
'''


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(OWN, encoding="utf-8")
    return path


def test_functions_of_the_user_become_features(own: Path) -> None:
    vowel, code, array = (load_feature(f"{own}:{name}") for name in ("vowel", "code", "array"))
    assert (vowel.kind, code.kind, array.kind) == ("binary", "numeric", "binary")
    assert vowel.of("abe").tolist() == [1, 0, 1]
    assert code.of("a가").tolist() == [97, 0xAC00]
    assert array.of("aB").tolist() == [0, 1]
    assert vowel.name == "vowel"
    assert vowel.description == "A vowel of Latin"
    assert "mine.py" in code.description


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("mine.py", "FILE.py:FUNCTION"), ("mine:vowel", "FILE.py:FUNCTION"),
        ("none.py:vowel", "there is no file"), ("mine.py:gone", "no function 'gone'"),
        ("mine.py:number", "no function 'number'"), ("mine.py:short", "1 values for a text of"),
        ("mine.py:words", "a number or a truth value"), ("mine.py:nothing", "TypeError"),
        ("mine.py:fails", "line 28: ZeroDivisionError"), ("mine.py:infinite", "finite"),
    ],
)  # fmt: skip
def test_what_is_no_feature_is_refused(
    own: Path, monkeypatch: pytest.MonkeyPatch, spec: str, said: str
) -> None:
    monkeypatch.chdir(own.parent)
    with pytest.raises(UsageError, match=said.replace("(", r"\(")):
        load_feature(spec)


def test_a_file_that_cannot_be_run_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "bad.py"
    path.write_text("a = 1\nb = a +\n", encoding="utf-8")
    with pytest.raises(UsageError, match="line 2: SyntaxError"):
        load_feature(f"{path}:f")


def test_binary_values_are_0_and_1() -> None:
    feature = Feature("f", "binary", lambda text: [2] * len(text), "", "")
    with pytest.raises(UsageError, match="0 and 1"):
        feature.of("a")
