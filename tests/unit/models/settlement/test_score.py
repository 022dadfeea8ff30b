"""Scores against lines, and money, for any bet."""

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.settlement.score import decided, outcome, payout, quarters
from schemas.bets import Fill, Outcome
from tests.unit.models.settlement.bets import bet

RUNS = st.integers(0, 30)
TOTALS = st.integers(1, 100).map(lambda n: n / 4)
HANDICAPS = st.integers(-40, 40).map(lambda n: n / 4)
CENTS = st.integers(2, 10**8).map(lambda n: Decimal(n) / 100)
PRICES = st.integers(1001, 50_000).map(lambda n: n / 1000)
MIRROR = {
    Outcome.WIN: Outcome.LOSS,
    Outcome.HALF_WIN: Outcome.HALF_LOSS,
    Outcome.PUSH: Outcome.PUSH,
    Outcome.HALF_LOSS: Outcome.HALF_WIN,
    Outcome.LOSS: Outcome.WIN,
}


def sides(line: float | None, total: bool) -> tuple[Fill, Fill]:
    first, second = ("over", "under") if total else ("home", "away")
    return bet(first, line), bet(second, line)


def graded(taken: Fill, home: int, away: int) -> Outcome:
    ahead = quarters(taken, home, away)
    assert ahead is not None
    return outcome(ahead)


def by_halves(margin: Fraction, line: Fraction) -> Fraction:
    """What comes back of one unit at evens: half of it on each neighbouring line."""
    halves = [line] if line * 2 == int(line * 2) else [line - Fraction(1, 4), line + Fraction(1, 4)]
    back = [2 if margin + one > 0 else 1 if margin + one == 0 else 0 for one in halves]
    return Fraction(sum(back), len(back))


BACK_AT_EVENS = {
    Outcome.WIN: Fraction(2),
    Outcome.HALF_WIN: Fraction(3, 2),
    Outcome.PUSH: Fraction(1),
    Outcome.HALF_LOSS: Fraction(1, 2),
    Outcome.LOSS: Fraction(0),
}


@given(home=RUNS, away=RUNS, line=HANDICAPS)
def test_a_run_line_is_its_two_halves(home: int, away: int, line: float) -> None:
    taken = bet("home", line)
    expected = by_halves(Fraction(home - away), Fraction(line))
    assert BACK_AT_EVENS[graded(taken, home, away)] == expected


@given(home=RUNS, away=RUNS, line=TOTALS)
def test_a_total_is_its_two_halves(home: int, away: int, line: float) -> None:
    expected = by_halves(Fraction(home + away), -Fraction(line))
    assert BACK_AT_EVENS[graded(bet("over", line), home, away)] == expected


@given(home=RUNS, away=RUNS, line=st.one_of(st.none(), HANDICAPS))
def test_the_sides_of_a_run_line_mirror(home: int, away: int, line: float | None) -> None:
    first, second = sides(line, total=False)
    assert graded(second, home, away) is MIRROR[graded(first, home, away)]


@given(home=RUNS, away=RUNS, line=TOTALS)
def test_the_sides_of_a_total_mirror(home: int, away: int, line: float) -> None:
    first, second = sides(line, total=True)
    assert graded(second, home, away) is MIRROR[graded(first, home, away)]


@given(home=RUNS, away=RUNS, more=RUNS, line=TOTALS, over=st.booleans())
def test_decided_means_that_more_runs_change_nothing(
    home: int, away: int, more: int, line: float, over: bool
) -> None:
    taken = bet("over" if over else "under", line)
    found = decided(taken, home, away)
    if found is not None:
        assert graded(taken, home + more, away) is found


@given(line=TOTALS, home=RUNS, away=RUNS)
def test_not_decided_means_that_more_runs_can(line: float, home: int, away: int) -> None:
    taken = bet("over", line)
    if decided(taken, home, away) is None:
        assert graded(taken, home + 30, away) is not graded(taken, home, away)


def test_no_run_line_is_ever_decided() -> None:
    assert decided(bet("home", -1.5), 20, 0) is None


@pytest.mark.parametrize("line", [8.3, 8.1, 7.625, -1.51])
def test_a_line_that_is_no_quarter(line: float) -> None:
    assert quarters(bet("over", abs(line)), 5, 3) is None
    assert quarters(bet("home", line), 5, 3) is None


@pytest.mark.parametrize(
    ("amount", "price", "result", "paid"),
    [
        ("110", 1.9090909090909092, Outcome.WIN, "210.00"),  # -110
        ("100", 1.9090909090909092, Outcome.WIN, "190.91"),
        ("33.33", 2.45, Outcome.WIN, "81.66"),  # 81.6585
        ("10", 1.0005, Outcome.WIN, "10.01"),  # 10.005: half up
        ("100", 1.95, Outcome.HALF_WIN, "147.50"),
        ("0.05", 1.95, Outcome.HALF_WIN, "0.07"),  # 0.07375
        ("0.05", 1.95, Outcome.HALF_LOSS, "0.03"),  # 0.025
        ("0.01", 1.95, Outcome.HALF_LOSS, "0.005"),  # a cent cannot be halved into cents
        ("12.3456789", 2.0, Outcome.HALF_LOSS, "6.1728395"),  # 6.17283945
        ("12.34567891", 1.5, Outcome.WIN, "18.51851837"),  # 18.518518365
        ("12.34567891", 1.5, Outcome.VOID, "12.34567891"),
        ("100", 1.95, Outcome.LOSS, "0"),
    ],
)
def test_what_is_paid(amount: str, price: float, result: Outcome, paid: str) -> None:
    assert payout(Decimal(amount), price, result) == Decimal(paid)


@given(amount=CENTS, price=PRICES)
def test_a_quarter_line_pays_the_mean_of_its_neighbours(amount: Decimal, price: float) -> None:
    win, back = amount * Decimal(str(price)), amount

    def rounded(exact: Decimal) -> Decimal:
        return exact.quantize(Decimal("0.01"), ROUND_HALF_UP)

    assert payout(amount, price, Outcome.WIN) == max(rounded(win), amount)
    assert payout(amount, price, Outcome.HALF_WIN) == max(rounded((win + back) / 2), amount)
    assert payout(amount, price, Outcome.HALF_LOSS) == rounded(back / 2)


@given(amount=st.decimals("0.00000001", "1000000", places=8), price=PRICES)
@pytest.mark.parametrize("result", Outcome)
def test_money_fits_its_outcome(result: Outcome, amount: Decimal, price: float) -> None:
    paid = payout(amount, price, result)
    checks: dict[Outcome, Any] = {
        Outcome.WIN: paid >= amount,
        Outcome.HALF_WIN: paid >= amount,
        Outcome.PUSH: paid == amount,
        Outcome.VOID: paid == amount,
        Outcome.HALF_LOSS: 0 < paid < amount,
        Outcome.LOSS: paid == 0,
    }
    assert checks[result]
