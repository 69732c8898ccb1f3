"""Rows of unequal lengths side by side in one tensor."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


class Ragged(NamedTuple):
    """N sequences: values (N, T, …), T the longest's length, and the lengths (N) int64.

    Behind a row's end stands padding, which nothing may depend on.
    """

    values: Tensor
    lengths: Tensor

    def to(self, device: torch.device) -> "Ragged":
        """The same on a device."""
        return Ragged(self.values.to(device), self.lengths.to(device))

    def is_real(self) -> Tensor:
        """(N, T) bool: true before a row's end."""
        steps = torch.arange(self.values.shape[1], device=self.lengths.device)
        return steps < self.lengths.unsqueeze(1)


def pad(rows: Sequence[Tensor], padding: float = 0) -> Ragged:
    """Rows (T_n, …) → `Ragged`."""
    lengths = torch.tensor([len(row) for row in rows], dtype=torch.int64)
    return Ragged(pad_sequence(list(rows), batch_first=True, padding_value=padding), lengths)
