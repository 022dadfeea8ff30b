"""Kafka records to messages, refusing what the score flow would send to the dead letters."""

import time
from dataclasses import dataclass
from typing import cast

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Consumer
from confluent_kafka import Message as KafkaRecord
from pydantic import ValidationError

from api.board import Message, event_time, latest_start
from api.tokens import Place
from schemas.errors import RejectedEvent
from schemas.events import LineMovement
from schemas.settings import Settings
from schemas.time import US_PER_SECOND
from schemas.topics import CONTRACTS, Topic


@dataclass(frozen=True)
class Decoder:
    """Bytes in, message out."""

    books: frozenset[str]
    future_us: int
    max_event_bytes: int

    @classmethod
    def of(cls, settings: Settings) -> "Decoder":
        score = settings.score
        return cls(
            books=frozenset(settings.books),
            future_us=round(score.future_seconds * US_PER_SECOND),
            max_event_bytes=score.max_event_bytes,
        )

    def message(self, topic: Topic, value: bytes, timestamp_us: int) -> Message:
        """Raises RejectedEvent for what does not keep the topic's contract."""
        limit = min(CONTRACTS[topic].max_message_bytes, self.max_event_bytes)
        if len(value) > limit:
            raise RejectedEvent("oversized", f"{len(value)} bytes, at most {limit}")
        try:
            message = cast(Message, CONTRACTS[topic].model.model_validate_json(value))
            latest_start(message.game_id)
        except ValidationError as bad:
            first = bad.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise RejectedEvent("schema", f"{where}: {first['msg']}") from None
        except ValueError as bad:
            raise RejectedEvent("game_id", str(bad)) from None
        # A date far ahead would run the board's clock away and empty it.
        if event_time(message) > timestamp_us + self.future_us:
            raise RejectedEvent("future", f"dated {event_time(message)}, received {timestamp_us}")
        if isinstance(message, LineMovement) and message.book not in self.books:
            raise RejectedEvent("unknown_book", message.book)
        return message


def timestamp_us(record: KafkaRecord) -> int:
    """Kafka's own time of it."""
    kind, timestamp_ms = record.timestamp()
    known = kind != TIMESTAMP_NOT_AVAILABLE
    return timestamp_ms * 1_000 if known else time.time_ns() // 1_000


def taken(consumer: Consumer, most: int, seconds: float) -> list[KafkaRecord]:
    """Whatever is there, at once; waits so long when nothing is. To ask for many with a time limit
    waits for as many."""
    first = consumer.poll(seconds)
    return [] if first is None else [first, *consumer.consume(most - 1, timeout=0)]


def place_of(record: KafkaRecord) -> Place:
    topic, partition = record.topic(), record.partition()
    assert topic is not None  # both are known for what a consumer hands out
    assert partition is not None
    return topic, partition
