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
    Consumer,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka import Message as KafkaRecord
from confluent_kafka.admin import AdminClient

from api.board import Message
from api.decode import Decoder, place_of, taken, timestamp_us
from api.feed import Feed
from api.news import News, Verdict
from api.ring import Read
from api.tokens import Layout, Place, Shape
from schemas.errors import RejectedEvent
from schemas.settings import Settings
from schemas.topics import Topic

log = logging.getLogger(__name__)

P = ParamSpec("P")
TOPICS = (
    Topic.GAMES,
    Topic.LINES,
    Topic.RESULTS,
    Topic.PREDICTIONS,
    Topic.STAKES,
    Topic.ALERTS,
    Topic.SETTLEMENTS,
)

_PROBE_SECONDS = 2.0
_PROBE_TIMEOUT = 1.0
_POLL_SECONDS = 0.1
_BATCH = 500
# The mock cluster of the embedded stack says so in its id; it has no topic ids, and does not answer
# whoever asks for them.
_WITHOUT_IDS = "mockCluster"
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
        self._layout = Layout()
        self._next: dict[Place, int] = {}
        """{place: the first offset not handed over yet}"""
        self._news: dict[Place, News] = {}
        self._holes: set[Place] = set()
        """Where the broker no longer has the next record."""
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
                self._read(consumer, AdminClient(self._config, logger=log))
            except Exception:
                # Whatever it was, a dead reader behind a feed that looks alive is worse:
                # say stale and go on from where it stood.
                log.exception("topic reader failed; starting again")
                self._on_loop(self._feed.source, False, self.status.caught_up)
                self.status.reachable = False
                self._stop.wait(_PROBE_SECONDS)
            finally:
                consumer.close()

    def _read(self, consumer: Consumer, admin: AdminClient) -> None:
        self._assigned, self._ahead, self._found = set(), {}, False
        next_probe = 0.0
        while not self._stop.is_set():
            if time.monotonic() >= next_probe or self._holes:
                self._report(reachable=self._probe(consumer, admin))
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
        # Where partitions are read anew, the feed is stale until that is done.
        self.status.reachable = reachable and (read or not self.status.caught_up)
        self._on_loop(self._feed.source, self.status.reachable, self.status.caught_up)

    def _probe(self, consumer: Consumer, admin: AdminClient) -> bool:
        """Whether the broker answers; takes up topics and partitions that are new, or made anew."""
        try:
            about = consumer.list_topics(timeout=_PROBE_TIMEOUT)
            there = {
                name: len(one.partitions)
                for name, one in about.topics.items()
                if name in self._topics and one.error is None
            }
            cluster = about.cluster_id or ""
            shapes = self._shapes(admin, there, cluster)
            self._take_up(consumer, shapes, cluster)
            for place in sorted(self._holes):
                self._go_on(consumer, place)
        except KafkaException as down:
            log.info("broker does not answer: %s", down)
            return False
        missing = tuple(sorted(shape.name for shape in shapes if not shape.partitions))
        if missing and missing != self.status.missing:
            log.info("waiting for topics: %s", ", ".join(missing))
        self.status.missing = missing
        self._found = True
        return True

    def _shapes(self, admin: AdminClient, there: dict[str, int], cluster: str) -> tuple[Shape, ...]:
        """The feed's topics in their order. there: {topic: partitions}."""
        ids: dict[str, str] = {}
        if there and not cluster.startswith(_WITHOUT_IDS):
            asked = admin.describe_topics(
                TopicCollection(list(there)), request_timeout=_PROBE_TIMEOUT
            )
            ids = {name: str(one.result(_PROBE_TIMEOUT).topic_id) for name, one in asked.items()}
        return tuple(Shape(name, ids.get(name, ""), there.get(name, 0)) for name in self._topics)

    def _take_up(self, consumer: Consumer, shapes: tuple[Shape, ...], cluster: str) -> None:
        before = {shape.name: shape for shape in self._layout.shapes}
        # One that is away is what it was until it is there again, and then perhaps another.
        shapes = tuple(one if one.partitions else before.get(one.name, one) for one in shapes)
        anew = [
            shape.name
            for shape in shapes
            if shape.partitions
            and (known := before.get(shape.name)) is not None
            and known.partitions
            and (known.topic_id, self._layout.cluster) != (shape.topic_id, cluster)
        ]
        gone = [place for place in self._next if place[0] in anew]
        if gone:
            consumer.incremental_unassign(
                [TopicPartition(*place) for place in gone if place in self._assigned]
            )
        for place in gone:
            del self._next[place], self._news[place]
            self._assigned.discard(place)
            self._ahead.pop(place, None)
            self._holes.discard(place)
        layout = self._layout.grown(cluster, shapes)
        new = [
            (shape.name, partition)
            for shape in shapes
            for partition in range(shape.partitions)
            if (shape.name, partition) not in self._assigned
        ]
        if not new and layout == self._layout:
            return
        ends = {place: self._watermarks(consumer, place) for place in new}
        begin = {place: low for place, (low, _) in ends.items() if place not in self._next}
        self._layout = layout
        self._on_loop(
            self._feed.arrange,
            layout,
            {layout.numbers[place]: low for place, low in begin.items()},
        )
        if anew:
            reason = f"made anew on the broker: {', '.join(anew)}"
            log.error(reason)
            self._on_loop(self._feed.lose, reason, {})
        self._next |= begin
        self._news |= {place: News() for place in begin}
        if new:
            # All at once: once a fetch is under way, asking for an end offset waits behind it.
            consumer.incremental_assign(
                [TopicPartition(*place, self._next[place]) for place in new]
            )
        self._ahead |= {
            place: high for place, (_, high) in ends.items() if high > self._next[place]
        }
        self._assigned |= set(new)

    def _watermarks(self, consumer: Consumer, place: Place) -> tuple[int, int]:
        low, high = consumer.get_watermark_offsets(TopicPartition(*place), timeout=_PROBE_TIMEOUT)
        return low, high

    def _consume(self, consumer: Consumer) -> list[KafkaRecord]:
        """Those that are records."""
        good = []
        for record in taken(consumer, self._batch, _POLL_SECONDS):
            error = record.error()
            if error is None:
                good.append(record)
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 (its public name)
                self._ahead.pop(place_of(record), None)
            elif error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001
                self._holes.add(place_of(record))
            else:
                log.warning("reading %s: %s", record.topic(), error)
        return good

    def _go_on(self, consumer: Consumer, place: Place) -> None:
        """The broker no longer has the next offset: go on from what it has, and say so."""
        consumer.incremental_unassign([TopicPartition(*place)])
        low, _ = self._watermarks(consumer, place)
        reason = f"the broker no longer has the next records of {place[0]}/{place[1]}"
        log.error("%s; going on from its oldest", reason)
        consumer.incremental_assign([TopicPartition(*place, low)])
        self._holes.discard(place)
        self._next[place] = low
        self._on_loop(self._feed.lose, reason, {self._layout.numbers[place]: low})

    def _advance(self, records: list[KafkaRecord]) -> None:
        for record in records:
            end = self._ahead.get(place_of(record))
            if end is not None and int(record.offset() or 0) + 1 >= end:
                del self._ahead[place_of(record)]

    def _deliver(self, records: list[KafkaRecord]) -> None:
        """Decode, see what is news, hand over; returns when the loop has taken them."""
        self.status.records += len(records)
        try:
            reads = [self._made_of(record) for record in records]
            self._on_loop(self._feed.take, reads)
        except Exception:
            self._on_loop(self._feed.lose, "some records could not be taken in", {})
            raise

    def _made_of(self, record: KafkaRecord) -> Read:
        place, offset = place_of(record), int(record.offset() or 0)
        self._next[place] = offset + 1
        number = self._layout.numbers[place]
        message = self._decode(place, record)
        if message is None:
            return Read(number, offset)
        news = self._news[place]
        verdict = news.hear(message)
        if verdict is Verdict.REPEAT:
            self.status.repeats += 1
            return Read(number, offset)
        return Read(number, offset, message, verdict is Verdict.NEWS, news.edge)

    def _decode(self, place: Place, record: KafkaRecord) -> Message | None:
        value = record.value()
        if value is None:  # a tombstone says nothing
            return None
        try:
            return self._decoder.message(self._topics[place[0]], value, timestamp_us(record))
        except RejectedEvent as bad:
            count = self.status.rejected.get(bad.reason, 0)
            self.status.rejected[bad.reason] = count + 1
            if count % _REJECTS_LOGGED_EVERY == 0:
                where = f"{record.topic()}/{record.partition()}@{record.offset()}"
                log.warning("record not shown: %s %s (%d before it)", where, bad, count)
            return None

    def _on_loop(self, act: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """Run on the event loop and wait for it, so that at most one batch is on its way."""
        assert self._loop is not None  # the thread is started after it is set
        done = threading.Event()
        failed: list[Exception] = []

        def run() -> None:
            try:
                act(*args, **kwargs)
            except Exception as bad:
                failed.append(bad)
            finally:
                done.set()

        self._loop.call_soon_threadsafe(run)
        while not done.wait(_POLL_SECONDS) and not self._stop.is_set():
            pass
        if failed:
            raise failed[0]
