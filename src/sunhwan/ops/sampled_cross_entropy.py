"""The cross-entropy of an output layer estimated from sampled tokens: O(R · samples), not O(R · V)."""

import math

import torch
from torch import Tensor
from torch.nn import functional


def sampled_cross_entropy(
    y: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, samples: int
) -> Tensor:
    r"""y (R, H), weight (V, H), bias (V), targets (R) → Σ_r, an estimate of `output_cross_entropy`.

    .. math:: \log \Big( e^{s_{\text{target}}} + \sum_{j \ne \text{target}} \frac{e^{s_j}}{K Q(j)}
              \Big) - s_{\text{target}}, \quad Q(k) = \frac{\log((k + 2) / (k + 1))}{\log(V + 1)}

    over K tokens j drawn from the log-uniform Q, the same for all rows: the sum inside the logarithm has
    the softmax's denominator as its mean (importance sampling: Bengio and Senécal 2003, Jean et al.
    2015). Ids by falling frequency make it vary little. The gradient of `weight` is sparse: its rows of
    the drawn tokens and the targets.
    """
    V = len(bias)
    uniform = torch.rand(samples, dtype=torch.float64, device=y.device)
    # The inverse of the distribution function log(k + 1) / log(V + 1).
    drawn = (uniform * math.log(V + 1)).exp().long().sub_(1).clamp_(0, V - 1)
    tokens, place = torch.unique(torch.cat((drawn, targets)), return_inverse=True)
    counts = torch.bincount(place[:samples], minlength=len(tokens)).to(y.dtype)
    q = torch.log1p(1 / (tokens + 1).double()) / math.log(V + 1)
    weights = (counts / (samples * q)).log().to(y.dtype)  # −∞ of a target that was not drawn
    right = place[samples:].unsqueeze(1)
    scores = functional.linear(
        y, functional.embedding(tokens, weight, sparse=True), bias.index_select(0, tokens)
    )
    others = weights.expand_as(scores).scatter(1, right, 0.0)
    return functional.cross_entropy(scores + others, right.squeeze(1), reduction="sum")
