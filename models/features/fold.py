"""Folding events into a game's record: bounded memory, any order, each event once.

The record after a set of events does not depend on the order in which they came, so a late
event ends where it would have been on time.
"""

from bisect import bisect
from dataclasses import dataclass, field
from typing import Any

import msgpack
import numpy as np

from models.features.catalogue import CONTEXT, SPLIT_SOURCES
from models.features.layout import (
    GAME,
    MARKET_INDEX,
    MAX_BOOKS,
    MAX_SOURCES,
    ORDER_BITS,
    RINGS,
    Ring,
    describe_layout,
    digest_of,
    empty_game,
    move_books,
    order_at,
    read_record,
)
from models.odds import DEVIG
from schemas.errors import ConfigError, OtherSnapshot, RejectedEvent
from schemas.events import BettingSplits, Event, GameUpdate, LineMovement
from schemas.markets import GameStatus
from schemas.sections.scoring import SPLIT_POOLS, DevigMethod
from schemas.settings import Settings
from schemas.time import US_PER_MINUTE

SNAPSHOT_VERSION = 2

SEEN_BUCKET_US = 30 * US_PER_MINUTE
_CONTEXT_NAMES = frozenset(CONTEXT)
PLAYABLE = (GameStatus.SCHEDULED, GameStatus.LIVE)
_HELD: dict[str, type[Event]] = {
    "line": LineMovement,
    "splits": BettingSplits,
    "games": GameUpdate,
    "context": GameUpdate,
}


@dataclass(frozen=True)
class FoldRules:
    """What the fold needs from settings."""

    book_index: dict[str, int]
    """Books and pools of splits, each to its column."""
    devig: DevigMethod
    cutoff_us: int
    """Length of the cutoff before first pitch."""
    late_us: int
    stale_us: int

    @classmethod
    def of(cls, settings: Settings) -> "FoldRules":
        columns = (*settings.books, *SPLIT_POOLS)
        if len(columns) > MAX_BOOKS:
            most = MAX_BOOKS - len(SPLIT_POOLS)
            raise ConfigError("STEAMLINE_BOOKS", f"more than {most} books", "Name fewer")
        return cls(
            book_index={name: index for index, name in enumerate(columns)},
            devig=settings.score.devig,
            cutoff_us=int(settings.score.cutoff_minutes * US_PER_MINUTE),
            late_us=int(settings.score.late_hours * 60 * US_PER_MINUTE),
            stale_us=int(settings.score.stale_minutes * US_PER_MINUTE),
        )


