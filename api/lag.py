"""How far whoever reads our topics has come, and how new they are: asked of the broker itself.

Offsets that are committed say it, of whatever group there is: flows, and other people's programs.
"""

import logging
from typing import NamedTuple

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]
from pydantic import BaseModel

from schemas.errors import ConfigError
from schemas.settings import Settings
from schemas.time import US_PER_MS
from schemas.topics import Topic

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 3.0
GROUPS = 100
"""At most, by name."""


class TopicNews(BaseModel):
    topic: Topic
    partitions: int
    """0: it does not exist yet."""
    records: int
    """That the broker still has."""
    newest_us: int | None
    """Largest event time; none in an empty topic, or where the broker cannot tell."""
    age_ms: int | None
    """Of that, by the server's clock: in a replay it is of long ago."""


class GroupLag(BaseModel):
    group: str
    topic: Topic
    behind: int
    """Records that it has not committed as done; a partition without a commit counts whole."""


Place = tuple[str, int]
"""Topic and partition."""
Offsets = dict[Place, tuple[int, int]]
"""{place: (offset, timestamp in ms or -1)}"""


class Traffic(NamedTuple):
    topics: list[TopicNews]
    lag: list[GroupLag]
    wrong: str | None
    """What could not be asked, and why."""


class Broker:
    """One admin client, made when first asked."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._admin: AdminClient | None = None

    def look(self, now_us: int) -> Traffic:
        """Blocks for a few seconds at most."""
        try:
            return self._look(now_us)
        except KafkaException as down:
            return Traffic([], [], f"Kafka: {down.args[0].str()}")
        except ConfigError as bad:
            return Traffic([], [], str(bad))

    def _look(self, now_us: int) -> Traffic:
        if self._admin is None:
            self._admin = AdminClient(self._settings.kafka.client_config(), logger=log)
        names = {topic.full(self._settings.kafka.prefix): topic for topic in Topic}
        about = self._admin.list_topics(timeout=TIMEOUT_SECONDS).topics
        places = [
            (name, partition)
            for name in names
            if name in about and about[name].error is None
            for partition in sorted(about[name].partitions)
        ]
        begins = self._offsets(places, OffsetSpec.earliest())  # type: ignore[no-untyped-call]
        ends = self._offsets(places, OffsetSpec.latest())  # type: ignore[no-untyped-call]
        held = {place: ends[place][0] - begins[place][0] for place in places}
        stamps = self._offsets(places, OffsetSpec.max_timestamp())  # type: ignore[no-untyped-call]
        topics = [
            _news(topic, [place for place in places if place[0] == name], held, stamps, now_us)
            for name, topic in names.items()
        ]
        return Traffic(topics, self._lag(names, begins, ends), None)

    def _offsets(self, places: list[Place], spec: OffsetSpec) -> Offsets:
        if not places:
            return {}
        asked = self._client().list_offsets(
            {TopicPartition(*place): spec for place in places}, request_timeout=TIMEOUT_SECONDS
        )
        found = {(one.topic, one.partition): answer.result() for one, answer in asked.items()}
        return {place: (found[place].offset, found[place].timestamp) for place in places}

    def _lag(self, names: dict[str, Topic], begins: Offsets, ends: Offsets) -> list[GroupLag]:
        listed = self._client().list_consumer_groups(request_timeout=TIMEOUT_SECONDS).result()
        groups = sorted(one.group_id for one in listed.valid)[:GROUPS]
        found = []
        for group in groups:
            asked = self._client().list_consumer_group_offsets(
                [ConsumerGroupTopicPartitions(group)], request_timeout=TIMEOUT_SECONDS
            )
            done = {
                (one.topic, one.partition): one.offset
                for one in asked[group].result().topic_partitions
                if one.offset >= 0
            }
            for name in sorted({place[0] for place in done} & names.keys()):
                behind = sum(
                    end - max(done.get(place, begins[place][0]), begins[place][0])
                    for place, (end, _) in ends.items()
                    if place[0] == name
                )
                found.append(GroupLag(group=group, topic=names[name], behind=max(behind, 0)))
        return found

    def _client(self) -> AdminClient:
        assert self._admin is not None  # `_look` has made it
        return self._admin


def _news(
    topic: Topic,
    places: list[Place],
    held: dict[Place, int],
    stamps: Offsets,
    now_us: int,
) -> TopicNews:
    newest_ms = max((stamps[place][1] for place in places if held[place]), default=-1)
    newest_us = newest_ms * US_PER_MS if newest_ms >= 0 else None
    return TopicNews(
        topic=topic,
        partitions=len(places),
        records=sum(held[place] for place in places),
        newest_us=newest_us,
        age_ms=None if newest_us is None else max(now_us - newest_us, 0) // US_PER_MS,
    )
