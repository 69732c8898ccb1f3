"""Lines: a stepper for models that were trained line by line, each from the initial state."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from sunhwan.generation.stepper import RowRequest, RowResult, Stepper


class LineBreak(NamedTuple):
    """The token that begins a line; opens: whether a text begins with one, though none was given."""

    token: int
    opens: bool


class LineStepper:
    """Stepper whose state begins anew at each line break, as it did in training."""

    def __init__(self, inner: Stepper, line_break: LineBreak) -> None:
        self._inner, self._line_break = inner, line_break
        self.reading_alone, self.reading_beside = inner.reading_alone, inner.reading_beside
        self.gains_from_rows = inner.gains_from_rows

    def run_rows(self, requests: Sequence[RowRequest]) -> list[RowResult]:
        """Take a step of each text, side by side: as many steps within lines."""
        rows = [_Row(request, self._line_break) for request in requests]
        while live := [row for row in rows if not row.done]:
            results = self._inner.run_rows([row.request() for row in live])
            for row, result in zip(live, results, strict=True):
                row.apply(result)
        return [row.result() for row in rows]


class _Row:
    """A request on its way, a piece of a line at a time."""

    def __init__(self, request: RowRequest, line_break: LineBreak) -> None:
        self._whole, self._break = request, line_break
        self._ids, self._state = list(request.ids), request.state
        self._uniforms, self._filters = request.uniforms, request.filters
        self._read = 0
        self._drawn: list[int] = []
        self._logits: list[Tensor] = []
        self.done = False

    def request(self) -> RowRequest:
        """What is read up to the next line break and, behind the last, drawn up to one."""
        token, ids = self._break.token, self._ids
        end = ids.index(token, 1) if token in ids[1:] else len(ids)
        piece, state = ids[:end], self._state
        self._opened = state is None and self._break.opens and piece[0] != token
        if piece[0] == token:
            state = None
        draws, filters = 0, self._filters
        if end == len(ids):
            draws = len(self._uniforms)
            if filters.stop < 0:
                filters = filters._replace(stop=token)
            else:
                draws = min(draws, 1)  # one end can be told to a step, and this text has another
        self._taken = end
        given = [token, *piece] if self._opened else piece
        return RowRequest(given, state, self._uniforms[:draws], filters, self._wants_logits)

    @property
    def _wants_logits(self) -> bool:
        return self._whole.logits and self._read < len(self._whole.ids)

    def apply(self, result: RowResult) -> None:
        if result.logits is not None:
            self._logits.append(result.logits[int(self._opened) :])
        self._read += self._taken
        self._ids, self._state = self._ids[self._taken :], result.state
        drawn = result.drawn
        if drawn:
            self._drawn += drawn
            self._uniforms = self._uniforms[len(drawn) :]
            self._filters = self._filters._replace(first=None)
            self._ids = [drawn[-1]]
        ended = bool(drawn) and drawn[-1] in (self._whole.filters.stop, -1)
        self.done = ended or not (len(self._uniforms) if drawn else self._ids)

    def result(self) -> RowResult:
        logits = torch.cat(self._logits) if self._logits else None
        return RowResult(self._state, self._drawn, logits)
