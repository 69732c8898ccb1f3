"""Tasks of examples that an `InputKind` reads."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sunhwan.tasks.common.examples import Example, ExampleTask
from sunhwan.tasks.common.input_kind import InputKind
from sunhwan.tasks.common.questions import Columns, Pair, Question, pairs_in, questions_in
from sunhwan.text import Vocabulary


class InputKindTask(ExampleTask):
    """A task whose questions are cells of a table, or a text, read by one kind of input."""

    input_kind: InputKind

    @property
    def main_vocabulary(self) -> Vocabulary | None:
        return self.input_kind.vocabulary

    @property
    def reads_files(self) -> bool:
        return self.input_kind.reads_files


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

    def questions(self, path: Path) -> Iterator[Question]:
        return questions_in(path, self.columns.inputs)

    def read(self, path: Path) -> list[Example]:
        return self.examples(pairs_in(path, self.columns))
