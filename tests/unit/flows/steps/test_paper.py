"""Paper bets by hand: when a stake becomes a bet, at which price, and why it does not."""

from decimal import Decimal
from typing import Any

import msgpack
import pytest

from flows.steps.paper import Paper, PaperFill, PaperRules, Unfilled
from flows.steps.records import Record
from models.evaluation.closing import Board
from schemas.bets import Fill
from schemas.decisions import Stake
from schemas.errors import ConfigError
from schemas.events import QuoteStatus
from schemas.markets import Market, Side
from schemas.sections.staking import PaperSettings, StakingSettings
from schemas.settings import Settings
from schemas.time import US_PER_SECOND
from schemas.topics import Topic
from tests.samples import OPEN, START, at, game, line, stake

CUTOFF = (START - OPEN) / US_PER_SECOND - 3600
"""Seconds after the opening."""
HOME: dict[str, Any] = {"side": Side.HOME, "book": "pinnacle", "probability": 0.55, "price": 1.90}


def rules(**over: Any) -> PaperRules:
    fields: dict[str, Any] = {"bankrolls": ("main",), "delay_seconds": 5.0} | over
    return PaperRules.of(
        Settings(paper=PaperSettings(**fields), staking=StakingSettings(min_edge=0.02))
    )


def record(said: Stake) -> Record:
    value = said.model_dump_json().encode()
    return Record(Topic.STAKES, 0, said.position, said.as_of_us, b"k", value, None)


class Play:
    """One game, told in seconds after its opening."""

    def __init__(self, **over: Any) -> None:
        self.paper = Paper(rules(**over))
        self.board = Board()
        self.board.fold(game())

    def quote(self, second: float, home: float | None = 1.90, **over: Any) -> "Play":
        away = None if home is None else 2.00
        self.board.fold(line(second, home, away, **over))
        return self

    def stake(self, second: float, amount: float, **over: Any) -> Unfilled | None:
        fields: dict[str, Any] = HOME | {"amount": amount, "as_of_us": at(second)} | over
        position = fields.pop("position", round(second * 10) + 1)
        said = stake(position, 0.01 if amount else 0.0, **fields)
        return self.paper.take(said, record(said), said.as_of_us)

    def run(self, second: float, playable: bool = True) -> list[PaperFill | Unfilled]:
        return self.paper.run(at(second), self.board, playable)

    def fills(self, second: float) -> list[Fill]:
        made = self.run(second)
        assert all(isinstance(one, PaperFill) for one in made), made
        return [one.fill for one in made if isinstance(one, PaperFill)]

    def why(self, second: float, playable: bool = True) -> str:
        (made,) = self.run(second, playable)
        assert isinstance(made, Unfilled), made
        return made.reason


def test_a_stake_is_filled_after_the_delay_at_the_price_of_then() -> None:
    play = Play().quote(0, 1.90)
    assert play.stake(10, 100.0) is None
    assert play.run(15) == [], "what is said at that very time is still to come"
    play.quote(14, 1.88)
    play.quote(16, 1.50)
    (fill,) = play.fills(16)
    # 0.55 x 1.88 = 1.034: the edge is still above 2 %.
    assert (fill.price, fill.amount, fill.filled_at_us) == (1.88, Decimal("100.00"), at(15))
    assert (fill.bankroll, fill.market, fill.side, fill.book) == (
        "main",
        Market.MONEYLINE,
        Side.HOME,
        "pinnacle",
    )
    assert fill.paper
    assert fill.source == "paper"
    assert play.run(100) == [], "once"


def test_a_better_price_is_taken_too() -> None:
    play = Play().quote(0, 1.90)
    play.stake(10, 100.0)
    play.quote(12, 2.05)
    assert play.fills(60)[0].price == 2.05


def test_ids_come_from_the_stake_alone() -> None:
    ids = set()
    for later in (1.90, 1.95):
        play = Play().quote(0, 1.90)
        play.stake(10, 100.0)
        ids.add(play.quote(12, later).fills(60)[0].fill_id)
    other = Play().quote(0)
    other.stake(11, 100.0)
    assert len(ids) == 1
    assert other.fills(60)[0].fill_id not in ids


