"""The measurement: deterministic, stopped and continued without a trace, honest about failures."""

import dataclasses
import json
import math
from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from sunhwan.cells import CELLS
from sunhwan.errors import ConfigError, StoreError, UsageError
from sunhwan.lab import memory
from sunhwan.lab.figures import FAMILIES, draw_memory, family, styles
from sunhwan.lab.memory import (
    Horizon,
    MemoryNetwork,
    Point,
    Settings,
    Watcher,
    climb,
    horizon,
    measure,
)
from sunhwan.lab.tasks import TASKS, Recall, get_task

TINY = Settings(hidden_size=4, steps=2, batch_size=2)
"""Too little to solve anything, and done in an instant."""


@pytest.fixture(autouse=True)
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "ROWS", 64)


def point(delay: int, solved: bool, task: str = "recall", cell: str = "gru") -> Point:
    return Point(task, cell, delay, 1.0 if solved else 0.1, solved, 25, 1e-3, False, 0.5)


def timeless(points: Iterable[Point]) -> list[Point]:
    """The points without what the clock decides."""
    return [dataclasses.replace(point, seconds=0.0) for point in points]


def test_a_small_network_recalls_two_steps_back() -> None:
    found = memory.train("gru", Recall(2), Settings(hidden_size=16, steps=600, batch_size=32))
    assert found.solved
    assert found.score is not None
    assert found.score >= Recall.threshold
    assert 0 < found.steps < 600, "it stops when it has solved its task"
    assert not found.diverged


def test_one_step_of_training_is_not_enough() -> None:
    settings = Settings(hidden_size=16, steps=1, batch_size=32)
    found = memory.train("gru", Recall(2), settings)
    assert (found.solved, found.steps, found.diverged) == (False, 1, False)
    assert found.score is not None
    assert found.score < 0.5


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("cell", CELLS)
def test_every_cell_has_a_point_on_every_task(cell: str, task: str) -> None:
    settings = Settings(hidden_size=4, steps=1, batch_size=2)
    found = memory.train(cell, get_task(task, 2), settings)
    assert (found.task, found.cell, found.delay) == (task, cell, 2)
    assert (found.solved, found.diverged, found.steps) == (False, False, 1)


def test_the_seed_decides_all_and_the_caller_s_generator_nothing() -> None:
    one = memory.train("elman", Recall(3), TINY)
    torch.rand(7)
    state = torch.get_rng_state()
    assert timeless([memory.train("elman", Recall(3), TINY)]) == timeless([one])
    assert torch.equal(torch.get_rng_state(), state)
    other = memory.train("elman", Recall(3), dataclasses.replace(TINY, seed=2))
    assert other.score != one.score


def test_networks_are_scored_on_what_they_do_not_learn_from() -> None:
    task = Recall(4)
    training, testing = (memory._generator(kind, task, TINY) for kind in ("training", "testing"))
    assert not torch.equal(task.draw(9, training).inputs, task.draw(9, testing).inputs)
    again = memory._generator("training", Recall(5), TINY)
    assert training.initial_seed() != again.initial_seed()


