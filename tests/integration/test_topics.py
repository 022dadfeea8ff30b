"""Topics as the broker itself describes them after a flow made sure of them."""

import time
import uuid

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType

from deploy.stack.kafka import KafkaBroker
from flows.connectors.topics import ensure_topics
from schemas.errors import DependencyDown
from schemas.sections.servers import KafkaSettings
from schemas.topics import Topic
from tests.system import create_topics


def described(bootstrap: str, name: str) -> tuple[int, dict[str, str]]:
    """Partitions and configuration."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    resource = ConfigResource(ResourceType.TOPIC, name)
    entries = admin.describe_configs([resource])[resource].result(10)
    partitions = admin.list_topics(name, timeout=10).topics[name].partitions
    return len(partitions), {key: entry.value for key, entry in entries.items()}


def test_missing_topics_are_made_and_keep_events_however_old(kafka: KafkaBroker) -> None:
    """Retention counts from the event's time, so days-old games would be deleted at once."""
    prefix = f"t{uuid.uuid4().hex[:8]}."
    create_topics(kafka.bootstrap, [f"{prefix}lines"], partitions=3, retention_ms="77000")
    settings = KafkaSettings(bootstrap=kafka.bootstrap, prefix=prefix, partitions=2)
    for _ in range(2):
        ensure_topics(settings)
    for topic in Topic:
        partitions, config = described(kafka.bootstrap, topic.full(prefix))
        if topic is Topic.LINES:
            assert (partitions, config["retention.ms"]) == (3, "77000"), "left as it was"
            continue
        assert (partitions, config["retention.ms"]) == (2, "-1")
        assert config["cleanup.policy"] == "delete"
        limit = 4_194_304 if topic is Topic.DEAD_LETTERS else 1_048_576
        assert int(config["max.message.bytes"]) == limit


def test_the_embedded_broker_makes_topics_when_they_are_asked_for(mock_kafka: str) -> None:
    prefix = f"t{uuid.uuid4().hex[:8]}."
    begun = time.monotonic()
    ensure_topics(KafkaSettings(bootstrap=mock_kafka, prefix=prefix))
    assert time.monotonic() - begun < 10, "it must not wait for a controller that is not there"
    found = AdminClient({"bootstrap.servers": mock_kafka}).list_topics(timeout=10).topics
    assert {topic.full(prefix) for topic in Topic} <= set(found)


def test_a_replication_that_the_cluster_cannot_give_is_said(kafka: KafkaBroker) -> None:
    settings = KafkaSettings(
        bootstrap=kafka.bootstrap, prefix=f"t{uuid.uuid4().hex[:8]}.", replication=3
    )
    with pytest.raises(DependencyDown, match=r"(?i)replication factor"):
        ensure_topics(settings)
