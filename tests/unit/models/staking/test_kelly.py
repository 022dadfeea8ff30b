"""Kelly's fraction against a brute-force maximum of expected log growth."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar  # type: ignore[import-untyped]

from models.staking.kelly import edge, kelly_fraction

CHANCES = st.floats(0.0, 1.0)
PRICES = st.floats(1.01, 50.0)


def test_the_value_of_the_design() -> None:
    """-110 at p = .56: 2 * .56 - 1 = .12 less the juice, (.56 * 1.9091 - 1) / .9091 = 7.6 %."""
    assert kelly_fraction(0.56, 1 + 100 / 110) == pytest.approx(0.076, abs=5e-5)


def test_by_hand() -> None:
    assert kelly_fraction(0.6, 2.0) == pytest.approx(0.2)  # p - q at even money
    assert kelly_fraction(0.5, 3.0) == pytest.approx(0.25)
    assert kelly_fraction(1.0, 1.5) == 1.0
    assert edge(0.5, 2.5) == pytest.approx(0.25)
    assert edge(0.0, 2.5) == -1.0


@settings(deadline=None, max_examples=200)
@given(st.floats(0.05, 0.95), st.floats(1.1, 12.0), st.floats(0.0, 0.3))
def test_it_is_where_expected_log_growth_is_largest(
    given_no_push: float, price: float, push: float
) -> None:
    win, lose = (1 - push) * given_no_push, (1 - push) * (1 - given_no_push)

    def loss(fraction: float) -> float:
        # A push returns the stake: log 1 = 0, whatever its probability.
        return -(win * math.log1p(fraction * (price - 1)) + lose * math.log1p(-fraction))

    inside = (0.0, 1.0 - 1e-9)
    best = minimize_scalar(loss, bounds=inside, method="bounded", options={"xatol": 1e-10})
    ours = kelly_fraction(given_no_push, price)
    assert ours == pytest.approx(float(best.x), abs=2e-5)
    assert loss(ours) <= loss(float(best.x)) + 1e-14


@settings(max_examples=300)
@given(CHANCES, PRICES)
def test_it_is_a_fraction_and_zero_without_an_edge(chance: float, price: float) -> None:
    fraction = kelly_fraction(chance, price)
    assert 0.0 <= fraction <= 1.0
    if edge(chance, price) <= 0.0:
        assert fraction == 0.0
    else:
        assert fraction > 0.0


@given(st.floats(1.01, 50.0))
def test_a_fair_price_is_worth_nothing(price: float) -> None:
    assert kelly_fraction(1.0 / price, price) == pytest.approx(0.0, abs=1e-13)
