"""Feed fan-out: thousands of clients on one API process, against a bare Starlette stream.

The reference streams the same frames to the same swarm through the same uvicorn: a generator a
client, one shared list of frames, all that waits in one write, no filters, ids, heartbeats or
limits. Ours reads its messages from a real Kafka, which its latency includes; the reference
makes them up in its own process. A run: all clients connected, a steady rate of messages, then
a ladder of rates until one is too much. `ours` and `reference` are frames delivered in a second
at the best step: messages x clients over the time from the first message to the last client
that has all of them. A server that falls behind writes more at once, so more is delivered the
further it is behind, and the steps are the same for both. `frozen` is the steady rate again with
clients among the others that read nothing.

BENCH_FEED_CLIENTS, _RATE (messages/s), _SECONDS, _STEP_SECONDS, _FROZEN make it smaller.
"""

import asyncio
import multiprocessing
import os
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import psutil
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from api.server import Server
from bench import swarm
from bench.result import Result
from bench.swarm import Count, open_times
from deploy import stack
from flows.connectors.kafka import ConfirmedProducer
from flows.connectors.topics import ensure_topics
from flows.steps.records import Outgoing
from schemas.decisions import Prediction, SideQuote
from schemas.markets import Side, Target
from schemas.settings import Settings
from schemas.time import US_PER_HOUR
from schemas.topics import Topic

CLIENTS = int(os.environ.get("BENCH_FEED_CLIENTS", "5000"))
RATE = int(os.environ.get("BENCH_FEED_RATE", "50"))
SECONDS = int(os.environ.get("BENCH_FEED_SECONDS", "10"))
STEP_SECONDS = int(os.environ.get("BENCH_FEED_STEP_SECONDS", "4"))
FROZEN = int(os.environ.get("BENCH_FEED_FROZEN", "100"))
STEPS = (1, 2, 4, 8, 16, 32)
"""Rates of the ladder, as multiples of the steady one."""
BEHIND = 0.5
"""A step at which less of the rate was delivered is the last."""
PATIENCE = 90.0
GAME = "mlb-2026-07-20-BOS-NYY-1"
START_US = 1_784_588_700_000_000
PATH = "/v1/feed?heartbeat_ms=60000"

_spawn = multiprocessing.get_context("spawn")


def _message(position: int) -> bytes:
    as_of = START_US - 6 * US_PER_HOUR + position
    quotes = [
        SideQuote(side=side, book=book, price=1.9 + position % 50 / 500, age_ms=900, edge=0.0123)
        for side, book in ((Side.HOME, "pinnacle"), (Side.AWAY, "draftkings"))
    ]
    return (
        Prediction(
            game_id=GAME,
            position=position,
            as_of_us=as_of,
            cutoff_us=START_US - US_PER_HOUR,
            prediction_id=f"{GAME}:{position}:moneyline:17-3f2a9c01",
            target=Target.MONEYLINE,
            model_version="17-3f2a9c01",
            feature_set="0f4c2d1e9b8a7766",
            start_time_us=START_US,
            probability=0.5312345678901234,
            market_probability=0.5298765432109876,
            fair_price=1.8824,
            best=quotes,
            odds_age_ms=900,
            books=9,
            completeness=0.93,
            read_to={"games": 120, "splits": 44, "lines": position},
        )
        .model_dump_json()
        .encode()
    )


class Kafka:
    """Publishes to ours."""

    def __init__(self, settings: Settings, times: Path) -> None:
        self._producer = ConfirmedProducer(settings.kafka)
        self._times = open_times(times)
        self._position = 0

    def publish(self, rate: float, count: int) -> None:
        values = [_message(self._position + one) for one in range(1, count + 1)]
        begin = time.monotonic()
        for number, value in enumerate(values):
            self._position += 1
            time.sleep(max(begin + number / rate - time.monotonic(), 0.0))
            self._times[number] = time.monotonic()
            self._producer.send(
                Outgoing(
                    Topic.PREDICTIONS,
                    GAME,
                    f"{GAME}:{self._position}",
                    START_US - 6 * US_PER_HOUR + self._position,
                    value,
                )
            )
            self._producer.poll()
        self._producer.confirm()


