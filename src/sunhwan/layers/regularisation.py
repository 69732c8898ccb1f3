"""Regularisation of a recurrent layer: its rates, and the masks that are drawn for a whole sequence."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from sunhwan.cells import Cell, Lagged
from sunhwan.errors import ConfigError


class Masks(NamedTuple):
    """Dropout masks of a whole sequence; each is 0 or 1 / (1 − p), None where nothing is.

    W_h: (G·H, H), entries of the recurrent matrix; h: (N, size of h), hidden units on their way to it;
    x: (1, N, D), inputs of the layer.
    """

    W_h: Tensor | None = None
    h: Tensor | None = None
    x: Tensor | None = None


NO_MASKS = Masks()


class Rates(NamedTuple):
    """The chances with which a layer drops or holds, see `RecurrentLayer`."""

    weight_drop: float
    recurrent_dropout: float
    zoneout: float
    zoneout_cell: float


def check_rates(cell: Cell, rates: Rates, *, has_W_h: bool) -> None:
    """ConfigError for a rate that is none, or that acts on what the cell has not."""
    kind = type(cell).__name__
    for name, rate in rates._asdict().items():
        if not 0 <= rate < 1:
            raise ConfigError(f"{name} must be in [0, 1), not {rate}")
        if rate and name.startswith("zoneout") and isinstance(cell, Lagged):
            raise ConfigError(
                f"{name} lets units keep their values, and a lag needs all that was: leave one out"
            )
        if rate and not name.startswith("zoneout") and not has_W_h:
            raise ConfigError(f"{name} drops what meets W_h, and {kind} has none: leave it at 0")
        if rate and name == "zoneout_cell" and "m" in cell.state_type._fields:
            raise ConfigError(
                f"the memory of {kind} is kept relative to a stabiliser and cannot be averaged: "
                "leave zoneout_cell at 0, zoneout acts on h"
            )


def mask(rate: float, like: Tensor | None, sizes: Sequence[int] | None = None) -> Tensor | None:
    """Zeros with the chance `rate` and 1 / (1 − rate) otherwise, of these sizes; None for rate 0."""
    if not rate or like is None:
        return None
    kept = torch.rand(sizes or like.shape, dtype=like.dtype, device=like.device) >= rate
    return kept.to(like) / (1 - rate)
