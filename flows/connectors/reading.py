"""What every reader of topics of ours shares: its settings, its patience, and when it gives up."""

import logging
import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, TypeVarTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from flows.steps.records import Record
from schemas.errors import DependencyDown, OffsetOutOfRange
from schemas.sections.servers import KafkaSettings
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
_PARTITION_END = KafkaError._PARTITION_EOF  # noqa: SLF001

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


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
        # Else a bit that flipped on the broker's disk is a price like any other.
        "check.crcs": True,
        "fetch.wait.max.ms": 50,
        "fetch.max.bytes": 16_777_216,
        "queued.max.messages.kbytes": 65_536,
        "isolation.level": "read_committed",
        "logger": log,
    }


class Stopped(Exception):
    """Asked to end while waiting."""


class Asking:
    """Puts a question to the broker until it answers, however long it is away."""

    def __init__(
        self,
        settings: KafkaSettings,
        consumer: Consumer,
        complain: Complaints,
        patience: float = math.inf,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """patience: seconds; when they are over, DependencyDown is raised.

        stopping: asked between tries; once true, Stopped is raised.
        """
        self._where, self._consumer, self._complain = settings.bootstrap, consumer, complain
        self._patience, self._stopping = patience, stopping

    def __call__(self, question: Callable[[Consumer, *Ts], T], *args: *Ts) -> T:
        until = time.monotonic() + self._patience
        while True:
            try:
                return question(self._consumer, *args)
            except KafkaException as down:
                error = down.args[0]
            if error.code() in _HOPELESS or error.fatal():
                raise DependencyDown(f"Kafka refuses this client: {error}")
            if time.monotonic() >= until:
                raise DependencyDown(
                    f"Kafka at {self._where}: no answer for {self._patience:.0f} s: {error}"
                )
            self._complain("waiting for Kafka at %s: %s", self._where, error)
            if self._stopping():
                raise Stopped
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


class Mend(NamedTuple):
    """What to tell of records that are gone before they were read."""

    done: str
    """What is done with records: `archived`."""
    loss: str
    """How to go on where retention has deleted what comes next."""
    anew: str
    """How to go on where the topic is another one."""


def go_on(
    name: str,
    partition: int,
    at: int,
    ends: tuple[int, int] | None,
    mend: Mend,
    accept_loss: bool = False,
    accept_anew: bool = False,
) -> int:
    """Offset at which a partition is read on that has been read up to `at`.

    ends: first offset and end; none where the partition is not there.
    accept_loss: where retention has deleted what comes next, go on behind it.
    accept_anew: where the topic is another one, begin at its beginning.
    Raises OffsetOutOfRange for what is gone and not accepted.
    """
    where = f"{name} partition {partition}"
    if ends is None:
        what = f"{where}: it was {mend.done} to offset {at} and is gone: the topic was made anew"
        how, accepted, low = mend.anew, accept_anew, 0
    else:
        low, high = ends
        if low <= at <= high:
            return at
        what = f"{where}: the next record is at offset {at}, the topic "
        if at > high:
            what += f"ends at {high}: it was made anew or cut"
            how, accepted = mend.anew, accept_anew
        else:
            what += (
                f"holds {low} to {high}: retention has deleted {low - at} records that were not "
                f"{mend.done}"
            )
            how, accepted = mend.loss, accept_loss
    if not accepted:
        raise OffsetOutOfRange(f"{what}; {how}")
    log.warning("%s; going on", what)
    return low


def take(message: Message, mend: Mend, complain: Complaints) -> tuple[str, int, int, bool] | None:
    """Topic as the broker knows it, partition, offset, and whether a record is there.

    Where none is, the partition ends at that offset for now, which may lie past the last record:
    markers of transactions take up offsets. None for a trouble that passes.
    Raises OffsetOutOfRange or DependencyDown where waiting does not help.
    """
    error = message.error()
    if error is not None and error.code() != _PARTITION_END:
        _trouble(message, error, mend, complain)
        return None
    name, partition, offset = message.topic(), message.partition(), message.offset()
    assert name is not None
    assert partition is not None
    assert offset is not None
    return name, partition, offset, error is None


def _trouble(message: Message, error: KafkaError, mend: Mend, complain: Complaints) -> None:
    if error.code() in _OUT_OF_RANGE:
        raise OffsetOutOfRange(
            f"{message.topic()} partition {message.partition()}: {error.str()}. What comes next "
            f"was deleted before it was {mend.done}, by retention or with the topic; {mend.loss}"
        )
    if error.code() in _HOPELESS or error.fatal():
        raise DependencyDown(f"Kafka refuses this client: {error}")
    complain("Kafka: %s; trying again", error)


def record_of(message: Message, topic: Topic, partition: int, offset: int) -> Record:
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
