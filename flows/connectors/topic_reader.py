"""A plain reader of topics whose positions are kept by whoever uses it."""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from confluent_kafka import Consumer, TopicPartition

from flows.connectors.reading import (
    PARTITION_END,
    Complaints,
    ask,
    cluster_of,
    offset_at,
    partitions_of,
    reader_config,
    record_of,
    trouble,
    watermarks,
)
from flows.steps.records import Record
from schemas.errors import OffsetOutOfRange
from schemas.settings import KafkaSettings
from schemas.time import US_PER_MS
from schemas.topics import Topic

log = logging.getLogger(__name__)


class Lane(NamedTuple):
    topic: str
    """As the broker knows it."""
    partition: int


Positions = dict[Lane, int]
"""{lane: next offset}"""


class Mend(NamedTuple):
    """What to tell of known positions that are gone from the topics."""

    done: str
    """What was done with records up to there: `archived`."""
    loss: str
    """How to go on where retention has deleted what comes next."""
    anew: str
    """How to go on where the topic is another one."""


class TopicReader:
    """All partitions of some topics, in the order in which they come."""

    def __init__(
        self,
        settings: KafkaSettings,
        topics: Sequence[Topic],
        group: str,
        mend: Mend,
        patience: float = math.inf,
    ) -> None:
        """Reads nothing yet; `begin` says from where.

        group: under this name offsets are committed for lag tools; nothing resumes from them.
        patience: seconds for which a question waits for a broker that is away; when they are over
        it raises DependencyDown.
        """
        self.names = {topic: topic.full(settings.prefix) for topic in topics}
        self.topics = {name: topic for topic, name in self.names.items()}
        self._mend, self._patience, self._complain = mend, patience, Complaints()
        self._consumer = Consumer(reader_config(settings, group))
        self.at: Positions = {}
        """Behind what has been read."""
        self._ends: Positions = {}

    def begin(
        self,
        known: Mapping[Lane, int],
        *,
        since_us: int | None = None,
        accept_loss: bool = False,
        accept_anew: bool = False,
    ) -> None:
        """known: positions to go on from; a lane without one is read from its beginning.

        since_us: or from the first record of that time or later, as far as the broker can tell.
        accept_loss: where retention has deleted what comes next, go on behind it.
        accept_anew: where the topic is another one, begin at its beginning.
        Raises OffsetOutOfRange where a position is gone from its topic and that is not accepted.
        """
        for lane in self._lanes():
            low, high = self._watermarks(lane)
            if lane in known:
                at = self._on_from(lane, known[lane], low, high, accept_loss, accept_anew)
            elif since_us is None or low == high:
                at = low
            else:
                at = self._first_since(lane, since_us, low, high)
            self.at[lane], self._ends[lane] = at, high
        for lane in sorted(known.keys() - self.at.keys()):
            if lane.topic in self.topics:
                self._tell(
                    f"{lane.topic} partition {lane.partition}: it was {self._mend.done} and is "
                    "gone: the topic was made anew",
                    self._mend.anew,
                    accept_anew,
                )
        self._consumer.assign([TopicPartition(*lane, at) for lane, at in self.at.items()])

    def _on_from(
        self, lane: Lane, at: int, low: int, high: int, accept_loss: bool, accept_anew: bool
    ) -> int:
        name, partition = lane
        if at > high:
            self._tell(
                f"{name} partition {partition}: the next record is at offset {at}, the topic ends "
                f"at {high}: it was made anew or cut",
                self._mend.anew,
                accept_anew,
            )
            return low
        if at < low:
            self._tell(
                f"{name} partition {partition}: the next record is at offset {at}, the topic holds "
                f"{low} to {high}: retention has deleted {low - at} records that were not "
                f"{self._mend.done}",
                self._mend.loss,
                accept_loss,
            )
            return low
        return at

    @staticmethod
    def _tell(what: str, mend: str, accepted: bool) -> None:
        if not accepted:
            raise OffsetOutOfRange(f"{what}; {mend}")
        log.warning("%s; going on", what)

    def _first_since(self, lane: Lane, since_us: int, low: int, high: int) -> int:
        at: int = self._ask(offset_at, self._consumer, *lane, since_us // US_PER_MS)
        if at >= 0:
            return at
        # Nothing so new; or a broker that cannot tell (the embedded one), which finds nothing of
        # any time. From that everything is read.
        return high if self._ask(offset_at, self._consumer, *lane, 0) >= 0 else low

    def _lanes(self) -> list[Lane]:
        return [
            Lane(name, partition)
            for name in self.topics
            for partition in self._ask(partitions_of, self._consumer, name)
        ]

    def _watermarks(self, lane: Lane) -> tuple[int, int]:
        found: tuple[int, int] = self._ask(watermarks, self._consumer, *lane)
        return found

    def _ask(self, question: Callable[..., Any], *args: object) -> Any:
        return ask(question, *args, complain=self._complain, patience=self._patience)

    def cluster(self) -> str:
        """Kafka's own name of the cluster."""
        found: str = self._ask(cluster_of, self._consumer)
        return found

    def read(self, most: int, seconds: float) -> list[Record]:
        """What has come, at most so many; waits no longer than that for it."""
        records: list[Record] = []
        for message in self._consumer.consume(most, timeout=seconds):
            error = message.error()
            if error is not None and error.code() != PARTITION_END:
                trouble(message, error, self._mend.loss, self._complain)
                continue
            name, partition, offset = message.topic(), message.partition(), message.offset()
            assert name is not None
            assert partition is not None
            assert offset is not None
            lane = Lane(name, partition)
            if error is not None:
                # The end may lie past the last record: markers of transactions take up offsets.
                self.at[lane] = max(self.at[lane], offset)
                continue
            self.at[lane] = offset + 1
            records.append(record_of(message, self.topics[name]))
        return records

    def at_end(self) -> bool:
        """Whether all has been read that stood in the topics at the start."""
        return all(self.at[lane] >= end for lane, end in self._ends.items())

    def extend(self, topic: Topic) -> None:
        """Count what stands in one topic by now as having been there at the start."""
        for lane in self._ends:
            if self.topics[lane.topic] is topic:
                self._ends[lane] = self._watermarks(lane)[1]

    def grown(self) -> list[Lane]:
        """Partitions that were added since; they are read from now on."""
        new = [lane for lane in self._lanes() if lane not in self.at]
        for lane in new:
            self.at[lane], self._ends[lane] = self._watermarks(lane)
        if new:
            self._consumer.incremental_assign(
                [TopicPartition(*lane, self.at[lane]) for lane in new]
            )
        return new

    def show(self, positions: Mapping[Lane, int]) -> None:
        """Commit positions for lag tools."""
        if positions:
            self._consumer.commit(
                offsets=[TopicPartition(*lane, at) for lane, at in positions.items()],
                asynchronous=True,
            )

    def close(self) -> None:
        self._consumer.close()
