"""The client against servers that break off, hang, refuse, repeat and say strange things."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from api.client import Event, Feed, Lost, Wait
from schemas.decisions import Alert, AlertKind
from schemas.errors import FeedRefused, FeedUnreadable
from schemas.feed import Gap, Heartbeat, Snapshot
from tests import samples
from tests.scripted import OPEN, Answer, scripted, status

ROOT = Path(__file__).parents[4]
BEAT = {"server_us": 1, "newest_us": None, "stale": False, "broker": True}
RULES = {"cutoff_us": 1, "stale_us": 2, "retain_us": 3, "heartbeat_ms": 40, "bankroll": "main"}


def frame(event: str, data: Any, event_id: str | None = None) -> bytes:
    text = data.model_dump_json() if hasattr(data, "model_dump_json") else json.dumps(data)
    named = "" if event_id is None else f"id: {event_id}\n"
    return f"{named}event: {event}\ndata: {text}\n\n".encode()


def snapshot(event_id: str, **over: Any) -> bytes:
    return frame(
        "snapshot",
        {"newest_us": None, "stale": False, "rules": RULES, "games": []} | over,
        event_id,
    )


def line(second: int) -> bytes:
    return frame("line", samples.line(second), f"t-{second}")


class Pauses:
    """Takes down what would be waited, and does not wait."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def longest(low: float, high: float) -> float:
    return high


async def take(feed: Feed, count: int) -> list[Event]:
    return [await asyncio.wait_for(anext(feed), 5) for _ in range(count)]


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 20))


def test_events_are_typed() -> None:
    async def test() -> None:
        heartbeat = Heartbeat(server_us=1, newest_us=None, stale=True, broker=False)
        stream = (
            b"retry: 700\n"
            + frame("heartbeat", heartbeat)
            + snapshot("a", newest_us=5)
            + frame("prediction", samples.prediction(3), "b")
            + frame("locked", samples.alert(4), "c")
            + frame("gap", {"reason": "lost"})
            + frame("trade", {"of": "a newer server"}, "d")
        )
        async with (
            scripted([Answer(OPEN + stream, hangs=True)]) as server,
            Feed(server.url) as feed,
        ):
            got = await take(feed, 6)
        assert [(one.kind, one.id) for one in got] == [
            ("heartbeat", ""), ("snapshot", "a"), ("prediction", "b"), ("locked", "c"),
            ("gap", "c"), ("trade", "d"),
        ]  # fmt: skip
        assert got[0].data == heartbeat
        assert isinstance(got[1].data, Snapshot)
        assert got[1].data.newest_us == 5
        assert got[2].data == samples.prediction(3)
        assert isinstance(got[3].data, Alert)
        assert got[3].data.kind is AlertKind.LOCKED
        assert got[4].data == Gap(reason="lost")
        assert got[5].data == {"of": "a newer server"}

    run(test)


def test_it_goes_on_by_the_last_id_and_tells_that_it_was_lost() -> None:
    async def test() -> None:
        pauses = Pauses()
        answers = [
            Answer(OPEN + b"retry: 700\n" + snapshot("t-0") + line(1) + line(2)[:-1]),  # cut off
            Answer(OPEN + line(2)),
        ]
        async with (
            scripted(answers) as server,
            Feed(server.url, sleep=pauses, wait=Wait(1, dice=longest)) as feed,
        ):
            got = await take(feed, 5)
            assert [one.kind for one in got] == ["snapshot", "line", "lost", "line", "lost"]
            assert server.header(0, "Last-Event-ID") is None
            assert server.header(1, "Last-Event-ID") == "t-1"
        assert isinstance(got[2].data, Lost)
        assert "127.0.0.1" in got[2].data.reason
        assert got[3].data == samples.line(2)
        assert pauses.seconds[0] == 0.7

    run(test)


def test_a_message_that_is_sent_again_is_left_out() -> None:
    async def test() -> None:
        answers = [
            Answer(OPEN + snapshot("t-0") + line(1)),
            Answer(OPEN + line(1) + frame("heartbeat", BEAT, "t-1") + line(2), hangs=True),
        ]
        async with scripted(answers) as server, Feed(server.url, sleep=Pauses()) as feed:
            got = await take(feed, 5)
        assert [(one.kind, one.id) for one in got] == [
            ("snapshot", "t-0"), ("line", "t-1"), ("lost", "t-1"), ("heartbeat", "t-1"),
            ("line", "t-2"),
        ]  # fmt: skip

    run(test)


