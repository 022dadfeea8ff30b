"""The ordered source on a real broker: what it reads, in which order, and when it refuses."""

import random
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

import flows.connectors.topics
from deploy.stack import kafka as broker_module
from deploy.stack.kafka import KafkaBroker
from deploy.stack.process import LOOPBACK, free_port
from flows.connectors.kafka import KafkaSource, KafkaSourcePartition
from flows.connectors.topics import ensure_topics
from flows.steps.records import Record
from schemas.errors import DependencyDown, OffsetOutOfRange
from schemas.sections.servers import KafkaSettings
from schemas.topics import INPUTS, Topic
from tests.system import PARTITIONS, Lag, Sent, Site, Trained, sent, wait_for

NOON_MS = 1_775_822_400_000
RANK = {topic.value: rank for rank, topic in enumerate(INPUTS)}

Where = tuple[str, int, int]
"""Topic, partition, offset."""


@pytest.fixture
def site(kafka: KafkaBroker, redis_url: str, trained: Trained, tmp_path: Path) -> Iterator[Site]:
    with Site(trained, kafka.bootstrap, redis_url, tmp_path) as site:
        site.create()
        yield site


def settings(site: Site, **options: str | int) -> KafkaSettings:
    return KafkaSettings(bootstrap=site.bootstrap, prefix=site.prefix, options=dict(options))


@contextmanager
def reading(
    kafka: KafkaSettings, resume: bytes | None = None, group: str = "test"
) -> Iterator[KafkaSourcePartition]:
    source = KafkaSource(kafka, INPUTS, group)
    assert source.list_parts() == ["all"]
    part = source.build_part("events", "all", resume)
    yield part
    part.close()


def take(part: KafkaSourcePartition, count: int, seconds: float = 20) -> list[Record]:
    """At least so many records."""
    found: list[Record] = []

    def enough() -> bool:
        found.extend(part.next_batch())
        return len(found) >= count

    wait_for(enough, f"{count} records", seconds)
    return found


def where(records: list[Record]) -> list[Where]:
    return [(one.topic.value, one.partition, one.offset) for one in records]


def history(count: int, seed: int = 1) -> list[Sent]:
    """Records of all input topics over two minutes, many at the same millisecond."""
    dice = random.Random(seed)
    records = [
        Sent(
            topic=dice.choice(INPUTS),
            key=f"game-{dice.randrange(40)}".encode(),
            value=str(number).encode(),
            timestamp_ms=NOON_MS + dice.randrange(600) * 200,
        )
        for number in range(count)
    ]
    return sorted(records, key=lambda one: one.timestamp_ms)


def test_order_is_time_then_topic_whatever_was_sent_first(site: Site) -> None:
    records = history(3_000)
    # One topic after the other, the last in rank first: as far from the order as it goes.
    written: list[tuple[Sent, Where]] = []
    for topic in reversed(INPUTS):
        of_topic = [one for one in records if one.topic is topic]
        written += zip(of_topic, site.send(of_topic), strict=True)
    expected = [
        place
        for one, place in sorted(
            written, key=lambda pair: (pair[0].timestamp_ms, RANK[pair[1][0]], *pair[1][1:])
        )
    ]
    assert len({place[:2] for place in expected}) == len(INPUTS) * PARTITIONS
    with reading(settings(site)) as part:
        found = take(part, len(records))
    assert where(found) == expected
    values = {place: one.value for one, place in written}
    assert all(one.value == values[at] for one, at in zip(found, expected, strict=True))
    # The same again, a few records at a time: batches must not show in the order.
    few = {"queued.min.messages": 1, "fetch.message.max.bytes": 1_000}
    with reading(settings(site, **few)) as part:
        assert where(take(part, len(records), 60)) == expected


def test_it_goes_on_from_its_snapshot(site: Site) -> None:
    records = history(3_000, seed=2)
    site.send(records)
    with reading(settings(site)) as part:
        whole = where(take(part, len(records)))
    with reading(settings(site)) as part:
        before = where(take(part, 1))
        resume = part.snapshot()
    assert 0 < len(before) < len(records)
    with reading(settings(site), resume) as part:
        after = where(take(part, len(records) - len(before)))
        end = part.snapshot()
    assert before + after == whole
    with reading(settings(site), end) as part:
        assert part.next_batch() == []
        site.send([Sent(Topic.GAMES, b"game", b"new", NOON_MS)])
        assert [one.value for one in take(part, 1)] == [b"new"]


