"""Action Network: a scoreboard's lines and splits, and one game's history."""

from typing import Any

import pytest

from flows.sources import action_network
from flows.sources.payload import Refusal
from schemas.events import GameUpdate, LineMovement, QuoteStatus
from schemas.markets import GameStatus, Market
from tests.unit.flows.sources.payloads import (
    BOARD,
    HISTORY,
    YANKEES,
    facts_of,
    reasons,
    refusals_of,
    said,
    us,
)


def test_a_books_lines() -> None:
    made = BOARD.read()
    moneyline = said(made, "draftkings", Market.MONEYLINE)
    assert (moneyline["price_home_over"], moneyline["price_away_under"]) == (-145, 124)
    assert moneyline["line"] is None
    run_line = said(made, "draftkings", Market.RUN_LINE)
    assert (run_line["line"], run_line["price_home_over"]) == (-1.5, 142)
    # The main line, not the other one at 9 beside it.
    total = said(made, "draftkings", Market.TOTAL)
    assert (total["line"], total["price_home_over"], total["price_away_under"]) == (8.5, -115, -105)


def test_whose_lines() -> None:
    """Neither the consensus nor the opening column is a book; a suspended line is no offer."""
    lines = {one.about for one in facts_of(BOARD.read()) if one.model is LineMovement}
    assert lines == {
        ("draftkings", Market.MONEYLINE),
        ("draftkings", Market.RUN_LINE),
        ("draftkings", Market.TOTAL),
        ("fanduel", Market.MONEYLINE),
        ("fanduel", Market.TOTAL),
    }


def test_splits_are_of_home_and_over_and_of_no_one_book() -> None:
    made = BOARD.read()
    shares = {
        market: (fields["tickets_home_over_pct"], fields["handle_home_over_pct"])
        for market in Market
        for fields in [said(made, "action_network", market, "splits")]
    }
    assert shares == {
        Market.MONEYLINE: (61, 48),
        Market.RUN_LINE: (37, 52),
        Market.TOTAL: (70, 83),
    }
    assert sum("splits" in one.about for one in facts_of(made)) == 3


def test_of_a_game_that_is_on_only_its_status_is_taken() -> None:
    made = [one for one in facts_of(BOARD.read()) if one.meeting.home == "BAL"]
    assert [one.model for one in made] == [GameUpdate]
    assert (made[0].fields["status"], made[0].fields["quotes_stand"]) == (GameStatus.LIVE, False)


def test_the_schedule() -> None:
    game = said(BOARD.read(), "game")
    assert (game["home"], game["away"]) == ("New York Yankees", "Boston Red Sox")
    assert game["start_time_us"] == us("2026-07-20T23:05:00Z")
    assert (game["status"], game["quotes_stand"]) == (GameStatus.SCHEDULED, True)


def event_of(document: Any, book: str) -> Any:
    return document["games"][0]["markets"][book]["event"]


def test_an_unknown_book_is_told_once() -> None:
    def another(document: Any) -> None:
        document["games"][0]["markets"]["4727"] = document["games"][0]["markets"]["68"]
        document["games"][1]["status"] = "scheduled"
        document["games"][1]["markets"]["4727"] = document["games"][1]["markets"]["68"]

    made = BOARD.changed(another)
    assert reasons(made) == ["unknown_book"]
    assert len([one for one in facts_of(made) if one.model is LineMovement]) == 8


def test_two_licences_of_one_book_are_one_book_too_many() -> None:
    def pennsylvania(document: Any) -> None:
        markets = document["games"][0]["markets"]
        markets["1534"] = markets["68"]

    assert reasons(BOARD.changed(pennsylvania)) == ["said_twice"] * 3


@pytest.mark.parametrize(
    ("percent", "reason"), [(75, ["splits_sum"]), (None, ["splits_sum"]), (62, [])]
)
def test_shares_that_do_not_add_up(percent: int | None, reason: list[str]) -> None:
    """Away has 39 % of the tickets."""

    def change(document: Any) -> None:
        home = event_of(document, "15")["moneyline"][1]
        home["bet_info"]["tickets"]["percent"] = percent

    assert reasons(BOARD.changed(change)) == reason


def test_no_bets_yet_are_no_splits() -> None:
    def none_yet(document: Any) -> None:
        for outcome in event_of(document, "15")["moneyline"]:
            outcome["bet_info"] = {"tickets": {"percent": 0}, "money": {"percent": 0}}

    made = BOARD.changed(none_yet)
    assert not refusals_of(made)
    assert ("action_network", Market.MONEYLINE, "splits") not in {
        one.about for one in facts_of(made)
    }


def test_an_impossible_price_takes_no_other_along() -> None:
    made = BOARD.changed(lambda doc: event_of(doc, "68")["moneyline"][0].update(odds=20))
    assert reasons(made) == ["price_away_under"]
    assert said(made, "draftkings", Market.TOTAL)


def test_a_status_we_do_not_know() -> None:
    made = BOARD.changed(lambda document: document["games"][0].update(status="paused"))
    assert reasons(made) == ["unknown_status"]
    assert {one.meeting.home for one in facts_of(made)} == {"BAL"}


def test_an_empty_slate_is_no_change() -> None:
    assert BOARD.read(b'{"league": {}, "games": []}') == []


def test_the_games_to_ask_the_history_of() -> None:
    found = action_network.meetings(BOARD.payload())
    assert found[31001] == YANKEES
    assert sorted(found) == [31001, 31002]
    assert action_network.meetings(BOARD.payload(b"nothing")) == {}


def test_a_history_pairs_the_sides_of_each_move() -> None:
    """Milliseconds apart is one move; what came after the first pitch is none of it."""
    made = HISTORY.read()
    assert not refusals_of(made)
    assert {one.meeting for one in facts_of(made)} == {YANKEES}
    told = [
        (
            one.about[1],
            one.said_at_us,
            one.fields.get("line"),
            one.fields.get("price_home_over"),
            one.fields.get("price_away_under"),
        )
        for one in facts_of(made)
    ]
    assert told == [
        (Market.MONEYLINE, us("2026-07-20T14:00:00.200Z"), None, -130, 110),
        (Market.MONEYLINE, us("2026-07-20T16:00:00.010Z"), None, -145, 124),
        (Market.TOTAL, us("2026-07-20T14:00:00Z"), 9, -110, -110),
        (Market.TOTAL, us("2026-07-20T15:00:00Z"), 8.5, -115, -105),
        (Market.TOTAL, us("2026-07-20T20:00:00Z"), None, None, None),
    ]
    assert facts_of(made)[-1].fields["status"] is QuoteStatus.WITHDRAWN


def test_a_history_of_no_known_game() -> None:
    made = HISTORY._replace(meeting=None).read()
    assert reasons(made) == ["unknown_game"]


def test_half_a_move_is_no_quote() -> None:
    """The total moved on one side: over 9.5 and under 9 are not one line."""

    def half(document: Any) -> None:
        history = document["68"]["event"]["total"][1]["history"]
        history[1] = {"updated_at": "2026-07-20T14:30:00Z", "odds": -110, "value": 9.5}

    made = HISTORY.changed(half)
    assert "sides_disagree" in reasons(made)
    assert all(isinstance(one, Refusal) or one.fields.get("line") != 9.5 for one in made)
