"""The tasks: what is asked for is what was shown, and cannot be had in any other way."""

import math

import pytest
import torch
from torch import Generator, Tensor

from sunhwan.errors import ConfigError
from sunhwan.lab.tasks import LONGEST, TASKS, Adding, CopyMemory, MemoryTask, Recall, get_task

DELAYS = (1, 2, 7, 40)
EVERY = [task(delay) for task in TASKS.values() for delay in DELAYS]


def seeded(seed: int = 1) -> Generator:
    return Generator().manual_seed(seed)


@pytest.mark.parametrize("task", EVERY, ids=str)
def test_the_same_seed_is_the_same_batch(task: MemoryTask) -> None:
    one, same, other = (task.draw(9, seeded(seed)) for seed in (3, 3, 4))
    assert torch.equal(one.inputs, same.inputs)
    assert torch.equal(one.targets, same.targets)
    assert not torch.equal(one.inputs, other.inputs)
    generator = seeded(3)
    torch.rand(5)  # the generator of PyTorch itself plays no part
    assert torch.equal(task.draw(9, generator).inputs, one.inputs)
    assert not torch.equal(task.draw(9, generator).inputs, one.inputs)


@pytest.mark.parametrize("task", EVERY, ids=str)
def test_shapes(task: MemoryTask) -> None:
    inputs, targets = task.draw(6, seeded())
    assert inputs.shape == (6, task.length, task.input_size)
    assert inputs.dtype == torch.float32
    assert targets.shape == (6, task.answers)
    outputs = torch.zeros(6, task.answers, task.output_size)
    assert task.loss(outputs, targets).shape == ()
    assert isinstance(task.score(outputs, targets), float)


@pytest.mark.parametrize("delay", DELAYS)
def test_recall_by_hand(delay: int) -> None:
    inputs, targets = Recall(delay).draw(50, seeded())
    for row, (target,) in zip(inputs.tolist(), targets.tolist(), strict=True):
        steps = [step.index(1.0) for step in row]
        assert all(sum(step) == 1 for step in row)
        assert steps[0] == target
        assert 0 <= target < 8
        assert len(steps[1:-1]) == delay
        assert all(8 <= step < 16 for step in steps[1:-1])
        assert steps[-1] == 16


@pytest.mark.parametrize("delay", DELAYS)
def test_adding_by_hand(delay: int) -> None:
    inputs, targets = Adding(delay).draw(50, seeded())
    for row, (target,) in zip(inputs.tolist(), targets.tolist(), strict=True):
        assert all(0 <= number < 1 for number, _ in row)
        marked = [t for t, (_, mark) in enumerate(row) if mark]
        assert [mark for _, mark in row].count(0.0) == len(row) - 2
        first, second = marked
        assert 0 <= first < len(row) / 2 <= second < len(row)
        assert len(row) - first > delay, "the answer comes at least `delay` steps later"
        assert target == pytest.approx(row[first][0] + row[second][0])


@pytest.mark.parametrize("delay", DELAYS)
def test_copy_by_hand(delay: int) -> None:
    inputs, targets = CopyMemory(delay).draw(50, seeded())
    for row, answer in zip(inputs.tolist(), targets.tolist(), strict=True):
        steps = [step.index(1.0) for step in row]
        shown = steps[:10]
        assert all(symbol < 8 for symbol in shown)
        assert steps[10:] == [8] * delay + [9] + [8] * 10
        assert answer == [8] * (delay + 11) + shown


@pytest.mark.parametrize("task", EVERY, ids=str)
def test_the_right_answers_solve_the_task(task: MemoryTask) -> None:
    batch = task.draw(20, seeded())
    if isinstance(task, Adding):
        outputs = batch.targets.unsqueeze(2)
    else:
        outputs = 50 * torch.nn.functional.one_hot(batch.targets, task.output_size).float()
    assert task.loss(outputs, batch.targets).item() == pytest.approx(0, abs=1e-6)
    score = task.score(outputs, batch.targets)
    assert score == (0.0 if isinstance(task, Adding) else 1.0)
    assert task.solved(score)
    assert not task.solved(task.chance)
    assert not task.solved(math.nan)


