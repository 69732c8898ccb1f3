"""Laws of the vocabularies, over random strings and random ids."""

import dataclasses
import json
import random
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sunhwan.errors import DataError, StoreError, TextError, UsageError
from sunhwan.text import (
    KINDS,
    ByteVocabulary,
    CharacterVocabulary,
    Vocabulary,
    WordVocabulary,
    build_vocabulary,
    load_corpus,
    normalize,
    vocabulary_from_dict,
)
from tests.text.random_text import plain_join, plain_letters, plain_normalize, random_text
from tests.tiers import and_deep

SETTINGS = [(kind, unk, eos) for kind in KINDS for unk in (True, False) for eos in (True, False)]


def seen_texts() -> list[str]:
    """A random half of the corners, so that the other half is unseen."""
    rng = random.Random(1)
    return [random_text(rng) for _ in range(40)] + ["the word 각 은 e\u0301 <unk> <eos>\n"]


def vocabularies() -> dict[tuple[str, bool, bool], Vocabulary]:
    texts = seen_texts()
    return {
        (kind, unk, eos): build_vocabulary(kind, texts, unk=unk, eos=eos)
        for kind, unk, eos in SETTINGS
    }


VOCABULARIES = vocabularies()


def name(key: tuple[str, bool, bool]) -> str:
    kind, unk, eos = key
    return f"{kind}-{'unk' if unk else 'drop'}-{'eos' if eos else 'noeos'}"


every = pytest.mark.parametrize("key", SETTINGS, ids=name)


def plain_vocabulary_normalize(vocabulary: Vocabulary, text: str) -> str:
    """The stated normalisation of each kind, written a second time and slowly."""
    text = plain_normalize(text)
    specials = {vocabulary.unk_id, vocabulary.eos_id}
    known = {token for i, token in enumerate(vocabulary.tokens) if i not in specials}
    unk = vocabulary.unk_id is not None
    if vocabulary.kind == "bytes":
        return text
    if vocabulary.kind == "words":
        lines = []
        for line in text.split("\n") if vocabulary.eos_id is not None else [text]:
            words = [w if w in known else "<unk>" for w in line.split() if unk or w in known]
            lines.append(" ".join(words))
        return "\n".join(lines)
    jamo = vocabulary.kind == "jamo"
    while True:
        parts = plain_letters(text) if jamo else list(text)
        kept = [c if c in known else "\ufffd" for c in parts if unk or c in known]
        result = plain_join(kept) if jamo else "".join(kept)
        again = plain_normalize(result)
        if unk or len(kept) == len(parts):
            return result
        text = again


@every
def test_two_thousand_strings_come_back_normalised(key: tuple[str, bool, bool]) -> None:
    vocabulary = VOCABULARIES[key]
    rng = random.Random(name(key))
    for _ in range(500):  # four vocabularies of each kind
        text = random_text(rng)
        ids = vocabulary.encode(text)
        stated = vocabulary.normalize(text)
        assert ids.dtype == np.int64
        assert ids.ndim == 1
        assert vocabulary.decode(ids) == stated, ascii(text)
        assert stated == plain_vocabulary_normalize(vocabulary, text), ascii(text)
        assert vocabulary.normalize(stated) == stated, ascii(text)
        assert np.array_equal(vocabulary.encode(stated), ids), ascii(text)


@settings(deadline=None, max_examples=150)
@given(st.text(st.characters(exclude_categories=())))
def test_any_string_comes_back_normalised(text: str) -> None:
    for vocabulary in VOCABULARIES.values():
        assert vocabulary.decode(vocabulary.encode(text)) == vocabulary.normalize(text)


@pytest.mark.parametrize("count", and_deep([100], [300]))
@pytest.mark.parametrize("kind", KINDS)
def test_a_seen_text_loses_nothing(kind: str, count: int) -> None:
    rng = random.Random(2)
    for _ in range(count):
        text = random_text(rng) + "x"
        decoded = build_vocabulary(kind, [text], eos=True)
        result = decoded.decode(decoded.encode(text))
        if kind == "words":
            lines = [line.split() for line in normalize(text).split("\n")]
            lines = [["<unk>" if word == "<eos>" else word for word in line] for line in lines]
            assert result == "\n".join(map(" ".join, lines))
        else:
            assert result == normalize(text)


