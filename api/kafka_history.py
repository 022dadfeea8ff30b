"""Old records out of Kafka, for clients that come back after more than the ring holds.

A few threads of their own, so that neither the event loop nor other clients wait for them.
"""

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaRecord

from api.decode import Decoder, place_of, taken, timestamp_us
from api.past import Gone, PastRecord, Span, Wants
from api.tokens import Place
from schemas.errors import RejectedEvent
from schemas.settings import Settings
from schemas.topics import Topic

log = logging.getLogger(__name__)

READS = 4
"""Clients served from Kafka at once; others wait their turn."""
_BATCH = 500
_TIMEOUT = 5.0
_POLL_SECONDS = 0.2
_Step = Sequence[PastRecord] | BaseException | None


class History:
    """Reads spans of partitions."""

    def __init__(self, settings: Settings, topics: Mapping[str, Topic]) -> None:
        """topics: {name: topic}. Raises ConfigError when no broker is configured."""
        self._decoder = Decoder.of(settings)
        self._topics = topics
        self._config = {
            **settings.kafka.client_config(),
            "group.id": f"{settings.kafka.prefix}api",  # required by librdkafka, never joined
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "queued.max.messages.kbytes": 4_096,
            "fetch.wait.max.ms": 50,
        }
        self._threads = ThreadPoolExecutor(READS, "history")
        self._closed = threading.Event()

    async def close(self) -> None:
        """Returns when no thread reads any more."""
        self._closed.set()
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)

    async def read(
        self, spans: Mapping[Place, Span], wants: Wants
    ) -> AsyncGenerator[Sequence[PastRecord], None]:
        """As `Past.read`."""
        loop = asyncio.get_running_loop()
        steps: asyncio.Queue[_Step] = asyncio.Queue(2)  # a slow client holds no more
        stop = threading.Event()

        def hand_over(step: _Step) -> bool:
            """False when nobody takes it any more."""
            put: Future[None] = asyncio.run_coroutine_threadsafe(steps.put(step), loop)
            while not (stop.is_set() or self._closed.is_set()):
                try:
                    put.result(_POLL_SECONDS)
                except NotYet:
                    continue
                return True
            put.cancel()
            return False

        def work() -> None:
            try:
                for batch in self._batches(spans, wants):
                    if not hand_over(batch):
                        return
                hand_over(None)
            except BaseException as failed:
                hand_over(failed)

        try:
            self._threads.submit(work)
            while (step := await steps.get()) is not None:
                if isinstance(step, BaseException):
                    raise step
                yield step
        finally:
            stop.set()

    def _batches(self, spans: Mapping[Place, Span], wants: Wants) -> Iterator[Sequence[PastRecord]]:
        consumer = Consumer(self._config, logger=log)
        try:
            left = dict(self._checked(consumer, spans))
            consumer.assign([TopicPartition(*place, span[0]) for place, span in left.items()])
            while left:
                found = []
                for record in taken(consumer, _BATCH, _POLL_SECONDS):
                    place = place_of(record)
                    self._check(record.error(), place)
                    offset = record.offset()
                    if place not in left or offset is None:
                        continue
                    # At the end of the partition too: compaction may have taken the last ones.
                    if offset + 1 >= left[place][1]:
                        end = left.pop(place)[1]
                        consumer.incremental_unassign([TopicPartition(*place)])
                        if offset >= end:
                            continue
                    if record.error() is None and wants(place, offset):
                        found += self._decode(place, record)
                yield found
        finally:
            consumer.close()

    def _checked(
        self, consumer: Consumer, spans: Mapping[Place, Span]
    ) -> Iterator[tuple[Place, Span]]:
        """Those with something to read."""
        for place, (first, end) in spans.items():
            low, high = consumer.get_watermark_offsets(TopicPartition(*place), timeout=_TIMEOUT)
            where = f"{place[0]}/{place[1]}"
            if first < low:
                raise Gone(f"too old: Kafka no longer has {where} before {low}, you need {first}")
            if first > high:
                raise Gone(f"this id was never given out: {where} ends at {high}")
            if first < end:
                yield place, (first, end)

    def _check(self, error: KafkaError | None, place: Place) -> None:
        if error is None or error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
            return
        if error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001 (its public name)
            raise Gone(f"too old: Kafka has just let go of {place[0]}/{place[1]}")
        if error.fatal() or not error.retriable():
            raise KafkaException(error)

    def _decode(self, place: Place, record: KafkaRecord) -> list[PastRecord]:
        value, offset = record.value(), record.offset()
        assert value is not None  # it was news
        assert offset is not None
        try:
            message = self._decoder.message(self._topics[place[0]], value, timestamp_us(record))
        except RejectedEvent:
            return []
        return [(place, offset, message)]
