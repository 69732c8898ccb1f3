"""N-gram language models: the modified Kneser-Ney estimate (Chen and Goodman 1998), unigrams its order 1.

Every n-gram of every order has a number, found by sorting, so that counting, discounting and asking are
operations on arrays.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Floats = NDArray[np.float64]

PIECE = 1 << 18  # tokens that are asked at once


class _Order(NamedTuple):
    """The n-grams of one order.

    keys: ascending, context · V + token, the context being a number of the order below. share: of each
    n-gram its discounted count as a share of its context's; left: by context the share that goes to the
    order below, 1 where nothing was seen after it.
    """

    keys: Ids
    share: Floats
    left: Floats


class KneserNey:
    """p(token | up to n − 1 tokens before it), every order's discounts mixed with the one below."""

    def __init__(self, ids: Ids, vocabulary_size: int, order: int = 5) -> None:
        """ids: the training text, at least one token, each below `vocabulary_size`."""
        self.size = vocabulary_size
        found: list[tuple[Ids, Ids, Ids]] = []
        previous = np.zeros(len(ids), np.int64)  # the only n-gram of order 0
        known = 1
        contexts: list[int] = []
        for k in range(1, min(order, len(ids)) + 1):
            context, tokens = (previous[:-1], ids[k - 1 :]) if k > 1 else (previous, ids)
            keys, places, numbers, counts = np.unique(
                context * vocabulary_size + tokens, True, True, True
            )
            # Of each n-gram the one without its first token.
            endings = previous[1:][places] if k > 1 else np.zeros_like(keys)
            found.append((keys, counts, endings))
            contexts.append(known)
            previous, known = numbers.ravel(), len(keys)
        self.orders = []
        for k, (keys, counts, _) in enumerate(found):
            if k + 1 < len(found):
                # Below the highest order it counts after how many tokens an n-gram was seen; what
                # begins the text was seen after none, and counts once.
                counts = np.maximum(np.bincount(found[k + 1][2], minlength=len(keys)), 1)
            self.orders.append(_discounted(keys, counts, contexts[k], vocabulary_size))

    def loss(self, ids: Callable[[slice], Ids], places: Ids) -> float:
        """−log p in nats, averaged over some places of a text, in memory that does not grow with it.

        ids: its tokens from one place to another. places: ascending, at least one.
        """
        total = 0.0
        reach = len(self.orders) - 1
        for begin in range(int(places[0]), int(places[-1]) + 1, PIECE):
            first, last = np.searchsorted(places, (begin, begin + PIECE))
            if first == last:
                continue
            start = max(begin - reach, 0)
            log_p = self.log_probabilities(ids(slice(start, begin + PIECE)))
            total -= float(log_p[places[first:last] - start].sum())
        return total / len(places)

    def log_probabilities(self, ids: Ids) -> Floats:
        """log p of each token of a text after those before it."""
        p = np.full(len(ids), 1 / self.size)
        previous = np.zeros(
            len(ids), np.int64
        )  # of each place the n-gram of the order below; −1: unseen
        for k, order in enumerate(self.orders):
            context = previous if k == 0 else np.append(np.full(1, -1), previous[:-1])
            keys = context * self.size + ids
            places = np.minimum(np.searchsorted(order.keys, keys), len(order.keys) - 1)
            seen = (context >= 0) & (order.keys[places] == keys)
            left = np.where(context >= 0, order.left[np.maximum(context, 0)], 1.0)
            p = np.where(seen, order.share[places], 0.0) + left * p
            previous = np.where(seen, places, -1)
        log_p: Floats = np.log(p)
        return log_p


def _discounted(keys: Ids, counts: Ids, contexts: int, size: int) -> _Order:
    of = keys // size
    totals = np.bincount(of, counts, contexts)
    occurs = [int((counts == c).sum()) for c in (1, 2, 3, 4)]
    if all(occurs):
        y = occurs[0] / (occurs[0] + 2 * occurs[1])
        discounts = [c - (c + 1) * y * occurs[c] / occurs[c - 1] for c in (1, 2, 3)]
    else:  # too few n-grams for three of them
        discounts = [0.5, 0.75, 0.9]
    # More than nothing, so that something is left for the order below, and less than the count.
    taken = np.clip([0.0, *discounts], [0.0, 0.05, 0.05, 0.05], [0.0, 0.95, 1.9, 2.9])
    discount = taken[np.minimum(counts, 3)]
    left = np.where(totals > 0, np.bincount(of, discount, contexts) / np.maximum(totals, 1), 1.0)
    return _Order(keys, (counts - discount) / totals[of], left)
