"""Action Network: the scoreboard (`scoreboard`) and one game's odds history (`history`).

The owner does not document this API. The scoreboard gives each book's lines, and what share of
tickets and money is on each side: the same numbers under every book, so they stand under none.
Ask for book 15, where they are read. Once a game is on, nothing of it but its status is taken. An
answer to `history` does not name its game; the payload must.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Literal, TypeVar

from flows.sources import facts
from flows.sources.action_network_history import MARKETS, OTHER_BETS, SHUT, LineStatus, history
from flows.sources.books import (
    ACTION_NETWORK_CONSENSUS,
    ACTION_NETWORK_OPEN,
    book_of_action_network,
)
from flows.sources.payload import Fact, Meeting, Payload, Refusal
from flows.sources.shape import Raw, Shape, as_bytes, read_json, shaped
from flows.sources.teams import code_of
from schemas.errors import RejectedEvent
from schemas.events import LineMovement
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


class _Outcome(Shape):
    side: str
    period: Literal["event"]
    is_live: bool
    is_alt_market: bool


class _Offer(_Outcome):
    odds: float
    value: float | None = None
    line_status: LineStatus


class _Share(Shape):
    percent: float | None


class _BetInfo(Shape):
    tickets: _Share
    money: _Share


class _Told(_Outcome):
    bet_info: _BetInfo


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


Outcome = TypeVar("Outcome", bound=_Outcome)


def _pair(
    shape: type[Outcome], name: str, raw: Sequence[Raw]
) -> tuple[Outcome, Outcome] | Refusal | None:
    """The main line's two sides, home or over first; none where there is no main line."""
    main: list[Outcome] = []
    for one in raw:
        outcome = shaped(shape, one, "outcome")
        if isinstance(outcome, Refusal):
            return outcome
        if not (outcome.is_live or outcome.is_alt_market):
            main.append(outcome)
    if not main:
        return None
    wanted = SIDES[MARKETS[name]]
    if len(main) != 2 or {one.side for one in main} != set(wanted):
        detail = f"{name}: sides {[one.side for one in main]} where {[*wanted]} are expected"
        return Refusal("incomplete_market", detail, as_bytes(raw))
    first, second = main
    return (first, second) if first.side == wanted[0] else (second, first)


def _line(meeting: Meeting, book: str, name: str, raw: list[Raw]) -> Iterator[Fact | Refusal]:
    pair = _pair(_Offer, name, raw)
    if pair is None:
        return
    if isinstance(pair, Refusal):
        yield pair
    elif not any(one.line_status == SHUT for one in pair):
        first, second = (facts.Quote(one.odds, one.value) for one in pair)
        yield facts.line(meeting, book, MARKETS[name], first, second, raw)


def _splits(meeting: Meeting, name: str, raw: list[Raw]) -> Iterator[Fact | Refusal]:
    pair = _pair(_Told, name, raw)
    if pair is None:
        return
    if isinstance(pair, Refusal):
        yield pair
        return
    first, second = (one.bet_info for one in pair)
    tickets = facts.Sides(first.tickets.percent, second.tickets.percent)
    money = facts.Sides(first.money.percent, second.money.percent)
    yield from facts.splits(meeting, SOURCE, MARKETS[name], tickets, money, raw)


def _book(
    meeting: Meeting, book_id: str, raw: Raw, strangers: dict[str, Refusal]
) -> Iterator[Fact | Refusal]:
    if book_id == ACTION_NETWORK_OPEN:  # a column of opening prices, of no one book
        return
    consensus = book_id == ACTION_NETWORK_CONSENSUS
    name = SOURCE if consensus else book_of_action_network(book_id)
    if name is None:
        refusal = Refusal("unknown_book", f"{book_id!r} is none we know", as_bytes(raw))
        strangers.setdefault(book_id, refusal)
        return
    book = shaped(_Book, raw, "markets")
    if isinstance(book, Refusal):
        yield book
        return
    for market, outcomes in book.event.items():
        if market in MARKETS and consensus:
            yield from _splits(meeting, market, outcomes)
        elif market in MARKETS:
            yield from _line(meeting, name, market, outcomes)
        elif not market.startswith(OTHER_BETS):
            refusal = Refusal("unknown_market", f"{market!r} is none we know", as_bytes(outcomes))
            strangers.setdefault(market, refusal)


def _game(raw: Raw, strangers: dict[str, Refusal]) -> Iterator[Fact | Refusal]:
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
            books += _book(meeting, book_id, of_book, strangers)
    short = {name: value for name, value in raw.items() if name != "markets"}
    stand = any(isinstance(one, Fact) and one.model is LineMovement for one in books)
    yield facts.game(meeting, game.start_time, status, short, quotes_stand=stand)
    yield from books


def _read(payload: Payload) -> _Scoreboard | Refusal:
    document = read_json(payload)
    return document if isinstance(document, Refusal) else shaped(_Scoreboard, document, "body")


def _scoreboard(payload: Payload) -> Iterator[Fact | Refusal]:
    board = _read(payload)
    if isinstance(board, Refusal):
        yield board
        return
    strangers: dict[str, Refusal] = {}  # refused once a payload, not once a game
    for raw in board.games:
        yield from _game(raw, strangers)
    yield from strangers.values()


def meetings(payload: Payload) -> dict[int, Meeting]:
    """The games of a scoreboard by the id under which their history is asked for."""
    board = _read(payload)
    found: dict[int, Meeting] = {}
    for raw in () if isinstance(board, Refusal) else board.games:
        game = shaped(_Game, raw, "game")
        if isinstance(game, _Game):
            with suppress(RejectedEvent):
                found[game.id] = _meeting(game)
    return found


def parse(payload: Payload) -> Sequence[Fact | Refusal]:
    """Scoreboard: of each game its schedule, lines and splits. History: a game's past lines."""
    if payload.endpoint == "history":
        return history(payload)
    return list(facts.said_once(_scoreboard(payload)))
