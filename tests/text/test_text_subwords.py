"""Byte-pair encoding: what is merged, what is never merged, and records of it."""

import copy
import itertools
import json
import os
import pickle
import random
import re
import subprocess
import sys
import time
from collections import Counter

import pytest

from sunhwan.errors import StoreError
from sunhwan.text import (
    SubwordVocabulary,
    build_vocabulary,
    load_corpus,
    normalize,
    vocabulary_from_dict,
)
from tests.text.random_text import random_text
from tests.tiers import and_deep, deep

KOREAN = load_corpus("korean").documents[0].text
ENGLISH = "the cat and the other cat sat there; the thin hat, the bathtub and that\n" * 3


def subwords(text: str, **options: object) -> SubwordVocabulary:
    vocabulary = build_vocabulary("subwords", text, **options)  # type: ignore[arg-type]
    assert isinstance(vocabulary, SubwordVocabulary)
    return vocabulary


def texts_of(vocabulary: SubwordVocabulary, text: str) -> list[str]:
    return [vocabulary.tokens[i] for i in vocabulary.encode(text).tolist()]


def plain_pieces(text: str) -> list[str]:
    """The cuts, written a second time for plain text of letters, spaces, line ends and signs."""
    return re.findall(r" ?[^\W\d_]+| ?\d+| ?[^\w\s]+|\s+(?!\S)|\s+", text)


def plain_merges(text: str, most: int) -> list[tuple[str, str]]:
    """Byte-pair encoding as it is defined: count all pairs anew before every merge."""
    words = [([*piece], number) for piece, number in Counter(plain_pieces(text)).items()]
    merges: list[tuple[str, str]] = []
    while len({left + right for left, right in merges}) < most:
        counts: Counter[tuple[str, str]] = Counter()
        for word, number in words:
            for pair in itertools.pairwise(word):
                counts[pair] += number
        if not counts:
            break
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        if counts[best] < 2:
            break
        merges.append(best)
        words = [(plain_merged(word, best), number) for word, number in words]
    return merges


def plain_merged(word: list[str], pair: tuple[str, str]) -> list[str]:
    merged: list[str] = []
    place = 0
    while place < len(word):
        size = 2 if tuple(word[place : place + 2]) == pair else 1
        merged.append("".join(word[place : place + size]))
        place += size
    return merged


def plain_encode(text: str, merges: tuple[tuple[str, str], ...]) -> list[str]:
    tokens = []
    for piece in plain_pieces(text):
        word = [*piece]
        for pair in merges:
            word = plain_merged(word, pair)
        tokens += word
    return tokens


@pytest.mark.parametrize("text", [ENGLISH, KOREAN[:3000], "aaa aaaa aaaaaa aa", "ab" * 30])
def test_it_is_byte_pair_encoding(text: str) -> None:
    vocabulary = subwords(text, max_size=700)
    assert list(vocabulary.merges) == plain_merges(text, 700 - len({*text}) - 1)
    for part in (text, text[7:500], text[::-1]):
        assert texts_of(vocabulary, part) == plain_encode(part, vocabulary.merges)


def test_random_letters_are_merged_as_defined() -> None:
    rng = random.Random(5)
    for _ in range(60):
        text = "".join(rng.choice("aab ") for _ in range(rng.randrange(1, 300)))
        vocabulary = subwords(text, max_size=60)
        expected = dict.fromkeys(plain_merges(text, 60 - len({*text}) - 1))
        # Of a pair that another merge makes anew the definition says nothing.
        if len(expected) == len(vocabulary.merges):
            assert texts_of(vocabulary, text) == plain_encode(text, tuple(expected))
        assert "".join(texts_of(vocabulary, text)) == text


