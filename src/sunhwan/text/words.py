"""The vocabulary of words between white space."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from sunhwan.text.decoding import normalize
from sunhwan.text.vocabulary import UNK, Decoder, Ids, Vocabulary


@dataclass(frozen=True, repr=False)
class WordVocabulary(Vocabulary):
    """One id for each word; with EOS, the end of a line is a token too.

    Normalisation: `sunhwan.text.normalize`; words stand one space apart, with none at either end
    of a line; newlines stay where there is EOS and are spaces otherwise; an unseen word becomes
    `<unk>`, or is dropped where there is no UNK. The word `<eos>` in a text is no line end.
    """

    kind: ClassVar[str] = "words"

    def normalize(self, text: str) -> str:
        lines = []
        for words in self._lines(text):
            known = (self._word(word) for word in words)
            lines.append(" ".join(word for word in known if word is not None))
        return "\n".join(lines)

    def encode(self, text: str) -> Ids:
        look_up = self._id_of_word.get
        unk = -1 if self.unk_id is None else self.unk_id
        ids: list[int] = []
        for number, words in enumerate(self._lines(text)):
            if number and self.eos_id is not None:
                ids.append(self.eos_id)
            ids.extend([look_up(word, unk) for word in words])
        array = np.array(ids, np.int64)
        return array[array >= 0] if self.unk_id is None else array

    def decoder(self) -> Decoder:
        return _WordDecoder(self)

    def _lines(self, text: str) -> Iterator[list[str]]:
        text = normalize(text)
        lines = [text] if self.eos_id is None else text.split("\n")
        return (line.split() for line in lines)

    def _word(self, word: str) -> str | None:
        if word in self._id_of_word:
            return word
        return None if self.unk_id is None else UNK

    @cached_property
    def _id_of_word(self) -> dict[str, int]:
        specials = (self.unk_id, self.eos_id)
        return {word: i for i, word in enumerate(self.tokens) if i not in specials}

    @cached_property
    def _text_of_id(self) -> list[str]:
        return ["\n" if i == self.eos_id else token for i, token in enumerate(self.tokens)]

    def _text(self, ids: Ids) -> str:
        # No token holds white space, so every space here is a joint.
        joined = " ".join([self._text_of_id[i] for i in ids.tolist()])
        return joined.replace(" \n", "\n").replace("\n ", "\n")

    def _token_problem(self, token: str) -> str | None:
        if token.split() != [token]:
            return "is empty or holds white space"
        return None if normalize(token) == token else "is not normalised"


class _WordDecoder(Decoder):
    def __init__(self, vocabulary: WordVocabulary) -> None:
        self._vocabulary = vocabulary
        self._inside_line = False

    def push(self, token_id: int) -> str:
        text = self._vocabulary.decode((token_id,))
        space = " " if self._inside_line and text != "\n" else ""
        self._inside_line = text != "\n"
        return space + text

    def flush(self) -> str:
        self._inside_line = False
        return ""
