"""Options of a recurrent stack: one value for all layers, or one a layer."""

import operator
from collections.abc import Sequence
from typing import Any

from sunhwan.cells import Cell, Lagged, get_cell
from sunhwan.errors import ConfigError


def layers_of(
    cell: str | Cell | Sequence[str | Cell],
    input_size: Any,
    hidden_size: int | Sequence[int],
    num_layers: int | None,
    lag: int = 0,
) -> list[tuple[Cell, int]]:
    """The cell and the hidden size of each layer; ConfigError for what does not make a stack."""
    cells = list(cell) if isinstance(cell, list | tuple) else [cell]
    for one in cells:
        if not isinstance(one, str | Cell):
            raise ConfigError(f"cell must be a name, a Cell, or a list of them, not {one!r:.60}")
    given = list(hidden_size) if isinstance(hidden_size, list | tuple) else [hidden_size]
    sizes = [whole("hidden_size", size) for size in given]
    depth = max(len(cells), len(sizes))
    if num_layers is not None:
        depth = whole("num_layers", num_layers)
    if min(input_size, depth, *sizes) < 1 or not sizes or not cells:
        raise ConfigError(
            f"input_size {input_size}, hidden_size {hidden_size} and num_layers {depth} "
            "must each be at least 1"
        )
    chosen = [get_cell(c) if isinstance(c, str) else c for c in _one_a_layer(cells, depth, "cell")]
    if lag:
        chosen = [Lagged(one, lag) for one in chosen]
    return list(zip(chosen, _one_a_layer(sizes, depth, "hidden_size"), strict=True))


def whole(name: str, value: Any) -> int:
    """A whole number, NumPy's too; ConfigError where it is not one."""
    try:
        if isinstance(value, bool):
            raise TypeError
        return operator.index(value)
    except TypeError:
        raise ConfigError(f"{name} must be a whole number, not {value!r:.60}") from None


def _one_a_layer(values: list[Any], depth: int, name: str) -> list[Any]:
    if len(values) not in (1, depth):
        raise ConfigError(
            f"{name} has {len(values)} entries for {depth} layers: give one, or one a layer"
        )
    return values * depth if len(values) == 1 else values
