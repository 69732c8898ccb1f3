"""Reports that `sunhwan inspect` wrote into a run folder."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from starlette.responses import Response

from sunhwan.files import RECORD, is_plain, read_json, read_plain
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
    return Response(_content(served, "report.json"), media_type="application/json")


def report_page(served: Served) -> Response:
    """report.html, in a sandbox."""
    headers = {"Content-Security-Policy": POLICY}
    return Response(_content(served, "report.html"), media_type="text/html", headers=headers)


def parts_of(served: Served) -> dict[str, bool]:
    """What there is to see of a run beside its model."""
    run = Run(served.folder)
    data = run.report_folder / "report.json"
    try:
        names = _names(run.inside(data), data.stat().st_mtime_ns)
    except OSError:
        names = frozenset()
    return {
        "flow": "flow" in names,
        "probes": "probes" in names,
        "losses": served.is_run and _is_there(run, run.log_file),
        "report": _is_there(run, run.report_folder / "report.html"),
    }


@lru_cache(maxsize=64)
def _names(path: Path, changed: int) -> frozenset[str]:
    """The parts of a report that hold something; changed: when it was written."""
    try:
        found = read_json(path)
    except (OSError, ValueError):
        return frozenset()
    return (
        frozenset(k for k, v in found.items() if v) if isinstance(found, Mapping) else frozenset()
    )


def _is_there(run: Run, path: Path) -> bool:
    try:
        return is_plain(run.inside(path))
    except OSError:
        return False


def _content(served: Served, name: str) -> bytes:
    """The bytes of a plain file inside the run folder; refused where there is none."""
    run = Run(served.folder)
    try:
        return read_plain(run.inside(run.report_folder / name), RECORD)
    except OSError:
        raise RefusedError(
            404, f"there is no report yet: `sunhwan inspect {served.folder.name}` makes it"
        ) from None
