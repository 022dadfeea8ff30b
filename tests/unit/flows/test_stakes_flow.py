"""Stakes out of the score flow: whatever the batches and the crashes, the same for a backlog."""

import math
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import TestingSink, TestingSource, run_main

from flows.score import score_flow
from flows.steps.records import FeatureBlob, Outgoing, Record
from flows.steps.score import Scorer
from flows.steps.told import switch
from schemas.decisions import DeadLetter, Refusal, Stake
from schemas.events import Event
from schemas.markets import Target
from schemas.sections.staking import StakingSettings
from schemas.settings import Settings
from schemas.topics import Topic
from schemas.wire import SCHEMA_VERSION
from tests import samples
from tests.unit.boosters import LAWS, constant_text, model
from tests.unit.flows.test_score_flow import as_records, records

SETTINGS = Settings(
    bankrolls=(
        StakingSettings(name="main", paper=True, min_completeness=0.0, max_total=0.3),
        StakingSettings(name="side", paper=True, min_completeness=0.0, fraction=0.1),
    )
)
MODELS = [
    model(target, constant_text(math.log(1.2) / (10 if target in LAWS else 1))) for target in Target
]
"""Home is a little better than the market thinks, so there is always something to bet."""


def said(stopped: bool, at_us: int, bankroll: str | None = None, number: int = 0) -> Record:
    message = switch(stopped, "a test", bankroll, at_us)
    return Record(
        Topic.BANKROLLS, 0, number, at_us, message.key.encode(), message.value, SCHEMA_VERSION
    )


def with_switches(games: int) -> list[Record]:
    """A stop of all and one of a bankroll, and both taken back, amid the events."""
    events = records(games)
    times = [events[len(events) * share // 10].timestamp_us for share in (2, 4, 5, 7)]
    words = [
        said(True, times[0], number=0),
        said(False, times[1], number=1),
        said(True, times[2], "side", number=2),
        said(False, times[3], "side", number=3),
    ]
    return sorted([*words, *events], key=lambda record: record.timestamp_us)


def play(
    inputs: list[Any], batch: int, recovery: Path | None = None, out: list[Any] | None = None
) -> list[Outgoing]:
    """What one run writes; goes on from `recovery`."""
    sent: list[tuple[str, list[Outgoing]]] = [] if out is None else out
    vectors: list[FeatureBlob] = []
    source: Any = TestingSource(inputs, batch_size=batch)
    sink: Any = TestingSink(sent)
    flow = score_flow(SETTINGS, source, sink, TestingSink(vectors), Scorer(SETTINGS, MODELS))
    if recovery is None:
        run_main(flow)
    else:
        config = RecoveryConfig(str(recovery))
        run_main(flow, epoch_interval=timedelta(0), recovery_config=config)
    return [message for _, messages in sent for message in messages]


def stakes(messages: list[Outgoing], bankroll: str = "main") -> list[Stake]:
    read = [
        Stake.model_validate_json(message.value)
        for message in messages
        if message.topic is Topic.STAKES
    ]
    return [stake for stake in read if stake.bankroll == bankroll]


def in_order(messages: list[Outgoing]) -> list[Outgoing]:
    """Bankrolls side by side come in any order, each in its own."""
    mine = [message for message in messages if message.topic is Topic.STAKES]
    return sorted(mine, key=lambda message: Stake.model_validate_json(message.value).bankroll)


@pytest.fixture(scope="module")
def undisturbed() -> list[Outgoing]:
    return play(with_switches(4), batch=1)


def test_games_are_sized_together_and_stopped_together(undisturbed: list[Outgoing]) -> None:
    main, side = stakes(undisturbed), stakes(undisturbed, "side")
    assert max(len(one.slate or {}) for one in main) == 3
    assert any(one.fraction > 0 for one in main)
    for name, found in (("main", main), ("side", side)):
        stopped = [one for one in found if Refusal.STOPPED in one.refusals]
        assert stopped, name
        last = {(one.game_id, one.market): one for one in found}
        assert any(one.fraction > 0 for one in last.values()), name
    # One stop is of both, the other of one.
    assert len({one.decided_us for one in main if one.refusals[-1:] == [Refusal.STOPPED]}) < len(
        {one.decided_us for one in side if one.refusals[-1:] == [Refusal.STOPPED]}
    )


@pytest.mark.parametrize("batch", [3, 16, 1_000])
def test_batches_change_no_stake(undisturbed: list[Outgoing], batch: int) -> None:
    same = in_order(play(with_switches(4), batch)) == in_order(undisturbed)
    assert same


def test_a_batch_longer_than_the_engine_hands_on_at_once_changes_no_stake() -> None:
    """Bytewax hands items on in pieces of some hundred: here one batch scores 480 positions."""
    events: list[Event] = []
    for number in range(1, 5):
        of = {"game_id": f"mlb-2026-07-20-BOS-NYY-{number}"}
        events.append(samples.game(number, **of))
        for minute in range(120):
            home = 1.95 - (minute + number) % 40 / 400
            at = 60.0 * minute + 10 * number
            events.append(samples.line(at, home, 2.0, **of))
    events.sort(key=lambda event: event.occurred_at_us)
    inputs = as_records(events)
    together = play(inputs, len(inputs))
    assert len({one.decided_us for one in stakes(together)}) > 20
    same = in_order(together) == in_order(play(inputs, 50))
    assert same


def test_crashes_change_no_stake(tmp_path: Path, undisturbed: list[Outgoing]) -> None:
    """While all is stopped, and later: by id the same is said, and a stop stays one."""
    init_db_dir(tmp_path, 1)
    inputs: list[Any] = with_switches(4)
    for share in (7, 3):
        inputs.insert(len(inputs) * share // 10, TestingSource.ABORT())
    again: list[Outgoing] = []
    for _ in range(3):
        out: list[Any] = []
        play(inputs, 4, tmp_path, out)
        again += [message for _, messages in out for message in messages]
    expected = {message.message_id: message for message in in_order(undisturbed)}
    assert {message.message_id: message for message in in_order(again)} == expected


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"key": b"side"}, "wrong_key"),
        ({"value": b"{"}, "malformed_json"),
        ({"value": b'{"bankroll": "*"}'}, "invalid"),
        ({"version": b"2"}, "wrong_schema"),
        ({"timestamp_us": 0}, "future"),
    ],
)
def test_a_word_that_cannot_be_used_goes_to_the_dead_letters(
    change: dict[str, Any], reason: str
) -> None:
    events = records(1)[:8]
    bad = said(True, events[-1].timestamp_us)._replace(**change)
    messages = play([*events, bad], 4)
    letters = [
        DeadLetter.model_validate_json(message.value)
        for message in messages
        if message.topic is Topic.DEAD_LETTERS
    ]
    assert [(one.reason, one.topic) for one in letters] == [(reason, "bankrolls")]
    assert not any(Refusal.STOPPED in one.refusals for one in stakes(messages))
