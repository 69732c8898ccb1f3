"""The gradients of the matrices in a step besides W_h."""

from collections.abc import Sequence

import torch
from torch import Tensor

from sunhwan.cells.base import rows, weight_gradient
from sunhwan.ops.program_kernels import named


def width_of_second(name: str, W_m: Tensor | None) -> int | None:
    """How many numbers the products of a step but that with W_h give; None: there are none."""
    own = named(name)
    if own is None:
        return None if W_m is None else W_m.shape[1]
    return sum(one.width for one in own.products) or None


def sums_of_extra(name: str, extra: Sequence[Tensor | None]) -> list[int]:
    """How many numbers of each extra parameter the kernel itself sums the gradient of."""
    own = named(name)
    matrices = set() if own is None else {one.which - 3 for one in own.products}
    given = [e for e in extra if e is not None]
    return [0 if i in matrices else e.numel() for i, e in enumerate(given)]


def gradients_of_matrices(
    name: str,
    d_w: Tensor | None,
    m: Tensor | None,
    products: Tensor | None,
    further: Sequence[Tensor],
    W_m: Tensor | None,
) -> dict[int, Tensor]:
    """d W = Σ_t m_tᵀ d w_t of each matrix, by its place in the loop.

    d_w (S, ·): the gradients of what the products with them give. m: what W_m was multiplied with, of a
    cell of the package; products, further: the saved values, of which a program's products read theirs.
    W_m has a gradient wherever it is given. Each is laid out as the parameters are stored, transposed.
    """
    own = named(name)
    if own is None:
        return {} if m is None or d_w is None else {2: weight_gradient(m, d_w)}
    found: dict[int, Tensor] = {}
    if W_m is not None and all(one.which != 2 for one in own.products):
        found[2] = torch.zeros_like(W_m)
    H = own.hidden_size
    within = 0 if products is None else products.shape[-1] // H
    for one in own.products if d_w is not None else ():
        d = d_w[:, one.column : one.column + one.width]  # type: ignore[index]
        blocks = []
        for i, width in one.operands:
            if i < within and products is not None:
                value = rows(products)[:, i * H : i * H + width]
            else:
                value = rows(further[i - within])
            blocks.append(value.expand(-1, one.size // len(one.operands)))
        m = blocks[0] if len(blocks) == 1 else torch.cat(blocks, 1)
        sums = torch.mm(m.T, d).T if one.transposed else torch.mm(d.T, m).T
        found[one.which] = found[one.which] + sums if one.which in found else sums
    return found
