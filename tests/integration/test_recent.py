"""What has been said, read back from a real broker."""

import uuid

from confluent_kafka import Producer

from deploy.stack.kafka import KafkaBroker
from flows.connectors.kafka import ConfirmedProducer
from flows.connectors.recent import recent_events
from flows.connectors.topics import ensure_topics
from flows.steps.records import Outgoing
from schemas.events import Event
from schemas.sections.servers import KafkaSettings
from schemas.topics import TOPIC_OF, Topic
from tests import samples


def put(settings: KafkaSettings, *events: Event) -> None:
    producer = ConfirmedProducer(settings)
    for event in events:
        topic = TOPIC_OF[type(event)]
        producer.send(
            Outgoing.of(topic, event.game_id, event.event_id, event.occurred_at_us, event)
        )
    producer.confirm()


def test_only_what_is_new_enough_comes_back_and_all_of_it(kafka: KafkaBroker) -> None:
    settings = KafkaSettings(
        bootstrap=kafka.bootstrap, prefix=f"t{uuid.uuid4().hex[:8]}.", partitions=3
    )
    ensure_topics(settings)
    topics = (Topic.GAMES, Topic.LINES)
    # A moment after they were made, and empty.
    assert list(recent_events(settings, topics, 0)) == []
    old = [samples.line(1, game_id=one) for one in (samples.GAME, samples.OTHER)]
    # The other game, in another partition, has nothing new.
    new = [samples.line(3_600 + second, 1.8 + second / 1_000) for second in range(50)]
    listed = samples.game(3_600)
    put(settings, *old, *new, listed)
    Producer({"bootstrap.servers": kafka.bootstrap}).produce(
        Topic.LINES.full(settings.prefix), b"no event", samples.GAME.encode()
    )
    assert list(recent_events(settings, topics, samples.at(3_600))) == [listed, *new]
    everything = list(recent_events(settings, topics, 0))
    assert len(everything) == 53
    assert [one for one in everything if one.game_id == samples.GAME] == [listed, old[0], *new]
    assert list(recent_events(settings, topics, samples.at(9_000))) == []
