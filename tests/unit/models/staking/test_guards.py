"""One test a rule: each alone refuses, and nothing else does."""

from typing import Any

import pytest

from models.staking.allocation import BY_ALLOCATION
from models.staking.candidate import Candidate, Priced
from models.staking.guards import (
    ACCOUNT_GUARDS,
    GUARDS,
    Account,
    account_refusals,
    refusals,
)
from schemas.decisions import Refusal
from schemas.sections.staking import StakingSettings
from tests.unit.models.staking import slips

STAKING = StakingSettings(min_edge=0.02, min_completeness=0.4)
GAME = slips.game(completeness=0.9)
GOOD = slips.candidate(price=2.1, probability=0.5)
NOTHING_PRICED: dict[str, Any] = {"price": None, "probability": None, "edge": None}


def judged(
    one: Candidate = GOOD, game: Priced = GAME, staking: StakingSettings = STAKING
) -> list[Refusal]:
    return list(refusals(game, one, staking))


def test_a_good_candidate_is_not_refused() -> None:
    assert judged() == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"paper": True}, Refusal.UNPROMOTED_MODEL),
        ({"quoted_books": 0, "fresh_books": 0, **NOTHING_PRICED}, Refusal.NO_PRICE),
        ({"fresh_books": 0, **NOTHING_PRICED}, Refusal.STALE_ODDS),
        ({"edge": None, "probability": None}, Refusal.NO_PREDICTION),
        (NOTHING_PRICED, Refusal.NO_PREDICTION),
        ({"edge": 0.0199}, Refusal.EDGE_TOO_SMALL),
        ({"edge": -0.3}, Refusal.EDGE_TOO_SMALL),
    ],
)
def test_each_rule_of_a_market_alone(change: dict[str, Any], reason: Refusal) -> None:
    assert judged(GOOD._replace(**change)) == [reason]


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"locked": True}, Refusal.LOCKED), ({"completeness": 0.399}, Refusal.INCOMPLETE)],
)
def test_each_rule_of_a_game_alone(change: dict[str, Any], reason: Refusal) -> None:
    assert judged(game=GAME._replace(**change)) == [reason]


def test_the_bounds_themselves_are_allowed() -> None:
    assert judged(GOOD._replace(edge=0.02), GAME._replace(completeness=0.4)) == []


def test_without_a_minimum_an_edge_of_nothing_is_still_too_small() -> None:
    """It would be a stake of zero that no reason explains."""
    free = StakingSettings(min_edge=0.0)
    assert judged(GOOD._replace(edge=0.0), staking=free) == [Refusal.EDGE_TOO_SMALL]
    assert judged(GOOD._replace(edge=1e-9), staking=free) == []


def test_every_reason_that_applies_is_given() -> None:
    bad = GOOD._replace(fresh_books=0, **NOTHING_PRICED)
    game = GAME._replace(locked=True, completeness=0.0)
    assert judged(bad, game) == [Refusal.LOCKED, Refusal.STALE_ODDS, Refusal.INCOMPLETE]


def test_stakes_on_paper_are_there_for_those_who_ask() -> None:
    unpromoted = GOOD._replace(paper=True)
    asked = StakingSettings(min_completeness=0.4, paper=True)
    assert judged(unpromoted, staking=asked) == []
    assert judged(unpromoted) == [Refusal.UNPROMOTED_MODEL]


FULL = Account(balance=100.0, told_us=1_000_000_000, stopped=False)
MINUTE = 60_000_000


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"stopped": True}, Refusal.STOPPED),
        ({"balance": 0.0}, Refusal.NO_BALANCE),
        ({"told_us": None}, Refusal.LEDGER_SILENT),
        ({"told_us": FULL.told_us - 1 if FULL.told_us else None}, Refusal.LEDGER_SILENT),
    ],
)
def test_each_rule_of_a_bankroll_alone(change: dict[str, Any], reason: Refusal) -> None:
    """Ten minutes of silence are allowed, and that is how long ago it spoke."""
    staking, now_us = StakingSettings(ledger_minutes=10), 1_000_000_000 + 10 * MINUTE
    assert account_refusals(FULL, now_us, staking) == ()
    assert account_refusals(FULL._replace(**change), now_us, staking) == (reason,)


def test_a_bankroll_that_needs_no_ledger_waits_for_none() -> None:
    assert account_refusals(FULL._replace(told_us=None), 2**50, StakingSettings()) == ()


def test_every_reason_code_has_one_place() -> None:
    places = [*GUARDS, *ACCOUNT_GUARDS, *BY_ALLOCATION]
    assert sorted(places) == sorted(Refusal)
