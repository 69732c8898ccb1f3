"""RowAdam: steps for the rows of a table that have a gradient, with one second moment a row."""

from typing import Any

import torch
from torch import Tensor

DECAY, EPS = 0.99, 1e-8


class RowAdam(torch.optim.Optimizer):
    r"""Adam's step without its first moment, row by row, where the gradient is sparse.

    .. math:: v_r \leftarrow \beta v_r + (1 - \beta) \, \mathrm{mean}(g_r^2), \quad
              \theta_r \leftarrow \theta_r - \gamma \, g_r / (\sqrt{v_r / (1 - \beta^{t_r})} + \epsilon)

    for the rows r with a gradient, t_r of which each has seen. Of a table (V, D) it keeps 2 V numbers,
    where Adam keeps 2 V D (a second moment a row: Mudigere et al. 2022), and a step costs what its rows do.
    """

    def __init__(self, params: Any, lr: float) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update the rows that have a gradient."""
        for group in self.param_groups:
            for table in group["params"]:
                if table.grad is not None:
                    self._step(table, table.grad.coalesce(), group["lr"])

    def _step(self, table: Tensor, gradient: Tensor, rate: float) -> None:
        state = self.state[table]
        if not state:
            state["square"], state["seen"] = (table.new_zeros(len(table)) for _ in range(2))
        (rows,), g = gradient.indices(), gradient.values()
        seen = state["seen"].index_select(0, rows) + 1
        square = state["square"].index_select(0, rows)
        square = square.lerp(g.square().mean(1), 1 - DECAY)
        state["seen"].index_copy_(0, rows, seen)
        state["square"].index_copy_(0, rows, square)
        scale = (square / (1 - DECAY**seen)).sqrt_().add_(EPS)
        table.index_add_(0, rows, g / scale.unsqueeze(1), alpha=-rate)
