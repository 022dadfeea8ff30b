"""The poller against a real HTTP server that misbehaves in every way that servers do."""

import asyncio
import gzip
import logging
from collections.abc import Callable, Coroutine, Iterator
from email.utils import format_datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest

from flows.connectors.http import Answer, Poller, TooLong, make_client
from flows.connectors.recording import record, recorded
from flows.sources.feeds import Feed
from schemas.errors import DataMissing, SourceBusy, SourceUnavailable
from schemas.sections.sources import IngestSettings
from schemas.time import US_PER_SECOND, from_us
from tests import samples
from tests.answering import Answering, Reply, answering
from tests.unit.facts import feeds

NOW = samples.at(0)
SECRET = "k3y-of-mine"
T = TypeVar("T")


@pytest.fixture
def server() -> Iterator[Answering]:
    with answering() as server:
        yield server


def at(us: int) -> str:
    return format_datetime(from_us(us), usegmt=True)


def odds(server: Answering, **over: Any) -> Feed:
    return feeds(**{"url": server.url, "key": SECRET} | over).on[1]


def polled(
    feed: Feed,
    work: Callable[[Poller, Callable[[], Coroutine[Any, Any, Answer]]], Coroutine[Any, Any, T]],
    **settings: Any,
) -> T:
    """The result of `work`, given a poller and a function that asks it for the feed's request."""
    rules = IngestSettings.model_validate({"attempts": 3, "timeout_seconds": 5.0} | settings)

    async def main() -> T:
        async with make_client(rules) as client:
            poller = Poller(feed, rules, client, lambda: NOW)
            (request,) = feed.requests(from_us(NOW).date())
            return await work(poller, lambda: poller.get(request))

    return asyncio.run(main())


def looks(feed: Feed, count: int = 1, **settings: Any) -> list[Answer | Exception]:
    """What so many looks in a row give."""

    async def work(_: Poller, ask: Callable[[], Coroutine[Any, Any, Answer]]) -> Any:
        return [(await asyncio.gather(ask(), return_exceptions=True))[0] for _ in range(count)]

    found: list[Answer | Exception] = polled(feed, work, **settings)
    return found


def test_a_look_asks_with_the_key_and_never_tells_it(
    server: Answering, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    echo = f'{{"asked": "/odds?apiKey={SECRET}"}}'.encode()
    server.on("/odds", Reply(body=echo, headers={"Set-Cookie": "id=1", "X-Requests-Used": "7"}))
    (answer,) = looks(odds(server))
    assert isinstance(answer, Answer)
    (asked,) = server.asked
    assert asked.params == {"regions": "us", "apiKey": SECRET}
    assert "steamline" in asked.headers["user-agent"]
    assert answer.payload.url == f"{server.url}/odds?regions=us"
    path = record(tmp_path, answer)
    everything = f"{answer!r} {caplog.text} {gzip.decompress(path.read_bytes())!r} {path}"
    assert SECRET not in everything
    assert b"***" in answer.payload.body
    assert answer.headers["x-requests-used"] == "7"
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"Last-Modified": at(NOW - 90_000_000), "Date": at(NOW)}, NOW - 90_000_000),
        ({"Date": at(NOW), "Age": "30"}, NOW - 30_000_000),
        ({"Date": at(NOW)}, NOW),
        ({"Date": "soon", "Age": "-3"}, None),
        ({}, None),
    ],
)
def test_when_the_server_said_it(
    server: Answering, headers: dict[str, str], said: int | None
) -> None:
    server.on("/odds", Reply(headers=headers))
    (answer,) = looks(odds(server))
    assert isinstance(answer, Answer)
    assert answer.payload.said_at_us == said
    assert answer.payload.fetched_at_us == NOW


def test_what_has_not_changed_is_not_sent_again(server: Answering) -> None:
    old = {"ETag": '"a"', "Last-Modified": at(NOW - 600_000_000)}
    server.on("/odds", Reply(headers=old), Reply(304, b"", {"Date": at(NOW), "Age": "5"}))
    first, second = looks(odds(server), 2)
    assert isinstance(first, Answer)
    assert isinstance(second, Answer)
    assert (first.unchanged, second.unchanged) == (False, True)
    assert second.payload.body == b""
    assert second.payload.said_at_us == NOW - 5_000_000, "when it was looked, not when it changed"
    assert "if-none-match" not in server.asked[0].headers
    assert server.asked[1].headers["if-none-match"] == '"a"'
    assert server.asked[1].headers["if-modified-since"] == old["Last-Modified"]


def test_not_modified_unasked_for_is_no_answer(server: Answering) -> None:
    server.on("/odds", Reply(304, b""))
    (answer,) = looks(odds(server))
    assert isinstance(answer, SourceUnavailable)


def test_errors_of_the_server_are_tried_again_and_those_of_ours_not(server: Answering) -> None:
    server.on("/odds", Reply(500), Reply(503, headers={"Retry-After": "0"}), Reply())
    (answer,) = looks(odds(server))
    assert isinstance(answer, Answer)
    assert server.times("/odds") == 3
    server.on("/odds", Reply(401, b"bad key"))
    (refused,) = looks(odds(server))
    assert isinstance(refused, SourceUnavailable)
    assert str(refused) == "HTTP 401"
    assert server.times("/odds") == 4
    server.on("/odds", Reply(302, headers={"Location": "http://127.0.0.1:9/else"}))
    (moved,) = looks(odds(server))
    assert str(moved) == "HTTP 302", "a key is not carried elsewhere"


