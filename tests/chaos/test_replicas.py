"""Two API replicas, killed at random while a slate is sent: no client misses or repeats anything.

Clients are plain SSE readers: they come back with the last id they saw, to whichever replica
answers.
"""

import asyncio
import json
import random
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from httpx_sse import aconnect_sse

from api.board import Message
from deploy.stack.kafka import KafkaBroker
from schemas.decisions import AlertKind
from schemas.markets import Market, Target
from tests import samples
from tests.fed import IDS, KIND_TOPICS, news
from tests.served import Publisher
from tests.system import Child, clean_env, content, create_topics, read_topic, wait_for

GAMES = [f"mlb-2026-07-20-{away}-NYY-1" for away in ("BOS", "LAD", "TBR", "TOR", "CLE", "SEA")]
FILTERS = ("", "", "?event=line&event=locked", f"?game={GAMES[0]}", "?event=prediction")
LANES = defaultdict[tuple[str, str], list[str]]
"""{(topic, game): ids in their order}"""


class Replica:
    """One API process after another, under one name."""

    def __init__(self, home: Path, env: dict[str, str]) -> None:
        self._home, self._env = home, env
        self._starts = 0
        self.start()

    def start(self) -> None:
        self._starts += 1
        log = self._home / f"{self._starts}.log"
        self.child = Child(log, self._env, "api", "--port", "0")

    @property
    def url(self) -> str | None:
        """None while it does not listen."""
        _, _, said = self.child.said.partition("Board: ")
        return said.split("/\n")[0] if said and self.child.alive() else None


@dataclass
class Client:
    """Follows the feed on any replica, for as long as it takes."""

    replicas: list[Replica]
    query: str
    dice: random.Random
    seen: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """(kind, data)"""
    snapshots: int = 0
    gaps: list[str] = field(default_factory=list)
    connections: int = 0
    last_id: str = ""

    async def follow(self) -> None:
        while True:
            up = [url for replica in self.replicas if (url := replica.url)]
            if up:
                with suppress(httpx.TransportError):  # killed: go on elsewhere
                    await self._read(self.dice.choice(up))
            await asyncio.sleep(0.05)

    async def _read(self, url: str) -> None:
        headers = {"Last-Event-ID": self.last_id} if self.last_id else {}
        async with (
            httpx.AsyncClient(timeout=15) as http,
            aconnect_sse(http, "GET", f"{url}/v1/feed{self.query}", headers=headers) as source,
        ):
            self.connections += 1
            async for event in source.aiter_sse():
                match event.event:
                    case "heartbeat":
                        pass
                    case "snapshot":
                        self.snapshots += 1
                    case "gap":
                        self.gaps.append(event.data)
                    case kind:
                        self.seen.append((kind, event.json()))
                if event.id:
                    self.last_id = event.id

    def lanes(self) -> LANES:
        found: LANES = defaultdict(list)
        for kind, data in self.seen:
            topic = KIND_TOPICS[kind]
            found[topic, data["game_id"]].append(data[IDS[topic]])
        return found

    def wants(self, kind: str, game: str) -> bool:
        return not self.query or f"event={kind}" in self.query or game in self.query


def slate(dice: random.Random) -> Iterator[list[Message]]:
    """Rounds of news, repeats and late arrivals, without end."""
    old: list[Message] = []
    for position in range(1, 100_000):
        new: list[Message] = []
        for game in GAMES:
            of: dict[str, Any] = {"game_id": game}
            new += [
                samples.line(position, **of),
                samples.line(position, book="circa", market=Market.TOTAL, **of),
                samples.prediction(position, target=Target.MONEYLINE, **of),
                samples.stake(position, **of),
            ]
            if dice.random() < 0.2:
                kind = dice.choice([AlertKind.LOCKED, AlertKind.UNLOCKED])
                new += [samples.alert(position, kind, **of), samples.signal(position, **of)]
                new.append(samples.game(position, **of))
        yield new + dice.sample(old, min(len(old), 4))
        old = [*old, *new][-200:]


