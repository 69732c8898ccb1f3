"""Tasks of examples that an `InputKind` reads."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sunhwan.models.encoder import Encoder
from sunhwan.tasks.common.columns import Columns
from sunhwan.tasks.common.examples import Example, ExampleTask
from sunhwan.tasks.common.input_kind import InputKind
from sunhwan.tasks.common.interface import PretrainedParts
from sunhwan.tasks.common.pairs import Answered, pairs_in
from sunhwan.tasks.common.questions import (
    ARRAYS,
    Pair,
    Question,
    is_question,
    questions_in,
    rows_of_array,
)
from sunhwan.text import Vocabulary


class InputKindTask(ExampleTask):
    """A task whose questions are cells of a table, or a text, read by one kind of input."""

    input_kind: InputKind

    @property
    def encoder(self) -> Encoder | None:
        """The encoder of what `input_kind` gives; None: something else reads it."""
        found = getattr(self.model, "encoder", None)
        return found if isinstance(found, Encoder) else None

    def pretrained_parts(self) -> list[PretrainedParts]:
        return [] if self.encoder is None else self.input_kind.pretrained_parts(self.encoder)

    @property
    def pretraining_input(self) -> InputKind | None:
        return self.input_kind if self.pretrained_parts() else None

    @property
    def main_vocabulary(self) -> Vocabulary | None:
        return self.input_kind.vocabulary

    @property
    def reads_files(self) -> bool:
        return self.input_kind.reads_files

    def is_input(self, path: Path) -> bool:
        """Whether a file is itself what is read, as a recording or an image is."""
        return self.reads_files and is_question(path, self.columns_asked)

    def asks_rows(self, path: Path) -> bool:
        return not self.is_input(path)

    def row_question(self, cells: tuple[str, ...], where: str, folder: Path) -> Question:
        return Question(cells, where, folder)

    def read(self, path: Path) -> list[Example]:
        examples: list[Example]
        examples, _ = self.read_noted(path)
        return examples


class TableTask(InputKindTask):
    """A task of a table: some columns are the parts of a question, another one is its answer."""

    columns: Columns

    @property
    def columns_asked(self) -> list[str]:
        return list(self.columns.inputs)

    @abstractmethod
    def examples(self, pairs: Iterable[Pair]) -> list[Example]:
        """Rows of question and answer → examples."""

    def data_facts(self, train: Sequence[Example]) -> dict[str, Any]:
        return {"examples": len(train)}

    def is_array(self, path: Path) -> bool:
        """Whether a file holds rows of numbers without names."""
        return self.input_kind.kind == "vector" and path.suffix.lower() in ARRAYS

    def asks_rows(self, path: Path) -> bool:
        return super().asks_rows(path) and not self.is_array(path)

    def row_question(self, cells: tuple[str, ...], where: str, folder: Path) -> Question:
        return super().row_question(self.columns.plain(cells, where), where, folder)

    def questions(self, path: Path) -> Iterator[Question]:
        if self.is_input(path):
            return iter([Question((path.name,), str(path), path.parent)])
        if self.is_array(path):
            return rows_of_array(path, len(self.columns.inputs))
        return questions_in(path, self.columns.inputs)

    def pairs(self, path: Path, *, strict: bool = False) -> Answered:
        """The rows of a file with the right answers."""
        return pairs_in(path, self.columns, strict=strict)

    def read_noted(self, path: Path, *, strict: bool = False) -> tuple[list[Example], list[str]]:
        found = self.pairs(path, strict=strict)
        return self.examples(found.pairs), found.notes
