"""One game's bets from the first quote to the corrected result, in plain Python."""

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgpack
import pytest

from flows.steps.bets import Taken, take, take_batch
from flows.steps.clock import EVERY_US, ClockStep, Tick
from flows.steps.decode import DecodeRules
from flows.steps.records import Outgoing, Record
from flows.steps.settle import SettleRules, SettleStep
from models.odds import DEVIG
from schemas.bets import Fill, Outcome, Settlement
from schemas.errors import OtherSnapshot, RejectedEvent
from schemas.markets import GameStatus
from schemas.sections.staking import PaperSettings, StakingSettings
from schemas.settings import Settings
from schemas.time import US_PER_DAY, US_PER_HOUR, US_PER_SECOND
from schemas.topics import TOPIC_OF, Topic
from schemas.wire import SCHEMA_VERSION
from tests.samples import GAME, OPEN, START, at, fill, game, line, result, settlement, stake

FIRST_PITCH = (START - OPEN) / US_PER_SECOND
OVER = FIRST_PITCH + 3 * 3600
SETTINGS = Settings(
    paper=PaperSettings(bankrolls=("ghost",)),
    bankrolls=(StakingSettings(), StakingSettings(name="ghost")),
)
RULES = SettleRules.of(SETTINGS)
DAY = 24 * 3600


def taken(said: Any, offset: int = 0) -> Taken:
    """As it comes from Kafka."""
    times = ("occurred_at_us", "filled_at_us", "as_of_us", "settled_at_us")
    moment = next(getattr(said, name) for name in times if hasattr(said, name))
    value = said.model_dump_json().encode()
    key = said.game_id.encode()
    record = Record(TOPIC_OF[type(said)], 0, offset, moment, key, value, SCHEMA_VERSION)
    return take(record, DecodeRules.of(SETTINGS))


def told(step: SettleStep, *said: Any) -> list[Outgoing]:
    return step.on_batch(
        [one if isinstance(one, Tick) else taken(one, number) for number, one in enumerate(said)]
    )


def settlements(messages: Iterable[Outgoing]) -> list[Settlement]:
    return [
        Settlement.model_validate_json(one.value)
        for one in messages
        if one.topic is Topic.SETTLEMENTS
    ]


def reasons(messages: Iterable[Outgoing]) -> list[str]:
    return [json.loads(one.value)["reason"] for one in messages if one.topic is Topic.DEAD_LETTERS]


def begun() -> SettleStep:
    """A bet of 10.00 on home at 1.90, and a close of 1.80 and 2.10."""
    step = SettleStep(RULES)
    assert told(step, game(), line(0), fill(10), line(FIRST_PITCH - 60, 1.80, 2.10)) == []
    return step


def test_a_win_with_its_close() -> None:
    (won,) = settlements(told(begun(), result(OVER, 5, 3)))
    assert (won.outcome, won.payout, won.profit) == (
        Outcome.WIN,
        Decimal("19.00"),
        Decimal("9.00"),
    )
    assert won.supersedes is None
    assert won.settled_at_us == at(OVER)
    assert won.closing is not None
    closing = DEVIG["power"](1.80, 2.10)
    assert won.closing.probability == closing
    assert won.closing.probability_points == pytest.approx(closing - 1 / 1.90)
    assert won.closing.expected_value == pytest.approx(closing * 1.90 - 1)
    assert won.closing.seconds_before_start == 60.0


def test_the_close_is_from_before_the_game_really_began() -> None:
    step = begun()
    told(step, line(FIRST_PITCH - 10, 1.10, 8.0), line(FIRST_PITCH + 60, 1.01, 20.0))
    early = result(OVER, started_at_us=START - 30 * US_PER_SECOND)
    (won,) = settlements(told(step, early))
    assert won.closing is not None
    assert won.closing.probability == DEVIG["power"](1.80, 2.10)
    assert won.closing.seconds_before_start == 30.0


