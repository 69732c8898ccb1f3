"""Writer of a report: its page, its data as JSON, and its pictures."""

import json
from html import escape
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from sunhwan.atomic import replaced_folder
from sunhwan.errors import UsageError
from sunhwan.inspection.measures.excerpt import read_along
from sunhwan.inspection.report.contents import Report
from sunhwan.inspection.report.html import page
from sunhwan.inspection.report.phrases import Phrases
from sunhwan.inspection.report.pictures import (
    Curve,
    draw_clipping,
    draw_curves,
    draw_flow,
    draw_history,
    draw_jacobians,
    draw_kept,
    draw_lags,
    draw_looks,
    draw_matrices,
    draw_memory,
    draw_probes,
    draw_trace,
    draw_unrolled,
    inline,
    png,
    svg,
)
from sunhwan.inspection.report.sections import Sections
from sunhwan.tasks import TASKS

PAGE, DATA, PICTURES = "report.html", "report.json", "pictures"

CURVES = 6
"""At most so many units are drawn one above the other."""


def write_report(report: Report, folder: Path, language: str = "en") -> Path:
    """Write report.html, report.json and pictures/, in place of a report that was there before.

    The whole folder or nothing. Gives the page's path; UsageError where the folder holds other
    things or the language is none of LANGUAGES.
    """
    check_folder(folder)
    words = Phrases(language, report.about.directions)
    figures = pictures_of(report, words)
    shapes = {name: svg(figure, name) for name, figure in figures.items()}
    dots = {name: png(figure) for name, figure in figures.items()}
    text = html_of(report, words, shapes)
    data = json.dumps(report.to_dict(), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    with replaced_folder(folder) as new:
        (new / PICTURES).mkdir()
        for name in figures:
            (new / PICTURES / f"{name}.png").write_bytes(dots[name])
            (new / PICTURES / f"{name}.svg").write_text(shapes[name], encoding="utf-8")
        (new / DATA).write_text(data, encoding="utf-8")
        (new / PAGE).write_text(text, encoding="utf-8")
    return folder / PAGE


def check_folder(folder: Path) -> None:
    """UsageError unless a report may be written to a folder: it is one, or empty, or not there."""
    if folder.is_dir():
        found = {path.name for path in folder.iterdir()}
        if found <= {PAGE, DATA, PICTURES}:
            return
    elif not folder.exists():
        return
    raise UsageError(f"{folder} holds other things than a report: choose another --out")


def html_of(report: Report, words: Phrases, pictures: dict[str, str]) -> str:
    """The page. pictures: SVG files by name, as `pictures_of` names them."""
    about = report.about
    drawn = {name: inline(shape, escape(name, quote=True)) for name, shape in pictures.items()}
    title = words("title", name=about.name)
    layers = ", ".join(
        f"{words.layer_at(layer.stack, layer.place)} {layer.cell} {layer.hidden_size:,}"
        for layer in about.layers
    )
    return page(
        title,
        words.language,
        Sections(report, words, drawn).all(),
        drawn,
        about=words(
            "about.model", layers=layers, parameters=words.count(about.parameters),
            where=", ".join(map(words.where, about.texts)),
        ),
        footer=words("about.made", version=about.version),
    )  # fmt: skip


def pictures_of(report: Report, words: Phrases) -> dict[str, Figure]:
    """The figures of the sections that are there, by name."""
    figures = {}
    if report.flow:
        flows = {report.about.name: report.flow, **report.others}
        figures["flow"] = draw_flow(flows, words)
    if report.clipping:
        figures["clipping"] = draw_clipping(report.clipping, words)
    if report.memory:
        figures["memory"] = draw_memory(report.memory, report.flow, words)
    if report.spectrum and report.spectrum.matrices:
        figures["matrices"] = draw_matrices(report.spectrum.matrices, words)
    if report.spectrum and report.spectrum.jacobians:
        figures["jacobians"] = draw_jacobians(report.spectrum.jacobians, words)
    if report.spectrum and len(report.spectrum.history) > 1:
        figures["history"] = draw_history(report.spectrum.history, words)
    if report.probes and report.probes.results:
        figures["probes"] = draw_probes(report.probes.results, words)
    if report.lags:
        figures["lags"] = draw_lags(report.lags, words)
    if report.unrolled:
        figures["unrolled"] = draw_unrolled(
            report.unrolled, words, pooled=TASKS[report.about.task].pools_outputs
        )
        if report.unrolled.memory:
            mode = "sqrt" if report.unrolled.pieces > 1 else "full"
            figures["kept"] = draw_kept(report.unrolled.memory, mode, words)
    return figures | _traces(report, words)


def _traces(report: Report, words: Phrases) -> dict[str, Figure]:
    figures = {}
    traces = report.traces or ()
    for number, trace in enumerate(traces, 1):
        figures[f"trace-{number}"] = draw_trace(trace, words)
    curves: dict[tuple[object, ...], Curve] = {}
    pieces: tuple[str, ...] = ()
    for unit in report.excerpt.units if report.excerpt else ():
        key = (unit.stack, unit.layer, unit.field, unit.index)
        for trace in traces:
            if (trace.stack, trace.layer) == key[:2] and key not in curves:
                pieces, values = read_along(trace, trace.values[unit.field][:, unit.index], "last")
                label = f"{words.feature(unit)} — {words.unit_name(unit)}"
                curves[key] = Curve(label, np.asarray(values, dtype=np.float64))
    if curves:
        figures["curves"] = draw_curves(pieces, list(curves.values())[:CURVES], words)
    looked = next((trace for trace in traces if trace.attention is not None), None)
    if looked is not None and looked.attention is not None and looked.attention.size:
        figures["looks"] = draw_looks(looked.sources, looked.targets, looked.attention, words)
    return figures
