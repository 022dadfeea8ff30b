"""An archive back onto the topics, in event-time order, at a set speed or flat out."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from flows.connectors.parquet import ArchiveRecord
from flows.steps.records import Outgoing
from schemas.time import US_PER_SECOND
from schemas.topics import Topic

POLL_EVERY = 500


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
    hold_back: Callable[[], None] | None = None
    """Called after every event; blocks while the reader is too far behind."""

    @property
    def held_back(self) -> bool:
        """Whether somebody must be reading for the replay to go on."""
        return self.hold_back is not None


def replay(records: Iterable[ArchiveRecord], producer: Producer, pace: Pace) -> int:
    """Number of events sent, all confirmed by the broker.

    Kafka timestamps are the event times: a consumer can tell what was known when.
    """
    count = 0
    began, first_us = pace.clock(), None
    for record in records:
        if first_us is None:
            first_us = record.occurred_at_us
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
        if pace.hold_back is not None:
            pace.hold_back()
        if count % POLL_EVERY == 0:
            producer.poll()
    producer.confirm()
    return count


def final_scores(records: Iterable[ArchiveRecord]) -> dict[str, tuple[int, int]]:
    """Game id -> home and away score, of the results among the records."""
    from schemas.events import GameResult

    results = (
        GameResult.model_validate_json(record.value)
        for record in records
        if record.topic is Topic.RESULTS
    )
    return {result.game_id: (result.home_score, result.away_score) for result in results}