def test_a_correction_grades_anew_and_says_what_it_takes_the_place_of() -> None:
    step = begun()
    (won,) = settlements(told(step, result(OVER, 5, 3)))
    (lost,) = settlements(told(step, result(OVER + 60, 5, 6)))
    assert (lost.outcome, lost.payout) == (Outcome.LOSS, Decimal(0))
    assert lost.supersedes == won.settlement_id
    assert lost.closing == won.closing
    (back,) = settlements(told(step, result(OVER + 120, 5, 3)))
    assert back.supersedes == lost.settlement_id
    assert back.settlement_id != won.settlement_id
    assert told(step, result(OVER + 180, 6, 3)) == [], "the money stays the same"


def test_a_repeat_and_what_was_said_before_change_nothing() -> None:
    step = begun()
    said = (fill(10), result(OVER, 5, 3), result(OVER, 5, 3), fill(10), game(), line(0))
    assert len(told(step, *said)) == 1
    assert told(step, result(OVER - 60, 0, 9)) == [], "older than what is known"


def test_a_bet_that_is_told_late_is_settled_at_once() -> None:
    step = SettleStep(RULES)
    told(step, game(), line(FIRST_PITCH - 60, 1.80, 2.10), result(OVER, 1, 3))
    (lost,) = settlements(told(step, fill(10)))
    assert lost.outcome is Outcome.LOSS
    assert lost.closing is not None
    assert lost.settled_at_us == at(OVER)


def test_a_bet_in_play_has_no_closing_value() -> None:
    step = begun()
    told(step, fill(FIRST_PITCH, fill_id="live"))
    live = settlements(told(step, result(OVER)))[1]
    assert (live.fill_id, live.closing, live.closing_missing) == ("live", None, "bet_after_start")


def test_without_a_close_the_bet_stays_in_the_denominator() -> None:
    step = SettleStep(RULES)
    told(step, game(), line(0), fill(10))
    (won,) = settlements(told(step, result(OVER)))
    assert (won.outcome, won.closing, won.closing_missing) == (Outcome.WIN, None, "stale")


def test_a_cancelled_game_gives_the_stake_back() -> None:
    (void,) = settlements(told(begun(), game(100, status=GameStatus.CANCELLED)))
    assert (void.outcome, void.payout, void.result_id) == (Outcome.VOID, Decimal("10.00"), None)
    assert void.closing_missing == "not_played"


def test_a_postponed_game_is_void_when_its_time_has_run_out() -> None:
    step = begun()
    assert told(step, game(FIRST_PITCH, status=GameStatus.POSTPONED)) == []
    # Pinnacle waits for 12 hours after the listed start.
    assert told(step, Tick(START + 12 * US_PER_HOUR - 1)) == []
    (void,) = settlements(told(step, Tick(START + 12 * US_PER_HOUR)))
    assert void.outcome is Outcome.VOID
    assert void.settled_at_us == START + 12 * US_PER_HOUR
    assert told(step, Tick(START + 18 * US_PER_HOUR)) == []


def test_what_only_a_person_can_grade_is_said_once_and_stays_open() -> None:
    step = SettleStep(RULES)
    unknown = fill(10, book="lowvig")
    assert reasons(told(step, game(), line(0), unknown)) == ["ungraded"], "no rules of the book"
    assert told(step, result(OVER), result(OVER + 60), Tick(at(OVER) + 30 * US_PER_DAY)) == []
    last = told(step, Tick(at(OVER) + 61 * US_PER_DAY))
    assert reasons(last) == ["never_settled"]
    assert step.over


def by_hand(bet: Fill, outcome: Outcome, paid: str, supersedes: str | None = None) -> Settlement:
    """A person's word, weeks later."""
    return settlement(
        bet.fill_id,
        settlement_id=f"hand-{outcome}",
        outcome=outcome,
        payout=Decimal(paid),
        rule="by_hand",
        supersedes=supersedes,
        settled_at_us=at(OVER) + 30 * US_PER_DAY,
        book=bet.book,
    )


def test_what_a_person_has_graded_stands_until_a_person_says_otherwise() -> None:
    step, unknown = SettleStep(RULES), fill(10, book="lowvig")
    told(step, game(), line(0), unknown, result(OVER, 5, 3))
    push = by_hand(unknown, Outcome.PUSH, "10.00")
    assert told(step, push, push, result(OVER + 60, 3, 5)) == []
    (bet,) = SettleStep.restore(RULES, step.snapshot()).bets.values()
    assert bet.settled == push
    lost = by_hand(unknown, Outcome.LOSS, "0", supersedes=push.settlement_id)
    assert told(step, lost) == []
    assert step.bets[unknown.fill_id].settled == lost
    # It is no open bet any more, and the clock of the game has not moved.
    assert told(step, Tick(at(OVER) + 6 * US_PER_DAY)) == []
    assert told(step, Tick(at(OVER) + 61 * US_PER_DAY)) == []
    assert step.over


