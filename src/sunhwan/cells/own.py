"""Cells of the user's own, from a file that the user names."""

import hashlib
import importlib.util
import os
import sys
import traceback
import warnings
from pathlib import Path
from types import ModuleType

import torch

from sunhwan.cells.base import Cell
from sunhwan.cells.sizes import SIZES, check_state
from sunhwan.errors import ConfigError, ShapeError
from sunhwan.files import is_plain

OWN: dict[str, Cell] = {}
"""The cells registered in this process, by "file.py:Class"."""

_files: dict[str, Path] = {}
"""The file that each of them came from."""


def own_cell(spec: str) -> str:
    """Run the file of "path/to/file.py:Class" and register the cell; its name is "file.py:Class".

    The class is made without arguments; a ready object will do as well. ConfigError, one sentence,
    when the file cannot be run, has no such cell, a step of the cell fails on numbers, or a cell of
    this name came from another folder: a model keeps the name alone.
    """
    path_text, colon, attribute = spec.rpartition(":")
    if not colon or not path_text.endswith(".py") or not attribute:
        raise ConfigError(f"{spec} names no cell: write FILE.py:CLASS, say mycells.py:MyCell")
    path = Path(path_text)
    name = f"{path.name}:{attribute}"
    if name in OWN and _files[name] != path.resolve():
        raise ConfigError(
            f"{path} and {_files[name]} have the same name, and a model keeps of a cell no more than "
            f"{name}: rename one of the files"
        )
    module = run_file(path)
    found = getattr(module, attribute, None)
    if isinstance(found, type) and issubclass(found, Cell):
        try:
            found = found()
        except Exception as error:
            raise ConfigError(
                f"{attribute} in {path} cannot be made: {place_of(error, path)}"
            ) from None
    if not isinstance(found, Cell):
        cells = [n for n, v in vars(module).items() if isinstance(v, type) and issubclass(v, Cell)]
        own = [n for n in cells if getattr(module, n).__module__ == module.__name__]
        raise ConfigError(
            f"{path} has no cell {attribute!r}: "
            + (f"it has {', '.join(own)}" if own else "write a subclass of sunhwan.cells.Cell")
        )
    probe(found, f"{attribute} in {path}", path)
    OWN[name], _files[name] = found, path.resolve()
    return name


def probe(cell: Cell, name: str, path: Path | None = None) -> None:
    """Run a step on numbers, with some hidden sizes; ConfigError says what is wrong with it.

    A cell that works with some of the sizes is let pass, with a warning: one that pairs units, say.
    """
    refused = [error for size in SIZES if (error := _refusal(cell, name, path, size))]
    if len(refused) == len(SIZES):
        raise refused[0]
    if refused:
        said = str(refused[0])
        few = "works for some hidden sizes only"
        warnings.warn(said if few in said else f"{name} {few}: {said}", stacklevel=2)


def _refusal(cell: Cell, name: str, path: Path | None, hidden_size: int) -> ConfigError | None:
    """What is wrong with a step of a hidden size."""
    N, D, H = 2, 3, hidden_size
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            if not getattr(cell, "gates", ()) or not getattr(cell.state_type, "_fields", ()):
                raise ConfigError(
                    f"{name} needs gates, a tuple of names, and a NamedTuple state_type"
                )
            _check_pointwise(cell, N, H)
            parameters = cell.initial_parameters(D, H)
            state = cell.step(torch.randn(N, D), cell.zero_state(N, H), parameters)
            check_state(cell, state, N, H)
    except (ConfigError, ShapeError) as error:
        said = str(error)
        return ConfigError(said if name in said else f"a step of {name}: {said}")
    except Exception as error:
        return ConfigError(f"a step of {name} fails: {place_of(error, path)}")
    return None


def _check_pointwise(cell: Cell, batch_size: int, hidden_size: int) -> None:
    """The mistake that would be hardest to find later: the state returned without its tuple."""
    if type(cell).pointwise is Cell.pointwise:
        return  # a cell of another shape
    blocks = (cell.gates, cell.gates_of_W_h)
    a, u = (torch.randn(batch_size, len(gates) * hidden_size) for gates in blocks)
    fresh = cell.initial_extra(hidden_size)
    state = cell.zero_state(batch_size, hidden_size)
    found: object = cell.pointwise(a, u, state, *(fresh[name] for name in cell.step_parameters))
    name = cell.state_type.__name__
    right = isinstance(found, tuple) and len(found) == 2 and isinstance(found[0], cell.state_type)
    if not right or not isinstance(found, tuple) or not isinstance(found[1], tuple):
        raise ConfigError(
            f"pointwise must return the next {name} and a tuple of values to save: "
            f"write `return {name}(…), ()`"
        )
    _check_differentiable(cell, a, u, [fresh[name] for name in cell.step_parameters], batch_size)


def _check_differentiable(
    cell: Cell, a: torch.Tensor, u: torch.Tensor, extra: list[torch.Tensor], batch_size: int
) -> None:
    """What would fail in the middle of training: writing in place, leaving PyTorch, chance, memory."""
    sizes = cell.state_sizes(a.shape[1] // len(cell.gates))
    state = cell.state_type(*(0.1 * torch.randn(batch_size, size) for size in sizes))
    given = [a, u, *state, *extra]
    copies = [value.clone() for value in given]

    def step(values: list[torch.Tensor]) -> list[torch.Tensor]:
        fields = cell.state_type(*values[2 : 2 + len(sizes)])
        new, _ = cell.pointwise(values[0], values[1], fields, *values[2 + len(sizes) :])
        return list(new)

    first = step(given)
    if any(not torch.equal(value, copy) for value, copy in zip(given, copies, strict=True)):
        raise ConfigError("pointwise writes into its arguments: write x = x + y, not x += y")
    if any(value.dtype != a.dtype for value in first):
        raise ConfigError(f"pointwise returns another type than the {a.dtype} that it is given")
    second = step(copies)
    pairs = zip(first, second, strict=True)
    if any(not torch.allclose(x, y, equal_nan=True) for x, y in pairs):
        raise ConfigError(
            "pointwise gives other values for the same arguments: neither random numbers nor what "
            "changes from call to call may be in it"
        )
    with torch.enable_grad():
        step([value.clone().requires_grad_() for value in copies])


def run_file(path: Path, what: str = "cell", name: str = "CLASS") -> ModuleType:
    """Run a file of the user's; ConfigError says which line fails. what, name: what it should hold."""
    if not is_plain(path):
        raise ConfigError(f"there is no file {path}: name the file of your {what}, FILE.py:{name}")
    # Files of the same name in two folders are two modules.
    place = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:12]
    spec = importlib.util.spec_from_file_location(
        f"sunhwan_own_{path.stem}_{place}", path.absolute()
    )
    if spec is None or spec.loader is None:
        raise ConfigError(f"{path} cannot be run as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ConfigError(f"{path} cannot be run: {place_of(error, path)}") from None
    return module


def place_of(error: Exception, path: Path | None) -> str:
    """The error in a line, with the last line of the user's file that it passed."""
    own = str(path and path.absolute())
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == own]
    if isinstance(error, SyntaxError):
        lines = [error.lineno]
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    first = (message.splitlines() or [""])[0]
    return (f"line {lines[-1]}: " if lines else "") + f"{type(error).__name__}: {first}"
