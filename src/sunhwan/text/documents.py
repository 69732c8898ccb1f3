"""What a corpus is: named texts in a fixed order, and their split."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple, TypeAlias

from sunhwan.errors import UsageError

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

    def split(self, fraction: float = 0.1) -> tuple[tuple[Document, ...], tuple[Document, ...]]:
        """Training and validation documents.

        Validation is the last `fraction` of every document's characters, so that each kind of text
        is on both sides; of all characters together it is the share that one document would have.
        Of a mixed corpus it is the last documents, cut where the nearest boundary is farther than
        half of the fraction. A corpus of a few characters has no validation.

        Raises:
            UsageError: the fraction is not in [0, 1).
        """
        if not 0 <= fraction < 1:
            raise UsageError(f"The validation fraction is {fraction}, but it must be in [0, 1).")
        total = self.characters
        if self.mixed:
            cut = self._boundary(int(total * (1 - fraction)), fraction * total / 2)
            return _pieces(self.documents, 0, cut), _pieces(self.documents, cut, total)
        train, validation = [], []
        end = 0
        for name, text in self.documents:
            before = int(end * (1 - fraction))
            end += len(text)
            cut = int(end * (1 - fraction)) - before
            train.append(Document(name, text[:cut]))
            validation.append(Document(name, text[cut:]))
        if not any(text for _, text in train):
            return self.documents, ()
        return tuple(d for d in train if d.text), tuple(d for d in validation if d.text)

    def _boundary(self, cut: int, farthest: float) -> int:
        """The boundary between documents nearest to a position, unless it is too far."""
        inner = list(accumulate(len(document.text) for document in self.documents))[:-1]
        nearest = min(inner, key=lambda boundary: abs(boundary - cut), default=cut)
        return nearest if abs(nearest - cut) <= farthest else cut


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