def test_why_a_stake_is_not_filled() -> None:
    # 0.55 x 1.85 = 1.0175: 1.75 % is below the least edge of 2 %.
    moved = Play().quote(0)
    moved.stake(10, 100.0)
    assert moved.quote(12, 1.85).why(60) == "unfilled_price_moved"

    gone = Play().quote(0)
    gone.stake(10, 100.0)
    assert gone.quote(12, None, status=QuoteStatus.WITHDRAWN).why(60) == "unfilled_withdrawn"

    never = Play().quote(0, book="circa")
    never.stake(10, 100.0)
    assert never.why(60) == "unfilled_no_quote"

    total = {"market": Market.TOTAL, "side": Side.OVER, "line": 8.5}
    shifted = Play().quote(0, market=Market.TOTAL, line=8.5)
    shifted.stake(10, 100.0, **total)
    assert shifted.quote(12, market=Market.TOTAL, line=9.0).why(60) == "unfilled_line_moved"

    stale = Play().quote(0)
    stale.stake(1801, 100.0)
    assert stale.why(1900) == "unfilled_stale"

    confirmed = Play().quote(0)
    confirmed.stake(1801, 100.0)
    confirmed.board.fold(game(1700, source="odds", quotes_stand=True))
    assert confirmed.fills(1900)

    off = Play().quote(0)
    off.stake(10, 100.0)
    assert off.why(60, playable=False) == "unfilled_closed"


def test_nothing_after_the_lock() -> None:
    last = Play().quote(CUTOFF - 100)
    last.stake(CUTOFF - 5, 100.0)
    assert last.fills(CUTOFF + 10), "due at the cutoff itself"
    late = Play().quote(CUTOFF - 100)
    late.stake(CUTOFF - 4, 100.0)
    assert late.why(CUTOFF + 10) == "unfilled_closed"


def test_a_stake_that_grows_is_topped_up_and_one_that_falls_is_left() -> None:
    play = Play().quote(0)
    play.stake(10, 100.0)
    (first,) = play.fills(20)
    play.stake(30, 60.0)
    assert play.run(40) == [], "a bet is a bet"
    play.stake(50, 0.0)
    assert play.run(60) == []
    play.stake(70, 140.0)
    (second,) = play.fills(80)
    assert second.amount == Decimal("40.00")
    assert second.fill_id != first.fill_id


def test_what_is_under_way_counts() -> None:
    play = Play().quote(0)
    play.stake(10, 100.0)
    play.stake(12, 130.0)
    assert [fill.amount for fill in play.fills(60)] == [Decimal("100.00"), Decimal("30.00")]
    # What came to nothing does not.
    again = Play().quote(0)
    again.stake(10, 100.0)
    assert again.quote(12, 1.5).why(20) == "unfilled_price_moved"
    again.quote(21, 1.90)
    again.stake(30, 120.0)
    assert again.fills(60)[0].amount == Decimal("120.00")


def test_the_other_side_of_a_bet_is_not_bet() -> None:
    play = Play().quote(0)
    play.stake(10, 100.0)
    play.fills(20)
    found = play.stake(30, 50.0, side=Side.AWAY, price=2.0)
    assert found is not None
    assert found.reason == "unfilled_other_side"
    assert play.run(60) == []


def test_repeats_and_other_bankrolls_lead_to_nothing() -> None:
    play = Play().quote(0)
    for _ in range(3):
        play.stake(10, 100.0)
    play.stake(9, 500.0)
    play.stake(11, 300.0, bankroll="real")
    assert [fill.amount for fill in play.fills(60)] == [Decimal("100.00")]
    play.stake(10, 100.0)
    assert play.run(90) == []


def test_two_stakes_of_one_moment_are_two() -> None:
    """News of another game may change a stake within a millisecond, at the same position."""
    play = Play().quote(0)
    for _ in range(2):
        play.stake(10, 100.0, stake_id="a", position=7)
        play.stake(10, 150.0, stake_id="b", position=7)
    assert [fill.amount for fill in play.fills(60)] == [Decimal("100.00"), Decimal("50.00")]


def test_a_bankroll_that_there_is_not_stops_the_start() -> None:
    with pytest.raises(ConfigError, match="STEAMLINE_PAPER_BANKROLLS: 'gost' is no bankroll"):
        rules(bankrolls=("main", "gost"))


def test_an_incomplete_stake_is_refused() -> None:
    found = Play().quote(0).stake(10, 100.0, probability=None)
    assert found is not None
    assert found.reason == "unfilled_incomplete"


@pytest.mark.parametrize("cut", [5, 12, 25])
def test_it_comes_back_from_a_snapshot(cut: float) -> None:
    def story(cut: float | None) -> list[Any]:
        play = Play().quote(0)
        out: list[Any] = []
        for second, amount in ((3, 0.0), (10, 100.0), (11, 100.0), (20, 150.0), (30, 20.0)):
            if cut is not None and second > cut:
                packed = msgpack.unpackb(msgpack.packb(play.paper.pack()))
                play.paper, cut = Paper.unpack(play.paper.rules, packed), None
            out.extend(play.run(second))
            out.append(play.stake(second, amount))
        return [*out, *play.run(90)]

    assert story(cut) == story(None)
    assert sum(isinstance(one, PaperFill) for one in story(None)) == 2
