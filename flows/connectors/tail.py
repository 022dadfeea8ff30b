"""All partitions of some topics from given offsets on, as they come: for a reader that keeps its
own positions and needs no order across partitions."""

import logging
from collections.abc import Iterable

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

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
from schemas.errors import DependencyDown, OffsetOutOfRange
from schemas.settings import KafkaSettings
from schemas.topics import Topic

log = logging.getLogger(__name__)

BATCH = 10_000
WAIT_SECONDS = 0.2
_ASK_SECONDS = 5.0

_MEND = (
    "`--accept-loss` goes on behind them and keeps count of what is missing; an archive in a new "
    "folder leaves this one as it is"
)


class Tail:
    """One consumer of every partition."""

    def __init__(self, settings: KafkaSettings, topics: Iterable[Topic], group: str) -> None:
        """group: under this name offsets are committed for lag tools; nothing resumes from them."""
        self._topics = {topic.full(settings.prefix): topic for topic in topics}
        self._names = {topic: name for name, topic in self._topics.items()}
        self._complain = Complaints()
        self._consumer = Consumer(reader_config(settings, group))
        self.start: dict[tuple[Topic, int], int] = {}
        """Where each partition is read from."""
        self._end: dict[tuple[Topic, int], int] = {}
        self._next: dict[tuple[Topic, int], int] = {}

    def begin(self, known: dict[Topic, dict[int, int]], accept_loss: bool = False) -> None:
        """known: the next offset of each partition; one that is not there is read from its begin.

        Raises OffsetOutOfRange where a partition no longer has its offset, unless retention has
        deleted it and `accept_loss` says to go on behind.
        """
        for topic, offsets in known.items():
            found = ask(partitions_of, self._consumer, self._names[topic], complain=self._complain)
            for partition in found:
                self.start[topic, partition] = self._place(topic, partition, offsets, accept_loss)
            for partition in offsets.keys() - set(found):
                raise OffsetOutOfRange(
                    f"{self._names[topic]} partition {partition}: it was archived and is gone: the "
                    "topic was made anew. Begin an archive in a new folder"
                )
        self._next = dict(self.start)
        self._consumer.assign(
            [TopicPartition(self._names[t], p, offset) for (t, p), offset in self.start.items()]
        )

    def _place(
        self, topic: Topic, partition: int, offsets: dict[int, int], accept_loss: bool
    ) -> int:
        name = self._names[topic]
        low, high = ask(
            self._consumer.get_watermark_offsets,
            TopicPartition(name, partition),
            _ASK_SECONDS,
            complain=self._complain,
        )
        self._end[topic, partition] = high
        wanted: int = offsets.get(partition, low)
        if wanted > high:
            raise OffsetOutOfRange(
                f"{name} partition {partition}: the archive goes on at offset {wanted}, the topic "
                f"ends at {high}: it was made anew or cut. Begin an archive in a new folder"
            )
        if wanted < low and not accept_loss:
            raise OffsetOutOfRange(
                f"{name} partition {partition}: the archive goes on at offset {wanted}, the topic "
                f"begins at {low}: retention has deleted {low - wanted} records that were not "
                f"archived. {_MEND}"
            )
        if wanted < low:
            log.warning("%s partition %d: %d records are lost", name, partition, low - wanted)
        return wanted if wanted > low else int(low)

    @property
    def cluster(self) -> str:
        """Kafka's own name of the cluster."""
        found = ask(
            lambda: self._consumer.list_topics(timeout=_ASK_SECONDS), complain=self._complain
        )
        return str(found.cluster_id)

    def poll(self, most: int = BATCH) -> list[Record]:
        """What has come, or nothing after a short wait."""
        records = []
        for message in self._consumer.consume(min(most, BATCH), timeout=WAIT_SECONDS):
            error = message.error()
            if error is not None and error.code() != PARTITION_END:
                trouble(message, error, _MEND, self._complain)
                continue
            place = self._lane(message)
            if error is not None:
                # The end may lie past the last record: markers of transactions take up offsets.
                self._next[place] = max(self._next[place], message.offset() or 0)
                continue
            record = record_of(message, place[0])
            self._next[place] = record.offset + 1
            records.append(record)
        return records

    def _lane(self, message: Message) -> tuple[Topic, int]:
        name, partition = message.topic(), message.partition()
        assert name is not None
        assert partition is not None
        return self._topics[name], partition

    def reached_end(self) -> bool:
        """Whether all that was there at the start has been read."""
        return all(self._next[place] >= end for place, end in self._end.items())

    def grown(self) -> list[tuple[Topic, int]]:
        """Partitions that were added since; they are read from now on."""
        new = [
            (topic, partition)
            for topic, name in self._names.items()
            for partition in ask(partitions_of, self._consumer, name, complain=self._complain)
            if (topic, partition) not in self.start
        ]
        for topic, partition in new:
            self.start[topic, partition] = self._place(topic, partition, {}, False)
            self._next[topic, partition] = self.start[topic, partition]
        if new:
            self._consumer.incremental_assign(
                [TopicPartition(self._names[t], p, self.start[t, p]) for t, p in new]
            )
        return new

    def commit(self, topic: Topic, offsets: dict[int, int]) -> None:
        """Show lag tools what is archived; nothing resumes from it."""
        name = self._names[topic]
        if offsets:
            self._consumer.commit(
                offsets=[TopicPartition(name, p, offset) for p, offset in offsets.items()],
                asynchronous=True,
            )

    def close(self) -> None:
        self._consumer.close()


def ends_of(settings: KafkaSettings) -> tuple[str, dict[Topic, dict[int, tuple[int, int]]]]:
    """The cluster's name, and first offset and end of every partition of ours, now.

    Raises DependencyDown when the broker does not answer.
    """
    consumer = Consumer(reader_config(settings, "steamline-ends"))
    try:
        cluster = consumer.list_topics(timeout=_ASK_SECONDS)
        found: dict[Topic, dict[int, tuple[int, int]]] = {}
        for topic in Topic:
            name = topic.full(settings.prefix)
            if name in cluster.topics:
                found[topic] = {
                    partition: consumer.get_watermark_offsets(
                        TopicPartition(name, partition), _ASK_SECONDS
                    )
                    for partition in sorted(cluster.topics[name].partitions)
                }
        return str(cluster.cluster_id), found
    except KafkaException as down:
        raise DependencyDown(f"Kafka at {settings.bootstrap}: {down.args[0]}") from None
    finally:
        consumer.close()
