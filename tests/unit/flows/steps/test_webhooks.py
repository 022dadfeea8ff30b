"""What an endpoint is told, and what not."""

import json
from typing import Any

import pytest
from pydantic import BaseModel

from flows.steps.records import Record
from flows.steps.webhooks import Choice, body_of, id_of
from schemas.decisions import AlertKind
from schemas.markets import Market, Side
from schemas.sections.webhooks import Endpoint
from schemas.topics import Topic
from tests import samples

SECRET = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldY"
TOTAL: dict[str, Any] = {"market": Market.TOTAL, "side": Side.OVER, "line": 8.5}


def endpoint(**filters: Any) -> Endpoint:
    fields: dict[str, Any] = {
        "name": "bot",
        "url": "https://bot.example/hook",
        "secrets": [SECRET],
        "topics": ["stakes", "alerts", "settlements"],
    }
    return Endpoint(**fields | filters)


@pytest.mark.parametrize(
    ("filters", "message", "wanted"),
    [
        ({}, samples.stake(), True),
        ({}, samples.stake(1, 0.0), True),
        ({"markets": ["total"]}, samples.stake(), False),
        ({"markets": ["total"]}, samples.stake(**TOTAL), True),
        ({"markets": ["total"]}, samples.signal(), False),
        ({"markets": ["total"]}, samples.alert(), True),
        ({"markets": ["total"]}, samples.settlement("f"), False),
        ({"bankrolls": ["other"]}, samples.stake(), False),
        ({"bankrolls": ["main"]}, samples.stake(), True),
        ({"bankrolls": ["other"]}, samples.settlement("f"), False),
        ({"bankrolls": ["other"]}, samples.alert(), True),
        ({"games": ["mlb-*-NYY-?"]}, samples.stake(), True),
        ({"games": ["mlb-*-nyy-?"]}, samples.stake(), False),
        ({"games": ["mlb-*-NYY-?"]}, samples.stake(game_id=samples.OTHER), False),
        ({"games": [samples.OTHER, samples.GAME]}, samples.alert(), True),
        ({"alerts": ["steam"]}, samples.alert(1, AlertKind.LOCKED), False),
        ({"alerts": ["steam"]}, samples.signal(1, AlertKind.STEAM), True),
        ({"alerts": ["steam"]}, samples.stake(), True),
        ({"min_edge": 0.045}, samples.stake(edge=0.045), True),
        ({"min_edge": 0.045}, samples.stake(edge=0.0449), False),
        ({"min_edge": 0.045}, samples.stake(edge=None), False),
        ({"min_amount": 100.0}, samples.stake(1, 0.01), True),
        ({"min_amount": 100.0}, samples.stake(1, 0.009), False),
        ({"min_amount": 1_000.0}, samples.settlement("f"), True),
    ],
)
def test_each_filter(filters: dict[str, Any], message: BaseModel, wanted: bool) -> None:
    assert Choice(endpoint(**filters)).wants(message) is wanted


def told(choice: Choice, *messages: BaseModel) -> list[bool]:
    """Whether each was wanted, in turn, all of them delivered."""
    answers = []
    for one in messages:
        answers.append(choice.wants(one))
        if answers[-1]:
            choice.told(one)
    return answers


def test_a_stake_that_was_told_is_taken_back_however_small_it_has_become() -> None:
    """Else a bot holds on to 200 that nobody wants any more."""
    course = [
        samples.stake(1, 0.005),
        samples.stake(2, 0.02),
        samples.stake(3, 0.005),
        samples.stake(4, 0.0),
        samples.stake(5, 0.005),
        samples.stake(6, 0.0),
    ]
    wanted = [False, True, True, True, False, False]
    for filters in ({"min_amount": 100.0}, {"min_amount": 100.0, "min_edge": 0.04}):
        assert told(Choice(endpoint(**filters)), *course) == wanted
    first = Choice(endpoint(min_amount=100.0))
    assert told(first, *course[:2]) == wanted[:2]
    assert first.wants(course[3]), "asked, and killed before it was delivered"
    again = Choice(endpoint(min_amount=100.0), first.standing)
    assert told(again, *course[2:]) == wanted[2:]


def test_one_position_is_not_another() -> None:
    choice = Choice(endpoint(min_amount=100.0))
    assert told(
        choice,
        samples.stake(1, 0.02),
        samples.stake(2, 0.0, bankroll="second"),
        samples.stake(2, 0.0, game_id=samples.OTHER),
        samples.stake(2, 0.0, market=Market.TOTAL),
        samples.stake(2, 0.0),
    ) == [True, False, False, False, True]


def test_what_is_sent_is_what_stands_on_the_topic() -> None:
    stake = samples.stake(bankroll="Peña", stake_id="a%b:Peña")
    value = b' {"extra": "as it was"} '
    record = Record(Topic.STAKES, 0, 0, 0, None, value, None)
    body = body_of(record, stake)
    # Two hours, 5 minutes and a second past 15:00 UTC would be 17:05:01: six hours before 23:05.
    start = b'{"type":"stakes","timestamp":"2026-07-20T17:05:01.000000Z","data":'
    assert body == start + value + b"}"
    assert json.loads(body)["data"] == {"extra": "as it was"}
    assert id_of(record, stake) == "a%25b:Pe%C3%B1a", "a header takes no more than ASCII"