def test_a_source_that_wants_rest_gets_it(server: Answering) -> None:
    server.on("/odds", Reply(429, headers={"Retry-After": "3600"}))
    (answer,) = looks(odds(server))
    assert isinstance(answer, SourceBusy)
    assert answer.seconds == 3_600.0
    server.on("/odds", Reply(503, headers={"Retry-After": at(NOW + 90 * US_PER_SECOND)}))
    (dated,) = looks(odds(server))
    assert isinstance(dated, SourceBusy)
    assert dated.seconds == 90.0
    assert server.times("/odds") == 2, "neither was asked again"
    server.on("/odds", Reply(429, headers={"Retry-After": "1"}), Reply())
    (soon,) = looks(odds(server))
    assert isinstance(soon, Answer)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(wait=3.0),
        Reply(body=b"[1, 2, 3, 4, 5, 6, 7, 8]", drip=0.2),
        Reply(body=b"[", cut=True),
        Reply(body=b"no gzip", headers={"Content-Encoding": "gzip"}),
    ],
)
def test_slow_cut_and_garbled_answers_fail_with_one_line(server: Answering, reply: Reply) -> None:
    server.on("/odds", reply)
    (answer,) = looks(odds(server), timeout_seconds=0.5, attempts=1)
    assert isinstance(answer, SourceUnavailable)
    assert "\n" not in str(answer)
    assert SECRET not in f"{answer} {answer.__cause__}"


def test_nobody_there(server: Answering) -> None:
    feed = odds(server, url="http://127.0.0.1:9")
    (answer,) = looks(feed, attempts=1)
    assert str(answer) == "ConnectError"


def test_a_huge_answer_is_cut_off_also_when_it_is_packed_small(server: Answering) -> None:
    bomb = gzip.compress(b"a" * 50_000_000)
    assert len(bomb) < 100_000
    server.on("/odds", Reply(body=bomb, headers={"Content-Encoding": "gzip"}))
    (answer,) = looks(odds(server), max_body_bytes=10_000)
    assert isinstance(answer, TooLong)
    assert answer.payload.body == b"a" * 10_000
    assert server.times("/odds") == 1


def test_the_breaker_leaves_a_broken_source_alone_and_tries_again_later(server: Answering) -> None:
    server.on("/odds", Reply(500))

    async def work(poller: Poller, ask: Callable[[], Coroutine[Any, Any, Answer]]) -> None:
        for failures in (1, 2):
            assert not poller.open
            with pytest.raises(SourceUnavailable, match="HTTP 500"):
                await ask()
            assert server.times("/odds") == failures
        assert poller.open
        with pytest.raises(SourceUnavailable, match="left alone"):
            await ask()
        assert server.times("/odds") == 2, "it was not asked"
        server.on("/odds", Reply())
        while poller.open:
            await asyncio.sleep(0.1)
        assert not (await ask()).unchanged
        assert not poller.open

    polled(odds(server), work, attempts=1, breaker_failures=2, breaker_seconds=2)


def test_the_quota_is_never_spent_to_the_end(server: Answering) -> None:
    left = iter(("52", "51", "50"))
    server.scripts["/odds"] = lambda _: Reply(headers={"X-Requests-Remaining": next(left)})
    server.on("/sports", Reply(headers={"X-Requests-Remaining": "50.0"}))

    async def work(poller: Poller, ask: Callable[[], Coroutine[Any, Any, Answer]]) -> None:
        for remaining in (52, 51, 50):
            await ask()
            assert poller.remaining == remaining
        assert poller.spent
        with pytest.raises(SourceBusy, match="50 requests remain, 50 are kept back"):
            await ask()
        assert (server.times("/odds"), server.times("/sports")) == (3, 1)
        # A new month.
        server.on("/sports", Reply(headers={"X-Requests-Remaining": "500"}))
        server.on("/odds", Reply(headers={"X-Requests-Remaining": "499"}))
        await ask()
        assert poller.remaining == 499

    polled(odds(server), work)


def test_no_more_requests_than_allowed(server: Answering) -> None:
    server.on("/odds", Reply())

    async def work(_: Poller, ask: Callable[[], Coroutine[Any, Any, Answer]]) -> int:
        # One a minute: the first at once, the second has to wait.
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.gather(ask(), ask()), 3.0)
        return server.times("/odds")

    assert polled(odds(server, per_minute=1.0), work) == 1


def test_through_a_proxy(server: Answering) -> None:
    # A proxy is asked for the whole address.
    with answering() as proxy:
        feed = odds(server, url="http://odds.invalid")
        proxy.scripts["/odds"] = lambda _: Reply(body=b"[]")
        (answer,) = looks(feed, proxy=proxy.url)
        assert isinstance(answer, Answer)
        (asked,) = proxy.asked
        assert asked.headers["host"] == "odds.invalid"


def test_what_is_recorded_is_read_again(server: Answering, tmp_path: Path) -> None:
    server.on("/odds", Reply(body=b"\xff\x00 not text", headers={"ETag": '"a"'}), Reply(304, b""))
    answers = looks(odds(server), 2)
    kept = [one for one in answers if isinstance(one, Answer)]
    later = kept[1]._replace(payload=kept[1].payload._replace(fetched_at_us=NOW + 1))
    for one in (later, kept[0]):
        record(tmp_path, one)
    assert list(recorded(tmp_path, frozenset({"oddsapi"}))) == [kept[0], later]
    assert list(recorded(tmp_path, frozenset({"sbd"}))) == []
    (tmp_path / f"{NOW + 2}-oddsapi-odds.json.gz").write_bytes(b"half a fi")
    with pytest.raises(DataMissing, match=r"oddsapi-odds\.json\.gz: no recorded answer"):
        list(recorded(tmp_path, frozenset({"oddsapi"})))
    with pytest.raises(DataMissing, match="no recorded answers"):
        list(recorded(tmp_path / "none", frozenset({"oddsapi"})))
