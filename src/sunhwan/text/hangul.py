"""Share of Hangul: whether a text is mostly Korean, told by the beginnings of its documents."""

from typing import NamedTuple, Self

from sunhwan.text.characters import code_points

OPENING = 10_000
"""Characters of a document that are looked at."""
_LEAST_SHARE = 0.2


class HangulShare(NamedTuple):
    """How many characters were looked at, and how many of them are Hangul syllables."""

    characters: int = 0
    syllables: int = 0

    def with_text(self, text: str) -> Self:
        """The same with the beginning of one more text."""
        codes = code_points(text[:OPENING])
        hangul = int(((codes >= ord("가")) & (codes <= ord("힣"))).sum())
        return self._replace(
            characters=self.characters + len(codes), syllables=self.syllables + hangul
        )

    @property
    def is_korean(self) -> bool:
        """Whether over a fifth of the characters are syllables."""
        return self.syllables > _LEAST_SHARE * self.characters
