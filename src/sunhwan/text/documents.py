"""Documents of a corpus: named texts in a fixed order, and their split."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple, TypeAlias

from sunhwan.errors import UsageError
from sunhwan.text.hangul import HangulShare

Setting: TypeAlias = str | int | float | bool


class Document(NamedTuple):
    """One text and what it is called: usually its path."""

    name: str
    text: str


@dataclass(frozen=True)
class Corpus:
    """Documents in a fixed order.

    Attributes:
        name: the names of the sources, joined by `+`.
        documents: none of them empty.
        suggested: settings that suit the text, where it is a single built-in one.
        mixed: whether the documents stand in no order, so that the last ones are like the others.
        notes: what was found out about the files, a sentence each.
    """

    name: str
    documents: tuple[Document, ...]
    suggested: Mapping[str, Setting] = field(default_factory=dict, hash=False, compare=False)
    mixed: bool = False
    notes: tuple[str, ...] = ()

    @property
    def characters(self) -> int:
        """The number of characters of all documents."""
        return sum(len(document.text) for document in self.documents)

    @property
    def hangul(self) -> HangulShare:
        """How much of the beginnings of its documents is Korean."""
        share = HangulShare()
        for document in self.documents:
            share = share.with_text(document.text)
        return share

    def split(self, fraction: float = 0.1) -> tuple[tuple[Document, ...], tuple[Document, ...]]:
        """Training and validation documents.

        Validation is the last `fraction` of every document's characters, so that each kind of text
        is on both sides; of all characters together it is the share that one document would have.
        Of a mixed corpus it is the last documents, cut where the nearest boundary is farther than
        half of the fraction. A corpus of a few characters has no validation.

        Raises:
            UsageError: the fraction is not in [0, 1).
        """
        check_fraction(fraction)
        if self.mixed:
            total = self.characters
            cut = self._boundary(int(total * (1 - fraction)), fraction * total / 2)
            return _pieces(self.documents, 0, cut), _pieces(self.documents, cut, total)
        cuts = training_lengths([len(text) for _, text in self.documents], fraction)
        train, validation = [], []
        for (name, text), cut in zip(self.documents, cuts, strict=True):
            train.append(Document(name, text[:cut]))
            validation.append(Document(name, text[cut:]))
        return tuple(d for d in train if d.text), tuple(d for d in validation if d.text)

    def _boundary(self, cut: int, farthest: float) -> int:
        """The boundary between documents nearest to a position, unless it is too far."""
        inner = list(accumulate(len(document.text) for document in self.documents))[:-1]
        nearest = min(inner, key=lambda boundary: abs(boundary - cut), default=cut)
        return nearest if abs(nearest - cut) <= farthest else cut


def training_lengths(lengths: Sequence[int], fraction: float) -> list[int]:
    """How many characters of each document are for training, the first ones: see `Corpus.split`.

    UsageError: the fraction is not in [0, 1).
    """
    check_fraction(fraction)
    cuts, end = [], 0
    for length in lengths:
        before = int(end * (1 - fraction))
        end += length
        cuts.append(int(end * (1 - fraction)) - before)
    return cuts if any(cuts) else list(lengths)


def check_fraction(fraction: float) -> None:
    """UsageError where this is no share that can be kept for validation."""
    if not 0 <= fraction < 1:
        raise UsageError(f"The validation fraction is {fraction}, but it must be in [0, 1).")


def _pieces(documents: Iterable[Document], start: int, stop: int) -> tuple[Document, ...]:
    """The documents between two character positions, cut where a position falls inside one."""
    pieces = []
    offset = 0
    for name, text in documents:
        piece = text[max(start - offset, 0) : max(stop - offset, 0)]
        if piece:
            pieces.append(Document(name, piece))
        offset += len(text)
    return tuple(pieces)
