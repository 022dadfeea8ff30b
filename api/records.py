"""A thread that reads the topics from their beginning and hands messages to the event loop.

It takes part in no consumer group, so every API process sees everything. It waits for what is
not there yet (a broker, a topic) and says so in its status instead of failing.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ParamSpec

from confluent_kafka import (
    OFFSET_BEGINNING,
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka import Message as KafkaRecord

from api.board import Message
from api.decode import Decoder, Seen, identity
from api.feed import Feed
from schemas.errors import RejectedEvent
from schemas.settings import Settings
from schemas.topics import Topic

log = logging.getLogger(__name__)

P = ParamSpec("P")
Place = tuple[str, int]
"""Topic and partition."""

TOPICS = (
    Topic.GAMES,
    Topic.LINES,
    Topic.RESULTS,
    Topic.PREDICTIONS,
    Topic.STAKES,
    Topic.ALERTS,
)

_PROBE_SECONDS = 2.0
_PROBE_TIMEOUT = 1.0
_POLL_SECONDS = 0.1
_BATCH = 500
_REJECTS_LOGGED_EVERY = 1_000


@dataclass
class Status:
    """What the reader knows; written by its thread, read by the loop."""

    reachable: bool = False
    caught_up: bool = False
    missing: tuple[str, ...] = ()
    """Topics that do not exist yet."""
    records: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    """{reason: count}"""
    repeats: int = 0


class TopicReader:
    """Kafka to the feed."""

    def __init__(self, settings: Settings, feed: Feed) -> None:
        """Raises ConfigError when no broker is configured."""
        self.status = Status()
        self._feed = feed
        self._decoder = Decoder.of(settings)
        self._seen = Seen()
        # Half a client's queue: a burst reaches clients in pieces that they can keep up with.
        self._batch = min(_BATCH, settings.api.client_queue // 2)
        self._topics = {topic.full(settings.kafka.prefix): topic for topic in TOPICS}
        self._config = {
            "reconnect.backoff.max.ms": 2_000,
            # The mock cluster does not wake a waiting fetch: this is what a record then waits.
            "fetch.wait.max.ms": 50,
            **settings.kafka.client_config(),
            "group.id": f"{settings.kafka.prefix}api",  # required by librdkafka, never joined
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "queued.max.messages.kbytes": 16_384,
        }
        self._assigned: set[Place] = set()
        self._ahead: dict[Place, int] = {}
        """{place: its end offset when it was found}, until that is reached"""
        self._found = False
        """The broker has answered: what exists is assigned."""
        self._stop = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="topic-reader", daemon=True)

    def start(self) -> None:
        """Call on the event loop that the feed belongs to."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def stop(self) -> None:
        """Returns when the thread has ended."""
        self._stop.set()
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while not self._stop.is_set():
            consumer = Consumer(self._config, logger=log)
            try:
                self._read(consumer)
            except Exception:
                # Whatever it was, a dead reader behind a feed that looks alive is worse:
                # say stale and read everything again; what was seen is dropped as a repeat.
                log.exception("topic reader failed; starting again")
                self._report(reachable=False)
                self._stop.wait(_PROBE_SECONDS)
            finally:
                consumer.close()

    def _read(self, consumer: Consumer) -> None:
        self._assigned, self._ahead, self._found = set(), {}, False
        next_probe = 0.0
        while not self._stop.is_set():
            if time.monotonic() >= next_probe:
                self._report(reachable=self._probe(consumer))
                next_probe = time.monotonic() + _PROBE_SECONDS
            records = self._consume(consumer)
            if records:
                self._deliver(records)
                self._advance(records)
            if self._found and not self._ahead and not self.status.caught_up:
                self._report(reachable=True)

    def _report(self, *, reachable: bool) -> None:
        """Tell the feed how things stand."""
        read = self._found and not self._ahead
        self.status.caught_up = self.status.caught_up or read
        # When everything is read a second time, the feed is stale until that is done.
        self.status.reachable = reachable and (read or not self.status.caught_up)
        self._on_loop(self._feed.source, self.status.reachable, self.status.caught_up)

    def _probe(self, consumer: Consumer) -> bool:
        """Whether the broker answers; takes up topics and partitions that are new."""
        try:
            about = consumer.list_topics(timeout=_PROBE_TIMEOUT).topics
            there = {
                name: set(about[name].partitions)
                for name in self._topics
                if name in about and about[name].error is None
            }
            self._assign(
                consumer,
                [
                    (name, partition)
                    for name, partitions in there.items()
                    for partition in sorted(partitions)
                    if (name, partition) not in self._assigned
                ],
            )
        except KafkaException as down:
            log.info("broker does not answer: %s", down)
            return False
        missing = tuple(sorted(self._topics.keys() - there.keys()))
        if missing and missing != self.status.missing:
            log.info("waiting for topics: %s", ", ".join(missing))
        self.status.missing = missing
        self._found = True
        return True

    def _assign(self, consumer: Consumer, places: list[Place]) -> None:
        """All at once: once a fetch is under way, asking for an end offset waits behind it."""
        ends = {}
        if not (self._found and self.status.caught_up):
            for place in places:
                low, high = consumer.get_watermark_offsets(
                    TopicPartition(*place), timeout=_PROBE_TIMEOUT
                )
                if high > low:
                    ends[place] = high
        if places:
            consumer.incremental_assign(
                [TopicPartition(*place, OFFSET_BEGINNING) for place in places]
            )
        self._ahead |= ends
        self._assigned |= set(places)

    def _consume(self, consumer: Consumer) -> list[KafkaRecord]:
        """Whatever is there, at once; waits a moment when nothing is."""
        first = consumer.poll(_POLL_SECONDS)
        if first is None:
            return []
        good = []
        for record in [first, *consumer.consume(self._batch - 1, timeout=0)]:
            error = record.error()
            if error is None:
                good.append(record)
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 (its public name)
                self._ahead.pop(_place(record), None)
            elif error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001
                self._lost(consumer, _place(record))
            else:
                log.warning("reading %s: %s", record.topic(), error)
        return good

    def _lost(self, consumer: Consumer, place: Place) -> None:
        """The broker no longer has the next offset: go on from what it has, and say so."""
        reason = f"the broker no longer has the next records of {place[0]}/{place[1]}"
        log.error("%s; going on from its oldest", reason)
        consumer.incremental_unassign([TopicPartition(*place)])
        consumer.incremental_assign([TopicPartition(*place, OFFSET_BEGINNING)])
        self._on_loop(self._feed.lose, reason)

    def _advance(self, records: list[KafkaRecord]) -> None:
        for record in records:
            end = self._ahead.get(_place(record))
            if end is not None and int(record.offset() or 0) + 1 >= end:
                del self._ahead[_place(record)]

    def _deliver(self, records: list[KafkaRecord]) -> None:
        """Decode, drop repeats, hand over; returns when the loop has taken them."""
        self.status.records += len(records)
        messages = [message for record in records if (message := self._decode(record))]
        if messages:
            self._on_loop(self._feed.publish, messages)

    def _decode(self, record: KafkaRecord) -> Message | None:
        value = record.value()
        if value is None:  # a tombstone says nothing
            return None
        topic = self._topics[_place(record)[0]]
        kind, timestamp_ms = record.timestamp()
        known = kind != TIMESTAMP_NOT_AVAILABLE
        timestamp_us = timestamp_ms * 1_000 if known else time.time_ns() // 1_000
        try:
            message = self._decoder.message(topic, value, timestamp_us)
        except RejectedEvent as bad:
            count = self.status.rejected.get(bad.reason, 0)
            self.status.rejected[bad.reason] = count + 1
            if count % _REJECTS_LOGGED_EVERY == 0:
                where = f"{record.topic()}/{record.partition()}@{record.offset()}"
                log.warning("record not shown: %s %s (%d before it)", where, bad, count)
            return None
        if not self._seen.add(topic, identity(message)):
            self.status.repeats += 1
            return None
        return message

    def _on_loop(self, act: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """Run on the event loop and wait for it, so that at most one batch is on its way."""
        assert self._loop is not None  # the thread is started after it is set
        done = threading.Event()

        def run() -> None:
            try:
                act(*args, **kwargs)
            finally:
                done.set()

        self._loop.call_soon_threadsafe(run)
        while not done.wait(_POLL_SECONDS) and not self._stop.is_set():
            pass


def _place(record: KafkaRecord) -> Place:
    topic, partition = record.topic(), record.partition()
    assert topic is not None  # both are known for what a consumer hands out
    assert partition is not None
    return topic, partition
