"""Bytewax's way in from Kafka and out to it.

In: one consumer for all partitions of the worker, manual assignment, positions from the recovery
snapshot, and an error where those positions no longer exist. Out: an idempotent producer whose
every delivery is confirmed before the snapshot that covers it is taken.
"""

import logging
from collections.abc import Callable, Iterable
from contextlib import suppress

import msgpack
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition
from confluent_kafka import (
    OFFSET_INVALID,
    Consumer,
    KafkaError,
    Message,
    Producer,
    TopicPartition,
)

from flows.connectors.merge import Lane, Merge, Progress
from flows.connectors.reading import (
    Asking,
    Complaints,
    Mend,
    go_on,
    partitions_of,
    reader_config,
    record_of,
    take,
    watermarks,
)
from flows.steps.records import Outgoing, Record
from schemas.errors import DeliveryFailed, OffsetOutOfRange
from schemas.sections.servers import KafkaSettings
from schemas.time import US_PER_MS
from schemas.topics import CONTRACTS, Topic
from schemas.wire import headers

log = logging.getLogger(__name__)

SCORE_GROUP = "steamline-score"
"""Consumer group under which the score flow shows its progress."""

BATCH = 2_000
"""Records taken from the client, and handed to the flow, at once."""
MAX_WAITING = 20_000
"""Records of one partition held back for others before its fetching is paused."""
MAX_IN_FLIGHT = 100_000
"""Messages handed to the producer and not confirmed; beyond, the flow waits."""
_MEND = Mend(
    "read",
    "start with an empty recovery folder to go on without them",
    "start with an empty recovery folder",
)


