"""Sunhwan (순환, recurrence): the toolkit for recurrent sequence models."""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from sunhwan.api import load
    from sunhwan.cells import CELLS
    from sunhwan.config import Config
    from sunhwan.errors import SunhwanError
    from sunhwan.exporting import export
    from sunhwan.layers import Recurrent
    from sunhwan.numpy_rnn import RNN, TimeRNN
    from sunhwan.training import resume, train

# Each public name comes from its module at first use, so that `import sunhwan` and
# `sunhwan --help` do not wait for PyTorch.
_HOMES = {
    "CELLS": "sunhwan.cells",
    "Config": "sunhwan.config",
    "Language": "sunhwan.api",
    "RNN": "sunhwan.numpy_rnn",
    "Recurrent": "sunhwan.layers",
    "SunhwanError": "sunhwan.errors",
    "TimeRNN": "sunhwan.numpy_rnn",
    "export": "sunhwan.exporting",
    "load": "sunhwan.api",
    "resume": "sunhwan.training",
    "train": "sunhwan.training",
}

__all__ = [
    "CELLS",
    "RNN",
    "Config",
    "Recurrent",
    "SunhwanError",
    "TimeRNN",
    "export",
    "load",
    "resume",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'sunhwan' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
