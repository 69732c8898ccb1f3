"""Lead sentences of the sections: what was found in this model, with its numbers."""

from collections.abc import Sequence

import numpy as np

from sunhwan.inspection.measures.chosen_predictions import ChosenPrediction
from sunhwan.inspection.measures.gradient_flow import Flow, FlowCurve
from sunhwan.inspection.measures.lag_influence import LagInfluence
from sunhwan.inspection.measures.memory_use import MemoryUse
from sunhwan.inspection.measures.spectrum import JacobianSpectrum
from sunhwan.inspection.measures.unrolling import Unrolling
from sunhwan.inspection.report.phrases import Phrases
from sunhwan.inspection.report.pictures.flow import known, relative


def furthest(flow: Flow) -> FlowCurve | None:
    """The curve with the longest horizon; None where no gradient goes back at all."""
    return max(
        (curve for curve in flow.curves if curve.start),
        key=lambda c: (np.inf if c.horizon is None else c.horizon, relative(c)[-1]),
        default=None,
    )


def flow_lead(flow: Flow, words: Phrases) -> str:
    """Which state's gradient reaches how far."""
    curve = furthest(flow)
    if curve is None:
        return words("flow.nothing")
    key = "flow.reach_all" if curve.horizon is None else "flow.reach"
    reach = words(key, horizon=curve.horizon, lags=known(curve) - 1)
    return words("flow.lead", place=words.place(curve), reach=reach)


def memory_lead(memory: MemoryUse, words: Phrases) -> str:
    """How much context is in use, and what it brings."""
    mean = np.asarray(memory.mean)
    values = {
        "unit": words.unit(memory.unit, memory.used or 0),
        "longest": words.count(memory.contexts[-1]),
        "first": f"{mean[0]:.2f}",
        "last": f"{mean[-1]:.2f}",
    }
    some, none, all_ = "lead", "lead_none", "lead_all"
    if memory.measure == "pinball":
        some, none, all_ = "lead_series", "lead_none_series", "lead_all_series"
    if mean[-1] >= mean[0]:
        return words(f"memory.{none}", **values)
    if memory.used is None or memory.used >= memory.contexts[-1]:
        return words(f"memory.{all_}", **values)
    return words(f"memory.{some}", used=words.count(memory.used), **values)


def lags_lead(lags: LagInfluence, words: Phrases) -> str:
    """Which value counts most for the first step ahead and for the last one."""
    sentences = []
    for place in dict.fromkeys((0, len(lags.ahead) - 1)):
        most = int(np.argmax(lags.sizes[place]))
        sentences.append(
            words(
                "lags.lead",
                ahead=words.count(lags.ahead[place]),
                lag=words.count(lags.lags[most]),
                slope=f"{lags.slopes[place, most]:.2f}",
            )
        )
    return " ".join(sentences)


def jacobian_radii(jacobians: Sequence[JacobianSpectrum], words: Phrases) -> dict[str, list[float]]:
    """The radii of the Jacobians of each layer, by its name."""
    radii: dict[str, list[float]] = {}
    for one in jacobians:
        radii.setdefault(words.layer(one), []).append(one.radius)
    return radii


def attribution_lead(one: ChosenPrediction, words: Phrases) -> str:
    """The step that counted most for a prediction, and what the prediction is without it."""
    found = one.attribution
    values = np.abs(found.occlusion)
    step = int(values.argmax())
    return words(
        "attribution.lead",
        predicted=found.predicted,
        probability=words.share(found.probability),
        piece=found.labels[step],
        times=f"{np.exp(-found.occlusion[step]):.3g}",
    )


def unrolled_lead(unrolled: Unrolling, words: Phrases) -> str:
    """How large the network is, and where training cuts it."""
    said = [words("unrolled.size_lead", parameters=words.count(unrolled.total))]
    T, back = unrolled.block_length, unrolled.bptt_length
    if T is None or back is None:
        return " ".join([*said, words("unrolled.whole")])
    block, batch = words.count(T), words.count(unrolled.batch_size)
    said.append(words("unrolled.blocks", batch=batch, block=block))
    if unrolled.bytes is not None:
        said.append(words("unrolled.kept", memory=words.bytes(unrolled.bytes)))
    overlap = words("unrolled.overlap", block=block, back=words.count(back))
    return " ".join([*said, overlap if back > T else words("unrolled.cut")])
