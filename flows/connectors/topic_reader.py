"""A plain reader of topics whose positions are kept by whoever uses it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from confluent_kafka import Consumer, TopicPartition

from flows.connectors.reading import (
    PARTITION_END,
    Complaints,
    ask,
    partitions_of,
    reader_config,
    record_of,
    trouble,
)
from flows.steps.records import Record
from schemas.errors import OffsetOutOfRange
from schemas.settings import KafkaSettings
from schemas.topics import Topic


class Lane(NamedTuple):
    topic: str
    """As the broker knows it."""
    partition: int


Positions = dict[Lane, int]
"""{lane: next offset}"""


class TopicReader:
    """All partitions of some topics, in the order in which they come."""

    def __init__(
        self,
        settings: KafkaSettings,
        topics: Sequence[Topic],
        group: str,
        known: Mapping[Lane, int],
        mend: str,
        accept_gap: bool = False,
    ) -> None:
        """known: positions to go on from; a lane without one is read from its beginning.

        group: under this name offsets are committed for lag tools; nothing resumes from them.
        mend: how to go on where known positions are gone from the topics.
        accept_gap: go on from the oldest record there is instead.
        Raises OffsetOutOfRange where a position is gone from its topic.
        """
        self._topics = {topic.full(settings.prefix): topic for topic in topics}
        self._mend, self._complain = mend, Complaints()
        self._consumer = Consumer(reader_config(settings, group))
        self.at: Positions = {}
        """Behind what has been read."""
        self._ends: Positions = {}
        try:
            self._start({lane: at for lane, at in known.items() if lane.topic in self._topics})
        except OffsetOutOfRange:
            if not accept_gap:
                self._consumer.close()
                raise
            self._start({}, known)
        self._consumer.assign([TopicPartition(*lane, at) for lane, at in self.at.items()])

    def _start(self, known: Mapping[Lane, int], wished: Mapping[Lane, int] | None = None) -> None:
        for name in self._topics:
            for partition in ask(partitions_of, self._consumer, name, complain=self._complain):
                lane = Lane(name, partition)
                low, high = self._watermarks(lane)
                at = known.get(lane, low)
                if wished is not None and low <= wished.get(lane, -1) <= high:
                    at = wished[lane]
                if not low <= at <= high:
                    raise OffsetOutOfRange(
                        f"{name} partition {partition}: the next record is at offset {at}, the "
                        f"topic holds {low} to {high}. Those in between are gone; {self._mend}"
                    )
                self.at[lane], self._ends[lane] = at, high
        gone = sorted(known.keys() - self.at.keys())
        if gone:
            raise OffsetOutOfRange(
                f"{gone[0].topic} partition {gone[0].partition}: it was read before and is gone: "
                f"the topic was made anew; {self._mend}"
            )

    def _watermarks(self, lane: Lane) -> tuple[int, int]:
        found: tuple[int, int] = ask(
            self._consumer.get_watermark_offsets,
            TopicPartition(*lane),
            5.0,
            complain=self._complain,
        )
        return found

    def read(self, most: int, seconds: float) -> list[Record]:
        """What has come, at most so many; waits no longer than that for it."""
        records: list[Record] = []
        for message in self._consumer.consume(most, timeout=seconds):
            error = message.error()
            if error is not None and error.code() != PARTITION_END:
                trouble(message, error, self._mend, self._complain)
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
            records.append(record_of(message, self._topics[name]))
        return records

    def at_end(self) -> bool:
        """Whether all has been read that stood in the topics at the start."""
        return all(self.at[lane] >= end for lane, end in self._ends.items())

    def extend(self, topic: Topic) -> None:
        """Count what stands in one topic by now as having been there at the start."""
        for lane in self._ends:
            if self._topics[lane.topic] is topic:
                self._ends[lane] = self._watermarks(lane)[1]

    def show(self, positions: Mapping[Lane, int]) -> None:
        """Commit positions for lag tools."""
        self._consumer.commit(
            offsets=[TopicPartition(*lane, at) for lane, at in positions.items()],
            asynchronous=True,
        )

    def close(self) -> None:
        self._consumer.close()
