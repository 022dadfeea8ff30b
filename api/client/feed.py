"""The live feed as an async iterator that stays connected.

    async with Feed("http://127.0.0.1:8000", events=["stake"]) as feed:
        async for event in feed:
            match event.data:
                case Snapshot(games=games): ...
                case Stake(paper=False) as stake: ...

It keeps to what docs/api.md asks of a client: goes on by the last id at whichever replica answers,
takes 2.5 silent heartbeats for a dead connection, and waits ever longer between tries.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from types import TracebackType
from typing import Self

import httpx

from api.client.connection import Wait, may_return, refusal, retry_after
from api.client.events import Event, Lost, event_of, is_message
from api.client.sse import Frame, Parser
from schemas.errors import ConfigError, FeedUnreadable
from schemas.feed import Snapshot

log = logging.getLogger(__name__)

PATH = "/v1/feed"
HEARTBEATS = 2.5
"""Nothing at all for so many, and the connection is dead."""
_USUAL_HEARTBEAT_MS = 10_000
"""Until the feed has said how often it beats."""


class Feed:
    """Events of one feed, each once, over restarts and replicas.

    Raises FeedRefused where another try would not help (no or a wrong key, a wrong parameter, no
    feed at the address) and FeedUnreadable for what this version does not understand. To end it
    leave the `async with`, or cancel the task. Cancelling one `anext`, as a timeout does, loses
    nothing: the next call goes on.
    """

    def __init__(
        self,
        url: str | Sequence[str],
        *,
        key: str | None = None,
        games: Iterable[str] = (),
        markets: Iterable[str] = (),
        events: Iterable[str] = (),
        min_edge: float | None = None,
        conflate_ms: int | None = None,
        heartbeat_ms: int | None = None,
        fields: Iterable[str] = (),
        explain: bool = False,
        last_id: str = "",
        http: httpx.AsyncClient | None = None,
        wait: Wait | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """url: of the API, or of several replicas, which are tried in turn.

        last_id: of the last event that an earlier run has dealt with. An id speaks of the filter
        it was given under. http: with its own certificates or proxies; it is not closed here.
        """
        self._urls = [url] if isinstance(url, str) else list(url)
        if not self._urls:
            raise ConfigError("url", "is empty", "Give the address of the API")
        self._key = key
        given = (
            ("min_edge", min_edge),
            ("conflate_ms", conflate_ms),
            ("heartbeat_ms", heartbeat_ms),
            ("explain", "true" if explain else None),
        )
        self._fields, self._explain = frozenset(fields), explain
        self._query: list[tuple[str, str | int | float | bool | None]] = [
            *(("game", one) for one in games),
            *(("market", one) for one in markets),
            *(("event", one) for one in events),
            *(("fields", one) for one in sorted(self._fields)),
            *((name, str(value)) for name, value in given if value is not None),
        ]
        self.last_id = last_id
        """Of the newest event that was handed out: what a reconnect goes on from."""
        self._heartbeat_ms = heartbeat_ms or _USUAL_HEARTBEAT_MS
        self._wait = wait or Wait(len(self._urls))
        self._sleep = sleep
        self._own_http = http is None
        self._http = http
        self._at = 0
        """Which address is tried next, or is connected."""
        self._pause = 0.0
        self._lost = False
        self._closed = False
        self._parser = Parser()
        self._ready: deque[Frame | Event] = deque()
        self._answer: httpx.Response | None = None
        self._chunks: AsyncIterator[bytes] | None = None
        self._reading: asyncio.Task[bytes | None] | None = None
        """A read under way, which outlives a cancelled `anext`."""
        self._deadline = 0.0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Hang up; there are no more events."""
        self._closed = True
        self._ready.clear()
        await self._hang_up()
        if self._own_http and self._http is not None:
            await self._http.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while not self._closed:
            if self._ready:
                event = await self._handed_out(self._ready.popleft())
                if event is not None:
                    return event
            elif self._chunks is None:
                await self._connect()
            else:
                await self._read(self._chunks)
        raise StopAsyncIteration

    async def _handed_out(self, item: Frame | Event) -> Event | None:
        if isinstance(item, Event):
            return item
        self._lost = False
        self._wait.succeeded()
        if is_message(item) and item.id == self.last_id:
            log.warning("the feed repeats %s %s: left out", item.event, item.id)
            return None
        try:
            event = event_of(item, cut=bool(self._fields), explained=self._explain)
        except FeedUnreadable:
            await self.aclose()
            raise
        self.last_id = event.id
        if isinstance(event.data, Snapshot):
            self._heartbeat_ms = event.data.rules.heartbeat_ms
        elif event.kind == "snapshot" and isinstance(event.data, dict):
            self._heartbeat_ms = event.data["rules"]["heartbeat_ms"]
        return event

    @property
    def _patience(self) -> float:
        return HEARTBEATS * self._heartbeat_ms / 1_000

    async def _connect(self) -> None:
        if self._pause:
            await self._sleep(self._pause)
            self._pause = 0.0
        if self._http is None:
            self._http = httpx.AsyncClient(timeout=httpx.Timeout(None, connect=5.0))
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        # Compressed, events would wait for each other.
        headers["Accept-Encoding"] = "identity"
        if self._key is not None:
            headers["Authorization"] = f"Bearer {self._key}"
        if self.last_id:
            headers["Last-Event-ID"] = self.last_id
        url = self._urls[self._at].rstrip("/") + PATH
        request = self._http.build_request("GET", url, params=self._query, headers=headers)
        answer = None
        try:
            async with asyncio.timeout(self._patience):
                answer = await self._http.send(request, stream=True)
                kind = answer.headers.get("content-type", "").partition(";")[0].strip()
                if answer.status_code == 200 and kind == "text/event-stream":
                    self._answer, self._chunks = answer, answer.aiter_raw()
                    self._parser = Parser(self.last_id)
                    return
                await answer.aread()
        except (httpx.TransportError, TimeoutError) as down:
            await self._lose(f"{url}: {down or 'does not answer'}")
            return
        finally:
            if answer is not None and answer is not self._answer:
                await answer.aclose()
        if not may_return(answer):
            await self.aclose()
            raise refusal(answer)
        await self._lose(f"{url}: {answer.status_code}", retry_after(answer))

    async def _read(self, chunks: AsyncIterator[bytes]) -> None:
        loop = asyncio.get_running_loop()
        if self._reading is None:
            self._reading = asyncio.ensure_future(_next(chunks))
            self._deadline = loop.time() + self._patience
        left = max(self._deadline - loop.time(), 0.0)
        done, _ = await asyncio.wait({self._reading}, timeout=left)
        if not done:
            await self._lose(f"{self._urls[self._at]}: nothing came for {self._patience:g} s")
            return
        reading, self._reading = self._reading, None
        try:
            chunk = reading.result()
        except httpx.TransportError as broken:
            await self._lose(f"{self._urls[self._at]}: {broken or type(broken).__name__}")
            return
        if chunk is None:
            await self._lose(f"{self._urls[self._at]}: the stream has ended")
            return
        self._ready.extend(self._parser.feed(chunk))
        if self._parser.retry_ms is not None:
            self._wait.retry_ms = self._parser.retry_ms

    async def _lose(self, reason: str, asked: float | None = None) -> None:
        self._pause = self._wait.seconds(asked)
        self._at = (self._at + 1) % len(self._urls)
        log.info("%s; next try in %.1f s", reason, self._pause)
        if not self._lost:
            self._lost = True
            self._ready.append(Event("lost", self.last_id, Lost(reason)))
        await self._hang_up()

    async def _hang_up(self) -> None:
        reading, answer = self._reading, self._answer
        self._reading = self._answer = self._chunks = None
        if reading is not None:
            reading.cancel()
            await asyncio.wait({reading})  # not `await reading`: whoever cancels us is not it
            if not reading.cancelled():
                reading.exception()
        if answer is not None:
            await answer.aclose()


async def _next(chunks: AsyncIterator[bytes]) -> bytes | None:
    """None at the end."""
    return await anext(chunks, None)