def test_a_person_may_overrule_the_rules_but_only_what_he_has_seen() -> None:
    step = begun()
    (won,) = settlements(told(step, result(OVER, 5, 3)))
    blind = by_hand(fill(10), Outcome.VOID, "10.00")
    assert reasons(told(step, blind)) == ["settled_already"]
    assert step.bets[won.fill_id].settled == won
    void = by_hand(fill(10), Outcome.VOID, "10.00", supersedes=won.settlement_id)
    assert told(step, void) == []
    assert told(step, result(OVER + 60, 3, 5)) == [], "the correction comes too late"


def test_its_own_settlements_are_not_read_again() -> None:
    own = settlement(fill(10).fill_id, settlement_id="s1")
    record = taken(own).record
    assert take_batch([record], DecodeRules.of(SETTINGS)) == []
    hand = taken(by_hand(fill(10), Outcome.PUSH, "10.00"))
    assert take_batch([hand.record], DecodeRules.of(SETTINGS)) == [(GAME, hand)]


def test_a_bet_on_a_game_that_nobody_knows_is_said_in_the_end() -> None:
    step = SettleStep(RULES)
    told(step, fill(10))
    day = OPEN // US_PER_DAY * US_PER_DAY
    assert told(step, Tick(day + 6 * US_PER_DAY)) == []
    letters = told(step, Tick(day + 8 * US_PER_DAY))
    assert reasons(letters) == ["unknown_game"]
    assert json.loads(letters[0].value)["source"] == "fills-0-0"


def test_one_id_is_not_two_bets() -> None:
    step = begun()
    assert reasons(told(step, fill(10, price=1.95))) == ["other_fill"]
    (won,) = settlements(told(step, result(OVER)))
    assert won.price == 1.90


def test_a_stake_of_an_unpromoted_model_is_never_a_real_bet() -> None:
    step = SettleStep(RULES)
    unproven = stake(1, paper=True, stake_id=f"{GAME}:1:moneyline:1:main:paper")
    real = fill(10, stake_id=unproven.stake_id)
    assert reasons(told(step, game(), line(0), real, unproven, real)) == ["paper_stake"] * 2
    watched = fill(10, stake_id=unproven.stake_id, paper=True)
    told(step, watched)
    (won,) = settlements(told(step, result(OVER)))
    assert won.paper


def test_a_paper_stake_becomes_a_bet_and_is_settled() -> None:
    step = SettleStep(RULES)
    ghost = stake(1, amount=50.0, as_of_us=at(10), bankroll="ghost", book="pinnacle")
    made = told(step, game(), line(0), ghost, line(12, 1.95, 1.95), line(20, 1.5, 2.8))
    (bet,) = [Fill.model_validate_json(one.value) for one in made]
    assert (bet.price, bet.amount, bet.paper, bet.stake_id) == (
        1.95,
        Decimal("50.00"),
        True,
        ghost.stake_id,
    )
    assert told(step, bet) == [], "our own, read again"
    (won,) = settlements(told(step, result(OVER)))
    assert (won.paper, won.payout) == (True, Decimal("97.50"))


def test_a_paper_bet_that_is_on_the_topic_already_is_not_made_twice() -> None:
    ghost = stake(1, amount=50.0, as_of_us=at(10), bankroll="ghost", book="pinnacle")
    first = told(SettleStep(RULES), game(), line(0), ghost, line(20))
    bet = Fill.model_validate_json(first[0].value)
    assert told(SettleStep(RULES), game(), line(0), ghost, bet, line(20)) == []


def test_a_paper_stake_that_came_to_nothing_is_said() -> None:
    step = SettleStep(RULES)
    ghost = stake(1, amount=50.0, as_of_us=at(10), bankroll="ghost", book="pinnacle")
    letters = told(step, game(), line(0), ghost, line(12, 1.5, 2.8), line(20))
    assert reasons(letters) == ["unfilled_price_moved"]
    assert json.loads(letters[0].value)["source"] == "stakes-0-2"


