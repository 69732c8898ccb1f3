"""Tasks of examples that an `InputKind` reads."""

from sunhwan.tasks.common.examples import ExampleTask
from sunhwan.tasks.common.input_kind import InputKind
from sunhwan.tasks.common.questions import Columns
from sunhwan.text import Vocabulary


class InputKindTask(ExampleTask):
    """A task whose questions are cells of a table, or a text, read by one kind of input."""

    input_kind: InputKind
    columns: Columns | None = None
    """Which columns of a table are read and answered, where that was found."""

    @property
    def columns_asked(self) -> list[str]:
        return list(self.columns.inputs) if self.columns else super().columns_asked

    @property
    def main_vocabulary(self) -> Vocabulary | None:
        return self.input_kind.vocabulary

    @property
    def reads_files(self) -> bool:
        return self.input_kind.reads_files