@dataclass
class GameState:
    """One game: its record and what is needed to fold the next event."""

    rules: FoldRules
    record: np.ndarray = field(default_factory=empty_game)
    """dtype GAME, shape (1,)."""
    position: int = 0
    """Distinct events so far."""
    newest_us: int = 0
    """Newest event time, held events included."""
    status: str = GameStatus.SCHEDULED
    simulated: bool = False
    dirty: bool = False
    """Something that features see has changed since the game was last scored."""
    read_to: dict[str, int] = field(default_factory=dict)
    """Input topic -> newest offset folded in; kept for whoever feeds the fold."""
    sources: list[str] = field(default_factory=list)
    seen: dict[int, set[int]] = field(default_factory=dict)
    """Half hour of event time -> hashes of the event ids in it."""
    held: dict[tuple[str, ...], tuple[int, int, Event]] = field(default_factory=dict)
    """(kind, what it is of) -> (order, source, newest such event past the cutoff): it enters the
    features only if the start moves later. Feeds send changes, so it would not come again."""

    def __post_init__(self) -> None:
        self._devig = DEVIG[self.rules.devig]
        self._bind()

    def _bind(self) -> None:
        # A view per field once, not once an event: a field look-up costs as much as the write.
        self._view: dict[str, Any] = {name: self.record[name][0] for name in GAME.names or ()}

    @property
    def cutoff_us(self) -> int:
        """Last event time that features may use; 0 while no schedule is known."""
        start = int(self.record["start_us"][0])
        return start - self.rules.cutoff_us if start else 0

    @property
    def as_of_us(self) -> int:
        """Newest event time that the features have used."""
        return int(self.record["as_of_us"][0])

    @property
    def lock_reason(self) -> str | None:
        """Why the game must not be priced any more; none while it may be."""
        if self.status not in PLAYABLE:
            return self.status
        if self._past_cutoff(self.newest_us):
            return "past cutoff"
        return None

    def fold(self, event: Event) -> bool:
        """Take one event in; False for a repeat. Raises RejectedEvent for one far too late."""
        moment = event.occurred_at_us
        if moment < self.newest_us - self.rules.late_us:
            raise RejectedEvent(
                "too_late",
                f"{(self.newest_us - moment) / US_PER_MINUTE:.0f} min behind the newest event",
            )
        if isinstance(event, GameUpdate) and event.context is not None:
            strange = event.context.keys() - _CONTEXT_NAMES
            if strange:
                raise RejectedEvent("unknown_context", f"no such team feature: {min(strange)}")
        source = self._source(event.source)
        digest = digest_of(event.event_id)
        bucket = self.seen.setdefault(moment // SEEN_BUCKET_US, set())
        if digest in bucket:
            return False
        bucket.add(digest)
        self.position += 1
        self.simulated = self.simulated or event.simulated
        if moment > self.newest_us:
            self.newest_us = moment
            self._forget_old()
        order = order_at(moment, digest)
        if isinstance(event, LineMovement):
            self._line(event, order, source)
        elif isinstance(event, GameUpdate):
            self._schedule(event, order, source)
        elif isinstance(event, BettingSplits):
            self._splits(event, order, source)
        else:
            raise TypeError(f"{type(event).__name__} is not an event of the score flow")
        return True

    def wants_scoring(self, event: Event) -> bool:
        """Whether to score now: all of the payload is in, features changed, betting is open."""
        return event.settles and self.dirty and self.cutoff_us > 0 and self.lock_reason is None

    def _forget_old(self) -> None:
        oldest = (self.newest_us - self.rules.late_us) // SEEN_BUCKET_US
        while self.seen and (first := min(self.seen)) < oldest:
            del self.seen[first]

    def _past_cutoff(self, moment: int) -> bool:
        cutoff = self.cutoff_us
        return bool(cutoff) and moment > cutoff

    def _touch(self, moment: int) -> None:
        """The features' as-of reaches `moment`: both rings of tiles move up to it."""
        if moment <= self.record["as_of_us"][0]:
            return
        self.record["as_of_us"] = moment
        for ring in RINGS:
            head = moment // ring.width_us
            step = head - int(self.record[ring.head][0])
            if step:
                self.record[ring.head] = head
                self._advance(ring, min(step, ring.tiles))

    def _advance(self, ring: Ring, step: int) -> None:
        for name in (ring.order, *ring.quotes):
            tiles = self._view[name]
            newest = tiles[-1].copy()
            tiles[:-step] = tiles[step:]
            tiles[-step:] = newest
        moves = self._view[ring.moves]
        moves[:-step] = moves[step:]
        moves[-step:] = 0

    def _source(self, name: str) -> int:
        """The source's place. Places follow the names, so that who came first does not show."""
        if name in self.sources:
            return self.sources.index(name)
        if len(self.sources) == MAX_SOURCES:
            raise RejectedEvent("too_many_sources", f"{name} is source {MAX_SOURCES + 1}")
        place = bisect(self.sources, name)
        self.sources.insert(place, name)
        confirmed, owner = self._view["confirmed_us"], self._view["quote_source"]
        confirmed[place + 1 :] = confirmed[place:-1].copy()
        confirmed[place] = 0
        owner[(owner >= place) & (self._view["quote_order"] > 0)] += 1
        self.held = {
            key: (order, source + (source >= place), event)
            for key, (order, source, event) in self.held.items()
        }
        return place

    def _line(self, event: LineMovement, order: int, source: int) -> None:
        market, book = MARKET_INDEX[event.market], self.rules.book_index[event.book]
        cell = (market, book)
        if self._past_cutoff(event.occurred_at_us):
            self._hold(("line", event.market, event.book), order, source, event)
            return
        self._touch(event.occurred_at_us)
        self.dirty = True
        view = self._view
        fair = line = first = second = np.nan
        if event.price_home_over is not None and event.price_away_under is not None:
            first, second = event.price_home_over, event.price_away_under
            fair, line = self._devig(first, second), event.line or 0.0
            if not view["open_order"][cell] or order < view["open_order"][cell]:
                view["open_order"][cell] = order
                view["open_probability"][cell] = fair
                view["open_line"][cell] = line
        if order > view["quote_order"][cell]:
            view["quote_order"][cell] = order
            view["quote_source"][cell] = source
            view["probability"][cell] = fair
            view["line"][cell] = line
            view["price_first"][cell] = first
            view["price_second"][cell] = second
        view["moves"][market] += 1
        for ring in RINGS:
            self._tile(ring, cell, order, (fair, line, first, second))

    def _tile(
        self, ring: Ring, cell: tuple[int, int], order: int, quote: tuple[float, ...]
    ) -> None:
        """Set the quote in its tile and in every later tile in which it is still the newest."""
        view = self._view
        behind = int(self.record[ring.head][0]) - (order >> ORDER_BITS) // ring.width_us
        if behind < ring.tiles:
            view[ring.moves][ring.tiles - 1 - behind, cell[0]] += 1
        for tile in range(ring.tiles - 1, max(ring.tiles - 2 - behind, -1), -1):
            at = (tile, *cell)
            if view[ring.order][at] < order:
                view[ring.order][at] = order
                for name, value in zip(ring.quotes, quote, strict=False):
                    view[name][at] = value

    def _schedule(self, event: GameUpdate, order: int, source: int) -> None:
        record = self.record
        if order > record["start_order"][0]:
            record["start_order"] = order
            if event.start_time_us != record["start_us"][0] or event.status != self.status:
                record["start_us"] = event.start_time_us
                self.status = event.status
                self.dirty = True
        self._update(event, order, source)
        self._admit_held()

    def _update(self, event: GameUpdate, order: int, source: int) -> None:
        """What the features use of it besides the start."""
        record, moment = self.record, event.occurred_at_us
        if self._past_cutoff(moment):
            self._hold(("games", event.source), order, source, event)
            if event.context is not None:
                self._hold(("context",), order, source, event)
            return
        self._touch(moment)
        record["games_at_us"] = max(moment, int(record["games_at_us"][0]))
        if event.context is not None and order > record["context_order"][0]:
            record["context_order"] = order
            record["context_as_of_us"] = event.context_as_of_us
            record["context"] = [[event.context.get(name, np.nan) for name in CONTEXT]]
            self.dirty = True
        if event.quotes_stand:
            confirmed = self._view["confirmed_us"]
            # After an outage of the source a mere confirmation makes stale quotes good again.
            gap = moment - int(confirmed[source])
            self.dirty = self.dirty or gap > self.rules.stale_us
            confirmed[source] = max(moment, int(confirmed[source]))

    def _hold(self, key: tuple[str, ...], order: int, source: int, event: Event) -> None:
        if key not in self.held or order > self.held[key][0]:
            self.held[key] = (order, source, event)

    def _admit_held(self) -> None:
        """The start may have moved later: events held back can be inside the cutoff now."""
        waiting = [
            key
            for key, (_, _, event) in self.held.items()
            if not self._past_cutoff(event.occurred_at_us)
        ]
        for key in waiting:
            order, source, event = self.held.pop(key)
            if isinstance(event, LineMovement):
                self._line(event, order, source)
            elif isinstance(event, BettingSplits):
                self._splits(event, order, source)
            elif isinstance(event, GameUpdate):
                self._update(event, order, source)

    def _splits(self, event: BettingSplits, order: int, source: int) -> None:
        if self._past_cutoff(event.occurred_at_us):
            # Each source's own: what one says is not overtaken by what another says.
            self._hold(("splits", event.market, event.book, event.source), order, source, event)
            return
        self._touch(event.occurred_at_us)
        self.dirty = True
        cell = (MARKET_INDEX[event.market], self.rules.book_index[event.book])
        tickets, handle = (
            np.nan if share is None else share
            for share in (event.tickets_home_over_pct, event.handle_home_over_pct)
        )
        view = self._view
        if order > view["splits_order"][cell]:
            view["splits_order"][cell] = order
            view["tickets"][cell], view["handle"][cell] = tickets, handle
        if not view["open_splits_order"][cell] or order < view["open_splits_order"][cell]:
            view["open_splits_order"][cell] = order
            view["open_tickets"][cell], view["open_handle"][cell] = tickets, handle
        if event.source in SPLIT_SOURCES:
            of_source = (SPLIT_SOURCES.index(event.source), *cell)
            if order > view["source_handle_order"][of_source]:
                view["source_handle_order"][of_source] = order
                view["source_handle"][of_source] = handle

    def snapshot(self) -> bytes:
        """Everything as versioned msgpack: an upgrade can read and migrate it."""
        packed: bytes = msgpack.packb(
            {
                "version": SNAPSHOT_VERSION,
                "fields": describe_layout(),
                "context": CONTEXT,
                "books": list(self.rules.book_index),
                "record": self.record.tobytes(),
                "position": self.position,
                "newest_us": self.newest_us,
                "status": str(self.status),
                "simulated": self.simulated,
                "dirty": self.dirty,
                "read_to": self.read_to,
                "sources": self.sources,
                "seen": [
                    [bucket, np.array(sorted(hashes), np.uint64).tobytes()]
                    for bucket, hashes in sorted(self.seen.items())
                ],
                "held": [
                    [key, order, source, event.model_dump_json()]
                    for key, (order, source, event) in self.held.items()
                ],
            }
        )
        return packed

    @classmethod
    def restore(cls, rules: FoldRules, packed: bytes) -> "GameState":
        """Inverse of `snapshot`, also for one of another layout of the record or other books.

        What it did not have is not known. Raises OtherSnapshot where the way of writing
        snapshots itself is another.
        """
        stored = msgpack.unpackb(packed, strict_map_key=False)
        if stored["version"] != SNAPSHOT_VERSION:
            raise OtherSnapshot(stored["version"], SNAPSHOT_VERSION)
        record = read_record(stored["record"], stored["fields"], stored["context"])
        state = cls(
            rules,
            record=move_books(record, stored["books"], list(rules.book_index)),
            position=stored["position"],
            newest_us=stored["newest_us"],
            status=GameStatus(stored["status"]),
            simulated=stored["simulated"],
            dirty=stored["dirty"],
            read_to=stored["read_to"],
            sources=stored["sources"],
            seen={
                bucket: set(np.frombuffer(hashes, np.uint64).tolist())
                for bucket, hashes in stored["seen"]
            },
        )
        for key, order, source, text in stored["held"]:
            event = _HELD[key[0]].model_validate_json(text)
            if (
                not isinstance(event, LineMovement | BettingSplits)
                or event.book in rules.book_index
            ):
                state.held[tuple(key)] = (order, source, event)
        return state
