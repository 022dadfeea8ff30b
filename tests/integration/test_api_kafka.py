"""Kafka to SSE through a real server: what a client sees, and what it sees when things break."""

import json
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from httpx_sse import ServerSentEvent, connect_sse

from deploy.stack.kafka import KafkaBroker
from schemas.topics import Topic
from tests import samples
from tests.served import Publisher, Served, api_settings, serving, wait_for


@pytest.fixture
def prefix() -> str:
    return f"t{uuid.uuid4().hex[:8]}."


@contextmanager
def following(
    served: Served, query: str = "", headers: dict[str, str] | None = None
) -> Iterator[Iterator[ServerSentEvent]]:
    """Events as they come; ten silent seconds fail the test."""
    with (
        httpx.Client(timeout=10) as client,
        connect_sse(client, "GET", f"{served.url}/v1/feed{query}", headers=headers or {}) as source,
    ):
        assert source.response.headers["cache-control"] == "no-store"
        assert source.response.headers["x-accel-buffering"] == "no"
        yield source.iter_sse()


def take(events: Iterator[ServerSentEvent], count: int) -> list[ServerSentEvent]:
    """The next `count` that are no heartbeat."""
    found: list[ServerSentEvent] = []
    for event in events:
        if event.event != "heartbeat":
            found.append(event)
        if len(found) == count:
            break
    return found


def beat(events: Iterator[ServerSentEvent], **wanted: Any) -> dict[str, Any]:
    """The next heartbeat that says so."""
    for event in events:
        if event.event == "heartbeat":
            said: dict[str, Any] = event.json()
            if wanted.items() <= said.items():
                return said
    raise AssertionError("the stream ended")


def test_snapshot_then_live_then_resume(mock_kafka: str, prefix: str) -> None:
    publisher = Publisher(mock_kafka, prefix)
    publisher.send(samples.game(), samples.line(1, 1.85), samples.line(2, 1.90))
    with serving(api_settings(mock_kafka, prefix)) as served:
        served.await_ready()
        with following(served) as events:
            (first,) = take(events, 1)
            assert first.event == "snapshot"
            (game,) = first.json()["games"]
            assert [line["price_home_over"] for line in game["lines"]] == [1.90]
            assert beat(events)["newest_us"] == samples.at(2)

            # One after the other: between topics Kafka promises no order.
            publisher.send(samples.prediction(3))
            live = take(events, 1)
            publisher.send(samples.prediction(3), samples.stake(3))  # one is a repeat
            live += take(events, 1)
            assert [event.event for event in live] == ["prediction", "stake"]
            assert live[0].json() == json.loads(samples.prediction(3).model_dump_json())

        publisher.send(samples.alert(4))
        wait_for(lambda: served.get(f"/v1/games/{samples.GAME}").json()["game"]["locked"], "locked")
        publisher.send(samples.line(5, 1.95))
        for query, headers in [
            ("", {"Last-Event-ID": live[0].id}),
            (f"?last_event_id={live[0].id}", None),
        ]:
            with following(served, query, headers) as events:
                assert [event.event for event in take(events, 3)] == ["stake", "locked", "line"]
        with following(served, "?event=locked", {"Last-Event-ID": live[0].id}) as events:
            assert [event.event for event in take(events, 1)] == ["locked"]


def test_explanations_go_to_those_who_ask(mock_kafka: str, prefix: str) -> None:
    """Without Redis there are none, which is said; shadows are in no feed at all."""
    publisher = Publisher(mock_kafka, prefix)
    publisher.send(samples.game())
    with serving(api_settings(mock_kafka, prefix)) as served:
        served.await_ready()
        with following(served, "?explain=true") as asks, following(served) as does_not:
            take(asks, 1), take(does_not, 1)
            shadow = {"role": "challenger", "experiment": "spring", "model_version": "2"}
            publisher.send(samples.prediction(3, 0.9, **shadow), samples.prediction(3))
            (told,), (plain,) = take(asks, 1), take(does_not, 1)
            assert plain.json() == json.loads(samples.prediction(3).model_dump_json())
            assert told.json() == plain.json() | {
                "explanation": None,
                "unexplained": "STEAMLINE_REDIS_URL: no Redis is configured",
            }
            assert told.id == plain.id
        detail = served.get(f"/v1/games/{samples.GAME}").json()
        assert [one["model_version"] for one in detail["predictions"]] == ["1"]
        assert [one["model_version"] for one in detail["shadows"]] == ["2"]


