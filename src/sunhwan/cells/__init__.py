"""The cells: the mathematics of one step each, and their registry by name."""

from sunhwan.cells.base import Cell, Parameters, State, check_state
from sunhwan.cells.elman import Elman, ElmanState
from sunhwan.cells.gru import GRU, GRUState
from sunhwan.cells.lstm import LSTM, LSTMState
from sunhwan.cells.ugrnn import UGRNN, UGRNNState
from sunhwan.errors import ConfigError

CELLS: dict[str, Cell] = {
    "elman": Elman(),
    "elman_relu": Elman(nonlinearity="relu"),
    "gru": GRU(),
    "lstm": LSTM(),
    "ugrnn": UGRNN(),
}


def get_cell(name: str) -> Cell:
    """The cell of that name; ConfigError lists the names that exist."""
    try:
        return CELLS[name]
    except KeyError:
        raise ConfigError(f"there is no cell {name!r}: choose from {', '.join(CELLS)}") from None


__all__ = [
    "CELLS",
    "GRU",
    "LSTM",
    "UGRNN",
    "Cell",
    "Elman",
    "ElmanState",
    "GRUState",
    "LSTMState",
    "Parameters",
    "State",
    "UGRNNState",
    "check_state",
    "get_cell",
]
