"""The cells: the mathematics of one step each, made from their registry by name."""

from importlib import import_module

from sunhwan import registry
from sunhwan.cells.base import Bypass, Cell, HiddenState, Parameters, State, StepParameters
from sunhwan.cells.derive import can_derive, derive, has_backward
from sunhwan.cells.lagged import Lagged
from sunhwan.cells.linear import LinearCell
from sunhwan.cells.lstm import LSTMState
from sunhwan.cells.own import OWN, own_cell, probe
from sunhwan.cells.sizes import check_state
from sunhwan.cells.slstm import SLSTMState
from sunhwan.cells.structure import why_not_derived
from sunhwan.cells.two_products import TwoProductCell
from sunhwan.errors import ConfigError
from sunhwan.registry import ALIASES


def _class_of(entry: registry.RegisteredCell) -> type[Cell]:
    kind: type[Cell] = getattr(import_module(f"sunhwan.cells.{entry.module}"), entry.kind)
    return kind


CELLS: dict[str, Cell] = {
    name: _class_of(entry)(**entry.options) for name, entry in registry.CELLS.items()
}

_CLASSES = {type(cell).__name__: type(cell) for cell in CELLS.values()}


def __getattr__(name: str) -> type[Cell]:
    """The class of a registered cell, as in `from sunhwan.cells import GRU`."""
    if name in _CLASSES:
        return _CLASSES[name]
    raise AttributeError(f"module 'sunhwan.cells' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_CLASSES])


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
    "Bypass",
    "Cell",
    "HiddenState",
    "LSTMState",
    "Lagged",
    "LinearCell",
    "Parameters",
    "SLSTMState",
    "State",
    "StepParameters",
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
