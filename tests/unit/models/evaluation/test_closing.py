"""The close of a game made by hand: which quotes count, whatever order they came in."""

import random
from typing import Any

import msgpack
import pytest

from models.evaluation.closing import KEPT, Board, Close, ClosingRules, Missing
from models.odds import DEVIG
from schemas.events import GameUpdate, LineMovement, QuoteStatus
from schemas.markets import GameStatus, Market
from schemas.sections.staking import SettlementSettings
from schemas.settings import Settings
from schemas.time import US_PER_MINUTE, US_PER_SECOND
from tests.samples import OPEN, START, game, line

FIRST_PITCH = (START - OPEN) / US_PER_SECOND
"""Seconds after the opening."""
CONSENSUS = ClosingRules.of(Settings())
Events = list[LineMovement | GameUpdate]


def of(book: str) -> ClosingRules:
    return ClosingRules.of(Settings(settlement=SettlementSettings(close=book)))


def board(*events: LineMovement | GameUpdate) -> Board:
    made = Board()
    for event in events:
        made.fold(event)
    return made


def close(made: Board, rules: ClosingRules = CONSENSUS, market: Market = Market.MONEYLINE) -> Any:
    return made.close(market, made.first_pitch.us, rules)


def before(seconds: float) -> float:
    return FIRST_PITCH - seconds


def test_the_last_quote_before_first_pitch() -> None:
    made = board(
        game(),
        line(before(600), 2.00, 1.85),
        line(before(20), 1.90, 1.95),
        line(before(0), 1.10, 8.00),
        line(before(-300), 1.05, 12.0),
    )
    found = close(made, of("pinnacle"))
    assert found.probability == DEVIG["power"](1.90, 1.95)
    assert (found.reference, found.line) == ("pinnacle", None)
    assert found.quoted_at_us == START - 20 * US_PER_SECOND
    assert found.seconds_before_start == 20.0


def test_the_consensus_is_the_median_of_the_books_at_the_line_of_most() -> None:
    total = {"market": Market.TOTAL}
    made = board(
        game(),
        line(before(60), 1.90, 1.90, "pinnacle", line=8.5, **total),
        line(before(50), 1.80, 2.00, "circa", line=8.5, **total),
        line(before(40), 1.85, 1.95, "draftkings", line=8.5, **total),
        line(before(10), 2.10, 1.75, "fanduel", line=9.0, **total),
    )
    found = close(made, market=Market.TOTAL)
    assert found.line == 8.5
    assert found.probability == pytest.approx(DEVIG["power"](1.85, 1.95))
    assert found.reference == "consensus"
    # Of the quotes that are in it, the newest.
    assert found.seconds_before_start == 40.0
    assert close(made, of("fanduel"), Market.TOTAL).line == 9.0


def test_a_book_that_is_not_asked_for_does_not_stand_in() -> None:
    made = board(game(), line(before(60), book="circa"))
    assert close(made, of("pinnacle")) == Missing("no_quote")
    assert close(made, market=Market.TOTAL) == Missing("no_quote")


def test_a_withdrawn_quote_is_no_close() -> None:
    gone: dict[str, Any] = {"status": QuoteStatus.WITHDRAWN, "home": None, "away": None}
    made = board(game(), line(before(600)), line(before(30), **gone))
    assert close(made) == Missing("withdrawn")
    # One that was withdrawn after first pitch was up at the time.
    late = board(game(), line(before(600)), line(before(-30), **gone))
    assert isinstance(close(late), Close)


def test_a_stale_quote_is_no_close_unless_its_source_confirmed_it() -> None:
    old = line(before(31 * 60))
    assert close(board(game(), old)) == Missing("stale")

    def stands(seconds: float, source: str = "odds") -> GameUpdate:
        return game(before(seconds), source=source, quotes_stand=True)

    found = close(board(game(), old, stands(45)))
    assert found.seconds_before_start == 45.0
    assert close(board(game(), old, stands(45, "another"))) == Missing("stale")
    assert close(board(game(), old, stands(0))) == Missing("stale"), "said too late"


def test_no_schedule_no_close() -> None:
    assert close(board(line(before(60)))) == Missing("no_schedule")


def test_a_start_that_moves_later_lets_in_what_was_said_since() -> None:
    later = START + 90 * US_PER_MINUTE
    delayed = game(before(-3600), start_time_us=later)
    made = board(game(), line(before(60), 2.00, 1.85), line(before(-1800), 1.80, 2.05), delayed)
    assert made.first_pitch.us == later
    wide = ClosingRules(("pinnacle",), "power", 4 * 3600 * US_PER_SECOND, "pinnacle")
    assert close(made, wide).probability == DEVIG["power"](1.80, 2.05)


def test_it_begins_no_later_than_somebody_said_it_had() -> None:
    early = game(before(600), status=GameStatus.LIVE)
    made = board(game(), line(before(1200), 2.00, 1.85), line(before(60), 1.5, 2.8), early)
    assert made.first_pitch.us == START - 600 * US_PER_SECOND
    assert close(made).probability == DEVIG["power"](2.00, 1.85)
    # A mistake, taken back.
    made.fold(game(before(500), status=GameStatus.SCHEDULED))
    assert made.first_pitch.us == START
    assert close(made).probability == DEVIG["power"](1.5, 2.8)


def test_when_a_suspended_game_goes_on_is_no_first_pitch() -> None:
    tomorrow = START + 20 * 60 * US_PER_MINUTE
    made = board(
        game(),
        game(before(-60), status=GameStatus.LIVE),
        game(before(-7200), status=GameStatus.SUSPENDED, start_time_us=tomorrow),
    )
    assert made.first_pitch.us == START


def test_a_postponed_game_starts_anew() -> None:
    tomorrow = START + 20 * 60 * US_PER_MINUTE
    made = board(
        game(),
        game(before(-60), status=GameStatus.POSTPONED),
        game(before(-120), status=GameStatus.SCHEDULED, start_time_us=tomorrow),
    )
    assert made.first_pitch.us == tomorrow


def test_quotes_in_play_push_none_out_and_memory_is_bounded() -> None:
    made = board(game())
    for second in range(1, 500):
        made.fold(line(before(second), 1.90 + second / 1000, 1.9))
        made.fold(line(before(-second), 5.0, 1.15))
    kept = made.quotes[(Market.MONEYLINE, "pinnacle")]
    assert len(kept) == KEPT + 1
    assert close(made).probability == DEVIG["power"](1.901, 1.9)


def story() -> Events:
    """With everything in it that a day can bring."""
    books = ("pinnacle", "circa", "betmgm")
    events: Events = [game()]
    for step, book in enumerate(books * 3):
        events.append(line(before(1500 - 100 * step), 1.8 + step / 50, 2.0, book))
        events.append(line(before(-100 * step), 1.2, 4.0, book))
    events.append(line(before(5), book="circa", home=None, away=None, status="withdrawn"))
    events.append(game(before(400), source="odds", quotes_stand=True))
    events.append(game(before(-200), status=GameStatus.LIVE))
    return events


def test_order_and_repeats_change_nothing() -> None:
    events, dice = story(), random.Random(4)
    expected = board(*events).pack()
    for _ in range(50):
        dice.shuffle(events)
        assert board(*events, *events[:7]).pack() == expected


def test_it_comes_back_from_a_snapshot() -> None:
    made = board(*story())
    again = Board.unpack(msgpack.unpackb(msgpack.packb(made.pack())))
    assert again == made
    assert close(again) == close(made)
