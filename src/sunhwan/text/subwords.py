"""The vocabulary of subwords: characters, and the frequent runs of them that were merged."""

import heapq
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias

import numpy as np

from sunhwan.text.characters import CharacterVocabulary
from sunhwan.text.counting import Texts, WordCounts, mapped
from sunhwan.text.decoding import normalize
from sunhwan.text.vocabulary import REPLACEMENT, Decoder, Ids, Vocabulary, rejoined

if TYPE_CHECKING:
    from tokenizers.models import BPE

Merge: TypeAlias = tuple[str, str]

# Given by code point rather than by Unicode category: marks and joiners stay in their words, and a
# stored vocabulary cuts a text alike under every version of Unicode.
_SIGN = r"!-/:-@\[-`{-~\u00a1-\u00bf\u2010-\u2bff\u3001-\u303f\uff01-\uff0f\uff1a-\uff20"
_PIECE = re.compile(
    rf" ?[^\s0-9{_SIGN}{REPLACEMENT}]{{1,64}}| ?[0-9]{{1,64}}| ?[{_SIGN}]{{1,64}}"
    rf"|\s{{1,64}}(?!\S)|\s{{1,64}}|{REPLACEMENT}"
)

_MOST = 8000
_CHARACTERS_PER_MERGE = 100
_PIECES = 200_000


