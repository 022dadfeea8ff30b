"""Reading on from kept positions of a real broker, and what is told where they are gone."""

import logging
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.cimpl import NewPartitions, NewTopic

from deploy.stack.kafka import KafkaBroker
from flows.archive import archive
from flows.connectors import reading, recent, topic_reader
from flows.connectors.reading import Mend, Stopped
from flows.connectors.topic_reader import Lane, Positions, TopicReader
from flows.steps.records import Record
from schemas.errors import DependencyDown, OffsetOutOfRange
from schemas.sections.servers import KafkaSettings
from schemas.settings import Settings
from schemas.topics import Topic
from tests import samples
from tests.system import create_topics, wait_for

MEND = Mend("kept", "mend the loss", "mend what is new")
PARTITIONS = 2


class Topics:
    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self.settings = KafkaSettings(bootstrap=bootstrap, prefix=f"t{uuid.uuid4().hex[:8]}.")
        self.name = Topic.LINES.full(self.settings.prefix)
        self.admin = AdminClient({"bootstrap.servers": bootstrap})
        create_topics(bootstrap, [self.name], PARTITIONS)

    def lane(self, partition: int) -> Lane:
        return Lane(self.name, partition)

    def send(self, partition: int, count: int, **options: str) -> Producer:
        producer = Producer({"bootstrap.servers": self.bootstrap, **options})
        if options:
            producer.init_transactions(20)
            producer.begin_transaction()
        for number in range(count):
            producer.produce(self.name, b"%d" % number, partition=partition)
        producer.flush(20)
        return producer

    def delete_before(self, partition: int, offset: int) -> None:
        """What retention does."""
        wanted = [TopicPartition(self.name, partition, offset)]
        for done in self.admin.delete_records(wanted).values():
            done.result(20)

    def make_anew(self, partitions: int) -> None:
        self.admin.delete_topics([self.name])[self.name].result(20)
        wait_for(lambda: self.name not in self.admin.list_topics(timeout=5).topics, "deleted")
        create_topics(self.bootstrap, [self.name], partitions)

    @contextmanager
    def reader(self) -> Iterator[TopicReader]:
        reader = TopicReader(self.settings, [Topic.LINES], "test", MEND)
        try:
            yield reader
        finally:
            reader.close()

    def begin(self, known: Positions, **accepted: bool) -> Positions:
        with self.reader() as reader:
            reader.begin(known, **accepted)
            return dict(reader.at)


