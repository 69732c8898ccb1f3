"""The gradient by every state is what nudging that state does to the loss; and it tells cells apart."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sunhwan.inspection.json_values import json_values
from sunhwan.inspection.measures.gradient_flow import FlowCurve, flow_of, gradient_flow
from sunhwan.inspection.subjects import LanguageModelSubject, Passage, Subject
from sunhwan.lab.memory import MemoryNetwork
from sunhwan.lab.tasks import get_task
from sunhwan.layers import Look, RecurrentLayer
from sunhwan.layers.regularisation import NO_MASKS
from sunhwan.ops import RecurrenceOutput
from tests.inspection.subjects import TEXT, make

LAGS = 9
STEP = 1e-5


@contextmanager
def nudged(layer: RecurrentLayer, t: int, field: int, by: Tensor) -> Iterator[None]:
    """The layer adds something to a field of the state after its t-th step, in the order of reading.

    Steps are counted over calls. The sequence is cut there, and read on from the other state.
    """
    real, done = layer.forward, 0

    def forward(
        x: Tensor, state: Any, resets: Any = None, lengths: Any = None, masks: Any = NO_MASKS,
        *, look: Any = None,
    ) -> RecurrenceOutput:  # fmt: skip
        nonlocal done
        at, done = t - done, done + len(x)
        if not 0 <= at < len(x):
            return real(x, state, resets, lengths, masks, look=look)
        cut = at + 1
        first = real(x[:cut], state, None, None if lengths is None else lengths.clamp(max=cut))
        fields = list(first.last)
        fields[field] = fields[field] + by
        output, last = torch.cat((first.output[:-1], fields[0][None])), type(state)(*fields)
        if cut < len(x):
            left = None if lengths is None else (lengths - cut).clamp(min=0)
            rest = real(x[cut:], last, None, left)
            output, last = torch.cat((output, rest.output)), rest.last
        states = tuple(field.unsqueeze(0) for field in last) if len(x) == 1 else None
        return RecurrenceOutput(output, last, None if states is None else type(state)(*states))

    layer.forward = forward  # type: ignore[method-assign]
    try:
        yield
    finally:
        del layer.forward


def by_nudging(layer: RecurrentLayer, t: int, field: int, loss: Callable[[], float]) -> float:
    """‖∂loss/∂field_t‖₂ by central differences."""
    size = layer.cell.state_sizes(layer.hidden_size)[field]
    slopes = []
    for direction in torch.eye(size, dtype=torch.float64):
        ends = []
        for sign in (1, -1):
            with nudged(layer, t, field, sign * STEP * direction):
                ends.append(loss())
        slopes.append((ends[0] - ends[1]) / (2 * STEP))
    return float(np.linalg.norm(slopes))


def step_of(subject: Subject, passage: Passage, curve: FlowCurve, lag: int) -> int:
    """The step, in the order of reading, that a lag is about; from the definition."""
    if isinstance(subject, LanguageModelSubject):
        return len(passage.given) - 2 - lag
    read = passage.given.target if curve.stack == "decoder" else passage.given.inputs[0]
    return len(read) - 1 - lag


MODELS = {
    "language model": ("language_model", {"model__cell": "lstm", "model__num_layers": 2}),
    "language model, held": (
        "language_model", {"model__cell": "gru", "model__zoneout": 0.2, "model__tied": True},
    ),
    "own state": ("language_model", {"model__cell": "slstm"}),
    "classifier": (
        "classify", {"model__cell": "lstm", "model__direction": "both", "model__num_layers": 2},
    ),
    "classifier, last": (
        "classify", {"model__cell": "lstm", "model__direction": "both", "model__pooling": "last"},
    ),
    "tagger": ("tag", {"model__cell": "gru", "model__direction": "both"}),
    "translation": ("translate", {"model__cell": "lstm", "model__direction": "both"}),
    "translation, fed": (
        "translate", {"model__cell": "gru", "model__input_feeding": True},
    ),
    "description": ("describe", {"model__cell": "lstm"}),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_it_is_what_nudging_a_state_does(name: str, tmp_path: Path) -> None:
    kind, settings = MODELS[name]
    made = make(kind, tmp_path, **settings)
    subject = made.subject
    (passage,) = subject.windows(made.some, 12, 1)
    flow = gradient_flow(subject, [passage], lags=LAGS, count=1)
    assert flow.windows == 1
    assert {curve.stack for curve in flow.curves} == set(subject.recurrents)
    compared = 0
    for curve in flow.curves:
        recurrent = subject.recurrents[curve.stack]
        backward = curve.direction == "backward"
        layer = recurrent.stack[recurrent.directions * curve.layer + backward]
        field = layer.cell.state_type._fields.index(curve.field)
        # A tagger's backward direction ends in its first prediction.
        which = 0 if backward and kind == "tag" else -1

        def loss(which: int = which) -> float:
            return float(subject.observe([passage], Look.STATES).losses[0, which])

        for lag in (0, 1, LAGS):
            t = step_of(subject, passage, curve, lag)
            found = curve.norms[0, lag]
            if t < 0:
                assert np.isnan(found)
                continue
            with torch.no_grad():
                wanted = by_nudging(layer, t, field, loss)
            assert found == pytest.approx(wanted, rel=1e-5, abs=1e-9)
            compared += wanted > 1e-7
    assert compared >= len(flow.curves)
    assert subject.task.model.training, "the mode comes back"


def test_rows_of_a_batch_do_not_mix(tmp_path: Path) -> None:
    made = make("translate", tmp_path, model__cell="gru")
    passages = made.some
    assert len({len(p.given.inputs[0]) for p in passages}) > 1
    together = gradient_flow(made.subject, passages, lags=12, count=9)
    alone = [gradient_flow(made.subject, [p], lags=12, count=1) for p in passages]
    for k, curve in enumerate(together.curves):
        rows = np.concatenate([one.curves[k].norms for one in alone])
        assert np.isnan(rows).any(), "a row is shorter than the lags"
        # The windows come in the order in which they were drawn.
        np.testing.assert_allclose(np.sort(curve.norms, 0), np.sort(rows, 0), rtol=1e-9, atol=1e-15)


def test_more_windows_than_a_batch_and_the_seed(tmp_path: Path) -> None:
    made = make("language_model", tmp_path)
    passages, done = made.subject.passages(TEXT), list[float]()
    flow = gradient_flow(made.subject, passages, lags=5, count=20, progress=done.append)
    assert flow.windows == 20
    assert flow.curves[0].norms.shape == (20, 6)
    assert done == sorted(done)
    assert done[-1] == 1
    again = gradient_flow(made.subject, passages, lags=5, count=20)
    other = gradient_flow(made.subject, passages, lags=5, count=20, seed=2)
    assert np.array_equal(flow.curves[0].norms, again.curves[0].norms)
    assert not np.array_equal(flow.curves[0].norms, other.curves[0].norms)


def curve_of(rows: list[list[float]]) -> FlowCurve:
    return FlowCurve.of("recurrent", 0, "forward", "h", np.array(rows))


def test_median_quartiles_and_horizon() -> None:
    nan = np.nan
    curve = curve_of([[4, 1, 0.02, 0.05, 0.01, nan], [8, 2, 0.04, 0.06, 0.01, nan],
                      [2, nan, nan, nan, nan, nan]])  # fmt: skip
    assert curve.median.tolist()[:5] == [4, 1.5, 0.03, 0.055, 0.01]
    assert np.isnan(curve.median[5])
    assert (curve.low[1], curve.high[1]) == (1.25, 1.75)
    assert curve.start == 4
    assert curve.horizon == 4, "at lag 2 it was under 1 %, and came back"
    assert json_values(curve)["norms"][2] == [2.0, None, None, None, None, None]


@pytest.mark.parametrize(
    ("row", "start", "horizon"),
    [
        ([1, 0.5, 0.2], 1, None),
        ([0, 2, 1, 0.019], 2, 3),
        ([0, 0, 0], 0, None),
        ([1, 0.5, np.nan], 1, None),
        ([np.nan, np.nan], 0, None),
    ],
)
def test_horizons_that_are_none(row: list[float], start: float, horizon: int | None) -> None:
    curve = curve_of([row])
    assert (curve.start, curve.horizon) == (start, horizon)


def test_nothing_to_read(tmp_path: Path) -> None:
    made = make("language_model", tmp_path)
    assert gradient_flow(made.subject, []).curves == []
    # A window of one token predicts nothing.
    single = made.subject.windows(made.some, 1, 2)
    assert gradient_flow(made.subject, single, lags=3).windows == 0


def trained(cell: str, delay: int, steps: int) -> tuple[MemoryNetwork, Any]:
    """A network that has learned to recall for a while."""
    task, draw = get_task("recall", delay), torch.Generator().manual_seed(1)
    torch.manual_seed(1)
    network = MemoryNetwork(cell, task, 24)
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)
    for _ in range(steps):
        batch = task.draw(32, draw)
        optimizer.zero_grad()
        task.loss(network(batch.inputs), batch.targets).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
    return network, task.draw(64, draw)


def test_gates_carry_a_gradient_further_than_an_elman_network() -> None:
    horizons = {}
    for cell in ("elman", "gru", "lstm"):
        network, batch = trained(cell, 30, 150)

        def losses(network: MemoryNetwork = network, batch: Any = batch) -> Tensor:
            outputs = network(batch.inputs)
            return torch.nn.functional.cross_entropy(
                outputs.flatten(0, 1), batch.targets.flatten(), reduction="none"
            )

        for curve in flow_of(network.recurrent, losses, lags=30):
            horizons[cell, curve.field] = 31 if curve.horizon is None else curve.horizon
    assert horizons["elman", "h"] < horizons["gru", "h"]
    assert horizons["elman", "h"] < horizons["lstm", "c"]
