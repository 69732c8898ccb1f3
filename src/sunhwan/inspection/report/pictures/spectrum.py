"""Pictures of the spectrum: eigenvalues in the plane, singular values, radii over training."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from sunhwan.inspection.measures.spectrum import JacobianSpectrum, MatrixSpectrum
from sunhwan.inspection.report.phrases import Phrases
from sunhwan.inspection.report.pictures.style import PALETTE, styled
from sunhwan.plots import INK, SOFT

Found = TypeVar("Found")


def by_layer(results: Iterable[Found], words: Phrases) -> dict[str, list[Found]]:
    """Results by the name of their layer."""
    layers: dict[str, list[Found]] = {}
    for one in results:
        layers.setdefault(words.layer(one), []).append(one)
    return layers


@styled
def draw_matrices(matrices: Sequence[MatrixSpectrum], words: Phrases) -> Figure:
    """Draw the eigenvalues of each gate's recurrent matrix, a row a layer, and its singular values."""
    layers = by_layer(matrices, words)
    gates = max(map(len, layers.values()))
    figure = Figure(
        figsize=(max(6.0, 2.0 * (gates + 1)), 0.3 + 2.2 * len(layers)), layout="constrained"
    )
    panels = figure.subplots(
        len(layers), gates + 1, squeeze=False, width_ratios=[1.0] * gates + [1.2]
    )
    for row, (name, own) in zip(panels, layers.items(), strict=True):
        for axes, one in zip(row, own, strict=False):
            _plane(axes, one.eigenvalues)
            axes.set_title(f"{one.gate}, {words('spectrum.radius')} {one.radius:.2f}")
        for axes in row[len(own) : -1]:
            axes.set_axis_off()
        for number, one in enumerate(own):
            values = np.asarray(one.singular_values)
            colour = PALETTE[number % len(PALETTE)]
            row[-1].plot(np.arange(1, len(values) + 1), values, color=colour, label=one.gate)
        row[-1].axhline(1, color=SOFT, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
        row[-1].set_title(words("spectrum.singular"))
        row[-1].legend(ncols=2)
        if len(layers) > 1:
            row[0].set_ylabel(name)
    return figure


@styled
def draw_jacobians(jacobians: Sequence[JacobianSpectrum], words: Phrases) -> Figure:
    """Draw the eigenvalues of a step's Jacobian at places of real text, a panel a layer."""
    layers = by_layer(jacobians, words)
    figure = Figure(
        figsize=(max(6.0, 3.0 * len(layers)), 3.1 if len(layers) > 1 else 3.4),
        layout="constrained",
    )
    panels = figure.subplots(1, 2 * len(layers) if len(layers) == 1 else len(layers), squeeze=False)
    for axes, (name, own) in zip(panels[0], layers.items(), strict=False):
        _plane(axes, np.concatenate([np.asarray(one.eigenvalues) for one in own]))
        radii = [one.radius for one in own]
        spread = f"{min(radii):.2f} … {max(radii):.2f}"
        title = f"{words('spectrum.radius')} {spread}"
        axes.set_title(f"{name}\n{title}" if len(layers) > 1 else title)
    if len(layers) == 1:
        for one in jacobians:
            values = np.asarray(one.singular_values)
            panels[0, 1].plot(np.arange(1, len(values) + 1), values, color=PALETTE[0], alpha=0.4)
        panels[0, 1].axhline(1, color=SOFT, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
        panels[0, 1].set_title(words("spectrum.singular"))
    return figure


@styled
def draw_history(history: Sequence[Mapping[str, Any]], words: Phrases) -> Figure:
    """Draw the spectral radius of each layer's and gate's matrix over training, a panel a layer."""
    layers = by_layer(moved(history), words)
    figure = Figure(figsize=(max(6.0, 3.2 * len(layers)), 2.8), layout="constrained")
    panels = figure.subplots(1, len(layers), squeeze=False, sharey=True)[0]
    for axes, (name, curves) in zip(panels, layers.items(), strict=True):
        for number, curve in enumerate(curves):
            colour = PALETTE[number % len(PALETTE)]
            axes.plot(curve.steps, curve.radii, ".-", color=colour, label=curve.gate)
        axes.axhline(1, color=SOFT, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
        axes.set_xlabel(words("training.step"))
        if len(layers) > 1:
            axes.set_title(name)
        axes.legend(ncols=2)
    panels[0].set_ylabel(words("spectrum.radius"))
    return figure


class Movement(NamedTuple):
    """The spectral radius of a gate's matrix at some training steps, NaN where it was not finite."""

    stack: str
    layer: int
    direction: str
    gate: str
    steps: list[int]
    radii: list[float]


def moved(history: Sequence[Mapping[str, Any]]) -> list[Movement]:
    """The "spectrum" events of a log → a curve for each matrix."""
    found: dict[tuple[str, int, str, str], Movement] = {}
    for event in history:
        for block in event["blocks"]:
            key = (block["stack"], block["layer"], block["direction"], block["gate"])
            curve = found.setdefault(key, Movement(*key, [], []))
            curve.steps.append(event["step"])
            curve.radii.append(np.nan if block["radius"] is None else block["radius"])
    return list(found.values())


def _plane(axes: Axes, eigenvalues: npt.ArrayLike) -> None:
    """Eigenvalues in the complex plane, with the unit circle."""
    values = np.asarray(eigenvalues, dtype=np.complex128).ravel()
    axes.axhline(0, color=SOFT, linewidth=0.5, zorder=0)
    axes.axvline(0, color=SOFT, linewidth=0.5, zorder=0)
    axes.add_patch(Circle((0, 0), 1, fill=False, color=INK, linewidth=0.8))
    axes.scatter(
        values.real, values.imag, s=5, color=PALETTE[0], alpha=0.5, linewidths=0, zorder=2,
        # As shapes, thousands of points would weigh as much as the rest of the report.
        rasterized=len(values) > 200,
    )  # fmt: skip
    reach = 1.08 * max(1.0, np.abs(values).max(initial=0.0))
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-reach, reach)
    axes.set_aspect("equal")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelsize=7)
    axes.locator_params(nbins=4)
