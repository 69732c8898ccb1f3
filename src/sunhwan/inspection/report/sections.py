"""Sections of a report as blocks: lead sentences, pictures and tables."""

from collections.abc import Container, Iterator, Mapping

import numpy as np

from sunhwan.inspection.measures.excerpt import read_along
from sunhwan.inspection.measures.gradient_flow import Flow
from sunhwan.inspection.measures.probes import ProbeResult
from sunhwan.inspection.report.blocks import (
    Block,
    ColouredText,
    Heading,
    Paragraph,
    Picture,
    Table,
    amounts,
    around_zero,
)
from sunhwan.inspection.report.contents import Report
from sunhwan.inspection.report.lead_sentences import (
    attribution_lead,
    flow_lead,
    jacobian_radii,
    lags_lead,
    memory_lead,
    unrolled_lead,
)
from sunhwan.inspection.report.phrases import Phrases
from sunhwan.inspection.report.pictures.flow import known
from sunhwan.inspection.report.pictures.spectrum import moved
from sunhwan.tasks import TASKS

NATS = 8.0
"""A surprise from which on the colour is the deepest."""

TEXT_SECTIONS = ("flow", "memory", "spectrum", "probes", "traces", "attribution", "unrolled")
SERIES_SECTIONS = ("lags", "flow", "memory", "spectrum", "traces", "unrolled")


