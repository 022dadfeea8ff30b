"""A backtest against sums done by hand, and against the score flow on the same events."""

import math
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest
from bytewax.testing import TestingSink, TestingSource, run_main

from flows.backtest import Backtest, settings_of
from flows.bet_table import bet_table, ledger_table
from flows.pricing import Period, Pricing
from flows.score import score_flow
from flows.steps.records import Outgoing, Record
from flows.steps.score import Scorer
from models.settlement.tables import Tables
from schemas.bets import Outcome
from schemas.decisions import Stake
from schemas.errors import ConfigError
from schemas.events import Event
from schemas.markets import GameStatus, Target
from schemas.sections.staking import SettlementSettings, StakingSettings
from schemas.settings import Settings
from schemas.time import US_PER_DAY, US_PER_SECOND
from schemas.topics import TOPIC_OF, Topic
from schemas.wire import SCHEMA_VERSION
from tests.samples import GAME, START, at, game, line, result
from tests.unit.boosters import LAWS, constant_text, model
from tests.unit.flows.test_score_flow import records

MODELS = [
    model(target, constant_text(math.log(1.2) / (10 if target in LAWS else 1))) for target in Target
]
"""Home is a little better than the market thinks, so there is always something to bet."""
NEXT = "mlb-2026-07-21-BOS-NYY-1"
DAY = US_PER_DAY // US_PER_SECOND


def settings(default: str | None = "conservative", **staking: Any) -> Settings:
    whole = Settings(
        staking=StakingSettings(min_completeness=0.0, **staking),
        settlement=SettlementSettings(default=default),
    )
    return settings_of(whole, None)


def as_read(events: Iterable[Event]) -> list[Record]:
    ordered = sorted(events, key=lambda event: event.occurred_at_us)
    return [
        Record(
            TOPIC_OF[type(event)],
            0,
            number,
            event.occurred_at_us,
            event.game_id.encode(),
            event.model_dump_json().encode(),
            SCHEMA_VERSION,
        )
        for number, event in enumerate(ordered)
    ]


def day(number: int = 0, *more: Event, price: float = 1.90) -> list[Event]:
    """A game on each day: a price after a minute, which moves three seconds later; home wins."""
    of: dict[str, Any] = {"game_id": (GAME, NEXT)[number]}
    start = {"start_time_us": START + number * US_PER_DAY}
    later = number * DAY
    return [
        game(later, **of, **start),
        line(later + 60, price, 2.00, **of),
        line(later + 63, 1.88, 2.02, **of),
        game(later + 6 * 3600 + 60, status=GameStatus.LIVE, **of, **start),
        result(later + 9 * 3600, 5, 3, **of),
        *more,
    ]


def played(
    events: Iterable[Event], how: Settings | None = None, size: int = 512, from_us: int = 0
) -> Backtest:
    how = how or settings()
    backtest = Backtest(how, Pricing(how, [Period(from_us, MODELS)]))
    read = as_read(events)
    for begin in range(0, len(read), size):
        backtest.take(read[begin : begin + size])
    backtest.end()
    return backtest


def test_a_bet_is_made_five_seconds_later_at_the_price_that_then_stands() -> None:
    done = played(day())
    first = next(iter(done.bets.values()))
    assert first.stake.price == 1.90
    assert first.stake.decided_us == at(60)
    assert (first.fill.price, first.fill.filled_at_us) == (1.88, at(65))
    assert first.other_price == 2.02
    # 1.88 against 2.02 is .518 against .482 with the margin taken off either way.
    assert first.market_probability == pytest.approx(0.518, abs=0.001)
    assert first.settlement is not None
    assert first.settlement.outcome is Outcome.WIN
    assert first.settlement.payout == (first.fill.amount * Decimal("1.88")).quantize(
        Decimal("0.01")
    )


