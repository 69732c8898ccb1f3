"""Vocabulary, the base class: a fixed list of tokens, and text ↔ ids without loss."""

import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from sunhwan.errors import DataError, UsageError

Ids: TypeAlias = npt.NDArray[np.int64]
IdsLike: TypeAlias = Sequence[int] | npt.NDArray[np.integer[Any]]

UNK = "<unk>"
EOS = "<eos>"
REPLACEMENT = "\ufffd"

_INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
_FINALS = "ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
_LABELS = (
    {" ": "␣", "\n": "⏎", "\t": "⇥"}
    | {chr(0x1100 + i): letter for i, letter in enumerate(_INITIALS)}
    | {chr(0x1161 + i): chr(0x314F + i) for i in range(21)}
    | {chr(0x11A8 + i): letter for i, letter in enumerate(_FINALS)}
)


class Decoder(ABC):
    """Ids in, one at a time; text out, as soon as no later id can change it.

    For any ids, the pushed pieces and the flushed rest together are `Vocabulary.decode(ids)`.
    """

    @abstractmethod
    def push(self, token_id: int) -> str:
        """Take one id and return the text that is now certain, perhaps none.

        Raises:
            DataError: the id is not one of the vocabulary.
        """

    @abstractmethod
    def flush(self) -> str:
        """End the text: return what was held back and start afresh."""


@dataclass(frozen=True, repr=False)
class Vocabulary(ABC):
    """An immutable list of tokens; the position of a token is its id.

    Two laws hold for every string s and every sequence of ids:
    `decode(encode(s)) == normalize(s)`, and streaming through `decoder()` gives `decode(ids)`.

    Attributes:
        tokens: the printable text of each id.
        unk_id: the id of everything unseen; None where unseen text is dropped (or cannot occur).
        eos_id: the id that ends a text; None where there is none.
    """

    kind: ClassVar[str]
    tokens: tuple[str, ...]
    unk_id: int | None = None
    eos_id: int | None = None

    def __post_init__(self) -> None:
        problem = self._problem()
        if problem:
            raise UsageError(f"This is no {self.kind} vocabulary: {problem}")

    def __len__(self) -> int:
        return len(self.tokens)

    def __repr__(self) -> str:
        size = len(self)
        return f"{type(self).__name__}({size} ids, unk_id={self.unk_id}, eos_id={self.eos_id})"

    @abstractmethod
    def normalize(self, text: str) -> str:
        """The text as this vocabulary can say it: exactly what `decode(encode(text))` gives."""

    @abstractmethod
    def encode(self, text: str) -> Ids:
        """Text → ids, int64 of shape (T,). Never fails: the unseen becomes UNK or is dropped."""

    def encode_pieces(self, pieces: Iterable[str]) -> Iterator[Ids]:
        """The ids of a text that comes in pieces (see `pieces`): one after another those of the whole."""
        return map(self.encode, rejoined(self.may_be_cut, pieces))

    def may_be_cut(self, around: str) -> bool:
        """Whether two pieces can be encoded one by one.

        around: a character before the cut between them and two behind it.
        """
        return True

    def decode(self, ids: IdsLike) -> str:
        """Ids of shape (T,) → text.

        Raises:
            DataError: the ids are not one row of integers in 0 … len(self) - 1.
        """
        return self._text(self._checked(ids))

    @abstractmethod
    def decoder(self) -> Decoder:
        """A fresh streaming decoder."""

    def display(self, token_id: int) -> str:
        """A short printable label of one id, for tables and plots."""
        token_id = self._checked_id(token_id)
        if token_id in (self.unk_id, self.eos_id):
            return self.tokens[token_id]
        return self._label(token_id)

    def token_texts(self, ids: IdsLike) -> list[str]:
        """The label of each id, as `display` gives it."""
        return [self.display(token_id) for token_id in self._checked(ids).tolist()]

    def to_dict(self) -> dict[str, Any]:
        """A dictionary that JSON can hold and `vocabulary_from_dict` reads back to an equal."""
        return {
            "kind": self.kind,
            "tokens": list(self.tokens),
            "unk_id": self.unk_id,
            "eos_id": self.eos_id,
        }

    @abstractmethod
    def _text(self, ids: Ids) -> str:
        """`decode` for ids that are known to be sound."""

    @abstractmethod
    def _token_problem(self, token: str) -> str | None:
        """What is wrong with an ordinary token, None if nothing."""

    def _label(self, token_id: int) -> str:
        return printable(self.tokens[token_id])

    def _problem(self) -> str | None:
        specials: dict[int, str] = {}
        for name, token_id, token in (("unk_id", self.unk_id, UNK), ("eos_id", self.eos_id, EOS)):
            if token_id is None:
                continue
            if not 0 <= token_id < len(self.tokens) or self.tokens[token_id] != token:
                return f"{name} is {token_id}, which is not the place of {token} among the tokens"
            specials[token_id] = token
        if len(self.tokens) == len(specials):
            return "it has no tokens"
        if len(set(self.tokens)) < len(self.tokens):
            return f"the token {_first_repeated(self.tokens)!r} is there twice"
        for token_id, token in enumerate(self.tokens):
            problem = None if token_id in specials else self._token_problem(token)
            if problem:
                return f"the token {token!r} with id {token_id} {problem}"
        return None

    def _checked(self, ids: IdsLike) -> Ids:
        try:
            array = np.asarray(ids)
        except (TypeError, ValueError, OverflowError):
            raise DataError("Ids must be one row of integers.") from None
        if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
            raise DataError(
                f"Ids must be one row of integers, not shape {array.shape} of {array.dtype}."
            )
        if array.size:
            for extreme in (int(array.min()), int(array.max())):
                self._checked_id(extreme)
        return array.astype(np.int64)

    def _checked_id(self, token_id: int) -> int:
        if not 0 <= token_id < len(self.tokens):
            raise DataError(
                f"The id {token_id} is not in this vocabulary of {len(self)} ids "
                f"(0 … {len(self) - 1})."
            )
        return int(token_id)


def rejoined(may_be_cut: Callable[[str], bool], pieces: Iterable[str]) -> Iterator[str]:
    """Pieces that can be encoded one by one: where one may not be cut (see `Vocabulary`), it is joined
    with the next."""
    held: list[str] = []
    for piece in pieces:
        if held and may_be_cut(held[-1][-1] + piece[:2]):
            yield "".join(held)
            held = []
        held.append(piece)
    if held:
        yield "".join(held)


def printable(text: str) -> str:
    """Text whose every character can be seen: spaces as signs, lone jamo as compatibility jamo."""
    return "".join(map(_visible, text))


def _visible(character: str) -> str:
    if character in _LABELS:
        return _LABELS[character]
    if not character.isprintable():
        return f"U+{ord(character):04X}"
    if unicodedata.category(character) == "Mn":
        return "◌" + character
    return character


def _first_repeated(tokens: Iterable[str]) -> str:
    seen: set[str] = set()
    for token in tokens:
        if token in seen:
            break
        seen.add(token)
    return token
