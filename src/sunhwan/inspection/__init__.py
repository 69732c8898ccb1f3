"""Inspection of trained models: subjects, measures, features, and the report of them."""

from sunhwan.inspection.features import FEATURES, Feature, feature, load_feature
from sunhwan.inspection.json_values import json_values
from sunhwan.inspection.measures.attribution import Attribution, attribute
from sunhwan.inspection.measures.gradient_flow import Flow, FlowCurve, flow_of, gradient_flow
from sunhwan.inspection.measures.memory_use import MemoryUse, memory_use
from sunhwan.inspection.measures.probes import ProbeResult, Probes, probe
from sunhwan.inspection.measures.spectrum import Spectrum, jacobian, spectrum
from sunhwan.inspection.measures.traces import Trace, trace
from sunhwan.inspection.measures.unrolling import Unrolling, unrolled
from sunhwan.inspection.subjects import Observation, Passage, Subject, subject_of
from sunhwan.layers import Look, observing

__all__ = [
    "FEATURES",
    "Attribution",
    "Feature",
    "Flow",
    "FlowCurve",
    "Look",
    "MemoryUse",
    "Observation",
    "Passage",
    "ProbeResult",
    "Probes",
    "Spectrum",
    "Subject",
    "Trace",
    "Unrolling",
    "attribute",
    "feature",
    "flow_of",
    "gradient_flow",
    "jacobian",
    "json_values",
    "load_feature",
    "memory_use",
    "observing",
    "probe",
    "spectrum",
    "subject_of",
    "trace",
    "unrolled",
]
