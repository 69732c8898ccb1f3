"""A stretch of a series without its season, level and unit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sunhwan.data.windows import (
    filled,
    naive_error,
    past_seasons,
    seasonal_naive,
    seasonal_profile,
    stretch,
    usual_scales,
)

RNG = np.random.default_rng(1)


def test_a_line_with_a_season_is_taken_apart_exactly() -> None:
    season = np.array([3.0, -1.0, 0.5, -2.5])
    t = np.arange(22)
    values = 7 + 0.25 * t + season[(t + 1) % 4]
    np.testing.assert_allclose(seasonal_profile(values[2:].reshape(-1, 4)), np.roll(season, 1))
    read, repeated, scale = stretch(values[:16], 4, 6)
    assert scale == pytest.approx(1.0)
    np.testing.assert_allclose(read[:, 0], 0.25 * (np.arange(4, 16) - 15), atol=1e-12)
    np.testing.assert_allclose(read[:, 1], 0.25)
    # What is left to learn is the line alone.
    np.testing.assert_allclose(values[16:] - repeated, 0.25 * np.arange(1, 7))


@given(
    season=st.integers(1, 6),
    context=st.integers(1, 20),
    horizon=st.integers(1, 9),
    factor=st.floats(0.1, 50),
    shift=st.floats(-50, 50),
)
@settings(max_examples=40, deadline=None)
def test_unit_and_level_of_a_series_change_nothing(
    season: int, context: int, horizon: int, factor: float, shift: float
) -> None:
    values = RNG.normal(size=season + context)
    plain, other = (stretch(x, season, horizon) for x in (values, factor * values + shift))
    assert plain.read.shape == (context, 2)
    assert plain.repeated.shape == (horizon,)
    np.testing.assert_allclose(other.read, plain.read, atol=1e-6, rtol=1e-6)
    np.testing.assert_allclose(other.repeated, factor * plain.repeated + shift, atol=1e-6)
    assert other.scale == pytest.approx(factor * plain.scale)


def test_of_one_season_the_last_is_repeated_and_a_repetition_has_no_scale() -> None:
    values = np.array([1.0, 5.0, 2.0, 1.5])
    expected = seasonal_naive(values[1:], 3, 5)
    np.testing.assert_allclose(expected, [5.0, 2.0, 1.5, 5.0, 2.0])
    np.testing.assert_allclose(stretch(values, 3, 5).repeated, expected)
    again = np.tile(values, 4)
    read, repeated, scale = stretch(again, 4, 6)
    assert scale == 0
    np.testing.assert_allclose(repeated, seasonal_naive(again, 4, 6))
    assert np.isfinite(read).all()
    assert np.isfinite(stretch(np.full(7, 3.0), 1, 1).read).all()


def test_the_naive_error_is_the_mean_seasonal_difference() -> None:
    assert naive_error(np.array([1.0, 2.0, 4.0, 1.0]), 2) == pytest.approx((3 + 1) / 2)
    assert naive_error(np.array([1.0, 2.0, 1.0, 2.0]), 2) == 0
    assert naive_error(np.array([1.0, np.nan, 4.0, 1.0, 6.0]), 2) == pytest.approx((3 + 2) / 2)


def test_what_is_missing_is_filled_with_its_season() -> None:
    season = np.array([3.0, -1.0, 0.5, -2.5])
    values = 7 + np.tile(season, 6)
    holes = values.copy()
    holes[[2, 9, 10, 23]] = np.nan
    np.testing.assert_allclose(filled(holes, 4), values, atol=0.5)
    np.testing.assert_array_equal(filled(holes, 4)[:2], values[:2])
    np.testing.assert_allclose(filled(0.5 * np.arange(9.0) + np.where(np.arange(9) == 4, np.nan, 0), 1),
                               0.5 * np.arange(9.0))  # fmt: skip
    np.testing.assert_array_equal(filled(np.full(3, np.nan), 2), [0, 0, 0])


def test_a_scale_is_that_of_known_steps_and_is_drawn_to_the_usual_one() -> None:
    values = np.array([1.0, 2.0, np.nan, 4.0, 8.0])
    usual = usual_scales(values, 1)
    np.testing.assert_allclose(usual, [0, 0, 1, 1, 1, (1 + 4) / 2])
    assert stretch(values, 1, 1).scale == pytest.approx((1 + 4) / 2)
    assert stretch(values, 1, 1, 10.0).scale == pytest.approx((2 * 2.5 + 12 * 10) / 14)
    # A value a season before is not there yet: neighbours stand in.
    np.testing.assert_allclose(usual_scales(np.array([1.0, 3.0, 3.0, 7.0]), 3), [0, 0, 2, 1, 6])


def test_the_season_before_is_what_a_future_repeats() -> None:
    rng = np.random.default_rng(2)
    week = rng.normal(size=28)
    values = 50 + np.tile(week, 8)
    origin, context, horizon, season = 28 * 6 + 9, 20, 8, 4
    found = past_seasons(values, origin, context, horizon, season, 28)
    _, repeated, _ = stretch(values[origin - context - season : origin], season, horizon)
    np.testing.assert_allclose(found[context:], (values[origin : origin + horizon] - repeated))
    assert np.isnan(past_seasons(values, 30, 20, 8, 4, 28)).all()
    other = values.copy()
    other[origin:] = 1e6
    np.testing.assert_array_equal(found, past_seasons(other, origin, context, horizon, season, 28))
