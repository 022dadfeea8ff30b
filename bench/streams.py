"""What it costs to send one frame to one client: ours against sse-starlette's response.

In one process and without sockets, so that only what stands between a feed and its server is
counted: every client is told of a frame, takes it, and waits for the next. docs/decisions/013.
"""

import asyncio
import gc
import time
import tracemalloc
from collections.abc import AsyncGenerator, Callable
from statistics import median

from sse_starlette import EventSourceResponse
from starlette.responses import Response
from starlette.types import Message, Scope

from api.counts import FeedCounts
from api.stream import EventStream, Streams
from bench.result import Result, paired

CLIENTS, FRAMES, ROUNDS = 1_000, 50, 5
PATIENCE_SECONDS = 30.0
FRAME = b"id: 7f3a19c2-AAAA\nevent: prediction\ndata: " + b"x" * 800 + b"\n\n"
SCOPE: Scope = {"type": "http", "method": "GET", "path": "/v1/feed", "headers": []}


class Frames:
    """Wakes everybody for each."""

    def __init__(self) -> None:
        self.said = 0
        self._news = asyncio.Event()

    def say(self) -> None:
        self.said += 1
        self._news.set()
        self._news = asyncio.Event()

    async def follow(self) -> AsyncGenerator[bytes, None]:
        at = 0
        while True:
            if at < self.said:
                at += 1
                yield FRAME
            else:
                await self._news.wait()


async def _measured(respond: Callable[[Frames], Response]) -> tuple[float, float]:
    """Microseconds of processor time a frame and client; bytes a client."""
    frames, taken = Frames(), 0

    async def send(message: Message) -> None:
        nonlocal taken
        taken += bool(message.get("body"))

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    gc.collect()
    tracemalloc.start()
    clients = [asyncio.create_task(respond(frames)(SCOPE, receive, send)) for _ in range(CLIENTS)]
    await asyncio.sleep(0.5)
    held = tracemalloc.get_traced_memory()[0] / CLIENTS
    tracemalloc.stop()
    begun = time.process_time()
    for number in range(1, FRAMES + 1):
        frames.say()
        while taken < number * CLIENTS:
            await asyncio.sleep(0)
    took = time.process_time() - begun
    for client in clients:
        client.cancel()
    await asyncio.gather(*clients, return_exceptions=True)
    return took / (FRAMES * CLIENTS) * 1e6, held


def _ours(frames: Frames) -> Response:
    streams = Streams(FeedCounts(), limit=CLIENTS, patience_seconds=PATIENCE_SECONDS)
    return EventStream(frames.follow, streams, "bench")


def _sse_starlette(frames: Frames) -> Response:
    # Its pings are put off: ours come out of the feed.
    return EventSourceResponse(frames.follow(), ping=3_600, send_timeout=PATIENCE_SECONDS)


def main() -> None:
    rounds = [
        (asyncio.run(_measured(_ours)), asyncio.run(_measured(_sse_starlette)))
        for _ in range(ROUNDS)
    ]
    ours, theirs = [one[0] for one, _ in rounds], [other[0] for _, other in rounds]
    Result(
        "streams",
        round(median(ours), 2),
        round(median(theirs), 2),
        "microseconds of CPU a frame and client (less is better)",
        paired(ours, theirs),
        detail={
            "clients": CLIENTS,
            "bytes_a_client": round(median(one[1] for one, _ in rounds)),
            "bytes_a_client_sse_starlette": round(median(other[1] for _, other in rounds)),
        },
    ).write()
