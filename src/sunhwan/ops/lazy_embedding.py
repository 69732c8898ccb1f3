"""Lazy embedding: tokens and their table, looked up only where a recurrence does not fold the product."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class LazyEmbedding:
    r"""x = E[id], kept as the ids, of any leading shape, and the table E (V, D).

    A recurrence reads its input through a row-wise a_t = x_t W_x + b alone, and

    .. math:: E[\text{id}_t]\, W_x + b = (E W_x + b)[\text{id}_t],

    so where the vocabulary is smaller than the block, the product has V rows instead of T·N, and so
    have those of its gradients. In shape, type and slices it is as the tensor it stands for.
    """

    ids: Tensor
    weight: Tensor

    @property
    def folds(self) -> bool:
        """Whether a product over the table is less work than one over the sequence."""
        return folding_is_cheaper(len(self.weight), self.ids.numel())

    @property
    def shape(self) -> torch.Size:
        """That of x."""
        return torch.Size((*self.ids.shape, self.weight.shape[1]))

    @property
    def dtype(self) -> torch.dtype:
        """That of x."""
        return self.weight.dtype

    @property
    def device(self) -> torch.device:
        """That of x."""
        return self.weight.device

    def dim(self) -> int:
        """The number of axes of x."""
        return self.ids.dim() + 1

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, steps: slice) -> "LazyEmbedding":
        return LazyEmbedding(self.ids[steps], self.weight)

    def transpose(self, first: int, second: int) -> "LazyEmbedding":
        """Two of the leading axes exchanged."""
        return LazyEmbedding(self.ids.transpose(first, second), self.weight)

    def to(self, like: Tensor) -> "LazyEmbedding":
        """On the device and of the type of another tensor."""
        return LazyEmbedding(self.ids.to(like.device), self.weight.to(like))

    def materialise(self) -> Tensor:
        """x itself (…, D)."""
        return functional.embedding(self.ids, self.weight)


def folding_is_cheaper(rows: int, tokens: int) -> bool:
    """Whether to multiply a table of so many rows, and then look up so many tokens.

    At twice as many the products save more than the look-up of the wider rows costs.
    """
    return 0 < 2 * rows <= tokens


def materialised(x: Tensor | LazyEmbedding) -> Tensor:
    """x as a tensor, whatever it came as."""
    return x.materialise() if isinstance(x, LazyEmbedding) else x
