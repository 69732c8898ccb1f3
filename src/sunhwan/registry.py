"""Registry of the cells and of the tasks of the package: every name, and where its class stands.

It imports nothing, so that settings, command line, documentation and tests can read it without PyTorch;
`sunhwan.cells` and `sunhwan.tasks` are made from it. A new cell is a line here, and tests/test_registry.py
says what else it lacks; a new task is a line and its folder.
"""

from typing import Any, NamedTuple


class RegisteredCell(NamedTuple):
    """A cell by name.

    home: module in `sunhwan.cells`, and class in it. section: page in docs/cells, and heading in it.
    options: what the class is made with.
    """

    home: str
    section: str
    options: dict[str, Any] = {}  # noqa: RUF012

    @property
    def module(self) -> str:
        """The module in `sunhwan.cells`."""
        return self.home.partition(":")[0]

    @property
    def kind(self) -> str:
        """The name of the class."""
        return self.home.partition(":")[2]


CELLS = {
    "elman": RegisteredCell("elman:Elman", "simple#Elman"),
    "elman_relu": RegisteredCell("elman:Elman", "simple#Elman", {"nonlinearity": "relu"}),
    "elman_sigmoid": RegisteredCell("elman:Elman", "simple#Elman", {"nonlinearity": "sigmoid"}),
    "irnn": RegisteredCell("irnn:IRNN", "simple#IRNN"),
    "indrnn": RegisteredCell("indrnn:IndRNN", "simple#IndRNN"),
    "antisymmetric": RegisteredCell("antisymmetric:Antisymmetric", "simple#Antisymmetric"),
    "ugrnn": RegisteredCell("ugrnn:UGRNN", "gru#UGRNN"),
    "gru": RegisteredCell("gru:GRU", "gru#GRU"),
    "gru_reset_before": RegisteredCell(
        "gru_reset_before:GRUResetBefore", "gru#GRU, reset before the product"
    ),
    "gru_layer_norm": RegisteredCell("gru_layer_norm:LayerNormGRU", "gru#LayerNorm GRU"),
    "lstm": RegisteredCell("lstm:LSTM", "lstm#LSTM"),
    "lstm_peephole": RegisteredCell("lstm_peephole:PeepholeLSTM", "lstm#Peephole LSTM"),
    "lstm_coupled": RegisteredCell("lstm_coupled:CoupledLSTM", "lstm#Coupled LSTM"),
    "lstm_layer_norm": RegisteredCell("lstm_layer_norm:LayerNormLSTM", "lstm#LayerNorm LSTM"),
    "lstm_multiplicative": RegisteredCell(
        "lstm_multiplicative:MultiplicativeLSTM", "lstm#Multiplicative LSTM"
    ),
    "lstm_projected": RegisteredCell("lstm_projected:ProjectedLSTM", "lstm#Projected LSTM"),
    "slstm": RegisteredCell("slstm:SLSTM", "lstm#sLSTM"),
    "mingru": RegisteredCell("mingru:MinGRU", "linear#minGRU"),
    "minlstm": RegisteredCell("minlstm:MinLSTM", "linear#minLSTM"),
    "rglru": RegisteredCell("rglru:RGLRU", "linear#RG-LRU"),
}
"""By name, in the order of listings."""

ALIASES = {"gru_reset_after": "gru"}
"""Names that say more of a cell than its usual one."""

TASKS = {
    "language_model": "sunhwan.tasks.language_model.task:LanguageModelTask",
    "classify": "sunhwan.tasks.classify.task:Classify",
    "answer": "sunhwan.tasks.answer.task:AnswerQuestions",
    "tag": "sunhwan.tasks.tag.task:Tag",
    "translate": "sunhwan.tasks.translate.task:Translate",
    "describe": "sunhwan.tasks.describe.task:Describe",
    "forecast": "sunhwan.tasks.forecast.task:Forecast",
}
"""The name of each and its class, as MODULE:CLASS. Beside the module stands `settings`, which imports
no PyTorch and holds SETTINGS, a `sunhwan.config.TaskSettings`."""
