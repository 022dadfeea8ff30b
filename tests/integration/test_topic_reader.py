"""Reading on from kept positions of a real broker, and what is told where they are gone."""

import logging
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions

from deploy.stack.kafka import KafkaBroker
from flows.connectors import recent
from flows.connectors.reading import Mend
from flows.connectors.topic_reader import Lane, Positions, TopicReader
from flows.steps.records import Record
from schemas.errors import DependencyDown, OffsetOutOfRange
from schemas.settings import KafkaSettings
from schemas.topics import Topic
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


@pytest.fixture
def topics(kafka: KafkaBroker) -> Topics:
    return Topics(kafka.bootstrap)


def rest(reader: TopicReader) -> list[Record]:
    found: list[Record] = []

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
        (2, "partition 0: the next record is at offset 10, the topic ends at 4", {0: 0, 1: 2}),
        (1, "partition 1: it was kept and is gone", {0: 3}),
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


def test_partitions_that_were_added_are_read_from_their_beginning(topics: Topics) -> None:
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
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        settings = KafkaSettings(bootstrap=f"127.0.0.1:{nobody.getsockname()[1]}")
        with pytest.raises(DependencyDown, match="Kafka has no answer"):
            list(recent.recent_events(settings, (Topic.LINES,), 0))
