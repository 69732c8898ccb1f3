"""Sessions of typing: the state after a text is kept, so that a keystroke costs one step."""

import secrets
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple

DENSE, SPARSE = 32, 256
"""States are kept after each of the last `DENSE` tokens, and after every `SPARSE`-th."""


class Session(NamedTuple):
    """Tokens that were read, and states of the model after some numbers of them."""

    ids: Sequence[int] = []
    states: dict[int, Any] = {}  # noqa: RUF012 - never changed

    def resumed(self, ids: Sequence[int]) -> tuple[int, Any]:
        """How many of these tokens need not be read again, and the state after them.

        The last token always is, for what comes after it.
        """
        common = shared(self.ids, ids)
        places = [p for p in self.states if p <= min(common, len(ids) - 1)]
        return (max(places), self.states[max(places)]) if places else (0, None)

    def grown(self, ids: Sequence[int], states: dict[int, Any]) -> "Session":
        """The session after these tokens, of whose reading the states are new."""
        common, wanted = shared(self.ids, ids), set(marks(len(ids)))
        kept = {p: state for p, state in self.states.items() if p <= common and p in wanted}
        return Session(ids, kept | states)


def marks(length: int) -> list[int]:
    """After how many tokens of a text of that length a state is kept."""
    dense = range(max(length - DENSE + 1, 1), length + 1)
    return sorted({*range(SPARSE, length + 1, SPARSE), *dense})


def shared(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two texts begin with that are the same."""
    most = min(len(one), len(other))
    if one[:most] == other[:most]:  # the usual case, at the speed of C
        return most
    return next((n for n in range(most) if one[n] != other[n]), most)


class Sessions:
    """The sessions by name; of too many the one that was not used for longest is forgotten."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sessions)

    def find(self, name: str | None) -> tuple[str, Session]:
        """A session and its name; a new one where there is none of that name (any more)."""
        found = self._sessions.get(name) if name is not None else None
        if name is not None and found is not None:
            return name, found
        return secrets.token_urlsafe(12), Session()

    def keep(self, name: str, session: Session) -> None:
        """Remember a session under its name."""
        self._sessions[name] = session
        self._sessions.move_to_end(name)
        while len(self._sessions) > self._count:
            self._sessions.popitem(last=False)
