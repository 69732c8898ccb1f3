"""Skip connections over time: any cell, which also reads its own output of k steps before."""

from collections import namedtuple
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from sunhwan.cells.base import Cell, Parameters, State, StepParameters
from sunhwan.errors import ConfigError


class LaggedStepParameters(StepParameters):
    """The parameters that a step reads: all, for it makes the products with the input itself."""

    parameters: Parameters


@dataclass(frozen=True)
class Lagged(Cell):
    r"""A cell whose input is $[x_t; h_{t-k}]$ (Lin et al. 1996; Zhang et al. 2016).

    .. math:: s_t = \mathrm{cell}([x_t; h_{t-k}], s_{t-1})

    On the way back a gradient passes k steps at once, beside the way through every step. The state has
    one field more, `past` (N, (k − 1)·P): h_{t-k} … h_{t-2}, the oldest first. W_x has P rows more.
    """

    of: Cell
    lag: int

    def __post_init__(self) -> None:
        if self.lag < 2:
            raise ConfigError(
                f"lag must be at least 2, not {self.lag}: a cell reads the step before in any case"
            )
        fields = self.of.state_type._fields
        names = ("gates", "recurrent_gates", "recurrent_bias", "extra", "saved_names", "keep")
        for name in names:
            object.__setattr__(self, name, getattr(self.of, name))
        object.__setattr__(self, "state_type", _state_type(fields))
        learned = self.of.learned_fields
        object.__setattr__(self, "learned_fields", fields if learned is None else learned)

    def __hash__(self) -> int:
        return hash((type(self), self.of, self.lag))

    def __reduce__(self) -> Any:
        return Lagged, (self.of, self.lag)

    def initial_parameters(
        self, input_size: int, hidden_size: int, *, bias: bool = True
    ) -> Parameters:
        width = input_size + self.output_size(hidden_size)
        return self.of.initial_parameters(width, hidden_size, bias=bias)

    def effective(self, parameters: Parameters) -> Parameters:
        return self.of.effective(parameters)

    def gate_values(self, saved: State) -> dict[str, Tensor]:
        return self.of.gate_values(saved)

    def state_sizes(self, hidden_size: int) -> tuple[int, ...]:
        sizes = self.of.state_sizes(hidden_size)
        return (*sizes, (self.lag - 1) * sizes[0])

    def inputs(self, x: Tensor, parameters: Parameters) -> Tensor:
        """x itself: what it is multiplied with waits for h_{t-k}."""
        return x

    def sums(self, x: Tensor, state: State, parameters: Parameters) -> Tensor:
        lagged = state[-1][..., : state[0].shape[-1]]
        return self.of.inputs(torch.cat((x, lagged), -1), parameters)

    def parameters_of_step(self, parameters: Any) -> StepParameters:
        weights = LaggedStepParameters(*self.of.parameters_of_step(parameters))
        weights.parameters = dict(parameters)
        return weights

    def forward_step(
        self, a: Tensor, state: State, weights: StepParameters, drop: Tensor | None = None
    ) -> tuple[State, State]:
        assert isinstance(weights, LaggedStepParameters)
        *inner, past = state
        a = self.sums(a, state, weights.parameters)
        after, saved = self.of.forward_step(a, self.of.state_type(*inner), weights, drop)
        past = torch.cat((past[..., state[0].shape[-1] :], state[0]), -1)
        return self.state_type(*after, past), saved


@lru_cache
def _state_type(fields: tuple[str, ...]) -> Any:
    names = (*fields, "past")
    base: Any = namedtuple("LaggedState", names)  # type: ignore[misc]
    return type("LaggedState", (base,), {"__slots__": (), "__reduce__": _reduced})


def _reduced(state: Any) -> Any:
    return _state_of, (state._fields[:-1], tuple(state))


def _state_of(fields: tuple[str, ...], values: tuple[Tensor, ...]) -> State:
    """A state that was pickled."""
    state: State = _state_type(fields)(*values)
    return state
