"""Attention: which steps of a sequence a query reads, and what it reads there."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from sunhwan.errors import ConfigError, ShapeError
from sunhwan.layers.observer import Observer

KINDS = ("additive", "dot", "general")


class Attended(NamedTuple):
    """Result of attention: context (N, K) and weights (N, S); with T queries (N, T, …)."""

    context: Tensor
    weights: Tensor


class PreparedKeys(NamedTuple):
    """Memory that all queries share: keys (N, S, K) and their projection, without what lies in padding."""

    keys: Tensor
    projected: Tensor
    padding: Tensor | None


def without_padding(values: Tensor, padding: Tensor | None) -> Tensor:
    """values (N, S, K) with 0 where padding (N, S) is true, whatever was there."""
    return values if padding is None else torch.where(padding.unsqueeze(-1), 0, values)


def masked_softmax(scores: Tensor, padding: Tensor | None) -> Tensor:
    """Softmax over the last dimension of scores (…, S) without the steps where padding is true.

    They get weight 0; a row of nothing but padding gets weights 0, and no gradient.
    """
    if padding is None:
        return torch.softmax(scores, -1)
    # A row of −∞ alone would be NaN, and so would its gradient.
    nothing = padding.all(-1, keepdim=True)
    scores = scores.masked_fill(padding, -torch.inf).masked_fill(nothing, 0)
    return torch.softmax(scores, -1).masked_fill(padding, 0)


class Attention(nn.Module):
    r"""The mean of the keys, weighted by how well each fits a query.

    .. math:: a_s = \mathrm{softmax}_s \, \mathrm{score}(q, k_s), \quad
              \text{context} = \sum_s a_s k_s

    where the score of kind

    - "additive" is v · tanh(W_q q + W_k k + b) (Bahdanau et al. 2015): a hidden layer of `size`
      units, for query and key of any sizes; it costs the most;
    - "dot" is q · k (Luong et al. 2015): no parameters, query and key of one size;
    - "general" is qᵀ W k (Luong et al. 2015): of any sizes, as cheap as "dot" for each query.

    A step that is padding has weight 0 and is not looked at: it may hold NaN. A row of nothing but
    padding gives context 0 and weights 0.

    One query after the other (the next depends on what was read), `prepare` once and `attend` each
    time; all at once, call the module itself.

    Args:
        kind: one of `KINDS`.
        query_size, key_size: Q, K.
        size: of additive's hidden layer; Q by default.

    Raises ConfigError for sizes and kinds that do not fit, ShapeError for such tensors.
    """

    _observers: tuple[Observer, ...] = ()

    def __init__(self, kind: str, query_size: int, key_size: int, size: int | None = None) -> None:
        super().__init__()
        if kind not in KINDS:
            raise ConfigError(f"attention {kind!r} must be one of {', '.join(KINDS)}")
        if min(query_size, key_size, 1 if size is None else size) < 1:
            raise ConfigError(
                f"query_size {query_size}, key_size {key_size} and size {size} of an attention "
                "must each be at least 1"
            )
        if kind == "dot" and query_size != key_size:
            raise ConfigError(
                f"attention 'dot' needs query and key of one size, not {query_size} and "
                f"{key_size}: take 'general', or 'additive'"
            )
        if kind != "additive" and size is not None:
            raise ConfigError(f"attention {kind!r} has no hidden layer: size is for 'additive'")
        self.kind, self.query_size, self.key_size = kind, query_size, key_size
        if kind == "additive":
            hidden = query_size if size is None else size
            self.query = nn.Linear(query_size, hidden)
            self.key = nn.Linear(key_size, hidden, bias=False)
            self.score = nn.Linear(hidden, 1, bias=False)
            nn.init.zeros_(self.query.bias)
        elif kind == "general":
            self.key = nn.Linear(key_size, query_size, bias=False)
        for layer in self.children():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)

    def project(self, keys: Tensor) -> Tensor:
        """keys (N, S, K) → what a score needs of them, the same for every query: W_k k, W k or k.

        Of padding with NaN the parameters' gradient would be NaN: there, use `prepare`.
        """
        self._check(keys, None)
        projected: Tensor = keys if self.kind == "dot" else self.key(keys)
        return projected

    def prepare(self, keys: Tensor, padding: Tensor | None = None) -> PreparedKeys:
        """keys (N, S, K), padding (N, S) bool, true where no step is → what `attend` reads."""
        self._check(keys, padding)
        keys = without_padding(keys, padding)
        return PreparedKeys(keys, self.project(keys), padding)

    def attend(self, query: Tensor, prepared: PreparedKeys) -> Attended:
        """query (N, Q) → context (N, K), weights (N, S); (N, T, Q) → (N, T, K), (N, T, S)."""
        Q = self.query_size
        if query.dim() not in (2, 3) or query.shape[-1] != Q:
            raise ShapeError(
                f"query has shape {tuple(query.shape)}, but (N, {Q}) or (N, T, {Q}) is needed"
            )
        keys, projected, padding = prepared
        if len(query) != len(keys):
            raise ShapeError(f"there are {len(query)} rows of queries for {len(keys)} of keys")
        one = query.dim() == 2
        # Under autocast a product has fewer digits than a softmax needs.
        scores = self._scores(query.unsqueeze(1) if one else query, projected).to(keys.dtype)
        weights = masked_softmax(scores, None if padding is None else padding.unsqueeze(1))
        context = torch.matmul(weights, keys).to(keys.dtype)
        if one:
            context, weights = context.squeeze(1), weights.squeeze(1)
        found = Attended(context, weights)
        for observer in self._observers:
            observer.calls.append(found)
        return found

    def forward(
        self,
        query: Tensor,
        keys: Tensor,
        projected: Tensor | None = None,
        padding: Tensor | None = None,
    ) -> Attended:
        """query (N, Q), keys (N, S, K), padding (N, S) → context (N, K), weights (N, S).

        query (N, T, Q) gives context (N, T, K) and weights (N, T, S), T queries of the same keys;
        "additive" then holds N · T · S · size numbers.
        projected: from `project`; made here by default.
        """
        if projected is None:
            return self.attend(query, self.prepare(keys, padding))
        self._check(keys, padding)
        if projected.shape[:-1] != keys.shape[:-1]:
            raise ShapeError(
                f"projected has shape {tuple(projected.shape)} and keys {tuple(keys.shape)}: "
                "it must be project(keys)"
            )
        keys, projected = (without_padding(values, padding) for values in (keys, projected))
        return self.attend(query, PreparedKeys(keys, projected, padding))

    def _scores(self, query: Tensor, projected: Tensor) -> Tensor:
        """query (N, T, Q), projected (N, S, …) → (N, T, S)."""
        if self.kind != "additive":
            return torch.matmul(query, projected.transpose(1, 2))
        hidden = torch.tanh(self.query(query).unsqueeze(2) + projected.unsqueeze(1))
        scores: Tensor = self.score(hidden).squeeze(-1)
        return scores

    def _check(self, keys: Tensor, padding: Tensor | None) -> None:
        if keys.dim() != 3 or keys.shape[2] != self.key_size:
            raise ShapeError(
                f"keys have shape {tuple(keys.shape)}, but (N, S, {self.key_size}) is needed: "
                "batch rows, time steps of the source, key size"
            )
        if padding is not None and (padding.shape != keys.shape[:2] or padding.dtype != torch.bool):
            raise ShapeError(
                f"padding must be truth values of shape {tuple(keys.shape[:2])}, one a step, not "
                f"{padding.dtype} of shape {tuple(padding.shape)}"
            )
