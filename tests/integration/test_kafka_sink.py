"""The confirmed producer and sink on a real broker: nothing is called written that is not."""

import random
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from confluent_kafka import Message
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType

import flows.connectors.kafka
from deploy.stack.kafka import KafkaBroker
from flows.connectors.kafka import ConfirmedProducer, KafkaSink
from flows.steps.records import Outgoing
from schemas.errors import DeliveryFailed
from schemas.sections.servers import KafkaSettings
from schemas.topics import Topic
from tests.system import Site, Trained, content, create_topics, read_topic, sent, wait_for

NOON_US = 1_775_822_400_000_000


@pytest.fixture
def prefix() -> str:
    return f"t{uuid.uuid4().hex[:8]}."


def message(number: int, size: int = 0) -> Outgoing:
    """size: of a tail that does not compress."""
    return Outgoing(
        topic=Topic.PREDICTIONS,
        key=f"game-{number % 7}",
        message_id=f"id-{number}",
        timestamp_us=NOON_US + number * 1_000,
        value=f"value-{number}".encode() + random.Random(number).randbytes(size),
    )


def by_id(messages: list[Message]) -> dict[str, Message]:
    found = {}
    for one in messages:
        value = dict(one.headers() or ())["id"]
        assert isinstance(value, bytes)
        assert value.decode() not in found, "written twice"
        found[value.decode()] = one
    return found


def test_what_is_confirmed_is_on_the_broker_as_given(kafka: KafkaBroker, prefix: str) -> None:
    name = Topic.PREDICTIONS.full(prefix)
    create_topics(kafka.bootstrap, [name])
    sink = KafkaSink(KafkaSettings(bootstrap=kafka.bootstrap, prefix=prefix))
    part = sink.build_part("messages", "all", None)
    part.write_batch([[message(0), message(1)], [], [message(n) for n in range(2, 2_000)]])
    part.snapshot()
    found = by_id(read_topic(kafka.bootstrap, name))
    part.close()
    assert len(found) == 2_000
    for number in range(2_000):
        one, asked = found[f"id-{number}"], message(number)
        assert one.key() == asked.key.encode()
        assert one.value() == asked.value
        assert one.timestamp()[1] == asked.timestamp_us // 1_000
        assert dict(one.headers() or ()) == {
            "schema": b"predictions",
            "version": b"1",
            "id": f"id-{number}".encode(),
        }
    of_a_game: dict[bytes, list[int]] = {}
    for one in read_topic(kafka.bootstrap, name):
        key = one.key()
        assert isinstance(key, bytes)
        of_a_game.setdefault(key, []).append(one.timestamp()[1])
    assert len(of_a_game) == 7
    assert all(times == sorted(times) for times in of_a_game.values()), "order within a game"


def test_a_message_the_topic_refuses_fails_the_snapshot(kafka: KafkaBroker, prefix: str) -> None:
    create_topics(kafka.bootstrap, [Topic.PREDICTIONS.full(prefix)], max_message_bytes="1000")
    sink = KafkaSink(KafkaSettings(bootstrap=kafka.bootstrap, prefix=prefix))
    part = sink.build_part("messages", "all", None)
    part.write_batch([[message(1), message(2, size=5_000)]])
    with pytest.raises(DeliveryFailed, match=r"1 messages refused.*predictions key b'game-2'"):
        part.snapshot()
    with pytest.raises(DeliveryFailed):
        part.write_batch([[message(3)]])
    with pytest.raises(DeliveryFailed):
        part.snapshot()
    part.close()  # Bytewax calls it while it unwinds: it must not raise once more


@pytest.fixture
def site(kafka: KafkaBroker, redis_url: str, trained: Trained, tmp_path: Path) -> Iterator[Site]:
    with Site(trained, kafka.bootstrap, redis_url, tmp_path) as site:
        yield site


def test_a_refused_message_stops_the_worker_and_is_made_up_for(
    site: Site, trained: Trained, redis_url: str, tmp_path: Path
) -> None:
    """It ends with one line; once the topic takes the message, nothing has been skipped."""
    rest = [topic for topic in Topic if topic is not Topic.STAKES]
    site.create(rest)
    site.create_one(Topic.STAKES, max_message_bytes="450")
    *records, last_one = sent(trained.slate.records())[:1_500]
    site.send(records)
    worker = site.worker()
    assert worker.wait() == 1
    *_, last = worker.said.splitlines()
    assert last.startswith("error: ")
    assert f"{site.prefix}stakes" in last
    assert "size too large" in last
    assert "Traceback" not in worker.said
    refused = {content(one) for one in site.read(Topic.STAKES)}

    name = Topic.STAKES.full(site.prefix)
    entry = ConfigEntry("max.message.bytes", "1048576", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": site.bootstrap})
    admin.incremental_alter_configs([resource])[resource].result(20)
    site.send([last_one])
    site.run_to_end()
    decisions = site.decisions()
    stakes = {key for key in decisions if key.startswith("stakes/")}
    assert len(stakes) > len(refused)
    with Site(trained, site.bootstrap, redis_url, tmp_path) as undisturbed:
        undisturbed.create()
        undisturbed.send([*records, last_one])
        undisturbed.run_to_end()
        same = undisturbed.decisions() == decisions
    assert same


def test_a_dead_broker_is_waited_for_and_nothing_is_lost(
    own_kafka: KafkaBroker, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flows.connectors.kafka, "MAX_IN_FLIGHT", 1_000)
    name = Topic.PREDICTIONS.full(prefix)
    create_topics(own_kafka.bootstrap, [name])
    producer = ConfirmedProducer(KafkaSettings(bootstrap=own_kafka.bootstrap, prefix=prefix))
    for number in range(500):
        producer.send(message(number))
    producer.confirm()
    own_kafka.kill()
    accepted = 500

    def send_on() -> None:
        nonlocal accepted
        for number in range(500, 3_500):
            producer.send(message(number))
            accepted = number + 1
        producer.confirm()

    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send_on)
        try:
            wait_for(lambda: accepted == 1_500, "1,000 in flight")
            # It goes on for no one: neither more is taken nor confirmed.
            with pytest.raises(TimeoutError):
                sending.result(2)
            assert accepted == 1_500
        finally:
            own_kafka.start()
        sending.result(60)
    assert set(by_id(read_topic(own_kafka.bootstrap, name))) == {f"id-{n}" for n in range(3_500)}
