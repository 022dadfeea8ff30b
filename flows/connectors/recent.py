"""The events of the last days, read back from the topics."""

import time
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from flows.connectors.topic_reader import TopicReader
from schemas.errors import DependencyDown
from schemas.events import Event
from schemas.sections.servers import KafkaSettings
from schemas.topics import CONTRACTS, Topic

TIMEOUT_SECONDS = 30.0
_BATCH = 2_000
_GROUP = "steamline-ingest"


def recent_events(
    settings: KafkaSettings, topics: tuple[Topic, ...], since_us: int
) -> Iterator[Event]:
    """Every event at or after that time which is on the topics now; per game in topic order.

    What is no event is skipped: the score flow makes a dead letter of it. What retention deletes
    meanwhile is skipped too: a moment later it would not have been asked for.
    Raises DependencyDown when the broker does not answer.
    """
    for topic in topics:
        reader = TopicReader(
            settings, [topic], _GROUP, deleted_is_missed=False, patience=TIMEOUT_SECONDS
        )
        try:
            reader.begin({}, since_us=since_us)
            yield from _events(reader, topic)
        finally:
            reader.close()


def _events(reader: TopicReader, topic: Topic) -> Iterator[Event]:
    model: Any = CONTRACTS[topic].model
    heard = time.monotonic()
    while not reader.at_end():
        # It waits for a full batch, or as long as it is told.
        batch = reader.read(_BATCH, 0.1)
        if batch:
            heard = time.monotonic()
        elif time.monotonic() - heard > TIMEOUT_SECONDS:
            name = reader.names[topic]
            raise DependencyDown(f"{name}: nothing to be read for {TIMEOUT_SECONDS:.0f} s")
        for record in batch:
            try:
                yield model.model_validate_json(record.value)
            except ValidationError:
                continue
