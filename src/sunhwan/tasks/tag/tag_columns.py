"""Columns of tags: the labels of each, and lemmas as edit scripts."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Self

from torch import Tensor

from sunhwan.config import Config, own
from sunhwan.data.edit_scripts import edit_script, edited, is_script
from sunhwan.errors import DataError, StoreError
from sunhwan.models.tagger import NO_LABEL
from sunhwan.tasks.common.labels import count_labels, restored_labels
from sunhwan.tasks.common.questions import Pair
from sunhwan.tasks.tag.settings import TagConfig

TRIED = 8
"""Of a word so many scripts are tried, the likeliest first: one may be longer than the word."""

ONE_COLUMN = "a tagger of several columns is not exported: train one with a --target of one column"
NO_SCRIPTS = (
    "a tagger whose labels are edit scripts is not exported: train one of upos, or set "
    "task.edit_scripts to false"
)
"""Why a tagger is not exported."""


def tags_of(answer: str) -> list[list[str]]:
    """The answer of a pair → its tags, column by column."""
    return [column.split("\t") for column in answer.split("\n")]


def fit_columns(
    train: Sequence[Pair], config: Config
) -> tuple[list["TagColumn"], Counter[str], list[str]]:
    """The columns of the training data, how often each label of the first occurs, and notes."""
    scripts = own(config.task, TagConfig).edit_scripts
    rows = [tags_of(pair.answer) for pair in train]
    # Several are read of CoNLL-U alone; the column of a table may have a comma in its name.
    names = config.task.target.split(",") if len(rows[0]) > 1 else [config.task.target or "upos"]
    words = [pair.question.cells for pair in train]
    is_treebank = not config.task.input or config.task.input[0] in ("form", "2")
    made, found = [], []
    for place, name in enumerate(names):
        cure = (
            f"leave {name} out of --target"
            if len(names) > 1
            else "name the right column with --target"
        )
        column, counts = TagColumn.fit(
            name,
            list(zip(words, (row[place] for row in rows), strict=True)),
            config.data.source,
            scripts=scripts and name == "lemma" and is_treebank,
            cure=cure,
        )
        made.append(column)
        found.append(counts)
    notes = [
        f"{column.name}: {len(column.labels):,} {'edit scripts' if column.scripts else 'labels'}"
        for column in made
        if len(names) > 1 or column.scripts
    ]
    return made, found[0], notes


class TagColumn(NamedTuple):
    """One column of tags. scripts: its labels are edit scripts, and its tags what they make of words."""

    name: str
    labels: list[str]
    scripts: bool = False

    @classmethod
    def fit(
        cls,
        name: str,
        sentences: Iterable[tuple[Sequence[str], Sequence[str]]],
        files: Sequence[str],
        *,
        scripts: bool = False,
        cure: str = "name the right column with --target",
    ) -> tuple[Self, Counter[str]]:
        """The labels of words and tags, and how often each occurs; scripts that come but once are left
        out, for no other word has them. DataError: they are no labels."""
        if not scripts:
            counts = count_labels((tag for _, tags in sentences for tag in tags), files, cure)
            return cls(name, sorted(counts)), counts
        counts = Counter(
            edit_script(word, tag)
            for words, tags in sentences
            for word, tag in zip(words, tags, strict=True)
        )
        least = min(2, max(counts.values()))
        kept = sorted(script for script, count in counts.items() if count >= least)
        if len(kept) < 2:
            raise DataError(
                f"every {name} in {', '.join(files)} comes from its word by the same edit, so there is "
                f"nothing to learn: {cure}"
            )
        return cls(name, kept, True), counts

    def targets(self, words: Sequence[str], tags: Sequence[str]) -> list[int]:
        """The numbers of the labels, `NO_LABEL` of what training did not know."""
        numbers = {label: number for number, label in enumerate(self.labels)}
        if self.scripts:
            tags = [edit_script(word, tag) for word, tag in zip(words, tags, strict=True)]
        return [numbers.get(tag, NO_LABEL) for tag in tags]

    def best(self, emissions: Tensor) -> Tensor:
        """Emissions (…, L) → the labels to try, the likeliest first (…, tries)."""
        count = min(TRIED, len(self.labels)) if self.scripts else 1
        return emissions.topk(count).indices if count > 1 else emissions.argmax(-1, keepdim=True)

    def said(self, words: Sequence[str], numbers: Sequence[Sequence[int]]) -> list[str]:
        """Labels to try for each word, the likeliest first → the tags."""
        if not self.scripts:
            return [self.labels[first] for first, *_ in numbers]
        made = []
        for word, tries in zip(words, numbers, strict=True):
            found = (edited(word, self.labels[number]) for number in tries)
            made.append(next((lemma for lemma in found if lemma is not None), word))
        return made

    def known(self, words: Iterable[str], tags: Iterable[str]) -> list[str]:
        """Which tags can be said: all labels; of scripts what these words can become by them."""
        if not self.scripts:
            return self.labels
        labels = set(self.labels)
        pairs = set(zip(words, tags, strict=True))
        return sorted({tag for word, tag in pairs if edit_script(word, tag) in labels})

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return self._asdict()

    @classmethod
    def from_dict(cls, record: Any) -> Self:
        """Of what `to_dict` gave; StoreError where it is damaged."""
        try:
            name, scripts = str(record["name"]), bool(record["scripts"])
            labels = restored_labels(record["labels"])
        except (KeyError, TypeError):
            raise StoreError("The stored columns of tags are damaged") from None
        if scripts and not all(map(is_script, labels)):
            raise StoreError("The stored edit scripts are damaged")
        return cls(name, labels, scripts)
