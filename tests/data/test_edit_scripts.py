"""Edit scripts of lemmas: what they are, that they lead back, that words share them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sunhwan.data.edit_scripts import edit_script, edited, is_script

TEXTS = st.text(st.sampled_from("abAB가난다ㄴ+'é"), max_size=8)


@settings(max_examples=200, deadline=None)
@given(TEXTS, TEXTS.filter(bool))
def test_a_script_makes_the_lemma_it_was_made_of(word: str, lemma: str) -> None:
    script = edit_script(word, lemma)
    assert is_script(script)
    assert edited(word, script) == lemma


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("난다", "나+ㄴ다"), ("간다", "가+ㄴ다")),
        (("Walking", "walk"), ("singing", "sing")),
        (("The", "the"), ("walk", "walk")),
        (("Paris", "Paris"), ("UN", "UN")),
    ],
)
def test_words_of_a_kind_share_a_script(first: tuple[str, str], second: tuple[str, str]) -> None:
    assert edit_script(*first) == edit_script(*second)


def test_a_script_that_does_not_fit_makes_nothing() -> None:
    assert edited("go", edit_script("running", "run")) is None
    assert edited("ing", edit_script("singing", "sing")) is None
    # A vowel is taken out of its syllable: what is left is no text.
    assert edited("가나", '["lower", [1, "+"], []]') is None
    assert edited("went", edit_script("went", "go")) == "go"


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "3", '["lower"]', '["lower", [], [null]]', '["other", [], []]',
             '["whole", 3]', '["lower", [true], []]', '["lower", 1, 2]']
)  # fmt: skip
def test_what_is_no_script(text: str) -> None:
    assert not is_script(text)
