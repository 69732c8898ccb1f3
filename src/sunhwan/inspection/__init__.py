"""Inspection of trained models: subjects, measures, features, and the report of them."""

import warnings
from typing import Any

from sunhwan.inspection.features import FEATURES, Feature, feature, load_feature
from sunhwan.inspection.hello import hello_model
from sunhwan.inspection.json_values import json_values
from sunhwan.inspection.measures.attribution import Attribution, attribute
from sunhwan.inspection.measures.encoding import EncodedText, encode_texts
from sunhwan.inspection.measures.gradient_flow import Flow, FlowCurve, flow_of, gradient_flow
from sunhwan.inspection.measures.lag_influence import LagInfluence, lag_influence
from sunhwan.inspection.measures.memory_use import MemoryUse, memory_use
from sunhwan.inspection.measures.probes import ProbeResult, Probes, probe
from sunhwan.inspection.measures.spectrum import Spectrum, jacobian, spectrum
from sunhwan.inspection.measures.traces import Trace, trace
from sunhwan.inspection.measures.unrolled_text import UnrolledText, unroll_text
from sunhwan.inspection.measures.unrolling import Unrolling, unrolled
from sunhwan.inspection.subjects import (
    ForecasterSubject,
    Observation,
    Passage,
    Subject,
    subject_of,
)
from sunhwan.layers import Look, observing

__all__ = [
    "FEATURES",
    "Attribution",
    "EncodedText",
    "Feature",
    "Flow",
    "FlowCurve",
    "ForecasterSubject",
    "LagInfluence",
    "Look",
    "MemoryUse",
    "Observation",
    "Passage",
    "ProbeResult",
    "Probes",
    "Spectrum",
    "Subject",
    "Trace",
    "UnrolledText",
    "Unrolling",
    "attribute",
    "encode_texts",
    "feature",
    "flow_of",
    "gradient_flow",
    "hello_model",
    "jacobian",
    "json_values",
    "lag_influence",
    "load_feature",
    "memory_use",
    "observing",
    "probe",
    "spectrum",
    "subject_of",
    "trace",
    "unroll_text",
    "unrolled",
]

_RENAMED = {"what_mattered": "attribute", "plain": "json_values", "watching": "observing"}


def __getattr__(name: str) -> Any:
    """Names given up in 0.1: they go on working, with a notice of what takes their place."""
    if name not in _RENAMED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn(
        f"sunhwan.inspection.{name} is {_RENAMED[name]} now, and is refused from 0.3 on",
        DeprecationWarning,
        stacklevel=2,
    )
    return globals()[_RENAMED[name]]
