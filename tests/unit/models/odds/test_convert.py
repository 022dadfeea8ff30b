"""One price in every notation."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.odds.convert import Price, notation_of, read
from schemas.odds import Notation, decimal_to_american

PRICES = st.fractions(Fraction(1001, 1000), 1000, max_denominator=10_000).map(Price)


@given(PRICES)
def test_every_round_trip_is_exact(price: Price) -> None:
    assert read(str(price.american), Notation.AMERICAN) == price
    assert read(str(price.decimal), Notation.DECIMAL) == price
    assert read(str(price.fractional), Notation.FRACTIONAL) == price
    assert read(str(price.probability), Notation.PROBABILITY) == price


@given(st.one_of(st.integers(100, 20_000), st.integers(-20_000, -101)))
def test_whole_american_prices_come_back_whole(american: int) -> None:
    price = read(f"{american:+d}")
    assert price.american == american
    assert decimal_to_american(float(price.decimal)) == american


@pytest.mark.parametrize(
    ("text", "american", "decimal", "fractional", Notation.PROBABILITY),
    # As printed in any sportsbook's conversion table; the last column rounded there.
    [
        ("-110", -110, 1.909, "10/11", 0.5238),
        ("+150", 150, 2.5, "3/2", 0.4),
        ("5/2", 250, 3.5, "5/2", 0.2857),
        ("1.25", -400, 1.25, "1/4", 0.8),
        ("2", 100, 2.0, "1/1", 0.5),
        ("-200", -200, 1.5, "1/2", 0.6667),
    ],
)
def test_published_rows(
    text: str, american: float, decimal: float, fractional: str, probability: float
) -> None:
    said = read(text).report()
    assert said["american"] == american
    assert said["decimal"] == pytest.approx(decimal, abs=5e-4)
    assert said["fractional"] == fractional
    assert said["probability"] == pytest.approx(probability, abs=5e-5)


@pytest.mark.parametrize(
    ("text", "notation"),
    [
        ("-110", Notation.AMERICAN),
        ("+100", Notation.AMERICAN),
        ("150", Notation.AMERICAN),
        ("99.5", Notation.DECIMAL),
        ("1.01", Notation.DECIMAL),
        (" 10/11 ", Notation.FRACTIONAL),
    ],
)
def test_what_a_price_looks_like(text: str, notation: Notation) -> None:
    assert notation_of(text) == notation


@pytest.mark.parametrize(
    ("text", "notation", "why"),
    [
        ("abc", None, "'abc' is no price"),
        ("1/0", None, "'1/0' is no price"),
        ("", None, "'' is no price"),
        ("nan", None, "'nan' is no price"),
        ("-50", None, "American odds -50 lie between -100 and 100"),
        ("1.0", None, "decimal odds 1 are not above 1"),
        ("0/5", None, "fractional odds 0 are not above 0"),
        ("1.2", Notation.PROBABILITY, "probability 1.2 is not between 0 and 1"),
    ],
)
def test_what_is_no_price(text: str, notation: Notation | None, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read(text, notation)
