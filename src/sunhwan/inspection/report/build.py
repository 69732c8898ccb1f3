"""Builder of a report: every measure of a trained run, section by section."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from sunhwan import __version__
from sunhwan.config import Config
from sunhwan.errors import SunhwanError, UsageError
from sunhwan.inspection.features import FEATURES, Feature
from sunhwan.inspection.measures.chosen_predictions import choose_predictions
from sunhwan.inspection.measures.clipping import clipping
from sunhwan.inspection.measures.excerpt import excerpt, varied
from sunhwan.inspection.measures.gradient_flow import Flow, gradient_flow
from sunhwan.inspection.measures.lag_influence import lag_influence
from sunhwan.inspection.measures.memory_use import memory_use
from sunhwan.inspection.measures.probes import ProbeResult, Probes, probe
from sunhwan.inspection.measures.spectrum import Spectrum, spectrum, spectrum_history
from sunhwan.inspection.measures.traces import Trace, trace
from sunhwan.inspection.measures.unrolling import unrolled
from sunhwan.inspection.progress import Progress, no_progress
from sunhwan.inspection.report.contents import About, InspectionLimits, LayerFacts, Report
from sunhwan.inspection.subjects import Passage, Subject, subject_of
from sunhwan.store import Run, load_model

SectionProgress = Callable[[str, float], None]
"""Told the key of the section at work and which share, 0 … 1, of everything is done."""

SHOWN_FEATURES = 12
"""At most so many features are shown in the text."""

TRACED = 4
"""At most so many layers are traced."""

SECTIONS = {
    "flow": 0.15,
    "memory": 0.25,
    "spectrum": 0.12,
    "probes": 0.36,
    "excerpt": 0.02,
    "traces": 0.02,
    "attribution": 0.05,
    "lags": 0.02,
    "unrolled": 0.01,
}
"""The sections in the order of work, with the share of the time that each takes."""

OF_TEXT, OF_SERIES = ("probes", "excerpt", "attribution"), ("lags",)
"""Sections that only a model of texts has, and only one that forecasts."""


def inspect(
    folder: Path,
    text: Sequence[Path] = (),
    *,
    others: Sequence[Path] = (),
    features: Sequence[Feature] = (),
    limits: InspectionLimits | None = None,
    progress: SectionProgress = lambda section, done: None,
) -> Report:
    """Look into the model of a run folder, or of a model folder if a text is given.

    text: files to read; none: what the run kept for validation. others: runs whose gradient flow is
    measured beside it. features: to probe for, besides those of FEATURES.

    Raises UsageError for a model that reads no sequence, or when there is no text.
    """
    limits = limits or InspectionLimits()
    compared = {other: _subject(other) for other in others}
    subject, config = _subject(folder)
    passages = _passages(subject, config, folder, text)
    return _Work(folder, subject, config, passages, limits, progress).report(
        [*FEATURES.values(), *features], compared, text
    )


Found = TypeVar("Found")

Compared = Mapping[Path, tuple[Subject, Config | None]]
"""Models of other runs, with their configurations."""


class _Work:
    """The sections one by one: what fails for a stated reason is left out."""

    def __init__(
        self,
        folder: Path,
        subject: Subject,
        config: Config | None,
        passages: list[Passage],
        limits: InspectionLimits,
        progress: SectionProgress,
    ) -> None:
        self.folder, self.subject, self.config = folder, subject, config
        self.passages, self.limits, self._progress = passages, limits, progress
        self.missing: dict[str, str] = {}
        self.seconds: dict[str, float] = {}

    def report(self, features: list[Feature], others: Compared, text: Sequence[Path]) -> Report:
        subject, passages, limits = self.subject, self.passages, self.limits
        flow = self._section("flow", self._flow)
        flows = self._others(others, text)
        clipped = self._section("clipping", lambda _: clipping(Run.open(self.folder)))
        memory = self._section(
            "memory",
            lambda told: memory_use(
                subject,
                passages,
                contexts=limits.contexts,
                positions=limits.positions,
                progress=told,
            ),
        )
        spectra = self._section("spectrum", self._spectrum)
        probes = self._section(
            "probes",
            lambda told: probe(
                subject, passages, features=features, limit=limits.tokens, progress=told
            ),
        )
        best = _best(probes)
        of_interest = [f for f in features if f.name in {one.feature for one in best}]
        cut = self._section(
            "excerpt",
            lambda _: excerpt(subject, varied(subject, passages, of_interest, 900), best),
        )
        traces = self._section("traces", lambda _: self._traces(of_interest))
        attribution = self._section(
            "attribution",
            lambda told: choose_predictions(subject, self._asked_about(), progress=told),
        )
        lags = self._section("lags", lambda told: lag_influence(subject, passages, progress=told))
        rolled = self._section("unrolled", lambda _: unrolled(subject, self._configured()))
        return Report(
            self._about(), flow, flows, clipped, memory, spectra, probes, cut, traces, attribution,
            rolled, lags, self.missing,
        )  # fmt: skip

    def _section(self, name: str, find: Callable[[Progress], Found]) -> Found | None:
        if name in (OF_TEXT if self.subject.as_forecaster() else OF_SERIES):
            return None
        names = list(SECTIONS)
        before = sum(list(SECTIONS.values())[: names.index(name)]) if name in names else 0.0
        share = SECTIONS.get(name, 0.0)

        def told(done: float) -> None:
            if name in names:
                self._progress(name, before + share * min(done, 1.0))

        begun = time.perf_counter()
        told(0.0)
        try:
            return find(told)
        except SunhwanError as error:
            self.missing[name] = str(error)
            return None
        finally:
            self.seconds[name] = round(time.perf_counter() - begun, 2)

    def _flow(self, told: Progress) -> Flow:
        return _flow(self.subject, self.passages, self.limits, told)

    def _others(self, others: Compared, text: Sequence[Path]) -> dict[str, Flow]:
        found = {}
        for folder, (subject, config) in others.items():
            passages = _passages(subject, config, folder, text)
            name = _name(folder)
            while name in found or name == _name(self.folder):
                name += "′"
            found[name] = _flow(subject, passages, self.limits)
        return found

    def _spectrum(self, told: Progress) -> Spectrum:
        history = [] if self.config is None else spectrum_history(Run.open(self.folder))
        return spectrum(
            self.subject,
            self.passages,
            positions=self.limits.jacobians,
            history=history,
            progress=told,
        )

    def _asked_about(self) -> list[Passage]:
        # An example may have one prediction alone, a stretch of text has many.
        count = 12 if self.subject.running_text else 64
        return self.subject.windows(self.passages, 160, count)

    def _traces(self, features: Sequence[Feature]) -> tuple[Trace, ...]:
        subject = self.subject
        found = varied(subject, self.passages, features, 100)
        passage = max(found, key=lambda one: len(one.labels))
        layers = [(name, k) for name, s in subject.recurrents.items() for k in range(len(s.stack))]
        if len(layers) > TRACED:
            # The first and the last of each stack.
            ends = {(name, len(s.stack) - 1) for name, s in subject.recurrents.items()}
            layers = [one for one in layers if one[1] == 0 or one in ends][:TRACED]
        return tuple(trace(subject, passage, stack=name, layer=k) for name, k in layers)

    def _configured(self) -> Config:
        if self.config is None:
            raise UsageError("a model folder does not tell how training read: name its run folder")
        return self.config

    def _about(self) -> About:
        stacks = self.subject.recurrents
        layers = [
            LayerFacts(name, place, type(layer.cell).__name__, layer.hidden_size)
            for name, stack in stacks.items()
            for place, layer in enumerate(stack.stack)
        ]
        return About(
            _name(self.folder),
            self.subject.task.name,
            self.subject.unit,
            __version__,
            tuple(dict.fromkeys(p.where.partition(", line ")[0] for p in self.passages)),
            tuple(layers),
            {name: stack.directions for name, stack in stacks.items()},
            sum(p.numel() for p in self.subject.task.model.parameters()),
            self.seconds,
        )


def _flow(
    subject: Subject,
    passages: Sequence[Passage],
    limits: InspectionLimits,
    told: Progress = no_progress,
) -> Flow:
    return gradient_flow(subject, passages, lags=limits.lags, count=limits.windows, progress=told)


def _best(probes: Probes | None) -> list[ProbeResult]:
    return [one for one in probes.results if one.passed][:SHOWN_FEATURES] if probes else []


def _subject(folder: Path) -> tuple[Subject, Config | None]:
    """The model, and the configuration of its run if the folder is one."""
    task, _ = load_model(folder)
    run = Run(folder)
    return subject_of(task), run.config() if run.config_file.is_file() else None


def _passages(
    subject: Subject, config: Config | None, folder: Path, text: Sequence[Path]
) -> list[Passage]:
    if text:
        found = [passage for path in text for passage in subject.read(path)]
    elif config is None:
        raise UsageError(f"{folder} is a model without its run: name a text for it to read")
    else:
        found = subject.held_out(config)
    if not any(passage.labels for passage in found):
        raise UsageError("there is nothing to read in the text: name another")
    return found


def _name(folder: Path) -> str:
    return folder.resolve().name.encode("utf-8", "replace").decode()
