"""Kafka's part of the feed without Kafka: a log of messages, and replicas that read it."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from fastapi import FastAPI

from api.board import Board, Message
from api.feed import Feed
from api.filters import Options
from api.follower import Follower
from api.news import News, Verdict
from api.past import Gone, PastRecord, Span, Wants
from api.ring import Read
from api.tokens import Layout, Place, Shape
from schemas.feed import Rules
from schemas.topics import TOPIC_OF

RULES = Rules(cutoff_us=3_600_000_000, stale_us=1_800_000_000, heartbeat_ms=1_000)
TOPICS = ("lines", "games", "predictions", "stakes", "alerts", "results", "settlements")
PARTITIONS = 2
LAYOUT = Layout().grown("c", tuple(Shape(topic, "id", PARTITIONS) for topic in TOPICS))


KIND_TOPICS = {
    "game": "games",
    "line": "lines",
    "result": "results",
    "prediction": "predictions",
    "stake": "stakes",
    "alert": "alerts",
    "locked": "alerts",
    "unlocked": "alerts",
    "settlement": "settlements",
}
IDS = {
    "games": "event_id",
    "lines": "event_id",
    "results": "event_id",
    "predictions": "prediction_id",
    "stakes": "stake_id",
    "alerts": "alert_id",
    "settlements": "settlement_id",
}


def news(topic: str, records: Sequence[Any]) -> list[int]:
    """Which records of a partition are news, by the words of api/protocol.md and from their JSON
    alone: no repeat, and newer than all before them about the same."""
    newest: dict[Any, Any] = {}
    found = []
    for number, data in enumerate(records):
        about = [data.get(part) for part in ("game_id", "book", "target", "market", "fill_id")]
        if topic == "alerts" and data["kind"] not in ("locked", "unlocked"):
            about = [data["alert_id"]]
        times = ("position", "settled_at_us", "occurred_at_us")
        # A lock and its end may stand at one position; then they come in this order.
        order = next(data[one] for one in times if one in data), data.get("kind") == "unlocked"
        if order > newest.get(tuple(about), (-1,)):
            newest[tuple(about)] = order
            found.append(number)
    return found


class Log:
    """What was sent: {topic and partition: messages}, as the key deals them out."""

    def __init__(self) -> None:
        self.records: dict[Place, list[Message | None]] = {place: [] for place in LAYOUT.numbers}
        self.low: dict[Place, int] = dict.fromkeys(LAYOUT.numbers, 0)
        """Before these, records are gone."""

    def send(self, *messages: Message | None) -> None:
        for message in messages:
            assert message is not None
            self.records[place_of(message)].append(message)

    async def read(
        self, spans: Mapping[Place, Span], wants: Wants
    ) -> AsyncGenerator[Sequence[PastRecord], None]:
        for place, (first, _) in spans.items():
            if first < self.low[place]:
                raise Gone(f"too old: {place}")
            if first > len(self.records[place]):
                raise Gone(f"this id was never given out: {place}")
        for place, (first, end) in spans.items():
            found: list[PastRecord] = []
            for offset in range(first, end):
                message = self.records[place][offset]
                if message is not None and wants(place, offset):
                    found.append((place, offset, message))
            yield found


def place_of(message: Message) -> Place:
    return TOPIC_OF[type(message)].value, sum(message.game_id.encode()) % PARTITIONS


class Replica:
    """A process that reads the log, at its own pace and in its own order of partitions."""

    def __init__(self, log: Log | None = None, **feed: Any) -> None:
        self.log = Log() if log is None else log
        sizes = {"ring": 100, "client_queue": 50, "resume_records": 1_000} | feed
        self.feed = Feed(Board(), RULES, self.log, **sizes)
        self.feed.arrange(
            LAYOUT, {LAYOUT.numbers[place]: low for place, low in self.log.low.items()}
        )
        self._next = dict(self.log.low)
        self._news = {place: News() for place in LAYOUT.numbers}

    def read(self, place: Place, count: int | None = None) -> int:
        """How many there were."""
        first = self._next[place]
        end = len(self.log.records[place]) if count is None else first + count
        reads = []
        for offset, message in enumerate(self.log.records[place][first:end], first):
            news = self._news[place]
            verdict = Verdict.REPEAT if message is None else news.hear(message)
            number = LAYOUT.numbers[place]
            if verdict is Verdict.REPEAT:
                reads.append(Read(number, offset))
            else:
                is_news = verdict is Verdict.NEWS
                reads.append(Read(number, offset, message, is_news, news.edge))
        self._next[place] = first + len(reads)
        self.feed.take(reads)
        return len(reads)

    def read_all(self) -> None:
        for place in LAYOUT.numbers:
            self.read(place)

    def live(self) -> "Replica":
        self.read_all()
        self.feed.source(True, True)
        return self

    def tell(self, *messages: Message) -> None:
        """One by one, so that they come in this order."""
        for message in messages:
            self.log.send(message)
            self.read(place_of(message))

    def client(self, options: Options = Options(), last_id: str | None = None) -> "Client":  # noqa: B008
        return Client(self.feed, options, last_id)


Event = tuple[str, str | None, Any]
"""Event type, id, data."""


class Client:
    """One that reads when it is told to."""

    def __init__(self, feed: Feed, options: Options, last_id: str | None) -> None:
        self.feed = feed
        self.follower = Follower(feed, feed.view(options), last_id)
        self.last_id = last_id

    def take(self) -> bytes:
        """All that waits, out of Kafka too."""
        pieces = self.follower.take()
        while self.follower.away:
            pieces += asyncio.run(self._from_kafka())
            pieces += self.follower.take()
        while more := self.follower.take():
            pieces += more
        return b"".join(pieces)

    def events(self) -> list[Event]:
        """The same, read; a heartbeat is left out, its id is not."""
        found = events(self.take())
        self.last_id = next((one for _, one, _ in reversed(found) if one), self.last_id)
        return [one for one in found if one[0] != "heartbeat"]

    def kinds(self) -> list[str]:
        return [kind for kind, _, _ in self.events()]

    async def _from_kafka(self) -> list[bytes]:
        return [wire async for wires in self.follower.from_kafka() for wire in wires]


def events(wire: bytes) -> list[Event]:
    """Read SSE by its specification's rules, not by the encoder's habits."""
    found: list[Event] = []
    for block in wire.decode().split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        found.append((fields["event"], fields.get("id"), json.loads(fields["data"])))
    return found


def on_board(app: FastAPI, *messages: Message) -> None:
    """As if they had been read."""
    for message in messages:
        app.state.feed.board.apply(message)
