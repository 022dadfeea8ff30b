"""The events of the last days, read back from the topics."""

import time
from collections.abc import Iterator
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from pydantic import ValidationError

from schemas.errors import DependencyDown
from schemas.events import Event
from schemas.settings import KafkaSettings
from schemas.time import US_PER_MS
from schemas.topics import CONTRACTS, Topic

TIMEOUT_SECONDS = 30.0
_BATCH = 2_000
_LEADERLESS = (
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
)


def recent_events(
    settings: KafkaSettings, topics: tuple[Topic, ...], since_us: int
) -> Iterator[Event]:
    """Every event at or after that time which is on the topics now; per game in topic order.

    What is no event is skipped: the score flow makes a dead letter of it.
    Raises DependencyDown when the broker does not answer.
    """
    consumer = Consumer(
        {
            **settings.client_config(),
            "group.id": "steamline-ingest",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
        }
    )
    try:
        for topic in topics:
            yield from _events(consumer, topic, settings.prefix, since_us)
    except KafkaException as bad:
        raise DependencyDown(f"Kafka at {settings.bootstrap}: {bad.args[0]}") from None
    finally:
        consumer.close()


def _events(consumer: Consumer, topic: Topic, prefix: str, since_us: int) -> Iterator[Event]:
    name = topic.full(prefix)
    described = consumer.list_topics(name, timeout=TIMEOUT_SECONDS).topics[name]
    if described.error is not None:
        raise KafkaException(described.error)
    left = set()
    starts = []
    for partition in described.partitions:
        low, high = _ends(consumer, TopicPartition(name, partition))
        if low < high:
            start = _first_since(consumer, name, partition, since_us, low, high)
            if start < high:
                starts.append(TopicPartition(name, partition, start))
                left.add(partition)
    consumer.assign(starts)
    model: Any = CONTRACTS[topic].model
    heard = time.monotonic()
    while left:
        # It waits for a full batch, or as long as it is told.
        batch = consumer.consume(_BATCH, timeout=0.1)
        if batch:
            heard = time.monotonic()
        elif time.monotonic() - heard > TIMEOUT_SECONDS:
            raise DependencyDown(f"{name}: nothing to be read for {TIMEOUT_SECONDS:.0f} s")
        for message in batch:
            error = message.error()
            if error is None:
                value = message.value()
                if value is None:
                    continue
                try:
                    yield model.model_validate_json(value)
                except ValidationError:
                    continue
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
                left.discard(message.partition())
            elif error.fatal() or not error.retriable():
                raise KafkaException(error)
    consumer.unassign()


def _ends(consumer: Consumer, partition: TopicPartition) -> tuple[int, int]:
    """Topics that were made a moment ago have no leaders to ask yet."""
    until = time.monotonic() + TIMEOUT_SECONDS
    while True:
        try:
            low, high = consumer.get_watermark_offsets(partition, timeout=TIMEOUT_SECONDS)
            return low, high
        except KafkaException as bad:
            if bad.args[0].code() not in _LEADERLESS or time.monotonic() > until:
                raise
            time.sleep(0.1)


def _first_since(
    consumer: Consumer, name: str, partition: int, since_us: int, low: int, high: int
) -> int:
    since = _offset_at(consumer, name, partition, since_us // US_PER_MS)
    if since >= 0:
        return since
    # Nothing so new; or a broker that cannot tell (the embedded one), which finds nothing of any
    # time. From that everything is read.
    return high if _offset_at(consumer, name, partition, 0) >= 0 else low


def _offset_at(consumer: Consumer, name: str, partition: int, ms: int) -> int:
    """Of the first record at or after that time; negative where there is none."""
    asked = [TopicPartition(name, partition, ms)]
    (found,) = consumer.offsets_for_times(asked, timeout=TIMEOUT_SECONDS)
    if found.error is not None:
        raise KafkaException(found.error)
    return int(found.offset)
