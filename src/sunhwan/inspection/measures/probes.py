"""Probes: the single unit that correlates most with a feature of the text, against chance."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sunhwan.errors import UsageError
from sunhwan.inspection.features import Feature
from sunhwan.inspection.features.feature import Kind, Values
from sunhwan.inspection.measures.correlations import Unit, chosen_values, correlations, units_of
from sunhwan.inspection.measures.detection import Detection, best_threshold, detection
from sunhwan.inspection.measures.probe_baselines import chance_of, untrained
from sunhwan.inspection.measures.probe_targets import ProbeTarget, probe_targets
from sunhwan.inspection.measures.state_reader import Selection, select_steps
from sunhwan.inspection.progress import Progress, no_progress
from sunhwan.inspection.subjects import Passage, Subject

LIMIT, TWIN_LIMIT = 400_000, 50_000
"""Steps that the model reads, and of them those that each untrained twin reads too."""
RARE = 30
"""Steps of a half that must differ from the usual value, for a feature to be looked for."""
RUNNERS_UP = 4
MOVED = 0.1, 0.9
"""By which share of a half a feature is moved against the states, to be a control."""


class RunnerUp(NamedTuple):
    """A unit that tells nearly as much as the best one; its score on the held-out half."""

    unit: Unit
    score: float


@dataclass(frozen=True)
class ProbeResult:
    """The unit that tells most of a feature.

    feature, korean, kind: of the feature. stack, layer, direction, field, index: as in `Unit`.
    score: its correlation with the feature on the held-out half, positive if of the same sign as
    when chosen; chosen_score: on the half on which it was chosen. chance: what no control reaches.
    passed: whether score is over chance, also on the steps that the untrained networks read.
    sign: 1, or −1 where low values mean the feature. threshold: of a binary feature, the value
    beyond which the unit means it; found: what that threshold finds on the held-out half, among the
    steps that the untrained networks read. share: of a binary feature, the share of steps with it.
    runners_up: the units chosen next.
    """

    feature: str
    korean: str
    kind: Kind
    stack: str
    layer: int
    direction: str
    field: str
    index: int
    score: float
    chosen_score: float
    chance: float
    passed: bool
    sign: int
    threshold: float | None
    found: Detection | None
    share: float | None
    runners_up: tuple[RunnerUp, ...]

    @property
    def unit(self) -> Unit:
        """Which unit it is."""
        return Unit(self.stack, self.layer, self.direction, self.field, self.index)


class Probes(NamedTuple):
    """Results of the probes, those that passed first, by how far they lie over chance.

    skipped: features that were not looked for, and why. units: how many were read. tokens: steps
    that the model read. share: of each binary feature, the share of steps with it.
    """

    results: tuple[ProbeResult, ...]
    skipped: dict[str, str]
    share: dict[str, float]
    units: int
    tokens: int
    seconds: float

    def best(self, feature: str) -> ProbeResult:
        """The result of a feature; KeyError where it was not looked for."""
        for result in self.results:
            if result.feature == feature:
                return result
        raise KeyError(feature)


def probe(
    subject: Subject,
    passages: Sequence[Passage],
    *,
    features: Iterable[Feature] | None = None,
    limit: int = LIMIT,
    controls: int = 4,
    seed: int = 1,
    progress: Progress = no_progress,
) -> Probes:
    """The unit of the first stack that correlates most with each feature (default: `FEATURES`).

    Of at most about `limit` steps the first half of the rows chooses the unit, the second one scores
    it. Controls, `controls` of each kind, say what is chance: the feature moved against the states
    by a random distance, which keeps how it goes on and ends; and untrained networks of the same
    configuration, for many a feature can be read off random weights. Of each the best unit of all
    counts. A tagger's labels are features too.

    Karpathy et al. 2015; controls after Hewitt and Liang 2019. UsageError: too few controls.
    """
    if controls < 2:
        raise UsageError(f"{controls} controls say nothing of chance: take 2 or more")
    began, rng = time.perf_counter(), np.random.default_rng(seed)
    stretches = select_steps(subject, passages, limit)
    part, of_part = stretches.part(TWIN_LIMIT)
    columns, skipped = list[ProbeTarget](), dict[str, str]()
    for whole in probe_targets(subject, passages, features):
        column = whole._replace(values=whole.values[stretches.steps])
        reason = _too_even(column.values, stretches) or _too_even(column.values[of_part], part)
        if reason:
            skipped[column.name] = reason
        else:
            columns.append(column)
    units = units_of(subject.main, subject.recurrents[subject.main])
    done, work = 0, len(stretches.steps) + (controls + 1) * len(part.steps)

    def read(steps: int) -> None:
        nonlocal done
        done += steps
        progress(min(done / work, 1))

    results = list[ProbeResult]()
    if columns:
        targets = np.stack([column.values for column in columns], 1)
        shifts = [0.0, *rng.uniform(*MOVED, controls).tolist()]
        (chosen, *_), (held_out, *moved) = correlations(subject, stretches, targets, shifts, read)
        twins = (untrained(subject, int(twin)) for twin in rng.integers(2**31, size=controls))
        random = [correlations(t, part, targets[of_part], read=read)[1, 0] for t in twins]
        chance = chance_of([np.abs(control).max(-1) for control in (moved, random)])
        order = np.argsort(-abs(chosen), 1, kind="stable")[:, : 1 + RUNNERS_UP]
        values = chosen_values(subject, part, order[:, 0].tolist(), read)
        for k, column in enumerate(columns):
            scores = _Scores(order[k].tolist(), chosen[k], held_out[k], float(chance[k]))
            result = _result(column, units, scores)
            results.append(_detected(result, part, values[:, k], column.values[of_part]))
        results.sort(key=lambda result: (not result.passed, result.chance - result.score))
    progress(1.0)
    return Probes(
        tuple(results),
        skipped,
        {result.feature: result.share for result in results if result.share is not None},
        len(units),
        len(stretches.steps),
        time.perf_counter() - began,
    )


def _too_even(values: Values, stretches: Selection) -> str:
    """Why a feature cannot be judged on these steps, "" where it can."""
    halves = [values[half] for half in stretches.halves()]
    usual = (np.unique(half, return_counts=True)[1].max(initial=0) for half in halves)
    rare = min(len(half) - int(count) for half, count in zip(halves, usual, strict=True))
    if rare >= RARE:
        return ""
    often = f"has another value than usual at only {rare} steps" if rare else "is constant"
    return f"it {often} in a half of the text; {RARE} steps are needed"


class _Scores(NamedTuple):
    """Of a feature: the best units, their places in order; all units' correlations by half; chance."""

    order: list[int]
    chosen: NDArray[np.float64]
    held_out: NDArray[np.float64]
    chance: float

    def of(self, unit: int) -> float:
        """The score on the held-out half, positive where the sign is that of the choosing half."""
        return float(np.copysign(1, self.chosen[unit]) * self.held_out[unit])


