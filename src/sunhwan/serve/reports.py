"""What `sunhwan inspect` left in a run folder."""

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from starlette.responses import FileResponse, Response

from sunhwan.serve.models import Served
from sunhwan.serve.refusals import RefusedError
from sunhwan.store import Run

# The report brings its own script and pictures; it is kept from everything else, this server too.
POLICY = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src data:; font-src data:; base-uri 'none'; form-action 'none'"
)


def report_data(served: Served) -> Response:
    """report.json as it is."""
    return FileResponse(_file(served, "report.json"), media_type="application/json")


def report_page(served: Served) -> Response:
    """report.html, in a sandbox."""
    headers = {"Content-Security-Policy": POLICY}
    return FileResponse(_file(served, "report.html"), media_type="text/html", headers=headers)


def parts_of(served: Served) -> dict[str, bool]:
    """What there is to see of a run beside its model."""
    data = Run(served.folder).report_folder / "report.json"
    try:
        names = _names(data, data.stat().st_mtime_ns)
    except OSError:
        names = frozenset()
    return {
        "flow": "flow" in names,
        "probes": "probes" in names,
        "losses": served.is_run and (served.folder / "log.jsonl").is_file(),
        "report": (Run(served.folder).report_folder / "report.html").is_file(),
    }


@lru_cache(maxsize=64)
def _names(path: Path, changed: int) -> frozenset[str]:
    """The parts of a report that hold something; changed: when it was written."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return frozenset()
    return (
        frozenset(k for k, v in found.items() if v) if isinstance(found, Mapping) else frozenset()
    )


def _file(served: Served, name: str) -> Path:
    path = Run(served.folder).report_folder / name
    if not path.is_file():
        raise RefusedError(
            404, f"there is no report yet: `sunhwan inspect {served.folder.name}` makes it"
        )
    return path