@every
def test_streaming_gives_the_same_text_for_any_ids(key: tuple[str, bool, bool]) -> None:
    vocabulary = VOCABULARIES[key]
    rng = random.Random(name(key))
    decoder = vocabulary.decoder()
    # Few letters make syllables likely, and the last id is special in some vocabularies.
    jamo = [i for i, token in enumerate(vocabulary.tokens) if "\u1100" <= token <= "\u11ff"]
    lead = [0xED, 0xEA, 0xE0, 0xF0, 0xF4, 0x80, 0xB0, 0x9F, 0xA0] if key[0] == "bytes" else jamo
    for _ in range(600):
        ids = [rng.randrange(len(vocabulary)) for _ in range(rng.randrange(30))]
        for place in range(len(ids)):
            if rng.random() < 0.7 and lead:
                ids[place] = rng.choice(lead)
            elif rng.random() < 0.3 and vocabulary.eos_id is not None:
                ids[place] = vocabulary.eos_id
        whole = vocabulary.decode(ids)
        said = ""
        for token_id in ids:
            said += decoder.push(token_id)
            assert whole.startswith(said), ids  # what was said stays true
        assert said + decoder.flush() == whole, ids


@pytest.mark.parametrize("kind", KINDS)
def test_streaming_holds_nothing_back_longer_than_it_must(kind: str) -> None:
    vocabulary = build_vocabulary(kind, ["가각 한글"], unk=False)
    decoder = vocabulary.decoder()
    pieces = [decoder.push(int(i)) for i in vocabulary.encode("가각 한글")]
    expected = {
        "bytes": ["", "", "가", "", "", "각", " ", "", "", "한", "", "", "글"],
        "characters": list("가각 한글"),
        "jamo": ["", "", "가", "", "각", " ", "", "", "한", "", "", "글"],
        "words": ["가각", " 한글"],
        "subwords": list("가각 한글"),
    }
    assert pieces == expected[kind]
    assert decoder.flush() == ""


@every
def test_the_record_is_read_back_to_an_equal(key: tuple[str, bool, bool]) -> None:
    vocabulary = VOCABULARIES[key]
    again = vocabulary_from_dict(json.loads(json.dumps(vocabulary.to_dict())))
    assert again == vocabulary
    assert hash(again) == hash(vocabulary)
    assert type(again) is type(vocabulary)
    assert again.to_dict() == vocabulary.to_dict()
    text = "the word 각 \u1100 \U0010fffe\n"
    assert np.array_equal(again.encode(text), vocabulary.encode(text))


def test_different_vocabularies_are_not_equal() -> None:
    different = {key: v for key, v in VOCABULARIES.items() if key[0] != "bytes" or key[1]}
    assert len(set(different.values())) == len(different) == 18


def mutants(record: dict[str, object]) -> list[object]:
    tokens = record["tokens"]
    assert isinstance(tokens, list)
    size = len(tokens)
    other = "words" if record["kind"] == "subwords" else "subwords"
    changes: list[dict[str, object]] = [
        {"kind": other},
        {"kind": "syllables"},
        {"kind": None},
        {"kind": ["words"]},
        {"tokens": None},
        {"tokens": "abc"},
        {"tokens": {"a": 1}},
        {"tokens": []},
        {"tokens": [*tokens, 7]},
        {"tokens": [*tokens, tokens[-1]]},
        {"tokens": [*tokens, ""]},
        {"tokens": [*tokens, "\ud800"]},
        {"tokens": [*tokens, "<unk>"]},
        {"tokens": [*tokens, "a b"]},
        {"tokens": [*tokens, "e\u0301"]},
        {"unk_id": -1},
        {"unk_id": size},
        {"unk_id": size - 1},
        {"unk_id": True},
        {"unk_id": 0.0},
        {"unk_id": "0"},
        {"eos_id": 2},
        {"eos_id": size + 1},
        {"eos_id": 0},
        {"eos_id": [1]},
        {"more": 1},
        {1: 2},  # type: ignore[dict-item]
    ]
    broken: list[object] = [record | change for change in changes]
    broken += [{k: v for k, v in record.items() if k != gone} for gone in record]
    return [*broken, None, [], "words", 3, [record]]


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_record_is_refused_in_one_sentence(kind: str) -> None:
    record = VOCABULARIES[kind, kind != "bytes", True].to_dict()
    vocabulary_from_dict(record)
    for mutant in mutants(record):
        with pytest.raises(StoreError, match=r"^The stored vocabulary is damaged: .*[^.]$"):
            vocabulary_from_dict(mutant)