@contextmanager
def nobody() -> Iterator[KafkaSettings]:
    """Where nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield KafkaSettings(bootstrap=f"127.0.0.1:{held.getsockname()[1]}")


@pytest.fixture
def topics(kafka: KafkaBroker) -> Topics:
    return Topics(kafka.bootstrap)


def rest(reader: TopicReader, found: list[Record] | None = None) -> list[Record]:
    """What is left until the end, behind what has been found."""
    found = [] if found is None else found

    def all_read() -> bool:
        found.extend(reader.read(100, 0.1))
        return reader.at_end()

    wait_for(all_read, "the end")
    return found


def test_it_goes_on_from_known_positions_and_reads_the_others_whole(topics: Topics) -> None:
    topics.send(0, 5)
    topics.send(1, 3)
    with topics.reader() as reader:
        reader.begin({topics.lane(0): 4, Lane("of.others", 7): 9})
        found = rest(reader)
        assert sorted((one.partition, one.offset) for one in found) == [
            (0, 4),
            (1, 0),
            (1, 1),
            (1, 2),
        ]
        assert reader.at == {topics.lane(0): 5, topics.lane(1): 3}


def test_only_what_retention_deleted_is_a_loss_that_can_be_accepted_as_one(
    topics: Topics, caplog: pytest.LogCaptureFixture
) -> None:
    topics.send(0, 10)
    topics.send(1, 10)
    topics.delete_before(0, 7)
    known = {topics.lane(0): 4, topics.lane(1): 6}
    for accepted in ({}, {"accept_anew": True}):
        with pytest.raises(OffsetOutOfRange) as told:
            topics.begin(known, **accepted)
        assert str(told.value) == (
            f"{topics.name} partition 0: the next record is at offset 4, the topic holds 7 to 10: "
            "retention has deleted 3 records that were not kept; mend the loss"
        )
    with caplog.at_level(logging.WARNING):
        at = topics.begin(known, accept_loss=True)
    assert at == {topics.lane(0): 7, topics.lane(1): 6}, "the other goes on where it was"
    assert "deleted 3 records" in caplog.text


@pytest.mark.parametrize(
    ("partitions", "told", "at"),
    [
        (2, "partition 0: the next record is at offset 10, the topic ends at 4", {0: 0, 1: 0}),
        (1, "partition 1: it was kept to offset 2 and is gone", {0: 0}),
    ],
)
def test_a_topic_made_anew_is_no_loss_by_retention(
    topics: Topics, partitions: int, told: str, at: dict[int, int]
) -> None:
    topics.send(0, 10)
    topics.send(1, 2)
    known = {topics.lane(0): 10 if partitions == 2 else 3, topics.lane(1): 2}
    topics.make_anew(partitions)
    for partition in range(partitions):
        topics.send(partition, 4)
    for accepted in ({}, {"accept_loss": True}):
        with pytest.raises(OffsetOutOfRange, match=r"made anew.*; mend what is new") as raised:
            topics.begin(known, **accepted)
        assert f"{topics.name} {told}" in str(raised.value)
    found = topics.begin(known, accept_anew=True)
    assert found == {topics.lane(partition): offset for partition, offset in at.items()}


def test_partitions_that_were_added_are_read_from_their_beginning(
    topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topic_reader, "LOOK_SECONDS", 0.0)
    topics.send(0, 2)
    with topics.reader() as reader:
        reader.begin({})
        assert len(rest(reader)) == 2
        assert reader.grown() == []
        topics.admin.create_partitions([NewPartitions(topics.name, 3)])[topics.name].result(20)
        topics.send(2, 4)
        new: list[Lane] = []

        def has_grown() -> bool:
            new.extend(reader.grown())
            return bool(new)

        wait_for(has_grown, "the new partition")
        assert new == [topics.lane(2)]
        assert reader.at[topics.lane(2)] == 0
        assert not reader.at_end(), "what is there counts as having been there"
        assert [(one.partition, one.offset) for one in rest(reader)] == [(2, n) for n in range(4)]
        topics.send(0, 1)
        assert reader.at_end()
        reader.extend(Topic.LINES)
        assert [(one.partition, one.offset) for one in rest(reader)] == [(0, 2)]


def test_what_a_transaction_took_back_or_holds_open_does_not_keep_it_from_the_end(
    topics: Topics,
) -> None:
    topics.send(0, 1)
    taken_back = topics.send(0, 3, **{"transactional.id": uuid.uuid4().hex})
    taken_back.abort_transaction(20)
    still_open = topics.send(1, 2, **{"transactional.id": uuid.uuid4().hex})
    with topics.reader() as reader:
        reader.begin({})
        assert [(one.partition, one.offset) for one in rest(reader)] == [(0, 0)]
    still_open.abort_transaction(20)


def test_patience_ends_where_it_is_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "TIMEOUT_SECONDS", 0.0)
    monkeypatch.setattr(reading, "_ASK_SECONDS", 0.3)
    with nobody() as settings:
        told = f"Kafka at {settings.bootstrap}: no answer for 0 s"
        with pytest.raises(DependencyDown, match=told):
            list(recent.recent_events(settings, (Topic.LINES,), 0))


def test_a_stop_is_heeded_while_kafka_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_ASK_SECONDS", 0.3)
    asked = iter([False, True])
    with nobody() as settings:
        reader = TopicReader(settings, [Topic.LINES], "test", stopping=lambda: next(asked))
        with pytest.raises(Stopped):
            reader.begin({})
        assert list(asked) == [], "it has been tried again before"
        reader.close()
        ours = Settings(kafka=settings)
        assert archive(ours, tmp_path / "live", stopping=lambda: True) == {}


def test_a_broker_that_goes_and_comes_back(
    own_kafka: KafkaBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed, so that its partitions have new leaders' epochs: each record comes once."""
    monkeypatch.setattr(topic_reader, "LOOK_SECONDS", 0.0)
    topics = Topics(own_kafka.bootstrap)
    topics.send(0, 1_000)
    with topics.reader() as reader:
        reader.begin({})
        found = rest(reader)
        own_kafka.kill()
        assert reader.read(100, 0.5) == []
        assert reader.grown() == [], "nobody is waited for"
        own_kafka.start()
        wait_for(lambda: topics.send(0, 1_000) is not None, "up")
        topics.send(1, 10)
        reader.extend(Topic.LINES)
        found += rest(reader)
    assert sorted((one.partition, one.offset) for one in found) == [
        *((0, n) for n in range(2_000)),
        *((1, n) for n in range(10)),
    ]


def few_at_once(topics: Topics) -> None:
    """The client fetches little ahead of what is read."""
    options: dict[str, str | int | float | bool] = {
        "queued.min.messages": 1,
        "fetch.message.max.bytes": 1_000,
    }
    topics.settings = topics.settings.model_copy(update={"options": options})


