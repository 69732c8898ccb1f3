"""Pooling: one vector of a sequence, whatever its length."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sunhwan.errors import ConfigError, ShapeError
from sunhwan.layers.attention import masked_softmax
from sunhwan.layers.sequences import is_padding, zero_padded

POOLINGS = ("last", "mean", "max", "concat", "attention")


class Pooling(nn.Module):
    r"""A layer's outputs y (N, T, E) and lengths (N) → one vector a row, (N, `output_size`).

    ============  ==================================  ==============================================
    kind          the vector                          good where
    ============  ==================================  ==============================================
    "last"        y_T; backward, y_1                  the order decides, and sequences are short
    "mean"        Σ_t y_t / T                         every step says a little: topics, sensors
    "max"         max_t y_t, for each feature         few steps decide, wherever they are (Collobert
                                                      and Weston 2008; Conneau et al. 2017)
    "concat"      last, mean and max, (N, 3 E)        sequences are long, and it is unknown which of
                                                      the three (Howard and Ruder 2018)
    "attention"   Σ_t a_t y_t with learned weights    few steps decide, and one wants to see which
                                                      (Yang et al. 2016; Lin et al. 2017)
    ============  ==================================  ==============================================

    .. math:: a_t = \mathrm{softmax}_t \, v \cdot \tanh(W y_t + b)

    What lies behind a row's end changes nothing, and a row without steps gives zeros.

    Args:
        kind: one of `POOLINGS`.
        size: E.
        directions: 2 where the halves of y are a forward and a backward direction, side by side, as
            a bidirectional layer with merge="concat" gives them; only "last" and "concat" ask.

    Raises ConfigError for unusable options, ShapeError for outputs or lengths of the wrong shape.
    """

    def __init__(self, kind: str, size: int, directions: int = 1) -> None:
        super().__init__()
        if kind not in POOLINGS:
            raise ConfigError(f"pooling {kind!r} must be one of {', '.join(POOLINGS)}")
        if size < 1 or directions not in (1, 2) or size % directions:
            raise ConfigError(
                f"a pooling's size {size} must be at least 1, its directions {directions} one or "
                "two, and of two directions each is half of the size"
            )
        self.kind, self.size, self.directions = kind, size, directions
        self.output_size = 3 * size if kind == "concat" else size
        if kind == "attention":
            self.hidden = nn.Linear(size, size)
            self.score = nn.Linear(size, 1, bias=False)
            for layer in (self.hidden, self.score):
                nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(self.hidden.bias)

    def forward(self, y: Tensor, lengths: Tensor | Sequence[int] | None = None) -> Tensor:
        """y (N, T, E) → (N, `output_size`).

        lengths: how many steps of each row are real, (N), or a mask (N, T); all by default.
        """
        y, real = self._checked(y, lengths)
        if self.kind == "last":
            return last_step(y, real, self.directions)
        if self.kind == "mean":
            return mean_over_time(y, real)
        if self.kind == "max":
            return max_over_time(y, real)
        if self.kind == "concat":
            parts = last_step(y, real, self.directions), mean_over_time(y, real)
            return torch.cat((*parts, max_over_time(y, real)), -1)
        weights = self._weights(y, real)
        return torch.matmul(weights.unsqueeze(1), y).squeeze(1).to(y.dtype)

    def weights(self, y: Tensor, lengths: Tensor | Sequence[int] | None = None) -> Tensor:
        """y (N, T, E) → (N, T): how much of each step is in the vector; "attention" only."""
        if self.kind != "attention":
            raise ConfigError(f"pooling {self.kind!r} has no weights: take 'attention'")
        return self._weights(*self._checked(y, lengths))[:, : y.shape[1]]

    def _weights(self, y: Tensor, lengths: Tensor) -> Tensor:
        scores = self.score(torch.tanh(self.hidden(y))).squeeze(-1)
        # Under autocast a product has fewer digits than a softmax needs.
        return masked_softmax(scores.to(y.dtype), is_padding(y.shape[1], lengths).T)

    def _checked(self, y: Tensor, lengths: Tensor | Sequence[int] | None) -> tuple[Tensor, Tensor]:
        """y with zeros for padding, one step at least, and lengths (N)."""
        if y.dim() != 3 or y.shape[2] != self.size:
            raise ShapeError(f"y has shape {tuple(y.shape)}, but (N, T, {self.size}) is needed")
        return zero_padded(y, lengths)


def last_step(y: Tensor, lengths: Tensor, directions: int = 1) -> Tensor:
    """y (N, T, E), 0 in padding → (N, E): where each direction ended, backward at the first step."""
    N, _, E = y.shape
    forward = y[..., : E // directions]
    at = (lengths - 1).clamp(min=0).view(N, 1, 1).expand(N, 1, forward.shape[2])
    ended = forward.gather(1, at).squeeze(1)
    return ended if directions == 1 else torch.cat((ended, y[:, 0, E // 2 :]), -1)


def mean_over_time(y: Tensor, lengths: Tensor) -> Tensor:
    """y (N, T, E), 0 in padding → (N, E): the mean of the real steps, 0 where there is none."""
    return y.sum(1) / lengths.clamp(min=1).unsqueeze(1)


def max_over_time(y: Tensor, lengths: Tensor) -> Tensor:
    """y (N, T, E) → (N, E): each feature's largest real value, 0 where there is none."""
    padding = is_padding(y.shape[1], lengths).T.unsqueeze(-1)
    largest = y.masked_fill(padding, -torch.inf).amax(1)
    return torch.where((lengths == 0).unsqueeze(1), 0, largest)
