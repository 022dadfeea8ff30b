"""From an answer of a source to messages: parse, find the games, keep what is new.

Knows no network and no clock: time is that of the answers, so a recording played again gives the
same messages. What is said is remembered only once it is confirmed.
"""

import logging
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import blake2b
from itertools import groupby

from flows.sources.payload import Fact, Meeting, Parser, Payload, Refusal
from flows.sources.schedule import SOURCE as SCHEDULE_SOURCE
from flows.sources.schedule import Listing, Schedule, league_day
from flows.steps.news import Memory, fact_bytes, news, stand
from flows.steps.quarantine import Quarantine, Waiting, name_of
from flows.steps.records import Outgoing
from schemas.decisions import DeadLetter
from schemas.events import Event, GameUpdate
from schemas.time import US_PER_HOUR
from schemas.topics import TOPIC_OF, Topic

log = logging.getLogger(__name__)

Say = Callable[[Sequence[Outgoing]], None]
"""Returns once all of it is on the broker."""

PAYLOAD_CHANGED = "payload_changed"
UNRESOLVED = "unresolved"
OVERSIZED = "oversized"
UNKNOWN_BOOK = "unknown_book"

LETTER_BYTES = 2_900_000
"""Of an original, so that its base64 fits into a message of the dead-letter topic."""
_LARGE = 65_536
_REMEMBERED_LETTERS = 50_000


