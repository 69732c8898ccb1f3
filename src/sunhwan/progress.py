"""Progress of long work outside training: functions report a share of their work to a listener."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple, TypeAlias


class Progress(NamedTuple):
    """Progress: the kind of work, and which share of it, 0 … 1, is done.

    "reading." + what is a key of the part "cli" of the catalogue of messages.
    """

    what: str
    share: float


Listener: TypeAlias = Callable[[Progress], None]

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Inside, `tell` calls the listener."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def tell(what: str, done: float, total: float) -> None:
    """Tell the listener how far it is."""
    listener = _listener.get()
    if listener:
        listener(Progress(what, min(done / total, 1.0) if total else 1.0))
