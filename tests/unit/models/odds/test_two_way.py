"""De-vig against a root finder, algebra and hand-computed markets."""

import math
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq  # type: ignore[import-untyped]

from models.odds import DEVIG, logit, multiplicative, overround, power, sigmoid
from schemas.sections.scoring import DevigMethod, ScoreSettings

CHANCES = st.floats(0.02, 0.98)
MARGINS = st.floats(0.9, 1.5)


@st.composite
def markets(draw: st.DrawFn) -> tuple[float, float]:
    """Decimal prices that the schema lets in."""
    chance, total = draw(CHANCES), draw(MARGINS)
    first, second = 1 / (chance * total), 1 / ((1 - chance) * total)
    if first <= 1.001 or second <= 1.001:
        return 1.9, 1.9
    return first, second


@settings(max_examples=500, deadline=None)
@given(markets())
def test_power_agrees_with_brentq(market: tuple[float, float]) -> None:
    first, second = market

    def excess(k: float) -> float:
        return float(first**-k + second**-k - 1.0)

    k = brentq(excess, 1e-3, 2_000.0, xtol=1e-15, rtol=1e-14, maxiter=1_000)
    assert power(first, second) == pytest.approx(first**-k, abs=1e-9)
    assert power(first, second) == pytest.approx(1.0 - second**-k, abs=1e-9)


@settings(max_examples=300)
@given(markets())
def test_multiplicative_keeps_the_ratio_of_the_implied_probabilities(
    market: tuple[float, float],
) -> None:
    first, second = market
    fair = multiplicative(first, second)
    assert fair / (1.0 - fair) == pytest.approx(second / first, rel=1e-9)


@pytest.mark.parametrize("method", DEVIG)
@given(market=markets())
def test_swapping_the_sides_swaps_the_probability(
    method: DevigMethod, market: tuple[float, float]
) -> None:
    devig = DEVIG[method]
    first, second = market
    assert devig(first, second) + devig(second, first) == pytest.approx(1.0, abs=1e-12)
    assert 0.0 < devig(first, second) < 1.0


@pytest.mark.parametrize("method", DEVIG)
@given(chance=CHANCES)
def test_without_a_margin_the_implied_probability_is_the_fair_one(
    method: DevigMethod, chance: float
) -> None:
    devig = DEVIG[method]
    assert devig(1 / chance, 1 / (1 - chance)) == pytest.approx(chance, abs=1e-12)


@given(markets())
def test_power_takes_more_off_the_outsider(market: tuple[float, float]) -> None:
    """With a margin, favourites keep more than their share: that is what the method is for."""
    favourite, outsider = sorted(market)
    if overround(favourite, outsider) > 1.0 + 1e-9 and outsider - favourite > 1e-6:
        assert power(favourite, outsider) >= multiplicative(favourite, outsider)


def test_by_hand() -> None:
    assert overround(1.909090909090909, 1.909090909090909) == pytest.approx(22 / 21, abs=1e-12)
    assert multiplicative(1.5, 2.5) == pytest.approx(0.625, abs=1e-15)
    # 2**-k + 4**-k = 1 has 2**-k = (sqrt 5 - 1) / 2, the golden ratio's inverse.
    assert power(2.0, 4.0) == pytest.approx((math.sqrt(5) - 1) / 2, abs=1e-12)
    for devig in DEVIG.values():
        assert devig(1.87, 1.87) == 0.5


def test_every_method_of_the_settings_exists() -> None:
    for method in DEVIG:
        assert ScoreSettings(devig=method).devig == method
    assert set(DEVIG) == set(get_args(DevigMethod))


@settings(max_examples=300)
@given(markets())
def test_additive_takes_the_same_off_each_side(market: tuple[float, float]) -> None:
    first, second = market
    fair = DEVIG["additive"](first, second)
    assert 1 / first - fair == pytest.approx(1 / second - (1 - fair), abs=1e-14)


@settings(max_examples=300)
@given(markets())
def test_odds_ratio_is_the_same_on_both_sides(market: tuple[float, float]) -> None:
    """Fair odds over implied odds: Cheung's constant, once a side."""
    first, second = market
    fair = DEVIG["odds_ratio"](first, second)
    on_first = fair / (1 - fair) * (first - 1)
    on_second = (1 - fair) / fair * (second - 1)
    assert on_first == pytest.approx(on_second, rel=1e-9)


@settings(max_examples=300)
@given(markets())
def test_goto_takes_the_same_number_of_standard_errors(market: tuple[float, float]) -> None:
    first, second = market
    fair = DEVIG["goto"](first, second)
    errors = [math.sqrt(1 - 1 / price) for price in market]
    steps = [(1 / first - fair) / errors[0], (1 / second - (1 - fair)) / errors[1]]
    assert steps[0] == pytest.approx(steps[1], abs=1e-12)


def test_recorded_features_keep_their_bits() -> None:
    """Values of these functions when the first seasons were recorded; exp may differ by an ulp."""
    assert multiplicative(2.05, 1.87) == float.fromhex("0x1.e87d6343eb1a4p-2")
    recorded = float.fromhex("0x1.4eb4cd7aaf14dp-1")
    assert power(1.5, 2.75) == pytest.approx(recorded, abs=1.2e-16)


@given(st.floats(-36.0, 36.0))
def test_logit_undoes_sigmoid(score: float) -> None:
    """Near 1 a double has few digits left for 1 - p, so the error grows with the score."""
    error = 1e-12 + 4e-16 * math.exp(max(score, 0.0))
    assert logit(sigmoid(score)) == pytest.approx(score, abs=error)


@given(st.floats(allow_nan=False))
def test_sigmoid_never_overflows(score: float) -> None:
    assert 0.0 <= sigmoid(score) <= 1.0
    assert sigmoid(score) + sigmoid(-score) == pytest.approx(1.0, abs=1e-15)


def test_logit_and_sigmoid_by_hand() -> None:
    assert sigmoid(0.0) == 0.5
    assert sigmoid(math.log(3)) == pytest.approx(0.75, abs=1e-15)
    assert logit(0.2) == pytest.approx(-math.log(4), abs=1e-15)
    for end in (0.0, 1.0):
        with pytest.raises(ValueError, match="no log-odds"):
            logit(end)