class Bare:
    """The reference server, in its own process."""

    def __init__(self, pipe: Connection, times: Path) -> None:
        self._pipe, self._times = pipe, open_times(times)
        self._frames: list[bytes] = []
        self._more = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def stream(self) -> AsyncIterator[bytes]:
        yield b"event: snapshot\ndata: {}\n\n"
        at = len(self._frames)
        while True:
            waiting = self._frames[at:]
            if waiting:
                at += len(waiting)
                yield b"".join(waiting)
            else:
                await self._more.wait()

    async def follow(self, request: Request) -> StreamingResponse:
        return StreamingResponse(self.stream(), media_type="text/event-stream")

    async def publish(self, rate: float, count: int, frame: bytes) -> None:
        begin, number = time.monotonic(), 0
        while number < count:
            await asyncio.sleep(max(begin + number / rate - time.monotonic(), 0.0))
            # All that are due: a turn of the loop may take longer than one message's time.
            while number < count and (due := begin + number / rate) <= time.monotonic():
                self._times[number] = due
                self._frames.append(frame)
                number += 1
            self._more.set()
            self._more = asyncio.Event()
        self._pipe.send("published")

    def _told(self) -> None:
        task = asyncio.get_running_loop().create_task(self.publish(*self._pipe.recv()))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def serve(self) -> None:
        app = Starlette(routes=[Route("/v1/feed", self.follow)])
        config = uvicorn.Config(app, port=0, log_level="warning", http="h11", interface="asgi3")
        server = uvicorn.Server(config)
        config.load()
        server.lifespan = config.lifespan_class(config)
        await server.startup()
        self._pipe.send(server.servers[0].sockets[0].getsockname()[1])
        asyncio.get_running_loop().add_reader(self._pipe.fileno(), self._told)
        await server.main_loop()


def serve_bare(pipe: Connection, times: Path) -> None:
    bare = Bare(pipe, times)
    asyncio.run(bare.serve())


def serve_ours(pipe: Connection, settings: Settings) -> None:
    Server(settings, lambda url: pipe.send(int(url.rpartition(":")[2]))).run()


