"""Probe targets: the value of each feature, and of each label, at every step."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sunhwan.inspection.features import FEATURES, Feature
from sunhwan.inspection.features.feature import Kind, Values
from sunhwan.inspection.subjects import Passage, Subject
from sunhwan.messages import LANGUAGES, message


class ProbeTarget(NamedTuple):
    """A feature's value at each step of all passages."""

    name: str
    korean: str
    kind: Kind
    values: Values


def probe_targets(
    subject: Subject, passages: Sequence[Passage], features: Iterable[Feature] | None = None
) -> Iterable[ProbeTarget]:
    """Each feature's values at all steps: at a step that ends characters, at the last of them.

    At a step that ends none, the value at the character it is part of; blanks behind a word belong
    to no step. Passages are apart by an empty line.
    """
    text, places = _characters(passages)
    for feature in FEATURES.values() if features is None else features:
        values = feature.of(text)
        at_steps = values[places] if len(values) else np.zeros(len(places), np.float32)
        yield ProbeTarget(feature.name, feature.korean, feature.kind, at_steps)
    labels = np.array(subject.step_labels(passages))
    for label in sorted(set(labels.tolist())):
        is_it = (labels == label).astype(np.float32)
        english, korean = (message("report", "probes.label", one, label=label) for one in LANGUAGES)
        yield ProbeTarget(english, korean, "binary", is_it)


def _characters(passages: Sequence[Passage]) -> tuple[str, NDArray[np.int64]]:
    """The text of all passages, and the character in it of each of their steps."""
    gap = "\n\n"
    pieces = [piece for passage in passages for piece in passage.pieces]
    lengths = np.array([len(piece) for piece in pieces], np.int64)
    solid = np.array([len(piece.rstrip(" ")) for piece in pieces], np.int64)
    ends = np.cumsum(lengths) - lengths + np.where(solid > 0, solid, lengths) - 1
    steps = [len(passage.pieces) for passage in passages]
    gaps = len(gap) * np.repeat(np.arange(len(passages)), steps)
    text = gap.join("".join(passage.pieces) for passage in passages)
    return text, np.clip(ends + gaps, 0, max(len(text) - 1, 0))
