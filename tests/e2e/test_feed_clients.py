"""Clients that share no code read one feed alike: curl, Node, httpx-sse, a browser, and ours."""

import asyncio
import json
import queue
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from httpx_sse import connect_sse
from playwright.sync_api import Browser, Page, expect

from api.client import Feed, Wait
from schemas.decisions import Alert
from schemas.markets import Target
from tests import samples
from tests.cutting import road_to
from tests.served import Publisher, Served, api_settings, serving, wait_for
from tests.system import ROOT, clean_env

TEXT = "Ōtani 大谷 🏟 ½ run\nsecond line\r\u2028\u2029 «event: gap»\n\ndata: {}\n\n"
"""In a text field of each event: whatever cuts a line somewhere, and letters of many bytes."""
BEATS = 60
"""Half a second each: who has heard so many and nothing else will hear nothing."""
_GAMES = count(1)


@dataclass(frozen=True)
class Got:
    kind: str
    id: str
    data: Any


@dataclass(frozen=True)
class Stack:
    served: Served
    publisher: Publisher

    def game(self) -> str:
        """One that no other test speaks of."""
        return f"mlb-2026-07-20-A{next(_GAMES):02d}-NYY-1"

    def tell(self, game: str, *positions: int) -> None:
        self.publisher.send(*(alert(game, position) for position in positions))

    def known(self, game: str) -> str:
        """Its feed's address, once the API has heard of the game."""
        wait_for(lambda: self.served.get(f"/v1/games/{game}").status_code == 200, "on the board")
        return f"{self.served.url}/v1/feed?game={game}"


def alert(game: str, position: int) -> Alert:
    return samples.signal(position, game_id=game, detail=f"{position} {TEXT}")


@pytest.fixture(scope="module")
def stack(mock_kafka: str) -> Iterator[Stack]:
    prefix = f"t{uuid.uuid4().hex[:8]}."
    publisher = Publisher(mock_kafka, prefix)
    publisher.send(samples.game(), samples.signal(1), samples.prediction(1), samples.stake(1))
    with serving(api_settings(mock_kafka, prefix)) as served:
        served.await_ready()
        yield Stack(served, publisher)


Events = Iterator[Got]
Opener = Callable[[str, str], AbstractContextManager[Events]]
"""(URL, last id or empty) -> events as they come"""


@contextmanager
def by_curl(url: str, last_id: str) -> Iterator[Events]:
    """curl shows bytes: they are held against the form that the docs give."""
    header = ["-H", f"Last-Event-ID: {last_id}"] if last_id else []
    with _running(["curl", "-sSN", "--fail-with-body", "--max-time", "30", *header, url]) as lines:
        assert next(lines) == "retry: 2000"

        def events() -> Events:
            block: dict[str, str] = {}
            for line in lines:
                if line:
                    name, _, value = line.partition(": ")
                    assert name in {"id", "event", "data"}
                    assert name not in block, "one line of data, whatever is in the text"
                    block[name] = value
                else:
                    yield Got(block["event"], block.get("id", ""), json.loads(block["data"]))
                    block = {}

        yield events()


@contextmanager
def by_node(url: str, last_id: str) -> Iterator[Events]:
    script = Path(__file__).with_name("follow.mjs")
    with _running(["node", str(script), url, *([last_id] if last_id else [])]) as lines:

        def events() -> Events:
            for line in lines:
                said = json.loads(line)
                assert said["retry"] == 2_000
                yield Got(said["event"], said["id"], json.loads(said["data"]))

        yield events()


@contextmanager
def by_httpx_sse(url: str, last_id: str) -> Iterator[Events]:
    headers = {"Last-Event-ID": last_id} if last_id else {}
    with (
        httpx.Client(timeout=10) as client,
        connect_sse(client, "GET", url, headers=headers) as source,
    ):
        yield (Got(one.event, one.id, one.json()) for one in source.iter_sse())