@dataclass(frozen=True, repr=False)
class SubwordVocabulary(Vocabulary):
    """One id for each character, and one for each frequent run of characters inside a word.

    Byte-pair encoding (Sennrich, Haddow & Birch 2016) over characters: the pair of neighbours that
    occurs most often becomes one token, again and again. A Hangul syllable is one character, so
    no token holds half of one. A text is first cut into words, numbers and runs of signs, each with
    the space before it, and into other white space (as Radford et al. 2019 cut), 64 characters at
    most; no token crosses a cut. All white space is kept.

    Normalisation: as for characters, whose tokens are those of one character here. A token decodes
    to itself, UNK to U+FFFD and EOS to nothing; no text encodes to EOS.

    Attributes:
        merges: the pairs of tokens that become one, the first to be applied first.
    """

    kind: ClassVar[str] = "subwords"
    merges: tuple[Merge, ...] = ()

    @classmethod
    def learn(
        cls,
        characters: Vocabulary,
        texts: Texts,
        *,
        min_count: int = 1,
        max_size: int | None = None,
    ) -> Self:
        """The characters and, after them, what merging makes of them.

        A pair that occurs less than min_count times, or once, is not merged. Without max_size there
        is one merge for every 100 characters of text, as long as `len` is at most 8000, for a token
        must occur some dozens of times to be learned. Of a text with more than 200,000 different
        words the most frequent are looked at.
        """
        pieces = WordCounts()
        size = 0
        work, keeps = partial(_count_words, characters), partial(_keeps, characters)
        for length, found in mapped(texts, work, keeps):
            size += length
            pieces.update(found)
        if max_size is None:
            max_size = min(_MOST, len(characters) + size // _CHARACTERS_PER_MERGE)
        chosen = heapq.nsmallest(_PIECES, pieces, key=lambda entry: (-entry.number, entry.first))
        frequent = {entry.token: entry.number for entry in chosen}
        merges = _merges(frequent, max_size - len(characters), max(min_count, 2))
        tokens = (*characters.tokens, *_products(merges))
        return cls(tokens, characters.unk_id, characters.eos_id, tuple(merges))

    def normalize(self, text: str) -> str:
        return self._characters.normalize(text)

    def encode(self, text: str) -> Ids:
        pieces = _PIECE.findall(self.normalize(text))
        ids = {piece: self._known.get(piece) or self._piece_ids(piece) for piece in set(pieces)}
        if len(self._known) < _PIECES:
            self._known.update(ids)
        return np.fromiter(chain.from_iterable(map(ids.__getitem__, pieces)), np.int64)

    def may_be_cut(self, around: str) -> bool:
        return _keeps(self._characters, around)

    def decoder(self) -> Decoder:
        return _SubwordDecoder(self)

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | {"merges": [list(merge) for merge in self.merges]}

    def _piece_ids(self, piece: str) -> list[int]:
        if piece == REPLACEMENT and self.unk_id is not None:
            return [self.unk_id]
        return [token.id for token in self._model.tokenize(piece)]

    @cached_property
    def _known(self) -> dict[str, list[int]]:
        """The ids of pieces that were encoded before."""
        return {}

    @cached_property
    def _model(self) -> "BPE":
        from tokenizers.models import BPE

        specials = (self.unk_id, self.eos_id)
        ids = {token: i for i, token in enumerate(self.tokens) if i not in specials}
        return BPE(ids, self.merges)

    @cached_property
    def _characters(self) -> CharacterVocabulary:
        unk, eos = (() if i is None else (self.tokens[i],) for i in (self.unk_id, self.eos_id))
        single = (token for token in self.tokens if len(token) == 1)
        return CharacterVocabulary(
            (*unk, *eos, *single), 0 if unk else None, len(unk) if eos else None
        )

    @cached_property
    def _text_of_id(self) -> list[str]:
        special = {self.unk_id: REPLACEMENT, self.eos_id: ""}
        return [special.get(i, token) for i, token in enumerate(self.tokens)]

    def _text(self, ids: Ids) -> str:
        return "".join([self._text_of_id[i] for i in ids.tolist()])

    def _problem(self) -> str | None:
        return super()._problem() or self._merge_problem()

    def _merge_problem(self) -> str | None:
        specials = (self.unk_id, self.eos_id)
        ordinary = [token for i, token in enumerate(self.tokens) if i not in specials]
        known = {token for token in ordinary if len(token) == 1}
        for left, right in self.merges:
            if not {left, right} <= known:
                return f"the merge of {left!r} and {right!r} has a part that is no token before it"
            known.add(left + right)
        if len(set(self.merges)) < len(self.merges):
            return "a merge is there twice"
        if [token for token in ordinary if len(token) > 1] != _products(self.merges):
            return "its tokens of several characters are not those that the merges make, in order"
        return None

    def _token_problem(self, token: str) -> str | None:
        if REPLACEMENT in token and self.unk_id is not None:
            return "holds U+FFFD, which is how UNK is decoded"
        if not _PIECE.fullmatch(token):
            return "is empty, longer than 64 characters or more than a part of one word"
        return None if normalize(token) == token else "is not normalised"


class _SubwordDecoder(Decoder):
    def __init__(self, vocabulary: SubwordVocabulary) -> None:
        self._vocabulary = vocabulary

    def push(self, token_id: int) -> str:
        return self._vocabulary.decode((token_id,))

    def flush(self) -> str:
        return ""


def _keeps(characters: Vocabulary, text: str) -> bool:
    return characters.normalize(text) == text


def _count_words(
    characters: Vocabulary, documents: Iterable[Iterable[str]]
) -> tuple[int, Counter[str]]:
    """How many characters there are, and how often each word or other run that no token crosses."""
    size, counts = 0, Counter[str]()
    for pieces in documents:
        for piece in rejoined(partial(_keeps, characters), pieces):
            text = characters.normalize(piece)
            size += len(text)
            counts.update(_PIECE.findall(text))
    return size, counts


def _products(merges: Iterable[Merge]) -> list[str]:
    """The tokens that merges make; two of them may make the same."""
    return list(dict.fromkeys(left + right for left, right in merges))


def _merges(pieces: Mapping[str, int], most: int, least: int) -> list[Merge]:
    """The merges that make at most `most` new tokens, each of at least `least` occurrences.

    Of pairs that are equally frequent the first by text is merged. This is not the trainer of
    `tokenizers`, which starts threads, after which a fork prints a warning in some versions.
    """
    words = [list(piece) for piece in pieces]
    numbers = list(pieces.values())
    counts: Counter[Merge] = Counter()
    places: defaultdict[Merge, set[int]] = defaultdict(set)  # the words that may hold a pair
    for place, (word, number) in enumerate(zip(words, numbers, strict=True)):
        for pair in pairwise(word):
            counts[pair] += number
            places[pair].add(place)
    queue = [(-count, pair) for pair, count in counts.items() if count >= least]
    heapq.heapify(queue)
    merges: dict[Merge, None] = {}
    made: set[str] = set()
    while queue and len(made) < most:
        count, pair = heapq.heappop(queue)
        if counts[pair] != -count:
            continue  # an entry from before the count changed
        merges[pair] = None
        made.add(pair[0] + pair[1])
        due = [pair]
        while due:
            pair = due.pop()
            changes = _replace(pair, words, numbers, places)
            for changed, change in changes.items():
                counts[changed] += change
                if changed in merges and counts[changed] > 0:
                    due.append(changed)  # one half of it was now made in a second way
                elif change and counts[changed] >= least:
                    heapq.heappush(queue, (-counts[changed], changed))
    return list(merges)


def _replace(
    pair: Merge, words: list[list[str]], numbers: list[int], places: defaultdict[Merge, set[int]]
) -> Counter[Merge]:
    """Merge one pair in all words, keep `places` true, and return how the counts changed."""
    left, right = pair
    joined = left + right
    changes: Counter[Merge] = Counter()
    for place in places.pop(pair, ()):
        word, number = words[place], numbers[place]
        i = 0
        while left in word[i:-1]:
            i = word.index(left, i)
            if word[i + 1] == right:
                word[i : i + 2] = (joined,)
                changes[pair] -= number
                if i:
                    before = (word[i - 1], joined)
                    changes[before[0], left] -= number
                    changes[before] += number
                    places[before].add(place)
                if i + 1 < len(word):
                    after = (joined, word[i + 1])
                    changes[right, after[1]] -= number
                    changes[after] += number
                    places[after].add(place)
            i += 1
    return changes
