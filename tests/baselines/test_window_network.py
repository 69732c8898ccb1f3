"""The window network: what a fixed number of tokens tells, beside which recurrence is measured."""

import math

import torch

from sunhwan.baselines.window import WINDOW, WindowNetwork, fit, loss, windows_of


def text_of(gap: int) -> torch.Tensor:
    """Marks drawn at random, 0 or 1, each said again `gap` tokens later, the tokens between them 2."""
    torch.manual_seed(3)
    marks = torch.randint(2, (400,))
    rows = torch.full((400, gap + 4), 2)
    rows[:, 0] = rows[:, gap] = marks
    rows[:, gap + 1 :] = 3
    return rows.flatten()


def mean_loss_of_marks(gap: int) -> float:
    ids, starts = text_of(gap), torch.zeros(1, dtype=torch.int64)
    network = fit(ids, starts, 4, parameters=8_000, steps=300, rows=256)
    places = torch.arange(gap, len(ids), gap + 4)
    return loss(network, ids, starts, places)


def test_it_knows_what_the_window_holds_and_nothing_older() -> None:
    assert mean_loss_of_marks(WINDOW - 2) < 0.05
    assert abs(mean_loss_of_marks(WINDOW + 1) - math.log(2)) < 0.1


def test_a_window_does_not_reach_over_the_start_of_its_document() -> None:
    ids, starts = torch.arange(10), torch.tensor([0, 6])
    found = windows_of(ids, starts, torch.tensor([1, 3, 6, 7, 9]), 4, 99)
    assert found.tolist() == [
        [99, 99, 99, 0], [99, 0, 1, 2], [2, 3, 4, 5], [99, 99, 99, 6], [99, 6, 7, 8],
    ]  # fmt: skip


def test_it_has_the_parameters_that_it_is_given() -> None:
    network = WindowNetwork.of(50_000, 70)
    assert abs(sum(p.numel() for p in network.parameters()) - 50_000) < 300


def test_a_fit_is_repeatable_and_leaves_the_random_numbers_alone() -> None:
    ids, starts = text_of(4), torch.zeros(1, dtype=torch.int64)
    before = torch.random.get_rng_state()
    one, two = (fit(ids, starts, 4, parameters=2_000, steps=3, rows=32) for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(one.output.weight, two.output.weight)
