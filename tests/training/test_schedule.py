"""The step size over time, and when a run validates and ends."""

import math
from itertools import pairwise

import pytest

from sunhwan.config import TrainingConfig
from sunhwan.training.schedule import Plan, Schedule


def plan(total: int, validations: int = 10, **options: int) -> Plan:
    made = Plan(total)
    made.spread(validations, TrainingConfig(**options))  # type: ignore[arg-type]
    return made


def test_warmup_then_cosine_down_to_zero() -> None:
    config = TrainingConfig(warmup=10)
    schedule, length = Schedule(), plan(110)
    factors = [schedule.factor(step, length, config) for step in range(111)]
    assert factors[:10] == pytest.approx([0.1 * (i + 1) for i in range(10)])
    assert factors[10] == 1.0
    assert factors[60] == pytest.approx(0.5)
    assert factors[35] == pytest.approx(0.5 * (1 + math.cos(math.pi / 4)))
    assert factors[110] == pytest.approx(0, abs=1e-12)
    assert 0 < factors[109] < 1e-3
    assert all(a > b for a, b in pairwise(factors[10:]))


def test_warmup_is_a_tenth_of_a_known_length_at_most() -> None:
    config = TrainingConfig(warmup=100, schedule="constant")
    factors = [Schedule().factor(step, plan(50), config) for step in range(50)]
    assert factors[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert set(factors[5:]) == {1.0}
    assert Schedule().factor(0, plan(5), config) == 1.0
    assert Schedule().factor(49, Plan(), config) == pytest.approx(0.5)
    assert Schedule().factor(100, Plan(), TrainingConfig()) == 1.0, "length unknown: the peak"


def test_plateau_shrinks_after_validations_without_gain() -> None:
    config = TrainingConfig(schedule="plateau", warmup=0, plateau_patience=2, plateau_factor=0.1)
    schedule = Schedule()
    seen = []
    for loss in (3.0, 2.0, 2.0, 1.9, 2.5, 1.9, 1.9, 5.0, 1.0):
        schedule.validated(loss, config)
        seen.append(schedule.factor(7, plan(100), config))
    assert seen == pytest.approx([1, 1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01])


@pytest.mark.parametrize("losses", [(), (2.0,), (2.0, 3.0), (2.0, 3.0, 3.0)])
def test_a_restored_schedule_goes_on_alike(losses: tuple[float, ...]) -> None:
    config = TrainingConfig(schedule="plateau", warmup=0)
    schedule = Schedule()
    for loss in losses:
        schedule.validated(loss, config)
    again = Schedule.restored(schedule.state())
    assert again == schedule
    for loss in (2.5, 2.5, 1.0):
        schedule.validated(loss, config)
        again.validated(loss, config)
        assert again == schedule


def test_validations_are_spread_and_the_end_is_always_one() -> None:
    made = plan(107, validations=10)
    due = [step for step in range(1, 108) if made.validation_due(step)]
    assert due == [*range(11, 100, 11), 107]
    assert [step for step in range(1, 4) if plan(3).validation_due(step)] == [1, 2, 3]
    every = plan(107, validate_every=50)
    assert [step for step in range(1, 108) if every.validation_due(step)] == [50, 100, 107]
    assert not any(Plan().validation_due(step) for step in range(1, 50))


def test_the_log_has_about_a_thousand_lines() -> None:
    assert plan(10).log_every == plan(1999).log_every == 1
    assert plan(5000).log_every == 5
