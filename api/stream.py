"""One open stream as HTTP: headers, the limit of its client, the end of frozen ones."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from fastapi import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.counts import FeedCounts

log = logging.getLogger(__name__)

HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""Not kept, not collected by proxies. Nothing here compresses a stream."""


class FrozenClient(Exception):
    """It has taken no byte for too long."""


def client_of(request: Request) -> str:
    """Who asks, for limits: the address."""
    return request.client.host if request.client else ""


class Streams:
    """Those that are open: how many of each client, and which of them stand still."""

    def __init__(self, counts: FeedCounts, *, limit: int, patience_seconds: float) -> None:
        """patience_seconds: a client that takes no byte for so long is frozen."""
        self._counts, self._limit, self._patience = counts, limit, patience_seconds
        self._open: Counter[str] = Counter()
        self._streams: set[EventStream] = set()

    def full(self, client: str) -> bool:
        """It may not open another one; counted."""
        if self._open[client] < self._limit:
            return False
        self._counts.refused += 1
        return True

    def enter(self, stream: "EventStream") -> None:
        self._streams.add(stream)
        self._open[stream.client] += 1
        self._counts.clients += 1

    def leave(self, stream: "EventStream") -> None:
        self._streams.discard(stream)
        self._open[stream.client] -= 1
        if not self._open[stream.client]:
            del self._open[stream.client]
        self._counts.clients -= 1

    async def watch(self) -> None:
        """Ends frozen ones, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._patience / 4)
            for stream in list(self._streams):
                if stream.waiting_since < loop.time() - self._patience:
                    self._counts.frozen += 1
                    stream.freeze()


_NOT_WAITING = float("inf")


class EventStream(Response):
    """Sends what a feed's stream yields. Raises FrozenClient out of the application.

    One look a while at all streams instead of a timeout around every send: with thousands of
    clients that is what sending costs.
    """

    media_type = "text/event-stream"

    def __init__(
        self, content: Callable[[], AsyncGenerator[bytes, None]], streams: Streams, client: str
    ) -> None:
        """content: called when the stream begins."""
        self.status_code = 200
        self.background = None
        self.client = client
        self.waiting_since = _NOT_WAITING
        """When the send began that is under way."""
        self._content, self._streams = content, streams
        self._task: asyncio.Task[None] | None = None
        self._frozen = self._gone = False
        self.init_headers(HEADERS)

    def freeze(self) -> None:
        self.waiting_since = _NOT_WAITING
        self._frozen = True
        assert self._task is not None
        self._task.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._streams.enter(self)
        self._task = asyncio.create_task(self._send_all(send))
        listening = asyncio.create_task(self._listen(receive))
        try:
            await asyncio.wait({self._task, listening}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._streams.leave(self)
            for task in (self._task, listening):
                task.cancel()
            await asyncio.gather(self._task, listening, return_exceptions=True)
        if self._frozen:
            raise FrozenClient
        if not self._task.cancelled():
            self._task.result()

    async def _send_all(self, send: Send) -> None:
        loop = asyncio.get_running_loop()
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        async with aclosing(self._content()) as pieces:
            async for piece in pieces:
                self.waiting_since = loop.time()
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                self.waiting_since = _NOT_WAITING
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _listen(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