class Explosive(nn.Module):
    """Outputs that are finite and gradients that are not, or neither."""

    def __init__(self, cell: str, task: object, hidden_size: int, power: float = 0.5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.power = power

    def forward(self, x: Tensor) -> Tensor:
        # The slope of the root at 0 is infinite, and so is 0 to the power −1.
        return (self.weight**self.power).expand(len(x), 1, 1)


@pytest.mark.parametrize(("power", "score"), [(0.5, 7 / 6), (-1.0, None)])
def test_a_network_that_diverges(
    monkeypatch: pytest.MonkeyPatch, power: float, score: float | None
) -> None:
    monkeypatch.setattr(memory, "MemoryNetwork", lambda *a: Explosive(*a[:3], power=power))
    found = memory.train("elman", get_task("adding", 3), Settings(steps=9))
    assert (found.diverged, found.solved, found.steps) == (True, False, 1)
    if score is None:
        assert found.score is None
    else:
        assert found.score == pytest.approx(score, abs=0.2)
    json.dumps(found.to_dict(), allow_nan=False)


def test_the_better_learning_rate_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = {3e-3: 0.3, 1e-3: 0.6}

    def attempt(cell: str, task: object, settings: object, rate: float, watcher: object):
        return memory._Attempt(rate, scores[rate], 5, False)

    monkeypatch.setattr(memory, "_attempt", attempt)
    for best, values in ((1e-3, (0.3, 0.6)), (3e-3, (0.6, 0.3)), (1e-3, (math.nan, 0.2))):
        scores.update(zip(memory.LEARNING_RATES, values, strict=True))
        assert memory.train("elman", Recall(3), TINY).learning_rate == best
    scores.update(zip(memory.LEARNING_RATES, (0.3, 0.02), strict=True))
    assert memory.train("elman", get_task("adding", 3), TINY).learning_rate == 1e-3
    scores.update(zip(memory.LEARNING_RATES, (0.99, 1.0), strict=True))
    assert memory.train("elman", Recall(3), TINY).learning_rate == 3e-3, "solved: no second try"


def test_the_read_out_is_at_the_last_steps() -> None:
    for task in (get_task(name, 3) for name in TASKS):
        network = MemoryNetwork("lstm", task, 5)
        inputs, _ = task.draw(2, torch.Generator().manual_seed(1))
        output, _ = network.recurrent(inputs)
        expected = network.readout(output)[:, task.length - task.answers :]
        torch.testing.assert_close(network(inputs), expected)


@pytest.mark.parametrize(
    ("solved", "delay", "failed"),
    [
        ({5: True, 10: True, 20: False, 50: False}, 10, 20),
        ({5: True, 10: False, 20: True, 50: False}, 20, 50),
        ({5: False, 10: False}, 0, 5),
        ({5: True, 10: True}, 10, None),
        ({50: True, 5: False}, 50, None),
    ],
)
def test_horizon(solved: dict[int, bool], delay: int, failed: int | None) -> None:
    found = horizon([point(*one) for one in solved.items()])
    assert found == Horizon("recall", "gru", delay, failed)
    assert found.bounded is (failed is None)
    assert found.to_dict()["bounded"] is found.bounded


def test_a_climb_ends_after_two_failures_in_a_row() -> None:
    outcomes = {5: True, 10: False, 20: True, 50: False, 100: False, 200: True}
    known = [point(delay, solved) for delay, solved in outcomes.items()]
    found = list(climb("gru", "recall", (200, 5, 5, 20, 10, 50, 100), TINY, known))
    assert [one.delay for one in found] == [5, 10, 20, 50, 100]
    assert found == known[:5], "what is known is not trained again"


class Interrupting(Watcher):
    """Ctrl-C after so many points."""

    def __init__(self, after: int) -> None:
        self.left = after
        self.fresh: list[bool] = []

    def measured(self, point: Point, fresh: bool) -> None:
        self.fresh.append(fresh)

    def stepped(self, *_: object) -> None:
        if sum(self.fresh) >= self.left:
            raise KeyboardInterrupt


def test_stopped_and_continued_is_the_same_as_unbroken(tmp_path: Path) -> None:
    work = (["elman", "gru"], ["recall", "adding"], [2, 3, 4], TINY)
    whole = measure(*work, tmp_path / "whole")
    assert len(whole) == 8, "two failures a climb"
    folder = tmp_path / "broken"
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            measure(*work, folder, Interrupting(2))
    last = Interrupting(99)
    assert timeless(measure(*work, folder, last)) == timeless(whole)
    assert last.fresh == [False] * 6 + [True] * 2
    # The file says the same, and a further call trains nothing.
    assert timeless(memory.read_points(folder, TINY)) == timeless(
        memory.read_points(tmp_path / "whole", TINY)
    )
    assert len(measure(*work, folder, Interrupting(0))) == 8
    assert sorted(path.name for path in folder.iterdir()) == [".lock", "results.json"]


def test_the_order_of_the_cells_and_who_joins_later_change_nothing(tmp_path: Path) -> None:
    one = measure(["elman", "gru"], ["recall"], [2], TINY, tmp_path / "one")
    other = tmp_path / "한글 폴더"
    measure(["gru"], ["recall"], [2], TINY, other)
    assert timeless(measure(["elman"], ["recall"], [2], TINY, other)) == timeless(one)


def test_results_of_other_settings_are_refused(tmp_path: Path) -> None:
    measure(["elman"], ["recall"], [2], TINY, tmp_path)
    before = (tmp_path / "results.json").read_bytes()
    for change, said in (({"steps": 3}, "steps 2 and not 3"), ({"seed": 9}, "seed 1 and not 9")):
        with pytest.raises(UsageError, match=said):
            measure(["gru"], ["recall"], [2], dataclasses.replace(TINY, **change), tmp_path)
    assert (tmp_path / "results.json").read_bytes() == before


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"settings": {}, "points": [{"a": 1}]}', "\xff"])
def test_a_damaged_file_of_results(tmp_path: Path, text: str) -> None:
    (tmp_path / "results.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(StoreError, match="no file of results"):
        measure(["elman"], ["recall"], [2], TINY, tmp_path)


def test_a_folder_has_one_writer(tmp_path: Path) -> None:
    with memory._locked(tmp_path), pytest.raises(StoreError, match="another process"):
        measure(["elman"], ["recall"], [2], TINY, tmp_path)


def test_nothing_is_begun_with_a_name_or_delay_that_is_wrong(tmp_path: Path) -> None:
    for cells, tasks, delays in (
        (["elman", "elmann"], ["recall"], [2]),
        (["elman"], ["recall", "recal"], [2]),
        (["elman"], ["recall"], [2, 0]),
    ):
        with pytest.raises(ConfigError):
            measure(cells, tasks, delays, TINY, tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "values", [{"hidden_size": 0}, {"steps": -1}, {"batch_size": 0}, {"seed": -1}, {"seed": 2**63}]
)
def test_settings_out_of_range(values: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=next(iter(values)).replace("_", " ")):
        Settings(**values)


def test_every_cell_has_a_look_of_its_own() -> None:
    names = [*CELLS, *(f"lstm_{number}" for number in range(8))]
    drawn = styles(names)
    assert set(drawn) == set(names)
    assert len({(style.color, style.marker) for style in drawn.values()}) == len(names)
    assert {family(name) for name in names} <= set(FAMILIES)


def test_the_picture(tmp_path: Path) -> None:
    points = [
        point(delay, delay < limit, task, cell)
        for task in TASKS
        for cell, limit in (("elman", 10), ("lstm", 99), ("gru", 1))
        for delay in (5, 20, 50)
    ]
    points.append(dataclasses.replace(point(5, False, cell="irnn"), score=None, diverged=True))
    path = tmp_path / "그림.png"
    draw_memory(points, TINY, path)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert len(path.read_bytes()) > 20_000


def test_the_fonts_have_every_letter_of_the_picture(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    points = [
        Point("adding", cell, delay, 0.2 / delay, delay < 20, 10, 0.003, False, 1.0)
        for cell in ("elman", "gru")
        for delay in (5, 10, 20)
    ]
    draw_memory(points, TINY, tmp_path / "memory.png")
    assert [record.message for record in caplog.records if "glyph" in record.message] == []
