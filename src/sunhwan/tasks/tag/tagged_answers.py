"""Answers of tagging: the tags of a sentence as text, cells, plain values and lines of CoNLL-U."""

from collections.abc import Sequence

from sunhwan.data.tag_schemes import marks_entities
from sunhwan.tasks.common.questions import Question
from sunhwan.tasks.common.results import Answer
from sunhwan.tasks.tag.tag_columns import TagColumn
from sunhwan.tasks.tag.tokenizer import Written

PLACES = {"lemma": 2, "upos": 3, "xpos": 4, "feats": 5, "deprel": 7, "misc": 9}
"""Where a column of CoNLL-U stands."""


def of_words(
    question: Question, columns: Sequence[TagColumn], tags: Sequence[Sequence[str]]
) -> Answer:
    """The answer to a sentence; tags: of each column, a tag a word."""
    words = question.cells
    rows = tuple(zip(words, *tags, strict=True))
    further = {c.name: list(said) for c, said in zip(columns[1:], tags[1:], strict=True)}
    named = {"tags": tags[0], **further}
    text = " ".join(map("/".join, rows))
    written = question.written
    told = {"text": written.text} if written and written.text else {}
    values = told | {"words": list(words), "tags": list(tags[0]), **further}
    return Answer(
        values, (text,), text, rows=rows, conllu=_conllu(words, columns, tags, written),
        named={name: " ".join(said) for name, said in named.items()},
    )  # fmt: skip


def of_frames(question: Question, column: str, tags: Sequence[str]) -> Answer:
    """The answer to a recording; column: that of its name."""
    numbers = map(str, range(1, len(tags) + 1))
    text = f"{question.cells[0]}  {' '.join(tags)}"
    return Answer(
        {column: question.cells[0], "tags": list(tags)}, (text,), text,
        rows=tuple(zip(numbers, tags, strict=True)), named={"tags": " ".join(tags)},
    )  # fmt: skip


def _conllu(
    words: Sequence[str],
    columns: Sequence[TagColumn],
    tags: Sequence[Sequence[str]],
    written: Written | None,
) -> tuple[tuple[str, ...], ...]:
    """Lines of CoNLL-U; tags of none of its columns, such as entities, go into its last one."""
    lines = [[str(number), word, *"_" * 8] for number, word in enumerate(words, 1)]
    for column, said in zip(columns, tags, strict=True):
        name = "misc" if marks_entities(column.labels) else column.name.lower()
        place = PLACES.get(name, PLACES["misc"])
        for line, tag in zip(lines, said, strict=True):
            line[place] = tag if place != PLACES["misc"] else f"Tag={tag}"
    made, first = [], 0
    for token in written.tokens if written else ():
        line = lines[first]
        if token.words > 1:
            line = [f"{first + 1}-{first + token.words}", token.form, *"_" * 8]
            made.append(line)
        if not token.space:
            line[-1] = "SpaceAfter=No" if line[-1] == "_" else f"{line[-1]}|SpaceAfter=No"
        made += lines[first : first + token.words]
        first += token.words
    return tuple(map(tuple, made or lines))
