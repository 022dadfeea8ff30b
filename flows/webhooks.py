"""The webhooks flow: stakes, alerts and settlements to receivers over HTTP.

Each endpoint has a reader and positions of its own, so one that is slow or dead holds up nobody
else, and what it has not taken waits on Kafka.

    read     a batch of records                                     connectors/topic_reader
    choose   by the endpoint's filters                              steps/webhooks
    deliver  signed, repeated; or a dead letter, confirmed          connectors/webhooks
    keep     positions, after what they cover                       HOME/webhooks/NAME.json

What was delivered after the positions were last kept is delivered again after a kill, with the
same id. An endpoint that is new begins with what is new.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from flows.connectors.files import sole
from flows.connectors.reading import Mend, Stopped
from flows.connectors.topic_reader import Lane, Positions, TopicReader
from flows.connectors.webhooks import Caller, keep, kept_at
from flows.steps.decode import dead_letter, parse
from flows.steps.records import Outgoing, Producer, Record
from flows.steps.webhooks import Choice, body_of, id_of
from schemas.errors import ConfigError, RejectedEvent
from schemas.sections.webhooks import Endpoint
from schemas.settings import Settings
from schemas.time import US_PER_SECOND
from schemas.topics import Topic

log = logging.getLogger(__name__)

WEBHOOKS_GROUP = "steamline-webhooks-"
"""Consumer group under which an endpoint shows its progress, before its name."""
READ_SECONDS = 0.2
KEEP_US = US_PER_SECOND
"""Positions are kept so often while a batch goes out."""
_MEND = Mend(
    "delivered",
    "run `steamline run webhooks --accept-gap` once to go on without them",
    "run `steamline run webhooks --accept-gap` once to deliver it from its beginning",
)

T = TypeVar("T")


class Tally:
    """What became of the messages; read from other threads."""

    def __init__(self, endpoints: tuple[str, ...] = ()) -> None:
        self.endpoints = endpoints
        self.delivered: Counter[tuple[str, str]] = Counter()
        """By endpoint and topic."""
        self.passed: Counter[tuple[str, str]] = Counter()
        """Not wanted, by endpoint and topic."""
        self.attempts: Counter[tuple[str, str]] = Counter()
        """By endpoint and how they ended."""
        self.letters: Counter[tuple[str, str]] = Counter()
        """By endpoint and reason."""
        self.up: dict[str, bool] = {}
        """Whether the last attempt was taken."""
        self.done_us: dict[str, int] = {}
        """Kafka timestamp of the newest record that is done with."""

    def tried(self, endpoint: str, outcome: str) -> None:
        self.attempts[endpoint, outcome] += 1
        self.up[endpoint] = outcome == "taken"


class Letters:
    """Dead letters of all endpoints by one producer, each on the broker when `send` returns."""

    def __init__(self, producer: Producer, pool: ThreadPoolExecutor) -> None:
        self._producer, self._pool = producer, pool
        self._one_at_a_time = asyncio.Lock()

    async def send(self, letter: Outgoing) -> None:
        async with self._one_at_a_time:
            self._producer.send(letter)
            await asyncio.get_running_loop().run_in_executor(self._pool, self._producer.confirm)


class Follower:
    """One endpoint: what it wants of the topics, in their order."""

    def __init__(
        self,
        endpoint: Endpoint,
        settings: Settings,
        pool: ThreadPoolExecutor,
        letters: Letters,
        tally: Tally,
        clock_us: Callable[[], int],
        stopping: Callable[[], bool],
    ) -> None:
        self._name = endpoint.name
        self._endpoint, self._settings = endpoint, settings
        self._pool, self._letters, self._tally = pool, letters, tally
        self._clock_us, self._stopping = clock_us, stopping
        self._path = folder_of(settings) / f"{endpoint.name}.json"
        self._caller = Caller(
            endpoint, settings.webhooks, clock_us, stopping, partial(tally.tried, endpoint.name)
        )
        topics = [Topic(one) for one in endpoint.topics]
        group = WEBHOOKS_GROUP + endpoint.name
        self._reader = TopicReader(settings.kafka, topics, group, _MEND, stopping=stopping)
        self._choice = Choice(endpoint)
        self._at: Positions = {}
        self._kept_us = 0
        self._cluster = ""
        self._work: asyncio.Future[Any] | None = None
        """In a thread, now or last."""

    async def run(self, once: bool, accept_gap: bool) -> None:
        """Until asked to stop, or until the end that the topics had at the start."""
        try:
            await self._in_thread(lambda: self._begin(accept_gap))
            log.info("%s: telling of %s", self._name, ", ".join(self._endpoint.topics))
            while not self._stopping():
                records = await self._in_thread(self._read)
                for record in records:
                    await self._bring(record)
                    self._at[self._lane(record)] = record.offset + 1
                    self._tally.done_us[self._name] = record.timestamp_us
                    if self._clock_us() - self._kept_us >= KEEP_US:
                        await self._in_thread(self._keep)
                if records or self._at != self._reader.at:
                    self._at = dict(self._reader.at)
                    await self._in_thread(self._keep)
                if not records and once and self._reader.at_end():
                    break
        except Stopped:
            await self._in_thread(self._keep)
        finally:
            if self._work is not None:
                await asyncio.wait([self._work])
            self._reader.close()
            await self._caller.close()

    def _begin(self, accept_gap: bool) -> None:
        self._cluster = self._reader.cluster()
        kept = kept_at(self._path, self._cluster, self._settings.kafka.prefix)
        self._choice = Choice(self._endpoint, kept.standing)
        self._reader.begin(
            kept.lanes, accept_loss=accept_gap, accept_anew=accept_gap, new_topics_at_end=True
        )
        self._at = dict(self._reader.at)
        # Or what comes before the first message would be over at the next start.
        self._keep()

    def _read(self) -> list[Record]:
        self._reader.grown()
        return self._reader.read(self._settings.webhooks.queue, READ_SECONDS)

    async def _bring(self, record: Record) -> None:
        """Returns once it is taken, not wanted, or a dead letter. Raises Stopped."""
        where = (self._name, record.topic.value)
        try:
            message = parse(record)
        except RejectedEvent as rejected:
            await self._refuse(record, rejected)
            return
        if not self._choice.wants(message):
            self._tally.passed[where] += 1
            return
        failed = await self._caller.deliver(id_of(record, message), body_of(record, message))
        if failed is None:
            self._tally.delivered[where] += 1
        else:
            detail = f"endpoint {self._name}: {failed.detail}"
            log.warning(
                "%s of %s: %s",
                id_of(record, message),
                record.topic.value,
                detail,
                extra={
                    "event_id": id_of(record, message),
                    "game_id": getattr(message, "game_id", None),
                    "endpoint": self._name,
                },
            )
            await self._refuse(record, RejectedEvent(failed.reason, detail))
        self._choice.told(message)

    async def _refuse(self, record: Record, rejected: RejectedEvent) -> None:
        await self._letters.send(dead_letter(record, rejected, reader=f"webhook-{self._name}"))
        self._tally.letters[self._name, rejected.reason] += 1

    def _keep(self) -> None:
        keep(
            self._path, self._cluster, self._settings.kafka.prefix, self._at, self._choice.standing
        )
        self._reader.show(self._at)
        self._kept_us = self._clock_us()

    def _lane(self, record: Record) -> Lane:
        return Lane(self._reader.names[record.topic], record.partition)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        self._work = asyncio.get_running_loop().run_in_executor(self._pool, work)
        result: T = await asyncio.shield(self._work)
        return result


def folder_of(settings: Settings) -> Path:
    """Where positions are kept."""
    return settings.home / "webhooks"


async def call_webhooks(
    settings: Settings,
    producer: Producer,
    clock_us: Callable[[], int],
    stopping: Callable[[], bool],
    once: bool = False,
    accept_gap: bool = False,
    tally: Tally | None = None,
) -> Tally:
    """All endpoints at once, until asked to stop, or until the end that the topics have now.

    Raises what ends it: ConfigError, OffsetOutOfRange, DeliveryFailed, DependencyDown.
    """
    endpoints = settings.webhooks.endpoints
    if not endpoints:
        raise ConfigError(
            "STEAMLINE_WEBHOOKS_ENDPOINTS", "names no endpoint", "docs/webhooks.md shows one"
        )
    tally = tally or Tally(tuple(one.name for one in endpoints))
    with (
        sole(folder_of(settings), "run", "steamline run webhooks"),
        # A thread each, or endpoints would wait for one another's readers.
        ThreadPoolExecutor(len(endpoints) + 1, "webhooks") as pool,
    ):
        letters = Letters(producer, pool)
        try:
            async with asyncio.TaskGroup() as group:
                for one in endpoints:
                    follower = Follower(one, settings, pool, letters, tally, clock_us, stopping)
                    group.create_task(follower.run(once, accept_gap))
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from None
    return tally
