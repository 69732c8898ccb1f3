"""A linear-chain conditional random field: the best labels of a sequence, judged together."""

import re
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from sunhwan.errors import ConfigError, DataError, ShapeError
from sunhwan.layers.sequences import is_padding, zero_padded

NEVER = -1e30
"""The score of what is forbidden. −∞ would make NaN of the gradient of a label that cannot be reached."""


class CRF(nn.Module):
    r"""p(labels | emissions) with a score for every pair of neighbours (Lafferty et al. 2001).

    .. math:: s(y) = \text{start}_{y_1} + \sum_t e_{t, y_t} + \sum_{t>1} A_{y_{t-1}, y_t}
              + \text{end}_{y_T}, \qquad \log p(y) = s(y) - \log \sum_{y'} \exp s(y')

    The output layer of a tagger above a bidirectional LSTM (Huang et al. 2015; Lample et al. 2016),
    whose outputs are the emissions e. A, start and end begin at 0, where labels are independent.

    What is forbidden binds `decode`, `marginals` and by default `log_partition`; it does not bind
    the likelihood, since there may be faults among the targets, whose loss would have no bound.

    What lies behind a row's end changes nothing. A row without steps has one labelling, the empty
    one: likelihood 1.

    Args:
        labels: L.
        forbidden: (L, L) bool, true at [i, j] where j cannot follow i; see `bio_constraints`.
        forbidden_start: (L) bool, true where a sequence cannot begin.

    Raises ConfigError for unusable options, ShapeError for tensors of the wrong shape, DataError
    for targets that are no labels.
    """

    def __init__(
        self,
        labels: int,
        forbidden: Tensor | None = None,
        forbidden_start: Tensor | None = None,
    ) -> None:
        super().__init__()
        if labels < 1:
            raise ConfigError(f"a CRF needs at least 1 label, not {labels}")
        self.labels = labels
        self.transitions = nn.Parameter(torch.zeros(labels, labels))
        self.start = nn.Parameter(torch.zeros(labels))
        self.end = nn.Parameter(torch.zeros(labels))
        pairs = self._mask(forbidden, "forbidden", labels, labels)
        first = self._mask(forbidden_start, "forbidden_start", labels)
        _check_possible(pairs, first)
        # Not saved: they follow from the names of the labels.
        self.register_buffer("forbidden", pairs, persistent=False)
        self.register_buffer("forbidden_start", first, persistent=False)

    def negative_log_likelihood(
        self,
        emissions: Tensor,
        targets: Tensor,
        lengths: Tensor | Sequence[int] | None = None,
    ) -> Tensor:
        """emissions (N, T, L), targets (N, T) whole numbers → −log p(targets) (N), nothing forbidden.

        lengths: how many steps of each row are real, (N), or a mask (N, T); all by default.
        """
        if targets.shape != emissions.shape[:2] or targets.is_floating_point():
            raise ShapeError(
                f"targets must be whole numbers of shape {tuple(emissions.shape[:2])}, not "
                f"{targets.dtype} of shape {tuple(targets.shape)}"
            )
        e, real = self._checked(emissions, lengths)
        targets = functional.pad(targets.long(), (0, e.shape[1] - targets.shape[1]))
        targets = torch.where(is_padding(e.shape[1], real).T, 0, targets)
        if bool(((targets < 0) | (targets >= self.labels)).any()):
            raise DataError(
                f"targets must lie between 0 and {self.labels - 1}, and these lie between "
                f"{int(targets.min())} and {int(targets.max())}"
            )
        start, transitions, end = self._scores(constrained=False)
        score = path_score(e, targets, real, start, transitions, end)
        return log_partition(e, real, start, transitions, end) - score

    def log_partition(
        self,
        emissions: Tensor,
        lengths: Tensor | Sequence[int] | None = None,
        *,
        constrained: bool = True,
    ) -> Tensor:
        """emissions (N, T, L) → log Σ_y exp s(y) (N), over all y that are allowed, or over all."""
        return log_partition(*self._checked(emissions, lengths), *self._scores(constrained))

    @torch.no_grad()
    def decode(self, emissions: Tensor, lengths: Tensor | Sequence[int] | None = None) -> Tensor:
        """emissions (N, T, L) → the labels with the largest score (N, T), 0 in padding.

        Nothing forbidden is among them (Viterbi 1967).
        """
        e, real = self._checked(emissions, lengths)
        return best_path(e, real, *self._scores(constrained=True))[:, : emissions.shape[1]]

    def marginals(self, emissions: Tensor, lengths: Tensor | Sequence[int] | None = None) -> Tensor:
        """emissions (N, T, L) → p(y_t = l) (N, T, L), given that nothing forbidden occurs.

        They are the gradient of the log partition, and have none themselves; 0 in padding.
        """
        with torch.inference_mode(False), torch.enable_grad():
            e = emissions.detach().clone().requires_grad_()
            total = self.log_partition(e, lengths).sum()
            return torch.autograd.grad(total, e)[0]

    def _scores(self, constrained: bool) -> tuple[Tensor, Tensor, Tensor]:
        """start, transitions, end, as they score."""
        start, transitions, end = (
            p.to(_precise(p.dtype)) for p in (self.start, self.transitions, self.end)
        )
        if constrained:
            start = start.masked_fill(self.get_buffer("forbidden_start"), NEVER)
            transitions = transitions.masked_fill(self.get_buffer("forbidden"), NEVER)
        return start, transitions, end

    def _checked(
        self, emissions: Tensor, lengths: Tensor | Sequence[int] | None
    ) -> tuple[Tensor, Tensor]:
        """Emissions in enough digits with zeros for padding, one step at least, and lengths (N)."""
        if emissions.dim() != 3 or emissions.shape[2] != self.labels:
            raise ShapeError(
                f"emissions have shape {tuple(emissions.shape)}, but (N, T, {self.labels}) is "
                "needed: batch rows, time steps, labels"
            )
        return zero_padded(emissions.to(_precise(self.transitions.dtype)), lengths)

    @staticmethod
    def _mask(given: Tensor | None, name: str, *shape: int) -> Tensor:
        if given is None:
            return torch.zeros(shape, dtype=torch.bool)
        if given.shape != shape or given.dtype != torch.bool:
            raise ConfigError(
                f"{name} must be truth values of shape {shape}, not {given.dtype} of shape "
                f"{tuple(given.shape)}"
            )
        return given.detach().clone()