def test_an_id_outlives_the_process_and_goes_on_without_a_snapshot(
    mock_kafka: str, prefix: str
) -> None:
    publisher = Publisher(mock_kafka, prefix)
    publisher.send(samples.game(), *(samples.line(second) for second in range(5)))
    settings = api_settings(mock_kafka, prefix)
    with serving(settings) as served, following(served) as events:
        last_id = take(events, 1)[0].id
        publisher.send(samples.line(5))
        second_id = take(events, 1)[0].id
    publisher.send(*(samples.line(second) for second in range(6, 9)))
    with serving(settings) as served:
        served.await_ready()
        for since, first in ((last_id, 5), (second_id, 6)):
            with following(served, headers={"Last-Event-ID": since}) as events:
                seen = take(events, 9 - first)
            assert [event.event for event in seen] == ["line"] * (9 - first)
            assert [event.json()["occurred_at_us"] for event in seen] == [
                samples.at(second) for second in range(first, 9)
            ]
        with following(served, headers={"Last-Event-ID": "0badc0de-zzzz"}) as events:
            assert [event.event for event in take(events, 2)] == ["gap", "snapshot"]


def test_what_the_ring_no_longer_holds_comes_from_kafka(mock_kafka: str, prefix: str) -> None:
    publisher = Publisher(mock_kafka, prefix)
    publisher.send(samples.game(), samples.line(0))
    with serving(api_settings(mock_kafka, prefix, ring=5)) as served:
        with following(served) as events:
            last_id = take(events, 1)[0].id
        repeats = [samples.line(second) for second in (3, 3, 2)]
        publisher.send(*(samples.line(second) for second in range(1, 4)), *repeats)
        publisher.send(*(samples.line(second) for second in range(4, 40)))
        wait_for(lambda: served.get("/ready").json()["records"] == 44, "read")
        with following(served, headers={"Last-Event-ID": last_id}) as back:
            seen = take(back, 39)
            assert [event.json()["occurred_at_us"] for event in seen] == [
                samples.at(second) for second in range(1, 40)
            ]
            publisher.send(samples.line(40))
            assert take(back, 1)[0].json()["occurred_at_us"] == samples.at(40)
        # An id from the middle of that is as good as any.
        with following(served, headers={"Last-Event-ID": seen[9].id}) as back:
            assert take(back, 1)[0].json()["occurred_at_us"] == samples.at(11)
        counts = served.server.feed.counts
        assert counts.resumes == {"kafka": 2}
        assert not counts.gaps


def test_one_address_may_open_so_many_streams(mock_kafka: str, prefix: str) -> None:
    with serving(api_settings(mock_kafka, prefix, streams_per_client=2)) as served:
        with following(served, "?heartbeat_ms=1000"), following(served, "?fields=price_home_over"):
            refused = served.get("/v1/feed")
            assert refused.status_code == 429
            assert refused.headers["content-type"] == "application/problem+json"
            assert refused.headers["retry-after"] == "10"
        wait_for(lambda: served.server.feed.counts.clients == 0, "both gone")
        with following(served):
            assert served.server.feed.counts.clients == 1
        assert served.server.feed.counts.refused == 1


def test_malformed_records_are_counted_and_passed_over(mock_kafka: str, prefix: str) -> None:
    publisher = Publisher(mock_kafka, prefix)
    for value in (b"{", b"\xff", b"null", None, b'{"game_id": 1}'):
        publisher.raw(Topic.LINES, samples.GAME, value)
    publisher.send(samples.line(1, book="corner shop"), samples.line(2), samples.line(2))
    with serving(api_settings(mock_kafka, prefix)) as served:
        served.await_ready()
        said = served.get("/ready").json()
        assert said["rejected"] == {"schema": 4, "unknown_book": 1}
        assert (said["records"], said["repeats"]) == (8, 1)
        one = served.get(f"/v1/games/{samples.GAME}").json()
        assert [quote["book"] for quote in one["quotes"]] == ["pinnacle"]


def test_topics_that_do_not_exist_yet_are_waited_for(mock_kafka: str, prefix: str) -> None:
    publisher = Publisher(mock_kafka, prefix)
    with serving(api_settings(mock_kafka, prefix)) as served:
        served.await_ready()
        kafka = served.get("/ready").json()["dependencies"]["kafka"]
        assert kafka["state"] == "degraded"
        assert Topic.PREDICTIONS.full(prefix) in kafka["detail"]
        with following(served) as events:
            assert take(events, 1)[0].json()["games"] == []
            publisher.send(samples.prediction(1))
            assert take(events, 1)[0].event == "prediction"
        kafka = served.get("/ready").json()["dependencies"]["kafka"]
        assert Topic.PREDICTIONS.full(prefix) not in kafka["detail"]


def test_without_a_broker_it_serves_and_says_so(prefix: str) -> None:
    with serving(api_settings("127.0.0.1:1", prefix)) as served:
        assert served.get("/health").status_code == 200
        assert served.get("/ready").status_code == 503
        assert served.get("/v1/games").json()["stale"] is True
        with following(served) as events:
            assert beat(events, broker=False, stale=True)["newest_us"] is None


