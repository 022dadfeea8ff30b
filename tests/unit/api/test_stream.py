"""One stream as HTTP: its headers, its limit, its end, whatever the client does."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from starlette.types import Message

from api.counts import FeedCounts
from api.stream import EventStream, FrozenClient, Streams


async def endless() -> AsyncGenerator[bytes, None]:
    while True:
        yield b"event: x\n\n"
        await asyncio.sleep(0)


async def two() -> AsyncGenerator[bytes, None]:
    yield b"1"
    yield b"2"


async def never() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


def streams(**over: Any) -> Streams:
    return Streams(FeedCounts(), **({"limit": 2, "patience_seconds": 0.05} | over))


def test_headers_and_all_pieces() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(EventStream(two, streams(), "me")({"type": "http"}, never, send))
    headers = dict(sent[0]["headers"])
    assert headers[b"content-type"] == b"text/event-stream; charset=utf-8"
    assert headers[b"cache-control"] == b"no-store"
    assert headers[b"x-accel-buffering"] == b"no"
    assert b"content-encoding" not in headers
    assert [one["body"] for one in sent[1:]] == [b"1", b"2", b""]
    assert [one["more_body"] for one in sent[1:]] == [True, True, False]


def test_a_client_that_leaves_ends_its_stream_and_frees_its_place() -> None:
    counts = FeedCounts()
    open_streams = Streams(counts, limit=1, patience_seconds=1)

    async def run() -> None:
        sends = 0
        left = asyncio.Event()

        async def send(_: Message) -> None:
            nonlocal sends
            sends += 1
            assert open_streams.full("me")
            assert not open_streams.full("another")
            if sends == 5:
                left.set()

        async def receive() -> Message:
            await left.wait()
            return {"type": "http.disconnect"}

        await asyncio.wait_for(
            EventStream(endless, open_streams, "me")({"type": "http"}, receive, send), 2
        )

    asyncio.run(run())
    assert not open_streams.full("me")
    assert counts.clients == 0
    assert counts.refused >= 5


def test_a_client_that_takes_nothing_is_frozen_and_one_that_takes_is_not() -> None:
    open_streams = streams()

    async def run() -> None:
        async def stuck(message: Message) -> None:
            if message["type"] == "http.response.body":
                await asyncio.Event().wait()

        async def takes(_: Message) -> None:
            await asyncio.sleep(0.01)

        watching = asyncio.create_task(open_streams.watch())
        good = asyncio.create_task(
            EventStream(endless, open_streams, "b")({"type": "http"}, never, takes)
        )
        with pytest.raises(FrozenClient):
            await asyncio.wait_for(
                EventStream(endless, open_streams, "a")({"type": "http"}, never, stuck), 5
            )
        assert not good.done()
        for task in (good, watching):
            task.cancel()
        await asyncio.gather(good, watching, return_exceptions=True)

    asyncio.run(run())


def test_counts_as_prometheus_sees_them() -> None:
    counts = FeedCounts()
    counts.clients, counts.frames, counts.gaps["gone"], counts.resumes["kafka"] = 3, 7, 2, 1
    registry = CollectorRegistry()
    registry.register(counts)
    said = generate_latest(registry).decode().splitlines()
    assert {
        "steamline_feed_clients 3.0",
        "steamline_feed_frames_total 7.0",
        'steamline_feed_gaps_total{reason="gone"} 2.0',
        'steamline_feed_resumes_total{source="kafka"} 1.0',
        "steamline_feed_refused_streams_total 0.0",
    } <= set(said)
