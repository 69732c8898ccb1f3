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
    """

    name: str
    documents: tuple[Document, ...]
    suggested: Mapping[str, Setting] = field(default_factory=dict, hash=False, compare=False)

    @property
    def characters(self) -> int:
        """The number of characters of all documents."""
        return sum(len(document.text) for document in self.documents)

    def split(self, fraction: float = 0.1) -> tuple[tuple[Document, ...], tuple[Document, ...]]:
        """Training and validation documents; their texts in a row are the corpus again.

        Validation is the last `fraction` of the characters. The ideal cut, after
        `int(characters * (1 - fraction))` characters, moves to the nearest boundary between
        documents unless validation would grow or shrink by more than half; then, as in a single
        document, the cut is exactly there, inside a document. A corpus of a few characters can
        leave one side empty.

        Raises:
            UsageError: the fraction is not in [0, 1).
        """
        if not 0 <= fraction < 1:
            raise UsageError(f"The validation fraction is {fraction}, but it must be in [0, 1).")
        total = self.characters
        cut = int(total * (1 - fraction))
        inner = list(accumulate(len(document.text) for document in self.documents))[:-1]
        nearest = min(inner, key=lambda boundary: abs(boundary - cut), default=cut)
        if abs(nearest - cut) <= fraction * total / 2:
            cut = nearest
        return _pieces(self.documents, 0, cut), _pieces(self.documents, cut, total)


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
