"""Whole markets against other packages, identities, and the fold's two-way functions."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.features.arrays import Array
from models.odds import DEVIG
from models.odds.n_way import devig, overround
from schemas.sections.scoring import DevigMethod

ORACLES = json.loads((Path(__file__).parent / "oracles.json").read_text())
"""Values that other packages gave, with the call and the package's version."""
ITERATED: tuple[DevigMethod, ...] = ("power", "shin", "odds_ratio")
SINGLE: tuple[DevigMethod, ...] = ("multiplicative", "additive", "goto")


@st.composite
def markets(draw: st.DrawFn, most: int = 8) -> Array:
    """Prices above 1 of 2 to `most` outcomes, margin from -10 % to 40 %."""
    weights = draw(st.lists(st.floats(0.02, 1.0), min_size=2, max_size=most))
    total = draw(st.floats(0.9, 1.4))
    implied = np.array(weights) / sum(weights) * total
    return 1.0 / np.minimum(implied, 0.995)


@pytest.mark.parametrize("known", ORACLES["values"], ids=lambda one: f"{one['call']}-{one['odds']}")
def test_what_other_packages_say(known: dict[str, Any]) -> None:
    tolerance = 1e-9 if known["method"] in SINGLE else 1e-6
    assert devig(known["odds"], known["method"]).tolist() == pytest.approx(
        known["probabilities"], abs=tolerance
    )


def test_the_example_that_the_shin_package_publishes() -> None:
    published = [0.3729941, 0.4047794, 0.2222265]
    assert devig(np.array([2.6, 2.4, 4.3]), "shin").tolist() == pytest.approx(published, abs=1e-7)


def test_by_hand() -> None:
    """Implied 1/2, 1/2, 1/4: overround 5/4."""
    prices = np.array([2.0, 2.0, 4.0])
    assert overround(prices) == 1.25
    assert devig(prices, "multiplicative").tolist() == pytest.approx([0.4, 0.4, 0.2], abs=1e-15)
    third = 0.25 / 3
    expected = [0.5 - third, 0.5 - third, 0.25 - third]
    assert devig(prices, "additive").tolist() == pytest.approx(expected, abs=1e-15)
    # x = 2**-k: 2 x + x**2 = 1.
    x = math.sqrt(2) - 1
    assert devig(prices, "power").tolist() == pytest.approx([x, x, x * x], abs=1e-12)
    # Odds 1, 1, 1/3 over c: 2 / (1 + c) + 1 / (1 + 3 c) = 1, so 3 c**2 - 3 c - 2 = 0.
    c = (3 + math.sqrt(33)) / 6
    expected = [1 / (1 + c), 1 / (1 + c), 1 / (1 + 3 * c)]
    assert devig(prices, "odds_ratio").tolist() == pytest.approx(expected, abs=1e-12)
    # Standard errors sqrt(1/2), sqrt(1/2), sqrt(3/4) share a quarter.
    step = 0.25 / (math.sqrt(2) + math.sqrt(0.75))
    expected = [0.5 - step * math.sqrt(0.5)] * 2 + [0.25 - step * math.sqrt(0.75)]
    assert devig(prices, "goto").tolist() == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("method", DEVIG)
@settings(max_examples=300, deadline=None)
@given(market=markets(most=2))
def test_two_outcomes_are_what_the_fold_has(method: DevigMethod, market: Array) -> None:
    """Different formulas for the same thing, so neither can drift alone. For `shin` this is the
    identity with `additive`: here it is iterated."""
    first, second = market.tolist()
    fair = DEVIG[method](first, second)
    assert devig(market, method).tolist() == pytest.approx([fair, 1.0 - fair], abs=1e-12)


@pytest.mark.parametrize("method", DEVIG)
@settings(max_examples=200, deadline=None)
@given(market=markets())
def test_probabilities_in_the_order_of_the_prices_or_no_answer(
    method: DevigMethod, market: Array
) -> None:
    fair = devig(market, method)
    if np.isnan(fair).any():
        assert np.isnan(fair).all()
        assert method in ("additive", "goto")
        return
    assert fair.sum() == pytest.approx(1.0, abs=1e-14)
    assert (fair > 0.0).all()
    by_price = np.argsort(market, kind="stable")
    assert (np.diff(fair[by_price]) <= 1e-14).all()


@settings(max_examples=200, deadline=None)
@given(markets())
def test_each_method_keeps_what_it_promises(market: Array) -> None:
    implied = 1.0 / market
    fair = devig(market, "power")
    exponents = np.log(fair) / np.log(implied)
    assert np.ptp(exponents) < 1e-9 * exponents.max()
    fair = devig(market, "odds_ratio")
    ratios = (implied / (1 - implied)) / (fair / (1 - fair))
    assert np.ptp(ratios) < 1e-9 * ratios.max()
    fair = devig(market, "shin")
    # implied**2 / overround = (1 - z) p**2 + z p: a straight line of z through every outcome.
    scaled = implied**2 / implied.sum()
    z = (scaled - fair**2) / (fair - fair**2)
    assert np.ptp(z) < 1e-7


@pytest.mark.parametrize("method", DEVIG)
@given(weights=st.lists(st.floats(0.05, 1.0), min_size=2, max_size=8))
def test_without_a_margin_the_implied_probabilities_are_fair(
    method: DevigMethod, weights: list[float]
) -> None:
    chances = np.array(weights) / sum(weights)
    assert devig(1.0 / chances, method).tolist() == pytest.approx(chances.tolist(), abs=1e-12)


@pytest.mark.parametrize("method", DEVIG)
def test_overround_of_exactly_one(method: DevigMethod) -> None:
    fair = devig(np.array([2.0, 4.0, 4.0]), method).tolist()
    assert fair == pytest.approx([0.5, 0.25, 0.25], abs=1e-15)


@pytest.mark.parametrize("method", DEVIG)
def test_what_has_no_answer_is_missing_as_a_whole(method: DevigMethod) -> None:
    nan = math.nan
    table = np.array([[1.9, nan], [1.9, 1.0], [0.5, 3.0], [1.9, math.inf], [1.8, 2.2]])
    fair = devig(table, method)
    assert np.isnan(fair[:4]).all()
    assert fair[4].sum() == pytest.approx(1.0)
    assert np.isnan(devig(np.array([1.9]), method)).all()
    assert devig(np.empty((0, 3)), method).shape == (0, 3)


@pytest.mark.parametrize("method", ["additive", "goto"])
def test_a_longshot_that_would_fall_below_nothing_is_refused(method: DevigMethod) -> None:
    """A margin of 0.2 over three outcomes takes more than the longshot's 0.01."""
    prices = 1.0 / np.array([0.595, 0.595, 0.01])
    assert np.isnan(devig(prices, method)).all()
    assert not np.isnan(devig(prices, "power")).any()


@pytest.mark.parametrize("method", DEVIG)
def test_a_market_does_not_depend_on_the_others(method: DevigMethod) -> None:
    prices = 1.0 / (np.random.default_rng(5).dirichlet(np.full(4, 3.0), 50) * 1.06)
    together = devig(prices.reshape(5, 10, 4), method).reshape(50, 4)
    alone = np.array([devig(one, method) for one in prices])
    assert np.allclose(together, alone, rtol=0, atol=1e-14, equal_nan=True)
