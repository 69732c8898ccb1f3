"""Contents of a report: the findings of all measures, and the limits of an inspection."""

from typing import Any, NamedTuple

from sunhwan.inspection.json_values import json_values
from sunhwan.inspection.measures.chosen_predictions import ChosenPrediction
from sunhwan.inspection.measures.clipping import Clipping
from sunhwan.inspection.measures.excerpt import Excerpt
from sunhwan.inspection.measures.gradient_flow import Flow
from sunhwan.inspection.measures.lag_influence import LagInfluence
from sunhwan.inspection.measures.memory_use import MemoryUse
from sunhwan.inspection.measures.probes import Probes
from sunhwan.inspection.measures.spectrum import Spectrum
from sunhwan.inspection.measures.traces import Trace
from sunhwan.inspection.measures.unrolling import Unrolling


class InspectionLimits(NamedTuple):
    """How much is read. tokens: for probes; positions: for memory in use; windows: for gradients."""

    tokens: int = 400_000
    positions: int = 128
    windows: int = 64
    lags: int = 100
    contexts: tuple[int, ...] = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
    jacobians: int = 8


QUICK = InspectionLimits(20_000, 48, 16, 60, (0, 1, 2, 5, 10, 20, 50, 100, 200), 3)
"""For a first look."""


class LayerFacts(NamedTuple):
    """A layer of a stack; of two directions each is one, and place counts them both."""

    stack: str
    place: int
    cell: str
    hidden_size: int


class About(NamedTuple):
    """The inspected model and texts. texts: where the passages are from. seconds: by section."""

    name: str
    task: str
    unit: str
    version: str
    texts: tuple[str, ...]
    layers: tuple[LayerFacts, ...]
    directions: dict[str, int]
    parameters: int
    seconds: dict[str, float]


class Report(NamedTuple):
    """All sections; one that could not be made is None, and `missing` has the reason by its key."""

    about: About
    flow: Flow | None
    others: dict[str, Flow]
    clipping: Clipping | None
    memory: MemoryUse | None
    spectrum: Spectrum | None
    probes: Probes | None
    excerpt: Excerpt | None
    traces: tuple[Trace, ...] | None
    attribution: tuple[ChosenPrediction, ...] | None
    unrolled: Unrolling | None
    lags: LagInfluence | None
    missing: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON has them."""
        found: dict[str, Any] = json_values(self)
        return found
