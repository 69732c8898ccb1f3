"""Forecaster: the past of a series → quantiles of its future."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from sunhwan.config import ModelConfig
from sunhwan.data import Ragged
from sunhwan.models.encoder import Encoder
from sunhwan.models.inputs import FrameInput
from sunhwan.models.loss import Loss

QUANTILES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
MEDIAN = QUANTILES.index(0.5)


class Windows(NamedTuple):
    """A batch: the steps that are read, the future ones among them, and the future (N, H)."""

    inputs: Ragged
    targets: Tensor

    def to(self, device: torch.device) -> "Windows":
        """The same on a device."""
        return Windows(self.inputs.to(device), self.targets.to(device))


class Forecaster(nn.Module):
    r"""Quantiles of the next H values, all at once: q_h = sort(y_{c+h} W + b).

    One recurrence reads the c steps of the past and on through the H of the future, of which it is
    told what is known ahead: how far they are, the calendar. It is never fed its own guesses (Wen et
    al. 2017), so that errors do not grow from step to step. Sorting keeps quantiles from crossing
    (Chernozhukov et al. 2010). W and b begin at 0: before it learns, the model says 0.

    spread: (Q,), how far each quantile lies from the median beside what is said of it; it is no
    parameter, but is fitted to held-out data (`fitted_spread`). Models without it have none.
    """

    spread: Tensor

    def __init__(
        self, config: ModelConfig, features: int, horizon: int, *, calibrated: bool = False
    ) -> None:
        super().__init__()
        self.config, self.horizon = config, horizon
        self.encoder = Encoder(config, FrameInput(features, config.embedding_size))
        self.dropout = nn.Dropout(config.dropout)
        self.output = nn.Linear(self.encoder.output_size, len(QUANTILES))
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)
        self.calibrated = calibrated
        if calibrated:
            self.register_buffer("spread", torch.ones(len(QUANTILES)))

    def forward(self, inputs: Ragged) -> Tensor:
        """Steps (N, c + H, F) → quantiles (N, H, Q), in ascending order."""
        y = self.encoder(inputs)
        ahead = torch.arange(-self.horizon, 0, device=y.device)
        places = inputs.lengths.to(y.device).unsqueeze(1) + ahead
        future = y[torch.arange(len(y), device=y.device).unsqueeze(1), places]
        quantiles: Tensor = self.output(self.dropout(future)).sort(-1).values
        return quantiles

    def loss(self, batch: Windows) -> Loss:
        """The mean pinball loss over the steps whose target is known (no NaN)."""
        known = ~batch.targets.isnan()
        losses = pinball(self(batch.inputs), batch.targets)
        mean = losses.mean() if bool(known.all()) else losses[known].mean()
        return Loss(mean, mean, terms=known.sum())


def pinball(quantiles: Tensor, targets: Tensor) -> Tensor:
    """max(τ (y − q), (τ − 1) (y − q)), least in the mean where q is the quantile τ (Koenker and
    Bassett 1978).

    quantiles (…, Q), targets (…) → (…, Q).
    """
    levels = quantiles.new_tensor(QUANTILES)
    above = targets.unsqueeze(-1) - quantiles
    return torch.maximum(levels * above, (levels - 1) * above)


def fitted_spread(quantiles: Tensor, targets: Tensor) -> Tensor:
    """How far to move each quantile from the median so that each band holds its share of targets.

    quantiles (…, Q), targets (…), NaN where unknown → (Q,), one factor a pair of quantiles: the share
    of |y − median| / width that a conformal forecast would take (Romano et al. 2019).
    """
    count = quantiles.shape[-1]
    found = torch.ones(count)
    known = ~targets.isnan()
    median = quantiles[known][:, MEDIAN]
    beside = targets[known] - median
    for lower in range(MEDIAN):
        upper = count - 1 - lower
        below, above = (median - quantiles[known][:, lower]), (quantiles[known][:, upper] - median)
        width = torch.where(beside < 0, below, above)
        ratios = (beside.abs() / width)[width > 0]
        if len(ratios) >= FEWEST:
            share = QUANTILES[upper] - QUANTILES[lower]
            found[lower] = found[upper] = torch.quantile(ratios, share).clamp(0.1, 10.0)
    return found


def mixed_spread(held: Tensor, learned: Tensor, wider: float, count: int) -> Tensor:
    """held^t · max(learned, wider)^(1 − t) with t = count / (count + 20): the spread of the quantiles.

    held, learned (Q,): the spread fitted to held-out futures, and to futures learned from. wider: how
    many times further the series moved in the rows learned from than in the held-out ones, which may
    be calm. count: held-out futures apart from each other; those that overlap tell little more than one.
    The fewer there are, the less they count, and the more it counts by how much the bands are known to
    be too narrow: because they do not hold even what was learned from, or because the end was calm.
    """
    trust = count / (count + TRUSTED)
    return held**trust * learned.clamp(min=wider) ** (1 - trust)


FEWEST, TRUSTED = 20, 20
"""Targets from which the spread of quantiles is fitted; futures of which the fit counts half."""