def test_ids_are_special_tokens_then_characters_then_merges() -> None:
    vocabulary = subwords("low low lower lowest", eos=True, max_size=13)
    assert vocabulary.tokens[:2] == ("<unk>", "<eos>")
    assert vocabulary.tokens[2:10] == tuple(" elorstw")
    assert vocabulary.tokens[10:] == ("lo", "low", " low")
    assert vocabulary.merges == (("l", "o"), ("lo", "w"), (" ", "low"))
    assert texts_of(vocabulary, "low slower") == ["low", " ", "s", "low", "e", "r"]
    assert vocabulary.token_texts(vocabulary.encode(" low\n")) == ["␣low", "<unk>"]


def test_a_frequent_syllable_stays_whole_and_a_frequent_word_becomes_one_token() -> None:
    vocabulary = subwords(KOREAN)
    assert {*KOREAN} <= {*vocabulary.tokens}
    for token in vocabulary.tokens[1:]:
        assert not re.search("[\u1100-\u11ff]", token)  # no letter of a syllable
        assert normalize(token) == token
    assert len(texts_of(vocabulary, " 있었다.")) == 2
    assert len(vocabulary.encode(KOREAN)) < 0.8 * len(KOREAN)
    few = subwords("가나다 " * 9 + "뷁", min_count=2)
    assert few.normalize("가나다 뷁") == "가나다 \ufffd"
    assert subwords("가나다 " * 9 + "뷁", min_count=2, unk=False).normalize("뷁가") == "가"


def test_all_white_space_is_kept() -> None:
    text = "def f(x):\n\tif x:\n        return   1\n\n\n  \n\u3000끝 \n" * 3
    for vocabulary in (subwords(text), subwords(text, max_size=200)):
        assert vocabulary.decode(vocabulary.encode(text)) == text


def test_no_token_crosses_words_numbers_or_signs() -> None:
    vocabulary = subwords("well-known 1234.5 it's (a)b 가나.\n" * 40, max_size=500)
    whole = {"well", "-", "known", " 1234", ".", "5", " it", "'", "s", " (", "a", ")", "b", " 가나"}
    assert {*texts_of(vocabulary, "well-known 1234.5 it's (a)b 가나")} == whole
    assert max(map(len, subwords("x" * 10_000, max_size=500).tokens)) == 64


def test_marks_and_joiners_stay_in_their_word() -> None:
    for word in ("हिन्दी", "q\u0323x", "👩\u200d👩\u200d👧", "می\u200cخواهم"):
        assert word in subwords(f"{word}\n" * 20, max_size=100).tokens


def test_the_size_grows_with_the_text_up_to_8000() -> None:
    assert len(subwords("abc" * 33)) == 4  # 99 characters: no merge
    assert len(subwords("ab " * 200)) == 1 + 3 + 2  # there are no more to make
    assert len(subwords(KOREAN)) == 1 + len({*KOREAN}) + len(KOREAN) // 100
    rng = random.Random(6)
    words = ["".join(rng.choices("abcdefghij", k=6)) for _ in range(10_000)]
    assert len(subwords(" ".join(rng.choices(words, k=120_000)))) == 8000
    assert len(subwords("".join(map(chr, range(0x4E00, 0x4E00 + 9000))))) == 9001
    assert len(subwords(KOREAN, max_size=100)) == 100


def test_rare_pairs_are_not_merged() -> None:
    assert subwords("abcdefg " + " " * 100, max_size=60).merges[0] == (" ", " ")
    assert not subwords("ab ba ab", min_count=3, max_size=50).merges
    assert subwords("ab ab cd", max_size=50).merges == (("a", "b"),)