class Sections:
    """A report's sections in one language; pictures: the names of those that are there."""

    def __init__(self, report: Report, words: Phrases, pictures: Container[str]) -> None:
        self.report, self.words, self.pictures = report, words, pictures

    def all(self) -> dict[str, list[Block]]:
        """The sections in their order: title → blocks."""
        series = TASKS[self.report.about.task].forecasts
        names = SERIES_SECTIONS if series else TEXT_SECTIONS
        return {self.words(f"{name}.title"): list(getattr(self, name)()) for name in names}

    def _missing(self, name: str) -> Paragraph:
        reason = self.report.missing.get(name)
        said = self.words("missing", reason=reason) if reason else self.words(f"{name}.absent")
        return Paragraph(said, "missing")

    def lags(self) -> Iterator[Block]:
        """Of a forecaster: which values of the past its median moves with, and what else counts."""
        words, lags = self.words, self.report.lags
        if lags is None:
            yield self._missing("lags")
            return
        yield Paragraph(lags_lead(lags, words))
        season = words("lags.season", season=words.count(lags.season)) if lags.season > 1 else ""
        yield Picture("lags", words("lags.what", windows=words.count(lags.windows), season=season))
        if lags.inputs:
            yield Heading(words("lags.inputs"))
            yield Paragraph(words("lags.inputs_what"), "what")
            ranked = sorted(lags.inputs.items(), key=lambda item: -item[1])
            rows = [(words.input(name), f"{100 * rise:+.1f} %") for name, rise in ranked]
            yield Table([words("lags.input"), words("lags.rise")], rows, (1,))

    def flow(self) -> Iterator[Block]:
        """1: how far the gradient reaches, and how often it was clipped."""
        words, flow = self.words, self.report.flow
        if flow is None:
            yield self._missing("flow")
        else:
            yield Paragraph(flow_lead(flow, words))
            yield Picture("flow", words("flow.what", windows=words.count(flow.windows)))
            if self.report.others:
                yield Heading(words("flow.table"))
                yield self._horizons({self.report.about.name: flow, **self.report.others})
        yield Heading(words("clipping.title"))
        clipping = self.report.clipping
        if clipping is None:
            yield self._missing("clipping")
            return
        steps = words.count(clipping.steps)
        if clipping.clipped:
            limit = clipping.limit
            yield Paragraph(
                words(
                    "clipping.lead",
                    clipped=words.count(clipping.clipped),
                    steps=steps,
                    share=words.share(clipping.clipped / clipping.steps),
                    limit=words("clipping.lead_limit", limit=f"{limit:g}") if limit else "",
                )
            )
        else:
            yield Paragraph(words("clipping.none", steps=steps))
        yield Picture("clipping", words("clipping.what"))

    def _horizons(self, flows: Mapping[str, Flow]) -> Table:
        words = self.words
        rows = [
            (name, words.place(curve), words.horizon(curve.horizon, known(curve) - 1))
            for name, flow in flows.items()
            for curve in flow.curves
        ]
        columns = [words(f"flow.{name}") for name in ("run", "state", "horizon")]
        return Table(columns, rows, (2,))

    def memory(self) -> Iterator[Block]:
        """2: how much of what was read is used."""
        words, memory = self.words, self.report.memory
        if memory is None:
            yield self._missing("memory")
            return
        yield Paragraph(memory_lead(memory, words))
        longest = words.count(memory.contexts[-1])
        positions = words.count(np.asarray(memory.losses).shape[1])
        unit = words.unit(memory.unit)
        what = "memory.what_series" if memory.measure == "pinball" else "memory.what"
        yield Picture("memory", words(what, positions=positions, longest=longest, unit=unit))

    def spectrum(self) -> Iterator[Block]:
        """3: eigenvalues and singular values of the recurrence."""
        words, spectrum = self.words, self.report.spectrum
        if spectrum is None:
            yield self._missing("spectrum")
            return
        if spectrum.matrices:
            largest = max(spectrum.matrices, key=lambda one: one.radius)
            place = f"{words.layer(largest)} {largest.gate}"
            yield Paragraph(words("spectrum.lead", radius=f"{largest.radius:.2f}", place=place))
            yield Picture("matrices", words("spectrum.what"))
        if spectrum.jacobians:
            for name, radii in jacobian_radii(spectrum.jacobians, words).items():
                low, high = min(radii), max(radii)
                meaning = "forgets" if high < 0.9 else "keeps" if high <= 1.1 else "grows"
                yield Paragraph(
                    words(
                        "spectrum.lead_jacobian", layer=name, low=f"{low:.2f}", high=f"{high:.2f}",
                        meaning=words(f"spectrum.{meaning}"),
                    )
                )  # fmt: skip
            count = max(map(len, jacobian_radii(spectrum.jacobians, words).values()))
            yield Picture("jacobians", words("spectrum.what_jacobian", count=count))
        if "history" in self.pictures:
            one = max(moved(spectrum.history), key=lambda curve: curve.radii[-1])
            place = f"{words.layer(one)} {one.gate}"
            first, last = (f"{one.radii[end]:.2f}" for end in (0, -1))
            yield Paragraph(words("spectrum.lead_history", place=place, first=first, last=last))
            yield Picture("history", words("spectrum.what_history"))

    def probes(self) -> Iterator[Block]:
        """4: units that tell something, and the text in their colours."""
        words, probes = self.words, self.report.probes
        if probes is None:
            yield self._missing("probes")
            return
        passed = [one for one in probes.results if one.passed]
        tried = words.count(len(probes.results))
        if passed:
            best = passed[0]
            yield Paragraph(
                words(
                    "probes.lead", passed=words.count(len(passed)), tried=tried,
                    feature=words.feature(best), unit=words.unit_name(best),
                    score=f"{best.score:.2f}", chance=f"{best.chance:.2f}",
                )
            )  # fmt: skip
        else:
            key = "probes.lead_none" if probes.results else "probes.lead_nothing"
            yield Paragraph(words(key, tried=tried))
        if probes.results:
            what = words("probes.what", tokens=words.count(probes.tokens))
            yield Picture("probes", what)
            if passed:
                yield self._ranked(passed)
        if self.report.excerpt is None:
            yield self._missing("excerpt")
        else:
            yield from self._excerpt()

    def _ranked(self, results: list[ProbeResult]) -> Table:
        words = self.words
        names = ("feature", "unit", "score", "chance", "precision", "recall", "share")
        rows = [
            (
                words.feature(one), words.unit_name(one), f"{one.score:.3f}", f"{one.chance:.3f}",
                f"{one.found.precision:.2f}" if one.found else "",
                f"{one.found.recall:.2f}" if one.found else "",
                "" if one.share is None else words.share(one.share),
            )
            for one in results
        ]  # fmt: skip
        return Table([words(f"probes.{name}") for name in names], rows, range(2, 7))

    def _excerpt(self) -> Iterator[Block]:
        words, excerpt = self.words, self.report.excerpt
        assert excerpt is not None
        paintings = [
            around_zero(f"{words.feature(unit)} — {words.unit_name(unit)}", unit.values, None)
            for unit in excerpt.units
        ]
        if not np.isnan(excerpt.surprise).all():
            paintings.append(amounts(words("excerpt.surprise"), excerpt.surprise, NATS))
        if not paintings:
            return
        yield Heading(words("excerpt.title"))
        said = [words("excerpt.what")] if excerpt.units else []
        said += [words("excerpt.surprise_what")] if len(paintings) > len(excerpt.units) else []
        yield Paragraph(
            " ".join([*said, words("excerpt.where", where=words.where(excerpt.where))]), "what"
        )
        yield ColouredText(excerpt.pieces, paintings, words("colour"))

    def traces(self) -> Iterator[Block]:
        """5: units and gates along a text, and where an answer looked."""
        words, traces = self.words, self.report.traces
        if traces is None:
            yield self._missing("traces")
            return
        for number, trace in enumerate(traces):
            H = max(values.shape[1] for values in trace.values.values())
            key = "traces.lead" if trace.open else "traces.lead_zero"
            key = key if trace.keep else "traces.lead_none"
            layer, size = words.layer_at(trace.stack, trace.layer), words.count(H)
            yield Paragraph(
                words(key, layer=layer, open=len(trace.open), size=size, keep=trace.keep)
            )
            what = "traces.what" if trace.keep else "traces.what_plain"
            yield Picture(f"trace-{number + 1}", words(what))
        if "curves" in self.pictures:
            yield Picture("curves", words("traces.curves"))
        if "looks" in self.pictures:
            yield Heading(words("looks.title"))
            yield Picture("looks", words("looks.what"))

    def attribution(self) -> Iterator[Block]:
        """6: what mattered for three predictions."""
        words, attribution = self.words, self.report.attribution
        if attribution is None:
            yield self._missing("attribution")
            return
        yield Paragraph(attribution_lead(attribution[0], words))
        yield Paragraph(words("attribution.what"), "what")
        for one in attribution:
            found = one.attribution
            said = words(
                "attribution.predicted",
                predicted=found.predicted,
                probability=words.share(found.probability),
            )
            yield Heading(words(f"attribution.{one.kind}"))
            yield Paragraph(f"{said} ({words.where(one.where)})", "what")
            mark = np.zeros(len(found.pieces))
            if one.place is not None:
                mark[one.place] = 1
            pieces, values = read_along(
                found, np.column_stack([found.occlusion, found.gradient_x_input, mark]), "sum"
            )
            marked = np.flatnonzero(values[:, 2])
            paintings = [
                around_zero(words("attribution.occlusion"), values[:, 0]),
                around_zero(words("attribution.gradient"), values[:, 1]),
            ]
            frame = int(marked[0]) if len(marked) else None
            yield ColouredText(pieces, paintings, words("colour"), frame)

    def unrolled(self) -> Iterator[Block]:
        """7: the network rolled and unrolled."""
        words, unrolled = self.words, self.report.unrolled
        if unrolled is None:
            yield self._missing("unrolled")
            return
        yield Paragraph(unrolled_lead(unrolled, words))
        yield Picture("unrolled", words("unrolled.what"))
        names = ("layer", "cell", "size", "states", "parameters", "saved")
        rows = [
            (
                words.layer(layer), layer.cell, f"{layer.input_size:,} → {layer.hidden_size:,}",
                ", ".join(f"{name} {size:,}" for name, size in layer.states.items()),
                words.count(sum(layer.parameters.values())), words.count(layer.saved.total),
            )
            for layer in unrolled.layers
        ]  # fmt: skip
        yield Table([words(f"unrolled.{name}") for name in names], rows, (4, 5))
        memory = unrolled.memory
        yield Heading(words("kept.title"))
        if memory is None:
            reason = "output" if unrolled.block_length else "whole"
            yield Paragraph(words(f"kept.{reason}"), "missing")
            return
        full, root = (words.bytes(kept[memory.own]) for kept in (memory.full, memory.sqrt))
        steps = words.count(memory.lengths[memory.own])
        yield Paragraph(words("kept.lead", steps=steps, full=full, sqrt=root))
        yield Picture("kept", words("kept.what", rows=words.count(unrolled.batch_size)))
