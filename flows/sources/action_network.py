"""Action Network: the scoreboard (`scoreboard`) and one game's odds history (`history`).

The owner does not document this API. The scoreboard gives each book's lines, and what share of
tickets and money is on each side. Once a game is on it gives in-play prices without saying so:
then none are taken. An answer to `history` does not name its game; the payload must.
"""

from collections.abc import Iterator, Sequence

from flows.sources import facts
from flows.sources.action_network_history import MARKETS, history
from flows.sources.books import (
    ACTION_NETWORK_CONSENSUS,
    ACTION_NETWORK_OPEN,
    CONSENSUS,
    book_of_action_network,
)
from flows.sources.payload import Fact, Meeting, Payload, Refusal
from flows.sources.shape import Raw, Shape, as_bytes, changed, read_json, shaped
from flows.sources.teams import code_of
from schemas.errors import RejectedEvent
from schemas.markets import SIDES, GameStatus
from schemas.time import Micros

SOURCE = "action_network"

_STATUS = {
    "scheduled": GameStatus.SCHEDULED,
    "delayed": GameStatus.SCHEDULED,
    "inprogress": GameStatus.LIVE,
    "complete": GameStatus.FINAL,
    "closed": GameStatus.FINAL,
    "postponed": GameStatus.POSTPONED,
    "suspended": GameStatus.SUSPENDED,
    "cancelled": GameStatus.CANCELLED,
    "canceled": GameStatus.CANCELLED,
}


class _Team(Shape):
    id: int
    full_name: str


class _Game(Shape):
    id: int
    status: str
    start_time: Micros
    home_team_id: int
    away_team_id: int
    teams: list[_Team]
    markets: dict[str, Raw]


class _Book(Shape):
    event: dict[str, list[Raw]]
    """Of the whole game, by market; `periods` in the request chooses what comes beside it."""


class _Share(Shape):
    percent: float | None


class _BetInfo(Shape):
    tickets: _Share
    money: _Share


_UNTOLD = _BetInfo(tickets=_Share(percent=None), money=_Share(percent=None))


class _Outcome(Shape):
    side: str
    odds: float | None
    value: float | None = None
    bet_info: _BetInfo | None = None


class _Scoreboard(Shape):
    games: list[Raw]


def _meeting(game: _Game) -> Meeting:
    """Raises RejectedEvent where a side is no club."""
    names = {team.id: team.full_name for team in game.teams}
    home, away = (names.get(one) for one in (game.home_team_id, game.away_team_id))
    if home is None or away is None:
        detail = f"teams {sorted(names)} lack {game.home_team_id} or {game.away_team_id}"
        raise RejectedEvent("payload_changed", detail)
    return Meeting(code_of(home), code_of(away), start_us=game.start_time)


def _sides(name: str, raw: Sequence[Raw]) -> tuple[_Outcome, _Outcome] | Refusal:
    outcomes: dict[str, _Outcome] = {}
    for one in raw:
        outcome = shaped(_Outcome, one, "outcome")
        if isinstance(outcome, Refusal):
            return outcome
        outcomes[outcome.side] = outcome
    wanted = SIDES[MARKETS[name]]
    if len(raw) != 2 or set(outcomes) != set(wanted):
        found = [one.get("side") for one in raw]
        detail = f"{name}: sides {found} where {[*wanted]} are expected"
        return Refusal("incomplete_market", detail, as_bytes(raw))
    return outcomes[wanted[0]], outcomes[wanted[1]]


