"""The feed: one ring of encoded frames that every client reads at its own pace.

A client is a position in the ring, so a slow one costs no memory and cannot hold up another.
Everything here runs on the event loop: between taking a snapshot and reading the first frame
after it nothing can slip in. An id `<epoch>-<sequence>` means "all that passed your filter up to
here was sent"; the epoch is new with every process, because the sequence starts anew with it.
"""

import asyncio
import json
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from api.board import Board, Message
from api.filters import Filter, Kind, kind_of, market_of
from api.snapshot import Rules, snapshot
from schemas.markets import Market

Rewrite = Callable[[Sequence[bytes]], Awaitable[Iterable[bytes]]]
"""Frames to frames."""

RETRY_MS = 2_000
_SNAPSHOTS_KEPT = 64


@dataclass(frozen=True)
class Frame:
    """One message, encoded once for all clients."""

    kind: Kind
    game_id: str
    market: Market | None
    wire: bytes


def encode(event: str, data: str, frame_id: str | None = None) -> bytes:
    """An SSE frame; `data` is JSON on one line."""
    head = "" if frame_id is None else f"id: {frame_id}\n"
    return f"{head}event: {event}\ndata: {data}\n\n".encode()


class Feed:
    """Holds the board and the ring, and wakes the clients."""

    def __init__(self, board: Board, rules: Rules, *, ring: int, client_queue: int) -> None:
        self.board = board
        self.rules = rules
        self.epoch = secrets.token_hex(4)
        self.client_queue = client_queue
        self.head = 0
        """Sequence number of the newest frame."""
        self.live = False
        """Has caught up, so that a snapshot is complete."""
        self.reachable = False
        self.closed = False
        self.beats = 0
        self.beat_data = ""
        self.wake = asyncio.Event()
        self._ring: deque[Frame] = deque(maxlen=ring)
        self._gap = ""
        self._snapshots: dict[Filter, bytes] = {}
        self.beat()

    @property
    def stale(self) -> bool:
        """What clients hold may not be the newest: no broker, or not caught up with it."""
        return not (self.live and self.reachable)

    def frame_id(self, sequence: int) -> str:
        return f"{self.epoch}-{sequence}"

    def publish(self, messages: Iterable[Message]) -> None:
        """Fold messages into the board; once live, send those that are news to the clients."""
        for message in messages:
            if not self.board.apply(message) or not self.live:
                continue
            self.head += 1
            kind = kind_of(message)
            wire = encode(kind, message.model_dump_json(), self.frame_id(self.head))
            self._ring.append(Frame(kind, message.game_id, market_of(message), wire))
        self._snapshots.clear()
        self._notify()

    def lose(self, reason: str) -> None:
        """Messages are gone for good: every client gets a gap and a new snapshot."""
        self._gap = reason
        self._ring.clear()
        self.head += 1  # no client's next frame is in the ring now
        self._snapshots.clear()
        self._notify()

    def source(self, reachable: bool, live: bool) -> None:
        """Tell clients at once when the broker goes or comes back."""
        if (reachable, live) != (self.reachable, self.live):
            self.reachable, self.live = reachable, live
            self._snapshots.clear()
            self.beat()

    def beat(self) -> None:
        """A heartbeat to everybody."""
        self.beats += 1
        self.beat_data = json.dumps(
            {
                "server_us": time.time_ns() // 1_000,
                "newest_us": self.board.newest_us,
                "stale": self.stale,
                "broker": self.reachable,
            }
        )
        self._notify()

    async def keep_beating(self) -> None:
        """Heartbeats for ever."""
        while True:
            await asyncio.sleep(self.rules.heartbeat_ms / 1_000)
            self.beat()

    def close(self) -> None:
        """End every stream, so that the server can stop."""
        self.closed = True
        self._notify()

    def since(self, sequence: int) -> list[Frame] | None:
        """Frames after `sequence`; None when some are no longer there, or never were."""
        behind = self.head - sequence
        if not 0 <= behind <= len(self._ring):
            return None
        return list(islice(reversed(self._ring), behind))[::-1]

    def snapshot(self, wanted: Filter) -> bytes:
        """The snapshot frame at the head; clients with the same filter share it."""
        wire = self._snapshots.get(wanted)
        if wire is None:
            data = snapshot(self.board, wanted, self.rules, stale=self.stale)
            wire = encode("snapshot", data, self.frame_id(self.head))
            if len(self._snapshots) < _SNAPSHOTS_KEPT:
                self._snapshots[wanted] = wire
        return wire

    def gap(self, reason: str) -> bytes:
        """Tells a client that it missed something and why; a snapshot follows."""
        return encode("gap", json.dumps({"reason": reason}))

    def why(self, sequence: int) -> str:
        """Why `sequence` cannot be gone on from."""
        if sequence > self.head:
            return "this id was never given out; starting over"
        return self._gap or "too far behind: these messages are no longer kept"

    async def stream(
        self, wanted: Filter, last_id: str | None, rewrite: Rewrite | None = None
    ) -> AsyncIterator[bytes]:
        """Chunks of whole frames for one client, until it or the server goes.

        rewrite: what this client gets instead of its frames. It may take its time: meanwhile the
        client is a slow one.
        """
        client = Client(self, wanted, last_id)
        yield f"retry: {RETRY_MS}\n".encode()  # a field of the first event, not one of its own
        while not self.closed:
            wake = self.wake
            if frames := client.frames():
                yield b"".join(frames if rewrite is None else await rewrite(frames))
            else:
                await wake.wait()

    def _notify(self) -> None:
        self.wake.set()
        self.wake = asyncio.Event()


class Client:
    """Where one client stands."""

    def __init__(self, feed: Feed, wanted: Filter, last_id: str | None) -> None:
        self._feed = feed
        self._wanted = wanted
        self._sent: int | None = None
        """Everything up to here was sent; None before the first snapshot."""
        self._gap: str | None = None
        self._beats = 0
        if last_id:
            epoch, _, sequence = last_id.partition("-")
            if epoch == feed.epoch and sequence.isascii() and sequence.isdigit():
                self._sent = int(sequence[:19])
            else:
                self._gap = "the feed was restarted since this id"

    def take(self) -> bytes:
        """As `frames`, in one piece."""
        return b"".join(self.frames())

    def frames(self) -> list[bytes]:
        """All that waits for this client now, oldest first; empty when nothing does."""
        feed = self._feed
        chunks = self._frames() if feed.live else []
        if self._beats != feed.beats:
            self._beats = feed.beats
            frame_id = None if self._sent is None else feed.frame_id(self._sent)
            chunks.append(encode("heartbeat", feed.beat_data, frame_id))
        return chunks

    def _frames(self) -> list[bytes]:
        feed, wanted = self._feed, self._wanted
        if self._sent is None:
            return self._start_over(self._gap)
        frames = feed.since(self._sent)
        if frames is None:
            return self._start_over(feed.why(self._sent))
        wires = [
            frame.wire for frame in frames if wanted.takes(frame.kind, frame.game_id, frame.market)
        ]
        if len(wires) > feed.client_queue:
            return self._start_over("too slow: more messages waited than are kept for one client")
        self._sent = feed.head
        return wires

    def _start_over(self, gap: str | None) -> list[bytes]:
        feed = self._feed
        self._sent, self._gap = feed.head, None
        told = [] if gap is None else [feed.gap(gap)]
        return [*told, feed.snapshot(self._wanted)]
