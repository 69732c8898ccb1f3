"""The backward step of a cell that has none of its own, derived once from its `pointwise`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from sunhwan.cells.base import Bypass, Cell, Parameters, State, rows
from sunhwan.cells.linear import LinearCell
from sunhwan.cells.sizes import check_pair
from sunhwan.cells.structure import is_unitwise, why_not_derived, why_not_derived_at
from sunhwan.errors import ConfigError


def can_derive(cell: Cell) -> bool:
    """Whether `derive` serves the cell; if not, autograd differentiates it step by step."""
    return why_not_derived(cell) is None


def has_backward(cell: Cell) -> bool:
    """Whether the cell's author wrote the backward step."""
    if isinstance(cell, LinearCell):
        return type(cell).coefficients_backward is not LinearCell.coefficients_backward
    return type(cell).factors is not Cell.factors


@lru_cache(maxsize=64)
def derive(cell: Cell) -> "DerivedCell":
    """The same cell with a backward step, which keeps the one-product structure of the loop.

    Where it is proved that unit j of every result depends on unit j of its arguments alone, the
    Jacobian of a step is a few diagonals: they are computed for all t at once, by one
    vector-Jacobian product a field of the state, and the loop only multiplies with them. Otherwise
    (a norm over the units, say) the vector-Jacobian product is traced once into a flat list of
    operations, which the loop runs. Neither builds a graph step by step.
    """
    return BySizeCell(cell)


@lru_cache(maxsize=256)
def derive_at(cell: Cell, hidden_size: int) -> "DerivedCell":
    """The same for one hidden size: how units interact may depend on how many there are."""
    reason = why_not_derived_at(cell, hidden_size)
    if reason is not None:
        raise ConfigError(
            f"the backward step of {type(cell).__name__} cannot be derived for {hidden_size} hidden "
            f'units, {reason}: choose backend="unrolled"'
        )
    return UnitwiseCell(cell) if is_unitwise(cell, hidden_size) else MixedCell(cell)


@dataclass(frozen=True)
class DerivedCell(Cell):
    """A cell that borrows everything but the backward step from another one."""

    of: Cell

    def __post_init__(self) -> None:
        names = ("gates", "recurrent_gates", "state_type", "recurrent_bias", "extra", "saved_names")
        for name in (*names, "learned_fields", "keep"):
            object.__setattr__(self, name, getattr(self.of, name))

    def pointwise(self, a: Tensor, u: Tensor, state: State, *extra: Tensor) -> tuple[State, State]:
        made = self.of.pointwise(a, u, state, *extra)
        check_pair(self.of, made)
        after, saved = made
        return after, (*saved, *self._arguments(a, u))

    def gate_values(self, saved: State) -> dict[str, Tensor]:
        return self.of.gate_values(self.without_arguments(saved))

    def without_arguments(self, saved: State) -> State:
        """The values that the other cell saved."""
        return saved[: -1 if self._without_product else -2]

    def gradients(
        self,
        d_state: State,
        d_u: Tensor,
        factors: State,
        saved: State,
        state_prev: State,
        *extra: Tensor,
    ) -> tuple[Tensor, State]:
        """All t at once, by one vector-Jacobian product with the total gradients."""
        a, u = self._split(saved)
        d_a, _, _, d_extra = self._vjp(a, u, state_prev, extra)(d_state)
        return d_a, d_extra

    # What the other cell says of its sizes and parameters.

    def initial_bias(self, hidden_size: int) -> Tensor:
        return self.of.initial_bias(hidden_size)

    def initial_extra(self, hidden_size: int) -> Parameters:
        return self.of.initial_extra(hidden_size)

    def state_sizes(self, hidden_size: int) -> tuple[int, ...]:
        return self.of.state_sizes(hidden_size)

    def effective(self, parameters: Parameters) -> Parameters:
        return self.of.effective(parameters)

    def inputs(self, x: Tensor, parameters: Parameters) -> Tensor:
        return self.of.inputs(x, parameters)

    # The arguments a and u are the last of the saved values.

    @property
    def _without_product(self) -> bool:
        return self.recurrent_gates == ()

    def _arguments(self, a: Tensor, u: Tensor) -> State:
        return (a,) if self._without_product else (a, u)

    def _split(self, saved: State) -> tuple[Tensor, Any]:
        return (saved[-1], None) if self._without_product else (saved[-2], saved[-1])

    def _check_repeated(self, again: State, state: State) -> None:
        """ConfigError where the step of the forward pass, taken again, gives another state.

        It does where `pointwise` depends on more than its arguments (random numbers, a counter, a
        number that was changed meanwhile), or mixes rows. Only rounding may differ.
        """
        for new, old in zip(again, state, strict=True):
            difference = (new.detach() - rows(old)).abs()
            most = 1e-3 * (1 + rows(old).abs())
            if bool((difference > most).any()):
                raise ConfigError(
                    f"a step of {type(self.of).__name__} taken again gives another state, so its "
                    "backward step cannot be derived: let pointwise depend on its arguments alone, "
                    'and no row on another, or choose backend="unrolled"'
                )

    def _vjp(
        self, a: Tensor, u: Any, state: State, extra: State, state_after: State | None = None
    ) -> Callable[[State], tuple[Tensor, Any, State, State]]:
        """d state → d a, d u, d state_prev, d extra of steps that lie along all leading axes.

        state_after: what the forward pass made of the same, to be compared with.
        """
        lead, n, width = a.shape[:-1], len(state), len(self.state_type._fields)
        with torch.enable_grad():
            flat = [rows(v).detach().requires_grad_() for v in (a, *state)]
            product: Any = None if u is None else rows(u).detach().requires_grad_()
            more = [e.detach().requires_grad_() for e in extra]
            after, _ = self.of.pointwise(
                flat[0],
                product,
                self.state_type(*flat[1 : 1 + n]),
                *more,
            )
        inputs = [*flat, *([] if product is None else [product]), *more]
        if state_after is not None:
            self._check_repeated(after, state_after)

        def vjp(d_state: State) -> tuple[Tensor, Any, State, State]:
            pairs = [(f, rows(d)) for f, d in zip(after, d_state, strict=True) if f.requires_grad]
            found = torch.autograd.grad(
                [f for f, _ in pairs],
                inputs,
                [d for _, d in pairs],
                retain_graph=True,
                allow_unused=True,
                materialize_grads=True,
            )
            shaped = [g.view(*lead, g.shape[-1]) for g in found[: len(inputs) - len(more)]]
            d_u = None if product is None else shaped[1 + width]
            return shaped[0], d_u, tuple(shaped[1 : 1 + width]), tuple(found[len(shaped) :])

        return vjp


