"""A small report made by hand, with texts that would do harm where they are not escaped."""

import numpy as np

from sunhwan.inspection.measures.attribution import Attribution
from sunhwan.inspection.measures.chosen_predictions import ChosenPrediction
from sunhwan.inspection.measures.clipping import Clipping
from sunhwan.inspection.measures.detection import Detection
from sunhwan.inspection.measures.excerpt import Excerpt, UnitValues
from sunhwan.inspection.measures.gradient_flow import Flow, FlowCurve
from sunhwan.inspection.measures.memory_use import MemoryUse
from sunhwan.inspection.measures.probes import ProbeResult, Probes
from sunhwan.inspection.measures.saved_values import SavedNumbers
from sunhwan.inspection.measures.spectrum import JacobianSpectrum, MatrixSpectrum, Spectrum
from sunhwan.inspection.measures.traces import Trace
from sunhwan.inspection.measures.unrolling import MemoryByLength, UnrolledLayer, Unrolling
from sunhwan.inspection.report.contents import About, LayerFacts, Report

HOSTILE = '--><script>alert("가")</script><img src=x onerror=alert(1)> $\\frac$ {a}'
"""Markup, a formula and a placeholder in one."""

PIECES = (HOSTILE, " ", "나", "\n", "&amp;", "'")
T, H = len(PIECES), 4


def flow(lags: int = 20, windows: int = 8) -> Flow:
    """A state that forgets by half each step, and one that keeps nearly everything."""
    lag = np.arange(lags + 1)
    fast = np.tile(0.5**lag, (windows, 1)) * np.linspace(0.5, 2, windows)[:, None]
    slow = np.tile(0.99**lag, (windows, 1))
    slow[:, 0] = 0  # as the c of an LSTM, which has no part in its own step's h
    slow[1:, 15:] = np.nan
    curves = [
        FlowCurve.of("recurrent", 0, "forward", field, norms)
        for field, norms in (("h", fast), ("c", slow))
    ]
    return Flow(curves, lags, windows)


def probes() -> Probes:
    """Two features that are told and one that is not."""
    told = {"threshold": 0.1, "found": Detection(0.9, 0.8, 0.85, 0.95), "share": 0.25}
    untold = {"threshold": None, "found": None, "share": None}

    def result(name: str, kind: str, index: int, score: float, **values: object) -> ProbeResult:
        return ProbeResult(
            feature=name, korean=f"{name} 한글", kind=kind, stack="recurrent", layer=0,
            direction="forward", field="h", index=index, score=score, chosen_score=score,
            chance=0.3, passed=score > 0.3, sign=1 if index else -1, runners_up=(), **values,
        )  # fmt: skip

    results = (
        result(HOSTILE, "binary", 0, 0.8, **told),
        result("depth", "numeric", 2, 0.5, **untold),
        result("digit", "binary", 1, 0.1, **told),
    )
    return Probes(results, {"rare": "it is constant"}, {HOSTILE: 0.25}, 8, 1000, 1.5)


def traced() -> Trace:
    """An LSTM's, whose unit 2 never closes its gate."""
    rng = np.random.default_rng(1)
    values = {name: rng.random((T, H)) for name in "hcf"}
    values["h"] -= 0.5
    values["f"][:, 2] = 0.99
    surprise = np.array([np.nan, 1.0, 8.0, 0.5, 0.1, 2.0])
    return Trace(
        PIECES, PIECES, surprise, "recurrent", 0, values, np.full((2, T), 1 / T), (HOSTILE, "b"),
        PIECES, [2], "f",
    )  # fmt: skip


def spectra() -> Spectrum:
    """Of one layer, with a radius that grew in training."""
    circle = 0.9 * np.exp(2j * np.pi * np.arange(H) / H)
    singular = np.linspace(2, 0.1, H)
    matrices = [
        MatrixSpectrum("recurrent", 0, "forward", gate, circle, singular, 0.9, 2.0) for gate in "if"
    ]
    jacobians = [
        JacobianSpectrum("recurrent", 0, "forward", HOSTILE, circle, singular, radius)
        for radius in (0.7, 0.8)
    ]
    block = {"stack": "recurrent", "layer": 0, "direction": "forward", "gate": "i", "norm": 2.0}
    history = [
        {"event": "spectrum", "step": step, "blocks": [block | {"radius": radius}]}
        for step, radius in ((0, 0.5), (10, None), (20, 0.9))
    ]
    return Spectrum(matrices, jacobians, history)


def unrolling(block_length: int | None = 64, directions: int = 1) -> Unrolling:
    """Of a language model of one layer, or of two directions of it."""
    layers = [
        UnrolledLayer(
            "recurrent", 0, direction, "LSTM", 3, H, H, {"h": H, "c": H}, {"W_x": 48, "W_h": 64},
            "native", SavedNumbers(3, 20, 8),
        )
        for direction in ("forward", "backward")[:directions]
    ]  # fmt: skip
    return Unrolling(
        layers, 30, 3, 30, {"input": 90, "layers": 112, "output": 150, "others": 0}, 352, 32,
        block_length, block_length, 0.0, block_length, 1, 30, 123_456 if block_length else None,
        MemoryByLength([8, 64], [15_432, 123_456], [7_716, 15_432], 1) if block_length else None,
    )  # fmt: skip


def report() -> Report:
    """All sections."""
    trace = traced()
    ends = np.array([1, 50, 100])
    losses = np.linspace(4, 1, 15).reshape(3, 5)
    units = [
        UnitValues(one.feature, one.korean, "recurrent", 0, "h", one.index, trace.values["h"][:, 0])
        for one in probes().results[:2]
    ]
    matter = Attribution(PIECES, PIECES, HOSTILE, 0.25, np.arange(T) - 2.0, np.arange(T) / 3)
    return Report(
        About(
            HOSTILE, "language_model", "characters", "1.0", ("the validation text",),
            (LayerFacts("recurrent", 0, "LSTM", H),), {"recurrent": 1}, 352, {"flow": 1.5},
        ),
        flow(),
        {"other": flow()},
        Clipping(ends, ends / 200, ends / 100, ends / 50, np.array([1, 0.5, 0]), 1.0, 40, 100),
        MemoryUse("characters", (0, 10, 100), losses, losses.mean(1), losses.std(1), losses, 10),
        spectra(),
        probes(),
        Excerpt("the validation text, from token 900", PIECES, trace.surprise, tuple(units)),
        (trace,),
        tuple(ChosenPrediction(kind, HOSTILE, 2, matter) for kind in ("surprising", "sure", "last")),
        unrolling(),
        None,
        {"memory": HOSTILE},
    )  # fmt: skip
