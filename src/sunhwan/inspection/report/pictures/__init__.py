"""Pictures of a report: each function draws one, with matplotlib."""

from sunhwan.inspection.report.pictures.flow import draw_clipping, draw_flow
from sunhwan.inspection.report.pictures.kept import draw_kept
from sunhwan.inspection.report.pictures.lags import draw_lags
from sunhwan.inspection.report.pictures.memory import draw_memory
from sunhwan.inspection.report.pictures.probes import draw_probes
from sunhwan.inspection.report.pictures.spectrum import draw_history, draw_jacobians, draw_matrices
from sunhwan.inspection.report.pictures.style import inline, png, svg
from sunhwan.inspection.report.pictures.traces import Curve, draw_curves, draw_looks, draw_trace
from sunhwan.inspection.report.pictures.unrolled import draw_unrolled

__all__ = [
    "Curve",
    "draw_clipping",
    "draw_curves",
    "draw_flow",
    "draw_history",
    "draw_jacobians",
    "draw_kept",
    "draw_lags",
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