@dataclass(frozen=True)
class BySizeCell(DerivedCell):
    """A derived cell that has its backward step proved and made for the hidden size at hand."""

    def factors(self, saved: State, state_prev: State, state: State, *extra: Tensor) -> State:
        return self._at(state).factors(saved, state_prev, state, *extra)

    def pointwise_backward(self, d_state: State, factors: State) -> tuple[Tensor, Bypass]:
        return self._at(d_state).pointwise_backward(d_state, factors)

    def gradients(
        self,
        d_state: State,
        d_u: Tensor,
        factors: State,
        saved: State,
        state_prev: State,
        *extra: Tensor,
    ) -> tuple[Tensor, State]:
        return self._at(d_state).gradients(d_state, d_u, factors, saved, state_prev, *extra)

    def _at(self, state: State) -> DerivedCell:
        return derive_at(self.of, state[-1].shape[-1])


@dataclass(frozen=True)
class UnitwiseCell(DerivedCell):
    """Units interact only through W_h: the factors are the diagonals of the Jacobian."""

    # For each field k of the new state: by gate, what of d field_k goes to d a and to d u; then what
    # goes to each field of d state_prev.

    def factors(self, saved: State, state_prev: State, state: State, *extra: Tensor) -> State:
        a, u = self._split(saved)
        vjp = self._vjp(a, u, state_prev, extra, state)
        found: list[Tensor] = []
        for k in range(len(state)):
            one = tuple(
                torch.ones_like(f) if i == k else torch.zeros_like(f) for i, f in enumerate(state)
            )
            d_a, d_u, d_prev, _ = vjp(one)
            blocks = (d_a,) if d_u is None else (d_a, d_u)
            found += [d.unflatten(-1, (-1, state[0].shape[-1])) for d in blocks]
            found += d_prev
        return tuple(found)

    def pointwise_backward(self, d_state: State, factors: State) -> tuple[Tensor, Bypass]:
        d_u: Any = None
        d_prev: list[Any] = [None] * len(d_state)
        for d, (_, to_u, *to_prev) in zip(d_state, self._by_field(factors), strict=True):
            d_u = _add_product(d_u, d.unsqueeze(-2), to_u)
            for j, factor in enumerate(to_prev):
                d_prev[j] = _add_product(d_prev[j], d, factor)
        if d_u is not None:
            d_u = d_u.flatten(-2)
        return d_u, tuple(d_prev)

    def gradients(
        self,
        d_state: State,
        d_u: Tensor,
        factors: State,
        saved: State,
        state_prev: State,
        *extra: Tensor,
    ) -> tuple[Tensor, State]:
        if extra:
            return super().gradients(d_state, d_u, factors, saved, state_prev, *extra)
        d_a: Any = None
        for d, (to_a, *_) in zip(d_state, self._by_field(factors), strict=True):
            d_a = _add_product(d_a, d.unsqueeze(-2), to_a)
        return d_a.flatten(-2), ()

    def _by_field(self, factors: State) -> Iterator[list[Any]]:
        """to_a, to_u (None without a recurrent product) and to each field of state_prev."""
        blocks = 1 if self._without_product else 2
        width = blocks + len(self.state_type._fields)
        for start in range(0, len(factors), width):
            one = list(factors[start : start + width])
            yield one if blocks == 2 else [one[0], None, *one[1:]]


