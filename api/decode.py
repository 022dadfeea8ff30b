"""Kafka records to messages, refusing what the score flow would send to the dead letters."""

from dataclasses import dataclass
from typing import cast

from pydantic import ValidationError

from api.board import Message, event_time, latest_start
from schemas.decisions import Alert, Prediction, Stake
from schemas.errors import RejectedEvent
from schemas.events import LineMovement
from schemas.settings import Settings
from schemas.time import US_PER_SECOND
from schemas.topics import CONTRACTS, Topic

SEEN = 100_000
"""Ids remembered: far more than an at-least-once producer repeats after a restart."""


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


def identity(message: Message) -> str:
    """The deterministic id that a repeated delivery has too."""
    match message:
        case Prediction():
            return message.prediction_id
        case Stake():
            return message.stake_id
        case Alert():
            return message.alert_id
        case _:
            return message.event_id


class Seen:
    """The latest ids, oldest forgotten first."""

    def __init__(self, keep: int = SEEN) -> None:
        self._keep = keep
        self._ids: dict[int, None] = {}

    def add(self, topic: Topic, message_id: str) -> bool:
        """True when it is new."""
        key = hash((topic, message_id))  # 8 bytes an id; Python's hash is keyed per process
        if key in self._ids:
            return False
        self._ids[key] = None
        if len(self._ids) > self._keep:
            del self._ids[next(iter(self._ids))]
        return True