@contextmanager
def by_ours(url: str, last_id: str) -> Iterator[Events]:
    base, _, query = url.partition("/v1/feed?game=")
    got: queue.Queue[Got] = queue.Queue()
    loops: queue.Queue[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = queue.Queue()

    async def follow() -> None:
        async with Feed(base, games=[query], last_id=last_id) as feed:
            async for event in feed:
                data = event.data
                assert not isinstance(data, dict)
                plain = data.model_dump(mode="json") if hasattr(data, "model_dump") else None
                got.put(Got(event.kind, event.id, plain))

    async def main() -> None:
        task = asyncio.create_task(follow())
        loops.put((asyncio.get_running_loop(), task))
        await asyncio.wait({task})

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    loop, task = loops.get(timeout=10)
    yield iter(lambda: got.get(timeout=10), None)
    loop.call_soon_threadsafe(task.cancel)
    thread.join(10)
    assert not thread.is_alive()


@contextmanager
def _running(command: list[str]) -> Iterator[Iterator[str]]:
    """Its lines of output, without their ends; a line ends at a line feed alone."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    out = process.stdout
    try:
        yield (line.decode().removesuffix("\n") for line in out)
    finally:
        process.kill()
        process.wait(10)
        out.close()


def take(events: Events, wanted: int) -> list[Got]:
    """The next that are no heartbeat."""
    found, beats = list[Got](), 0
    while len(found) < wanted:
        event = next(events)
        if event.kind == "heartbeat":
            beats += 1
            assert beats < BEATS, f"{found} and heartbeats since"
        else:
            found.append(event)
    return found


@pytest.mark.parametrize("opener", [by_curl, by_node, by_httpx_sse, by_ours])
def test_a_client_reads_all_resumes_by_id_and_hears_heartbeats(
    stack: Stack, opener: Opener
) -> None:
    game = stack.game()
    stack.tell(game, 1)
    url = stack.known(game)
    with opener(url, "") as events:
        (snapshot,) = take(events, 1)
        assert snapshot.kind == "snapshot"
        (state,) = snapshot.data["games"]
        assert [one["detail"] for one in state["signals"]] == [f"1 {TEXT}"]
        stack.tell(game, 2, 3, 4)
        live = take(events, 3)
        assert [(one.kind, one.data) for one in live] == [
            ("alert", json.loads(alert(game, position).model_dump_json())) for position in (2, 3, 4)
        ]
        beat = next(one for one in events if one.kind == "heartbeat")
        assert beat.data["stale"] is False
        assert beat.data["broker"] is True
        assert beat.id == live[-1].id
    assert len({snapshot.id, *(one.id for one in live)}) == 4
    stack.tell(game, 5, 6)
    with opener(url, live[0].id) as events:
        back = take(events, 4)
        stack.tell(game, 7)
        back += take(events, 1)
    assert [one.data["position"] for one in back] == [3, 4, 5, 6, 7]
    assert [one.id for one in back[:2]] == [one.id for one in live[1:]]


def test_our_client_goes_on_by_itself_over_cuts_and_a_dead_address(stack: Stack) -> None:
    """Ten cuts while events come: each event once, in order, and no second snapshot."""
    game, events = stack.game(), 40

    async def follow(url: str) -> list[tuple[str, int]]:
        seen: list[tuple[str, int]] = []
        # The discard port: nothing listens there.
        wait = Wait(2, dice=lambda low, high: 0.01)
        async with Feed([url, "http://127.0.0.1:9"], games=[game], wait=wait) as feed:
            async for event in feed:
                match event.data:
                    case Alert(position=position):
                        seen.append((event.id, position))
                        if position == events:
                            return seen
                    case _ if event.kind in ("snapshot", "gap"):
                        seen.append((event.kind, 0))
                        begun.set()
        raise AssertionError("it ended")

    begun = threading.Event()
    result: list[list[tuple[str, int]]] = []
    with road_to(stack.served.port) as road:
        work = threading.Thread(
            target=lambda: result.append(asyncio.run(asyncio.wait_for(follow(road.url), 30)))
        )
        work.start()
        assert begun.wait(10)
        for position in range(1, events + 1):
            stack.tell(game, position)
            if position % 4 == 0:
                road.cut()
        work.join(30)
        resumed = [head for head in road.asked if "last-event-id" in head.lower()]
    (seen,) = result
    assert seen[0] == ("snapshot", 0)
    assert [position for _, position in seen[1:]] == list(range(1, events + 1))
    assert len({event_id for event_id, _ in seen}) == events + 1
    assert resumed


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    page.set_default_timeout(15_000)
    yield page
    page.close()


FOLLOW = """(game) => {
  window.got = [];
  const feed = new EventSource(`/v1/feed?game=${game}`);
  for (const kind of ["snapshot", "alert", "gap", "heartbeat", "error"])
    feed.addEventListener(kind, (event) => {
      got.push([kind, event.lastEventId ?? "", event.data ? JSON.parse(event.data) : null]);
    });
}"""
NEWS = "got.filter(([kind]) => kind !== 'heartbeat')"


def test_the_browser_resumes_by_itself(stack: Stack, page: Page) -> None:
    game = stack.game()
    stack.tell(game, 1)
    stack.known(game)
    with road_to(stack.served.port) as road:
        page.route("**/empty", lambda route: route.fulfill(body="<p>", content_type="text/html"))
        page.goto(road.url + "/empty")
        page.evaluate(FOLLOW, game)
        page.wait_for_function(f"{NEWS}.length === 1")
        stack.tell(game, 2, 3)
        page.wait_for_function(f"{NEWS}.length === 3")
        page.wait_for_function("got.at(-1)[0] === 'heartbeat'")
        road.cut()
        page.wait_for_function("got.at(-1)[0] === 'error'")
        stack.tell(game, 4)  # nobody hears it
        page.wait_for_function(f"{NEWS}.length === 5")
        got = [Got(*one) for one in page.evaluate(NEWS)]
        resumed = [head for head in road.asked if "last-event-id:" in head.lower()]
    assert [one.kind for one in got] == ["snapshot", "alert", "alert", "error", "alert"]
    alerts = [one for one in got if one.kind == "alert"]
    assert [one.data["detail"] for one in alerts] == [
        f"{position} {TEXT}" for position in (2, 3, 4)
    ]
    assert len(resumed) == 1
    assert alerts[1].id in resumed[0]


def test_the_browser_example(stack: Stack, page: Page) -> None:
    html = (ROOT / "docs" / "examples" / "feed.html").read_text()
    assert html.count("\n") <= 20
    game, errors = stack.game(), list[str]()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.route("**/feed.html", lambda route: route.fulfill(body=html, content_type="text/html"))
    page.goto(stack.served.url + "/feed.html")
    shown = page.locator("#prices")
    expect(shown).to_contain_text("live")
    expect(shown).to_contain_text(f"{samples.GAME} moneyline 1.818")  # 1 / 0.55
    stack.publisher.send(samples.prediction(1, 0.4, game_id=game, target=Target.RUNS, line=8.5))
    expect(shown).to_contain_text(f"{game} runs 2.500")
    assert errors == []


def test_the_python_example(stack: Stack) -> None:
    game = stack.game()
    script = ROOT / "docs" / "examples" / "follow_feed.py"
    process = subprocess.Popen(
        [sys.executable, str(script), stack.served.url],
        stdout=subprocess.PIPE,
        env=clean_env(),
        text=True,
    )
    killer = threading.Timer(20, process.kill)
    killer.start()
    assert process.stdout is not None
    try:
        first = process.stdout.readline()
        assert first == f"{samples.GAME} moneyline 100.00 on home at 1.9 (pinnacle)\n"
        stack.publisher.send(samples.stake(2, 0.0, game_id=game))
        assert process.stdout.readline() == f"{game} moneyline nothing: edge_too_small\n"
    finally:
        killer.cancel()
        process.kill()
        process.wait(10)
        process.stdout.close()
