"""Input products a = x W_x + b over time: the one place where they are made, and whose memory they are."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from sunhwan.cells import Cell, Parameters
from sunhwan.cells.base import input_sums, rows
from sunhwan.ops.lazy_embedding import LazyEmbedding, materialised


class InputProducts(NamedTuple):
    """The input products of a recurrence, time-major, as every implementation is given them.

    x (T, N, D), or (S, D) of packed sequences; or the table (V, D) of which `ids` (T, N) takes rows.
    Without W_x, x holds a (T, N, G·H) itself, to which b is still added.

    They are not multiplied yet, for who multiplies owns the result: a compiled forward pass overwrites it
    with what its backward pass needs, which in turn reads x and W_x.
    """

    x: Tensor
    ids: Tensor | None
    W_x: Tensor | None
    b: Tensor | None

    @property
    def owned(self) -> bool:
        """Whether the a of `multiply` is new, so that its caller may overwrite it; else it is x."""
        return self.W_x is not None

    @property
    def lead(self) -> tuple[int, ...]:
        """The leading axes of values over time: (T, N), or (S,) of packed sequences."""
        return tuple(self.x.shape[:-1] if self.ids is None else self.ids.shape)

    def read(self) -> Tensor:
        """x (T, N, D), for an operator that multiplies itself."""
        return self.x if self.ids is None else functional.embedding(self.ids, self.x)

    def in_graph(self) -> Tensor:
        """a with its bias, in PyTorch's own operations, to be read alone."""
        a = self.x
        if self.W_x is not None:
            a = input_sums(rows(a), self.W_x, self.b).view(*a.shape[:-1], self.W_x.shape[1])
        elif self.b is not None:
            a = a + self.b
        return a if self.ids is None else functional.embedding(self.ids, a)

    def multiply(self) -> tuple[Tensor, Tensor | None]:
        """a, outside PyTorch's graph, and the bias that is still to be added to it."""
        x, ids, W_x, b = self
        if W_x is None:
            return x, b
        if ids is not None:
            return functional.embedding(ids, input_sums(x, W_x, b)), None
        return products_of_rows(rows(x), W_x).view(*x.shape[:-1], W_x.shape[1]), b

    def gradients(self, d_a: Tensor, needs: Sequence[bool]) -> list[Tensor | None]:
        """d x, d W_x and d b, those that are needed, of d a (T, N, G·H) or its rows."""
        x, ids, W_x, _ = self
        if ids is not None:
            d_a = torch.ops.aten.embedding_dense_backward(d_a, ids, len(x), -1, False)
        of_x, of_W_x, of_b = needs
        if W_x is None:
            return [d_a, None, rows(d_a).sum(0) if of_b else None]
        d_x, d_W_x, d_b = gradients_of_rows(
            rows(d_a), rows(x) if of_W_x else None, W_x if of_x else None, of_b
        )
        d_x = None if d_x is None else d_x.view(x.shape)
        return [d_x, None if d_W_x is None else d_W_x.T, d_b]


def products_of_rows(x: Tensor, W_x: Tensor) -> Tensor:
    """a (S, G·H) of x (S, D), without a bias, in memory of its own, which the caller may overwrite."""
    return torch.mm(x, W_x)


def gradients_of_rows(
    d_a: Tensor, x: Tensor | None, W_x: Tensor | None, of_b: bool
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """d x (S, D), d W_xᵀ (G·H, D) and d b, the first where W_x is given and the second where x is."""
    return (
        None if W_x is None else torch.mm(d_a, W_x.T),
        None if x is None else d_a.T @ x,
        d_a.sum(0) if of_b else None,
    )


def input_products(cell: Cell, x: Tensor | LazyEmbedding, parameters: Parameters) -> InputProducts:
    """Those of x (T, N, D), or packed (S, D), with the parameters as the equation uses them."""
    ids = x.ids if isinstance(x, LazyEmbedding) and x.folds else None
    values = x.weight if isinstance(x, LazyEmbedding) and ids is not None else materialised(x)
    if type(cell).inputs is Cell.inputs:
        return InputProducts(values, ids, parameters["W_x"], parameters.get("b"))
    # A cell that reads its input in a way of its own.
    a = cell.inputs(rows(values), parameters)
    if ids is not None:
        return InputProducts(functional.embedding(ids, a), None, None, None)
    return InputProducts(a.view(*values.shape[:-1], a.shape[1]), None, None, None)
