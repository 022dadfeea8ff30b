"""A replay keeps the order and the set speed, and stops when told."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.connectors.parquet import ArchiveRecord
from flows.replay import POLL_EVERY, Pace, final_scores, replay
from flows.steps.records import Outgoing
from schemas.topics import Topic
from tests import samples


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.slept.append(seconds)
        self.now += seconds


class Log:
    """A producer that remembers what it was told, and when."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.sent: list[tuple[float, Outgoing]] = []
        self.polls = 0
        self.confirmed_at: int | None = None

    def send(self, message: Outgoing) -> None:
        self.sent.append((self.clock.now, message))

    def poll(self) -> None:
        self.polls += 1

    def confirm(self) -> None:
        self.confirmed_at = len(self.sent)


def archived(second: float, number: int = 0) -> ArchiveRecord:
    return ArchiveRecord(
        Topic.LINES, samples.GAME, f"event {number}", samples.at(second), b"%d" % number
    )


def play(
    seconds: list[float], speed: float | None, stopping: Callable[[], bool] = lambda: False
) -> tuple[int, Log, Clock]:
    clock = Clock()
    log = Log(clock)
    records = (archived(second, number) for number, second in enumerate(seconds))
    return replay(records, log, Pace(speed, clock, clock.sleep, stopping)), log, clock


@given(
    st.lists(st.integers(0, 600).map(float), max_size=30).map(sorted),
    st.sampled_from([0.5, 1.0, 60.0, 3_600.0]),
)
def test_each_event_is_sent_when_it_is_due(seconds: list[float], speed: float) -> None:
    count, log, _ = play(seconds, speed)
    assert count == len(seconds) == len(log.sent) == log.confirmed_at
    for number, (when, message) in enumerate(log.sent):
        due = 1_000.0 + (seconds[number] - seconds[0]) / speed
        assert when == pytest.approx(due, abs=1e-6)
        assert message == Outgoing(
            Topic.LINES,
            samples.GAME,
            f"event {number}",
            samples.at(seconds[number]),
            b"%d" % number,
        )


def test_flat_out_it_never_sleeps() -> None:
    count, log, clock = play([0.0, 3_600.0, 86_400.0], None)
    assert count == log.confirmed_at == 3
    assert clock.slept == []


def test_while_it_waits_it_serves_the_producer_and_naps_shortly() -> None:
    _, log, clock = play([0.0, 5.0], 1.0)
    assert sum(clock.slept) == pytest.approx(5.0)
    assert max(clock.slept) <= 0.1
    assert log.polls >= len(clock.slept)


def test_late_events_are_sent_at_once() -> None:
    """The replay is behind, or the archive goes back in time: no sleep, no change of order."""
    count, log, clock = play([10.0, 0.0, 5.0, 10.0], 1.0)
    assert count == 4
    assert clock.slept == []
    assert [message.message_id for _, message in log.sent] == [f"event {n}" for n in range(4)]


def test_a_busy_replay_polls_now_and_then() -> None:
    _, log, _ = play([0.0] * (3 * POLL_EVERY), None)
    assert log.polls == 3


def test_it_stops_between_events_and_confirms_what_it_sent() -> None:
    sent = 0

    def stopping() -> bool:
        nonlocal sent
        sent += 1
        return sent > 4

    count, log, _ = play([0.0] * 10, None, stopping)
    assert count == 4 == log.confirmed_at


def test_it_stops_while_it_waits() -> None:
    clock = Clock()
    log = Log(clock)
    records = iter([archived(0, 0), archived(86_400, 1), archived(86_401, 2)])
    count = replay(records, log, Pace(1.0, clock, clock.sleep, lambda: clock.now > 1_003.0))
    assert count == 1 == log.confirmed_at
    assert clock.now < 1_003.2
    assert len(list(records)) == 1


def steps(records: list[ArchiveRecord]) -> list[int]:
    """How many were sent, and confirmed, each time the reader was awaited."""
    clock = Clock()
    log = Log(clock)
    seen: list[int] = []

    def await_reader() -> None:
        assert log.confirmed_at == len(log.sent)
        seen.append(len(log.sent))

    pace = Pace(None, clock, clock.sleep, await_reader=await_reader)
    assert pace.held_back
    assert replay(records, log, pace) == len(records)
    return seen


def test_a_reader_is_awaited_before_event_time_gets_far_ahead_of_it() -> None:
    """Three hours a step: a partition must not be six ahead, where its events are too late."""
    hours = [0, 1, 2.9, 3, 5.9, 6, 20, 20.5]
    assert steps([archived(hour * 3_600, n) for n, hour in enumerate(hours)]) == [3, 5, 6]


def test_a_reader_is_awaited_after_as_many_events_as_a_small_broker_holds() -> None:
    assert steps([archived(0, n) for n in range(4_500)]) == [2_000, 4_000]


def test_without_a_reader_to_await_nothing_holds_it_back() -> None:
    clock = Clock()
    assert not Pace(None, clock, clock.sleep).held_back


def test_nothing_to_replay() -> None:
    count, log, _ = play([], 1.0)
    assert count == 0 == log.confirmed_at


def test_final_scores() -> None:
    results = [
        ArchiveRecord(
            Topic.RESULTS,
            one.game_id,
            one.event_id,
            one.occurred_at_us,
            one.model_dump_json().encode(),
        )
        for one in (
            samples.result(0, 5, 3),
            samples.result(9, 0, 11, game_id=samples.OTHER),
        )
    ]
    assert final_scores([archived(0), *results]) == {samples.GAME: (5, 3), samples.OTHER: (0, 11)}
