"""Interruption: Ctrl-C and SIGTERM end a training at the next step, not in the middle of one."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interruption:
    """Whether a signal has asked for the end."""

    def __init__(self) -> None:
        self.asked = False

    @contextmanager
    def awaited(self) -> Iterator[None]:
        """Inside, SIGINT and SIGTERM are taken note of."""

        def interrupt(signum: int, frame: FrameType | None) -> None:
            self.asked = True

        previous = {}
        try:
            for name in (signal.SIGINT, signal.SIGTERM):
                previous[name] = signal.signal(name, interrupt)
        except ValueError:
            # Not the main thread: the program around us handles signals.
            pass
        try:
            yield
        finally:
            for name, handler in previous.items():
                signal.signal(name, handler)
