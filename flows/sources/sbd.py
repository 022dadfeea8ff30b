"""SportsBettingDime: betting splits of a day's games, and the lines of the books asked for.

The splits carry the time at which they were made, the lines none. Whose bets the splits count is
not said, so they stand under no book's name. It sends no schedule: its lines are never confirmed
to stand, so they are fresh only for as long as a new quote is.
"""

from collections.abc import Iterator, Sequence

from flows.sources import facts
from flows.sources.books import book_named
from flows.sources.payload import Fact, Meeting, Payload, Refusal
from flows.sources.shape import Day, Raw, Shape, as_bytes, changed, read_json, shaped
from flows.sources.teams import code_of
from schemas.errors import RejectedEvent
from schemas.markets import SIDES, Market
from schemas.time import Micros

SOURCE = "sbd"

_MARKETS = {
    "moneyline": Market.MONEYLINE,
    "spread": Market.RUN_LINE,
    "total": Market.TOTAL,
}


class _Team(Shape):
    code: str


class _Game(Shape):
    date: Micros
    gameday: Day
    home: _Team
    away: _Team
    sportsbooks: list[Raw]
    bettingSplits: dict[str, Raw]


class _Book(Shape):
    name: str
    odds: dict[str, Raw]


class _Odds(Shape):
    american: str


class _Lined(Shape):
    points: str
    odds: _Odds


class _Share(Shape):
    bets: int
    betsPercentage: float
    stakePercentage: float


class _Splits(Shape):
    updated: Micros
    bets: int | None


class _Body(Shape):
    games: list[Raw]


def _number(text: str, name: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise RejectedEvent("not_a_number", f"{name}: {text!r}") from None


def _quote(market: Market, raw: object, name: str) -> facts.Quote | Refusal | None:
    """None where the book has no quote: the texts are empty then."""
    if market is Market.MONEYLINE:
        odds = shaped(_Odds, raw, name)
        if isinstance(odds, Refusal):
            return odds
        return facts.Quote(_number(odds.american, name)) if odds.american else None
    lined = shaped(_Lined, raw, name)
    if isinstance(lined, Refusal):
        return lined
    if not (lined.points or lined.odds.american):
        return None
    return facts.Quote(_number(lined.odds.american, name), _number(lined.points, name))


def _line(meeting: Meeting, book: str, market: Market, raw: Raw) -> Iterator[Fact | Refusal]:
    quotes = []
    try:
        for side in SIDES[market]:
            quote = _quote(market, raw.get(side), f"{book}.{market}.{side}")
            if isinstance(quote, Refusal):
                yield changed(quote.detail, raw)
                return
            quotes.append(quote)
    except RejectedEvent as bad:
        yield Refusal(bad.reason, bad.detail, as_bytes(raw))
        return
    first, second = quotes
    if first is None and second is None:
        return
    if first is None or second is None:
        detail = f"{book} {market}: a quote on one side only"
        yield Refusal("incomplete_market", detail, as_bytes(raw))
        return
    yield facts.line(meeting, book, market, first, second, raw)


def _splits(meeting: Meeting, market: Market, raw: Raw) -> list[Fact | Refusal]:
    splits = shaped(_Splits, raw, f"splits.{market}")
    if isinstance(splits, Refusal):
        return [splits]
    shares: list[_Share] = []
    for side in SIDES[market]:
        share = shaped(_Share, raw.get(side), f"splits.{market}.{side}")
        if isinstance(share, Refusal):
            return [changed(share.detail, raw)]
        shares.append(share)
    first, second = shares
    if first.bets + second.bets != splits.bets:
        # In the body we have, six totals of 15 lack this sum, and just these six have most bets
        # on the under: their sides look swapped.
        detail = f"{market}: {splits.bets} bets, of {first.bets} and {second.bets} on the sides"
        return [Refusal("doubtful_splits", detail, as_bytes(raw))]
    return facts.splits(
        meeting,
        SOURCE,
        market,
        facts.Sides(first.betsPercentage, second.betsPercentage),
        facts.Sides(first.stakePercentage, second.stakePercentage),
        raw,
        said_at_us=splits.updated,
    )


def _lines(
    meeting: Meeting, raw_book: Raw, strangers: dict[str, Refusal]
) -> Iterator[Fact | Refusal]:
    book = shaped(_Book, raw_book, "sportsbook")
    if isinstance(book, Refusal):
        yield book
        return
    name = book_named(book.name)
    if name is None:
        refusal = Refusal("unknown_book", f"{book.name!r} is none we know", as_bytes(raw_book))
        strangers.setdefault(book.name, refusal)
        return
    yield from _by_market(book.odds, raw_book)
    for key, raw in book.odds.items():
        if key in _MARKETS:
            yield from _line(meeting, name, _MARKETS[key], raw)


def _by_market(found: dict[str, Raw], original: Raw) -> Iterator[Refusal]:
    """All three are always there, empty if need be; another one is a renamed one."""
    if set(found) != set(_MARKETS):
        yield changed(f"markets {sorted(found)} where {[*_MARKETS]} are expected", original)


def _game(raw: Raw, strangers: dict[str, Refusal]) -> Iterator[Fact | Refusal]:
    game = shaped(_Game, raw, "game")
    if isinstance(game, Refusal):
        yield game
        return
    try:
        home, away = code_of(game.home.code), code_of(game.away.code)
    except RejectedEvent as bad:
        yield Refusal(bad.reason, bad.detail, as_bytes(raw))
        return
    meeting = Meeting(home, away, start_us=game.date, day=game.gameday)
    yield from _by_market(game.bettingSplits, raw)
    for key, of_market in game.bettingSplits.items():
        if key in _MARKETS:
            yield from _splits(meeting, _MARKETS[key], of_market)
    for raw_book in game.sportsbooks:
        yield from _lines(meeting, raw_book, strangers)


def parse(payload: Payload) -> Sequence[Fact | Refusal]:
    """Of each game: the splits of its markets, then every book's lines."""
    document = read_json(payload)
    body = document if isinstance(document, Refusal) else shaped(_Body, document, "body")
    if isinstance(body, Refusal):
        return [body]
    strangers: dict[str, Refusal] = {}
    made = [one for raw in body.games for one in _game(raw, strangers)]
    return [*facts.said_once(made), *strangers.values()]