def topic_news(bootstrap: str, prefix: str) -> list[tuple[str, str, str, str]]:
    """(topic, kind, game, id) of all news, each topic's partitions one after the other."""
    found = []
    for topic, name in IDS.items():
        partitions: dict[int, list[Any]] = defaultdict(list)
        for record in read_topic(bootstrap, prefix + topic):
            partitions[record.partition() or 0].append(json.loads(content(record)))
        for records in partitions.values():
            for number in news(topic, records):
                data = records[number]
                kinds = [kind for kind, one in KIND_TOPICS.items() if one == topic]
                lock = data.get("kind") in ("locked", "unlocked")
                found.append(
                    (topic, data["kind"] if lock else kinds[0], data["game_id"], data[name])
                )
    return found


def run(kafka: KafkaBroker, home: Path, *, clients: int, kills: int, seed: int) -> None:
    dice = random.Random(seed)
    prefix = f"t{uuid.uuid4().hex[:8]}."
    create_topics(kafka.bootstrap, [prefix + topic for topic in IDS])
    env = clean_env() | {
        "STEAMLINE_HOME": str(home),
        "STEAMLINE_KAFKA_BOOTSTRAP": kafka.bootstrap,
        "STEAMLINE_KAFKA_PREFIX": prefix,
        "STEAMLINE_API_HEARTBEAT_MS": "1000",
        "STEAMLINE_API_STREAMS_PER_CLIENT": "1000",
        # A machine that stands still for a moment makes no client a slow one.
        "STEAMLINE_API_RING": "3000",
        "STEAMLINE_API_CLIENT_QUEUE": "100000",
    }
    replicas = []
    for name in ("a", "b"):
        (home / name).mkdir()
        replicas.append(Replica(home / name, env))
    all_clients = [
        Client(replicas, FILTERS[number % len(FILTERS)], random.Random(f"{seed} {number}"))
        for number in range(clients)
    ]
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    following = [asyncio.run_coroutine_threadsafe(one.follow(), loop) for one in all_clients]
    stop = threading.Event()
    publisher = Publisher(kafka.bootstrap, prefix)

    def send() -> None:
        for new in slate(random.Random(seed)):
            publisher.send(*new)
            if stop.wait(0.15):
                return

    sending = threading.Thread(target=send, daemon=True)
    try:
        wait_for(lambda: all(one.snapshots for one in all_clients), "all clients have begun")
        sending.start()
        for _ in range(kills):
            time.sleep(dice.uniform(1.0, 3.0))
            chosen = dice.choice(replicas)
            chosen.child.kill()
            time.sleep(dice.uniform(0.0, 1.5))
            chosen.start()
        wait_for(lambda: all(one.url for one in replicas), "both replicas are back")
        stop.set()
        sending.join(20)
        expected = topic_news(kafka.bootstrap, prefix)
        wants = [sum(one.wants(kind, game) for _, kind, game, _ in expected) for one in all_clients]
        wait_for(
            lambda: (
                all(len(one.seen) >= want for one, want in zip(all_clients, wants, strict=True))
                or any(one.gaps for one in all_clients)
            ),
            f"all have everything: {[len(one.seen) for one in all_clients][:9]} of {wants[:9]}",
        )
        time.sleep(1.0)  # whatever comes too much comes now
    finally:
        stop.set()
        for task in following:
            task.cancel()
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        for replica in replicas:
            replica.child.kill()
    reconnects = [one.connections - 1 for one in all_clients]
    print(f"{len(expected)} news, {kills} kills, {sum(reconnects)} reconnects")
    for one in all_clients:
        assert (one.snapshots, one.gaps) == (1, [])
        lanes: LANES = defaultdict(list)
        for topic, kind, game, name in expected:
            if one.wants(kind, game):
                lanes[topic, game].append(name)
        assert one.lanes() == lanes
    # Otherwise this shows less than it says.
    assert sum(reconnects) >= kills * clients / 4, reconnects
    assert len(expected) > 100


def test_replicas_killed_at_random(kafka: KafkaBroker, tmp_path: Path) -> None:
    run(kafka, tmp_path, clients=20, kills=4, seed=20_260_720)


@pytest.mark.long
def test_200_clients_and_20_kills(kafka: KafkaBroker, tmp_path: Path) -> None:
    run(kafka, tmp_path, clients=200, kills=20, seed=20_260_721)
