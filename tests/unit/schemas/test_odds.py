"""American and decimal prices."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.odds import american_to_decimal, decimal_to_american
from tests import samples

AMERICAN = st.one_of(st.integers(100, 20_000), st.integers(-20_000, -101))
"""-100 and 100 are one price; 100 is how it is written."""


@pytest.mark.parametrize(
    ("american", "decimal"),
    # As printed in any sportsbook's conversion table.
    [
        (100, 2.0),
        (150, 2.5),
        (-110, 1 + 10 / 11),
        (-200, 1.5),
        (250, 3.5),
        (-400, 1.25),
        (-100, 2.0),
    ],
)
def test_published_conversions(american: float, decimal: float) -> None:
    assert american_to_decimal(american) == pytest.approx(decimal, abs=1e-15)


@given(AMERICAN)
def test_there_and_back(american: int) -> None:
    assert decimal_to_american(american_to_decimal(american)) == american


@given(st.floats(1.005, 200.0))
def test_the_nearest_whole_american_price(decimal: float) -> None:
    """Profit on a stake of 100, or the stake that 100 profit takes: within half a unit."""
    american = decimal_to_american(decimal)
    exact = 100 * (decimal - 1) if decimal >= 2 else -100 / (decimal - 1)
    assert abs(american - exact) <= 0.5


@given(st.floats(-100, 100, exclude_min=True, exclude_max=True))
def test_no_american_price_lies_in_the_gap(american: float) -> None:
    with pytest.raises(ValueError, match="between -100 and 100"):
        american_to_decimal(american)


@pytest.mark.parametrize("decimal", [1.0, 0.5, -2.0])
def test_decimal_odds_must_pay_something(decimal: float) -> None:
    with pytest.raises(ValueError, match="not above 1"):
        decimal_to_american(decimal)


def test_a_number_that_is_none_is_no_price() -> None:
    with pytest.raises(ValueError, match="nan"):
        american_to_decimal(math.nan)


@given(st.integers(100, 900), st.integers(0, 30))
def test_both_formats_of_a_quote_give_the_same_event(underdog: int, juice: int) -> None:
    american = samples.line(home=underdog, away=-(underdog + juice + 1), odds_format="american")
    decimal = samples.line(home=1 + underdog / 100, away=1 + 100 / (underdog + juice + 1))
    assert american.price_home_over == pytest.approx(decimal.price_home_over, abs=1e-14)
    assert american.price_away_under == pytest.approx(decimal.price_away_under, abs=1e-14)
    assert american.odds_format == decimal.odds_format == "decimal"
