"""From produce to the frame at a client, against a bare produce-consume-stream echo.

Ours: line movements to Kafka, the score flow (fold, features, four boosters, stakes), predictions
to Kafka, the API, one client on a plain socket. The reference: the same events at the same rate
through a topic of as many partitions, a consumer thread and a Starlette stream, unread. Both are
there all the time and take turns, each a few seconds. A moneyline prediction says in `read_to`
which line of its game was the newest that it rests on: an event has arrived with the first frame
that rests on it. `feed` is the API's share alone: predictions written to their topic, as many.

The rate is the first of `RATES` at which lag stays: the last quarter of the events is not slower
than the second by more than `DRIFT`. `ours` and `reference` are the middle round's p50.

BENCH_LATENCY_RATES (as 2000,1000), _SECONDS and _ROUNDS make it smaller.
"""

import asyncio
import json
import multiprocessing
import os
import re
import socket
import tempfile
import threading
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import uvicorn
from confluent_kafka import Consumer, Message, Producer
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from bench.feed import serve_ours
from bench.result import Result
from deploy import stack
from flows.connectors.kafka import KafkaSink, KafkaSource
from flows.connectors.parquet import write_events
from flows.connectors.redis import FeatureSink
from flows.connectors.topics import ensure_topics
from flows.score import score_flow
from flows.sources.simulated_truth import Slate
from flows.sources.simulator import simulate
from flows.steps.score import Scorer
from flows.training import read_training_set
from flows.worker import run
from models.boosters.training import Origin, train_all
from models.features.kernel import FeatureSet
from schemas.decisions import Prediction, SideQuote
from schemas.events import GameUpdate, LineMovement
from schemas.markets import Market, Side, Target
from schemas.settings import Settings
from schemas.time import US_PER_HOUR
from schemas.topics import CONTRACTS, SCORE_INPUTS, TOPIC_OF, Topic

RATES = tuple(
    int(one) for one in os.environ.get("BENCH_LATENCY_RATES", "2000,1000,500,250,125").split(",")
)
SECONDS = int(os.environ.get("BENCH_LATENCY_SECONDS", "5"))
ROUNDS = int(os.environ.get("BENCH_LATENCY_ROUNDS", "3"))
DRIFT = 1.5
GAMES = 15
PATIENCE = 60.0
CLUBS = ("BOS", "NYY", "LAD", "SFG", "CHC", "STL", "HOU", "TEX", "SEA", "OAK")
BOOKS = 8
ECHO = Topic.FILLS
"""What the echo reads: neither the flow nor the API does."""

_spawn = multiprocessing.get_context("spawn")
Frames = list[tuple[float, bytes]]
"""What a client read, and when."""