def story() -> list[Any]:
    ghost = stake(1, amount=50.0, as_of_us=at(10), bankroll="ghost", book="pinnacle")
    return [
        game(),
        line(0),
        fill(10),
        ghost,
        fill(11, fill_id="odd", book="lowvig"),
        line(20, 1.95, 1.95),
        game(
            30, source="odds", quotes_stand=True, context={"elo_home": 0.5}, context_as_of_us=at(1)
        ),
        line(FIRST_PITCH - 60, 1.80, 2.10),
        game(FIRST_PITCH + 9, status=GameStatus.LIVE),
        game(FIRST_PITCH + 99, status=GameStatus.SUSPENDED, home_score=1, away_score=0),
        result(OVER),
        result(OVER + 60, 1, 2),
        Tick(at(OVER) + US_PER_DAY),
        result(OVER + 2 * DAY, 3, 2),
    ]


@pytest.mark.parametrize("cut", range(len(story()) + 1))
def test_it_goes_on_from_a_snapshot(cut: int) -> None:
    whole = told(SettleStep(RULES), *story())
    step = SettleStep(RULES)
    items = [
        one if isinstance(one, Tick) else taken(one, number) for number, one in enumerate(story())
    ]
    first = step.on_batch(items[:cut])
    again = SettleStep.restore(RULES, step.snapshot())
    assert [*first, *again.on_batch(items[cut:])] == whole
    assert len(settlements(whole)) == 2 * 3


def test_a_snapshot_of_another_version_is_refused() -> None:
    stored = msgpack.unpackb(SettleStep(RULES).snapshot()) | {"version": 99}
    with pytest.raises(OtherSnapshot):
        SettleStep.restore(RULES, msgpack.packb(stored))


def test_a_finished_game_is_forgotten_after_the_correction_window() -> None:
    step = begun()
    told(step, result(OVER))
    told(step, Tick(at(OVER) + 7 * US_PER_DAY - 1))
    assert not step.over
    # In one batch with what comes next, as in two.
    told(step, Tick(at(OVER) + 7 * US_PER_DAY), result(OVER + 1, 0, 9))
    assert step.bets == {}
    assert not step.over


def test_the_clock_tells_every_game_and_forgets() -> None:
    clock = ClockStep(60 * US_PER_DAY, None)

    def said(second: float, game_id: str = GAME) -> list[tuple[str, Any]]:
        one = taken(line(second, game_id=game_id))
        return clock.on_batch([(game_id, one)])

    other = GAME.replace("BOS", "LAD")
    said(0)
    assert len(said(1)) == 1
    every = EVERY_US / US_PER_SECOND
    ticked = said(every, other)
    assert ticked[0] == (GAME, Tick(at(every)))
    assert [game_id for game_id, _ in said(2 * every, other)] == [GAME, other, other]
    clock = ClockStep(60 * US_PER_DAY, clock.snapshot())
    far = other.replace("07-20", "09-19")
    assert [game_id for game_id, _ in said(61 * DAY, far)] == [GAME, other, far]
    assert [game_id for game_id, _ in said(62 * DAY, far)] == [far, far]


def test_bad_records_say_what_is_wrong() -> None:
    rules = DecodeRules.of(SETTINGS)

    def why(said: Any, **over: Any) -> str:
        record = taken(said).record._replace(**over)
        with pytest.raises(RejectedEvent) as refused:
            take(record, rules)
        return refused.value.reason

    assert why(fill(10), value=b"{") == "malformed_json"
    assert why(fill(10), key=b"other") == "wrong_key"
    assert why(fill(10), version=b"7") == "wrong_schema"
    assert why(fill(10), timestamp_us=at(10) - 400 * US_PER_SECOND) == "future"
    assert why(stake(1), value=b"x" * 70_000) == "oversized"
    assert why(fill(10), value=fill(10).model_dump_json().replace("home", "over").encode()) == (
        "invalid"
    )
    with pytest.raises(RejectedEvent, match="implausible_time"):
        taken(fill(5 * DAY))
