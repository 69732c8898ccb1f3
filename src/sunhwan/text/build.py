"""Vocabularies out of texts, and out of what a model folder holds."""

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from sunhwan.errors import StoreError, TextError, UsageError
from sunhwan.text.characters import CharacterVocabulary, code_points, to_text
from sunhwan.text.counting import Counted, Texts, count_characters, count_words
from sunhwan.text.jamo import JamoVocabulary, split_syllables
from sunhwan.text.octets import ByteVocabulary
from sunhwan.text.subwords import SubwordVocabulary
from sunhwan.text.vocabulary import EOS, REPLACEMENT, UNK, Vocabulary
from sunhwan.text.words import WordVocabulary

_CLASSES: dict[str, type[Vocabulary]] = {
    cls.kind: cls
    for cls in (
        ByteVocabulary,
        CharacterVocabulary,
        WordVocabulary,
        JamoVocabulary,
        SubwordVocabulary,
    )
}
KINDS: tuple[str, ...] = tuple(_CLASSES)


def build_vocabulary(
    kind: str,
    texts: Texts,
    *,
    min_count: int = 1,
    max_size: int | None = None,
    unk: bool = True,
    eos: bool = False,
) -> Vocabulary:
    """Build the vocabulary of some texts.

    Ids: UNK, then EOS, where present; then characters and jamo by code point, words by falling
    count and, among equals, by text; subwords are characters, then what was merged, in that order.
    `bytes` has always the 256 byte values and no UNK.

    Args:
        kind: bytes, characters, words, jamo or subwords.
        texts: one string a document, or its pieces (see `pieces`); a single string is one document.
            Or texts that are read part by part. Read once, and three times for subwords.
        min_count: leave out what occurs less often, and merge no rarer pair of subwords.
        max_size: keep the most frequent tokens so that `len` is at most this, specials included.
            Of subwords the characters come first; None: see `SubwordVocabulary.learn`.
        unk: have UNK for what is unseen; otherwise it is dropped.
        eos: have EOS.

    Raises:
        UsageError: an argument is out of range.
        TextError: the texts hold no token to keep.
    """
    if kind not in _CLASSES:
        raise UsageError(f"There is no vocabulary kind {kind!r}; choose one of {', '.join(KINDS)}.")
    if min_count < 1:
        raise UsageError(f"min_count is {min_count}, but it must be at least 1.")
    specials = [token for token, wanted in ((UNK, unk), (EOS, eos)) if wanted]
    if kind == "bytes":
        _refuse_for_bytes(min_count, max_size, 256 + eos)
        return ByteVocabulary.of(eos=eos)
    if max_size is not None and max_size <= len(specials):
        raise UsageError(
            f"max_size is {max_size}, but it must be more than {len(specials)}, "
            "the number of special tokens."
        )
    texts = [texts] if isinstance(texts, str) else texts
    if kind == "subwords":
        texts = list(texts) if isinstance(texts, Iterator) else texts
        characters = build_vocabulary(
            "characters", texts, min_count=min_count, max_size=max_size, unk=unk, eos=eos
        )
        return SubwordVocabulary.learn(characters, texts, min_count=min_count, max_size=max_size)
    # A word that looks like a special token, and how UNK is decoded.
    left_out = {*specials, *([REPLACEMENT] if unk and kind != "words" else [])}
    counted = (
        entry
        for entry in _count(kind, texts)
        if entry.number >= min_count and entry.token not in left_out
    )
    order = lambda entry: (-entry.number, entry.token)  # noqa: E731
    most = None if max_size is None else max_size - len(specials)
    chosen = sorted(counted, key=order) if most is None else heapq.nsmallest(most, counted, order)
    kept = [entry.token for entry in chosen]
    if not kept:
        raise TextError(
            f"The text holds no {kind} that occur at least {min_count} time(s); "
            "give a longer text or lower min_count."
        )
    tokens = (*specials, *(kept if kind == "words" else sorted(kept)))
    return _CLASSES[kind](tokens, 0 if unk else None, int(unk) if eos else None)


def vocabulary_from_dict(record: object) -> Vocabulary:
    """The inverse of `Vocabulary.to_dict`, trusting nothing.

    Raises:
        StoreError: something in the record is missing, unknown, of a wrong type or inconsistent.
    """
    problem = _record_problem(record)
    if problem or not isinstance(record, dict):
        raise StoreError(f"The stored vocabulary is damaged: {problem}")
    cls: type[Vocabulary] = _CLASSES[record["kind"]]
    parts = [tuple(record["tokens"]), record["unk_id"], record["eos_id"]]
    if cls is SubwordVocabulary:
        parts.append(tuple(map(tuple, record["merges"])))
    try:
        return cls(*parts)
    except UsageError as error:
        raise StoreError(f"The stored vocabulary is damaged: {error}") from None


def _record_problem(record: Any) -> str | None:
    if not isinstance(record, dict):
        return f"it is {type(record).__name__}, not a dictionary"
    merged = record.get("kind") == SubwordVocabulary.kind
    keys = {"kind", "tokens", "unk_id", "eos_id"} | ({"merges"} if merged else set())
    if record.keys() != keys:
        wrong = sorted(map(repr, record.keys() ^ keys))
        return f"a key is missing or unknown, {wrong[0]}"
    kind, tokens = record["kind"], record["tokens"]
    if not isinstance(kind, str) or kind not in _CLASSES:
        return f"its kind is {kind!r}, not one of {', '.join(KINDS)}"
    if not isinstance(tokens, list | tuple) or not all(type(token) is str for token in tokens):
        return "its tokens are not a list of strings"
    for name in ("unk_id", "eos_id"):
        if record[name] is not None and type(record[name]) is not int:
            return f"{name} is {record[name]!r}, neither a whole number nor null"
    if merged and not _are_pairs(record["merges"]):
        return "its merges are not a list of pairs of strings"
    return None


def _are_pairs(merges: Any) -> bool:
    return isinstance(merges, list | tuple) and all(
        isinstance(merge, list | tuple) and [type(part) for part in merge] == [str, str]
        for merge in merges
    )


def _refuse_for_bytes(min_count: int, max_size: int | None, size: int) -> None:
    if min_count > 1 or (max_size is not None and max_size < size):
        raise UsageError(
            f"A bytes vocabulary has always {size} ids; leave out min_count and max_size."
        )


def _count(kind: str, texts: Texts) -> Iterable[Counted]:
    if kind == "words":
        return count_words(texts)
    characters = count_characters(texts)
    if kind == "characters":
        return characters
    letters: Counter[str] = Counter()
    for character, count, _ in characters:
        for letter in _letters(character):
            letters[letter] += count
    return (Counted(letter, count) for letter, count in letters.items())


def _letters(character: str) -> Iterator[str]:
    return iter(to_text(split_syllables(code_points(character)).astype(np.uint32)))