class Lines:
    """Quotes that wander, dated now."""

    def __init__(self, books: Sequence[str]) -> None:
        self._dice = np.random.default_rng(7)
        self._books = books[:BOOKS]
        day = datetime.now(UTC).date().isoformat()
        self.games = [
            f"mlb-{day}-{CLUBS[number % 5]}-{CLUBS[5 + number % 5]}-{1 + number // 5}"
            for number in range(GAMES)
        ]
        self._number = 0
        self._last_us = 0

    def schedule(self) -> Iterator[GameUpdate]:
        for game in self.games:
            yield GameUpdate(
                event_id=f"g:{game}:{self._now()}",
                game_id=game,
                source="bench",
                occurred_at_us=self._now(),
                home=game[-5:-2],
                away=game[-9:-6],
                start_time_us=self._now() + 3 * US_PER_HOUR,
            )

    def opening(self) -> Iterator[LineMovement]:
        """Of every market at every book."""
        for game in self.games:
            for book in self._books:
                for market in Market:
                    yield self._line(game, book, market)

    def next(self) -> LineMovement:
        self._number += 1
        game = self.games[self._number % GAMES]
        book = self._books[int(self._dice.integers(len(self._books)))]
        return self._line(game, book, Market.MONEYLINE)

    def priced(self) -> Prediction:
        """A moneyline as the flow would send it, of a game that the flow knows nothing of."""
        self._number += 1
        game = f"{self.games[self._number % GAMES][:-1]}9"
        now = self._now()
        quote = SideQuote(side=Side.HOME, book=self._books[0], price=1.9, age_ms=0, edge=0.01)
        return Prediction(
            game_id=game,
            position=self._number,
            as_of_us=now,
            cutoff_us=now + US_PER_HOUR,
            prediction_id=f"{game}:{self._number}:moneyline:1-bench",
            target=Target.MONEYLINE,
            model_version="1-bench",
            feature_set="bench",
            start_time_us=now + 2 * US_PER_HOUR,
            probability=0.53,
            market_probability=0.52,
            fair_price=1.887,
            best=[quote],
            odds_age_ms=0,
            books=BOOKS,
            completeness=0.9,
            read_to={Topic.LINES: self._number},
        )

    def _line(self, game: str, book: str, market: Market) -> LineMovement:
        now = self._now()
        fair = self._dice.uniform(0.45, 0.55)
        return LineMovement(
            event_id=f"l:{now}",
            game_id=game,
            source="bench",
            occurred_at_us=now,
            book=book,
            market=market,
            price_home_over=round(0.97 / fair, 3),
            price_away_under=round(0.97 / (1 - fair), 3),
            line={Market.MONEYLINE: None, Market.TOTAL: 8.5, Market.RUN_LINE: -1.5}[market],
        )

    def _now(self) -> int:
        """Later with every call."""
        self._last_us = max(self._last_us + 1, time.time_ns() // 1_000)
        return self._last_us


Said = GameUpdate | LineMovement | Prediction


@dataclass
class Produced:
    """When each event was handed to the producer, and where it came to lie."""

    at: dict[str, float] = field(default_factory=dict)
    """{event id: seconds}"""
    places: dict[str, deque[tuple[int, str]]] = field(default_factory=lambda: defaultdict(deque))
    """{game: (offset, event id), offsets rising}"""


class Events:
    def __init__(self, settings: Settings) -> None:
        self._prefix = settings.kafka.prefix
        self._producer = Producer(
            settings.kafka.client_config()
            | {"linger.ms": 0, "partitioner": "murmur2_random", "enable.idempotence": True}
        )

    def send(self, topic: Topic, event: Said, produced: Produced | None = None) -> None:
        told: Callable[..., None] | None = None
        contract = CONTRACTS[TOPIC_OF[type(event)]]
        if produced is not None:
            event_id = getattr(event, contract.identity)
            told = partial(self._delivered, produced, event.game_id, event_id)
            produced.at[event_id] = time.monotonic()
        self._producer.produce(
            topic.full(self._prefix),
            event.model_dump_json().encode(),
            event.game_id,
            timestamp=getattr(event, contract.time) // 1_000,
            on_delivery=told,
        )
        self._producer.poll(0)

    def flush(self) -> None:
        assert self._producer.flush(30) == 0

    @staticmethod
    def _delivered(
        produced: Produced, game: str, event_id: str, error: object, message: Message
    ) -> None:
        assert error is None, error
        offset = message.offset()
        assert offset is not None
        produced.places[game].append((offset, event_id))


def serve_score(pipe: Connection, settings: Settings, home: Path) -> None:
    """The score flow as `steamline run score` runs it, with models of simulated games."""
    slate = Slate(seed=5, days=16, games=15, edge=0.2, activity=0.1)
    write_events(home / "archive", list(simulate(slate)))
    data = read_training_set([home / "archive"], None, settings)
    origin = Origin(FeatureSet.of(settings).hash, data.fingerprint, simulated=True)
    trained = train_all(data, origin, 1, lambda _: None)
    scorer = Scorer(settings, [one.model for one in trained])
    flow = score_flow(
        settings,
        KafkaSource(settings.kafka, SCORE_INPUTS, group="bench"),
        KafkaSink(settings.kafka),
        FeatureSink(settings.redis),
        scorer,
    )
    pipe.send("ready")
    run(flow, home / "recovery")


def serve_echo(pipe: Connection, settings: Settings) -> None:
    """Records of a topic as frames."""
    asyncio.run(_echo(pipe, settings))


async def _echo(pipe: Connection, settings: Settings) -> None:
    loop = asyncio.get_running_loop()
    waiting: asyncio.Queue[bytes] = asyncio.Queue()

    def read() -> None:
        consumer = Consumer(
            settings.kafka.client_config()
            | {"group.id": f"echo-{time.time_ns()}", "auto.offset.reset": "latest"}
        )
        consumer.subscribe([ECHO.full(settings.kafka.prefix)])
        while True:
            # `consume` with a timeout waits for the whole number or the whole time.
            first = consumer.poll(0.1)
            if first is None:
                continue
            some = [first, *consumer.consume(500, 0)]
            values = [one.value() for one in some if one.error() is None]
            if values:
                wires = b"".join(b"event: line\ndata: %s\n\n" % value for value in values)
                loop.call_soon_threadsafe(waiting.put_nowait, wires)

    async def stream() -> AsyncIterator[bytes]:
        while True:
            yield await waiting.get()

    async def follow(request: Request) -> StreamingResponse:
        return StreamingResponse(stream(), media_type="text/event-stream")

    app = Starlette(routes=[Route("/v1/feed", follow)])
    config = uvicorn.Config(app, port=0, log_level="warning", http="h11", interface="asgi3")
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    threading.Thread(target=read, daemon=True).start()
    pipe.send(server.servers[0].sockets[0].getsockname()[1])
    await server.main_loop()


def read_frames(pipe: Connection, port: int, path: str) -> None:
    """A client in its own process: takes down what comes and when, and reads it afterwards."""
    sock = socket.create_connection(("127.0.0.1", port))
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    got: Frames = []

    def read() -> None:
        while chunk := sock.recv(262_144):
            got.append((time.monotonic(), chunk))

    threading.Thread(target=read, daemon=True).start()
    while True:
        pipe.recv()
        now, got[:] = list(got), []
        pipe.send(now)


_FRAME = re.compile(rb"^data: (\{.*\})$", re.MULTILINE)


class Client:
    """The driver's side of `read_frames`."""

    def __init__(self, port: int, path: str) -> None:
        self._pipe, far = _spawn.Pipe()
        self.process = _spawn.Process(target=read_frames, args=(far, port, path), daemon=True)
        self.process.start()
        self._rest = b""

    def taken(self) -> list[tuple[float, dict[str, Any]]]:
        """The data of every frame since the last call, with the moment of its last byte."""
        self._pipe.send("more")
        frames: Frames = self._pipe.recv()
        found: list[tuple[float, dict[str, Any]]] = []
        for at, chunk in frames:
            whole, mark, self._rest = (self._rest + chunk).rpartition(b"\n\n")
            found += [(at, json.loads(one)) for one in _FRAME.findall(whole + mark)]
        return found


Arrived = Callable[[float, dict[str, Any], Produced, dict[str, float]], None]
"""One frame: what it says of which events, into {event id: when it arrived}"""


def by_position(
    at: float, data: dict[str, Any], produced: Produced, into: dict[str, float]
) -> None:
    if "read_to" not in data:
        return
    places, read_to = produced.places[data["game_id"]], data["read_to"].get(Topic.LINES, -1)
    while places and places[0][0] <= read_to:
        into.setdefault(places.popleft()[1], at)


def by_id(at: float, data: dict[str, Any], produced: Produced, into: dict[str, float]) -> None:
    event_id = data.get("event_id") or data.get("prediction_id")
    if event_id in produced.at:
        into.setdefault(event_id, at)


@dataclass(frozen=True)
class Way:
    name: str
    topic: Topic
    make: Callable[[Lines], Said]
    client: Client
    arrived: Arrived


def _played(way: Way, rate: int, lines: Lines, events: Events) -> "np.ndarray[Any, Any]":
    """Milliseconds of every event, in the order of producing; NaN where it did not arrive."""
    produced, arrived = Produced(), dict[str, float]()
    way.client.taken()
    count, begin = rate * SECONDS, time.monotonic()
    for number in range(count):
        if (ahead := begin + number / rate - time.monotonic()) > 0:
            time.sleep(ahead)
        events.send(way.topic, way.make(lines), produced)
    events.flush()
    end = time.monotonic() + PATIENCE
    while len(arrived) < count and time.monotonic() < end:
        for at, data in way.client.taken():
            way.arrived(at, data, produced, arrived)
        time.sleep(0.2)
    return np.array(
        [(arrived.get(one, float("nan")) - at) * 1e3 for one, at in produced.at.items()]
    )


def _said(latencies: "np.ndarray[Any, Any]") -> dict[str, Any]:
    quarter = len(latencies) // 4
    second, last = (np.median(latencies[quarter * n : quarter * (n + 1)]) for n in (1, 3))
    settled = latencies[quarter:]
    missing = int(np.isnan(latencies).sum())
    return {
        "p50": round(float(np.nanpercentile(settled, 50)), 2),
        "p99": round(float(np.nanpercentile(settled, 99)), 2),
        "missing": missing,
        "stable": bool(not missing and last < DRIFT * second + 1.0),
    }


def main() -> None:
    settings = Settings.read()
    stack.up(settings)
    settings = stack.resolve(settings)
    kafka = settings.kafka.model_copy(update={"prefix": f"bench.{time.time_ns()}."})
    api = settings.api.model_copy(update={"port": 0})
    settings = settings.model_copy(update={"kafka": kafka, "api": api})
    ensure_topics(settings.kafka)
    children: list[SpawnProcess] = []

    def started(target: Callable[..., None], *arguments: object) -> Any:
        near, far = _spawn.Pipe()
        child = _spawn.Process(target=target, args=(far, settings, *arguments), daemon=True)
        child.start()
        children.append(child)
        far.close()  # so that its end is seen
        return near.recv()

    with tempfile.TemporaryDirectory() as home:
        try:
            port = started(serve_ours)
            started(serve_score, Path(home))
            query = "?event=prediction&market=moneyline"
            client = Client(port, f"/v1/feed{query}")
            echo = Client(started(serve_echo), "/v1/feed")
            children += [client.process, echo.process]
            ways = [
                Way("echo", ECHO, Lines.next, echo, by_id),
                Way("feed", Topic.PREDICTIONS, Lines.priced, client, by_id),
                Way("ours", Topic.LINES, Lines.next, client, by_position),
            ]
            _report(_steps(ways, settings))
        finally:
            for child in children:
                child.terminate()


def _steps(ways: Sequence[Way], settings: Settings) -> list[dict[str, Any]]:
    """Down the rates to one that stays."""
    lines, events = Lines(settings.books), Events(settings)
    for update in lines.schedule():
        events.send(Topic.GAMES, update)
    events.flush()
    for line in lines.opening():
        events.send(Topic.LINES, line)
    events.flush()
    for way in ways:
        _played(way, 50, lines, events)  # warms up
    steps: list[dict[str, Any]] = []
    for rate in RATES:
        step: dict[str, Any] = {"events_per_second": rate} | {way.name: [] for way in ways}
        steps.append(step)
        for _ in range(ROUNDS):
            for way in ways:
                step[way.name].append(_said(_played(way, rate, lines, events)))
            if not step["ours"][-1]["stable"]:
                break
        else:
            return steps
    return steps


def _report(steps: list[dict[str, Any]]) -> None:
    best = steps[-1]
    middle = {
        (which, percent): median(one[percent] for one in best[which])
        for which in ("ours", "feed", "echo")
        for percent in ("p50", "p99")
    }
    ours, echo = middle["ours", "p50"], middle["echo", "p50"]
    Result(
        name="latency",
        ours=ours,
        reference=echo,
        unit="ms, p50 from produce to the client's frame",
        ratio=round(ours / echo, 2),
        detail={
            "events_per_second": best["events_per_second"],
            "stable": all(one["stable"] for one in best["ours"]),
            "p50_feed": middle["feed", "p50"],
            "p99_feed": middle["feed", "p99"],
            "p99_ours": middle["ours", "p99"],
            "p99_echo": middle["echo", "p99"],
            "p99_ratio": round(middle["ours", "p99"] / middle["echo", "p99"], 2),
            "steps": steps,
        },
    ).write()
