"""Tagged sentences: CoNLL, one token a line with its tag last, and CoNLL-U."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from sunhwan.data.conllu_sentences import COLUMNS, Token, parse_conllu
from sunhwan.errors import DataError, UsageError, quoted
from sunhwan.text.decoding import normalize, read_known

WORD_COLUMNS = {"form": "form", "lemma": "lemma", "2": "form", "3": "lemma"}
"""The columns of CoNLL-U that can be read as words, also by their numbers."""

_TEXT = re.compile(r"#\s*text\s*=\s*(.*)")
_COMMENT = re.compile(r"#+(?: .*)?")  # not "#서울 B-LOC", nor a tab after the mark
_TOKEN_OF_CONLLU = re.compile(r"[0-9]+(?:[-.][0-9]+)?(?:\t[^\t]*){9}")


class Sentence(NamedTuple):
    """One sentence: where it begins, such as "train.conllu, line 3", its words and their tags.

    more: the tags of further columns that were asked for. tokens: of CoNLL-U, as they are written;
    text: the whole as it is written, "" where that is not told.
    """

    where: str
    words: tuple[str, ...]
    tags: tuple[str, ...]
    more: tuple[tuple[str, ...], ...] = ()
    tokens: tuple[Token, ...] = ()
    text: str = ""


@dataclass(frozen=True)
class Treebank:
    """Tagged sentences, at least one and none empty.

    Attributes:
        name: the path as it was given.
        sentences: in the order of the file.
        said: what was read, such as "CoNLL-U, the column upos".
    """

    name: str
    sentences: tuple[Sentence, ...]
    said: str


class Line(NamedTuple):
    """One line of a sentence, its number and its cells."""

    number: int
    cells: list[str]


_FEWEST_TOKENS = 4
"""Lines of a text from which on their cells tell that it is CoNLL."""


class SentenceLines(list[Line]):
    """The token lines of a sentence; text: what the comment `# text` above them says."""

    text = ""


def read_treebank(
    path: str | Path, column: str = "", *, word: str = "", words_only: bool = False
) -> Treebank:
    """Read tagged sentences, plain or `.gz`.

    A file named `.conllu`, or whose first token line has ten cells between tabs and begins with a
    number, is CoNLL-U: words are the second column, tags the column `upos`, `xpos`, `deprel`,
    `feats` or `lemma`, or several of them with commas between; ranges of several words (1-2) are
    tokens alone, and empty nodes (1.1) are left out.

    Any other file is CoNLL as in the shared task of 2003: a token a line, its cells between tabs
    or spaces, the word first and the tag last; `column` may be the number of another one, from 1, and
    `word` that of the words. Where the first cells number the tokens of every sentence, the words are
    the second.
    Empty lines and lines with -DOCSTART- stand between sentences. A line that begins with `# ` is
    a comment, but inside a sentence it is a token where its cells are as many as those before.

    words_only: leave tags aside, which need not be there.

    Raises:
        TextError: the file is missing, unreadable or in no known encoding.
        DataError: a line has another number of cells than its sentence, a token has no word or no
            tag, the numbers of CoNLL-U tokens do not count up, or there is no sentence.
        UsageError: there is no such column.
    """
    name = normalize(str(path))
    known = read_known(path)
    lines = known.text.split("\n")
    marked = _is_conllu(name, lines)
    if marked:
        column = column or "upos"
        for one in column.split(","):
            if one not in COLUMNS:
                raise UsageError(
                    f"CoNLL-U has no column of tags {quoted(one)}: {', '.join(COLUMNS)}."
                )
        if len(set(column.split(","))) < len(column.split(",")):
            raise UsageError(f"a column of tags is named twice: {column}; name each once")
        if word.lower() not in ("", *WORD_COLUMNS):
            raise UsageError(
                f"CoNLL-U has no column of words {quoted(word)}: {', '.join(WORD_COLUMNS)}."
            )
        said = f"CoNLL-U, the column{'s' * (',' in column)} {column.replace(',', ', ')}"
    else:
        if column and not re.fullmatch("[1-9][0-9]{0,3}", column):
            raise UsageError(
                f"The column of tags is {quoted(column)}, but {name} is a CoNLL file without names of "
                "columns; give a number from 1, or none for the last column."
            )
        if word and not re.fullmatch("[1-9][0-9]{0,3}", word):
            raise UsageError(
                f"The column of words is {quoted(word)}, but {name} is a CoNLL file without names of "
                "columns; give a number from 1, or none for the first column."
            )
        said = f"CoNLL, the {f'column {column}' if column else 'last column'}"
    if words_only:
        column = "lemma" if marked else "1"  # that which no word is without
    blocks = list(_blocks(lines, marked))
    place = int(word or 1) - 1
    if not marked and not word and _are_numbered(blocks, 2 if words_only else 3):
        place, said = 1, f"{said}; the first column numbers the words, which are the second"
    sentences = []
    for block in blocks:
        where = f"{name}, line {block[0].number}"
        if marked:
            asked, of_words = column.split(","), WORD_COLUMNS[word.lower() or "form"]
            words, (tags, *more), tokens = parse_conllu(block, name, asked, of_words)
            tokens = tokens if of_words == "form" else ()
            sentence = Sentence(where, words, tags, tuple(more), tokens, block.text)
        else:
            sentence = Sentence(where, *_parse_conll(block, name, column, place))
        if sentence.words:
            sentences.append(sentence._replace(tags=()) if words_only else sentence)
    if not sentences:
        raise DataError(f"{name} holds no tagged sentence; give a file with at least one.")
    return Treebank(name, tuple(sentences), known.said + said)


def has_columns(text: str) -> bool:
    """Whether a text under any name is CoNLL: empty lines between sentences, in whose lines a word and as
    many cells as in the first stand each, the last of them of few tags."""
    lines = [line.strip(" \r") for line in text.strip().split("\n")]
    tokens = [line.split() for line in lines if line and not line.startswith(("# ", "-DOCSTART-"))]
    if "" not in lines or len(tokens) < _FEWEST_TOKENS:
        return False
    width = len(tokens[0])
    tags = {cells[-1] for cells in tokens}
    return (
        width > 1 and all(len(cells) == width for cells in tokens) and 2 * len(tags) <= len(tokens)
    )


def _is_conllu(name: str, lines: list[str]) -> bool:
    if name.lower().removesuffix(".gz").endswith(".conllu"):
        return True
    tokens = (line for line in lines if line.strip(" \t") and not line.startswith("#"))
    return _TOKEN_OF_CONLLU.fullmatch(next(tokens, "")) is not None


def _blocks(lines: list[str], marked: bool) -> Iterator[SentenceLines]:
    """The token lines of each sentence; where `marked`, every line with a `#` is a comment."""
    block, text = SentenceLines(), ""
    tabbed = False
    for number, line in enumerate(lines, 1):
        if not line.strip(" ") or line.startswith("-DOCSTART-"):
            if block:
                yield block
            block, text = SentenceLines(), ""
            continue
        if marked and line.startswith("#"):
            told = _TEXT.fullmatch(line)
            text = told[1].strip() if told else text
            continue
        tab = "\t" in line
        cells = line.split("\t") if tab else re.split(" +", line.strip(" "))
        alike = block and tab == tabbed and len(cells) == len(block[0].cells)
        if _COMMENT.fullmatch(line) and not alike:
            continue
        tabbed = tabbed if block else tab
        block.append(Line(number, cells))
        block.text = text
    if block:
        yield block


def _are_numbered(blocks: list[SentenceLines], width: int) -> bool:
    """Whether the first cells count the tokens of every sentence, from 1 or from 0."""
    if sum(map(len, blocks)) < 3 or any(len(line.cells) < width for b in blocks for line in b):
        return False
    return any(
        all(
            [line.cells[0] for line in block] == list(map(str, range(first, first + len(block))))
            for block in blocks
        )
        for first in (1, 0)
    )


def _parse_conll(
    block: SentenceLines, name: str, column: str, word: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    width = len(block[0].cells)
    place = int(column) - 1 if column else width - 1
    word = word if width > 1 else 0  # a file of words alone
    for number, cells in block:
        where = f"{name}, line {number}"
        if len(cells) < 2 and column != "1":
            raise DataError(
                f"{where}: the token {quoted(cells[0])} has no tag; write the word first and its tag "
                "last, with a tab or a space between them."
            )
        if len(cells) != width:
            raise DataError(
                f"{where}: this line has {len(cells)} cells, but the sentence began with {width} "
                f"in line {block[0].number}; give all its lines the same, or put an empty line "
                "between two sentences."
            )
        if max(place, word) >= width:
            missing = max(place, word) + 1
            raise DataError(f"{where}: there is no column {missing}; this line has {width} cells.")
        for what, cell in (("word", cells[word]), ("tag", cells[place])):
            if not cell:
                raise DataError(f"{where}: the {what} is empty; fill it in or remove the line.")
    return tuple(line.cells[word] for line in block), tuple(line.cells[place] for line in block)
