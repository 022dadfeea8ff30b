"""Elo by hand, and against figures that FiveThirtyEight published."""

import pytest

from models.features.team.elo import HOME_ADVANTAGE, Ratings, win_probability


def test_probability_as_published() -> None:
    """mlb_elo.csv, 2011-07-06, Toronto at Boston: 1514.263 at 1560.89, elo_prob 0.600263."""
    difference = 1560.89 - 1514.263 + HOME_ADVANTAGE
    assert win_probability(difference) == pytest.approx(0.6002631515885888, abs=1e-12)


def test_one_game_by_hand() -> None:
    """p = 1 / (1 + 10^(-24/400)) = 0.53448; 4 x 0.4225 x 2^0.7 / (1 + 0.0008 x 24) = 2.69371;
    times 1 - p: 1.25396 points from the loser to the winner."""
    ratings = Ratings()
    ratings.add("BOS", "NYY", 2016, 1)
    assert ratings.rating("BOS", 2016) == pytest.approx(1501.25396, abs=1e-4)
    assert ratings.rating("NYY", 2016) == pytest.approx(1498.74604, abs=1e-4)
    assert ratings.difference("BOS", "NYY", 2016) == pytest.approx(26.50792, abs=1e-4)


def test_a_win_away_and_by_more_moves_more() -> None:
    """The same pair, away wins by 5: 4 x 0.4225 x 6^0.7 / (1 - 0.0008 x 24) x 0.53448 = 3.2277."""
    ratings = Ratings()
    ratings.add("BOS", "NYY", 2016, -5)
    assert ratings.rating("NYY", 2016) == pytest.approx(1503.2277, abs=1e-3)


def test_a_third_of_the_way_back_between_seasons() -> None:
    ratings = Ratings({"BOS": (1560.0, 2015), "NYY": (1470.0, 2016)})
    assert ratings.rating("BOS", 2015) == 1560.0
    assert ratings.rating("BOS", 2016) == pytest.approx(1540.0)
    assert ratings.rating("NYY", 2016) == 1470.0


def test_a_team_without_a_game_has_no_rating() -> None:
    ratings = Ratings()
    ratings.add("BOS", "NYY", 2016, 1)
    assert ratings.rating("TBR", 2016) is None
    assert ratings.difference("BOS", "TBR", 2016) is None


def test_a_tie_moves_nothing_and_points_are_only_passed_on() -> None:
    ratings = Ratings()
    ratings.add("BOS", "NYY", 2016, 0)
    assert ratings.difference("BOS", "NYY", 2016) == HOME_ADVANTAGE
    for margin in (3, -1, 7, -12):
        ratings.add("NYY", "BOS", 2016, margin)
    assert sum(rating for rating, _ in ratings.of.values()) == pytest.approx(3_000.0)
