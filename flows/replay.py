"""An archive back onto the topics, in event-time order, at a set speed or flat out."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from flows.connectors.parquet import ArchiveRecord
from flows.steps.records import Outgoing
from schemas.events import GameResult
from schemas.time import US_PER_MINUTE, US_PER_SECOND
from schemas.topics import Topic

POLL_EVERY = 500

STEP_EVENTS = 2_000
"""Sent at most before a reader is awaited: far below the 5 MB a partition at which the embedded
broker drops silently."""
STEP_US = 3 * 60 * US_PER_MINUTE
"""Event time sent at most before a reader is awaited. A reader may get one partition ahead of
another by this much: half of what the score flow calls too late."""


class Producer(Protocol):
    """What a replay writes to."""

    def send(self, message: Outgoing) -> None: ...
    def poll(self) -> None: ...
    def confirm(self) -> None: ...


@dataclass(frozen=True)
class Pace:
    """How fast, by whose clock, and until when."""

    speed: float | None
    """Event seconds per second of `clock`; none is as fast as it goes."""
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    stopping: Callable[[], bool] = lambda: False
    await_reader: Callable[[], None] | None = None
    """Blocks until all that was sent has been read; called between steps of the replay."""

    @property
    def held_back(self) -> bool:
        """Whether somebody must be reading for the replay to go on."""
        return self.await_reader is not None


def replay(records: Iterable[ArchiveRecord], producer: Producer, pace: Pace) -> int:
    """Number of events sent, all confirmed by the broker.

    Kafka timestamps are the event times: a consumer can tell what was known when.
    """
    count = 0
    began, first_us = pace.clock(), None
    step_count, step_us = 0, 0
    for record in records:
        if first_us is None:
            first_us = step_us = record.occurred_at_us
        if pace.await_reader is not None and (
            count - step_count == STEP_EVENTS or record.occurred_at_us - step_us >= STEP_US
        ):
            producer.confirm()
            pace.await_reader()
            step_count, step_us = count, record.occurred_at_us
        if pace.speed is not None:
            due = began + (record.occurred_at_us - first_us) / US_PER_SECOND / pace.speed
            while (early := due - pace.clock()) > 0 and not pace.stopping():
                producer.poll()
                pace.sleep(min(early, 0.1))
        if pace.stopping():
            break
        producer.send(
            Outgoing(
                record.topic, record.game_id, record.event_id, record.occurred_at_us, record.value
            )
        )
        count += 1
        if count % POLL_EVERY == 0:
            producer.poll()
    producer.confirm()
    return count


def final_scores(records: Iterable[ArchiveRecord]) -> dict[str, tuple[int, int]]:
    """Game id -> home and away score, of the results among the records."""
    results = (
        GameResult.model_validate_json(record.value)
        for record in records
        if record.topic is Topic.RESULTS
    )
    return {result.game_id: (result.home_score, result.away_score) for result in results}
