"""Pictures: what they draw is what was found, and they can be shown anywhere."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from sunhwan.inspection.measures.gradient_flow import FlowCurve
from sunhwan.inspection.measures.unrolling import MemoryByLength
from sunhwan.inspection.report.phrases import Phrases
from sunhwan.inspection.report.pictures import (
    Curve,
    draw_clipping,
    draw_curves,
    draw_flow,
    draw_history,
    draw_jacobians,
    draw_kept,
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
from sunhwan.inspection.report.pictures.flow import known, relative
from sunhwan.inspection.report.pictures.spectrum import moved
from tests.inspection import reports
from tests.inspection.reports import HOSTILE, PIECES, H, T
from tests.tiers import and_deep

REPORT = reports.report()
WORDS = Phrases("en", {"recurrent": 1})

PICTURES: dict[str, Callable[[Phrases], Figure]] = {
    "flow": lambda words: draw_flow({"a": reports.flow(), HOSTILE: reports.flow(5)}, words),
    "clipping": lambda words: draw_clipping(REPORT.clipping, words),
    "memory": lambda words: draw_memory(REPORT.memory, REPORT.flow, words),
    "matrices": lambda words: draw_matrices(reports.spectra().matrices, words),
    "jacobians": lambda words: draw_jacobians(reports.spectra().jacobians, words),
    "history": lambda words: draw_history(reports.spectra().history, words),
    "probes": lambda words: draw_probes(reports.probes().results, words),
    "trace": lambda words: draw_trace(reports.traced(), words),
    "closed": lambda words: draw_trace(reports.traced()._replace(open=[], keep=""), words),
    "curves": lambda words: draw_curves(PIECES, [Curve(HOSTILE, np.arange(T) - 2.0)] * 2, words),
    "looks": lambda words: draw_looks(PIECES, (HOSTILE, "b"), np.full((2, T), 1 / T), words),
    "unrolled": lambda words: draw_unrolled(reports.unrolling(), words),
    "kept": lambda words: draw_kept(MemoryByLength([8, 64], [90, 700], [40, 80], 1), "sqrt", words),
    "short blocks": lambda words: draw_unrolled(reports.unrolling(2), words),
    "directions": lambda words: draw_unrolled(reports.unrolling(None, 2), words),
}


@pytest.mark.parametrize("language", and_deep(["ko"], ["en"]))
@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_needs_no_font_and_does_no_harm(name: str, language: str) -> None:
    """Warnings are errors: nothing collapses, and no letter is missing."""
    drawn = svg(PICTURES[name](Phrases(language, {"recurrent": 1})), "one")
    tags = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(drawn).iter()}
    assert not tags & {"text", "script"}
    part = inline(drawn, "title")
    root = ElementTree.fromstring(part.replace("xlink:href", "href"))
    assert root.get("aria-label") == "title"
    assert "var(--ink)" in part
    assert "<!--" not in part
    assert "#ffffff" not in part
    assert "<metadata" not in part


def test_the_same_data_make_the_same_files() -> None:
    assert svg(PICTURES["curves"](WORDS), "a") == svg(PICTURES["curves"](WORDS), "a")
    assert png(PICTURES["looks"](WORDS)).startswith(b"\x89PNG")


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def test_flow_is_relative_to_its_start() -> None:
    flows = {"a": reports.flow(), "b": reports.flow()}
    figure = draw_flow(flows, WORDS)
    assert len(figure.axes) == 2
    fast, _, slow, *_ = figure.axes[0].lines
    np.testing.assert_allclose(fast.get_ydata(), 0.5 ** np.arange(21))
    values = np.asarray(slow.get_ydata())
    assert np.isnan(values[0])
    assert values[1] == 1
    assert len(values) == 15, "one window alone goes further"
    assert {"a", "b", "layer 1 h: 7", "layer 1 c: > 14"} <= set(texts(figure))


def test_each_run_has_a_panel_for_each_of_its_stacks() -> None:
    own = reports.flow()
    written = [curve._replace(stack="decoder") for curve in own.curves]
    other = own._replace(curves=[*written, *(c._replace(stack="encoder") for c in own.curves)])
    still = own._replace(curves=[curve._replace(start=0.0) for curve in own.curves])
    figure = draw_flow({"a": own, "b": other, "c": still}, WORDS)
    titles = [axes.get_title(loc="left") for axes in figure.axes if axes.get_legend()]
    assert titles == ["a", "b, decoder", "b, encoder"]
    assert len(figure.axes) == 6


def test_a_curve_is_known_as_far_as_its_windows_or_its_horizon() -> None:
    norms = np.full((8, 11), np.nan)
    norms[:, :4] = 1.0
    norms[:2, 4:6] = 1.0
    norms[0, 6:] = 1e-9
    curve = FlowCurve.of("recurrent", 0, "forward", "h", norms)
    assert curve.horizon == 6
    assert known(curve) == 7
    assert known(curve._replace(horizon=None)) == 6
    assert len(relative(curve)) == 7


def test_a_trace_has_the_most_open_units_at_the_top() -> None:
    trace = reports.traced()
    figure = draw_trace(trace, WORDS)
    order = np.argsort(-trace.values["f"].mean(0))
    assert order[0] == 2
    panels = [axes for axes in figure.axes if axes.images]
    for axes, name in zip(panels, trace.values, strict=True):
        np.testing.assert_allclose(axes.images[0].get_array(), trace.values[name][:, order].T)
        (marks,) = axes.lines
        np.testing.assert_array_equal(marks.get_ydata(), [0])
    assert panels[2].images[0].get_clim() == (0, 1)
    low, high = panels[0].images[0].get_clim()
    assert low == -high
    named = [text.get_text() for text in panels[-1].get_xticklabels()]
    assert named[1:4] == ["·", "나", "↵"]
    assert len(named[0]) == 12


def test_probes_that_do_not_pass_are_hollow() -> None:
    (axes,) = draw_probes(reports.probes().results, WORDS).axes
    bars = axes.patches
    np.testing.assert_allclose([bar.get_width() for bar in bars], [0.8, 0.5, 0.1])
    assert [bar.get_facecolor()[3] for bar in bars] == [1, 1, 0]
    assert [line.get_xdata()[0] for line in axes.lines] == [0.3] * 3


def test_eigenvalues_stand_in_the_plane() -> None:
    spectrum = reports.spectra()
    figure = draw_matrices(spectrum.matrices, WORDS)
    points = figure.axes[0].collections[0].get_offsets()
    values = spectrum.matrices[0].eigenvalues
    np.testing.assert_allclose(points, np.column_stack([values.real, values.imag]))
    together = draw_jacobians(spectrum.jacobians, WORDS).axes[0].collections[0].get_offsets()
    assert len(together) == 2 * H


def test_a_radius_that_was_not_finite_is_a_gap() -> None:
    (curve,) = moved(reports.spectra().history)
    assert curve.steps == [0, 10, 20]
    np.testing.assert_array_equal(curve.radii, [0.5, np.nan, 0.9])


def test_memory_marks_what_is_in_use() -> None:
    figure = draw_memory(REPORT.memory, None, WORDS)
    assert "in use: 10" in texts(figure)
    whole = figure.axes[0].lines[0]
    np.testing.assert_allclose(whole.get_ydata(), REPORT.memory.mean)
    unused = draw_memory(REPORT.memory._replace(used=None), None, WORDS)
    assert "in use: 10" not in texts(unused)


def test_the_gradient_stops_at_a_block_s_border_alone() -> None:
    blocks = texts(draw_unrolled(reports.unrolling(), WORDS))
    assert blocks.count("64 steps of 32 rows") == 2
    assert {"gradient stops", "x 1", "x 64", "x 65", "x 128", "input\n30 × 3"} <= set(blocks)
    short = texts(draw_unrolled(reports.unrolling(2), WORDS))
    assert [text for text in short if text.startswith("x ")] == ["x 1", "x 2", "x 3", "x 4"]
    whole = texts(draw_unrolled(reports.unrolling(None, 2), WORDS))
    assert "gradient stops" not in whole
    assert any("from the end" in text for text in whole)
    assert "ŷ 1" in whole
    pooled = texts(draw_unrolled(reports.unrolling(None, 2), WORDS, pooled=True))
    assert "pooled: one prediction" in pooled
    assert "ŷ 1" not in pooled
