"""One client's way through the feed: its snapshot or what it missed, then what comes.

A client is a position, so a slow one costs no memory and holds up nobody. One that returns is at
offsets of Kafka, which need not be a place in this process's ring: until it has all that the ring
has, it gets ids of its own. From then on it shares all bytes with the others.
"""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING

from confluent_kafka import KafkaException

from api.fields import EXPLAINED, cut
from api.past import Gone, PastWalk, patiently
from api.ring import Frame, encode, newest_of_each
from api.tokens import BadToken, Position
from api.views import View, joined

if TYPE_CHECKING:
    from api.feed import Feed

log = logging.getLogger(__name__)

Rewrite = Callable[[Sequence[bytes]], Awaitable[Iterable[bytes]]]
"""Frames to frames. It may take its time: meanwhile the client is a slow one."""

RETRY_MS = 2_000
_STEP = 500
"""Frames of the ring looked at, at once, for one that catches up."""
_PAUSE_SECONDS = 1.0


class Follower:
    """Where one client stands."""

    def __init__(self, feed: "Feed", view: View, last_id: str | None) -> None:
        self._feed, self._view = feed, view
        self._last_id = last_id
        self._at: int | None = None
        """Sequence number: everything up to here was sent. None until it is with the others."""
        self._own: Position | None = None
        """Offsets of one that catches up."""
        self._cursor = 0
        """How far it has seen the ring."""
        self._token: str | None = None
        """The newest id under which it can be gone on."""
        self._beats = 0
        self._slow = False
        """Fell out of the ring: it gets the newest of each key."""
        self.away = False
        """What it needs next is not in the ring."""

    def take(self) -> list[bytes]:
        """All that waits for this client now, oldest first, in pieces; empty when nothing does."""
        view = self._view
        pieces = self._next() if self._feed.live and not self.away else []
        if self._beats != view.beats:
            self._beats = view.beats
            pieces = [*pieces, view.heartbeat(self._token)]
        return pieces

    def _next(self) -> list[bytes]:
        if self._at is None:
            if self._own is None:
                return self._begin()
            return self._sent(self._catch_up())
        chunk = self._view.chunk(self._at)
        if chunk is None:
            return self._fell_behind()
        self._at, self._token = chunk.upto, chunk.token or self._token
        self._feed.counts.frames += len(chunk.wires)
        return chunk.wires if self._view.options.explain else chunk.pieces

    def _begin(self) -> list[bytes]:
        feed = self._feed
        if not self._last_id:
            return self._start_over(None)
        try:
            offsets = feed.layout.parse(self._last_id)
        except BadToken as bad:
            return self._start_over("bad_id", str(bad))
        self._own = Position(feed.layout, offsets)
        self._token = self._last_id
        self._cursor = feed.ring.first
        # Another replica may be ahead of this one; an id beyond Kafka's end is not of its making.
        self.away = self._needs_kafka() or self._ahead()
        if self.away:
            return []
        self._count_resume("ring")
        return self._sent(self._catch_up())

    def _ahead(self) -> bool:
        assert self._own is not None
        return any(
            own > read for own, read in zip(self._own.offsets, self._feed.head.offsets, strict=True)
        )

    def _needs_kafka(self) -> bool:
        assert self._own is not None
        return bool(self._feed.ring.missing(self._own.offsets))

    def _fell_behind(self) -> list[bytes]:
        """It stood with the others, and the ring has gone on without it."""
        feed = self._feed
        assert self._at is not None
        assert self._token is not None
        if self._at < feed.lost_at:
            return self._start_over("lost", feed.lost)
        try:
            self._own = Position(feed.layout, feed.layout.parse(self._token))
        except BadToken as bad:  # topics made anew, and the loss not told yet
            return self._start_over("bad_id", str(bad))
        self._at, self._cursor, self._slow = None, feed.ring.first, True
        self.away = self._needs_kafka()
        return [] if self.away else self._sent(self._catch_up())

    def _catch_up(self) -> list[bytes]:
        """The next frames that it has not had, under ids of its own."""
        feed, own = self._feed, self._own
        assert own is not None
        if own.layout is not feed.layout:
            own = self._own = Position(feed.layout, own.offsets)
        if self._cursor < feed.lost_at:
            return self._start_over("lost", feed.lost)
        whole = self._slow or self._view.options.conflate_ms
        while self._cursor < feed.ring.head:
            frames = feed.ring.since(self._cursor, None if whole else _STEP)
            if frames is None:
                self._cursor = feed.ring.first
                if self._needs_kafka():
                    self.away = True
                    return []
                continue
            self._cursor += len(frames)
            wires = self._own_wires(own, frames)
            if self._cursor == feed.ring.head:
                self._join(own)
            if wires:
                return wires
        self._join(own)
        return []

    def _own_wires(self, own: Position, frames: list[Frame]) -> list[bytes]:
        new = [one for one in frames if one.offset >= own.offsets[one.place]]
        kept = [one for one in new if self._view.takes(one)]
        if self._slow or self._view.options.conflate_ms:
            passed = len(kept)
            kept = newest_of_each(kept)
            self._feed.counts.conflated += passed - len(kept)
        wires, going = [], {id(one) for one in kept}
        for one in new:
            own.move(one.place, one.offset + 1)
            if id(one) in going:
                wires.append(self._view.wire(one.under(own.token)))
        self._token = own.token
        return wires

    def _join(self, own: Position) -> None:
        """It has all that the ring has; it is with the others unless it is ahead of them."""
        feed = self._feed
        own.reach(feed.head.offsets)
        self._token = own.token
        if own.offsets == feed.head.offsets:
            self._at, self._own, self._slow = feed.ring.head, None, False

    def _start_over(self, why: str | None, reason: str = "") -> list[bytes]:
        feed = self._feed
        told = []
        if why is not None:
            feed.counts.gaps[why] += 1
            told = [encode("gap", json.dumps({"reason": reason}))]
        self._at, self._own, self._slow, self.away = feed.ring.head, None, False, False
        self._token = feed.head.token
        return [*told, self._view.snapshot()]

    def _sent(self, wires: list[bytes]) -> list[bytes]:
        counted = self._counted(wires)
        return counted if self._view.options.explain else joined(counted)

    async def stream(self, rewrite: Rewrite | None = None) -> AsyncGenerator[bytes, None]:
        """Pieces of whole frames, until the server ends the feed."""
        feed, view = self._feed, self._view
        leave = view.enter(feed.drop)
        try:
            yield f"retry: {RETRY_MS}\n".encode()  # a field of the first event, not its own
            while not feed.closed:
                wake = view.wake
                pieces = self.take()
                if rewrite is not None:
                    pieces = await self._rewritten(rewrite, pieces)
                for piece in pieces:
                    yield piece
                if self.away:
                    async with aclosing(self.from_kafka()) as chunks:
                        async for wires in chunks:
                            if rewrite is not None:
                                wires = await self._rewritten(rewrite, wires)
                            for piece in joined(wires):
                                yield piece
                elif not pieces:
                    await wake.wait()
        finally:
            leave()

    async def _rewritten(self, rewrite: Rewrite, wires: list[bytes]) -> list[bytes]:
        made = await rewrite(wires)
        if fields := self._view.options.fields:
            made = [cut(one, fields | EXPLAINED) for one in made]
        return joined(list(made))

    async def from_kafka(self) -> AsyncGenerator[list[bytes], None]:
        """What lies between its offsets and the ring; heartbeats while it waits."""
        feed = self._feed
        assert self._own is not None
        own = self._own = Position(feed.layout, self._own.offsets)
        spans = feed.ring.missing(own.offsets)
        behind = sum(end - first for first, end in spans.values())
        if behind > feed.resume_records:
            reason = f"too far behind: {behind} records, at most {feed.resume_records}"
            yield self._start_over("too_far", reason)
            return
        for place, offset in enumerate(own.offsets):
            if offset > feed.head.offsets[place]:
                spans[place] = (offset, offset)  # nothing to read: is there so much?
        names = {number: place for place, number in feed.layout.numbers.items()}
        asked = {names[place]: span for place, span in spans.items()}
        lost_at = feed.lost_at
        walk = PastWalk(self._view, Position(own.layout, own.offsets))
        whole = self._slow or self._view.options.conflate_ms > 0
        frames: list[Frame] = []
        try:
            async with (
                aclosing(feed.past.read(asked, feed.wants)) as reading,
                aclosing(patiently(reading, _PAUSE_SECONDS)) as batches,
            ):
                async for batch in batches:
                    yield self.take()  # a heartbeat at most: it is away
                    if batch is not None:
                        self._count_resume("kafka")
                    frames += walk.frames(batch or [])
                    if not whole and frames:
                        self._own = Position(own.layout, walk.at.offsets)
                        self._token = walk.at.token
                        yield self._counted([self._view.wire(one.wire) for one in frames])
                        frames = []
                    if feed.closed:
                        return
        except Gone as gone:
            yield self._start_over("gone", str(gone))
            return
        except KafkaException as down:
            log.warning("a returning client waits for the broker: %s", down)
            await asyncio.sleep(_PAUSE_SECONDS)
            return  # it goes on from where it stands
        if feed.lost_at != lost_at:
            yield self._start_over("lost", feed.lost)
            return
        kept = newest_of_each(frames)
        feed.counts.conflated += len(frames) - len(kept)
        walk.finish(spans)
        # Topics may have come meanwhile.
        self._own, self._token = Position(feed.layout, walk.at.offsets), walk.at.token
        self._cursor = feed.ring.first
        self.away = self._needs_kafka()
        self._count_resume("ring")  # unless something came out of Kafka
        yield self._counted([self._view.wire(one.wire) for one in kept])

    def _count_resume(self, source: str) -> None:
        if self._last_id is not None:
            self._feed.counts.resumes[source] += 1
            self._last_id = None

    def _counted(self, wires: list[bytes]) -> list[bytes]:
        self._feed.counts.frames += len(wires)
        return wires
