"""One test a rule: each alone refuses, and nothing else does."""

from dataclasses import replace
from typing import Any

import pytest

from models.staking.guards import GUARDS, Candidate, refusals
from schemas.decisions import Refusal, SideQuote
from schemas.markets import Side
from schemas.settings import StakingSettings

STAKING = StakingSettings(min_edge=0.02, min_completeness=0.4)


def quote(edge: float | None) -> SideQuote:
    return SideQuote(side=Side.HOME, book="pinnacle", price=2.1, age_ms=5, edge=edge)


GOOD = Candidate(
    locked=False,
    quoted_books=3,
    fresh_books=2,
    best=quote(0.05),
    probability=0.5,
    completeness=0.9,
    paper=False,
)
NOTHING_PRICED: dict[str, Any] = {"best": None, "probability": None}


def test_a_good_candidate_is_not_refused() -> None:
    assert refusals(GOOD, STAKING) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"locked": True}, Refusal.LOCKED),
        ({"paper": True}, Refusal.UNPROMOTED_MODEL),
        ({"quoted_books": 0, "fresh_books": 0, **NOTHING_PRICED}, Refusal.NO_PRICE),
        ({"fresh_books": 0, **NOTHING_PRICED}, Refusal.STALE_ODDS),
        ({"best": quote(None), "probability": None}, Refusal.NO_PREDICTION),
        (NOTHING_PRICED, Refusal.NO_PREDICTION),
        ({"completeness": 0.399}, Refusal.INCOMPLETE),
        ({"best": quote(0.0199)}, Refusal.EDGE_TOO_SMALL),
        ({"best": quote(-0.3)}, Refusal.EDGE_TOO_SMALL),
    ],
)
def test_each_rule_alone(change: dict[str, Any], reason: Refusal) -> None:
    assert refusals(replace(GOOD, **change), STAKING) == [reason]


def test_the_bounds_themselves_are_allowed() -> None:
    assert refusals(replace(GOOD, completeness=0.4, best=quote(0.02)), STAKING) == []


def test_without_a_minimum_an_edge_of_nothing_is_still_too_small() -> None:
    """It would be a stake of zero that no reason explains."""
    free = StakingSettings(min_edge=0.0)
    assert refusals(replace(GOOD, best=quote(0.0)), free) == [Refusal.EDGE_TOO_SMALL]
    assert refusals(replace(GOOD, best=quote(1e-9)), free) == []


def test_every_reason_that_applies_is_given() -> None:
    bad = replace(GOOD, locked=True, fresh_books=0, completeness=0.0, **NOTHING_PRICED)
    assert refusals(bad, STAKING) == [Refusal.LOCKED, Refusal.STALE_ODDS, Refusal.INCOMPLETE]


def test_every_reason_code_has_its_rule() -> None:
    assert set(GUARDS) == set(Refusal)


def test_stakes_on_paper_are_there_for_those_who_ask() -> None:
    unpromoted = replace(GOOD, paper=True)
    assert refusals(unpromoted, StakingSettings(min_completeness=0.4, paper=True)) == []
    assert refusals(unpromoted, StakingSettings(min_completeness=0.4)) == [Refusal.UNPROMOTED_MODEL]
