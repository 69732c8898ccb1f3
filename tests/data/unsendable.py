"""What cannot be sent between processes: in a module that a process imports at once."""

from typing import Any


class Unreadable:
    """Cannot be unpickled."""

    def __reduce__(self) -> Any:
        return int, ("no number",)


class TwoReasonsError(Exception):
    """Cannot be unpickled either, with one argument where two are needed."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} {second}")


def odd(kind: str) -> Any:
    if kind == "error":
        raise TwoReasonsError("one", "two")
    return (lambda: 1) if kind == "answer" else kind
