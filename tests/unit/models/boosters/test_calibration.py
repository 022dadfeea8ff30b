"""Calibration: monotone, nothing where nothing is to be mended, and what others compute."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression  # type: ignore[import-untyped]

from models.boosters.calibration import (
    IDENTITY,
    Calibration,
    Method,
    choose,
    fit_beta,
    fit_isotonic,
)
from models.features.arrays import Array


def drawn(seed: int, count: int, shift: float) -> tuple[Array, Array, Array, Array]:
    """Chances that are too high by `shift` in log-odds: chance, won, weight, game."""
    rng = np.random.default_rng(seed)
    chance = rng.uniform(0.25, 0.75, count)
    truth = 1.0 / (1.0 + (1.0 - chance) / chance * math.exp(shift))
    return chance, rng.random(count) < truth, np.ones(count), np.arange(count)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(2, 400), st.floats(-1.0, 1.0))
def test_every_map_rises_and_stays_inside(seed: int, count: int, shift: float) -> None:
    chance, won, weight, _ = drawn(seed, count, shift)
    points = np.linspace(0.001, 0.999, 300)
    for fit in (fit_beta, fit_isotonic):
        mended = fit(chance, won, weight).of(points)
        assert (np.diff(mended) >= -1e-15).all()
        assert ((mended > 0) & (mended < 1)).all()


@given(st.floats(0.001, 0.999))
def test_the_identity_changes_no_bit(chance: float) -> None:
    assert IDENTITY(chance) == chance
    assert Calibration("beta", (1.0, 1.0, 0.0))(chance) == pytest.approx(chance, rel=1e-12)


def test_beta_by_hand() -> None:
    """Odds p**2 / (1 - p)**3 x e: at one half, 2 e."""
    found = Calibration("beta", (2.0, 3.0, 1.0))(0.5)
    assert found == pytest.approx(2 * math.e / (1 + 2 * math.e), rel=1e-12)


def test_isotonic_agrees_with_scikit_learn() -> None:
    """At the chances that were seen, in the middle of each block."""
    chance, won, weight, _ = drawn(3, 500, 0.3)
    weight = np.random.default_rng(1).uniform(0.2, 1.0, 500)
    theirs = IsotonicRegression().fit(chance, won, sample_weight=weight).predict(chance)
    ours = fit_isotonic(chance, won, weight)
    half = len(ours.numbers) // 2
    assert half == len(np.unique(theirs))
    np.testing.assert_allclose(
        ours.numbers[half:], np.clip(np.unique(theirs), 0.01, 0.99), atol=1e-9
    )


def test_a_map_is_chosen_where_it_helps_and_not_where_nothing_is_wrong() -> None:
    assert choose(*drawn(1, 4_000, 0.6)) != IDENTITY
    right = [choose(*drawn(seed, 400, 0.0)) for seed in range(20)]
    assert sum(one != IDENTITY for one in right) <= 1


def test_it_mends_games_that_it_has_not_seen() -> None:
    found = choose(*drawn(1, 4_000, 0.6))
    chance, won, _, _ = drawn(2, 4_000, 0.6)

    def loss(says: Array) -> float:
        return float(-np.log(np.where(won, says, 1 - says)).mean())

    # The expected gain is the divergence of the two, about shift**2 p (1 - p) / 2.
    assert loss(chance) - loss(found.of(chance)) > 0.5 * 0.6**2 * 0.23 / 2


def test_a_few_games_are_not_enough_to_choose() -> None:
    assert choose(*drawn(1, 99, 2.0)) == IDENTITY


@pytest.mark.parametrize(
    ("method", "numbers"),
    [
        ("identity", (1.0,)),
        ("beta", (1.0, 1.0)),
        ("beta", (-0.1, 1.0, 0.0)),
        ("beta", (1.0, math.nan, 0.0)),
        ("isotonic", ()),
        ("isotonic", (0.4, 0.6, 0.7, 0.5)),
        ("isotonic", (0.4, 0.6, 0.5, 1.0)),
    ],
)
def test_numbers_that_make_no_map(method: Method, numbers: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="makes no sense"):
        Calibration(method, numbers)