def bio_constraints(labels: Sequence[str]) -> tuple[Tensor, Tensor] | None:
    """What labels of the scheme BIO forbid: I-X follows B-X or I-X, and nothing else.

    → forbidden (L, L), true at [i, j] where j cannot follow i, and forbidden_start (L), as `CRF`
    takes them; None where the labels are not "O", "B-…" and "I-…" alone, or where an I-X has no
    B-X: there a span begins with I-X (the older scheme, IOB1).
    """
    if any(label != "O" and not re.match(r"[BI]-.", label) for label in labels):
        return None
    inside = [label[2:] if label.startswith("I-") else None for label in labels]
    if any(kind is not None and f"B-{kind}" not in labels for kind in inside):
        return None
    forbidden = [[k is not None and before[2:] != k for k in inside] for before in labels]
    return (
        torch.tensor(forbidden, dtype=torch.bool).view(len(labels), len(labels)),
        torch.tensor([kind is not None for kind in inside], dtype=torch.bool),
    )


def scheme_constraints(labels: Sequence[str], scheme: str) -> tuple[Tensor, Tensor]:
    """What a scheme of entity tags forbids (`data.tag_schemes`), as `CRF` takes it.

    A label that nothing could follow, for training has none that goes on with it, binds nothing.
    """
    from sunhwan.data.tag_schemes import may_follow  # here, for layers are imported without data

    allowed = [[may_follow(before, label, scheme) for label in labels] for before in labels]
    forbidden = [[any(row) and not may for may in row] for row in allowed]
    start = [may_follow("", label, scheme) for label in labels]
    return torch.tensor(forbidden), torch.tensor([any(start) and not may for may in start])


def log_partition(e: Tensor, lengths: Tensor, start: Tensor, A: Tensor, end: Tensor) -> Tensor:
    """e (N, T, L), lengths (N), start (L), A (L, L), end (L) → log Σ_y exp s(y) (N).

    α_t[j] = e_t[j] + log Σ_i exp(α_{t-1}[i] + A[i, j]), the forward algorithm.
    """
    first, *others = e.unbind(1)
    alpha = start + first
    for t, e_t in enumerate(others, 1):
        after = torch.logsumexp(alpha.unsqueeze(2) + A, 1) + e_t
        alpha = torch.where((t < lengths).unsqueeze(1), after, alpha)
    return torch.where(lengths > 0, torch.logsumexp(alpha + end, 1), 0)


def path_score(
    e: Tensor, labels: Tensor, lengths: Tensor, start: Tensor, A: Tensor, end: Tensor
) -> Tensor:
    """As `log_partition`, with labels (N, T) → s(labels) (N); e is 0 in padding."""
    T = e.shape[1]
    emitted = e.gather(2, labels.unsqueeze(2)).squeeze(2).sum(1)
    within = ~is_padding(T, lengths).T[:, 1:]
    moved = torch.where(within, A[labels[:, :-1], labels[:, 1:]], 0).sum(1)
    last = labels.gather(1, (lengths - 1).clamp(min=0).unsqueeze(1)).squeeze(1)
    return torch.where(lengths > 0, start[labels[:, 0]] + emitted + moved + end[last], 0)


def best_path(e: Tensor, lengths: Tensor, start: Tensor, A: Tensor, end: Tensor) -> Tensor:
    """As `log_partition`, the labels (N, T) with the largest score; 0 in padding."""
    first, *others = e.unbind(1)
    best = start + first
    stay = torch.arange(len(start), device=e.device).expand_as(best)
    origins = []
    for t, e_t in enumerate(others, 1):
        real = (t < lengths).unsqueeze(1)
        after, origin = (best.unsqueeze(2) + A).max(1)
        best = torch.where(real, after + e_t, best)
        origins.append(torch.where(real, origin, stay))
    path = [(best + end).argmax(1)]
    for origin in reversed(origins):
        path.append(origin.gather(1, path[-1].unsqueeze(1)).squeeze(1))
    return torch.stack(path[::-1], 1).masked_fill(is_padding(e.shape[1], lengths).T, 0)


def _precise(dtype: torch.dtype) -> torch.dtype:
    """Sums over all steps need more digits than half precision has."""
    return torch.promote_types(dtype, torch.float32)


def _check_possible(forbidden: Tensor, forbidden_start: Tensor) -> None:
    """ConfigError unless there is an allowed sequence of every length."""
    if forbidden.is_meta:
        return  # a model without values, of which the shapes alone are asked
    allowed = ~forbidden
    # Where one can go on for L steps, one comes by a label twice, and can go on for ever.
    goes_on = torch.ones_like(forbidden_start)
    for _ in range(len(goes_on)):
        goes_on = (allowed & goes_on).any(1)
    if not (goes_on & ~forbidden_start).any():
        raise ConfigError(
            "what is forbidden leaves no sequence of labels: allow a first label and, from there "
            "on, one to follow each"
        )