class KafkaSource(FixedPartitionedSource[Record, bytes]):
    """All partitions of some topics, merged by time. One partition to Bytewax: one consumer."""

    def __init__(
        self,
        settings: KafkaSettings,
        topics: tuple[Topic, ...],
        group: str,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """topics: in the order that breaks ties between equal times.

        group: under this name offsets are committed for lag tools; nothing resumes from them.
        stopping: asked before every batch; once true, the flow drains and ends.
        """
        self._settings, self._topics, self._group = settings, topics, group
        self._stopping = stopping

    def list_parts(self) -> list[str]:
        return ["all"]

    def build_part(
        self, step_id: str, for_part: str, resume_state: bytes | None
    ) -> "KafkaSourcePartition":
        return KafkaSourcePartition(
            self._settings, self._topics, self._group, self._stopping, resume_state
        )


class KafkaSourcePartition(StatefulSourcePartition[Record, bytes]):
    def __init__(
        self,
        settings: KafkaSettings,
        topics: tuple[Topic, ...],
        group: str,
        stopping: Callable[[], bool],
        resume: bytes | None,
    ) -> None:
        self._stopping = stopping
        self._topics = topics
        self._names = [topic.full(settings.prefix) for topic in topics]
        self._rank = {name: rank for rank, name in enumerate(self._names)}
        self._complain = Complaints()
        self._consumer = Consumer(reader_config(settings, group))
        self._ask = Asking(settings, self._consumer, self._complain)
        self._end: dict[Lane, int] = {}
        """Newest known end of each partition."""
        self._fetched: dict[Lane, int] = {}
        self._paused: set[Lane] = set()
        start = self._start(resume)
        self._merge = Merge(start)
        self._consumer.assign(
            [self._partition(lane, progress.next_offset) for lane, progress in start.items()]
        )
        self._handed_on = start
        """Progress at the end of the epoch before."""
        self._commit()

    def _partition(self, lane: Lane, offset: int = OFFSET_INVALID) -> TopicPartition:
        return TopicPartition(self._names[lane[0]], lane[1], offset)

    def _start(self, resume: bytes | None) -> dict[Lane, Progress]:
        """Where to begin in every partition. Raises OffsetOutOfRange for a hole."""
        known: dict[Lane, Progress] = {}
        if resume is not None:
            stored = msgpack.unpackb(resume)
            if stored["topics"] != self._names:
                raise OffsetOutOfRange(
                    f"the recovery state was read from {stored['topics']}, not {self._names}: "
                    "use another recovery folder"
                )
            known = {(rank, part): Progress(*rest) for rank, part, *rest in stored["lanes"]}
        start: dict[Lane, Progress] = {}
        for rank, name in enumerate(self._names):
            for partition in self._ask(partitions_of, name):
                lane = (rank, partition)
                low, high = self._ask(watermarks, name, partition)
                progress = known.get(lane, Progress(low, 0))
                at = go_on(name, partition, progress.next_offset, (low, high), _MEND)
                start[lane], self._end[lane], self._fetched[lane] = progress, high, at
        for rank, partition in sorted(known.keys() - start.keys()):
            at = known[rank, partition].next_offset
            go_on(self._names[rank], partition, at, None, _MEND)
        return start

    def next_batch(self) -> list[Record]:
        if self._stopping():
            raise StopIteration
        for message in self._consumer.consume(BATCH, timeout=0):
            self._take(message)
        if self._merge.empty():
            return []
        self._hold_back()
        return self._merge.release({lane for lane in self._fetched if self._behind(lane)}, BATCH)

    def _take(self, message: Message) -> None:
        taken = take(message, _MEND, self._complain)
        if taken is None:
            return
        name, partition, offset, is_record = taken
        lane = (self._rank[name], partition)
        if is_record:
            self._fetched[lane] = offset + 1
            self._merge.add(lane, record_of(message, self._topics[lane[0]], partition, offset))
        else:
            self._fetched[lane] = max(self._fetched[lane], offset)

    def _behind(self, lane: Lane) -> bool:
        """Whether the broker holds records of the lane that have not been fetched."""
        _, high = self._consumer.get_watermark_offsets(self._partition(lane), cached=True)
        self._end[lane] = max(self._end[lane], high)
        return self._fetched[lane] < self._end[lane]

    def _hold_back(self) -> None:
        """Stop fetching what others are not ready for; go on where they have caught up."""
        for lane in self._fetched:
            waiting = self._merge.waiting(lane)
            if waiting > MAX_WAITING and lane not in self._paused:
                self._paused.add(lane)
                self._consumer.pause([self._partition(lane)])
            elif waiting < MAX_WAITING // 2 and lane in self._paused:
                self._paused.discard(lane)
                self._consumer.resume([self._partition(lane)])

    def _commit(self) -> None:
        """Show lag tools where the flow is; nothing resumes from it.

        An epoch behind what was handed on: what came of an epoch is on the broker before the next
        one ends, and before that a lag of 0 would promise outputs that are not there.
        """
        self._consumer.commit(
            offsets=[self._partition(lane, at.next_offset) for lane, at in self._handed_on.items()],
            asynchronous=True,
        )

    def snapshot(self) -> bytes:
        self._commit()
        self._handed_on = self._merge.progress()
        packed: bytes = msgpack.packb(
            {
                "topics": self._names,
                "lanes": [[*lane, *at] for lane, at in sorted(self._merge.progress().items())],
            }
        )
        return packed

    def close(self) -> None:
        self._consumer.close()


class ConfirmedProducer:
    """Writes messages and answers for each: `confirm` returns once the broker has them all."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._names = {topic: topic.full(settings.prefix) for topic in Topic}
        self._failed: list[str] = []
        self._complain = Complaints()
        self._producer = Producer(
            {
                **settings.client_config(),
                "enable.idempotence": True,
                "acks": "all",
                # A broker that is away is waited for; a message is never given up.
                "message.timeout.ms": 0,
                "linger.ms": 2,
                "compression.type": "lz4",
                "queue.buffering.max.messages": MAX_IN_FLIGHT,
                "queue.buffering.max.kbytes": 262_144,
                "message.max.bytes": max(c.max_message_bytes for c in CONTRACTS.values()),
                "partitioner": "murmur2_random",
                "logger": log,
            }
        )

    def send(self, message: Outgoing) -> None:
        """Hand over, waiting where too much is unconfirmed.

        Raises DeliveryFailed when the broker has refused an earlier one.
        """
        while True:
            try:
                self._producer.produce(
                    self._names[message.topic],
                    key=message.key.encode(),
                    value=message.value,
                    headers=headers(message.topic, message.message_id),
                    timestamp=message.timestamp_us // US_PER_MS,
                    on_delivery=self._delivered,
                )
                break
            except BufferError:
                self._complain("waiting for Kafka to confirm %d messages", len(self._producer))
                self._producer.poll(0.1)
        self._check()

    def poll(self) -> None:
        """Serve delivery reports without waiting."""
        self._producer.poll(0)
        self._check()

    def confirm(self) -> None:
        """Returns once every message is on the broker, however long that takes.

        Raises DeliveryFailed when the broker refuses one for good.
        """
        while self._producer.flush(0.5):
            self._check()
            if len(self._producer) > 0:
                self._complain("waiting for Kafka to confirm %d messages", len(self._producer))
        self._check()

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._failed.append(f"{message.topic()} key {message.key()!r}: {error}")

    def _check(self) -> None:
        if self._failed:
            raise DeliveryFailed(
                f"{len(self._failed)} messages refused, the first: {self._failed[0]}"
            )


class KafkaSink(FixedPartitionedSink[list[Outgoing], bytes]):
    """Writes lists of messages. Items are (any key, list)."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings

    def list_parts(self) -> list[str]:
        return ["all"]

    def part_fn(self, item_key: str) -> int:
        return 0

    def build_part(
        self, step_id: str, for_part: str, resume_state: bytes | None
    ) -> "KafkaSinkPartition":
        return KafkaSinkPartition(ConfirmedProducer(self._settings))


class KafkaSinkPartition(StatefulSinkPartition[list[Outgoing], bytes]):
    def __init__(self, producer: ConfirmedProducer) -> None:
        self._producer = producer

    def write_batch(self, values: Iterable[list[Outgoing]]) -> None:
        for messages in values:
            for message in messages:
                self._producer.send(message)
        self._producer.poll()

    def snapshot(self) -> bytes:
        # Bytewax takes this at the end of each epoch that wrote something, before the epoch
        # counts as done: what is not confirmed now would be lost by a crash after it.
        self._producer.confirm()
        return b""

    def close(self) -> None:
        # On a clean end the last snapshot has confirmed everything. After an error Bytewax calls
        # this while it unwinds, and a second one would abort the process without a word.
        with suppress(DeliveryFailed):
            self._producer.confirm()
