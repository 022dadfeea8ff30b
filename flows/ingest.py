"""Ingest: answers of sources in, what is new on the topics, each trouble told.

`flows.poll` gets the answers live; `play` takes them out of a recording. Both end here.
"""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from flows.connectors.http import Answer, TooLong
from flows.connectors.recent import recent_events
from flows.connectors.recording import recorded
from flows.replay import Producer
from flows.sources.feeds import Feed, Sources
from flows.sources.schedule import Schedule, league_day
from flows.steps.alarms import Alarm, Alarms
from flows.steps.intake import OVERSIZED, PAYLOAD_CHANGED, UNKNOWN_BOOK, Intake, Outcome
from flows.steps.news import Memory
from flows.steps.quarantine import Quarantine
from flows.steps.records import Outgoing
from schemas.settings import Settings
from schemas.time import US_PER_HOUR, from_us
from schemas.topics import Topic

log = logging.getLogger(__name__)

SAID = (Topic.GAMES, Topic.RESULTS, Topic.SPLITS, Topic.LINES)
"""What sources say."""
NEAR_US = 12 * US_PER_HOUR
"""An answer without a word is strange while a game starts so soon."""


@dataclass
class Looks:
    """How the sources were asked, and what they answered."""

    done: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(source, outcome): `new`, `unchanged`, `failed` or `busy`"""
    heard_us: dict[str, int] = field(default_factory=dict)
    """Source -> when it last answered."""
    remaining: dict[str, int] = field(default_factory=dict)
    """Source -> requests left of its quota."""


class Ingest:
    """The sources, what is known of them, and what was done."""

    def __init__(self, settings: Settings, sources: Sources, producer: Producer) -> None:
        self.sources = sources
        self.looks, self.alarms = Looks(), Alarms()
        self._settings, self._producer = settings, producer
        self._strange: dict[str, set[str]] = {}
        """Source -> what its first answer said of books that are none of ours."""
        rules = settings.ingest
        self.intake = Intake(
            self._say,
            Schedule(),
            Memory(),
            Quarantine(int(rules.quarantine_hours * US_PER_HOUR), rules.quarantine_facts),
            frozenset(settings.books),
            timedelta(hours=rules.memory_hours),
        )

    def resume(self, now_us: int) -> None:
        """Read back what has been said. Raises DependencyDown when the broker is not there."""
        since_us = now_us - int(self._settings.ingest.memory_hours * US_PER_HOUR)
        self.intake.learn(recent_events(self._settings.kafka, SAID, since_us))
        log.info(
            "known from %s on: %d things said of %d games",
            from_us(since_us).isoformat(timespec="minutes"),
            len(self.intake.memory),
            len(self.intake.schedule),
        )

    def take(self, feed: Feed, answer: Answer) -> None:
        """All that an answer leads to; confirmed when this returns.

        Raises DeliveryFailed when the broker refuses something for good.
        """
        name, payload = feed.source, answer.payload
        if answer.unchanged:
            self.intake.unchanged(payload)
        else:
            asked = feed.requests(league_day(payload.fetched_at_us))
            full = any(one.full for one in asked if one.endpoint == payload.endpoint)
            outcome = self.intake.take(payload, feed.parse, full)
            self.judge(name, outcome)
            games_near = any(
                0 < start - payload.fetched_at_us < NEAR_US
                for start in self.intake.schedule.starts_us()
            )
            detail = f"{payload.endpoint}: no word of any game, and one is near"
            silence = games_near and not outcome.facts
            self.alarms.set(name, Alarm.EMPTY, detail if silence else "")
        self.looks.done[name, "unchanged" if answer.unchanged else "new"] += 1
        self.looks.heard_us[name] = payload.fetched_at_us

    def take_cut(self, feed: Feed, cut: TooLong) -> None:
        """An answer beyond the limit."""
        self.judge(feed.source, self.intake.too_long(cut.payload, str(cut)))

    def judge(self, name: str, outcome: Outcome) -> None:
        """Raise or end the alarms that an answer of a source gives reason for."""
        for alarm, reason in (
            (Alarm.PAYLOAD_CHANGED, PAYLOAD_CHANGED),
            (Alarm.OVERSIZED, OVERSIZED),
        ):
            self.alarms.set(name, alarm, outcome.details(reason))
        strange = {one.detail for one in outcome.refused if one.reason == UNKNOWN_BOOK}
        # Many sources show more books than ours. One that was not there before may be one of ours
        # under a new name.
        new = strange - self._strange.setdefault(name, strange)
        if new:
            self.alarms.set(name, Alarm.UNKNOWN_BOOK, "; ".join(sorted(new)))

    def _say(self, messages: Sequence[Outgoing]) -> None:
        if not messages:
            return
        for message in messages:
            self._producer.send(message)
        self._producer.confirm()

    def summary(self) -> dict[str, object]:
        """What was done, for a person or a program."""
        counts = self.intake.counts
        return {
            "sources": {
                feed.source: {
                    "looks": _of(self.looks.done, feed.source),
                    "events": _of(counts.events, feed.source),
                    "refused": _of(counts.refused, feed.source),
                    "dead_letters": _of(counts.letters, feed.source),
                }
                for feed in self.sources.on
            },
            "off": self.sources.off,
            "waiting": [
                {"source": source, "detail": detail, "facts": count}
                for (source, detail), count in self.intake.quarantine.reasons().most_common()
            ],
            "alarms": [
                {"source": source, "alarm": alarm.value, "detail": detail}
                for (source, alarm), detail in self.alarms.raised.items()
            ],
        }


def play(ingest: Ingest, folder: Path, stopping: Callable[[], bool]) -> None:
    """A recording through the same steps, as fast as it goes, at its own times.

    Raises DataMissing where there is none.
    """
    feeds = {feed.source: feed for feed in ingest.sources.on}
    for place, answer in enumerate(recorded(folder, frozenset(feeds))):
        if stopping():
            return
        if place == 0:
            ingest.resume(answer.payload.fetched_at_us)
        ingest.take(feeds[answer.payload.source], answer)
    ingest.intake.close()


def _of(counts: Counter[tuple[str, str]], source: str) -> dict[str, int]:
    return {what: count for (of, what), count in sorted(counts.items()) if of == source}