def test_the_balance_is_what_was_won_and_the_next_stake_a_share_of_it() -> None:
    done = played([*day(), *day(1)])
    of_day = {
        name: [one for one in done.bets.values() if one.fill.game_id == name]
        for name in (GAME, NEXT)
    }
    won = sum(
        (one.fill.amount * Decimal("1.88")).quantize(Decimal("0.01")) - one.fill.amount
        for one in of_day[GAME]
    )
    assert won > 0
    then = of_day[NEXT][0].stake
    assert then.balance == float(10_000 + won)
    before = of_day[GAME][0].stake
    assert then.fraction == before.fraction
    assert then.amount == pytest.approx(before.amount * (1 + float(won) / 10_000), abs=0.01)
    assert done.balance == done.ledger[-1].balance > 10_000 + won


def test_a_price_that_has_fallen_too_far_is_not_taken() -> None:
    events = [one for one in day() if one.occurred_at_us != at(63)]
    done = played([*events, line(63, 1.60, 2.55)])
    assert done.counts.unfilled["unfilled_price_moved"] == 1
    assert all(one.fill.price != 1.90 for one in done.bets.values())


def test_a_correction_is_booked_and_the_bet_ends_as_it_says() -> None:
    wrong = result(9 * 3600 + 600, 3, 5, event_id="corrected")
    done = played(day(0, wrong))
    lost = sum((one.fill.amount for one in done.bets.values()), Decimal(0))
    assert {one.settlement and one.settlement.outcome for one in done.bets.values()} == {
        Outcome.LOSS
    }
    assert done.balance == 10_000 - lost
    assert done.counts.unpaid == 0


def test_what_no_rule_grades_is_listed_with_its_reason() -> None:
    book = "mybookieag"
    assert book not in Tables().known
    events = [
        one.model_copy(update={"book": book}) if TOPIC_OF[type(one)] is Topic.LINES else one
        for one in day()
    ]
    done = played(events, settings(default=None))
    assert done.bets
    assert {one.open_because for one in done.bets.values()} == {
        f"cannot be graded: there is no rule table of {book}"
    }
    assert done.balance == 10_000


def test_a_game_without_a_result_leaves_its_bets_open() -> None:
    done = played(one for one in day() if TOPIC_OF[type(one)] is not Topic.RESULTS)
    assert {one.open_because for one in done.bets.values()} == {"no result: the game is live"}


def test_nothing_is_scored_before_there_are_models() -> None:
    done = played([*day(), *day(1)], from_us=at(DAY))
    # Of the first day: the schedule, two prices, and the lock.
    assert done.counts.before_models == 4
    assert {one.fill.game_id for one in done.bets.values()} == {NEXT}


@pytest.mark.parametrize("size", [1, 7])
def test_batches_change_nothing(size: int) -> None:
    whole, pieces = played([*day(), *day(1)]), played([*day(), *day(1)], size=size)
    assert bet_table(whole.bets.values()).equals(bet_table(pieces.bets.values()))
    assert ledger_table(whole.ledger).equals(ledger_table(pieces.ledger))
    assert whole.counts == pieces.counts


def test_its_stakes_are_those_of_the_score_flow() -> None:
    """The same events through Bytewax: every stake of something, in order, in every field."""
    inputs, how = records(4), settings(max_total=0.3)
    sent: list[tuple[str, list[Outgoing]]] = []
    source: Any = TestingSource(inputs, batch_size=16)
    sink: Any = TestingSink(sent)
    run_main(score_flow(how, source, sink, TestingSink([]), Scorer(how, MODELS)))
    said = [
        Stake.model_validate_json(one.value)
        for _, messages in sent
        for one in messages
        if one.topic is Topic.STAKES
    ]
    backtest = Backtest(how, Pricing(how, [Period(0, MODELS)]))
    backtest.take(inputs)
    assert backtest.stakes == [one for one in said if one.amount > 0.0]
    assert len(backtest.stakes) > 5
    assert backtest.counts.stakes == len(said)


def test_another_bankroll_must_be_one_of_the_settings() -> None:
    with pytest.raises(ConfigError, match="there is no 'ghost'"):
        settings_of(Settings(), "ghost")
