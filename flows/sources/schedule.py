"""Which of our games a source speaks of.

One source, the league's own schedule, says which games there are. A game keeps the id under which
it was first announced: Kafka keys, recovery state and everything already decided are by game id,
and a game whose id changed with its date would be two half games. Only what is made up more than
two days later gets a new id: books void such bets and open the game anew, and events that far
from the day in the id are refused as implausible.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

from flows.sources.payload import Fact, Meeting
from flows.sources.teams import CLUBS
from flows.steps.decode import DAYS_AFTER_GAME
from schemas.events import GameUpdate, day_of
from schemas.markets import GameStatus
from schemas.time import US_PER_MINUTE, from_us

SOURCE = "mlb_stats"
"""The source whose word on games, starts and status counts."""

NEAR_US = 4 * 60 * US_PER_MINUTE
"""A start that a source gives may be off by this where the clubs meet only once: rain delays."""
_MAX_NUMBER = 9
_WEST = timedelta(hours=10)
"""So far behind UTC, every game of MLB, in Tokyo or at night in California, starts on the date
that the league calls its day."""
_GONE = (GameStatus.POSTPONED, GameStatus.CANCELLED)

Pair = tuple[str, str, str]
"""League, away, home."""


@dataclass
class Listing:
    """A game as the schedule has it now."""

    game_id: str
    pair: Pair
    day: date
    number: int
    """Of the day, as the league counts now; the number in the id is that of the announcement."""
    start_us: int
    status: GameStatus
    mlb_game_pk: int


class Resolved(NamedTuple):
    """The game, or why none is known."""

    game_id: str | None
    detail: str = ""


class Schedule:
    """The games that the schedule source has told of."""

    def __init__(self) -> None:
        self._games: dict[str, Listing] = {}
        self._by_pk: dict[int, Listing] = {}
        """The listing under which a gamePk is played now."""
        self._by_pair: dict[Pair, list[Listing]] = {}

    def __len__(self) -> int:
        return len(self._games)

    def get(self, game_id: str) -> Listing | None:
        return self._games.get(game_id)

    def starts_us(self) -> list[int]:
        """First pitches of the games that are still to come or under way."""
        return sorted(
            one.start_us
            for one in self._games.values()
            if one.status in (GameStatus.SCHEDULED, GameStatus.LIVE)
        )

    def learn(self, facts: Iterable[Fact]) -> list[Fact]:
        """Take in what one payload of the schedule says; the facts that still hold.

        A postponed game stands in the schedule twice, at its old day as postponed and at its new
        one as scheduled. What is said of the day that it has left is dropped.
        """
        told = list(facts)
        listed = [one for one in told if one.model is GameUpdate]
        # The new day first, so that the old one is known to be old.
        listed.sort(key=lambda fact: _status(fact) in _GONE)
        stale = {id(fact) for fact in listed if not self._learn(fact)}
        return [fact for fact in told if id(fact) not in stale]

    def _learn(self, fact: Fact) -> bool:
        """False where the fact is about a day that the game has left."""
        meeting, status = fact.meeting, _status(fact)
        pk, day, start_us = meeting.mlb_game_pk, meeting.day, meeting.start_us
        if pk is None or day is None or start_us is None:
            return True  # no listing; resolving it will say what is missing
        known = self._by_pk.get(pk)
        if known is not None and day != known.day:
            if status in _GONE:
                return False
            if not _same_game(known.game_id, day):
                known.status = GameStatus.POSTPONED
                known = None
        number = meeting.number or 1
        pair = (meeting.league, meeting.away, meeting.home)
        if known is None:
            self._add(Listing(self._free_id(pair, day, number), pair, day, number, start_us,
                              status, pk))  # fmt: skip
        else:
            known.day, known.number = day, number
            known.start_us, known.status = start_us, status
        return True

    def remember(self, event: GameUpdate) -> None:
        """An update of the schedule source that is already on the topic."""
        if event.mlb_game_pk is None or event.source != SOURCE:
            return
        known = self._games.get(event.game_id)
        day = league_day(event.start_time_us)
        if known is not None:
            known.day, known.start_us, known.status = day, event.start_time_us, event.status
            return
        league, *_, away, home, number = event.game_id.split("-")
        self._add(
            Listing(
                event.game_id,
                (league, away, home),
                day,
                int(number),
                event.start_time_us,
                event.status,
                event.mlb_game_pk,
            )
        )

    def forget(self, before: date) -> None:
        """Drop games of days before that one."""
        for listing in [one for one in self._games.values() if one.day < before]:
            del self._games[listing.game_id]
            self._by_pair[listing.pair].remove(listing)
            if self._by_pk.get(listing.mlb_game_pk) is listing:
                del self._by_pk[listing.mlb_game_pk]

    def resolve(self, meeting: Meeting) -> Resolved:
        """By gamePk; by day, clubs and number; by clubs and start.

        Clubs meet twice a day, so day and clubs alone name no game; they do where the schedule
        has that day and lists one game of theirs, whatever became of it.
        """
        if meeting.mlb_game_pk is not None:
            listing = self._by_pk.get(meeting.mlb_game_pk)
            if listing is None:
                return Resolved(None, f"gamePk {meeting.mlb_game_pk} is not on the schedule")
            return Resolved(listing.game_id)
        pair = (meeting.league, meeting.away, meeting.home)
        name = f"{meeting.away} at {meeting.home}"
        played = [one for one in self._by_pair.get(pair, ()) if one.status not in _GONE]
        if meeting.day is not None and meeting.number is not None:
            found = [
                one for one in played if (one.day, one.number) == (meeting.day, meeting.number)
            ]
            if len(found) != 1:
                return Resolved(None, f"{name}: no game {meeting.number} on {meeting.day}")
            return Resolved(found[0].game_id)
        if meeting.start_us is None:
            if meeting.day is None:
                return Resolved(None, f"{name}: neither start nor day is given")
            found = [one for one in self._by_pair.get(pair, ()) if one.day == meeting.day]
            if len(found) == 1 and found[0] in played:
                return Resolved(found[0].game_id)
            return Resolved(None, f"{name}: {len(found)} games on {meeting.day}, none is named")
        return _nearest(name, meeting, meeting.start_us, played)

    def _add(self, listing: Listing) -> None:
        self._games[listing.game_id] = listing
        self._by_pk[listing.mlb_game_pk] = listing
        self._by_pair.setdefault(listing.pair, []).append(listing)

    def _free_id(self, pair: Pair, day: date, number: int) -> str:
        """The league renumbers a day's games when one is made up there; an id never changes."""
        league, away, home = pair
        for free in (number, *range(1, _MAX_NUMBER + 1)):
            game_id = f"{league}-{day}-{away}-{home}-{free}"
            if game_id not in self._games:
                return game_id
        raise ValueError(f"{away} at {home} on {day}: more than {_MAX_NUMBER} games")


