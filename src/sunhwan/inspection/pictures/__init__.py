"""Pictures of what was found inside a model; each function draws one, with matplotlib."""

from sunhwan.inspection.pictures.flow import draw_clipping, draw_flow
from sunhwan.inspection.pictures.memory import draw_memory
from sunhwan.inspection.pictures.probes import draw_probes
from sunhwan.inspection.pictures.spectrum import draw_history, draw_jacobians, draw_matrices
from sunhwan.inspection.pictures.style import inline, png, svg
from sunhwan.inspection.pictures.traces import Curve, draw_curves, draw_looks, draw_trace
from sunhwan.inspection.pictures.unrolled import draw_unrolled

__all__ = [
    "Curve",
    "draw_clipping",
    "draw_curves",
    "draw_flow",
    "draw_history",
    "draw_jacobians",
    "draw_looks",
    "draw_matrices",
    "draw_memory",
    "draw_probes",
    "draw_trace",
    "draw_unrolled",
    "inline",
    "png",
    "svg",
]