def test_the_baseline_of_adding() -> None:
    """Always 1: the squared error has mean 1/6 and, of two uniform numbers, variance 1/15 − 1/36."""
    task = Adding(10)
    N = 20_000
    _, targets = task.draw(N, seeded())
    score = task.score(torch.ones(N, 1, 1), targets)
    assert score == pytest.approx(task.chance, abs=4 * math.sqrt((1 / 15 - 1 / 36) / N))


@pytest.mark.parametrize("name", ["recall", "copy"])
def test_the_baseline_of_guessing(name: str) -> None:
    task = get_task(name, 5)
    N = 4000
    _, targets = task.draw(N, seeded())
    outputs = torch.rand(N, task.answers, task.output_size, generator=seeded(2))
    outputs[..., 8:] = 0  # the guesser knows that a symbol is asked for
    spread = math.sqrt(task.chance * (1 - task.chance) / (N * task.recalled))
    assert task.score(outputs, targets) == pytest.approx(task.chance, abs=4 * spread)


@pytest.mark.parametrize("delay", DELAYS)
def test_the_published_baseline_of_copy(delay: int) -> None:
    """Sure of the blank until the cue, then nothing but the eight symbols, all alike."""
    task = CopyMemory(delay)
    _, targets = task.draw(8, seeded())
    outputs = torch.full((8, task.length, 9), -100.0)
    outputs[:, : delay + 11, 8] = 100.0
    outputs[:, delay + 11 :, :8] = 0.0
    assert task.loss(outputs, targets).item() == pytest.approx(task.memoryless_loss, rel=1e-5)
    assert task.memoryless_loss == pytest.approx(10 * math.log(8) / (delay + 1 + 20))


def test_what_the_thresholds_rule_out() -> None:
    """Two symbols confused, one of ten lost, one of two numbers known: none of it is solved."""
    recall, copy, adding = Recall(5), CopyMemory(5), Adding(5)
    assert not recall.solved(15 / 16)
    assert not copy.solved(0.9 + 0.1 / 8)
    assert not adding.solved(1 / 12)


def predicted(x: Tensor, y: Tensor) -> Tensor:
    """y as far as a linear map of x tells: fitted on the first half of the rows, of the second."""
    half = len(x) // 2
    x = torch.cat((x.flatten(1), torch.ones(len(x), 1)), 1).double()
    return x[half:] @ torch.linalg.lstsq(x[:half], y[:half].double(), driver="gelsd").solution


@pytest.mark.parametrize("name", ["recall", "copy"])
def test_without_what_was_shown_the_answer_is_a_guess(name: str) -> None:
    task = get_task(name, 3)
    N = 6000
    inputs, targets = task.draw(N, seeded())
    answers = torch.nn.functional.one_hot(targets[:, -task.recalled], 8)
    right = predicted(inputs, answers).argmax(1) == targets[N // 2 :, -task.recalled]
    assert right.all(), "with the first step the answer is there"
    without = predicted(inputs[:, 1:], answers).argmax(1) == targets[N // 2 :, -task.recalled]
    spread = math.sqrt(task.chance * (1 - task.chance) / (N // 2))
    assert without.double().mean().item() == pytest.approx(task.chance, abs=4 * spread)


def test_without_the_first_number_the_sum_is_half_known() -> None:
    N = 8000
    inputs, targets = Adding(3).draw(N, seeded())
    error = (predicted(inputs[:, 3:].prod(2), targets) - targets[N // 2 :]).square().mean()
    assert error.item() == pytest.approx(1 / 12, rel=0.1)


def test_rows_and_steps_are_independent() -> None:
    inputs, targets = Recall(4).draw(4000, seeded())
    symbols = inputs.argmax(2)
    for step in range(1, 5):
        counts = torch.bincount(8 * targets[:, 0] + symbols[:, step] - 8, minlength=64)
        chi_square = ((counts - 62.5) ** 2 / 62.5).sum().item()
        assert chi_square < 63 + 5 * math.sqrt(2 * 63)


@pytest.mark.parametrize("delay", [0, -3, LONGEST + 1])
@pytest.mark.parametrize("name", TASKS)
def test_a_delay_out_of_range(name: str, delay: int) -> None:
    with pytest.raises(ConfigError, match=f"delay.*{delay}"):
        get_task(name, delay)


def test_a_task_that_is_not_there() -> None:
    with pytest.raises(
        ConfigError, match=r"'recal' \(did you mean 'recall'\?\): choose from recall, adding, copy"
    ):
        get_task("recal", 5)