def test_tokens_no_text_could_reach_are_refused() -> None:
    for kind, token in [
        ("characters", "ab"),
        ("characters", "\r"),
        ("characters", "\u212b"),
        ("jamo", "가"),
        ("words", "a\u2028b"),
        ("words", "\u1100\u1161"),
        ("characters", "\ufffd"),
        ("subwords", "\ufffd"),
        ("subwords", "a b"),
        ("subwords", "ab."),
        ("subwords", "a" * 65),
        ("subwords", "\u1100\u1161"),
        ("subwords", "\r"),
    ]:
        record = {"kind": kind, "tokens": ["<unk>", token], "unk_id": 0, "eos_id": None}
        if kind == "subwords":
            record["merges"] = []
        with pytest.raises(StoreError, match=re.escape(f"the token {token!r} with id 1 ")):
            vocabulary_from_dict(record)


def test_order_of_ids() -> None:
    texts = ["b a b ㄱ가", "c b a"]
    characters = build_vocabulary("characters", texts, eos=True)
    assert characters.tokens == ("<unk>", "<eos>", " ", "a", "b", "c", "ㄱ", "가")
    assert (characters.unk_id, characters.eos_id) == (0, 1)
    words = build_vocabulary("words", texts, unk=False)
    assert words.tokens == ("b", "a", "c", "ㄱ가")
    jamo = build_vocabulary("jamo", texts, unk=False, eos=True)
    assert jamo.tokens == ("<eos>", " ", "a", "b", "c", "\u1100", "\u1161", "ㄱ")
    assert build_vocabulary("bytes", texts, eos=True).eos_id == 256
    assert len(build_vocabulary("bytes", texts)) == 256


def test_counts_decide_what_is_kept() -> None:
    assert build_vocabulary("characters", ["aab", "bc"], min_count=2, unk=False).tokens == (
        "a",
        "b",
    )
    assert build_vocabulary("characters", ["zzzab"], max_size=3).tokens == ("<unk>", "a", "z")
    assert build_vocabulary("words", ["b a a c b"], max_size=2, unk=False).tokens == ("a", "b")
    # 가 and 각 share letters: the initial and the vowel occur twice, the final once.
    assert build_vocabulary("jamo", ["가각"], min_count=2, unk=False).tokens == (
        "\u1100",
        "\u1161",
    )
    assert build_vocabulary("words", "one text", unk=False).tokens == ("one", "text")


def test_a_jamo_vocabulary_of_korean_prose_is_small() -> None:
    (document,) = load_corpus("korean").documents
    jamo = build_vocabulary("jamo", [document.text], unk=False)
    syllables = build_vocabulary("characters", [document.text], unk=False)
    assert len(jamo) < 80 < 500 < len(syllables)
    assert jamo.decode(jamo.encode(document.text)) == document.text
    assert jamo.encode("각").tolist() == [jamo.tokens.index(c) for c in "\u1100\u1161\u11a8"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"kind": "syllables"},
        {"kind": "words", "min_count": 0},
        {"kind": "words", "max_size": 0},
        {"kind": "characters", "max_size": 2, "eos": True},
        {"kind": "subwords", "min_count": 0},
        {"kind": "subwords", "max_size": 1},
        {"kind": "bytes", "max_size": 255},
        {"kind": "bytes", "max_size": 256, "eos": True},
        {"kind": "bytes", "min_count": 2},
    ],
)
def test_unusable_arguments_are_named(arguments: dict[str, object]) -> None:
    kind = arguments.pop("kind")
    with pytest.raises(UsageError, match=next(iter(arguments), "syllables")):
        build_vocabulary(kind, ["some text"], **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["characters", "words", "jamo", "subwords"])
