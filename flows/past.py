"""Answers about the past onto the topics, in the order of event time, beside what is there.

Whatever the topics hold of that time is gone through again in between: at each moment only what
was not known then is said. So a second backfill of the same hours says nothing, and over hours
that were polled live it adds what was missed between two looks.
"""

import heapq
from collections.abc import Callable, Iterable
from functools import partial
from itertools import count, groupby

from flows.ingest import Ingest
from flows.sources import action_network, mlb_stats, oddsapi
from flows.sources.past import Range, announced_us, heard, story
from flows.sources.payload import Fact, Meeting, Parser, Payload, Refusal
from flows.sources.schedule import SOURCE as SCHEDULE_SOURCE
from flows.sources.schedule import league_day
from flows.steps.intake import PAYLOAD_CHANGED
from schemas.events import Event, GameResult, GameUpdate
from schemas.time import US_PER_DAY, from_us

LOOKBACK_US = 7 * US_PER_DAY
"""So long before the range the topics are read, and said is nothing that is older."""
_THERE, _SCHEDULE, _PRICES, _LOOK = range(4)
"""What comes first of the same moment."""


class Past:
    """One range of time, on its way to the topics."""

    def __init__(self, ingest: Ingest, asked: Range, there: Iterable[Event]) -> None:
        """there: on the topics since `LOOKBACK_US` before the range; of a game in their order."""
        self._ingest, self._intake, self._asked = ingest, ingest.intake, asked
        self._number = count()
        self._waiting: list[tuple[int, int, int, Callable[[], object]]] = []
        self._polled: set[int] = set()
        """gamePk of the games that a live poller announced."""
        self._settled: set[int] = set()
        """Of those whose score is known."""
        self._newest_us = 0
        """Of the snapshots taken."""
        self._learn(there)

    def _learn(self, there: Iterable[Event]) -> None:
        pk_of: dict[str, int] = {}
        ours: set[int] = set()
        settled: set[str] = set()
        for event in there:
            self._intake.ids.add(event.event_id)
            if event.occurred_at_us <= self._asked.end_us + US_PER_DAY:
                self._at(event.occurred_at_us, _THERE, partial(self._intake.learn, [event]))
            if event.source != SCHEDULE_SOURCE:
                continue
            if isinstance(event, GameResult):
                settled.add(event.game_id)
            elif isinstance(event, GameUpdate) and event.mlb_game_pk is not None:
                pk_of[event.game_id] = event.mlb_game_pk
                if event.occurred_at_us == announced_us(league_day(event.start_time_us)):
                    ours.add(event.mlb_game_pk)
        self._polled = {*pk_of.values()} - ours
        self._settled = {pk_of[game_id] for game_id in settled & pk_of.keys()} - ours

    def _at(self, at_us: int, rank: int, work: Callable[[], object]) -> None:
        heapq.heappush(self._waiting, (at_us, rank, next(self._number), work))

    def schedule(self, payload: Payload) -> None:
        """The games; before anything else."""
        said = mlb_stats.parse(payload)
        refused = [one for one in said if isinstance(one, Refusal)]
        self._take(payload, lambda _: refused, False)
        facts = [one for one in said if isinstance(one, Fact) and not self._known(one)]
        for at_us, fact in story(facts, self._asked.end_us, payload.fetched_at_us):
            self._facts(payload, at_us, _SCHEDULE, [fact])

    def _known(self, fact: Fact) -> bool:
        pk = fact.meeting.mlb_game_pk
        return pk in (self._settled if fact.model is GameResult else self._polled)

    def changes(self, payload: Payload, meeting: Meeting) -> None:
        """A game's history at Action Network: each change at its time.

        The history is whole, so between two changes quotes stand: that is said at each look.
        """
        payload = payload._replace(meeting=meeting)
        said = action_network.parse(payload)
        refused = [one for one in said if isinstance(one, Refusal)]
        self._take(payload, lambda _: refused, False)
        facts = [one for one in said if isinstance(one, Fact) and one.said_at_us is not None]
        for at_us, some in groupby(sorted(facts, key=_said_us), key=_said_us):
            self._facts(payload, at_us, _PRICES, list(some))
        first_us = min(map(_said_us, facts), default=self._asked.end_us)
        for at_us in self._asked.looks_us():
            if meeting.start_us is not None and first_us < at_us < meeting.start_us:
                look = partial(self._intake.confirm, heard(payload, at_us), [meeting])
                self._at(at_us, _LOOK, look)

    def _facts(self, payload: Payload, at_us: int, rank: int, facts: list[Fact]) -> None:
        if self._asked.start_us - LOOKBACK_US <= at_us:
            self._at(
                at_us, rank, partial(self._take, heard(payload, at_us), lambda _: facts, False)
            )

    def snapshot(self, payload: Payload, asked_us: int) -> None:
        """What The Odds API showed then; all that was before it is on the topics afterwards."""
        at_us = oddsapi.snapshot_us(payload)
        if at_us is None:
            self._take(heard(payload, asked_us), oddsapi.parse, True)
        elif at_us > asked_us:
            detail = f"of {from_us(at_us)} where one of {from_us(asked_us)} or before was asked for"
            refusal = Refusal(PAYLOAD_CHANGED, detail, payload.body)
            self._take(heard(payload, asked_us), lambda _: [refusal], True)
        elif at_us > self._newest_us:
            self._newest_us = at_us
            self._until(at_us)
            self._take(heard(payload, at_us), oddsapi.parse, True)

    def close(self) -> None:
        """All that is left; what still has no game has none."""
        while self._waiting:
            self._until(self._waiting[0][0])
        self._intake.close()

    def _until(self, at_us: int) -> None:
        while self._waiting and self._waiting[0][0] <= at_us:
            heapq.heappop(self._waiting)[-1]()

    def _take(self, payload: Payload, parse: Parser, full: bool) -> None:
        self._ingest.judge(payload.source, self._intake.take(payload, parse, full))


def _said_us(fact: Fact) -> int:
    return fact.said_at_us or 0
