"""Softmax of a language model over many tokens: adaptive, or full and trained on sampled tokens."""

from itertools import pairwise
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from sunhwan.errors import ConfigError
from sunhwan.ops import output_cross_entropy

CUTOFFS = (4_000, 20_000, 100_000, 500_000)
SHRINK = 4
"""What the size of the vectors is divided by from one cluster to the next."""
FEWEST = 8
"""Rows of a cluster whose logits are held together, at least."""
AT_ONCE = 512
"""Rows whose clusters are scored together."""


class Softmax(NamedTuple):
    """How an output layer gives probabilities: "full", "adaptive" or "sampled", and its sizes."""

    kind: str = "full"
    cutoffs: tuple[int, ...] = ()
    samples: int = 8192

    @property
    def sparse(self) -> bool:
        """Whether a step touches few rows of the embedding, and its gradient holds these alone."""
        return self.kind != "full"


FULL = Softmax()


class AdaptiveSoftmax(nn.AdaptiveLogSoftmaxWithLoss):
    """Adaptive softmax (Grave et al. 2017): frequent tokens first, the others in clusters.

    PyTorch's module; called, it gives log p of every token, which are logits like others, and `nats`
    computes a loss that holds no (rows, tokens) at once.
    """

    def __init__(self, input_size: int, V: int, cutoffs: tuple[int, ...] = ()) -> None:
        most = [H for H in (input_size // SHRINK ** (k + 1) for k in range(len(CUTOFFS))) if H]
        chosen = cutoffs or tuple(c for c in CUTOFFS if c < V)[: len(most)]
        if not chosen or list(chosen) != sorted({c for c in chosen if 0 < c < V}):
            raise ConfigError(
                f"an adaptive softmax over {V:,} tokens needs rising model.softmax_cutoffs below that, "
                f"not {list(chosen)}: set them, or model.softmax to 'full'"
            )
        if not input_size // SHRINK ** len(chosen):
            raise ConfigError(
                f"the vectors of the last cluster would have {input_size} / {SHRINK}^{len(chosen)} < 1 "
                "numbers: give fewer model.softmax_cutoffs or a larger model.hidden_size"
            )
        super().__init__(input_size, V, list(chosen), div_value=SHRINK, head_bias=True)

    def forward(self, y: Tensor) -> Tensor:  # type: ignore[override]
        """y (…, H) → log p (…, V)."""
        log_p: Tensor = self.log_prob(y.flatten(0, -2))
        return log_p.view(*y.shape[:-1], -1)

    def nats(self, y: Tensor, targets: Tensor) -> Tensor:
        """y (R, H), targets (R) → Σ −log p(target): of the head, and of each cluster's rows."""
        head, total = targets, y.new_zeros(())
        for number, (low, high) in enumerate(pairwise(self.cutoffs)):
            inside = (targets >= low) & (targets < high)
            head = torch.where(inside, self.shortlist_size + number, head)
            rows = inside.nonzero().squeeze(1)
            if len(rows):
                down, up = cast(Any, self.tail[number])
                bias = y.new_zeros(high - low)
                below = down(y.index_select(0, rows))
                total = total + output_cross_entropy(
                    below, up.weight, bias, targets[rows] - low, fewest=FEWEST
                )
        return total + output_cross_entropy(y, self.head.weight, self.head.bias, head)

    def judge(self, y: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """y (R, H), targets (R) → −log p(target) (R), and whether the target is the likeliest (R)."""
        nats, right = [], []
        for rows, wanted in zip(
            torch.split(y, AT_ONCE), torch.split(targets, AT_ONCE), strict=True
        ):
            nats.append(-super().forward(rows, wanted).output)
            right.append(self.predict(rows) == wanted)
        return torch.cat(nats), torch.cat(right)
