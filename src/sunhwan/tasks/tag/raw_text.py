"""Raw text of a tagger: whether a tokenizer is learned, what of it is right, and questions cut by it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from sunhwan.config import Config, own
from sunhwan.errors import DataError
from sunhwan.tasks.common.examples import Example
from sunhwan.tasks.common.questions import Pair, Question
from sunhwan.tasks.tag.raw_scores import aligned, f1, sentences_f1, words_of
from sunhwan.tasks.tag.reading import raw_lines
from sunhwan.tasks.tag.settings import TagConfig
from sunhwan.tasks.tag.tokenizer import Segment, Tokenizer, label_characters

LEAST_SHARE_WITH_TEXT = 0.9
"""The least share of all sentences with a text that is made up of their tokens."""


def fit_tokenizer(train: Sequence[Pair], config: Config) -> tuple[Tokenizer | None, list[str]]:
    """A fresh tokenizer of the training sentences where one is to be learned, and notes.

    DataError: one is asked for, and the files do not tell how the sentences are written.
    """
    asked = own(config.task, TagConfig).tokenizer
    if asked == "none" or (not asked and config.task.kind != "words"):
        return None, []
    told = [pair for pair in train if pair.question.written and pair.question.written.text]
    fitting = [pair for pair in told if label_characters(pair.question.written) is not None]
    if len(fitting) < max(2, LEAST_SHARE_WITH_TEXT * len(train)):
        if asked:
            raise DataError(
                f"of {len(train):,} sentences {len(fitting):,} have a text that is made up of their "
                "tokens, and a tokenizer is learned from it: give CoNLL-U with `# text`, or set "
                "task.tokenizer to none"
            )
        return None, []
    made = Tokenizer.fit((pair.question.cells, pair.question.written) for pair in fitting)
    several = len(made.splits.tokens)
    note = f"a tokenizer of raw text is learned too, from `# text` of {len(fitting):,} sentences"
    if several:
        note += f"; {several:,} different tokens of several words"
    if len(fitting) < len(train):
        note += f"; in {len(train) - len(fitting):,} text and tokens differ, or there is none"
    return made, [note]


def raw_segments(
    tokenizer: Tokenizer, data: Sequence[Example]
) -> tuple[list[Example], list[Segment], list[Segment]]:
    """The examples whose writing is known, their sentences, and those that are found in all of their
    texts one after another, as one paragraph."""
    known = [example for example in data if example.spelled is not None]
    right = [Segment(example.raw[:-1], example.spelled.written) for example in known]
    text = "".join(
        segment.written.text + " " * segment.written.tokens[-1].space for segment in right
    )
    return known, right, tokenizer.segments(text)


def raw_f1(
    right: Sequence[Segment],
    found: Sequence[Segment],
    columns: Sequence[str] = (),
    are: Sequence[Sequence[Sequence[str]]] = (),
    said: Sequence[Sequence[Sequence[str]]] = (),
) -> dict[str, float]:
    """F1 of words, of sentences, and of each column: of words that are found and have the right tag.

    are, said: of each sentence of `right` and of `found` the tags, column by column.
    """
    words, ours = words_of(right), words_of(found)
    pairs = aligned(words, ours)
    values = {
        "words_f1": f1(len(pairs), len(words), len(ours)),
        "sentences_f1": sentences_f1(right, found),
    }
    for place, name in enumerate(columns):
        theirs, mine = ([t for tags in some for t in tags[place]] for some in (are, said))
        both = sum(theirs[i] == mine[j] for i, j in pairs)
        values[f"{name}_f1"] = f1(both, len(words), len(ours))
    return values


def raw_questions(tokenizer: Tokenizer, path: Path) -> Iterator[Question]:
    """The sentences of a raw text, a paragraph a line."""
    folder = Path() if str(path) == "-" else path.parent
    for where, line in raw_lines(path):
        for segment in tokenizer.segments(line):
            yield Question(segment.words, where, folder, written=segment.written)


def one_sentence(tokenizer: Tokenizer, question: Question) -> Question:
    """A text that is one sentence, whatever it looks like, cut into its words."""
    found = tokenizer.segments(" ".join(question.cells[0].split()))
    if not found:
        return question._replace(cells=())
    tokens = tuple(token for segment in found for token in segment.written.tokens)
    text = " ".join(question.cells[0].split())
    words = tuple(word for segment in found for word in segment.words)
    return question._replace(
        cells=words, written=found[0].written._replace(text=text, tokens=tokens)
    )