def test_progress_shows_in_the_consumer_group(site: Site) -> None:
    records = history(500, seed=3)
    site.send(records)
    with Lag(site) as lag:
        with reading(settings(site), group="steamline-score") as part:
            found = take(part, len(records))
            part.snapshot()
            assert lag.done() == 0, "what came of these records may not be out yet"
            part.snapshot()
            wait_for(lambda: lag.behind() == 0, "no lag")
        assert lag.done() == len(found) == len(records)


def delete_before(site: Site, topic: Topic, partition: int, offset: int) -> None:
    """What retention does, at once."""
    admin = AdminClient({"bootstrap.servers": site.bootstrap})
    place = TopicPartition(topic.full(site.prefix), partition, offset)
    admin.delete_records([place])[place].result(20)


def test_deleted_events_stop_the_start_with_one_line(site: Site, trained: Trained) -> None:
    records = sent(trained.slate.records())[:1_500]
    places = site.send(records)
    site.run_to_end()
    done = len(site.decisions())
    (topic, partition, offset), again = places[-1], records[-1:] * 3
    site.send(again)
    delete_before(site, Topic(topic), partition, offset + 3)
    worker = site.worker()
    assert worker.wait() == 1
    *_, last = worker.said.splitlines()
    assert last.startswith(f"error: {site.prefix}{topic} partition {partition}: ")
    assert f"offset {offset + 1}" in last
    assert f"holds {offset + 3} to {offset + 4}" in last
    assert "empty recovery folder" in last
    assert "Traceback" not in worker.said
    assert len(site.decisions()) == done


def test_events_deleted_before_they_were_fetched_stop_the_flow(site: Site) -> None:
    few = {"queued.min.messages": 1, "fetch.message.max.bytes": 1_000}
    site.batch = 10
    site.send([Sent(Topic.GAMES, b"game", b"x" * 90, NOON_MS + n) for n in range(5_000)])
    with reading(settings(site, **few)) as part:
        (first, *_) = take(part, 1)
        delete_before(site, Topic.GAMES, first.partition, 5_000)
        with pytest.raises(OffsetOutOfRange, match=rf"games partition {first.partition}: "):
            take(part, 5_000)


@pytest.mark.parametrize("partitions", [PARTITIONS, 1])
def test_a_topic_made_anew_is_refused(site: Site, partitions: int) -> None:
    site.send(history(600, seed=4))
    with reading(settings(site)) as part:
        take(part, 600)
        resume = part.snapshot()
    name = Topic.LINES.full(site.prefix)
    admin = AdminClient({"bootstrap.servers": site.bootstrap})
    admin.delete_topics([name])[name].result(20)
    wait_for(lambda: name not in admin.list_topics(timeout=5).topics, "deleted")
    site.create_one(Topic.LINES, partitions)
    # Partition 0 alone fits again: the others are what must be missed.
    if partitions == 1:
        site.send([Sent(Topic.LINES, b"game", b"x", NOON_MS)] * 600)
    with pytest.raises(OffsetOutOfRange, match=r"lines partition \d"):
        KafkaSource(settings(site), INPUTS, "test").build_part("events", "all", resume)


def test_the_state_of_other_topics_is_refused(site: Site) -> None:
    with reading(settings(site)) as part:
        resume = part.snapshot()
    with pytest.raises(OffsetOutOfRange, match="another recovery folder"):
        KafkaSource(settings(site), (Topic.GAMES,), "test").build_part("events", "all", resume)


def transactional(site: Site) -> Producer:
    producer = Producer({"bootstrap.servers": site.bootstrap, "transactional.id": uuid.uuid4().hex})
    producer.init_transactions(20)
    return producer


def produce(producer: Producer, site: Site, topic: Topic, *values: tuple[bytes, int]) -> None:
    for value, ms in values:
        producer.produce(topic.full(site.prefix), value, b"game", timestamp=NOON_MS + ms)


def test_markers_of_transactions_hold_nobody_up(site: Site) -> None:
    producer = transactional(site)
    producer.begin_transaction()
    produce(producer, site, Topic.GAMES, (b"kept", 1))
    producer.commit_transaction(20)
    producer.begin_transaction()
    produce(producer, site, Topic.GAMES, (b"dropped", 2))
    producer.flush(20)
    producer.abort_transaction(20)
    site.send([Sent(Topic.LINES, b"game", b"later", NOON_MS + 3)])
    with reading(settings(site)) as part:
        assert [one.value for one in take(part, 2)] == [b"kept", b"later"]
        resume = part.snapshot()
    with reading(settings(site), resume) as part:
        site.send([Sent(Topic.LINES, b"game", b"last", NOON_MS + 4)])
        assert [one.value for one in take(part, 1)] == [b"last"]