@dataclass
class Run:
    """One server under the swarm."""

    server: SpawnProcess
    port: int
    swarm: Connection
    times: Path
    process: psutil.Process = field(init=False)

    def __post_init__(self) -> None:
        self.process = psutil.Process(self.server.pid)

    def rss(self) -> int:
        return int(self.process.memory_info().rss)

    def cpu(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def open(self) -> float:
        """Bytes of memory a client."""
        before = self.rss()
        self.swarm.send(("open", self.port, PATH, CLIENTS))
        self.swarm.send(("count", b"event: snapshot\n", 1))
        self.swarm.send(("wait", PATIENCE))
        count: Count = self.swarm.recv()
        assert count.complete == CLIENTS, f"{count.complete} of {CLIENTS} clients got a snapshot"
        return (self.rss() - before) / CLIENTS

    def step(self, publish: Any, rate: float, seconds: float) -> tuple[dict[str, Any], Count]:
        messages = round(rate * seconds)
        self.swarm.send(("count", b"event: prediction\n", messages))
        time.sleep(0.3)  # the order is carried out before the first frame comes
        cpu = self.cpu()
        publish(rate, messages)
        self.swarm.send(("wait", PATIENCE))
        count: Count = self.swarm.recv()
        took = count.done_at - float(open_times(self.times, "r")[0])
        return {
            "messages_per_second": rate,
            "offered": round(rate * CLIENTS),
            "delivered_per_second": round(count.frames / took),
            "missing": messages * CLIENTS - count.frames,
            "latency_ms_p50": count.percentile(50),
            "latency_ms_p99": count.percentile(99),
            "cpu_us_per_frame": round((self.cpu() - cpu) / count.frames * 1e6, 2),
        }, count


def _ladder(run: Run, publish: Any) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = []
    for factor in STEPS:
        step, _ = run.step(publish, RATE * factor, STEP_SECONDS)
        steps.append(step)
        if step["delivered_per_second"] < BEHIND * step["offered"]:
            break
    return steps


def _measured(run: Run, publish: Any) -> dict[str, Any]:
    memory = run.open()
    steady, _ = run.step(publish, RATE, SECONDS)
    return {
        "memory_per_client_kb": round(memory / 1e3, 1),
        "steady": steady,
        "ladder": _ladder(run, publish),
    }


def _frozen(run: Run, publish: Any) -> dict[str, Any]:
    before = run.rss()
    run.swarm.send(("freeze", run.port, PATH, FROZEN))
    steady, count = run.step(publish, RATE, SECONDS)
    return {
        "clients": FROZEN,
        "steady": steady,
        "memory_growth_mb": round((run.rss() - before) / 1e6, 1),
        "others_closed": count.ended,
    }


def _swarm(times: Path) -> tuple[SpawnProcess, Connection]:
    near, far = _spawn.Pipe()
    process = _spawn.Process(target=swarm.run, args=(far, times), daemon=True)
    process.start()
    far.close()
    return process, near


def _best(found: dict[str, Any]) -> int:
    return max(int(step["delivered_per_second"]) for step in found["ladder"])


def main() -> None:
    settings = Settings.read()
    stack.up(settings)
    settings = stack.resolve(settings)
    kafka = settings.kafka.model_copy(update={"prefix": f"bench.{time.time_ns()}."})
    api = settings.api.model_copy(
        update={
            "port": 0,
            "ring": 200_000,
            # Conflation would be fewer frames for less work.
            "client_queue": 200_000,
            "streams_per_client": CLIENTS + FROZEN + 10,
        }
    )
    settings = settings.model_copy(update={"kafka": kafka, "api": api})
    ensure_topics(settings.kafka)
    with tempfile.TemporaryDirectory() as folder:
        times = Path(folder) / "times"
        open_times(times, "w+")
        ours, frozen, frame = _ours(settings, times)
        reference = _reference(times, frame)
    Result(
        name="feed",
        ours=_best(ours),
        reference=_best(reference),
        unit="frames/s delivered at the best step",
        ratio=round(_best(ours) / _best(reference), 3),
        detail={
            "clients": CLIENTS,
            "frame_bytes": len(frame),
            "ours": ours,
            "frozen": frozen,
            "reference": reference,
        },
    ).write()


def _ours(settings: Settings, times: Path) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    near, far = _spawn.Pipe()
    server = _spawn.Process(target=serve_ours, args=(far, settings), daemon=True)
    server.start()
    far.close()  # so that its end is seen
    clients, orders = _swarm(times)
    try:
        run = Run(server, near.recv(), orders, times)
        publish = Kafka(settings, times).publish
        found = _measured(run, publish)
        frozen = _frozen(run, publish)
        _, count = run.step(publish, RATE, 1)
        return found, frozen, count.frame
    finally:
        clients.terminate()
        server.terminate()


def _reference(times: Path, frame: bytes) -> dict[str, Any]:
    near, far = _spawn.Pipe()
    server = _spawn.Process(target=serve_bare, args=(far, times), daemon=True)
    server.start()
    far.close()  # so that its end is seen
    clients, orders = _swarm(times)

    def publish(rate: float, count: int) -> None:
        near.send((rate, count, frame))
        near.recv()

    try:
        return _measured(Run(server, near.recv(), orders, times), publish)
    finally:
        clients.terminate()
        server.terminate()
