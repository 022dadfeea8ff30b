"""The feed: what was read, as a board for those who begin and as frames for those who go on.

Everything here runs on the event loop: between taking a snapshot and reading the first frame after
it nothing can slip in. How one client goes its way is in `api.follower`.
"""

from collections.abc import AsyncGenerator, Iterable, Mapping

from api.board import Board
from api.counts import FeedCounts
from api.filters import Options
from api.follower import Follower, Rewrite
from api.news import Bits
from api.past import Past
from api.ring import Backlog, Frame, Read, Ring, encode, frame
from api.snapshot import snapshot
from api.tokens import Layout, Place, Position
from api.views import View
from schemas.feed import Rules


class Feed:
    """Holds the board and the ring, and wakes the clients."""

    def __init__(
        self,
        board: Board,
        rules: Rules,
        past: Past,
        *,
        ring: int,
        client_queue: int,
        resume_records: int,
    ) -> None:
        """past: reads what is older than the ring."""
        self.board = board
        self.rules = rules
        self.client_queue = client_queue
        self.resume_records = resume_records
        self.past = past
        self.counts = FeedCounts()
        self.layout = Layout()
        self.head = Position(self.layout, [])
        """How far every partition was read."""
        self.ring = Ring(ring)
        self.news: list[Bits] = []
        """By place: which offsets were news."""
        self.live = False
        """Has caught up, so that a snapshot is complete."""
        self.reachable = False
        self.closed = False
        self.lost_at = 0
        """Sequence number at which messages were lost last, and why."""
        self.lost = ""
        self._backlog: Backlog | None = Backlog(ring)
        self._views: dict[Options, View] = {}

    @property
    def stale(self) -> bool:
        """What clients hold may not be the newest: no broker, or not caught up with it."""
        return not (self.live and self.reachable)

    def arrange(self, layout: Layout, begin: Mapping[int, int]) -> None:
        """Topics or partitions are new. begin: by place, the oldest offset there is to read."""
        self.layout = layout
        self.head = Position(layout, self.head.offsets)
        more = len(self.head.offsets) - len(self.news)
        self.news += [Bits() for _ in range(more)]
        self.ring.begin += [0] * more
        for place, offset in begin.items():
            self.head.move(place, offset)
            self.ring.begin[place] = offset
            self.news[place] = Bits(offset)
        self._changed([])

    def take(self, reads: Iterable[Read]) -> None:
        """Fold records into the board; once live, send those that are news to the clients."""
        fresh: list[tuple[int, Frame]] = []
        for read in reads:
            if read.message is not None:
                self.board.apply(read.message)
            if not read.news:
                self.head.move(read.place, read.offset + 1)
                continue
            self.news[read.place].add(read.offset)
            if self._backlog is not None:
                self.head.move(read.place, read.offset + 1)
                self._backlog.add(read)
                continue
            one = frame(read, self.head)
            self.ring.add(one)
            fresh.append((self.ring.head, one))
        self._changed(fresh)

    def lose(self, reason: str, begin: Mapping[int, int]) -> None:
        """Messages are gone for good: every client gets a gap and a new snapshot.

        begin: by place, where it goes on."""
        for place, offset in begin.items():
            self.head.move(place, offset)
            self.news[place] = Bits(offset)
        self.ring.clear(self.head.offsets)
        if self._backlog is not None:
            self._backlog = Backlog(self.ring.size)
        self.lost_at, self.lost = self.ring.head, reason
        self._changed([])
        for view in self._views.values():
            view.end_window()

    def source(self, reachable: bool, live: bool) -> None:
        """Tell clients at once when the broker goes or comes back."""
        if live and self._backlog is not None:
            self._fill(self._backlog)
            self._backlog = None
        if (reachable, live) != (self.reachable, self.live):
            self.reachable, self.live = reachable, live
            self._changed([])
            self.beat()

    def _fill(self, backlog: Backlog) -> None:
        """The ring as if the newest of what was read had come while clients were there."""
        kept = backlog.drain()
        for place, offset in backlog.begin.items():
            self.ring.begin[place] = offset
        walked = Position(self.layout, self.ring.begin)
        for read in kept:
            self.ring.add(frame(read, walked))

    def wants(self, place: Place, offset: int) -> bool:
        """Whether it was news; asked by threads that read the past."""
        return offset in self.news[self.layout.numbers[place]]

    def beat(self) -> None:
        """A heartbeat to everybody."""
        for view in self._views.values():
            view.beat()

    def close(self) -> None:
        """End every stream, so that the server can stop."""
        self.closed = True
        for view in self._views.values():
            view.notify()

    def view(self, options: Options) -> View:
        """Shared by all clients that ask for the same."""
        view = self._views.get(options)
        if view is None:
            view = self._views[options] = View(self, options)
        return view

    def drop(self, view: View) -> None:
        """Nobody asks for it any more."""
        if self._views.get(view.options) is view:
            del self._views[view.options]

    def snapshot(self, options: Options, heartbeat_ms: int) -> bytes:
        """The snapshot frame at the head."""
        rules = self.rules.model_copy(update={"heartbeat_ms": heartbeat_ms})
        data = snapshot(self.board, options, rules, stale=self.stale)
        return encode("snapshot", data, self.head.token)

    def stream(
        self, options: Options, last_id: str | None, rewrite: Rewrite | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Chunks of whole frames for one client, until it or the server goes."""
        return Follower(self, self.view(options), last_id).stream(rewrite)

    def _changed(self, fresh: list[tuple[int, Frame]]) -> None:
        for view in self._views.values():
            view.stir(fresh)
