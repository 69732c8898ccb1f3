"""Neural cache (Grave et al. 2017): what followed similar outputs before is likelier."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from sunhwan.cells import State


class Cache(NamedTuple):
    """Neural cache: λ, the share of its distribution; θ, its flatness; how many tokens it holds."""

    share: float = 0.1
    flatness: float = 0.3
    size: int = 2000


class ReadState(NamedTuple):
    """State of a text on its way: the model's, and outputs (n, H) with the token (n) that followed each.

    y: the last output (H), whose token is still to come.
    """

    recurrent: Sequence[State] | None = None
    keys: Tensor | None = None
    tokens: Tensor | None = None
    y: Tensor | None = None


def with_cache(
    cache: Cache, ids: Tensor, y: Tensor, log_p: Tensor, state: ReadState
) -> tuple[Tensor, ReadState]:
    """p = (1 − λ) p_model + λ Σ_{i<t} softmax_i(θ y_tᵀ y_i) · onehot(token after i), and the state.

    ids (T), y (T, H), log_p (T, V) of the model, which is overwritten; state: before them.
    """
    waiting = y[:0] if state.y is None else state.y.unsqueeze(0)
    keys = torch.cat((y[:0] if state.keys is None else state.keys, waiting, y[:-1]))
    followed = ids[1:] if state.y is None else ids
    tokens = followed if state.tokens is None else torch.cat((state.tokens, followed))
    now = len(keys) - len(y) + 1 + torch.arange(len(y), device=y.device).unsqueeze(1)
    place = torch.arange(len(keys), device=y.device)
    known = (place < now) & (place >= now - cache.size)
    scores = (cache.flatness * y @ keys.T).masked_fill_(~known, -math.inf)
    weights = torch.softmax(scores, 1).nan_to_num_(0.0)  # where nothing is known yet: none
    share = cache.share * known.any(1, keepdim=True)
    # Only columns of tokens that the cache holds are more than (1 − λ) p_model.
    held, column = torch.unique(tokens, return_inverse=True)
    cached = y.new_zeros(len(y), len(held)).scatter_add_(1, column.expand_as(weights), weights)
    log_p += torch.log1p(-share)
    log_p[:, held] = torch.logaddexp(log_p[:, held], (share * cached).log_())
    keys, tokens = keys[-cache.size :], tokens[-cache.size :]
    return log_p, state._replace(keys=keys, tokens=tokens, y=y[-1])
