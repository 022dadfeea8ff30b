"""A slate's stakes: by hand, by brute force, and every reason for none."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize  # type: ignore[import-untyped]

from models.staking import portfolio
from models.staking.allocation import Allocation, Pick, Sized, allocation, growth_alone, judge, size
from models.staking.candidate import Candidate, Priced
from schemas.decisions import Refusal
from schemas.kelly import Drawdown
from schemas.markets import Market
from schemas.sections.staking import StakingSettings
from tests.unit.models.staking import slips

FREE = StakingSettings(max_fraction=1.0, fraction=1.0, round_to=1e-6)


def sized(
    *bets: Candidate,
    staking: StakingSettings = FREE,
    balance: float = 1_000.0,
    held: dict[str, float] | None = None,
) -> list[Sized]:
    """Each on a game of its own."""
    picks = [Pick(slips.game(number, one), one) for number, one in enumerate(bets, 1)]
    found = size(picks, balance, held or {}, staking)
    return [found.stakes[pick.game.game_id] for pick in picks]


def test_a_single_bet_by_hand() -> None:
    """-110 at 56 %: full Kelly 7.6 % (p b - q) / b, a quarter of it 1.9 %."""
    staking = StakingSettings(fraction=0.25, max_fraction=1.0)
    [one] = sized(slips.candidate(21 / 11, 0.56), staking=staking, balance=10_000.0)
    assert one.fraction == pytest.approx(0.019, abs=1e-12)
    assert one == Sized(one.fraction, 190.0, None)


def test_two_even_bets_share_as_thorp_says() -> None:
    """f1 / (1 + f1^2) each; Thorp (2006), "The Kelly criterion", section 7."""
    for one in sized(slips.candidate(2.0, 0.6), slips.candidate(2.0, 0.6)):
        assert one.fraction == pytest.approx(0.2 / 1.04, abs=1e-9)


def test_a_push_is_counted_apart() -> None:
    """Two totals at whole lines; every joint outcome written out, climbed by another optimiser."""
    bets = [
        slips.candidate(2.0, 0.6, Market.TOTAL, push=0.12),
        slips.candidate(2.2, 0.52, Market.TOTAL, push=0.08),
    ]

    def loss(stakes: Any) -> float:
        total = 0.0
        for first, p in ((1.0, 0.6 * 0.88), (0.0, 0.12), (-1.0, 0.4 * 0.88)):
            for second, q in ((1.2, 0.52 * 0.92), (0.0, 0.08), (-1.0, 0.48 * 0.92)):
                total -= p * q * math.log1p(stakes[0] * first + stakes[1] * second)
        return total

    best = minimize(loss, [0.1, 0.1], bounds=[(0, 0.45)] * 2, options={"ftol": 1e-15})
    found = [one.fraction for one in sized(*bets)]
    assert found == pytest.approx(best.x.tolist(), abs=1e-5)
    without = [one.fraction for one in sized(*(bet._replace(push=0.0) for bet in bets))]
    assert found != pytest.approx(without, abs=1e-4)


def test_growth_alone_by_hand() -> None:
    """Half at 2.2: stake 1/12; log growth (log(1.1) + log(11 / 12)) / 2, less where it pushes."""
    whole = (math.log(1.1) + math.log(11 / 12)) / 2
    assert growth_alone(slips.candidate(2.2, 0.5)) == pytest.approx(whole, abs=1e-15)
    pushing = slips.candidate(2.2, 0.5, push=0.1)
    assert growth_alone(pushing) == pytest.approx(0.9 * whole, abs=1e-15)
    assert growth_alone(slips.candidate(2.0, 0.4)) == 0.0


def test_of_one_game_the_market_that_grows_most() -> None:
    """12 % of edge at 5.0 grow less than 10 % at evens: full Kelly 3 % against 10 %."""
    longshot = slips.candidate(5.0, 0.224)
    total = slips.candidate(2.0, 0.55, Market.TOTAL)
    game = slips.game(1, longshot, total)
    assert judge(game, FREE).picks == {False: total}
    assert set(allocation([game], 1_000.0, {}, FREE)) == {(game.game_id, Market.TOTAL)}


def test_what_is_refused_is_no_market_of_a_game() -> None:
    small = slips.candidate(2.0, 0.505)
    game = slips.game(1, small)
    judged = judge(game, FREE)
    assert judged.refusals == {Market.MONEYLINE: (Refusal.EDGE_TOO_SMALL,)}
    assert judged.picks == {}
    assert allocation([game], 1_000.0, {}, FREE) == {}


def test_paper_and_real_stand_apart() -> None:
    """A bet that nobody makes must not make a real one smaller."""
    staking = FREE.model_copy(update={"paper": True})
    real = slips.game(1, slips.candidate(2.0, 0.6))
    paper = slips.game(2, slips.candidate(2.0, 0.6, paper=True))
    [one] = allocation([real, paper], 1_000.0, {}, staking).values()
    assert one.fraction == pytest.approx(0.2, abs=1e-9)
    [other] = allocation([real, paper], 1_000.0, {}, staking, paper=True).values()
    assert other.fraction == pytest.approx(0.2, abs=1e-9)


EVEN = slips.candidate(2.0, 0.6)


@pytest.mark.parametrize(
    ("over", "held", "expected"),
    [
        ({"max_fraction": 0.05}, {}, 0.05),
        ({"max_game": 0.04}, {}, 0.04),
        ({"max_book": 0.06}, {}, 0.03),
        ({"max_day": 0.08}, {}, 0.04),
        ({"max_total": 0.1}, {}, 0.05),
        ({"max_total": 0.1}, {"2026-07-19 circa": 0.06}, 0.02),
        ({"max_book": 0.1}, {"2026-07-19 pinnacle": 0.06}, 0.02),
        ({"max_book": 0.1}, {"2026-07-20 circa": 0.06}, 0.05),
        ({"max_day": 0.1}, {"2026-07-20 circa": 0.06}, 0.02),
        ({"max_day": 0.1}, {"2026-07-19 pinnacle": 0.06}, 0.05),
        ({"book_limits": {"pinnacle": 35.0}}, {}, 0.035),
        ({"book_limits": {"circa": 35.0}}, {}, 0.2 / 1.04),
    ],
)
def test_caps_hold_for_both_of_two_equal_bets(
    over: dict[str, Any], held: dict[str, float], expected: float
) -> None:
    """One book, one day, 1,000 to bet with; each wants .2 / 1.04."""
    staking = FREE.model_copy(update=over)
    for one in sized(EVEN, EVEN, staking=staking, held=held):
        assert one.fraction == pytest.approx(expected, abs=1e-9)
        assert one.refusal is None


@pytest.mark.parametrize(
    ("over", "held", "reason"),
    [
        ({"max_total": 0.0}, {}, Refusal.LIMIT),
        ({"max_game": 0.0}, {}, Refusal.LIMIT),
        ({"max_total": 0.1}, {"2026-07-19 circa": 0.1}, Refusal.LIMIT),
        ({"max_book": 0.1}, {"2026-07-19 pinnacle": 0.2}, Refusal.LIMIT),
        ({"max_day": 0.1}, {"2026-07-20 circa": 0.1}, Refusal.LIMIT),
        ({"book_limits": {"pinnacle": 0.0}}, {}, Refusal.BOOK_LIMIT),
        ({"book_limits": {"pinnacle": 4.0}, "min_stake": 5.0}, {}, Refusal.BOOK_LIMIT),
        ({"min_stake": 201.0}, {}, Refusal.BELOW_MINIMUM),
        ({"round_to": 201.0}, {}, Refusal.BELOW_MINIMUM),
    ],
)
def test_what_leaves_nothing_says_why(
    over: dict[str, Any], held: dict[str, float], reason: Refusal
) -> None:
    [one] = sized(EVEN, staking=FREE.model_copy(update=over), held=held)
    assert one == Sized(0.0, 0.0, reason)


def test_a_smallest_stake_is_itself_taken() -> None:
    staking = FREE.model_copy(update={"min_stake": 200.0, "max_fraction": 0.2, "round_to": 0.01})
    [one] = sized(EVEN, staking=staking)
    assert one.amount == 200.0


@pytest.mark.parametrize(
    ("balance", "unit", "amount"), [(1_000.0, 30.0, 180.0), (0.29, 0.01, 0.05), (1.45, 0.29, 0.29)]
)
def test_amounts_are_rounded_down_to_what_a_book_takes(
    balance: float, unit: float, amount: float
) -> None:
    """A fifth of each: 200, 0.058, 0.29; the last is a whole unit, binary fractions or not."""
    staking = FREE.model_copy(update={"max_fraction": 0.2, "round_to": unit})
    [one] = sized(EVEN, staking=staking, balance=balance)
    assert one.amount == amount


def test_the_optimum_may_leave_a_bet_out() -> None:
    """One unit of room and a far better bet: the price of the room is above the small edge."""
    staking = FREE.model_copy(update={"max_total": 0.01})
    best, worst = sized(slips.candidate(2.0, 0.7), slips.candidate(2.0, 0.52), staking=staking)
    assert best.fraction == pytest.approx(0.01, abs=1e-12)
    assert worst == Sized(0.0, 0.0, Refusal.OUTWEIGHED)


def test_what_is_not_proven_is_not_staked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portfolio, "TOLERANCE", -1.0)
    assert sized(EVEN, EVEN) == [Sized(0.0, 0.0, Refusal.UNPROVEN)] * 2


def test_a_solver_that_breaks_stakes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> object:
        raise np.linalg.LinAlgError("singular")

    monkeypatch.setattr(portfolio, "minimise", broken)
    assert sized(EVEN) == [Sized(0.0, 0.0, Refusal.UNPROVEN)]


def test_more_games_than_can_be_sized_stake_nothing() -> None:
    """201: beyond what the optimiser takes; it says so and the flow goes on."""
    assert {one.refusal for one in sized(*[EVEN] * 201)} == {Refusal.UNPROVEN}


def test_fraction_by_utility_and_drawdown_are_the_optimisers_own() -> None:
    """Risk aversion 2 at evens: (1+f)/(1-f) = (p/q)^(1/2)."""
    ratio = math.sqrt(0.6 / 0.4)
    staking = FREE.model_copy(update={"fraction": 0.5, "by": "utility"})
    [one] = sized(EVEN, staking=staking)
    assert one.fraction == pytest.approx((ratio - 1) / (ratio + 1), abs=1e-9)
    tight = FREE.model_copy(update={"drawdown": Drawdown(level=0.7, probability=0.1)})
    [one] = sized(EVEN, staking=tight)
    order = tight.drawdown.order if tight.drawdown else 0.0
    mean = 0.6 * (1 + one.fraction) ** -order + 0.4 * (1 - one.fraction) ** -order
    assert mean == pytest.approx(1.0, abs=1e-9)


@st.composite
def slates(draw: st.DrawFn) -> list[Priced]:
    games = []
    for number in range(1, draw(st.integers(1, 6)) + 1):
        candidates = [
            slips.candidate(
                draw(st.floats(1.2, 6.0)),
                draw(st.floats(0.05, 0.9)),
                market,
                book=draw(st.sampled_from(["pinnacle", "circa"])),
                push=draw(st.sampled_from([0.0, 0.1])) if market is Market.TOTAL else 0.0,
            )
            for market in (Market.MONEYLINE, Market.TOTAL)
        ]
        games.append(slips.game(number, *candidates))
    return games


@settings(deadline=None, max_examples=60)
@given(slates(), st.randoms(use_true_random=False))
def test_the_order_of_games_changes_no_bit(games: list[Priced], random: Any) -> None:
    staking = StakingSettings(max_total=0.1, max_book=0.07, fraction=0.5)
    first = allocation(games, 777.0, {"2026-07-20 circa": 0.01}, staking)
    random.shuffle(games)
    assert allocation(games, 777.0, {"2026-07-20 circa": 0.01}, staking) == first
    assert sum(one.fraction for one in first.values()) <= 0.09 + 1e-12
    for one in first.values():
        assert (one.fraction > 0.0) is (one.refusal is None)
        assert one.amount <= one.fraction * 777.0 + 1e-9


def test_nothing_to_bet_on_is_nothing_to_size() -> None:
    assert size([], 1_000.0, {}, FREE) == Allocation({}, None, None)