def test_silence_for_two_and_a_half_heartbeats_is_a_dead_connection() -> None:
    """How often the feed beats is said in its snapshot: 40 ms here."""

    async def test() -> None:
        answers = [Answer(OPEN + snapshot("t-0"), hangs=True), Answer(OPEN + line(1), hangs=True)]
        async with scripted(answers) as server, Feed(server.url, sleep=Pauses()) as feed:
            got = await take(feed, 3)
            assert server.header(1, "Last-Event-ID") == "t-0"
        assert [one.kind for one in got] == ["snapshot", "lost", "line"]
        assert isinstance(got[1].data, Lost)
        assert got[1].data.reason.endswith("nothing came for 0.1 s")

    run(test)


def test_a_server_that_takes_the_request_and_says_nothing_is_left() -> None:
    async def test() -> None:
        answers = [Answer(b"", hangs=True), Answer(OPEN + snapshot("t-0"), hangs=True)]
        async with (
            scripted(answers) as server,
            Feed(server.url, sleep=Pauses(), heartbeat_ms=40) as feed,
        ):
            assert [one.kind for one in await take(feed, 2)] == ["lost", "snapshot"]

    run(test)


PROBLEM = json.dumps({"title": "x", "detail": "query.market.0: no such market"})


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (status(401, body='{"detail": "no key"}'), r"401: no key\. Give a valid key .* `read`"),
        (status(403, body='{"detail": "this key may stake"}'), "403: this key may stake"),
        (status(422, body=PROBLEM), r"422: query\.market\.0: no such market$"),
        (status(404), "404: "),
        (status(301, "Location: /elsewhere"), "301: "),
        (status(200, "Content-Type: text/html", body="<p>"), "text/html, not an event stream"),
    ],
)
def test_what_another_try_would_not_help_is_raised_at_once(answer: bytes, said: str) -> None:
    async def test() -> None:
        pauses = Pauses()
        async with scripted([Answer(answer)] * 2) as server:
            feed = Feed(server.url, key="sl_secret", markets=["hockey"], sleep=pauses)
            with pytest.raises(FeedRefused, match=said) as refused:
                await take(feed, 1)
            assert "sl_secret" not in str(refused.value)
            assert server.header(0, "Authorization") == "Bearer sl_secret"
            assert len(server.asked) == 1
            with pytest.raises(StopAsyncIteration):
                await anext(feed)
        assert pauses.seconds == []

    run(test)


def test_a_busy_server_says_when_to_come_back() -> None:
    async def test() -> None:
        pauses = Pauses()
        dates = (
            "Date: Tue, 24 Nov 2026 16:00:00 GMT",
            "Retry-After: Tue, 24 Nov 2026 16:01:30 GMT",
        )
        answers = [
            Answer(status(429, "Retry-After: 45", body=PROBLEM)),
            Answer(status(503, *dates)),
            Answer(status(502, "Retry-After: soon")),
            Answer(OPEN + snapshot("t-0"), hangs=True),
        ]
        async with (
            scripted(answers) as server,
            Feed(server.url, sleep=pauses, wait=Wait(1, dice=longest)) as feed,
        ):
            assert [one.kind for one in await take(feed, 2)] == ["lost", "snapshot"]
        assert pauses.seconds == [45, 90, 8]

    run(test)


def test_pauses_grow_with_every_round_of_the_addresses_and_begin_anew() -> None:
    """Another replica is tried soon: a quarter of `retry` at most."""
    wait = Wait(2, retry_ms=1_000, dice=longest)
    assert [wait.seconds(None) for _ in range(8)] == [0.25, 1, 0.25, 2, 0.25, 4, 0.25, 8]
    for _ in range(1_000):
        assert wait.seconds(None) <= 30
    wait.succeeded()
    assert wait.seconds(None) == 0.25
    assert wait.seconds(60) == 60
    assert Wait(1, retry_ms=60_000, dice=longest).seconds(None) == 60, "as the feed asks"
    drawn = {Wait(1, retry_ms=1_000).seconds(None) for _ in range(50)}
    assert len(drawn) > 10
    assert all(0.5 <= seconds <= 1 for seconds in drawn)


def test_replicas_are_tried_in_turn() -> None:
    async def test() -> None:
        async with (
            scripted([Answer(OPEN + snapshot("t-0") + line(1)), Answer(OPEN + line(3))]) as first,
            scripted([Answer(OPEN + line(2)), Answer(OPEN + line(4), hangs=True)]) as second,
            Feed([first.url, second.url + "/"], sleep=Pauses()) as feed,
        ):
            got = [one for one in await take(feed, 8) if one.kind == "line"]
            assert [one.id for one in got] == ["t-1", "t-2", "t-3", "t-4"]
            ids = [one.header(n, "Last-Event-ID") for n in (0, 1) for one in (first, second)]
            assert ids == [None, "t-1", "t-2", "t-3"]

    run(test)


