"""Closing line value: by hand, against scipy's negative binomial, and identities."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]
from scipy.optimize import brentq  # type: ignore[import-untyped]

from models.evaluation.closing import Close, Missing
from models.evaluation.clv import Bet, Coverage, closing_value, coverage
from models.odds import DEVIG
from schemas.bets import ClosingValue
from schemas.markets import SIDES, Market, Side
from schemas.sections.scoring import DevigMethod
from tests.samples import START, settlement

SECOND = 1_000_000
HALF_LINES = [1.5, 2.5, 4.5, 6.5, 7.5, 8.5, 9.5, 12.5]


def close(line: float | None, probability: float, seconds: float = 30.0) -> Close:
    return Close("pinnacle", line, probability, START - round(seconds * SECOND), START)


def value(bet: Bet, at: Close) -> ClosingValue:
    found = closing_value(bet, at)
    assert isinstance(found, ClosingValue), found
    return found


def test_a_moneyline_by_hand() -> None:
    # Taken at 2.10, which implies 47.619 %; the close says 52 %: 0.52 x 2.10 - 1 = 0.092.
    found = value(Bet(Market.MONEYLINE, Side.HOME, None, 2.10), close(None, 0.52))
    assert found.probability_points == pytest.approx(0.52 - 0.476190476)
    assert found.price_part == found.probability_points
    assert found.line_part == 0.0
    assert found.expected_value == pytest.approx(0.092)
    assert (found.reference, found.line) == ("pinnacle", None)
    assert (found.quoted_at_us, found.seconds_before_start) == (START - 30 * SECOND, 30.0)
    away = value(Bet(Market.MONEYLINE, Side.AWAY, None, 2.10), close(None, 0.52))
    assert away.probability == pytest.approx(0.48)
    assert away.expected_value == pytest.approx(0.48 * 2.10 - 1.0)


def totals(chance_over: float, line: float) -> np.ndarray:
    """P(k runs), k = 1..60, of the law as its decision describes it, from scipy: a negative
    binomial with r = 7.4 and mean 8.9, odd totals likelier by e^.35, tilted to the price."""
    runs = np.arange(1, 61)
    base = stats.nbinom.pmf(runs, 7.4, 7.4 / (7.4 + 8.9)) * np.exp(0.35 * (runs % 2))

    def masses(tilt: float) -> np.ndarray:
        weights = base * np.exp(tilt * runs)
        found: np.ndarray = weights / weights.sum()
        return found

    def excess(tilt: float) -> float:
        now = masses(tilt)
        over, under = now[runs > line].sum(), now[runs < line].sum()
        return float(over / (over + under) - chance_over)

    return masses(brentq(excess, -2.0, 2.0, xtol=1e-15))


def test_the_line_of_a_total_is_worth_the_games_that_end_on_it() -> None:
    # Over 8.5 at 1.95 was taken; it closes at 9 with over at 51 %.
    games = totals(0.51, 9.0)
    over, nine = games[9:].sum(), games[8]
    found = value(Bet(Market.TOTAL, Side.OVER, 8.5, 1.95), close(9.0, 0.51))
    assert found.price_part == pytest.approx(0.51 - 1 / 1.95)
    assert found.line_part == pytest.approx((over + nine) - 0.51, abs=1e-9)
    assert found.expected_value == pytest.approx((over + nine) * 1.95 - 1.0, abs=1e-9)
    assert 0.03 < found.line_part < 0.08, "half a run near 9 is worth some 5 points"


def test_a_push_takes_nothing_and_gives_nothing() -> None:
    games = totals(0.51, 9.0)
    over, nine = games[9:].sum(), games[8]
    found = value(Bet(Market.TOTAL, Side.OVER, 9.0, 1.95), close(9.0, 0.51))
    assert found.line_part == 0.0
    assert found.expected_value == pytest.approx(over * 0.95 - (1 - over - nine), abs=1e-9)
    assert found.expected_value == pytest.approx((1 - nine) * (0.51 * 1.95 - 1), abs=1e-9)


def test_a_quarter_line_is_two_halves() -> None:
    # Under 8.75 is half under 8.5 and half under 9.
    whole = [
        value(Bet(Market.TOTAL, Side.UNDER, line, 1.90), close(8.5, 0.47)) for line in (8.5, 9.0)
    ]
    both = value(Bet(Market.TOTAL, Side.UNDER, 8.75, 1.90), close(8.5, 0.47))
    assert both.expected_value == pytest.approx(sum(one.expected_value for one in whole) / 2)
    assert whole[0].line_part < both.line_part < whole[1].line_part
    assert closing_value(Bet(Market.TOTAL, Side.UNDER, 8.5, 1.9), close(8.75, 0.5)) == Missing(
        "quarter_line"
    )


def test_a_handicap_is_the_home_teams_whichever_side_is_bet() -> None:
    # Home -1.5 closes at 40 %; at +1.5 home also covers when it loses by one or wins by one.
    wider = value(Bet(Market.RUN_LINE, Side.HOME, 1.5, 1.70), close(-1.5, 0.40))
    assert 0.2 < wider.line_part < 0.4, "one-run games are some 28 % of all"
    away = value(Bet(Market.RUN_LINE, Side.AWAY, 1.5, 1.70), close(-1.5, 0.40))
    assert away.line_part == pytest.approx(-wider.line_part)
    assert away.probability == pytest.approx(0.60)


def test_a_line_that_no_game_reaches_has_no_value() -> None:
    odd = close(45.0, 0.5)
    assert closing_value(Bet(Market.RUN_LINE, Side.HOME, -1.5, 2.0), odd) == Missing(
        "line_out_of_range"
    )


def test_bets_without_a_close_are_in_the_denominator() -> None:
    known = value(Bet(Market.MONEYLINE, Side.HOME, None, 1.9), close(None, 0.52))
    first = settlement("f:1", closing=known, closing_missing=None)
    second = settlement("f:2", closing_missing="stale")
    void = settlement("f:3", closing_missing="not_played", outcome="void", payout="10.00")
    again = settlement(
        "f:1", settlement_id="again", supersedes=first.settlement_id, closing_missing="stale"
    )
    assert coverage([first, second, void, second]) == Coverage(3, 1, {"not_played": 1, "stale": 1})
    assert coverage([again, first]) == Coverage(1, 0, {"stale": 1})
    assert coverage([first, second, void]).share == pytest.approx(1 / 3)
    assert coverage([]).share == 0.0


prices = st.floats(1.2, 6.0)
methods = st.sampled_from(sorted(DEVIG))


@given(prices, prices, methods, st.sampled_from(list(Market)), st.booleans())
def test_without_a_move_the_margin_is_what_is_lost(
    first: float, second: float, method: DevigMethod, market: Market, home: bool
) -> None:
    line = {Market.MONEYLINE: None, Market.TOTAL: 8.5, Market.RUN_LINE: -1.5}[market]
    fair = DEVIG[method](first, second)
    side, price, chance = (
        (SIDES[market][0], first, fair) if home else (SIDES[market][1], second, 1.0 - fair)
    )
    found = value(Bet(market, side, line, price), close(line, fair))
    margin = 1.0 / price - chance
    assert found.line_part == 0.0
    assert found.probability_points == pytest.approx(-margin, abs=1e-12)
    assert found.expected_value == pytest.approx(-margin * price, abs=1e-9)


@given(
    st.floats(0.1, 0.9),
    st.sampled_from([*HALF_LINES, 7.0, 8.0, 9.0]),
    st.sampled_from([*HALF_LINES, 7.0, 8.0, 8.25, 9.0, 9.75]),
    prices,
    st.sampled_from([Market.TOTAL, Market.RUN_LINE]),
)
def test_parts_and_sides_add_up(
    chance: float, closed: float, taken: float, price: float, market: Market
) -> None:
    if market is Market.RUN_LINE:
        closed, taken = closed - 8.0, taken - 8.0
    at = close(closed, chance)
    first, second = (value(Bet(market, side, taken, price), at) for side in SIDES[market])
    for one in (first, second):
        assert one.probability_points == pytest.approx(one.price_part + one.line_part, abs=1e-12)
        assert math.isfinite(one.expected_value)
        # At the fair price of the line that was taken a bet is worth nothing.
        fair = 1.0 / (one.price_part + one.line_part + 1.0 / price)
        again = value(Bet(market, SIDES[market][one is second], taken, fair), at)
        assert again.expected_value == pytest.approx(0.0, abs=1e-9 * fair)
    assert first.line_part == pytest.approx(-second.line_part, abs=1e-9)
    assert first.probability + second.probability == pytest.approx(1.0)
    # More runs to give, or more to get over, is never worth more.
    easier = taken < closed if market is Market.TOTAL else taken > closed
    assert first.line_part * (1 if easier else -1) >= -1e-9