def test_a_text_without_tokens_makes_no_vocabulary(kind: str) -> None:
    with pytest.raises(TextError):
        build_vocabulary(kind, [""])
    with pytest.raises(TextError):
        build_vocabulary(kind, ["ab 가나"], min_count=9)


@every
def test_ids_outside_the_vocabulary_are_refused(key: tuple[str, bool, bool]) -> None:
    vocabulary = VOCABULARIES[key]
    size = len(vocabulary)
    for ids in ([size], [-1], [0, 2**63], [2**70], [0.5], [[0]], [True], ["a"], [[0], [0, 1]]):
        with pytest.raises(DataError):
            vocabulary.decode(ids)  # type: ignore[arg-type]
    for token_id in (size, -1):
        with pytest.raises(DataError):
            vocabulary.decoder().push(token_id)
        with pytest.raises(DataError):
            vocabulary.display(token_id)
    assert vocabulary.decode([]) == ""
    assert vocabulary.decode(np.zeros(2, np.uint8)) == vocabulary.decode([0, 0])


def test_vocabularies_cannot_be_changed() -> None:
    vocabulary = VOCABULARIES["characters", True, True]
    with pytest.raises(dataclasses.FrozenInstanceError):
        vocabulary.tokens = ()  # type: ignore[misc]
    with pytest.raises(UsageError):
        CharacterVocabulary(("ab",))
    with pytest.raises(UsageError):
        ByteVocabulary(("a",))
    first = vocabulary.encode("the")
    before = first.tolist()
    first[:] = 0
    assert vocabulary.encode("the").tolist() == before == [*map(vocabulary.tokens.index, "the")]


def test_labels_can_be_seen() -> None:
    text = " \n\ta\u0301\0\u200d"
    characters = build_vocabulary("characters", [text + "q\u0301"], eos=True)
    labels = characters.token_texts([0, 1, *characters.encode(" \n\tq\u0301\0\u200d")])
    assert labels == ["<unk>", "<eos>", "␣", "⏎", "⇥", "q", "◌\u0301", "U+0000", "U+200D"]
    jamo = build_vocabulary("jamo", ["닭의 각ㅋㅏ"], unk=False)
    assert jamo.token_texts(jamo.encode("닭의")) == ["ㄷ", "ㅏ", "-ㄺ", "ㅇ", "ㅢ"]
    assert jamo.token_texts(jamo.encode("각ㅋㅏ")) == ["ㄱ", "ㅏ", "-ㄱ", "(ㅋ)", "(ㅏ)"]
    assert len(set(jamo.token_texts(range(len(jamo))))) == len(jamo)
    octets = build_vocabulary("bytes", [], eos=True)
    assert octets.token_texts([65, 32, 10, 0xEA, 256]) == ["A", "␣", "⏎", "0xEA", "<eos>"]
    words = build_vocabulary("words", ["a b"], eos=True)
    assert words.token_texts(words.encode("b x\n")) == ["b", "<unk>", "<eos>"]
    for vocabulary in VOCABULARIES.values():
        assert all(vocabulary.display(i).isprintable() for i in range(len(vocabulary)))
        assert all(vocabulary.display(i).strip() for i in range(len(vocabulary)))


def test_words_and_lines() -> None:
    words = WordVocabulary(("<unk>", "<eos>", "a", "b"), 0, 1)
    assert words.encode(" a\tb \r\n\n x<eos> <eos>").tolist() == [2, 3, 1, 1, 0, 0]
    assert words.decode([2, 3, 1, 1, 0, 2, 1]) == "a b\n\n<unk> a\n"
    assert WordVocabulary(("a", "b")).normalize("a\nx\nb") == "a b"
