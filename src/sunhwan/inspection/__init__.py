"""Looking inside: plain functions that return data about a trained model; pictures are apart."""

from sunhwan.inspection.attribution import Attribution, continued, what_mattered
from sunhwan.inspection.features import FEATURES, Feature, feature, load_feature
from sunhwan.inspection.gradient_flow import Flow, FlowCurve, flow_of, gradient_flow
from sunhwan.inspection.memory_use import MemoryUse, memory_use
from sunhwan.inspection.plain import plain
from sunhwan.inspection.probes import ProbeResult, Probes, probe
from sunhwan.inspection.spectrum import Spectrum, jacobian, spectrum
from sunhwan.inspection.subject import Passage, Seen, Subject, subject_of
from sunhwan.inspection.traces import Trace, trace
from sunhwan.inspection.unrolling import Unrolling, unrolled
from sunhwan.inspection.watching import watching
from sunhwan.layers import Look

__all__ = [
    "FEATURES",
    "Attribution",
    "Feature",
    "Flow",
    "FlowCurve",
    "Look",
    "MemoryUse",
    "Passage",
    "ProbeResult",
    "Probes",
    "Seen",
    "Spectrum",
    "Subject",
    "Trace",
    "Unrolling",
    "continued",
    "feature",
    "flow_of",
    "gradient_flow",
    "jacobian",
    "load_feature",
    "memory_use",
    "plain",
    "probe",
    "spectrum",
    "subject_of",
    "trace",
    "unrolled",
    "watching",
    "what_mattered",
]
