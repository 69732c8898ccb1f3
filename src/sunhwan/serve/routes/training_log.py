"""Log of a run: read from a byte offset."""

from typing import Any

from sunhwan.files import open_plain
from sunhwan.store.run import Run, event_of

PART = 1_000_000
"""Bytes of the log in one answer."""


def losses(run: Run, since: int) -> dict[str, Any]:
    """The whole lines of log.jsonl that begin at the byte `since`, at most `PART` bytes of them.

    next: where to go on. A log that is shorter than `since` was cut by a resumed run: it is read
    from its start, so that next is less than since, too.
    """
    steps: list[list[Any]] = []
    validations: list[list[Any]] = []
    events: list[dict[str, Any]] = []
    begin, lines = _lines(run, since)
    clipped = None
    for line in lines:
        event = event_of(line)
        if event is None:
            continue
        kind = event.pop("event")
        if kind == "step":
            step = event.get("step")
            own = [event.get(name) for name in ("step", "loss", "grad_norm")]
            steps.append([*own, clipped is not None and clipped == step])
        elif kind == "validation":
            validations.append([event.get("step"), event.get("loss")])
        elif kind in ("clip", "plan"):
            clipped = event.get("step") if kind == "clip" else clipped
            events.append({"event": kind, **event})
    training = run.in_training
    return {
        "steps": steps,
        "validations": validations,
        "events": events,
        "next": begin + sum(map(len, lines)),
        "training": training,
        "finished": not training and _is_finished(run),
    }


def _lines(run: Run, since: int) -> tuple[int, list[bytes]]:
    try:
        with open_plain(run.inside(run.log_file)) as file:
            size = file.seek(0, 2)
            begin = since if since <= size else 0
            file.seek(begin)
            part = file.read(PART)
    except OSError:
        return 0, []
    whole = part[: part.rfind(b"\n") + 1]
    return begin, whole.splitlines(keepends=True)


def _is_finished(run: Run) -> bool:
    """Whether a trainer came to its end: the curves are drawn after the last line of the log."""
    try:
        drawn = (run.folder / "loss.png").stat().st_mtime_ns
        return drawn >= run.log_file.stat().st_mtime_ns
    except OSError:
        return False
