"""What every reader of topics of ours shares: its settings, its patience, and when it gives up."""

import logging
import math
import time
from collections.abc import Callable
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from flows.steps.records import Record
from schemas.errors import DependencyDown, OffsetOutOfRange
from schemas.settings import KafkaSettings
from schemas.time import US_PER_MS
from schemas.topics import Topic

log = logging.getLogger(__name__)

COMPLAIN_SECONDS = 5.0
_ASK_SECONDS = 5.0

_HOPELESS = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError._AUTHENTICATION,  # noqa: SLF001 - confluent_kafka names local errors so
}
_OUT_OF_RANGE = {
    KafkaError.OFFSET_OUT_OF_RANGE,
    KafkaError._AUTO_OFFSET_RESET,  # noqa: SLF001
}
PARTITION_END = KafkaError._PARTITION_EOF  # noqa: SLF001


class Complaints:
    """Logs a lasting trouble at once and then every few seconds, not a thousand times."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self, text: str, *args: object) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + COMPLAIN_SECONDS
            log.warning(text, *args)


def reader_config(settings: KafkaSettings, group: str) -> dict[str, Any]:
    """Of a consumer that keeps its positions itself."""
    return {
        **settings.client_config(),
        "group.id": group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        # A position that retention has deleted must stop the reader, not skip silently.
        "auto.offset.reset": "error",
        "enable.partition.eof": True,
        "fetch.wait.max.ms": 50,
        "fetch.max.bytes": 16_777_216,
        "queued.max.messages.kbytes": 65_536,
        "isolation.level": "read_committed",
        "logger": log,
    }


def ask(
    question: Callable[..., Any],
    *args: object,
    complain: Complaints,
    patience: float = math.inf,
) -> Any:
    """Answer of the broker, however long it takes to come back.

    patience: seconds; when they are over, DependencyDown is raised.
    """
    until = time.monotonic() + patience
    while True:
        try:
            return question(*args)
        except KafkaException as down:
            error = down.args[0]
            if error.code() in _HOPELESS or error.fatal():
                raise DependencyDown(f"Kafka refuses this client: {error}") from None
            if time.monotonic() >= until:
                raise DependencyDown(f"Kafka has no answer for {patience:.0f} s: {error}") from None
            complain("waiting for Kafka %s: %s", args, error)
            time.sleep(0.2)


def partitions_of(consumer: Consumer, name: str) -> list[int]:
    found = consumer.list_topics(name, timeout=_ASK_SECONDS).topics[name]
    if found.error is not None:
        raise KafkaException(found.error)
    return sorted(found.partitions)


def cluster_of(consumer: Consumer) -> str:
    """Kafka's own name of the cluster."""
    return str(consumer.list_topics(timeout=_ASK_SECONDS).cluster_id)


def watermarks(consumer: Consumer, name: str, partition: int) -> tuple[int, int]:
    """First offset and end."""
    low, high = consumer.get_watermark_offsets(TopicPartition(name, partition), _ASK_SECONDS)
    return low, high


def offset_at(consumer: Consumer, name: str, partition: int, ms: int) -> int:
    """Of the first record at or after that time; negative where there is none."""
    asked = [TopicPartition(name, partition, ms)]
    (found,) = consumer.offsets_for_times(asked, timeout=_ASK_SECONDS)
    if found.error is not None:
        raise KafkaException(found.error)
    return int(found.offset)


def ends_of(settings: KafkaSettings) -> tuple[str, dict[Topic, dict[int, tuple[int, int]]]]:
    """The cluster's name, and first offset and end of every partition of ours, now.

    Raises DependencyDown when the broker does not answer.
    """
    consumer = Consumer(reader_config(settings, "steamline-ends"))
    try:
        # Of all topics: to ask for one by its name may create it.
        cluster = consumer.list_topics(timeout=_ASK_SECONDS)
        found = {
            topic: {
                partition: watermarks(consumer, name, partition)
                for partition in sorted(cluster.topics[name].partitions)
            }
            for topic in Topic
            if (name := topic.full(settings.prefix)) in cluster.topics
        }
        return str(cluster.cluster_id), found
    except KafkaException as down:
        raise DependencyDown(f"Kafka at {settings.bootstrap}: {down.args[0]}") from None
    finally:
        consumer.close()


def trouble(message: Message, error: KafkaError, mend: str, complain: Complaints) -> None:
    """What the client reports in place of a record: raised where waiting does not help.

    mend: how to go on without the records that retention has deleted.
    """
    if error.code() in _OUT_OF_RANGE:
        raise OffsetOutOfRange(
            f"{message.topic()} partition {message.partition()}: {error.str()}. Retention has "
            f"deleted events that were not read yet; {mend}"
        )
    if error.code() in _HOPELESS or error.fatal():
        raise DependencyDown(f"Kafka refuses this client: {error}")
    complain("Kafka: %s; going on", error)


def record_of(message: Message, topic: Topic) -> Record:
    partition, offset = message.partition(), message.offset()
    assert partition is not None
    assert offset is not None
    headers = message.headers()
    return Record(
        topic=topic,
        partition=partition,
        offset=offset,
        timestamp_us=message.timestamp()[1] * US_PER_MS,
        key=_bytes(message.key()),
        value=_bytes(message.value()) or b"",
        version=_bytes(dict(headers).get("version")) if headers else None,
    )


def _bytes(value: bytes | str | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