def _result(column: ProbeTarget, units: Sequence[Unit], scores: _Scores) -> ProbeResult:
    best, *others = scores.order
    unit, score = units[best], scores.of(best)
    return ProbeResult(
        feature=column.name,
        korean=column.korean,
        kind=column.kind,
        stack=unit.stack,
        layer=unit.layer,
        direction=unit.direction,
        field=unit.field,
        index=unit.index,
        score=score,
        chosen_score=float(abs(scores.chosen[best])),
        chance=scores.chance,
        passed=score > scores.chance,
        sign=1 if scores.chosen[best] >= 0 else -1,
        threshold=None,
        found=None,
        share=float(column.values.mean()) if column.kind == "binary" else None,
        runners_up=tuple(RunnerUp(units[other], scores.of(other)) for other in others),
    )


def _detected(result: ProbeResult, part: Selection, values: Values, truth: Values) -> ProbeResult:
    """The result with its threshold, held against chance where the untrained networks were too.

    values: of the unit at the part's steps; truth: the feature's.
    """
    choosing, testing = part.halves()
    signed = result.sign * values.astype(np.float64)
    alike = np.corrcoef(signed[testing], truth[testing])[0, 1] if np.ptp(signed[testing]) else 0.0
    passed = bool(result.passed and alike > result.chance)
    if result.kind == "numeric":
        return replace(result, passed=passed)
    is_so = truth > 0
    threshold = best_threshold(signed[choosing], is_so[choosing])
    found = detection(signed[testing], is_so[testing], threshold)
    return replace(result, passed=passed, threshold=result.sign * threshold, found=found)
