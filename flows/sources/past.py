"""Answers about the past, each thing in them dated as it would have been heard then."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from flows.sources.oddsapi_archive import RESULT_AFTER_START_US
from flows.sources.payload import Fact, Payload
from flows.sources.schedule import league_day
from schemas.events import GameResult, GameUpdate
from schemas.markets import GameStatus
from schemas.time import US_PER_DAY, to_us

ANNOUNCED_DAYS = 3
"""A game is taken to be announced so many days before its own."""
CREDITS = 10
"""Of The Odds API's quota, for a snapshot of one market in one region."""

_BEGUN = (GameStatus.LIVE, GameStatus.SUSPENDED, GameStatus.FINAL)


class Range(NamedTuple):
    """What is asked for: from, to, and how far apart looks are taken to have been."""

    start_us: int
    end_us: int
    every_us: int

    def looks_us(self) -> list[int]:
        """On whole multiples, so that two ranges that overlap ask for the same moments."""
        first = -(-self.start_us // self.every_us) * self.every_us
        return list(range(first, self.end_us + 1, self.every_us))

    def days(self, ahead: int) -> list[date]:
        """The league's days from the first to so many after the last."""
        first, last = league_day(self.start_us), league_day(self.end_us)
        return [first + timedelta(days=more) for more in range((last - first).days + ahead + 1)]


def announced_us(day: date) -> int:
    """When a game of that day is taken to have been announced."""
    return to_us(datetime.combine(day, time(), UTC)) - ANNOUNCED_DAYS * US_PER_DAY


def heard(payload: Payload, at_us: int) -> Payload:
    """As if it had been asked for and answered at that time."""
    return payload._replace(fetched_at_us=at_us, said_at_us=at_us)


def story(facts: Iterable[Fact], until_us: int, now_us: int) -> Iterator[tuple[int, Fact]]:
    """What a schedule would have said of its games while they were ahead, on, and over.

    The schedule of now knows who started, and which games were called off in the end: neither was
    known, so no starter is named and such a game is not there. A score is taken to be known four
    hours after the start, as for imported seasons.

    until_us: of games that start later, no more than that they were announced.
    now_us: when the schedule was asked.
    """
    for fact in facts:
        meeting = fact.meeting
        if meeting.day is None or meeting.start_us is None:
            continue
        over_us = meeting.start_us + RESULT_AFTER_START_US
        told: list[tuple[int, dict[str, object]]] = []
        if fact.model is GameUpdate:
            status = GameStatus(str(fact.fields["status"]))
            if status is not GameStatus.SCHEDULED and status not in _BEGUN:
                continue
            known = {**fact.fields, "home_starter": None, "away_starter": None}
            told.append((announced_us(meeting.day), {**known, "status": GameStatus.SCHEDULED}))
            if meeting.start_us <= until_us and status in _BEGUN:
                told.append((meeting.start_us, {**known, "status": GameStatus.LIVE}))
                if status is GameStatus.FINAL:
                    told.append((over_us, {**known, "status": status}))
        elif fact.model is GameResult and meeting.start_us <= until_us:
            told.append((over_us, dict(fact.fields)))
        for at_us, fields in told:
            if at_us <= now_us:
                yield at_us, fact._replace(fields=fields, said_at_us=at_us)
