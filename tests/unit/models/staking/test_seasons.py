"""2,000 seasons with known truth: what Kelly's theory promises of growth and drawdown, happens.

Outcomes are drawn here, bet by bet; the solver's own tables and integrals judge nothing.
"""

from typing import Any, NamedTuple

import numpy as np
import pytest

from models.features.arrays import Array
from models.staking.portfolio import allocate
from schemas.kelly import KellyRequest

SEASONS, DAYS, SLATES = 2_000, 180, 12
LEVEL, PROBABILITY = 0.7, 0.1


class Bet(NamedTuple):
    game: int
    side: int
    win: float
    push: float
    price: float


def slate(dice: np.random.Generator, edge: float) -> list[Bet]:
    """A day: single bets, some of which can push, and one game that is offered on both sides.

    edge: expected return of the bets, on average.
    """
    bets = []
    for game in range(8):
        push = 0.05 if game % 3 == 0 else 0.0
        win = float(dice.uniform(0.35, 0.65)) * (1.0 - push)
        wanted = edge + float(dice.normal(0.0, 0.01))
        # win * (price - 1) - lose = wanted
        bets.append(Bet(game, 0, win, push, 1.0 + (wanted + 1.0 - win - push) / win))
        if game == 7:
            other = 1.0 - win - push
            # Without an edge of its own: a hedge, where it is any good.
            bets.append(Bet(game, 1, other, push, 1.0 + (win - 0.08) / other))
    return bets


def request(bets: list[Bet], believed: float = 0.0, **how: Any) -> KellyRequest:
    """believed: how much too sure of each bet the bettor is."""
    return KellyRequest.model_validate(
        {
            "bets": [
                {
                    "id": f"{bet.game}:{bet.side}",
                    "game": str(bet.game),
                    "odds": bet.price,
                    # What one side is thought to have too much, the other has too little.
                    "p": bet.win + (believed if bet.side == 0 else -believed),
                    "push": bet.push,
                }
                for bet in bets
            ],
            **how,
        }
    )


def drawn(dice: np.random.Generator, bets: list[Bet], times: int) -> Array:
    """Return per unit of every bet: shape (times, bets)."""
    luck = dice.random((times, 8))
    push = np.array([[bet.push for bet in bets if bet.side == 0]])
    first = np.array([[bet.win for bet in bets if bet.side == 0]])
    state = np.where(luck < first, 0, np.where(luck < first + push, 2, 1))
    columns = [
        np.where(
            state[:, bet.game] == bet.side,
            bet.price - 1.0,
            np.where(state[:, bet.game] == 2, 0.0, -1.0),
        )
        for bet in bets
    ]
    return np.stack(columns, axis=1)


class Played(NamedTuple):
    growth: Array
    """Log of wealth at the end of each season."""
    lowest: Array
    """Of wealth in each season, 1 at its start."""
    theory: float
    """Of a season's growth, as the answers state it."""
    staked: float
    """Share of the bankroll in action on a day, on average."""


def play(edge: float, believed: float = 0.0, **how: Any) -> Played:
    dice = np.random.default_rng(20_261_124)
    slates = [slate(dice, edge) for _ in range(SLATES)]
    answers = [allocate(request(bets, believed, **how)) for bets in slates]
    stakes = [np.array([one.fraction for one in answer.stakes]) for answer in answers]
    wealth, lowest = np.zeros(SEASONS), np.zeros(SEASONS)
    theory = 0.0
    for day in range(DAYS):
        at = day % SLATES
        wealth += np.log1p(drawn(dice, slates[at], SEASONS) @ stakes[at])
        lowest = np.minimum(lowest, wealth)
        theory += answers[at].growth
    return Played(wealth, np.exp(lowest), theory, float(np.mean([x.sum() for x in stakes])))


def standard_error(played: Played) -> float:
    spread = float(played.growth.std(ddof=1))
    return float(spread / SEASONS**0.5)


DRAWDOWN: dict[str, Any] = {
    "fraction": 1.0,
    "drawdown": {"level": LEVEL, "probability": PROBABILITY},
}


@pytest.mark.parametrize(
    "how",
    [{"fraction": 1.0}, {"fraction": 0.5}, {"fraction": 0.25}, DRAWDOWN],
    ids=["full", "half", "quarter", "drawdown"],
)
def test_growth_is_what_the_answer_says(how: dict[str, Any]) -> None:
    played = play(0.03, **how)
    error = standard_error(played)
    assert played.staked > 0.02
    assert played.theory > 5 * error, "too little growth to tell it from none"
    assert abs(played.growth.mean() - played.theory) < 3.0 * error


def test_full_kelly_grows_most_and_falls_deepest() -> None:
    full, half, quarter = (play(0.03, fraction=part) for part in (1.0, 0.5, 0.25))
    assert full.growth.mean() > half.growth.mean() > quarter.growth.mean() > 0.0
    assert full.lowest.mean() < half.lowest.mean() < quarter.lowest.mean()
    # Thorp (1997): half of Kelly keeps three quarters of the growth, in the limit of small edges.
    assert half.theory / full.theory == pytest.approx(0.75, abs=0.02)


def test_drawdown_stays_within_its_bound() -> None:
    """And the bound is no empty promise: full Kelly breaks it."""
    held, full = play(0.03, **DRAWDOWN), play(0.03, fraction=1.0)
    assert (full.lowest <= LEVEL).mean() > PROBABILITY
    assert 0.0 < (held.lowest <= LEVEL).mean() <= PROBABILITY


def test_without_an_edge_nothing_grows() -> None:
    fair = play(-0.045, fraction=1.0)
    assert fair.staked < 0.01
    deceived = play(-0.045, believed=0.04, fraction=0.25)
    assert deceived.staked > 0.02
    assert deceived.growth.mean() < -5 * standard_error(deceived)