def test_retention_that_overtakes_stops_it_behind_what_had_come(topics: Topics) -> None:
    few_at_once(topics)
    for _ in range(50):
        topics.send(0, 100)
    topics.send(1, 5)
    with topics.reader() as reader:
        reader.begin({})
        found: list[Record] = []
        while not found:
            found += reader.read(1, 1.0)
        topics.delete_before(0, 5_000)
        with pytest.raises(OffsetOutOfRange) as told:
            rest(reader, found)
        assert str(told.value).startswith(f"{topics.name} partition 0: ")
        assert "by retention or with the topic; mend the loss" in str(told.value)
        with pytest.raises(OffsetOutOfRange):
            reader.read(100, 0.1)
        assert [one.offset for one in found if one.partition == 0] == list(
            range(reader.at[topics.lane(0)])
        ), "what had come was handed over"
        assert 0 < reader.at[topics.lane(0)] < 5_000


def test_a_memory_passes_over_what_retention_deletes_meanwhile(topics: Topics) -> None:
    few_at_once(topics)
    producer = Producer({"bootstrap.servers": topics.bootstrap})
    said = [samples.line(second) for second in range(1_000)]
    for one in said:
        producer.produce(topics.name, one.model_dump_json().encode(), partition=0)
        producer.flush(20)
    told = recent.recent_events(topics.settings, (Topic.LINES,), 0)
    assert next(told) == said[0]
    topics.delete_before(0, 998)
    left = list(told)
    assert len(left) < 900, "some were gone"
    assert left[-2:] == said[-2:]


def test_a_topic_made_anew_under_the_reader_stops_it(topics: Topics) -> None:
    topics.send(0, 10)
    with topics.reader() as reader:
        reader.begin({})
        rest(reader)
        topics.make_anew(PARTITIONS)
        topics.send(0, 4)
        with pytest.raises(OffsetOutOfRange, match=f"{topics.name} partition 0: "):
            wait_for(lambda: bool(reader.read(100, 0.1)), "it to notice", 30)


def test_a_bit_that_flips_on_the_broker_is_no_other_record(
    topics: Topics, kafka: KafkaBroker, caplog: pytest.LogCaptureFixture
) -> None:
    producer = Producer({"bootstrap.servers": topics.bootstrap})
    for price in (b"price 1.85", b"price 1.90", b"price 1.95"):
        producer.produce(topics.name, price, partition=0)
        producer.flush(20)
    (log,) = kafka.home.glob(f"**/{topics.name}-0/*.log")
    where = log.read_bytes().index(b"1.90")
    with log.open("r+b") as file:
        file.seek(where)
        file.write(b"9")
    with topics.reader() as reader:
        reader.begin({})
        found: list[Record] = []

        def told() -> bool:
            found.extend(reader.read(100, 0.1))
            return "failed CRC32C check" in caplog.text

        wait_for(told, "told")
        assert [one.offset for one in found] == [0]
        assert not reader.at_end()


@pytest.fixture
def eager_cleaner(topics: Topics) -> Iterator[None]:
    """The broker compacts at once, not every 15 seconds."""

    def set_to(value: str | None) -> None:
        how = AlterConfigOpType.DELETE if value is None else AlterConfigOpType.SET
        entry = ConfigEntry("log.cleaner.backoff.ms", value, incremental_operation=how)
        resource = ConfigResource(ConfigResource.Type.BROKER, "1", incremental_configs=[entry])
        for done in topics.admin.incremental_alter_configs([resource]).values():
            done.result(20)

    set_to("100")
    yield
    set_to(None)


@pytest.mark.usefixtures("eager_cleaner")
def test_holes_that_compaction_leaves_are_no_loss(topics: Topics) -> None:
    compacted = {
        "cleanup.policy": "compact",
        "min.cleanable.dirty.ratio": "0.01",
        "segment.bytes": "1048576",
        "segment.ms": "100",
    }
    name = Topic.GAMES.full(topics.settings.prefix)
    topics.admin.create_topics([NewTopic(name, 1, 1, config=compacted)])[name].result(20)
    producer = Producer({"bootstrap.servers": topics.bootstrap})

    def produce(count: int) -> None:
        """One key of its own in ten records, the others share one."""
        for number in range(count):
            producer.produce(name, b"x", b"shared" if number % 10 else b"%d" % number)
        producer.flush(20)

    def offsets(begin: int) -> list[int]:
        reader = TopicReader(topics.settings, [Topic.GAMES], "test", MEND)
        try:
            reader.begin({Lane(name, 0): begin})
            return [one.offset for one in rest(reader)]
        finally:
            reader.close()

    def cleaned() -> bool:
        produce(1)  # the newest segment is left alone
        return 98 not in offsets(0)

    produce(100)
    wait_for(cleaned, "compacted", 30)
    whole = offsets(0)
    assert [n for n in whole if n < 100] == [*range(10, 100, 10), 99], "0 was written again"
    assert offsets(45) == [n for n in whole if n >= 45], "a position may be in a hole"
