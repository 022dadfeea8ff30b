"""The stateful step: what is to be scored, and when betting closes."""

from base64 import b64decode
from collections.abc import Iterable
from itertools import count, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.steps.decode import Decoded
from flows.steps.game import GameStep, ToScore
from flows.steps.records import Outgoing, Record
from models.features.layout import GAME
from schemas.decisions import Alert, AlertKind, DeadLetter
from schemas.events import Event
from schemas.markets import GameStatus
from schemas.time import US_PER_MINUTE
from schemas.topics import CONTRACTS, Topic
from tests import samples
from tests.unit.streams import CUTOFF, RULES, fold_all, seconds, splits, streams

CUT = seconds(CUTOFF)


def decoded(events: Iterable[Event]) -> list[Decoded]:
    """As read from one partition of each topic."""
    topics = {contract.model: topic for topic, contract in CONTRACTS.items()}
    offsets = {topic: count() for topic in Topic}
    out = []
    for event in events:
        topic = topics[type(event)]
        value = event.model_dump_json().encode()
        key = event.game_id.encode()
        record = Record(topic, 0, next(offsets[topic]), event.occurred_at_us, key, value, b"1")
        out.append(Decoded(event, record))
    return out


def run(events: Iterable[Event], step: GameStep | None = None) -> list[ToScore | Outgoing]:
    return (step or GameStep(RULES, None)).on_batch(decoded(events))


def tasks(out: list[ToScore | Outgoing]) -> list[ToScore]:
    return [item for item in out if isinstance(item, ToScore)]


def alerts(out: list[ToScore | Outgoing]) -> list[Alert]:
    return [
        Alert.model_validate_json(item.value)
        for item in out
        if isinstance(item, Outgoing) and item.topic is Topic.ALERTS
    ]


def test_every_change_is_scored_at_its_position() -> None:
    events = [samples.game(0), samples.line(60), splits(90), samples.line(120, book="circa")]
    out = tasks(run(events))
    assert [task.position for task in out] == [1, 2, 3, 4]
    assert [task.as_of_us for task in out] == [samples.at(at) for at in (0, 60, 90, 120)]
    for at, task in enumerate(out, 1):
        assert task.game_id == samples.GAME
        assert task.start_us == samples.START
        assert task.cutoff_us == CUTOFF
        assert task.lock_reason is None
        assert task.simulated is False
        np.testing.assert_equal(
            np.frombuffer(task.record, GAME).tobytes(), fold_all(events[:at]).record.tobytes()
        )


def test_what_changes_nothing_is_not_scored() -> None:
    repeated = samples.line(60)
    stands = samples.game(90, source="odds", quotes_stand=True)
    first, quote, confirmed = tasks(run([samples.game(0), repeated, repeated, stands, repeated]))
    assert (first.position, quote.position) == (1, 2)
    # The first word of a source on its quotes changes how old they are.
    assert confirmed.position == 3
    assert not tasks(run([samples.line(60), splits(90)]))  # no schedule yet


def test_a_payload_is_scored_once_with_all_of_it() -> None:
    events = [
        samples.game(0),
        samples.line(60, settles=False),
        samples.line(60, book="circa", settles=False),
        samples.line(60, book="fanduel"),
    ]
    first, payload = tasks(run(events))
    assert (first.position, payload.position) == (1, 4)
    row = np.frombuffer(payload.record, GAME)
    assert np.isfinite(row["probability"]).sum() == 3


def test_a_repeat_in_the_middle_of_a_payload_scores_nothing() -> None:
    """Found when a live archive, which has no repeats, was replayed."""
    once, half = samples.line(60), samples.line(61, book="circa", settles=False)
    whole = samples.line(61, book="fanduel")
    out = tasks(run([samples.game(0), once, half, once, whole]))
    assert [task.position for task in out] == [1, 2, 4]


@settings(deadline=None, max_examples=60)
@given(streams(), st.data())
def test_repeats_anywhere_change_nothing(events: list[Event], data: st.DataObject) -> None:
    repeated = list(events)
    for place in data.draw(st.lists(st.integers(0, len(events) - 1), max_size=6)):
        first = repeated.index(events[place])
        repeated.insert(data.draw(st.integers(first + 1, len(repeated))), events[place])
    said = [(task.position, task.lock_reason, task.record) for task in tasks(run(repeated))]
    assert said == [(task.position, task.lock_reason, task.record) for task in tasks(run(events))]


def test_the_lock_says_so_once_and_then_there_is_silence() -> None:
    late = [samples.line(CUT + second, book="circa") for second in (1, 2, 3)]
    out = run([samples.game(0), samples.line(60), *late])
    [alert] = alerts(out)
    assert alert.kind is AlertKind.LOCKED
    assert alert.detail == "past cutoff"
    assert alert.position == 3
    assert alert.as_of_us == late[0].occurred_at_us
    assert [(task.position, task.lock_reason) for task in tasks(out)] == [
        (1, None),
        (2, None),
        (3, "past cutoff"),
    ]
    assert out.index(next(item for item in out if isinstance(item, Outgoing))) == 2
    # What the locked stake rests on is the market before the cutoff.
    assert tasks(out)[-1].as_of_us == samples.at(60)


def test_an_event_at_the_cutoff_does_not_lock() -> None:
    out = run([samples.game(0), samples.line(occurred_at_us=CUTOFF)])
    assert not alerts(out)
    assert tasks(out)[-1].as_of_us == CUTOFF


