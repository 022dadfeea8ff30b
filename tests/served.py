"""A real API server in a thread, and a producer for what it reads."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
from confluent_kafka import Producer

from api.board import Message
from api.filters import kind_of
from api.server import Server
from schemas.feed import Kind
from schemas.sections.api import ApiSettings
from schemas.sections.servers import KafkaSettings
from schemas.settings import Settings
from schemas.topics import Topic

TOPIC_OF: dict[Kind, Topic] = {
    Kind.GAME: Topic.GAMES,
    Kind.LINE: Topic.LINES,
    Kind.RESULT: Topic.RESULTS,
    Kind.PREDICTION: Topic.PREDICTIONS,
    Kind.STAKE: Topic.STAKES,
    Kind.ALERT: Topic.ALERTS,
    Kind.LOCKED: Topic.ALERTS,
    Kind.UNLOCKED: Topic.ALERTS,
    Kind.SETTLEMENT: Topic.SETTLEMENTS,
}


def api_settings(bootstrap: str, prefix: str, **api: object) -> Settings:
    """A free port and quick heartbeats unless told otherwise."""
    return Settings(
        kafka=KafkaSettings(bootstrap=bootstrap, prefix=prefix),
        api=ApiSettings.model_validate({"port": 0, "heartbeat_ms": 500, **api}),
    )


@dataclass(frozen=True)
class Served:
    server: Server
    url: str
    thread: threading.Thread

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, timeout=10)

    def await_ready(self) -> None:
        wait_for(lambda: self.get("/ready").status_code == 200, "ready")

    def stop(self) -> float:
        """Seconds that it took."""
        begun = time.monotonic()
        self.server.should_exit = True
        self.thread.join(20)
        assert not self.thread.is_alive(), "the server did not stop"
        return time.monotonic() - begun


@contextmanager
def serving(settings: Settings) -> Iterator[Served]:
    addresses: list[str] = []
    server = Server(settings, addresses.append)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_for(lambda: bool(addresses), "listening")
    served = Served(server, addresses[0], thread)
    try:
        yield served
    finally:
        served.stop()


class Publisher:
    """Messages to their topics, delivered when `send` returns."""

    def __init__(self, bootstrap: str, prefix: str) -> None:
        self._producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0})
        self._prefix = prefix

    def send(self, *messages: Message) -> None:
        for message in messages:
            topic = TOPIC_OF[kind_of(message)]
            self.raw(topic, message.game_id, message.model_dump_json().encode())
        assert self._producer.flush(20) == 0

    def raw(self, topic: Topic, key: str, value: bytes | None) -> None:
        self._producer.produce(topic.full(self._prefix), value, key)


def wait_for(holds: Callable[[], bool], what: str, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not {what} within {seconds} s"
        time.sleep(0.02)
