"""One sentence of CoNLL-U."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sunhwan.errors import DataError, quoted

COLUMNS = ("upos", "xpos", "deprel", "feats", "lemma")
"""The columns that can be tags."""

_WIDTH = 10
_MAY_BE_BLANK = frozenset(("feats", "lemma"))  # there "_" says that a word has none, or is one


class Token(NamedTuple):
    """A surface token: a word, or several of them in one piece, as "don't" is do and n't.

    words: how many there are in it. space: whether one follows.
    """

    form: str
    words: int = 1
    space: bool = True


class ParsedSentence(NamedTuple):
    """The words of a sentence, their tags column by column, and its tokens as they are written."""

    words: tuple[str, ...]
    tags: tuple[tuple[str, ...], ...]
    tokens: tuple[Token, ...]


def _as_written(cells: list[str], place: int) -> Any:
    return cells[place]


_PARSERS: dict[str, Callable[[list[str], int], Any]] = dict.fromkeys(
    ("xpos", "feats", "head", "deps", "misc"), _as_written
)


def parse_conllu(
    block: Sequence[tuple[int, list[str]]], name: str, columns: Sequence[str], word: str = "form"
) -> ParsedSentence:
    """Words and tags of a sentence, given as its lines' numbers and cells.

    Ranges of several words are tokens alone; empty nodes are left out.

    Raises:
        DataError: a line has not ten cells, a cell is empty or has two spaces in a row, the ids
            are not 1, 2, 3, …, or a word has no tag.
    """
    from conllu import parse  # here, for its import is not needed by those who train on text
    from conllu.exceptions import ParseException

    for number, cells in block:
        _check(cells, f"{name}, line {number}")
    try:
        [tokens] = parse("\n".join("\t".join(cells) for _, cells in block), field_parsers=_PARSERS)
    except (ParseException, ValueError) as error:  # ValueError: a number of thousands of digits
        raise DataError(
            f"{name}, line {block[0][0]}: the sentence that begins here is no CoNLL-U "
            f"({str(error).rstrip('.')}); mend it."
        ) from None
    words: list[str] = []
    tags: list[list[str]] = [[] for _ in columns]
    for (number, cells), token in zip(block, tokens, strict=True):
        if isinstance(token["id"], tuple):
            continue
        where = f"{name}, line {number}"
        if token["id"] != len(words) + 1:
            raise DataError(
                f"{where}: the token's number is {cells[0]}, but {len(words) + 1} is next in its "
                "sentence; put an empty line between two sentences and leave out no token."
            )
        for column, found in zip(columns, tags, strict=True):
            if token[column] == "_" and column not in _MAY_BE_BLANK:
                raise DataError(
                    f"{where}: the token {quoted(token['form'])} has no {column}; fill it in or choose "
                    f"another column of {', '.join(COLUMNS)}."
                )
            found.append(token[column])
        words.append(token[word])
    return ParsedSentence(tuple(words), tuple(map(tuple, tags)), _tokens(block))


def _tokens(block: Sequence[tuple[int, list[str]]]) -> tuple[Token, ...]:
    """What is written in one piece: the ranges, and the words that stand in none."""
    found, last = [], 0
    for _, cells in block:
        first, _, end = cells[0].partition("-")
        if "." in first or int(first) <= last:
            continue
        last = int(end or first)
        space = "SpaceAfter=No" not in cells[9].split("|")
        found.append(Token(cells[1], last - int(first) + 1, space))
    return tuple(found)


def _check(cells: list[str], where: str) -> None:
    if len(cells) != _WIDTH:
        raise DataError(
            f"{where}: CoNLL-U has {_WIDTH} cells between tabs, and this line {len(cells)}; write an empty "
            "one as _"
        )
    for place, cell in enumerate(cells, 1):
        # The parser would take two spaces for a tab; the standard forbids them.
        if not cell.strip() or "  " in cell:
            found = "has two spaces in a row" if cell.strip() else "is empty"
            cure = "write one" if cell.strip() else "write _ where there is nothing"
            raise DataError(f"{where}: cell {place} {found}; {cure}.")
