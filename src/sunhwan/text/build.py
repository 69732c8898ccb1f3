"""Vocabularies out of texts, and out of what a model folder holds."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from sunhwan.errors import StoreError, TextError, UsageError
from sunhwan.text.characters import CharacterVocabulary, code_points, to_text
from sunhwan.text.decoding import normalize
from sunhwan.text.jamo import JamoVocabulary, split_syllables
from sunhwan.text.octets import ByteVocabulary
from sunhwan.text.vocabulary import EOS, REPLACEMENT, UNK, Vocabulary
from sunhwan.text.words import WordVocabulary

_CLASSES: dict[str, type[Vocabulary]] = {
    cls.kind: cls for cls in (ByteVocabulary, CharacterVocabulary, WordVocabulary, JamoVocabulary)
}
KINDS: tuple[str, ...] = tuple(_CLASSES)


def build_vocabulary(
    kind: str,
    texts: Iterable[str],
    *,
    min_count: int = 1,
    max_size: int | None = None,
    unk: bool = True,
    eos: bool = False,
) -> Vocabulary:
    """Build the vocabulary of some texts.

    Ids: UNK, then EOS, where present; then characters and jamo by code point, words by falling
    count and, among equals, by text. `bytes` has always the 256 byte values and no UNK.

    Args:
        kind: bytes, characters, words or jamo.
        texts: one string a document; a single string is one document.
        min_count: leave out what occurs less often.
        max_size: keep the most frequent tokens so that `len` is at most this, specials included.
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
    counts = _count(kind, [texts] if isinstance(texts, str) else texts)
    for token in specials:
        del counts[token]  # a word that looks like a special token
    if unk and kind != "words":
        del counts[REPLACEMENT]  # that is how UNK is decoded
    kept = sorted(
        (token for token, count in counts.items() if count >= min_count),
        key=lambda token: (-counts[token], token),
    )
    if max_size is not None:
        kept = kept[: max_size - len(specials)]
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
        raise StoreError(f"The stored vocabulary is damaged: {problem}.")
    cls: type[Vocabulary] = _CLASSES[record["kind"]]
    try:
        return cls(tuple(record["tokens"]), record["unk_id"], record["eos_id"])
    except UsageError as error:
        raise StoreError(f"The stored vocabulary is damaged. {error}") from None


def _record_problem(record: Any) -> str | None:
    keys = {"kind", "tokens", "unk_id", "eos_id"}
    if not isinstance(record, dict):
        return f"it is {type(record).__name__}, not a dictionary"
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
    return None


def _refuse_for_bytes(min_count: int, max_size: int | None, size: int) -> None:
    if min_count > 1 or (max_size is not None and max_size < size):
        raise UsageError(
            f"A bytes vocabulary has always {size} ids; leave out min_count and max_size."
        )


def _count(kind: str, texts: Iterable[str]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for text in map(normalize, texts):
        counts.update(text.split() if kind == "words" else text)
    if kind == "jamo":
        letters: Counter[str] = Counter()
        for character, count in counts.items():
            for letter in _letters(character):
                letters[letter] += count
        return letters
    return counts


def _letters(character: str) -> Iterator[str]:
    return iter(to_text(split_syllables(code_points(character)).astype(np.uint32)))