@pytest.mark.parametrize("status", ["postponed", "suspended", "cancelled", "final"])
def test_a_game_that_is_off_locks_and_one_that_is_on_again_unlocks(status: GameStatus) -> None:
    events = [
        samples.game(0),
        samples.line(60),
        samples.game(120, status=status),
        samples.line(180, book="circa"),
        samples.game(240),
    ]
    out = run(events)
    locked, unlocked = alerts(out)
    assert (locked.kind, locked.detail, locked.position) == (AlertKind.LOCKED, status, 3)
    assert (unlocked.kind, unlocked.position) == (AlertKind.UNLOCKED, 5)
    assert status in unlocked.detail
    assert [(task.position, task.lock_reason) for task in tasks(out)] == [
        (1, None),
        (2, None),
        (3, status),
        (5, None),  # with the quote that came in between
    ]
    assert np.frombuffer(tasks(out)[-1].record, GAME)["price_first"][0, 0, 1] == 1.9


def test_one_lock_reason_after_the_other_is_one_lock() -> None:
    out = run([samples.game(0), samples.line(CUT + 1), samples.game(CUT + 2, status="postponed")])
    assert [alert.detail for alert in alerts(out)] == ["past cutoff"]


def test_a_start_moved_later_unlocks_with_the_held_quote() -> None:
    later = samples.START + 60 * US_PER_MINUTE
    out = run(
        [
            samples.game(0),
            samples.line(60),
            samples.line(CUT + 60, home=1.5, away=2.7),
            samples.game(CUT + 120, start_time_us=later),
        ]
    )
    assert [alert.kind for alert in alerts(out)] == [AlertKind.LOCKED, AlertKind.UNLOCKED]
    last = tasks(out)[-1]
    assert last.lock_reason is None
    assert (last.start_us, last.cutoff_us) == (later, CUTOFF + 60 * US_PER_MINUTE)
    assert np.frombuffer(last.record, GAME)["price_first"][0, 0, 0] == 1.5


def test_what_the_fold_refuses_goes_to_the_dead_letters_whole() -> None:
    late = samples.line(0, event_id="late")
    out = run([samples.game(0), samples.line(7 * 3600), late, samples.line(7 * 3600 + 1)])
    [letter] = [
        item for item in out if isinstance(item, Outgoing) and item.topic is not Topic.ALERTS
    ]
    read = DeadLetter.model_validate_json(letter.value)
    assert read.reason == "too_late"
    assert b64decode(read.value_base64) == late.model_dump_json().encode()
    assert read.source == "lines-0-1"


def test_a_locked_game_without_any_quote_can_be_written() -> None:
    """The first thing heard of it is that it is off."""
    [lock] = tasks(run([samples.game(0, status="postponed")]))
    assert lock.lock_reason == "postponed"
    assert lock.as_of_us == samples.at(0)


def test_offsets_read_to_are_told_per_topic() -> None:
    out = tasks(run([samples.game(0), samples.line(60), samples.line(90), splits(95)]))
    assert [task.read_to for task in out] == [
        {"games": 0},
        {"games": 0, "lines": 0},
        {"games": 0, "lines": 1},
        {"games": 0, "lines": 1, "splits": 0},
    ]


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_batches_and_restarts_leave_no_mark(data: st.DataObject) -> None:
    """However the events are cut into batches, with a restart between any two."""
    events = data.draw(streams(last=CUTOFF + 3_600_000_000))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(events)), max_size=4)))
    fed = decoded(events)
    whole = GameStep(RULES, None)
    expected = whole.on_batch(fed)
    step, out = GameStep(RULES, None), []
    for begin, end in pairwise([0, *cuts, len(events)]):
        out += step.on_batch(fed[begin:end])
        step = GameStep(RULES, step.snapshot())
    same = out == expected
    assert same
    same = step.snapshot() == whole.snapshot()
    assert same


@settings(deadline=None, max_examples=80)
@given(streams(first=CUTOFF - 3_600_000_000, last=CUTOFF + 3_600_000_000), st.data())
def test_locks_alternate_and_ids_are_unique(events: list[Event], data: st.DataObject) -> None:
    """With starts that move to and fro at random."""
    moves = data.draw(st.lists(st.tuples(st.integers(-60, 60), st.integers(1, 3_600)), max_size=6))
    updates = [
        samples.game(
            CUT - 1_800 + second + at / 1_000,
            start_time_us=samples.START + minutes * US_PER_MINUTE,
            event_id=f"move {at}",
        )
        for at, (minutes, second) in enumerate(moves)
    ]
    out = run(sorted([*events, *updates], key=lambda event: event.occurred_at_us))
    kinds = [alert.kind for alert in alerts(out)]
    assert kinds == [AlertKind.UNLOCKED if at % 2 else AlertKind.LOCKED for at in range(len(kinds))]
    ids = [item.message_id for item in out if isinstance(item, Outgoing)]
    assert len(set(ids)) == len(ids)
    locked = False
    for item in out:
        if isinstance(item, Outgoing):
            locked = Alert.model_validate_json(item.value).kind is AlertKind.LOCKED
        else:
            # Nothing is to be priced between a lock and its end, nor past the cutoff.
            assert (item.lock_reason is not None) is locked
            assert locked or item.as_of_us <= item.cutoff_us
