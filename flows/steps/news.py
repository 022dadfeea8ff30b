"""Facts to events: only what is new is said, once, under an id that never changes.

All that is known here is what is on the topics: `Memory` learns from events alone, from those
read back at the start and from those whose delivery is confirmed. So a killed poller goes on where
it was, says nothing twice and leaves nothing out.
"""

import json
import re
from collections.abc import Iterable
from datetime import date
from hashlib import blake2b
from typing import NamedTuple

from pydantic import ValidationError

from flows.sources.payload import Fact, Payload, Refusal
from flows.sources.schedule import SOURCE as SCHEDULE_SOURCE
from flows.sources.schedule import Listing, club_names
from flows.sources.tally import closed
from flows.steps.decode import explain, strange_book
from schemas.events import (
    BettingSplits,
    Event,
    GameResult,
    GameUpdate,
    LineMovement,
    QuoteStatus,
    day_of,
)
from schemas.markets import Market

_KINDS: dict[type[Event], str] = {
    LineMovement: "line",
    BettingSplits: "splits",
    GameUpdate: "game",
    GameResult: "result",
}
_STAND = "stand"
_IDENTITY = {"event_id", "game_id", "source", "occurred_at_us", "simulated", "settles"}
_TIME_IN_ID = re.compile(r"-(\d+)(?:\.\d+)?(?:-[0-9a-f]{12})?$")


class Subject(NamedTuple):
    """What an event says something of. Book and market are empty for what is of the whole game."""

    source: str
    game_id: str
    kind: str
    book: str = ""
    market: str = ""


class Known(NamedTuple):
    """The newest event about a subject."""

    said_us: int
    """The source's own time of it."""
    heard_us: int
    """When it was fetched."""
    digest: str
    """Of the values."""
    withdrawn: bool = False


class News(NamedTuple):
    events: list[Event]
    """Game after game, the last of each settles it."""
    refused: list[Refusal]


class Memory:
    """What has been said."""

    def __init__(self) -> None:
        self._known: dict[Subject, Known] = {}
        self._open: dict[tuple[str, str], set[Subject]] = {}
        """Source and game id -> its quotes that stand."""

    def __len__(self) -> int:
        return len(self._known)

    def get(self, subject: Subject) -> Known | None:
        return self._known.get(subject)

    def open_quotes(self, source: str, game_id: str) -> list[Subject]:
        return sorted(self._open.get((source, game_id), ()))

    def remember(self, event: Event) -> bool:
        """An event that is on its topic; of a subject they must come in the order of the topic.

        False for one that is of before the newest: a backfill puts such behind it.
        """
        said_us = _said_in(event)
        if said_us is None:
            return True  # not made here
        subject = _subject(event)
        known = self._known.get(subject)
        if known is not None and event.occurred_at_us < known.heard_us:
            return False
        withdrawn = isinstance(event, LineMovement) and event.status is QuoteStatus.WITHDRAWN
        self._known[subject] = Known(said_us, event.occurred_at_us, _digest(event), withdrawn)
        if subject.kind == _KINDS[LineMovement]:
            quotes = self._open.setdefault((event.source, event.game_id), set())
            (quotes.discard if withdrawn else quotes.add)(subject)
        return True

    def forget(self, before: date) -> None:
        """Drop games of days before that one."""
        self._known = {at: one for at, one in self._known.items() if day_of(at.game_id) >= before}
        self._open = {at: some for at, some in self._open.items() if day_of(at[1]) >= before}


def news(
    memory: Memory,
    payload: Payload,
    facts: Iterable[tuple[Listing, Fact]],
    full: bool,
    books: frozenset[str],
) -> News:
    """What a payload says that is not known yet, as events that `memory` does not hold yet.

    full: the payload shows all that its source quotes of the games in it. Then a quote that is
    not there is withdrawn, and those that are there are confirmed, once a game.
    books: of any other a fact is refused.
    """
    refused: list[Refusal] = []
    of_game: dict[str, list[Event]] = {}
    listings: dict[str, Listing] = {}
    shown: dict[Subject, tuple[Event, Fact]] = {}
    for listing, fact in facts:
        listings[listing.game_id] = listing
        if fact.model is GameUpdate and payload.source != SCHEDULE_SOURCE:
            continue  # one source alone says when and whether a game is played
        try:
            event = _validated(payload, listing, fact)
        except ValidationError as bad:
            reason = explain(bad)
            refused.append(Refusal(reason.reason, reason.detail, fact_bytes(fact)))
            continue
        if (book := strange_book(event, books)) is not None:
            # The book alone, not what it quotes: one word is enough, prices change all day.
            detail = f"{book!r} is not in STEAMLINE_BOOKS"
            refused.append(Refusal("unknown_book", detail, book.encode()))
            continue
        shown[_subject(event)] = (event, fact)  # of two about the same, the later
    for subject, (event, fact) in shown.items():
        named = _if_new(memory.get(subject), event, fact, payload)
        if named is not None:
            of_game.setdefault(event.game_id, []).append(named)
    if full:
        for game_id, listing in listings.items():
            said = of_game.setdefault(game_id, [])
            said += _withdrawn(memory, payload, game_id, shown)
            if any(one.game_id == game_id and _quoted(shown[one][0]) for one in shown):
                said[:0] = stand(memory, payload, [listing])
    return News([event for some in of_game.values() for event in closed(some)], refused)


