"""Creating the topics that a flow needs."""

import time
from collections.abc import Callable

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._metadata import ClusterMetadata
from confluent_kafka.cimpl import NewTopic

from flows.connectors.reading import Asking, Complaints, partitions_of, reader_config
from schemas.errors import DependencyDown
from schemas.sections.servers import KafkaSettings
from schemas.topics import CONTRACTS, Topic

TIMEOUT_SECONDS = 30.0
SHORT_SECONDS = 2.0


def ensure_topics(settings: KafkaSettings, stopping: Callable[[], bool] = lambda: False) -> bool:
    """Creates what is missing. Raises DependencyDown when the broker does not answer or refuses.

    False where it was asked to end while it waited for the broker; then nothing is sure.
    Existing topics are left as they are; new ones keep everything. A broker without topic
    creation (the embedded one) creates them when they are first asked for.
    """
    admin = AdminClient(settings.client_config())
    wanted = {topic.full(settings.prefix): contract for topic, contract in CONTRACTS.items()}
    try:
        cluster = _patiently(admin, settings.bootstrap, stopping)
        if cluster is None:
            return False
        missing = [
            NewTopic(
                name,
                num_partitions=settings.partitions,
                replication_factor=settings.replication,
                config={
                    "max.message.bytes": str(contract.max_message_bytes),
                    # Retention counts from a record's timestamp, which is the event's time: by
                    # a broker's usual seven days a replayed season would be gone in minutes.
                    "retention.ms": "-1",
                },
            )
            for name, contract in wanted.items()
            if name not in cluster.topics
        ]
        # The embedded broker names a controller that it has not got: creating would wait for it.
        if missing and (cluster.controller_id in cluster.brokers or cluster.controller_id < 0):
            _create(admin, missing)
        for name in wanted:
            admin.list_topics(name, timeout=TIMEOUT_SECONDS)
    except KafkaException as down:
        raise DependencyDown(f"Kafka at {settings.bootstrap}: {down.args[0]}") from None
    return True


def _patiently(
    admin: AdminClient, where: str | None, stopping: Callable[[], bool]
) -> ClusterMetadata | None:
    """What is there; none where it is asked to end before the broker answers.

    In short questions: nobody is heard while one lasts.
    """
    until, complain = time.monotonic() + TIMEOUT_SECONDS, Complaints()
    while not stopping():
        try:
            return admin.list_topics(timeout=SHORT_SECONDS)
        except KafkaException as down:
            if time.monotonic() > until:
                raise
            complain("waiting for Kafka at %s: %s", where, down.args[0])
    return None


def has_read(settings: KafkaSettings, group: str, topic: Topic) -> bool:
    """Whether a consumer group has shown progress on a topic. Raises DependencyDown."""
    consumer = Consumer(reader_config(settings, group))
    ask = Asking(settings, consumer, Complaints(), TIMEOUT_SECONDS)
    name = topic.full(settings.prefix)
    try:
        lanes = [TopicPartition(name, one) for one in ask(partitions_of, name)]
        return any(lane.offset >= 0 for lane in ask(_committed, lanes))
    finally:
        consumer.close()


def _committed(consumer: Consumer, lanes: list[TopicPartition]) -> list[TopicPartition]:
    return consumer.committed(lanes, timeout=SHORT_SECONDS)


def _create(admin: AdminClient, topics: list[NewTopic]) -> None:
    for future in admin.create_topics(topics, operation_timeout=TIMEOUT_SECONDS).values():
        try:
            future.result()
        except KafkaException as bad:
            if bad.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
