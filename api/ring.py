"""The newest frames, encoded once for all clients, and where in each partition they begin."""

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from api.board import Message, event_time
from api.filters import kind_of, market_of
from api.news import Key, key_of
from api.tokens import Position
from schemas.feed import Kind
from schemas.markets import Market

KEPT_WHOLE = frozenset({Kind.ALERT, Kind.LOCKED, Kind.UNLOCKED, Kind.SETTLEMENT})
"""Never conflated away."""


def encode(event: str, data: str, frame_id: str | None = None) -> bytes:
    """An SSE frame; `data` is JSON on one line."""
    head = "" if frame_id is None else f"id: {frame_id}\n"
    return f"{head}event: {event}\ndata: {data}\n\n".encode()


@dataclass(frozen=True, slots=True)
class Read:
    """A record of Kafka, and what was made of it."""

    place: int
    offset: int
    message: Message | None = None
    """None: it cannot be shown."""
    news: bool = False
    edge: float | None = None
    """See `News.edge`."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message as it goes out. `wire` begins with its id."""

    place: int
    offset: int
    kind: Kind
    game_id: str
    market: Market | None
    edge: float | None
    key: Key | None
    """None: never conflated away."""
    wire: bytes

    def under(self, token: str) -> bytes:
        """The same with another id."""
        return b"id: " + token.encode() + self.wire[self.wire.index(b"\n") :]


def frame(read: Read, position: Position) -> Frame:
    """Of news. Moves the position past it, and encodes it with the id that this makes."""
    message = read.message
    assert message is not None  # it is news
    position.move(read.place, read.offset + 1)
    kind = kind_of(message)
    return Frame(
        read.place,
        read.offset,
        kind,
        message.game_id,
        market_of(message),
        read.edge,
        None if kind in KEPT_WHOLE else key_of(message),
        encode(kind, message.model_dump_json(), position.token),
    )


def newest_of_each(frames: Sequence[Frame]) -> list[Frame]:
    """Of those with one key the last alone, in its own place."""
    last = {one.key: number for number, one in enumerate(frames)}
    return [one for number, one in enumerate(frames) if one.key is None or last[one.key] == number]


class Ring:
    """Frames by a sequence number of this process, the newest `size` of them."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._frames: deque[Frame] = deque()
        self.head = 0
        """Sequence number of the newest frame."""
        self.begin: list[int] = []
        """By place: news from this offset on is here."""

    @property
    def first(self) -> int:
        """From this sequence number on, exclusive, `since` has frames."""
        return self.head - len(self._frames)

    def add(self, frame: Frame) -> None:
        self.head += 1
        self._frames.append(frame)
        if len(self._frames) > self.size:
            gone = self._frames.popleft()
            self.begin[gone.place] = gone.offset + 1

    def clear(self, begin: Sequence[int]) -> None:
        """Nothing before `begin` is here, and no client's next frame."""
        self._frames.clear()
        self.head += 1
        self.begin = list(begin)

    def since(self, sequence: int, limit: int | None = None) -> list[Frame] | None:
        """Frames after `sequence`, the oldest `limit`; None when some are no longer here."""
        behind = self.head - sequence
        if not 0 <= behind <= len(self._frames):
            return None
        newest = list(islice(reversed(self._frames), behind))[::-1]
        return newest if limit is None else newest[:limit]

    def missing(self, offsets: Sequence[int]) -> dict[int, tuple[int, int]]:
        """{place: (first, end)} of what lies between these offsets and what is here."""
        return {
            place: (offset, begin)
            for place, (offset, begin) in enumerate(zip(offsets, self.begin, strict=True))
            if offset < begin
        }


class Backlog:
    """What a starting process reads, partition after partition: its newest news by event time.

    Kafka hands out whole stretches of one partition, so the last that were read are not the latest.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: dict[int, deque[tuple[int, Read]]] = {}
        """{place: (time, news)}, times rising: the largest so far in the partition"""
        self._count = 0
        self.begin: dict[int, int] = {}
        """{place: news from this offset on is kept}, where some was dropped"""

    def add(self, read: Read) -> None:
        assert read.message is not None  # it is news
        lane = self._kept.setdefault(read.place, deque())
        moment = event_time(read.message)
        lane.append((max(moment, lane[-1][0]) if lane else moment, read))
        self._count += 1
        if self._count >= 2 * self._size:
            self._prune()

    def drain(self) -> list[Read]:
        """All that is kept, in order of time; each partition's own order stays."""
        self._prune()
        merged = sorted(
            ((moment, place, read) for place, lane in self._kept.items() for moment, read in lane),
            key=lambda one: one[:2],
        )
        self._kept, self._count = {}, 0
        return [read for _, _, read in merged]

    def _prune(self) -> None:
        if self._count <= self._size:
            return
        times = sorted(moment for lane in self._kept.values() for moment, _ in lane)
        cut = times[-self._size]
        # Of equal times some must go too; which does not matter.
        surplus = len(times) - bisect_left(times, cut) - self._size
        for place, lane in self._kept.items():
            while lane and (lane[0][0] < cut or (lane[0][0] == cut and surplus > 0)):
                moment, gone = lane.popleft()
                surplus -= moment == cut
                self.begin[place] = gone.offset + 1
        self._count = sum(len(lane) for lane in self._kept.values())
