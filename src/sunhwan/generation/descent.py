"""Dynamic evaluation (Krause et al. 2018): gradient descent on a text, a step for each segment."""

import copy
import math
from bisect import bisect_left
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim.adagrad import adagrad

from sunhwan.models import LanguageModel
from sunhwan.models.softmax import AdaptiveSoftmax

EPS = 1e-5
"""What a root mean square is raised by."""
CHUNK = 2**19
"""Numbers of a table that a step changes together: they stay in the processor's caches."""


class SparseRows:
    """Gradient of a table (V, H) of which few rows were read: values (n, H) of the rows ids (n)."""

    def __init__(self, ids: Tensor, values: Tensor) -> None:
        self._ids, order = ids.sort()
        self._values = values[order]
        self._sorted = self._ids.tolist()

    def __getitem__(self, rows: slice) -> Tensor:
        """Rows of the whole."""
        return self.added(
            self._values.new_zeros(rows.stop - rows.start, self._values.shape[1]), rows
        )

    def added(self, g: Tensor, rows: slice) -> Tensor:
        """g with these rows of the gradient added in place."""
        inside = slice(bisect_left(self._sorted, rows.start), bisect_left(self._sorted, rows.stop))
        if inside.start == inside.stop:
            return g
        return g.index_add_(0, self._ids[inside] - rows.start, self._values[inside])


@dataclass(frozen=True)
class OutputGradient:
    """Gradient of a linear output's weight (V, H), which is never held whole.

    It is dᵀ y, with d (T, V) and y (T, H); more: that of the tied embedding, if any.
    """

    d: Tensor
    y: Tensor
    more: "Gradient | None"

    def __getitem__(self, rows: slice) -> Tensor:
        g = self.d[:, rows].T @ self.y
        if isinstance(self.more, SparseRows):
            return self.more.added(g, rows)
        return g if self.more is None else g.add_(self.more[rows])


Gradient = Tensor | SparseRows | OutputGradient


class Descent:
    r"""Copy of a model that learns from each segment of a text, once it is scored.

    θ ← θ − η g / (√m + ε), θ ← θ + δ (θ₀ − θ), with m the mean of g² over the segments so far.
    """

    def __init__(self, model: LanguageModel, rate: float, decay: float) -> None:
        self.model = copy.deepcopy(model)
        self._rate, self._decay, self._steps = rate, decay, 0
        learned = [p for p in self.model.parameters() if p.requires_grad]
        self._learned: dict[Tensor, tuple[Tensor, Tensor]] = {
            p: (_table(p).clone(), torch.zeros_like(_table(p))) for p in learned
        }

    def step(self, y: Tensor, log_p: Tensor, targets: Tensor) -> None:
        """A step on a segment: y (T, H) with its graph, log p (T, V) that it gave, targets (T)."""
        gradients = self._gradients(y, log_p, targets)
        self._steps += 1
        with torch.no_grad():
            for p, (start, _) in self._learned.items():
                if p in gradients:
                    self._update(p, gradients[p])
                else:  # such as an initial state, where the state was carried
                    _table(p).lerp_(start, self._decay)

    def _gradients(self, y: Tensor, log_p: Tensor, targets: Tensor) -> dict[Tensor, Gradient]:
        """The gradient of the mean loss by each parameter that has one."""
        output, T = self.model.output, len(targets)
        if isinstance(output, AdaptiveSoftmax):
            return self._propagated(output.nats(y, targets) / T, None)
        with torch.no_grad():
            # d logits = (p − one-hot) / T, of which T divides what is smaller than (T, V).
            d = log_p.exp()
            d.scatter_add_(1, targets.unsqueeze(1), d.new_full((T, 1), -1.0))
            d_y = (d @ output.weight).div_(T)
        found = self._propagated(y, d_y)
        if output.weight in self._learned:
            found[output.weight] = OutputGradient(d, y.detach() / T, found.get(output.weight))
        if output.bias in self._learned:
            found[output.bias] = d.sum(0).div_(T)
        return found

    def _propagated(self, value: Tensor, d_value: Tensor | None) -> dict[Tensor, Gradient]:
        learned = list(self._learned)
        gradients = torch.autograd.grad(value, learned, d_value, allow_unused=True)
        return {
            p: SparseRows(g._indices()[0], g._values()) if g.is_sparse else g
            for p, g in zip(learned, gradients, strict=True)
            if g is not None
        }

    def _update(self, p: Tensor, gradient: Gradient) -> None:
        start, squares = self._learned[p]
        # Adagrad sums g², of which m is the n-th part: rate and ε are taken √n times.
        root, p = math.sqrt(self._steps), _table(p)
        if isinstance(gradient, Tensor):
            gradient = _table(gradient)
        # Fused, it reads memory in its order.
        fused = p.device.type == "cpu" and p.is_contiguous()
        rows = max(1, CHUNK // p[0].numel())
        for first in range(0, len(p), rows):
            part = slice(first, min(first + rows, len(p)))
            adagrad(
                [p[part]], [gradient[part].contiguous()], [squares[part]], [torch.zeros(())],
                lr=self._rate * root, eps=EPS * root, lr_decay=0.0, weight_decay=0.0, maximize=False,
                fused=fused,
            )  # fmt: skip
            p[part].lerp_(start[part], self._decay)


def _table(p: Tensor) -> Tensor:
    """p without a graph, on its own memory, with an axis of rows."""
    return p.detach().view(1) if p.dim() == 0 else p.detach()