def test_stopping_ends_open_streams_at_once(mock_kafka: str, prefix: str) -> None:
    with serving(api_settings(mock_kafka, prefix)) as served:
        served.await_ready()
        with following(served) as events:
            take(events, 1)
            seconds = served.stop()
            assert [event.event for event in events if event.event != "heartbeat"] == []
    assert seconds < 2.5


def test_a_frozen_client_is_closed_and_others_miss_nothing(mock_kafka: str, prefix: str) -> None:
    settings = api_settings(mock_kafka, prefix, send_timeout_seconds=1)
    with serving(settings) as served, socket.socket() as frozen:
        served.await_ready()
        frozen.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        frozen.connect(("127.0.0.1", served.port))
        frozen.sendall(b"GET /v1/feed HTTP/1.1\r\nHost: x\r\n\r\n")
        assert frozen.recv(12) == b"HTTP/1.1 200"
        with following(served) as events:
            take(events, 1)
            publisher = Publisher(mock_kafka, prefix)
            # 20 MB: more than any socket buffer takes.
            for first in range(1, 401, 20):
                positions = range(first, first + 20)
                publisher.send(*(samples.alert(at, detail="x" * 50_000) for at in positions))
                seen = [event.json()["position"] for event in take(events, 20)]
                assert seen == list(positions)
            connections = served.server.server_state.connections
            wait_for(lambda: len(connections) == 1, "down to the client that reads")


def create(broker: KafkaBroker, prefix: str, *topics: Topic) -> None:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    names = [topic.full(prefix) for topic in topics]
    for done in admin.create_topics([NewTopic(name, 2, 1) for name in names]).values():
        done.result(20)


READ = (
    Topic.GAMES,
    Topic.LINES,
    Topic.RESULTS,
    Topic.PREDICTIONS,
    Topic.STAKES,
    Topic.ALERTS,
    Topic.SETTLEMENTS,
)


def test_a_real_broker_all_topics_ready(kafka: KafkaBroker, prefix: str) -> None:
    create(kafka, prefix, *READ)
    publisher = Publisher(kafka.bootstrap, prefix)
    publisher.send(samples.game(), *(samples.line(second) for second in range(2_000)))
    with serving(api_settings(kafka.bootstrap, prefix)) as served:
        served.await_ready()
        said = served.get("/ready").json()
        assert said["dependencies"] == {"kafka": {"state": "ok", "detail": ""}}
        assert said["records"] == 2_001
        with following(served) as events:
            take(events, 1)
            publisher.send(*(samples.line(3_000 + second) for second in range(500)))
            assert [event.json()["occurred_at_us"] for event in take(events, 500)] == [
                samples.at(3_000 + second) for second in range(500)
            ]


def test_broker_down_and_back(own_kafka: KafkaBroker, prefix: str) -> None:
    create(own_kafka, prefix, *READ)
    Publisher(own_kafka.bootstrap, prefix).send(samples.game())
    with serving(api_settings(own_kafka.bootstrap, prefix)) as served:
        served.await_ready()
        with following(served) as events:
            take(events, 1)
            own_kafka.kill()
            beat(events, broker=False, stale=True)
            assert served.get("/ready").status_code == 503
            assert len(served.get("/v1/games").json()["games"]) == 1
            own_kafka.start()
            beat(events, broker=True, stale=False)
            Publisher(own_kafka.bootstrap, prefix).send(samples.line(1))
            assert take(events, 1)[0].event == "line"


def test_records_that_the_broker_lost_are_a_gap(own_kafka: KafkaBroker, prefix: str) -> None:
    """A topic made anew is shorter than what was read of it: the offsets do not fit any more."""
    create(own_kafka, prefix, *READ)
    publisher = Publisher(own_kafka.bootstrap, prefix)
    publisher.send(samples.game(), *(samples.line(second) for second in range(20)))
    with serving(api_settings(own_kafka.bootstrap, prefix)) as served:
        served.await_ready()
        with following(served) as events:
            take(events, 1)
            admin = AdminClient({"bootstrap.servers": own_kafka.bootstrap})
            name = Topic.LINES.full(prefix)
            admin.delete_topics([name])[name].result(20)
            wait_for(lambda: name not in admin.list_topics(timeout=5).topics, "deleted")
            create(own_kafka, prefix, Topic.LINES)
            Publisher(own_kafka.bootstrap, prefix).send(samples.line(100, 1.99))
            seen = take(events, 3)
    assert [event.event for event in seen] == ["gap", "snapshot", "line"]
    assert Topic.LINES.full(prefix) in seen[0].json()["reason"]
    assert seen[2].json()["price_home_over"] == 1.99
