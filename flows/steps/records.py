"""What flows between the connectors and the steps."""

from typing import NamedTuple, Protocol, Self

from pydantic import BaseModel

from schemas.decisions import FeatureHeader
from schemas.topics import Topic


class Record(NamedTuple):
    """One record read from an input topic."""

    topic: Topic
    partition: int
    offset: int
    timestamp_us: int
    """Kafka's own timestamp, which our producers set to the event time."""
    key: bytes | None
    value: bytes
    version: bytes | None
    """Of the schema, from the headers; none where the producer sets no headers."""


class Outgoing(NamedTuple):
    """One message to write: its key and value are final."""

    topic: Topic
    key: str
    message_id: str
    timestamp_us: int
    value: bytes

    @classmethod
    def of(
        cls, topic: Topic, key: str, message_id: str, timestamp_us: int, message: BaseModel
    ) -> Self:
        """With the JSON of a message as its value."""
        return cls(topic, key, message_id, timestamp_us, message.model_dump_json().encode())


class Producer(Protocol):
    """Writes messages; each is where it belongs once `confirm` returns."""

    def send(self, message: Outgoing) -> None: ...
    def confirm(self) -> None: ...


class FeatureBlob(NamedTuple):
    """A game's newest vector for the feature store."""

    game_id: str
    expires_seconds: int
    header: FeatureHeader
    blob: bytes
    """As `models.features.stored` packs it."""
