"""SportsBettingDime: splits of a day and six books' lines."""

import json
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from flows.sources.payload import Fact
from schemas.events import BettingSplits, LineMovement
from schemas.markets import Market
from tests.unit.flows.sources.payloads import SBD, facts_of, reasons, refusals_of, said, us

SAMPLE = "samples/sbd_betting_splits_mlb_20250613.json"


def test_splits_are_of_home_and_over_and_have_their_own_time() -> None:
    made = SBD.read()
    for market, tickets, handle in (
        (Market.MONEYLINE, 62.5, 49.11),
        (Market.RUN_LINE, 41.25, 58.5),
        (Market.TOTAL, 66.67, 71.0),
    ):
        assert said(made, "sbd", market, "splits") == {
            "book": "sbd",
            "market": market,
            "tickets_home_over_pct": tickets,
            "handle_home_over_pct": handle,
        }
    times = {one.said_at_us for one in facts_of(made) if one.model is BettingSplits}
    assert times == {us("2026-07-20T18:01:02.500Z")}


def test_a_books_lines_and_a_book_without_any() -> None:
    made = SBD.read()
    lines = [one for one in facts_of(made) if one.model is LineMovement]
    assert {one.about[0] for one in lines} == {"williamhill_us"}
    run_line = said(made, "williamhill_us", Market.RUN_LINE)
    assert (run_line["line"], run_line["price_home_over"], run_line["price_away_under"]) == (
        -1.5,
        145,
        -170,
    )


def book(document: Any) -> Any:
    return document["games"][0]["sportsbooks"][0]


@pytest.mark.parametrize(
    ("price", "reason"),
    [("EVEN", "not_a_number"), ("+50", "price_home_over"), ("", "incomplete_market")],
)
def test_a_price_that_is_none(price: str, reason: str) -> None:
    def change(document: Any) -> None:
        book(document)["odds"]["moneyline"]["home"]["american"] = price

    made = SBD.changed(change)
    assert reasons(made) == [reason]
    assert len(facts_of(made)) == 5


def test_an_unknown_book_is_told_once() -> None:
    made = SBD.changed(lambda document: book(document).update(name="Some Book"))
    assert reasons(made) == ["unknown_book"]


def test_an_unknown_team() -> None:
    made = SBD.changed(lambda document: document["games"][0]["home"].update(code="NL"))
    assert reasons(made) == ["unknown_team"]


def test_an_empty_slate_is_no_change() -> None:
    assert SBD.read(b'{"group": "2026-12-24", "games": []}') == []


@pytest.fixture
def real(data_dir: Path) -> list[Fact]:
    return facts_of(SBD.read((data_dir / SAMPLE).read_bytes()))


def test_real_totals_whose_sides_look_swapped_are_refused(data_dir: Path) -> None:
    """Six lack their number of bets, and have most bets on the under; no other total has."""
    refused = refusals_of(SBD.read((data_dir / SAMPLE).read_bytes()))
    assert {one.reason for one in refused} == {"doubtful_splits"}
    assert [json.loads(one.original)["under"]["betsPercentage"] for one in refused] == [
        88.95,
        88.67,
        83.41,
        89.64,
        91.96,
        69.9,
    ]


def test_a_real_day_is_read_whole(real: list[Fact]) -> None:
    """15 games. Four of the six books quote all but BetMGM's run line in Atlanta."""
    assert Counter(one.model for one in real) == {BettingSplits: 39, LineMovement: 4 * 45 - 1}
    books = Counter(one.about[0] for one in real if one.model is LineMovement)
    assert books == {"betmgm": 44, "williamhill_us": 45, "draftkings": 45, "fanduel": 45}
    assert len({one.meeting for one in real}) == 15


def test_real_numbers_by_hand(real: list[Fact]) -> None:
    """Pittsburgh at the Cubs, 13 June 2025."""
    assert said(real, "draftkings", Market.MONEYLINE, home="CHC")["price_home_over"] == -121
    total = said(real, "fanduel", Market.TOTAL, home="CHC")
    assert (total["line"], total["price_home_over"], total["price_away_under"]) == (6.5, -118, -104)
    splits = said(real, "sbd", Market.MONEYLINE, "splits", home="CHC")
    assert (splits["tickets_home_over_pct"], splits["handle_home_over_pct"]) == (66.01, 52.49)
    over = said(real, "sbd", Market.TOTAL, "splits", home="PHI")
    assert (over["tickets_home_over_pct"], over["handle_home_over_pct"]) == (91.06, 91.17)


def test_a_real_night_game_is_of_its_local_day(real: list[Fact]) -> None:
    seattle = next(one.meeting for one in real if one.meeting.home == "SEA")
    assert seattle.start_us == us("2025-06-14T02:10:00Z")
    assert seattle.day == date(2025, 6, 13)