def _add_product(total: Any, d: Tensor, factor: Tensor | None) -> Any:
    if factor is None:
        return total
    return d * factor if total is None else torch.addcmul(total, d, factor)


@dataclass(frozen=True)
class MixedCell(DerivedCell):
    """Units interact in the step: the vector-Jacobian product, as a flat list of operations."""

    def factors(self, saved: State, state_prev: State, state: State, *extra: Tensor) -> State:
        lead = state[0].shape[:-1]
        a, u = self._split(saved)
        found = (*self._arguments(a, u), *state_prev, *(e.expand(*lead, *e.shape) for e in extra))
        vjp = self._vjp(a, u, state_prev, extra, state)
        if len(lead) > 1:
            self._renew_trace(vjp, state, found)
        return found

    def _renew_trace(self, vjp: Any, state: State, factors: State) -> None:
        """Trace anew where a number that the list holds, of a module or a class, has changed."""
        ones = tuple(torch.ones_like(field) for field in state)
        _, d_u, d_prev, _ = vjp(ones)
        wanted = (d_u, *d_prev)
        for attempt in range(2):
            found = self._traced(
                tuple(field[0] for field in ones), tuple(value[0] for value in factors)
            )
            pairs = [(f, w[0]) for f, w in zip(found, wanted, strict=True) if f is not None]
            if all(torch.allclose(f, w, 1e-3, 1e-3, equal_nan=True) for f, w in pairs):
                return
            if not attempt:
                _TRACES.clear()
        raise ConfigError(
            f"the derivative of a step of {type(self.of).__name__} is another one each time: let "
            'pointwise depend on its arguments alone, or choose backend="unrolled"'
        )

    def pointwise_backward(self, d_state: State, factors: State) -> tuple[Tensor, Bypass]:
        if factors[0].dim() > 2:
            d_u, *d_prev = self._together(d_state, factors)
        else:
            d_u, *d_prev = self._traced(d_state, factors)
        return d_u, tuple(d_prev)

    def _together(self, d_state: State, factors: State) -> State:
        a, u, state, extra = self._parts(factors)
        extra = tuple(e[(0,) * (a.dim() - 1)] for e in extra)
        _, d_u, d_prev, _ = self._vjp(a, u, state, extra)(d_state)
        return d_u, *d_prev

    def _traced(self, d_state: State, factors: State) -> State:
        arguments = (*d_state, *factors)
        key = (self, tuple((tuple(v.shape), v.stride(), v.dtype, v.device) for v in arguments))
        if key not in _TRACES:
            width = len(d_state)

            def one_step(*values: Tensor) -> State:
                a, u, state, extra = self._parts(values[width:])
                extra = tuple(e[0] for e in extra)
                _, d_u, d_prev, _ = self._vjp(a, u, state, extra)(values[:width])
                return d_u, *d_prev

            if len(_TRACES) >= 256:
                _TRACES.clear()
            # Without values: what depends on one is an error instead of a part of the list.
            like = (
                torch.empty_strided(v.shape, v.stride(), dtype=v.dtype, device=v.device)
                for v in arguments
            )
            graph = make_fx(one_step, tracing_mode="fake", _allow_non_fake_inputs=True)(*like)
            graph.graph.eliminate_dead_code()
            graph.recompile()
            try:
                graph(*arguments)
                _TRACES[key] = graph
            except RuntimeError:
                # A view that the list takes for granted, and these numbers lie otherwise in memory.
                _TRACES[key] = one_step
        result: State = _TRACES[key](*arguments)
        return result

    def _parts(self, factors: State) -> tuple[Tensor, Tensor | None, State, State]:
        first, width = (1 if self._without_product else 2), len(self.state_type._fields)
        u = None if self._without_product else factors[1]
        return factors[0], u, factors[first : first + width], factors[first + width :]


_TRACES: dict[Any, Any] = {}
