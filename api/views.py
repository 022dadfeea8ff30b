"""What clients that asked for the same share: which frames pass, their bytes, when to wake up."""

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from api.fields import cut
from api.filters import Options
from api.ring import Frame, encode, newest_of_each

if TYPE_CHECKING:
    from api.feed import Feed

PIECE = 65_536
"""Bytes handed to a connection at once, so that one that is stuck holds no more."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Frames from one position to the newest."""

    wires: list[bytes]
    pieces: list[bytes]
    """The same, joined."""
    upto: int
    """Sequence number that whoever took it stands at."""
    token: str | None
    """The id there; None where it stays what it was."""


def joined(wires: Sequence[bytes]) -> list[bytes]:
    """Whole frames, in pieces of about `PIECE`."""
    if len(wires) <= 1:
        return list(wires)
    pieces: list[bytes] = []
    some: list[bytes] = []
    size = 0
    for wire in wires:
        if size and size + len(wire) > PIECE:
            pieces.append(b"".join(some))
            some, size = [], 0
        some.append(wire)
        size += len(wire)
    return [*pieces, b"".join(some)]


class View:
    """All clients with the same options."""

    def __init__(self, feed: "Feed", options: Options) -> None:
        self.options = options
        self.wake = asyncio.Event()
        self.beats = 0
        self.heartbeat_ms = options.heartbeat_ms or feed.rules.heartbeat_ms
        self._feed = feed
        self._beat_data = ""
        self._followers = 0
        self._timer: asyncio.TimerHandle | None = None
        self._window: asyncio.TimerHandle | None = None
        self._newest = feed.ring.head
        """Sequence number of the newest frame that passes: whoever stands there has all."""
        self._open = self._head()
        """How far the windows that are over go, and the id there; of a view that conflates."""
        self._chunks: dict[int, Chunk] = {}
        self._snapshot: bytes | None = None
        self.beat()

    def takes(self, frame: Frame) -> bool:
        return self.options.filter.takes(frame.kind, frame.game_id, frame.market, frame.edge)

    def stir(self, fresh: Iterable[tuple[int, Frame]]) -> None:
        """The state has changed, by these frames."""
        self._chunks.clear()
        self._snapshot = None
        passed = [number for number, frame in fresh if self.takes(frame)]
        if not passed:
            return
        self._newest = passed[-1]
        if not self.options.conflate_ms:
            self.notify()
        elif self._window is None and self._followers:
            loop = asyncio.get_running_loop()
            seconds = self.options.conflate_ms / 1_000
            # The same moments for all views of one width, whoever came when.
            until = (loop.time() // seconds + 1) * seconds
            self._window = loop.call_at(until, self.end_window)

    def end_window(self) -> None:
        """What came in it may go out."""
        if self._window is not None:
            self._window.cancel()
            self._window = None
        self._open = self._head()
        self._chunks.clear()
        self.notify()

    def chunk(self, sequence: int) -> Chunk | None:
        """What follows `sequence` and passes; None when some of it is no longer in the ring."""
        found = self._chunks.get(sequence)
        if found is None:
            found = self._chunk(sequence)
            if found is not None:
                self._chunks[sequence] = found
        return found

    def _chunk(self, sequence: int) -> Chunk | None:
        feed = self._feed
        upto, token = self._open if self.options.conflate_ms else self._head()
        if sequence >= upto:
            return Chunk([], [], sequence, token if sequence == upto else None)
        if feed.lost_at <= sequence and sequence >= self._newest:
            return Chunk([], [], upto, token)
        frames = feed.ring.since(sequence, upto - sequence)
        if frames is None:
            return None
        kept = [frame for frame in frames if self.takes(frame)]
        if self.options.conflate_ms or len(kept) > feed.client_queue:
            # Slow, or wished for. The place of what is left out is that of what comes instead.
            all_of_them = len(kept)
            kept = newest_of_each(kept)
            feed.counts.conflated += all_of_them - len(kept)
        wires = [self.wire(frame.wire) for frame in kept]
        return Chunk(wires, joined(wires), upto, token)

    def _head(self) -> tuple[int, str]:
        return self._feed.ring.head, self._feed.head.token

    def wire(self, wire: bytes) -> bytes:
        """With the members that are wanted; an explanation is put in before that."""
        options = self.options
        return cut(wire, options.fields) if options.fields and not options.explain else wire

    def snapshot(self) -> bytes:
        """The snapshot frame at the head."""
        if self._snapshot is None:
            self._snapshot = self._feed.snapshot(self.options, self.heartbeat_ms)
        return self._snapshot

    def heartbeat(self, token: str | None) -> bytes:
        return encode("heartbeat", self._beat_data, token)

    def beat(self) -> None:
        """A heartbeat to everybody here."""
        feed = self._feed
        self.beats += 1
        if self._newest <= self._open[0]:
            self._open = self._head()  # nothing waits for the end of a window
        self._beat_data = json.dumps(
            {
                "server_us": time.time_ns() // 1_000,
                "newest_us": feed.board.newest_us,
                "stale": feed.stale,
                "broker": feed.reachable,
            }
        )
        self.notify()

    def notify(self) -> None:
        self.wake.set()
        self.wake = asyncio.Event()

    def enter(self, gone: Callable[["View"], None]) -> Callable[[], None]:
        """A client has come; call the answer when it goes. `gone` is called after the last."""
        self._followers += 1
        if self._followers == 1:
            self._tick(asyncio.get_running_loop().time())

        def leave() -> None:
            self._followers -= 1
            if self._followers == 0:
                for timer in (self._timer, self._window):
                    if timer is not None:
                        timer.cancel()
                self._timer = self._window = None
                gone(self)

        return leave

    def _tick(self, due: float) -> None:
        loop = asyncio.get_running_loop()
        # After a stop of the loop, one heartbeat and not all that were missed.
        due = max(due, loop.time()) + self.heartbeat_ms / 1_000

        def tick() -> None:
            self.beat()
            self._tick(due)

        self._timer = loop.call_at(due, tick)
