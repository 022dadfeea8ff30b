"""The negative binomial of total runs against scipy."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]

from models.boosters.runs import MAX_DISPERSION, MIN_DISPERSION, fit_dispersion, over_probability

LINES = st.integers(1, 60).map(lambda half: half / 2)


def scipy_over(mean: float, dispersion: float, line: float) -> float:
    law = stats.nbinom(dispersion, dispersion / (dispersion + mean))
    push = float(law.pmf(line)) if line == int(line) else 0.0
    return float(law.sf(math.floor(line))) / (1.0 - push)


@settings(deadline=None, max_examples=300)
@given(st.floats(3.0, 16.0), st.floats(1.0, 200.0), LINES)
def test_over_agrees_with_scipy(mean: float, dispersion: float, line: float) -> None:
    assert over_probability(mean, dispersion, line) == pytest.approx(
        scipy_over(mean, dispersion, line), abs=1e-10
    )


@settings(deadline=None, max_examples=50)
@given(st.floats(4.0, 14.0), st.floats(1.0, 100.0), st.integers(3, 20))
def test_a_whole_line_can_push_and_a_half_line_cannot(
    mean: float, dispersion: float, line: int
) -> None:
    """P(over 8 | no push) = P(over 8.5) / (P(over 8.5) + P(under 7.5))."""
    over = over_probability(mean, dispersion, line + 0.5)
    under = 1.0 - over_probability(mean, dispersion, line - 0.5)
    assert over_probability(mean, dispersion, line) == pytest.approx(
        over / (over + under), abs=1e-10
    )


def test_the_largest_dispersion_is_nearly_poisson() -> None:
    assert over_probability(8.7, MAX_DISPERSION, 8.5) == pytest.approx(
        float(stats.poisson.sf(8, 8.7)), abs=2e-4
    )


@given(st.floats(5.0, 12.0), LINES)
def test_more_runs_make_the_over_likelier(mean: float, line: float) -> None:
    assert over_probability(mean + 0.5, 8.0, line) > over_probability(mean, 8.0, line)


@pytest.mark.parametrize("dispersion", [4.0, 8.0, 20.0])
def test_fit_recovers_the_dispersion(dispersion: float) -> None:
    """Spread of the estimate by simulation: the truth lies within three deviations of it."""
    rng = np.random.default_rng(5)
    estimates = []
    for _ in range(40):
        mean = rng.uniform(7.0, 10.5, 4_000)
        runs = rng.negative_binomial(dispersion, dispersion / (dispersion + mean))
        estimates.append(fit_dispersion(runs.astype(float), mean))
    average, spread = np.mean(estimates), np.std(estimates, ddof=1)
    assert spread < 0.25 * dispersion
    # The estimate is a ratio, biased by about its squared relative spread.
    bias = (spread / dispersion) ** 2 * dispersion
    assert abs(average - dispersion) < 3 * spread / math.sqrt(40) + bias


def test_fit_at_its_ends() -> None:
    mean = np.full(100, 9.0)
    assert fit_dispersion(mean.copy(), mean) == MAX_DISPERSION  # no spread at all
    wild = np.where(np.arange(100) % 2 == 0, 0.0, 60.0)
    assert fit_dispersion(wild, mean) == MIN_DISPERSION


def test_fit_by_hand() -> None:
    """Excess (16 - 4) + (4 - 4) = 12, sum of mean**2 = 32."""
    assert fit_dispersion(np.array([8.0, 2.0]), np.array([4.0, 4.0])) == pytest.approx(32 / 12)
