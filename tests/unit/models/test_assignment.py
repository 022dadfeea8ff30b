"""Which games an experiment gives to the challenger."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.assignment import assigned
from schemas.decisions import Role

GAMES = [
    f"mlb-2026-{month:02}-{day:02}-BOS-NYY-{number}"
    for month in range(4, 10)
    for day in range(1, 31)
    for number in range(1, 12)
]


def dealt(experiment: str, share: float) -> set[str]:
    return {game for game in GAMES if assigned(game, experiment, share) is Role.CHALLENGER}


@given(st.floats(0.02, 0.98), st.text(st.characters(codec="ascii"), max_size=8))
@settings(deadline=None, max_examples=30)
def test_a_share_of_the_games_is_dealt_and_stays_dealt(share: float, experiment: str) -> None:
    assert dealt(experiment, share) == dealt(experiment, share)
    found = len(dealt(experiment, share)) / len(GAMES)
    # Five standard errors: one in a million.
    assert abs(found - share) < 5 * math.sqrt(share * (1 - share) / len(GAMES))


def test_none_and_all() -> None:
    assert dealt("exp", 0.0) == set()
    assert dealt("exp", 1.0) == set(GAMES)


def test_as_written_down() -> None:
    # First 8 bytes of BLAKE2b-64 of "exp NUL id", worked out with b2sum -l 64.
    assert assigned(GAMES[0], "exp", 0.4356034829233965 + 1e-9) is Role.CHALLENGER
    assert assigned(GAMES[0], "exp", 0.4356034829233965 - 1e-9) is Role.CHAMPION


@given(st.floats(0, 1), st.floats(0, 1))
@settings(deadline=None, max_examples=30)
def test_a_larger_share_keeps_the_games_that_were_dealt(one: float, two: float) -> None:
    assert dealt("x", min(one, two)) <= dealt("x", max(one, two))


def test_another_experiment_draws_anew() -> None:
    few, other = dealt("exp", 0.2), dealt("next", 0.2)
    assert len(few & other) / len(few) == pytest.approx(0.2, abs=0.08)