def test_nothing_is_lost_by_a_timeout_around_one_step() -> None:
    async def test() -> None:
        release = asyncio.Event()

        async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OPEN + snapshot("t-0", rules=RULES | {"heartbeat_ms": 60_000}))
            await release.wait()
            writer.write(line(1))
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(late, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            async with Feed(url) as feed:
                await take(feed, 1)
                for _ in range(3):
                    with pytest.raises(TimeoutError):
                        await asyncio.wait_for(anext(feed), 0.01)
                release.set()
                assert (await take(feed, 1))[0].data == samples.line(1)

    run(test)


def test_it_is_closed_from_within_and_by_cancelling() -> None:
    async def test() -> None:
        before = asyncio.all_tasks()
        async with scripted([Answer(OPEN + snapshot("t-0"), hangs=True)] * 2) as server:
            async with Feed(server.url, heartbeat_ms=60_000) as feed:
                async for event in feed:
                    assert event.kind == "snapshot"
                    break
            with pytest.raises(StopAsyncIteration):
                await anext(feed)

            async def follow() -> None:
                async with Feed(server.url, heartbeat_ms=60_000) as feed:
                    async for _ in feed:
                        begun.set()

            begun = asyncio.Event()
            task = asyncio.create_task(follow())
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert asyncio.all_tasks() == before

    run(test)


def test_what_is_asked_for_is_in_the_query() -> None:
    async def test() -> None:
        cut = {"game_id": samples.GAME, "prediction_id": "p", "probability": 0.5}
        stream = snapshot("a", games=[{"game_id": samples.GAME}]) + frame("prediction", cut, "b")
        async with (
            scripted([Answer(OPEN + stream, hangs=True)]) as server,
            Feed(
                server.url,
                games=[samples.GAME, samples.OTHER],
                markets=["moneyline"],
                events=["prediction", "stake"],
                min_edge=0.02,
                conflate_ms=250,
                heartbeat_ms=2_000,
                fields=["probability"],
                last_id="z",
            ) as feed,
        ):
            got = await take(feed, 2)
            head = server.asked[0].partition(" HTTP")[0]
            assert server.header(0, "Last-Event-ID") == "z"
        assert head == (
            f"GET /v1/feed?game={samples.GAME}&game={samples.OTHER}&market=moneyline"
            "&event=prediction&event=stake&fields=probability"
            "&min_edge=0.02&conflate_ms=250&heartbeat_ms=2000"
        )
        assert got[1].data == cut

    run(test)


def test_explanations_stand_beside_their_prediction() -> None:
    async def test() -> None:
        data = json.loads(samples.prediction(3).model_dump_json())
        told = data | {"explanation": None, "unexplained": "no Redis"}
        async with (
            scripted([Answer(OPEN + frame("prediction", told, "b"), hangs=True)]) as server,
            Feed(server.url, explain=True) as feed,
        ):
            (got,) = await take(feed, 1)
            assert "explain=true" in server.asked[0]
        assert got.data == samples.prediction(3)
        assert (got.explanation, got.unexplained) == (None, "no Redis")

    run(test)


def test_a_newer_server_is_understood_and_a_broken_one_is_not_passed_over() -> None:
    async def test() -> None:
        data = json.loads(samples.prediction(3).model_dump_json())
        data["best"][0]["limit"] = 500
        stream = frame("prediction", data | {"weather": "rain"}, "a") + frame("stake", {}, "b")
        async with scripted([Answer(OPEN + stream + line(3), hangs=True)]) as server:
            feed = Feed(server.url)
            assert (await take(feed, 1))[0].data == samples.prediction(3)
            with pytest.raises(FeedUnreadable, match="stake b is not as this version has it"):
                await take(feed, 1)
            assert feed.last_id == "a"
            with pytest.raises(StopAsyncIteration):
                await anext(feed)

    run(test)


def test_it_takes_nothing_of_the_server_along() -> None:
    """Whoever follows the feed needs no Kafka, no web framework and no model."""
    code = "import sys, api.client; print(*sorted({n.split('.')[0] for n in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert {"api", "schemas", "httpx", "pydantic"} <= loaded
    assert not loaded & {"flows", "models", "deploy", "cli", "fastapi", "starlette", "uvicorn"}
    assert not loaded & {"confluent_kafka", "redis", "asyncpg", "numpy", "lightgbm", "bytewax"}
    code = "import sys, api.client; print(*sorted(n for n in sys.modules if n.startswith('api.')))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert all(name.startswith("api.client") for name in done.stdout.split()), done.stdout