def stand(memory: Memory, payload: Payload, listings: Iterable[Listing]) -> list[Event]:
    """`The source looked, its quotes of this game stand`: one a game, none said before."""
    said_us = payload.said_at_us or payload.fetched_at_us
    found: list[Event] = []
    for listing in listings:
        subject = Subject(payload.source, listing.game_id, _STAND)
        known = memory.get(subject)
        if known and (said_us <= known.said_us or payload.fetched_at_us <= known.heard_us):
            continue
        home, away = club_names(listing)
        found.append(
            GameUpdate(
                event_id=f"{payload.source}-{listing.game_id}-{_STAND}-{said_us}",
                game_id=listing.game_id,
                source=payload.source,
                occurred_at_us=payload.fetched_at_us,
                home=home,
                away=away,
                # Repeated from the schedule, so that whoever confirms quotes moves no start.
                start_time_us=listing.start_us,
                status=listing.status,
                mlb_game_pk=listing.mlb_game_pk,
                quotes_stand=True,
            )
        )
    return found


def fact_bytes(fact: Fact) -> bytes:
    """A fact whole, for a dead letter."""
    whole = {
        "model": fact.model.__name__,
        "about": fact.about,
        "meeting": fact.meeting._asdict(),
        "fields": fact.fields,
        "said_at_us": fact.said_at_us,
    }
    return json.dumps(whole, default=str).encode()


def _validated(payload: Payload, listing: Listing, fact: Fact) -> Event:
    fields = {
        **fact.fields,
        "event_id": "?",
        "game_id": listing.game_id,
        "source": payload.source,
        "occurred_at_us": payload.fetched_at_us,
        "settles": False,
    }
    if fact.model is GameUpdate:
        fields.setdefault("mlb_game_pk", listing.mlb_game_pk)
    return fact.model.model_validate(fields)


def _if_new(known: Known | None, event: Event, fact: Fact, payload: Payload) -> Event | None:
    """The event under its id; none where it repeats what is known or is older than that."""
    payload_us = payload.said_at_us or payload.fetched_at_us
    said_us = fact.said_at_us or payload_us
    digest = _digest(event)
    if known is None:
        return _named(event, str(said_us), digest)
    if payload.fetched_at_us <= known.heard_us or digest == known.digest:
        return None
    if said_us > known.said_us:
        return _named(event, str(said_us), digest)
    # A book that comes back may show a price it dated before it left.
    if said_us < known.said_us and not known.withdrawn:
        return None
    return _named(event, f"{known.said_us}.{payload_us}", digest)


def _withdrawn(
    memory: Memory, payload: Payload, game_id: str, shown: dict[Subject, tuple[Event, Fact]]
) -> list[Event]:
    """The quotes of a game that a full payload does not show any more."""
    gone: list[Event] = []
    for subject in memory.open_quotes(payload.source, game_id):
        known = memory.get(subject)
        if subject in shown or known is None or payload.fetched_at_us <= known.heard_us:
            continue
        event = LineMovement(
            event_id="?",
            game_id=game_id,
            source=payload.source,
            occurred_at_us=payload.fetched_at_us,
            book=subject.book,
            market=Market(subject.market),
            status=QuoteStatus.WITHDRAWN,
        )
        payload_us = payload.said_at_us or payload.fetched_at_us
        gone.append(_named(event, f"{known.said_us}.{payload_us}", _digest(event)))
    return gone


def _quoted(event: Event) -> bool:
    return isinstance(event, LineMovement) and event.status is QuoteStatus.OPEN


def _named(event: Event, time: str, digest: str) -> Event:
    """time: the source's; after a dot the payload's, where the source's own was used before."""
    at = _subject(event)
    parts = (at.source, at.game_id, at.kind, at.book, at.market, time, digest)
    return event.model_copy(update={"event_id": "-".join(filter(None, parts))})


def _said_in(event: Event) -> int | None:
    """The source's time, out of the id; none for an id that is not of here."""
    found = _TIME_IN_ID.search(event.event_id)
    if found is None or not event.event_id.startswith(f"{event.source}-{event.game_id}-"):
        return None
    return int(found[1])


def _subject(event: Event) -> Subject:
    if isinstance(event, LineMovement | BettingSplits):
        return Subject(
            event.source, event.game_id, _KINDS[type(event)], event.book, event.market.value
        )
    if isinstance(event, GameUpdate) and event.quotes_stand:
        return Subject(event.source, event.game_id, _STAND)
    return Subject(event.source, event.game_id, _KINDS[type(event)])


def _digest(event: Event) -> str:
    values = event.model_dump_json(exclude=_IDENTITY)
    return blake2b(values.encode(), digest_size=6).hexdigest()