@dataclass
class Counts:
    """What was done, by source and kind."""

    events: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(source, topic)"""
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(source, reason); also what was refused before and got no further dead letter."""
    letters: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(source, reason)"""


class Outcome:
    """Of one answer, for the alarms."""

    def __init__(self, facts: int, refused: Iterable[Refusal]) -> None:
        self.facts = facts
        self.refused = list(refused)

    def details(self, reason: str) -> str:
        """What is said of refusals for that reason; empty where there are none."""
        found = [one.detail for one in self.refused if one.reason == reason]
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        return found[0] + more if found else ""


class Intake:
    """Everything between the answers of all sources and the producer."""

    def __init__(
        self,
        say: Say,
        schedule: Schedule,
        memory: Memory,
        quarantine: Quarantine,
        books: frozenset[str],
        remember: timedelta,
    ) -> None:
        self.schedule, self.memory, self.quarantine = schedule, memory, quarantine
        self.counts = Counts()
        self._say, self._books, self._remember = say, books, remember
        self._shown: dict[tuple[str, str], list[Meeting]] = {}
        """Source and address -> the games that its newest full answer showed."""
        self.ids: set[str] = set()
        """Of events that are on the topics although `memory` does not hold them yet: a backfill
        goes through a time of which later events are there."""
        self._told: dict[str, None] = {}
        """Dead letters written: the same row comes with every look."""

    def learn(self, events: Iterable[Event]) -> None:
        """What is on the topics."""
        for event in events:
            if self.memory.remember(event) and isinstance(event, GameUpdate):
                self.schedule.remember(event)

    def take(self, payload: Payload, parse: Parser, full: bool) -> Outcome:
        """All that a new answer leads to is confirmed when this returns."""
        facts: list[Fact] = []
        refused: list[Refusal] = []
        try:
            for said in parse(payload):
                if isinstance(said, Fact):
                    facts.append(said)
                else:
                    refused.append(said)
        except Exception as bad:  # no parser should; one that does must not stop the others
            log.exception("the parser of %s failed", payload.source)
            detail = f"the parser failed: {type(bad).__name__}: {bad}"
            facts, refused = [], [Refusal(PAYLOAD_CHANGED, detail, payload.body)]
        announces = payload.source == SCHEDULE_SOURCE
        told = self.schedule.learn(facts) if announces else facts
        refused += self._tell(payload, told, full)
        letters = self._letters(payload, refused)
        if announces:
            self._retry()
            self._forget(payload.fetched_at_us)
        letters += self._unresolved(self.quarantine.expire())
        self._say(letters)
        if full:
            self._shown[payload.source, payload.url] = [fact.meeting for fact in facts]
        return Outcome(len(facts), refused)

    def unchanged(self, payload: Payload) -> None:
        """The source was looked at and says what it said before: its quotes stand."""
        self.confirm(payload, self._shown.get((payload.source, payload.url), ()))

    def confirm(self, payload: Payload, meetings: Iterable[Meeting]) -> None:
        """The source's quotes of these games stand."""
        listings = {
            listing.game_id: listing
            for listing in map(self._listing, dict.fromkeys(meetings))
            if listing is not None and self.memory.open_quotes(payload.source, listing.game_id)
        }
        self._events(payload, stand(self.memory, payload, listings.values()))

    def too_long(self, payload: Payload, detail: str) -> Outcome:
        """An answer that was cut off."""
        refused = [Refusal(OVERSIZED, detail, payload.body)]
        self._say(self._letters(payload, refused))
        return Outcome(0, refused)

    def close(self) -> None:
        """No more answers will come: what waits has waited in vain."""
        self._say(self._unresolved(self.quarantine.close()))

    def _tell(self, payload: Payload, facts: Iterable[Fact], full: bool) -> list[Refusal]:
        found: list[tuple[Listing, Fact]] = []
        for fact in facts:
            resolved = self.schedule.resolve(fact.meeting)
            listing = self.schedule.get(resolved.game_id) if resolved.game_id else None
            if listing is None:
                self.quarantine.put(payload, fact, resolved.detail)
            else:
                found.append((listing, fact))
        return self._publish(payload, found, full)

    def _publish(
        self, payload: Payload, found: Iterable[tuple[Listing, Fact]], full: bool
    ) -> list[Refusal]:
        said = news(self.memory, payload, found, full, self._books)
        self._events(payload, said.events)
        return said.refused

    def _retry(self) -> None:
        """The schedule has grown: facts that waited may have their game now."""
        found = self.quarantine.retry(self.schedule.resolve)
        for payload, group in groupby(found, key=lambda pair: pair[1].payload):
            known = [(self.schedule.get(game_id), one.fact) for game_id, one in group]
            refused = self._publish(
                payload, [(listing, fact) for listing, fact in known if listing], False
            )
            self._say(self._letters(payload, refused))

    def _events(self, payload: Payload, events: Sequence[Event]) -> None:
        """Say them, and once they are confirmed know that they are said."""
        if not events:
            return
        messages = [
            Outgoing.of(
                TOPIC_OF[type(event)], event.game_id, event.event_id, event.occurred_at_us, event
            )
            for event in events
            if event.event_id not in self.ids
        ]
        self._say(messages)
        for event in events:
            self.memory.remember(event)
        self.counts.events.update((payload.source, message.topic.value) for message in messages)

    def _listing(self, meeting: Meeting) -> Listing | None:
        game_id = self.schedule.resolve(meeting).game_id
        return self.schedule.get(game_id) if game_id else None

    def _forget(self, now_us: int) -> None:
        before = league_day(now_us) - self._remember
        self.schedule.forget(before)
        self.memory.forget(before)

    def _unresolved(self, gone: Iterable[Waiting]) -> list[Outgoing]:
        letters: list[Outgoing] = []
        for one in gone:
            refusal = Refusal(UNRESOLVED, one.detail, fact_bytes(one.fact))
            name = name_of(one.payload.source, one.fact)
            self.counts.refused[one.payload.source, UNRESOLVED] += 1
            letters.append(self._letter(one.payload, refusal, name))
        return letters

    def _letters(self, payload: Payload, refused: Iterable[Refusal]) -> list[Outgoing]:
        """One for each that was not told before; of whole payloads, one an hour for each cause."""
        letters: list[Outgoing] = []
        for one in refused:
            self.counts.refused[payload.source, one.reason] += 1
            what: object = one.original
            if len(one.original) > _LARGE:
                what = payload.fetched_at_us // US_PER_HOUR
            name = _digest(payload.endpoint, one.reason, one.detail, what)
            if name in self._told:
                continue
            self._told[name] = None
            letters.append(self._letter(payload, one, name))
        while len(self._told) > _REMEMBERED_LETTERS:
            del self._told[next(iter(self._told))]
        return letters

    def _letter(self, payload: Payload, refusal: Refusal, name: str) -> Outgoing:
        self.counts.letters[payload.source, refusal.reason] += 1
        original, detail = refusal.original, refusal.detail[:500]
        if len(original) > LETTER_BYTES:
            detail += f" (the first {LETTER_BYTES:,} of {len(original):,} bytes)"
        letter = DeadLetter(
            letter_id=f"{payload.source}-{payload.endpoint}-{name}",
            reason=refusal.reason,
            detail=detail,
            source=f"{payload.source}/{payload.endpoint}",
            topic=None,
            partition=None,
            offset=None,
            timestamp_us=payload.fetched_at_us,
            key_base64=None,
            value_base64=b64encode(original[:LETTER_BYTES]).decode(),
        )
        return Outgoing.of(
            Topic.DEAD_LETTERS, letter.source, letter.letter_id, letter.timestamp_us, letter
        )


def _digest(*parts: object) -> str:
    return blake2b(repr(parts).encode(), digest_size=12).hexdigest()
