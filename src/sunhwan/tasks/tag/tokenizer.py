"""Tokenizer: raw text → sentences of words, learned from the `# text` of a treebank.

A bidirectional recurrence reads the characters and labels each (as UDPipe does, Straka and Straková 2017):
between tokens, inside one, its last, and whether that ends a sentence or is one of several words. These are
told by the split of that token that is the most frequent, or of one never seen by its longest known ending.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor

from sunhwan.config import ModelConfig
from sunhwan.data import pad
from sunhwan.data.conllu_sentences import Token
from sunhwan.data.edit_scripts import edited, is_script, split_script
from sunhwan.errors import StoreError
from sunhwan.models.inputs import TokenInput
from sunhwan.models.mode import evaluating
from sunhwan.models.tagger import NO_LABEL, Tagger
from sunhwan.text import Vocabulary, build_vocabulary, normalize, vocabulary_from_dict

BETWEEN, INSIDE, WORD, WORDS = range(4)
ENDS = 2
"""What is added to `WORD` and `WORDS` where a sentence ends."""
LABELS = ("between", "inside", "word", "words", "word, sentence", "words, sentence")
FORMAT = 1
AROUND = 24
"""Characters of the sentences before and behind that are read with one in training."""
ALONE = 8
"""Of so many sentences one is read without the next, for texts end too."""
WINDOW, MARGIN = 1_000, 60
"""Characters that are labelled at once, and those around them that are read too."""
LONGEST = 6
"""Characters of an ending by which a token is split."""


class Written(NamedTuple):
    """A sentence as it is written."""

    text: str
    tokens: tuple[Token, ...]


class Spelled(NamedTuple):
    """A sentence as the tokenizer learns it, with some of its neighbours: ids (T,), labels (T,)."""

    written: Written
    ids: Tensor
    labels: Tensor


class Segment(NamedTuple):
    """A sentence that was found: its words, and how it is written."""

    words: tuple[str, ...]
    written: Written


def label_characters(written: Written) -> list[int] | None:
    """A label a character; None where the tokens do not make up the text."""
    text, found, place = written.text, [BETWEEN] * len(written.text), 0
    for token in written.tokens:
        while text[place : place + 1].isspace():
            place += 1
        if not token.form or not text.startswith(token.form, place):
            return None
        end = place + len(token.form)
        found[place:end] = [INSIDE] * len(token.form)
        found[end - 1] = WORDS if token.words > 1 else WORD
        place = end
    if not written.tokens or text[place:].strip():
        return None
    found[place - 1] += ENDS
    return found


class Splits(NamedTuple):
    """Tokens of several words: those of each token, and an edit script by the ending of a token."""

    tokens: dict[str, list[str]]
    endings: dict[str, str]

    @classmethod
    def fit(cls, found: Iterable[tuple[str, Sequence[str]]]) -> Self:
        """Of tokens and their words, the most frequent ones."""
        tokens: defaultdict[str, Counter[tuple[str, ...]]] = defaultdict(Counter)
        endings: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for form, words in found:
            tokens[form][tuple(words)] += 1
            script = split_script(form, words)
            for ending in _endings(form):
                endings[ending][script] += 1
        return cls(
            {form: list(_most(counts)) for form, counts in sorted(tokens.items())},
            {ending: _most(counts) for ending, counts in sorted(endings.items())},
        )

    def words(self, form: str) -> list[str]:
        """The words of a token of several; it alone where no split is known that it can have."""
        if form in self.tokens:
            return self.tokens[form]
        for ending in _endings(form):
            if ending in self.endings:
                return (edited(form, self.endings[ending]) or form).split()
        return [form]


def _endings(form: str) -> list[str]:
    return [form[-size:].lower() for size in range(min(LONGEST, len(form)), 0, -1)]


def _most(counts: Counter[Any]) -> Any:
    return min(counts.items(), key=lambda item: (-item[1], item[0]))[0]


class Tokenizer:
    """The characters that are known, their tagger, and the splits of tokens of several words."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        splits: Splits,
        hidden_size: int = 64,
        embedding_size: int = 32,
    ) -> None:
        self.vocabulary, self.splits = vocabulary, splits
        self.sizes = {"hidden_size": hidden_size, "embedding_size": embedding_size}
        config = ModelConfig(cell="gru", num_layers=1, dropout=0.1, direction="both", **self.sizes)  # type: ignore[arg-type]
        self.tagger = Tagger(config, TokenInput(len(vocabulary), embedding_size), LABELS)

    @classmethod
    def fit(cls, sentences: Iterable[tuple[Sequence[str], Written]]) -> Self:
        """The characters and splits of sentences, each its words and how it is written."""
        texts, splits = [], []
        for words, written in sentences:
            texts.append(_plain(written.text))
            place = 0
            for token in written.tokens:
                if token.words > 1:
                    splits.append((token.form, words[place : place + token.words]))
                place += token.words
        often = max(Counter("".join(texts)).values(), default=1)
        vocabulary = build_vocabulary("characters", texts, min_count=min(2, often), unk=True)
        return cls(vocabulary, Splits.fit(splits))

    def spelled(self, sentences: Sequence[Written | None]) -> list[Spelled | None]:
        """Each sentence with characters of the ones beside it, which are read but not learned."""
        made: list[Spelled | None] = []
        for place, written in enumerate(sentences):
            labels = None if written is None else label_characters(written)
            if written is None or labels is None:
                made.append(None)
                continue
            before = "" if place % ALONE == 1 else _beside(sentences, place - 1)[-AROUND:]
            behind = "" if place % ALONE == 0 else _beside(sentences, place + 1)[:AROUND]
            space = behind and written.tokens[-1].space
            text = before + written.text + " " * bool(space) + behind
            told = [NO_LABEL] * len(before) + labels + [BETWEEN] * bool(space)
            told += [NO_LABEL] * len(behind)
            made.append(Spelled(written, self.encode(text), torch.tensor(told)))
        return made

    def encode(self, text: str) -> Tensor:
        """Characters → their numbers (T,)."""
        return torch.from_numpy(self.vocabulary.encode(_plain(text))).long()

    def segments(self, text: str) -> list[Segment]:
        """The sentences of a text, each line of it a paragraph."""
        lines = normalize(text).split("\n")
        return [segment for line in lines for segment in self._of_line(_plain(line).rstrip())]

    def _of_line(self, line: str) -> Iterator[Segment]:
        labels = [*self._labels(line), WORD]
        words: list[str] = []
        tokens: list[Token] = []
        start = begun = -1
        for place, character in enumerate(line):
            if start < 0:
                if character == " ":
                    continue
                start, begun = place, place if begun < 0 else begun
            label, behind = labels[place], line[place + 1 : place + 2]
            # A word goes on over a space only where that is labelled as a part of it.
            inner = behind and (behind != " " or labels[place + 1] == INSIDE)
            if inner and label in (BETWEEN, INSIDE):
                continue
            form = " ".join(line[start : place + 1].split())
            found = self.splits.words(form) if label in (WORDS, WORDS + ENDS) else [form]
            words += found
            tokens.append(Token(form, len(found), behind in ("", " ")))
            start = -1
            if not behind or label >= WORD + ENDS:
                yield Segment(tuple(words), Written(line[begun : place + 1], tuple(tokens)))
                words, tokens, begun = [], [], -1

    @torch.no_grad()
    def _labels(self, line: str) -> list[int]:
        ids, found = self.encode(line), list[int]()
        starts = range(0, len(line), WINDOW)
        for some in (starts[k : k + 64] for k in range(0, len(starts), 64)):
            pieces = [ids[max(0, start - MARGIN) : start + WINDOW + MARGIN] for start in some]
            device = next(self.tagger.parameters()).device
            with evaluating(self.tagger):
                best = self.tagger(pad(pieces).to(device)).argmax(-1).cpu()
            for start, row in zip(some, best, strict=True):
                skipped = start - max(0, start - MARGIN)
                found += row[skipped : skipped + min(WINDOW, len(line) - start)].tolist()
        return found

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "format": FORMAT, "vocabulary": self.vocabulary.to_dict(), **self.sizes,
            "splits": self.splits._asdict(),
        }  # fmt: skip

    @classmethod
    def from_dict(cls, record: Any) -> Self:
        """Of what `to_dict` gave, with fresh weights; StoreError: it is damaged or of a later version."""
        try:
            if record["format"] != FORMAT:
                raise StoreError(
                    f"The tokenizer is of format {record['format']}, and formats up to {FORMAT} are "
                    "read: upgrade sunhwan"
                )
            splits = Splits(dict(record["splits"]["tokens"]), dict(record["splits"]["endings"]))
            sizes = int(record["hidden_size"]), int(record["embedding_size"])
            if not all(map(is_script, splits.endings.values())) or not _are_words(splits.tokens):
                raise ValueError
            return cls(vocabulary_from_dict(record["vocabulary"]), splits, *sizes)
        except (KeyError, TypeError, ValueError):
            raise StoreError("The stored tokenizer is damaged") from None


def _are_words(tokens: dict[Any, Any]) -> bool:
    return all(
        isinstance(words, list) and words and all(isinstance(word, str) and word for word in words)
        for words in tokens.values()
    )


def _beside(sentences: Sequence[Written | None], place: int) -> str:
    """The text of a neighbour, with a space on the side of the sentence it stands before."""
    if not 0 <= place < len(sentences):
        return ""
    written = sentences[place]
    if written is None:
        return ""
    return written.text + " " * written.tokens[-1].space if written.tokens else written.text


def _plain(text: str) -> str:
    """Every kind of space as one."""
    return "".join(" " if character.isspace() else character for character in text)
