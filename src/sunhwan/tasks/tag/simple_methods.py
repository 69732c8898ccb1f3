"""Baselines of tagging: the most frequent label, of all or of the word or its ending."""

import math
from collections.abc import Sequence

from sunhwan.baselines.labels import majority
from sunhwan.baselines.tags import FrequentTags
from sunhwan.tasks.common.examples import Example
from sunhwan.tasks.common.results import Baselines, Scores
from sunhwan.tasks.tag.scores import TaggedSequences, TagScores
from sunhwan.tasks.tag.tag_columns import tags_of


def simple_methods(
    train: Sequence[Example],
    data: Sequence[Example],
    scores: Scores,
    labels: Sequence[str],
    *,
    words: bool,
) -> Baselines:
    """What they reach in the first column; words: that is what is tagged."""
    known, asked = (
        [(example.raw[:-1], tags_of(example.raw[-1])[0]) for example in some]
        for some in (train, data)
    )
    most = majority([tag for _, tags in known for tag in tags], 1)
    methods = {"the most frequent label": [most * len(tags) for _, tags in asked]}
    if words:
        tagger = FrequentTags(known)
        methods["the most frequent label of the word or its ending"] = [
            [tagger.tag(word) for word in some] for some, _ in asked
        ]
    are, own_figures = [tags for _, tags in asked], scores.to_dict()
    figures = tuple(name for name in ("entity_f1", "accuracy") if name in own_figures)
    found: dict[str, dict[str, float]] = {}
    for name, said in methods.items():
        of = TagScores.of(TaggedSequences(labels, are, said), math.nan).to_dict()
        found[name] = {figure: of[figure] for figure in figures}
    return Baselines(figures, {figure: own_figures[figure] for figure in figures}, found)
