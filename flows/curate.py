"""The curate flow: topics into Postgres, each record exactly once.

    read     a batch of records, whatever topic they are of          connectors/topic_reader
    prepare  bytes -> rows of their tables, or a dead letter         steps/curate
    letters  on Kafka, confirmed                                     connectors/kafka
    commit   rows and positions in one transaction                   connectors/postgres

The next batch is read and prepared while one is committed. What the database refuses although it
could be decoded becomes a dead letter too, alone: the rest of its batch goes in. While Postgres is
away the batch waits, and Kafka keeps what has not been read.
"""

import asyncio
import json
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TypeVar

from flows.connectors.parquet import ArchiveRecord, read_archive
from flows.connectors.postgres import DOWN, REFUSED, NotAlone, Store
from flows.connectors.reading import Complaints, Mend, Stopped
from flows.connectors.topic_reader import Positions, TopicReader
from flows.outage import Outage
from flows.steps.curate import REFUSED_BY_DATABASE, Load, Prepared, letter_of, prepare
from flows.steps.decode import DecodeRules
from flows.steps.records import Outgoing, Producer, Record
from flows.steps.rows import TABLES
from schemas.errors import RejectedEvent
from schemas.settings import Settings
from schemas.topics import Topic
from schemas.wire import SCHEMA_VERSION

log = logging.getLogger(__name__)

CURATE_GROUP = "steamline-curate"
"""Consumer group under which the curate flow shows its progress."""
READ_SECONDS = 0.2
"""A batch is as much as has come in this time."""
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
"""Between tries to reach Postgres."""
_MEND = Mend(
    "read",
    "run `steamline run curate --accept-gap` once to go on without them",
    "run `steamline run curate --accept-gap` once to load it from its beginning",
)

T = TypeVar("T")


class Batch(NamedTuple):
    records: Sequence[Record]
    prepared: Prepared
    ends: Positions


def rules_of(settings: Settings) -> DecodeRules:
    """As the score flow's, of any book: history keeps what today's settings leave out."""
    return replace(DecodeRules.of(settings), books=None)


def _now_us() -> int:
    return time.time_ns() // 1_000


class Account(Outage):
    """What became of the records, and whether Postgres answers; read from other threads."""

    def __init__(self, clock_us: Callable[[], int] = _now_us) -> None:
        super().__init__(clock_us)
        self.records: Counter[Topic] = Counter()
        """Done with, whatever became of them."""
        self.new: Counter[str] = Counter()
        """Rows that were not there before, by table."""
        self.repeats: Counter[str] = Counter()
        """Rows that were there already, by table."""
        self.refused: Counter[str] = Counter()
        """Dead letters by reason."""
        self.batches = 0
        self.committed_us: int | None = None
        self.covered: Positions = {}
        """How far the database holds the topics."""

    def committed(self, batch: "Batch", load: Load, new: Mapping[str, int] | None) -> None:
        """new: by table; none where the answer to the commit was lost, so that nobody knows."""
        self.batches += 1
        self.committed_us = self._clock_us()
        self.covered = self.covered | batch.ends
        self.records.update(record.topic for record in batch.records)
        if new is not None:
            self.new.update(new)
            for topic, entries in load.entries.items():
                name = TABLES[topic].name
                self.repeats[name] += len(entries) - new.get(name, 0)


class Curator:
    """Brings batches into the store, come what may; counts what became of them."""

    def __init__(
        self,
        store: Store,
        letters: Producer | None,
        stopping: Callable[[], bool] = lambda: False,
        account: Account | None = None,
    ) -> None:
        self._store, self._letters, self._stopping = store, letters, stopping
        self._complain = Complaints()
        self.account = account or Account()

    async def bring(self, batch: Batch, begins: Positions) -> None:
        """Returns once rows and positions are committed and dead letters confirmed.

        Raises Stopped when asked to end while it waits, OtherReader, DeliveryFailed.
        """
        await self._send(batch.prepared.letters)
        load = batch.prepared.load
        while True:
            try:
                new = await self._commit(load, begins, batch.ends)
                break
            except REFUSED:
                refused = await self.patiently(lambda load=load: self._store.refused(load))  # type: ignore[misc]
                await self._send(
                    letter
                    for number, why in sorted(refused.items())
                    for letter in letter_of(
                        batch.records[number], RejectedEvent(REFUSED_BY_DATABASE, why)
                    )
                )
                load = load.without(refused)
                if not refused:
                    # Somebody had taken away what rows refer to; it has been looked up anew.
                    new = await self._commit(load, begins, batch.ends)
                    break
        self.account.committed(batch, load, new)

    async def _commit(
        self, load: Load, begins: Positions, ends: Positions
    ) -> dict[str, int] | None:
        """Once, even where the answer to a commit was lost: then none."""
        tried = False

        async def commit() -> dict[str, int] | None:
            nonlocal tried
            if tried and ends:
                stored = await self._store.positions()
                if all(stored.get(lane) == at for lane, at in ends.items()):
                    return None
            tried = True
            return await self._store.commit(load, begins, ends)

        return await self.patiently(commit)

    async def patiently(self, question: Callable[[], Awaitable[T]]) -> T:
        """Asks the store until it answers. Raises Stopped."""
        pause = FIRST_PAUSE
        while True:
            try:
                await self._store.open()
                answer = await question()
                self.account.answered()
                return answer
            except NotAlone as other:
                self._complain("waiting: %s", other)
            except DOWN as down:
                self._complain("waiting for Postgres: %s: %s", type(down).__name__, down)
                self._store.drop()
                self.account.gone()
            if self._stopping():
                raise Stopped
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _send(self, letters: Iterable[Outgoing]) -> None:
        some = list(letters)
        for letter in some:
            self.account.refused[json.loads(letter.value)["reason"]] += 1
        if some and self._letters is not None:
            await asyncio.to_thread(self._deliver, self._letters, some)

    @staticmethod
    def _deliver(producer: Producer, letters: Sequence[Outgoing]) -> None:
        for letter in letters:
            producer.send(letter)
        producer.confirm()


