"""Stop strings: a text ends before the first of them, which does not belong to it."""

from collections.abc import Sequence


class StopStrings:
    """Pieces of a text → the text that no stop string can take back any more.

    The text ends where the first stop string is complete, and is cut before the longest that is
    complete there. How the text falls into pieces changes nothing.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = [stop for stop in stops if stop]
        self._held = ""
        self.hit = False

    def push(self, piece: str) -> str:
        """The text that is now certain; sets `hit` where it has ended."""
        if not self._stops:
            return piece
        begun = len(self._held)
        text = self._held + piece
        for end in range(begun + 1, len(text) + 1):
            found = [len(stop) for stop in self._stops if text.endswith(stop, 0, end)]
            if found:
                self._held, self.hit = "", True
                return text[: end - max(found)]
        kept = max(self._kept(text, stop) for stop in self._stops)
        self._held = text[len(text) - kept :]
        return text[: len(text) - kept]

    def push_all(self, pieces: Sequence[str]) -> tuple[str, int]:
        """The same of several pieces, and how many there are up to the end of the text."""
        if not self._stops:
            return "".join(pieces), len(pieces)
        text = ""
        for count, piece in enumerate(pieces, 1):
            text += self.push(piece)
            if self.hit:
                return text, count
        return text, len(pieces)

    def flush(self) -> str:
        """The rest of a text that no stop string has ended."""
        held, self._held = self._held, ""
        return held

    @staticmethod
    def _kept(text: str, stop: str) -> int:
        """How many characters at the end may be the beginning of a stop string."""
        most = min(len(stop) - 1, len(text))
        return next((n for n in range(most, 0, -1) if stop.startswith(text[-n:])), 0)
