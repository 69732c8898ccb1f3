"""The pieces of tokens together are the text, and each stands where its character begins."""

import random
import unicodedata

import pytest

from sunhwan.inspection.subjects.token_texts import pieces_of
from sunhwan.text import KINDS, Vocabulary, build_vocabulary
from tests.text.random_text import random_text

rng = random.Random(2)
SEEN = [*(random_text(rng) for _ in range(30)), "각설이 타령을 다시 부르다 the word\n"]
VOCABULARIES = [
    build_vocabulary(kind, SEEN, unk=unk, eos=eos)
    for kind in KINDS
    for unk in (True, False)
    for eos in (True, False)
]
each_vocabulary = pytest.mark.parametrize("vocabulary", VOCABULARIES, ids=repr)


@each_vocabulary
def test_pieces_of_random_ids_join_to_what_is_decoded(vocabulary: Vocabulary) -> None:
    draw = random.Random(3)
    for _ in range(150):
        ids = [draw.randrange(len(vocabulary)) for _ in range(draw.randrange(25))]
        pieces = pieces_of(vocabulary, ids)
        assert len(pieces) == len(ids)
        assert "".join(pieces) == vocabulary.decode(ids)


@each_vocabulary
def test_pieces_of_encoded_text_join_to_the_text(vocabulary: Vocabulary) -> None:
    draw = random.Random(4)
    for _ in range(100):
        text = random_text(draw)
        pieces = pieces_of(vocabulary, vocabulary.encode(text).tolist())
        assert "".join(pieces) == vocabulary.normalize(text)


@pytest.mark.parametrize("kind", ["bytes", "characters", "jamo"])
def test_a_character_stands_at_the_token_that_begins_it(kind: str) -> None:
    text = "값은 3원, 아!"
    vocabulary = build_vocabulary(kind, [text])
    pieces = pieces_of(vocabulary, vocabulary.encode(text).tolist())
    wanted: list[str] = []
    for character in text:
        # UTF-8 has as many bytes as it has, a syllable as many letters as its decomposition.
        several = len(character.encode()) if kind == "bytes" else 1
        letters = len(unicodedata.normalize("NFD", character)) if kind == "jamo" else several
        wanted += [character, *[""] * (letters - 1)]
    assert pieces == wanted


def test_a_letter_that_begins_another_syllable_is_not_of_the_one_before() -> None:
    vocabulary = build_vocabulary("jamo", ["가각나 "])
    ids = [int(vocabulary.encode(letter)[0]) for letter in "\u1100\u1161\u1102\u1161\u1102"]
    assert pieces_of(vocabulary, ids) == ["가", "", "나", "", "\u1102"]


def test_words_carry_the_space_before_them() -> None:
    vocabulary = build_vocabulary("words", ["a b c"], eos=True)
    ids = vocabulary.encode("a b\nc").tolist()
    assert pieces_of(vocabulary, ids) == ["a", " b", "\n", "c"]


def test_no_token_has_no_piece() -> None:
    assert pieces_of(VOCABULARIES[0], []) == []
