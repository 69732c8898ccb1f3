"""Reading for tagging: sentences of a treebank, or rows of a table with a label for every step."""

import dataclasses
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sunhwan.config import Config
from sunhwan.data.tables import Table, read_table
from sunhwan.data.treebanks import WORD_COLUMNS, Sentence, has_columns, read_treebank
from sunhwan.errors import ConfigError, DataError, UsageError, quoted
from sunhwan.files import is_plain
from sunhwan.tasks.common.columns import choose_columns
from sunhwan.tasks.common.input_kinds import complete_kind
from sunhwan.tasks.common.pairs import pairs_of
from sunhwan.tasks.common.questions import TABLES, Pair, Question, questions_in
from sunhwan.tasks.tag.tokenizer import Written
from sunhwan.tasks.tag.word_lists import listed_words
from sunhwan.text import read_text
from sunhwan.text.decoding import decode, normalize

INPUTS = ("words", "tokens", "text", "sentence", "path", "file", "문장", "어절", "단어", "1")
# fmt: off
TARGETS = (
    "tags", "labels", "upos", "pos", "ner", "ner_tags", "pos_tags", "tag", "label", "태그", "품사",
    "개체명", "2",
)
# fmt: on
TREEBANKS = (".conllu", ".conll", ".iob", ".iob2", ".bio")
"""The names of files that are treebanks even where only words are asked for; `.gz` may follow."""

_SENTENCE = re.compile(
    r"sent(?:ence)?[ _]?(?:#|id|idx|index|no|nr|number)|문장 ?(?:번호|id)", re.IGNORECASE
)
"""Names of a column that numbers sentences, in a table of a word a row."""
_ONE_WORD = ("word", "token", "form", "words", "tokens", "단어", "어절", "토큰")

_SAMPLE = 1 << 16
"""Bytes by which a file of another name is known as a treebank."""


class Sequences(NamedTuple):
    """Sequences of a file. Of a pair the question's cells are the words of a sentence, or the name of a
    file of frames, and the answer is its labels between tabs.

    config: as it was given, with the kind and, of a table, the columns that were found.
    notes: what was left out, in words.
    """

    pairs: list[Pair]
    config: Config
    said: str
    notes: list[str]


def read_sequences(path: Path, config: Config, *, strict: bool = False) -> Sequences:
    """Read a treebank, or a table in whose cells words and labels stand between spaces.

    In a table frames are the name of a file, and their labels may be a text file's name too. strict: a
    row without labels, or an empty line, is an error.

    Raises:
        TextError: the file is missing, unreadable or in no known encoding.
        DataError: it is no such file, or has no such column, or words and labels are not as many.
        ConfigError: the task's kind is another one.
    """
    if config.task.kind not in ("", "words", "frames"):
        raise ConfigError(f"to tag are words or frames, not {config.task.kind}")
    if not _is_table(path):
        treebank = read_treebank(path, config.task.target, word=_word_column(config))
        pairs = [
            Pair(
                Question(sentence.words, sentence.where, path.parent, written=written_of(sentence)),
                "\n".join(map("\t".join, (sentence.tags, *sentence.more))),
            )
            for sentence in treebank.sentences
        ]
        said = f"{treebank.name}: {treebank.said}"
        return Sequences(pairs, _with(config, kind="words"), said, [])
    table = read_table(path, empty_lines=True, lists=True)
    _check_sentences(table)
    columns = choose_columns(table, config, INPUTS, TARGETS)
    if len(columns.inputs) != 1:
        raise DataError(
            f"{table.name}: one column is read to be tagged, not {', '.join(columns.inputs)}: name "
            "it with --input"
        )
    rows, notes = pairs_of(table, columns, path, strict=strict)
    found = complete_kind(config, [row.question for row in rows]).task.kind
    kind = "frames" if found == "frames" else "words"
    config = _with(config, kind=kind, input=columns.inputs, target=columns.target)
    pairs = [_frames(row) if kind == "frames" else _words(row) for row in rows]
    chosen = f"what is read is {columns.inputs[0]}, the tags are {columns.target}"
    if columns.target == "ner_tags" and pairs and all(_numbers_only(pair) for pair in pairs):
        notes = [*notes, NUMBERS_FOR_LABELS]
    said = f"{table.name}: {'; '.join((table.said, chosen, *notes))}"
    return Sequences(pairs, config, said, notes)


def sequences_asked(path: Path, config: Config) -> Iterator[Question]:
    """The questions of a file: sentences of a treebank, rows of a table, or lines of any other text."""
    if is_treebank(path):
        word = _word_column(config)
        word = word if word.isdigit() or word.lower() in WORD_COLUMNS else ""  # of a table
        for sentence in read_treebank(path, word=word, words_only=True).sentences:
            yield Question(
                sentence.words, sentence.where, path.parent, written=written_of(sentence)
            )
        return
    for question in questions_in(path, config.task.input or INPUTS[:1]):
        yield as_words(question, config.task.kind)


def written_of(sentence: Sentence) -> Written | None:
    """How a sentence of CoNLL-U is written; its text is "" where none is told."""
    return Written(sentence.text, sentence.tokens) if sentence.tokens else None


