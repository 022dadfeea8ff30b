"""Moments by integral against every joint outcome written out, and against closed forms."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.staking.wealth import Slate, cumulant
from tests.unit.models.staking import joint


@st.composite
def slates(draw: st.DrawFn) -> Slate:
    """1 to 4 games of 1 to 2 bets and 2 to 4 outcomes."""
    dice = np.random.default_rng(draw(st.integers(0, 2**32)))
    games, each, ends = draw(st.integers(1, 4)), draw(st.integers(1, 2)), draw(st.integers(2, 4))
    returns = np.zeros((games * ends, games * each))
    for game in range(games):
        table = dice.choice([-1.0, -0.5, 0.0, 0.4, 1.1, 6.0], size=(ends, each))
        returns[game * ends : (game + 1) * ends, game * each : (game + 1) * each] = table
    chances = dice.dirichlet(np.ones(ends), games).ravel() * 0.98 + 0.02 / ends
    return Slate(returns, chances, np.arange(games) * ends)


@settings(max_examples=300, deadline=None)
@given(
    slates(),
    st.sampled_from([0.0, 0.02, 1.0, 3.0, 6.46, 43.0, 200.0]),
    st.sampled_from([0.001, 0.1, 0.6, 0.95]),
    st.integers(0, 2**32),
)
def test_every_joint_outcome_written_out(
    slate: Slate, order: float, total: float, seed: int
) -> None:
    count = slate.returns.shape[1]
    stakes = np.random.default_rng(seed).dirichlet(np.ones(count)) * total
    returns, probability = joint.outcomes(slate)
    wealth = 1.0 + returns @ stakes
    mean = float(probability @ wealth**-order)
    value = math.log(mean) / order if order else -float(probability @ np.log(wealth))
    gradient = -(probability * wealth ** -(order + 1)) @ returns / mean
    second = (returns.T * (probability * wealth ** -(order + 2))) @ returns / mean
    hessian = (order + 1) * second - order * np.outer(gradient, gradient)
    found = cumulant(slate, stakes, order)
    assert found is not None
    assert abs(found.value - value) <= found.error + 4e-16 * (1.0 + abs(value))
    assert found.error < 1e-10
    scale = np.abs(probability * wealth ** -(order + 1)) @ np.abs(returns) / mean
    assert (np.abs(found.gradient - gradient) <= 1e-13 * (10.0 + order) * scale.max()).all()
    assert np.allclose(
        found.hessian, hessian, rtol=0, atol=1e-10 * np.abs(second).max() * (order + 1)
    )
    assert slate.worst(stakes) == pytest.approx(wealth.min(), abs=1e-14)


def even_money(games: int, chance: float) -> Slate:
    returns = np.zeros((2 * games, games))
    for game in range(games):
        returns[2 * game : 2 * game + 2, game] = 1.0, -1.0
    return Slate(returns, np.tile([chance, 1 - chance], games), 2 * np.arange(games))


@pytest.mark.parametrize("games", [1, 15, 150])
@pytest.mark.parametrize("order", [0.0, 2.0])
def test_equal_games_are_a_binomial(games: int, order: float) -> None:
    """150 games have 2**150 joint outcomes, and 151 different ends."""
    chance, stake = 0.55, 0.6 / games
    wins = range(games + 1)
    probability = [
        math.comb(games, won) * chance**won * (1 - chance) ** (games - won) for won in wins
    ]
    wealth = [1.0 + stake * (2 * won - games) for won in wins]
    found = cumulant(even_money(games, chance), np.full(games, stake), order)
    assert found is not None
    if order:
        mean = math.fsum(p * w**-order for p, w in zip(probability, wealth, strict=True))
        expected = math.log(mean) / order
    else:
        expected = -math.fsum(p * math.log(w) for p, w in zip(probability, wealth, strict=True))
    assert found.value == pytest.approx(expected, abs=1e-13)
    assert abs(found.value - expected) <= found.error


@pytest.mark.parametrize("left", [1e-2, 1e-5, 1e-8])
def test_near_ruin(left: float) -> None:
    """The worst end of one bet at even money leaves `left`."""
    found = cumulant(even_money(1, 0.9), np.array([1.0 - left]), 0.0)
    expected = -(0.9 * math.log(2.0 - left) + 0.1 * math.log(left))
    assert found is not None
    assert abs(found.value - expected) <= found.error
    assert found.error < 1e-14 / left


@pytest.mark.parametrize("stake", [1.0, 1.5])
def test_ruin_has_no_moments(stake: float) -> None:
    assert cumulant(even_money(1, 0.9), np.array([stake]), 0.0) is None
