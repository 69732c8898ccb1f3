"""Simple language models beside a recurrent one: n-grams, and a window network that is trained."""

from torch import Tensor

from sunhwan.baselines import window
from sunhwan.baselines.ngrams import KneserNey
from sunhwan.data import Tokens
from sunhwan.metrics import Scores
from sunhwan.tasks.common.results import Baselines, Budget

LEARNED = 2_000_000
"""Of a longer training text they read only the first tokens: n-grams take some seconds and 500 MB."""
MOST_COMPARED = 10_000_000
"""Tokens of a text that they are asked about at once."""
FIGURES = ("perplexity", "bits_per_character")


def beside_ngrams(
    train: Tokens, data: Tokens, scores: Scores, places: Tensor, vocabulary_size: int
) -> Baselines:
    """Unigrams and Kneser-Ney 5-grams at some places of a text, beside the model's scores there."""
    ids = train.ids[:LEARNED].numpy()
    methods = {}
    for name, order in (("unigrams", 1), ("Kneser-Ney 5-grams", 5)):
        model = KneserNey(ids, vocabulary_size, order)
        loss = model.loss(lambda part: data.ids[part].numpy(), places.numpy())
        methods[name] = figures(scores._replace(loss=loss))
    notes: tuple[str, ...] = ()
    if len(ids) < len(train.ids):
        notes = (f"n-grams were counted in the first {len(ids):,} of {len(train.ids):,} tokens",)
    return Baselines(FIGURES, figures(scores), methods, lower=True, notes=notes)


def beside_window(
    train: Tokens,
    data: Tokens,
    scores: Scores,
    places: Tensor,
    vocabulary_size: int,
    budget: Budget,
) -> dict[str, dict[str, float]]:
    """A window network of so many parameters and steps, at the same places."""
    ids, starts = train.ids[:LEARNED], train.starts[train.starts < LEARNED]
    network = window.fit(ids, starts, vocabulary_size, **budget._asdict())
    loss = window.loss(network, data.ids[:], data.starts, places)
    return {f"a window of {network.n} tokens": figures(scores._replace(loss=loss))}


def figures(scores: Scores) -> dict[str, float]:
    """Those of a language model that are compared."""
    found = scores.to_dict()
    return {name: found[name] for name in FIGURES}