async def curate_topics(
    settings: Settings,
    letters: Producer,
    stopping: Callable[[], bool],
    once: bool = False,
    accept_gap: bool = False,
    topics: Sequence[Topic] = tuple(Topic),
    account: Account | None = None,
) -> Account:
    """Until asked to stop, or until the current ends of the topics where it is to run `once`.

    What was not committed is read again next time.
    Raises what ends it: OffsetOutOfRange, OtherReader, DeliveryFailed, DependencyDown.
    """
    store = Store(settings.postgres, alone_on=settings.kafka.prefix)
    curator = Curator(store, letters, stopping, account)
    reader: TopicReader | None = None
    reading: asyncio.Task[Batch] | None = None
    try:
        stored = await curator.patiently(store.positions)
        curator.account.covered = stored
        await curator.patiently(lambda: store.note_books(settings.books, settings.sharp_books))
        reader = TopicReader(settings.kafka, topics, CURATE_GROUP, _MEND, stopping=stopping)
        gone = await asyncio.to_thread(reader.resume, stored, accept_gap)
        log.info("reading %s on from %d records", settings.kafka.prefix, sum(reader.at.values()))
        next_batch = _Reading(reader, rules_of(settings), settings.curate.batch)
        if gone:
            nothing = Batch([], prepare([], rules_of(settings)), dict.fromkeys(gone, 0))
            await curator.bring(nothing, {lane: stored[lane] for lane in gone})
            stored = stored | nothing.ends
        reading = asyncio.create_task(asyncio.to_thread(next_batch))
        while not stopping():
            batch = await reading
            reading = None
            if not batch.records and once and reader.at_end():
                break
            reading = asyncio.create_task(asyncio.to_thread(next_batch))
            known = {lane: at for lane, at in stored.items() if lane in batch.ends}
            if batch.records or batch.ends != known:
                before = curator.account.refused.total()
                await curator.bring(batch, known)
                stored = stored | batch.ends
                reader.show(batch.ends)
                if curator.account.refused.total() > before:
                    await asyncio.to_thread(reader.extend, Topic.DEAD_LETTERS)
    except Stopped:
        pass
    finally:
        if reading is not None:
            await asyncio.wait([reading])
        if reader is not None:
            reader.close()
        await store.close()
    return curator.account


class _Reading:
    """The next batch, whatever thread asks."""

    def __init__(self, reader: TopicReader, rules: DecodeRules, most: int) -> None:
        self._reader, self._rules, self._most = reader, rules, most

    def __call__(self) -> Batch:
        self._reader.grown()
        records = self._reader.read(self._most, READ_SECONDS)
        return Batch(records, prepare(records, self._rules), dict(self._reader.at))


async def curate_archive(
    settings: Settings,
    root: Path,
    watch: Callable[[Iterable[ArchiveRecord]], Iterable[ArchiveRecord]] = iter,
) -> Account:
    """The same rows out of an archive, without places on Kafka. Its refused records are counted,
    not sent: they are in the archive still.

    Raises DataMissing where there is no archive.
    """
    store = Store(settings.postgres)
    curator = Curator(store, None)
    rules = rules_of(settings)
    records = watch(read_archive(root, tuple(Topic)))
    try:
        await curator.patiently(lambda: store.note_books(settings.books, settings.sharp_books))
        await bring_all(curator, batches(records, settings.curate.batch), rules)
    finally:
        await store.close()
    return curator.account


async def bring_all(curator: Curator, some: Iterator[list[Record]], rules: DecodeRules) -> None:
    """Records without places on Kafka; the next batch is prepared while one is committed."""

    def next_batch() -> Batch | None:
        records = next(some, None)
        return None if records is None else Batch(records, prepare(records, rules, False), {})

    batch = await asyncio.to_thread(next_batch)
    while batch is not None:
        preparing = asyncio.create_task(asyncio.to_thread(next_batch))
        try:
            await curator.bring(batch, {})
        finally:
            await asyncio.wait([preparing])
        batch = await preparing


def batches(records: Iterable[ArchiveRecord], most: int) -> Iterator[list[Record]]:
    left = iter(records)
    number = 0
    while some := list(islice(left, most)):
        yield [
            Record(
                one.topic,
                0,
                number + place,
                one.occurred_at_us,
                one.game_id.encode(),
                one.value,
                SCHEMA_VERSION,
            )
            for place, one in enumerate(some)
        ]
        number += len(some)