def test_an_open_transaction_is_waited_for(site: Site) -> None:
    """What it holds comes before what was sent later, as on every other reading."""
    producer = transactional(site)
    producer.begin_transaction()
    produce(producer, site, Topic.GAMES, (b"first", 1))
    producer.flush(20)
    site.send([Sent(Topic.LINES, b"game", b"second", NOON_MS + 2)])
    with reading(settings(site)) as part:
        seen = [one for _ in range(20) for one in part.next_batch()]
        assert seen == []
        producer.commit_transaction(20)
        assert [one.value for one in take(part, 2)] == [b"first", b"second"]


def test_encryption_asked_of_a_plain_broker_is_told_and_ends(
    kafka: KafkaBroker, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(flows.connectors.topics, "TIMEOUT_SECONDS", 3.0)
    tls = KafkaSettings(bootstrap=kafka.bootstrap, options={"security.protocol": "SSL"})
    with pytest.raises(DependencyDown, match=rf"Kafka at {kafka.bootstrap}"):
        ensure_topics(tls)
    assert "SSL handshake failed" in capfd.readouterr().err


SASL = """\
listener.name.sasl.plain.sasl.jaas.config=\
org.apache.kafka.common.security.plain.PlainLoginModule required user_steam="right-one";
sasl.enabled.mechanisms=PLAIN
"""


def test_password_goes_to_the_broker_and_nowhere_else(
    kafka_libs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    port = free_port()
    listener = f",SASL://{LOOPBACK}:{port}"
    lines = (broker_module.PROPERTIES + SASL).splitlines()
    ends = {
        "listeners=": listener,
        "advertised.listeners=": listener,
        "listener.security.protocol.map=": ",SASL:SASL_PLAINTEXT",
    }
    monkeypatch.setattr(
        broker_module,
        "PROPERTIES",
        "\n".join(line + ends.get(line[: line.find("=") + 1], "") for line in lines) + "\n",
    )
    monkeypatch.setattr(flows.connectors.topics, "TIMEOUT_SECONDS", 5.0)
    monkeypatch.setenv(
        "STEAMLINE_KAFKA_OPTIONS",
        '{"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN",'
        ' "sasl.username": "steam"}',
    )
    monkeypatch.setenv("STEAMLINE_KAFKA_BOOTSTRAP", f"{LOOPBACK}:{port}")
    broker = KafkaBroker(tmp_path / "kafka", kafka_libs)
    broker.start()
    try:
        from schemas.settings import Settings

        monkeypatch.setenv("STEAMLINE_KAFKA_SASL_PASSWORD", "wrong-one")
        with pytest.raises(DependencyDown):
            ensure_topics(Settings.read().kafka)
        told = capfd.readouterr().err
        assert "Authentication failed" in told
        assert "wrong-one" not in told
        monkeypatch.setenv("STEAMLINE_KAFKA_SASL_PASSWORD", "right-one")
        right = Settings.read().kafka
        ensure_topics(right)
        plain = Producer({"bootstrap.servers": broker.bootstrap})
        plain.produce(Topic.LINES.full(right.prefix), b"x", b"game", timestamp=NOON_MS)
        assert plain.flush(20) == 0
        with reading(right) as part:
            assert [one.value for one in take(part, 1)] == [b"x"]
        assert "right-one" not in repr(right)
    finally:
        broker.stop()


def test_another_group_member_sees_the_offsets(site: Site) -> None:
    """A plain consumer that joins the group goes on where the flow has committed."""
    site.send([Sent(Topic.GAMES, b"game", str(n).encode(), NOON_MS + n) for n in range(10)])
    with reading(settings(site), group="shared") as part:
        take(part, 10)
        part.snapshot()
        part.snapshot()
        with_group = {"bootstrap.servers": site.bootstrap, "group.id": "shared"}
        consumer = Consumer({**with_group, "auto.offset.reset": "earliest"})
        places = [TopicPartition(Topic.GAMES.full(site.prefix), n) for n in range(PARTITIONS)]
        wait_for(
            lambda: sum(one.offset for one in consumer.committed(places, timeout=10)) == 10,
            "committed",
        )
    consumer.subscribe([Topic.GAMES.full(site.prefix)])
    site.send([Sent(Topic.GAMES, b"game", b"next", NOON_MS + 99)])
    message = consumer.poll(20)
    consumer.close()
    assert message is not None
    assert message.value() == b"next"
