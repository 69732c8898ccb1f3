"""Operations of ATen that are several of a program, such as norms and products, and their gradients."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor


class UnknownError(Exception):
    """An operation that programs do not have, or one that mixes rows."""


class Composites:
    """Composite operations, made of the methods of `Lowering` that are left open here."""

    def _apply(self, packet: str, *args: Any, **kwargs: Any) -> Tensor:
        raise NotImplementedError

    def _reduce(self, kind: str, x: Tensor, dims: Any = None, keepdim: bool = False) -> Tensor:
        raise NotImplementedError

    def _constant(self, value: Any) -> Tensor:
        raise NotImplementedError

    def _product(self, x: Tensor, W: Tensor) -> Tensor:
        raise NotImplementedError

    def _products(self, x: Tensor, y: Tensor) -> Tensor:
        raise NotImplementedError

    def _whole(self, codes: Tensor) -> Tensor:
        raise NotImplementedError

    def _add(self, x: Tensor, y: Tensor) -> Tensor:
        return self._apply("add", x, y)

    def _mean(self, x: Tensor, dims: Any = None, keepdim: bool = False) -> Tensor:
        total = self._reduce("sum", x, dims, keepdim)
        return self._apply("div", total, float(x.numel() // max(total.numel(), 1)))

    def _variance(
        self, x: Tensor, dims: Any = None, correction: float | None = 1, keepdim: bool = False
    ) -> Tensor:
        mean = self._mean(x, dims, True)
        squares = self._apply("square", self._apply("sub", x, mean))
        total = self._reduce("sum", squares, dims, keepdim)
        count = x.numel() // mean.numel()
        return self._apply("div", total, count - (1.0 if correction is None else correction))

    def _softmax(self, x: Tensor, dim: int) -> Tensor:
        e = self._apply("exp", self._apply("sub", x, self._reduce("max", x, dim, True)))
        return self._apply("div", e, self._reduce("sum", e, dim, True))

    def _log_softmax(self, x: Tensor, dim: int, half: bool) -> Tensor:
        return self._apply("sub", x, self._log_sum_exp(x, [dim], True))

    def _log_sum_exp(self, x: Tensor, dims: Any, keepdim: bool = False) -> Tensor:
        top = self._reduce("max", x, dims, True)
        e = self._apply("exp", self._apply("sub", x, top))
        log = self._apply("log", self._reduce("sum", e, dims, keepdim))
        return self._add(log, self._reduce("max", x, dims, keepdim))

    def _layer_norm(
        self, x: Tensor, shape: Sequence[int], gain: Any, shift: Any, epsilon: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        dims = list(range(-len(shape), 0))
        mean = self._mean(x, dims, True)
        spread = self._add_number(self._variance(x, dims, 0, True), epsilon)
        scale = self._apply("rsqrt", spread)
        y = self._apply("mul", self._apply("sub", x, mean), scale)
        y = y if gain is None else self._apply("mul", y, gain)
        return y if shift is None else self._add(y, shift), mean, scale

    def _add_number(self, x: Tensor, number: float) -> Tensor:
        return self._apply("add", x, number)

    def _norm(self, x: Tensor, order: float = 2, dims: Any = None, keepdim: bool = False) -> Tensor:
        if order == 1:
            return self._reduce("sum", self._apply("abs", x), dims, keepdim)
        if order != 2:
            raise UnknownError(f"the norm of order {order} is no operation of programs")
        squares = self._reduce("sum", self._apply("square", x), dims, keepdim)
        return self._apply("sqrt", squares)

    def _cumulative_sum(self, x: Tensor, dim: int) -> Tensor:
        """A product with a triangle of ones."""
        n = x.shape[dim]
        moved = x.movedim(dim, -1)
        triangle = self._constant(torch.ones(n, n).triu())
        found = self._product(moved.reshape(-1, n), triangle)
        return found.view(moved.shape).movedim(-1, dim)

    def _pad(self, x: Tensor, sizes: Sequence[int], value: float = 0.0) -> Tensor:
        filler = int(self._constant(float(value)))
        return torch.constant_pad_nd(x, list(sizes), filler)

    # Gradients

    def _slice_backward(
        self, d: Tensor, sizes: Sequence[int], dim: int, start: int, end: int, step: int
    ) -> Tensor:
        found = self._constant(torch.zeros(list(sizes))).contiguous()
        at: list[Any] = [slice(None)] * len(sizes)
        at[dim] = slice(start, min(end, sizes[dim]), step)
        found[tuple(at)] = d
        return found

    def _select_backward(self, d: Tensor, sizes: Sequence[int], dim: int, index: int) -> Tensor:
        index %= sizes[dim]
        return self._slice_backward(d.unsqueeze(dim), sizes, dim, index, index + 1, 1)

    def _layer_norm_backward(
        self, d: Tensor, x: Tensor, shape: Sequence[int], mean: Tensor, scale: Tensor, gain: Any,
        shift: Any, wanted: Sequence[bool],
    ) -> tuple[Any, Any, Any]:  # fmt: skip
        dims, lead = list(range(-len(shape), 0)), list(range(x.dim() - len(shape)))
        normal = self._apply("mul", self._apply("sub", x, mean), scale)
        d_normal = d if gain is None else self._apply("mul", d, gain)
        level = self._mean(d_normal, dims, True)
        slope = self._mean(self._apply("mul", d_normal, normal), dims, True)
        left = self._apply(
            "sub", self._apply("sub", d_normal, level), self._apply("mul", normal, slope)
        )
        d_gain = self._reduce("sum", self._apply("mul", d, normal), lead) if wanted[1] else None
        d_shift = self._reduce("sum", d, lead) if wanted[2] else None
        return self._apply("mul", left, scale), d_gain, d_shift

    def _softmax_backward(self, d: Tensor, y: Tensor, dim: int, dtype: Any) -> Tensor:
        weighted = self._apply("mul", d, y)
        total = self._reduce("sum", weighted, dim, True)
        return self._apply("sub", weighted, self._apply("mul", y, total))

    def _log_softmax_backward(self, d: Tensor, y: Tensor, dim: int, dtype: Any) -> Tensor:
        total = self._reduce("sum", d, dim, True)
        return self._apply("sub", d, self._apply("mul", self._apply("exp", y), total))


COMPOSITES: dict[str, Callable[..., Any]] = {
    "mm": lambda o, x, W: o._product(x, W),
    "addmm": lambda o, b, x, W, beta=1, alpha=1: o._add(b, o._product(x, W)),
    "mv": lambda o, W, x: o._product(W, x.unsqueeze(1)).squeeze(1),
    "dot": lambda o, x, y: o._reduce("sum", o._apply("mul", x, y), [0], False),
    "bmm": lambda o, x, y: o._products(x, y),
    "baddbmm": lambda o, b, x, y, beta=1, alpha=1: o._add(b, o._products(x, y)),
    "mean": Composites._mean,
    "var": Composites._variance,
    "_softmax": lambda o, x, dim, half: o._softmax(x, dim),
    "_log_softmax": Composites._log_softmax,
    "logsumexp": Composites._log_sum_exp,
    "native_layer_norm": Composites._layer_norm,
    "linalg_vector_norm": Composites._norm,
    "cumsum": Composites._cumulative_sum,
    "constant_pad_nd": Composites._pad,
    "index_select": lambda o, x, dim, index: x.index_select(dim, o._whole(index)),
    "slice_backward": Composites._slice_backward,
    "select_backward": Composites._select_backward,
    "native_layer_norm_backward": Composites._layer_norm_backward,
    "_softmax_backward_data": Composites._softmax_backward,
    "_log_softmax_backward_data": Composites._log_softmax_backward,
}
"""By the name of ATen."""