def test_one_text_gives_one_vocabulary_whatever_the_hash_seed() -> None:
    code = (
        "import hashlib, json; from sunhwan.text import build_vocabulary, load_corpus;"
        "text = load_corpus('korean').documents[0].text;"
        "v = build_vocabulary('subwords', text);"
        "print(hashlib.sha256(json.dumps([v.to_dict(), v.encode(text).tolist()]).encode())"
        ".hexdigest())"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_training_prints_nothing_nor_does_a_fork_after_it() -> None:
    code = (
        "import os; from sunhwan.text import build_vocabulary;"
        "v = build_vocabulary('subwords', 'the cat sat ' * 99); v.encode('the cat');"
        "child = os.fork();"
        "os.waitpid(child, 0) if child else os._exit(0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")


@deep
def test_many_short_lines_take_a_few_seconds() -> None:
    rng = random.Random(7)
    syllables = sorted({c for c in KOREAN if "가" <= c <= "힣"})
    words = ["".join(rng.choices(syllables, k=rng.randrange(1, 5))) for _ in range(50_000)]
    lines = [" ".join(rng.choices(words, k=6)) for _ in range(50_000)]
    start = time.process_time()
    vocabulary = build_vocabulary("subwords", lines)
    assert len(vocabulary) == 8000
    assert time.process_time() - start < 30  # 3 seconds on a quiet machine


def test_copies_and_pickles_encode_alike() -> None:
    vocabulary = subwords(ENGLISH)
    ids = vocabulary.encode(ENGLISH).tolist()
    for other in (copy.deepcopy(vocabulary), pickle.loads(pickle.dumps(vocabulary))):
        assert other == vocabulary
        assert other.encode(ENGLISH).tolist() == ids


@pytest.mark.parametrize("count", and_deep([80], [200]))
def test_any_text_makes_a_vocabulary_that_is_read_back(count: int) -> None:
    rng = random.Random(8)
    for _ in range(count):
        text = "x" + "".join(random_text(rng) for _ in range(6)) * 3
        unk, eos = rng.random() < 0.5, rng.random() < 0.5
        vocabulary = subwords(text, max_size=400, unk=unk, eos=eos)
        assert vocabulary_from_dict(json.loads(json.dumps(vocabulary.to_dict()))) == vocabulary
        assert vocabulary.decode(vocabulary.encode(text)) == normalize(text)


@pytest.mark.parametrize(
    "merges",
    [
        None,
        "ab",
        {"a": "b"},
        [["l", "o"], ["lo", "w"]],
        [["l", "o"], ["lo", "w"], [" ", "low"], ["e", "r"]],
        [["lo", "w"], ["l", "o"], [" ", "low"]],
        [["l", "o"], ["lo", "w"], [" ", "low"], ["l", "o"]],
        [["l", "o"], ["lo", "w"], [" ", "lox"]],
        [["l", "o"], ["lo", "w"], ["low", " "]],
        [["l", "o"], ["lo", "w"], [" ", "low", ""]],
        [["l", "o"], ["lo", "w"], [" ", 3]],
        [["l", "o"], ["lo", "w"], [" low"]],
        [["l", "o"], ["lo", "w"], " l"],
        [["l", "o"], ["lo", "w"], ["", " low"]],
        [["l", "o"], ["lo", "w"], ["<unk>", "low"]],
        [["l", "o"], ["lo", "w"], ["\ud800", "low"]],
        [["lo"], ["low"], [" low"]],
        [7],
        [],
    ],
)
def test_damaged_merges_are_refused_in_one_sentence(
    merges: object, capfd: pytest.CaptureFixture[str]
) -> None:
    record = subwords("low low lower lowest", max_size=12).to_dict()
    assert record["merges"] == [["l", "o"], ["lo", "w"], [" ", "low"]]
    with pytest.raises(StoreError, match=r"^The stored vocabulary is damaged: [^\n]*[^.]$"):
        vocabulary_from_dict(record | {"merges": merges})
    assert capfd.readouterr() == ("", "")


def test_two_merges_may_make_the_same_token() -> None:
    merges = [["a", "b"], ["b", "c"], ["ab", "c"], ["a", "bc"]]
    tokens = ["<unk>", "a", "b", "c", "ab", "bc", "abc"]
    record = {"kind": "subwords", "tokens": tokens, "merges": merges, "unk_id": 0, "eos_id": None}
    vocabulary = vocabulary_from_dict(record)
    assert vocabulary.to_dict() == record
    assert vocabulary.encode("abcbc").tolist() == [6, 5]
