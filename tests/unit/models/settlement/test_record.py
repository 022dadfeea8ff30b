"""Grades as messages: the same facts settle once, other facts settle anew and leave a trail."""

from decimal import Decimal

import pytest

from models.settlement.case import Grade
from models.settlement.grading import grade, grade_without_result
from models.settlement.record import settlement
from models.settlement.tables import Tables
from schemas.bets import Fill, Outcome, Settlement
from schemas.events import GameResult
from schemas.markets import GameStatus
from tests import samples
from tests.unit.models.settlement.bets import bet, hours, result, suspended

TABLES = Tables()
BET = bet("home", stake_id="stake-1", paper=True)


def settled(
    told: GameResult, previous: Settlement | None = None, taken: Fill = BET
) -> Settlement | None:
    made = grade(taken, told, TABLES.of(taken.book))
    assert isinstance(made, Grade)
    return settlement(
        taken, made, told, told.occurred_at_us, closing_missing="test", previous=previous
    )


def test_what_it_says() -> None:
    told = result(3, 5)
    made = settled(told)
    assert made is not None
    assert made.outcome is Outcome.WIN
    assert (made.payout, made.profit) == (Decimal("195.00"), Decimal("95.00"))
    assert (made.fill_id, made.stake_id, made.paper) == ("fill-1", "stake-1", True)
    assert (made.result_id, made.settled_at_us) == (told.event_id, told.occurred_at_us)
    assert made.supersedes is None


def test_told_twice_it_is_the_same_and_then_nothing() -> None:
    first, again = settled(result(3, 5)), settled(result(3, 5))
    assert first == again
    assert settled(result(3, 5, event_id="r2"), first) is None


def test_a_correction_settles_anew() -> None:
    first = settled(result(3, 5))
    second = settled(result(5, 3, event_id="corrected"), first)
    assert first is not None
    assert second is not None
    assert (second.outcome, second.payout) == (Outcome.LOSS, Decimal(0))
    assert second.supersedes == first.settlement_id
    back = settled(result(3, 5), second)
    assert back is not None
    assert back.supersedes == second.settlement_id
    assert len({first.settlement_id, second.settlement_id, back.settlement_id}) == 3


def test_a_correction_of_innings_alone_settles_anew() -> None:
    """The score stays, the game was called after seven: the run line is void."""
    taken = bet("home", -1.5)
    first = settled(result(3, 5), taken=taken)
    second = settled(result(3, 5, 14, event_id="corrected"), first, taken)
    assert second is not None
    assert (second.outcome, second.payout) == (Outcome.VOID, Decimal(100))


def test_bets_do_not_share_an_id() -> None:
    first, other = settled(result(3, 5)), settled(result(3, 5), taken=bet("home", fill_id="fill-2"))
    assert first is not None
    assert other is not None
    assert first.settlement_id != other.settlement_id


def test_void_without_a_result() -> None:
    off = samples.game(0, status=GameStatus.CANCELLED)
    made = grade_without_result(BET, off, TABLES.of(BET.book), hours(1))
    assert isinstance(made, Grade)
    told = settlement(BET, made, off, hours(1), closing_missing="cancelled")
    assert told is not None
    assert (told.outcome, told.result_id, told.payout) == (Outcome.VOID, None, BET.amount)


def test_a_suspended_game_that_decides_is_its_own_result() -> None:
    taken = bet("away", book="betmgm")
    stop = suspended(4, 2, 12, full_away_score=4, full_home_score=2)
    made = grade_without_result(taken, stop, TABLES.of("betmgm"), hours(40))
    assert isinstance(made, Grade)
    told = settlement(taken, made, stop, hours(40), closing_missing="test")
    assert told is not None
    assert (told.outcome, told.result_id) == (Outcome.WIN, stop.event_id)


def test_of_another_bet() -> None:
    first = settled(result(3, 5))
    with pytest.raises(ValueError, match="is of fill-1"):
        settled(result(5, 3), first, bet("home", fill_id="fill-2"))


def test_of_another_game() -> None:
    """The second game of a doubleheader has the same clubs and the same day."""
    second = result(3, 5, game_id=samples.GAME[:-1] + "2")
    with pytest.raises(ValueError, match="BOS-NYY-2"):
        grade(BET, second, TABLES.of(BET.book))
    off = samples.game(0, game_id=second.game_id)
    with pytest.raises(ValueError, match="BOS-NYY-2"):
        grade_without_result(BET, off, TABLES.of(BET.book), hours(1))
