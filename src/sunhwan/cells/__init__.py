"""The cells: the mathematics of one step each, and their registry by name."""

from sunhwan.cells.antisymmetric import Antisymmetric
from sunhwan.cells.base import Bypass, Cell, HiddenState, Loop, Parameters, State, check_state
from sunhwan.cells.derive import can_derive, derive, has_backward
from sunhwan.cells.elman import Elman
from sunhwan.cells.gru import GRU
from sunhwan.cells.gru_layer_norm import LayerNormGRU
from sunhwan.cells.gru_reset_before import GRUResetBefore
from sunhwan.cells.indrnn import IndRNN
from sunhwan.cells.irnn import IRNN
from sunhwan.cells.linear import LinearCell
from sunhwan.cells.lstm import LSTM, LSTMState
from sunhwan.cells.lstm_coupled import CoupledLSTM
from sunhwan.cells.lstm_layer_norm import LayerNormLSTM
from sunhwan.cells.lstm_multiplicative import MultiplicativeLSTM
from sunhwan.cells.lstm_peephole import PeepholeLSTM
from sunhwan.cells.lstm_projected import ProjectedLSTM
from sunhwan.cells.mingru import MinGRU
from sunhwan.cells.minlstm import MinLSTM
from sunhwan.cells.own import OWN, own_cell, probe
from sunhwan.cells.rglru import RGLRU
from sunhwan.cells.slstm import SLSTM, SLSTMState
from sunhwan.cells.structure import why_not_derived
from sunhwan.cells.two_products import TwoProductCell
from sunhwan.cells.ugrnn import UGRNN
from sunhwan.errors import ConfigError

CELLS: dict[str, Cell] = {
    "elman": Elman(),
    "elman_relu": Elman(nonlinearity="relu"),
    "irnn": IRNN(),
    "indrnn": IndRNN(),
    "antisymmetric": Antisymmetric(),
    "ugrnn": UGRNN(),
    "gru": GRU(),
    "gru_reset_before": GRUResetBefore(),
    "gru_layer_norm": LayerNormGRU(),
    "lstm": LSTM(),
    "lstm_peephole": PeepholeLSTM(),
    "lstm_coupled": CoupledLSTM(),
    "lstm_layer_norm": LayerNormLSTM(),
    "lstm_multiplicative": MultiplicativeLSTM(),
    "lstm_projected": ProjectedLSTM(),
    "slstm": SLSTM(),
    "mingru": MinGRU(),
    "minlstm": MinLSTM(),
    "rglru": RGLRU(),
}

ALIASES = {"gru_reset_after": "gru"}
"""Names that say more of a cell than its usual one."""


def get_cell(name: str) -> Cell:
    """The cell of that name; ConfigError lists the names that exist."""
    name = ALIASES.get(name, name)
    if name in CELLS or name in OWN:
        return CELLS[name] if name in CELLS else OWN[name]
    if ".py:" in name:
        raise ConfigError(f"the cell {name} is not part of sunhwan: name its file, --cell …/{name}")
    raise ConfigError(f"there is no cell {name!r}: choose from {', '.join(CELLS)}")


__all__ = [
    "ALIASES",
    "CELLS",
    "GRU",
    "IRNN",
    "LSTM",
    "RGLRU",
    "SLSTM",
    "UGRNN",
    "Antisymmetric",
    "Bypass",
    "Cell",
    "CoupledLSTM",
    "Elman",
    "GRUResetBefore",
    "HiddenState",
    "IndRNN",
    "LSTMState",
    "LayerNormGRU",
    "LayerNormLSTM",
    "LinearCell",
    "Loop",
    "MinGRU",
    "MinLSTM",
    "MultiplicativeLSTM",
    "Parameters",
    "PeepholeLSTM",
    "ProjectedLSTM",
    "SLSTMState",
    "State",
    "TwoProductCell",
    "can_derive",
    "check_state",
    "derive",
    "get_cell",
    "has_backward",
    "own_cell",
    "probe",
    "why_not_derived",
]