def raw_lines(path: Path) -> Iterator[tuple[str, str]]:
    """Where each line of a raw text stands, and the line; of a pipe as they come."""
    if str(path) == "-":
        for number, line in enumerate(sys.stdin.buffer, 1):
            yield f"standard input, line {number}", normalize(decode(line, "standard input"))
        return
    for number, line in enumerate(read_text(path).split("\n"), 1):
        yield f"{path}, line {number}", line


def is_raw(path: Path) -> bool:
    """Whether a file of questions is no treebank and no table."""
    return str(path) == "-" or not (is_treebank(path) or _is_table(path))


def as_words(question: Question, kind: str) -> Question:
    """A question of one cell, cut into words where these are what is tagged."""
    return _split(question) if kind == "words" else question


def as_sequence(given: object, kind: str) -> Question:
    """What a Python caller asks: a `Question`, a text, or a sequence of words."""
    if isinstance(given, Question):
        return given
    if isinstance(given, str):
        return as_words(Question((normalize(given),)), kind)
    if isinstance(given, Sequence) and all(isinstance(word, str) for word in given):
        return Question(tuple(map(normalize, given)))
    raise UsageError(f"to tag is a text or a sequence of words, not {type(given).__name__}")


def _word_column(config: Config) -> str:
    """The column of a treebank that holds the words, "" for the usual one."""
    if len(config.task.input) > 1:
        raise UsageError(
            f"one column is read to be tagged, not {' and '.join(config.task.input)}: name one --input"
        )
    return "".join(config.task.input)


def _is_table(path: Path) -> bool:
    named = any(suffix in TABLES for suffix in path.suffixes)
    # Many a treebank is named .tsv: there, empty lines part the sentences.
    return named and not (".tsv" in path.suffixes and "\n\n" in read_text(path).strip("\n"))


def is_treebank(path: Path) -> bool:
    """Whether a file of questions holds sentences, a token a line: by its name, or its columns.

    DataError: a pipe brings such columns, which are read from files alone.
    """
    if str(path) == "-":
        peek = getattr(getattr(sys.stdin, "buffer", None), "peek", None)
        if peek is not None and has_columns(_whole_lines(peek(_SAMPLE))):
            raise DataError(
                "standard input: a word and its tags stand in columns, as in CoNLL, which a pipe of a "
                "sentence a line has not; name the file instead"
            )
        return False
    name = path.name.lower().removesuffix(".gz")
    if name.endswith(TREEBANKS) or (name.endswith(".tsv") and not _is_table(path)):
        return True
    return is_plain(path) and not _is_table(path) and has_columns(_beginning(path))


def _beginning(path: Path) -> str:
    """Some first lines of a file, whole; letters beyond ASCII may be lost."""
    with path.open("rb") as file:
        data = file.read(_SAMPLE)
    return data.decode(errors="replace") if len(data) < _SAMPLE else _whole_lines(data)


def _whole_lines(data: bytes) -> str:
    return data[: data.rfind(b"\n") + 1].decode(errors="replace")


def _words(row: Pair) -> Pair:
    question = _split(row.question)
    found = listed_words(row.answer, question.where)
    labels = row.answer.split() if found is None else found
    if len(labels) != len(question.cells):
        raise DataError(
            f"{question.where}: there are {len(question.cells)} words, but {len(labels)} labels: "
            "give each word one, with spaces between them"
        )
    return Pair(question, "\t".join(labels))


NUMBERS_FOR_LABELS = (
    "all tags are numbers, such as data sets keep in the place of names: entities are not scored, for "
    "which B-PER and the like are needed"
)


def _numbers_only(pair: Pair) -> bool:
    return all(label.isdecimal() for label in pair.answer.split("\t") if label)


def _check_sentences(table: Table) -> None:
    """DataError: a row is one word, and a column numbers the sentences."""
    number = next((name for name in table.columns if _SENTENCE.fullmatch(name.strip())), None)
    word = next((name for name in table.columns if name.strip().casefold() in _ONE_WORD), None)
    if number is None or word is None:
        return
    numbers = [row.values[number].strip() for row in table.rows]
    words = [row.values[word].strip() for row in table.rows]
    if len(set(numbers) - {""}) == len(numbers) or any(
        " " in cell or listed_words(cell, table.name) is not None for cell in words
    ):
        return
    raise DataError(
        f"{table.name}: each row is one word of {quoted(word)}, and {quoted(number)} numbers the "
        "sentences, but the rows of a table are whole sentences; save it as CoNLL instead, a word, a "
        "tab and its tag a line, with an empty line after each sentence"
    )


def _frames(row: Pair) -> Pair:
    path = row.question.folder / row.answer
    labels = read_text(path) if path.suffix and is_plain(path) else row.answer
    return Pair(row.question, "\t".join(labels.split()))


def _split(question: Question) -> Question:
    cell = question.cells[0]
    found = listed_words(cell, question.where)
    return question._replace(cells=tuple(cell.split()) if found is None else found)


def _with(config: Config, **changes: Any) -> Config:
    return dataclasses.replace(config, task=dataclasses.replace(config.task, **changes))