def _market(
    meeting: Meeting, book: str, priced: bool, name: str, raw: list[Raw]
) -> Iterator[Fact | Refusal]:
    """priced: whether the book's prices count."""
    sides = _sides(name, raw)
    if isinstance(sides, Refusal):
        yield sides
        return
    first, second = sides
    market = MARKETS[name]
    if priced and (first.odds is not None or second.odds is not None):
        if first.odds is None or second.odds is None:
            detail = f"{book} {name}: a price on one side only"
            yield Refusal("incomplete_market", detail, as_bytes(raw))
        else:
            quotes = facts.Quote(first.odds, first.value), facts.Quote(second.odds, second.value)
            yield facts.line(meeting, book, market, *quotes, raw)
    here, there = first.bet_info or _UNTOLD, second.bet_info or _UNTOLD
    tickets = facts.Sides(here.tickets.percent, there.tickets.percent)
    money = facts.Sides(here.money.percent, there.money.percent)
    yield from facts.splits(meeting, book, market, tickets, money, raw)


class _Reading:
    """Of one scoreboard: what is refused once a payload, not once a game."""

    def __init__(self) -> None:
        self.refused: dict[tuple[str, str], Refusal] = {}
        self.markets = 0
        self.splits_told = False

    def once(self, reason: str, what: str, part: object) -> None:
        detail = f"{what!r} is none that we know"
        self.refused.setdefault((reason, what), Refusal(reason, detail, as_bytes(part)))

    def book(self, meeting: Meeting, book_id: str, raw: Raw) -> Iterator[Fact | Refusal]:
        if book_id == ACTION_NETWORK_OPEN:  # a column of opening prices, of no one book
            return
        consensus = book_id == ACTION_NETWORK_CONSENSUS
        name = CONSENSUS if consensus else book_of_action_network(book_id)
        if name is None:
            self.once("unknown_book", book_id, raw)
            return
        book = shaped(_Book, raw, "markets")
        if isinstance(book, Refusal):
            yield book
            return
        for market, outcomes in book.event.items():
            if market not in MARKETS:
                self.once("unknown_market", market, outcomes)
                continue
            self.markets += 1
            self.splits_told |= any("bet_info" in one for one in outcomes)
            yield from _market(meeting, name, not consensus, market, outcomes)

    def game(self, raw: Raw) -> Iterator[Fact | Refusal]:
        game = shaped(_Game, raw, "game")
        if isinstance(game, Refusal):
            yield game
            return
        status = _STATUS.get(game.status)
        if status is None:
            yield Refusal("unknown_status", f"{game.status!r}", as_bytes(raw))
            return
        try:
            meeting = _meeting(game)
        except RejectedEvent as bad:
            yield Refusal(bad.reason, bad.detail, as_bytes(raw))
            return
        books: list[Fact | Refusal] = []
        if status is GameStatus.SCHEDULED:
            for book_id, of_book in game.markets.items():
                books += self.book(meeting, book_id, of_book)
        short = {name: value for name, value in raw.items() if name != "markets"}
        stand = any(isinstance(one, Fact) and len(one.about) == 2 for one in books)
        yield facts.game(meeting, game.start_time, status, short, quotes_stand=stand)
        yield from books


def _scoreboard(payload: Payload) -> Iterator[Fact | Refusal]:
    document = read_json(payload)
    board = document if isinstance(document, Refusal) else shaped(_Scoreboard, document, "body")
    if isinstance(board, Refusal):
        yield board
        return
    reading = _Reading()
    for raw in board.games:
        yield from reading.game(raw)
    yield from reading.refused.values()
    if reading.markets and not reading.splits_told:
        yield changed("no outcome has a bet_info", payload.body)


def meetings(payload: Payload) -> dict[int, Meeting]:
    """The games of a scoreboard by the id under which their history is asked for."""
    document = read_json(payload)
    board = shaped(_Scoreboard, document, "body")
    found: dict[int, Meeting] = {}
    for raw in () if isinstance(board, Refusal) else board.games:
        game = shaped(_Game, raw, "game")
        if isinstance(game, _Game):
            try:
                found[game.id] = _meeting(game)
            except RejectedEvent:
                continue
    return found


def parse(payload: Payload) -> Sequence[Fact | Refusal]:
    """Scoreboard: of each game its schedule, lines and splits. History: a game's past lines."""
    if payload.endpoint == "history":
        return history(payload)
    return list(facts.said_once(_scoreboard(payload)))