def league_day(start_us: int) -> date:
    """The league's day at that time.

    >>> league_day(1_784_599_500_000_000)  # 2026-07-21 02:05 UTC, a late game in California
    datetime.date(2026, 7, 20)
    """
    return (from_us(start_us) - _WEST).date()


def club_names(listing: Listing) -> tuple[str, str]:
    """Home and away, for people."""
    _, away, home = listing.pair
    return CLUBS.get(home, home), CLUBS.get(away, away)


def _status(fact: Fact) -> GameStatus:
    return GameStatus(str(fact.fields.get("status", GameStatus.SCHEDULED)))


def _same_game(game_id: str, day: date) -> bool:
    # A night game ends on the next day of UTC, and what is said then must be plausible too.
    return abs((day - day_of(game_id)).days) < DAYS_AFTER_GAME


def _nearest(name: str, meeting: Meeting, start_us: int, played: list[Listing]) -> Resolved:
    """The one game whose start is far closer than that of the next.

    Allowed is a quarter of the gap between two games of the clubs: a first game that a source
    sees delayed must not pass for the second.
    """
    ranked = sorted(played, key=lambda one: abs(one.start_us - start_us))
    if not ranked:
        return Resolved(None, f"{name}: not on the schedule")
    best = ranked[0]
    gaps = [abs(other.start_us - best.start_us) for other in ranked[1:]]
    allowed = min([NEAR_US, *(gap // 4 for gap in gaps)])
    off = abs(best.start_us - start_us)
    if off > allowed:
        return Resolved(
            None,
            f"{name} at {from_us(start_us):%Y-%m-%d %H:%M} UTC: nearest is {best.game_id}, "
            f"{off / US_PER_MINUTE:.0f} min off, at most {allowed / US_PER_MINUTE:.0f}",
        )
    if meeting.day is not None and meeting.day != best.day:
        return Resolved(None, f"{name}: start points to {best.game_id}, the day is {meeting.day}")
    return Resolved(best.game_id)
