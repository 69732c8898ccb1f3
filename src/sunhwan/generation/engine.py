"""Engine: the compiled step of a language model in packed weights, for generating text.

One token at a time, a model is as fast as its weights are read. They are kept in float32, in float16,
or in int8 with a scale a column (the values they meet are then quantised too, anew at each step).
"""

import ctypes
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor

from sunhwan.errors import UsageError
from sunhwan.generation.sampling import PRECISIONS
from sunhwan.generation.stepper import FEW, RowRequest, RowResult
from sunhwan.generation.support import is_compiled, unsupported
from sunhwan.layers import RecurrentLayer
from sunhwan.layers.connections import Residual
from sunhwan.models import LanguageModel
from sunhwan.ops.engine_record import EngineLayer, EngineModel, EngineRow
from sunhwan.ops.library import Library, library
from sunhwan.ops.native import name_of
from sunhwan.ops.record import Matrix

CHUNK = 256
"""Tokens between two returns to Python."""
MAX_TABLE = 16_000_000
"""Numbers of E W_x that are kept instead of E and W_x."""
SHARED = 50_000
"""Weights from which two threads are faster than one, though they synchronise at every layer."""


class Engine:
    """A model's weights as they are now, in one precision. Where it ends a state is the caller's.

    A row's numbers are the same whatever the rows beside it and the number of threads. For generating
    text it is a `Stepper`; called with a batch it gives the logits, as the model does.
    """

    reading_alone, reading_beside = CHUNK, FEW
    gains_from_rows = True

    def __init__(self, model: LanguageModel, precision: str, threads: int | None = None) -> None:
        reason = unsupported(model, precision)
        if reason:
            raise UsageError(f"the compiled engine cannot run this model in {precision}: {reason}")
        self.precision, self.vocabulary_size = precision, model.vocabulary_size
        matrices = [W for layer in model.recurrent.stack for W in layer.matrices]
        shared = sum(W.numel() for W in (*matrices, model.output.weight)) > SHARED
        self.threads = threads or (torch.get_num_threads() if shared else 1)
        with torch.no_grad():
            self._initial = torch.cat([f for s in model.initial_state(1) for f in s], 1)
            self._library = cast(Library, library())
            self._engine = _make(self._library, model, precision, self.threads)

    def __del__(self) -> None:
        if getattr(self, "_engine", None):
            self._library.dll.sunhwan_engine_free(self._engine)

    def initial_state(self, batch_size: int) -> Tensor:
        """(N, all fields of all layers side by side), before the first token."""
        return self._initial.repeat(batch_size, 1)

    def read(self, ids: Tensor, state: Tensor, *, logits: bool = True) -> Tensor:
        """ids (N, T) → logits (N, T, V), or (N, 0, V) where none are wanted; changes the state."""
        N, T = ids.shape
        ids = self._checked(ids, state)
        found = torch.empty(N, T if logits else 0, self.vocabulary_size)
        for start in range(0, T, CHUNK):  # a signal is answered in between
            part = ids[:, start : start + CHUNK].contiguous()
            given = part.shape[1]
            into = torch.empty(N, given if logits else 0, self.vocabulary_size)
            rows = (EngineRow * N)(
                *(
                    EngineRow(
                        given=part[n].data_ptr(), givens=given, state=state[n].data_ptr(),
                        logits=into[n].data_ptr() if logits else None,
                    )
                    for n in range(N)
                )
            )  # fmt: skip
            self._run(rows)
            if logits:
                found[:, start : start + given] = into
        return found

    def run_rows(self, requests: Sequence[RowRequest]) -> list[RowResult]:
        """Take a step of each of several texts, side by side; see `Stepper`."""
        rows = (EngineRow * len(requests))()
        results: list[tuple[Tensor, Tensor, Tensor | None]] = []
        used = []  # what the rows point into beside the results
        for n, (ids, state, uniforms, filters, wanted) in enumerate(requests):
            state = self.initial_state(1) if state is None else state.clone()
            given = self._checked(torch.as_tensor(ids)[None], state).contiguous()
            uniforms = uniforms.double().contiguous()
            tokens = torch.zeros(len(uniforms), dtype=torch.int64)
            logits = torch.empty(len(ids), self.vocabulary_size) if wanted else None
            never, first = (
                None if mask is None else mask.to(torch.bool).contiguous()
                for mask in (filters.never, filters.first)
            )
            results.append((state, tokens, logits))
            used.append((given, uniforms, never, first))
            rows[n] = EngineRow(
                given=given.data_ptr(), givens=len(ids), draws=len(tokens), state=state.data_ptr(),
                logits=None if logits is None else logits.data_ptr(),
                drawn=tokens.data_ptr(), uniform=uniforms.data_ptr(),
                temperature=filters.temperature, top_p=filters.top_p, top_k=filters.top_k,
                stop=filters.stop, never=None if never is None else never.data_ptr(),
                first=None if first is None else first.data_ptr(),
            )  # fmt: skip
        self._run(rows)
        return [
            RowResult(state, _ended(tokens.tolist(), request.filters.stop), logits)
            for request, (state, tokens, logits) in zip(requests, results, strict=True)
        ]

    def __call__(
        self, ids: Tensor, state: Tensor | None = None, resets: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """ids (N, T), state, resets (N, T) → logits (N, T, V), state: as the model is called."""
        N, T = ids.shape
        state = self.initial_state(N) if state is None else state.clone()
        cuts = [] if resets is None else resets.any(0).nonzero().flatten().tolist()
        parts, start = [], 0
        for cut in [*cuts, T]:
            if cut > start:
                parts.append(self.read(ids[:, start:cut], state))
            if cut < T:
                state = torch.where(cast(Tensor, resets)[:, cut, None], self._initial, state)
            start = cut
        return torch.cat(parts, 1), state

    def sweep(self, times: int) -> int:
        """Read all weights so many times and compute nothing; how many bytes they are."""
        return cast(int, self._library.dll.sunhwan_engine_sweep(self._engine, times))

    def _checked(self, ids: Tensor, state: Tensor) -> Tensor:
        if state.shape != (len(ids), self._initial.shape[1]) or not state.is_contiguous():
            raise ValueError("the state must be that of as many rows, row after row in memory")
        if ids.numel() and not 0 <= int(ids.min()) <= int(ids.max()) < self.vocabulary_size:
            raise ValueError("an id is not one of the vocabulary")
        return ids.to("cpu", torch.int64)

    def _run(self, rows: Any) -> None:
        self._library.dll.sunhwan_engine_run(self._engine, rows, len(rows))


def _ended(drawn: list[int], stop: int) -> list[int]:
    """Drawn tokens up to the first that ends the text."""
    ends = [place for place, token in enumerate(drawn) if token in (stop, -1)]
    return drawn[: ends[0] + 1] if ends else drawn


def _make(found: Library, model: LanguageModel, precision: str, threads: int) -> int:
    kept: list[Tensor] = []
    records: list[Any] = []

    def floats(x: Tensor | None) -> int | None:
        if x is None:
            return None
        kept.append(x.contiguous())
        return kept[-1].data_ptr()

    def matrix(x: Tensor | None) -> Matrix:
        if x is None:
            return Matrix()
        kept.append(x)
        return Matrix(x.data_ptr(), *x.stride())

    def program_of(depth: int, layer: RecurrentLayer) -> EngineLayer:
        from sunhwan.generation.layer_steps import layer_step
        from sunhwan.ops.engine_program import X, step_record

        step = layer_step(model, depth, MAX_TABLE)
        size = 0 if step.table is None else step.table.shape[1]
        written = step_record(step.program, step.columns, size)
        records.append(written)
        table = None if step.table is None else torch.from_numpy(step.table)
        reads = layer.input_size if X in step.program.inputs else 0
        return EngineLayer(program=written.address, D=reads, table=floats(table))

    def layer_of(depth: int, layer: RecurrentLayer) -> EngineLayer:
        if not is_compiled(model, depth):
            return program_of(depth, layer)
        p = layer.cell.effective(layer.parameters_of_cell)
        loop = layer.cell.parameters_of_step(p)
        table = _table(model, layer) if depth == 0 else None
        extra = loop.extra[0] if loop.extra else None
        made = EngineLayer(
            cell=cast(str, name_of(layer.cell)).encode(),
            D=layer.input_size,
            H=layer.hidden_size,
            table=floats(table),
            W_x=matrix(p["W_x"]),
            W_h=matrix(loop.W_h),
            b=floats(None if table is not None else p.get("b")),
            b_h=floats(loop.b_h),
            extra=floats(extra),
            constant=layer.cell.kernel_constant,
            residual=type(model.recurrent.connections[depth]) is Residual,
        )
        fields = len(layer.cell.state_type._fields)
        made.hold[:fields] = [layer.zoneout, *[layer.zoneout_cell] * (fields - 1)]
        return made

    stack = model.recurrent.stack
    layers = (EngineLayer * len(stack))(*(layer_of(k, layer) for k, layer in enumerate(stack)))
    embedding = None if layers[0].table or model.embedding is None else model.embedding.weight
    record = EngineModel(
        V=model.vocabulary_size,
        layers=len(stack),
        precision=PRECISIONS.index(precision),
        threads=threads,
        layer=layers,
        embedding=floats(embedding),
        W=matrix(model.output.weight.T),
        K=model.output.in_features,
        b=floats(model.output.bias),
    )
    made = found.dll.sunhwan_engine(ctypes.byref(record))
    if not made:
        raise UsageError("the compiled engine has no step for a cell of this model")
    return cast(int, made)


def _table(model: LanguageModel, layer: RecurrentLayer) -> Tensor | None:
    """a (V, G·H) of every token at the first layer; None where that is too much to keep."""
    p = layer.cell.effective(layer.parameters_of_cell)
    if model.embedding is None:
        return p["W_x"] + p["b"] if "b" in p else p["W_x"]
    if model.vocabulary_size * p["W_x"].shape[1] > MAX_TABLE:
        return None
    return layer.cell.inputs(model.embedding.weight, p)
