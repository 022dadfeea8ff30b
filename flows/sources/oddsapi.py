"""The Odds API, version 4: odds of now (`odds`) and past snapshots (`historical`).

Book keys are taken as they are. The source says per market when it last looked at it.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated
from urllib.parse import parse_qs, urlsplit

from pydantic import Field

from flows.sources import facts
from flows.sources.oddsapi_archive import MARKETS, SOURCE
from flows.sources.payload import Fact, Meeting, Payload, Refusal
from flows.sources.shape import Raw, Shape, as_bytes, changed, read_json, shaped
from flows.sources.teams import code_of
from schemas.errors import RejectedEvent
from schemas.markets import GameStatus, Market
from schemas.odds import OddsFormat
from schemas.time import Micros

__all__ = ["SOURCE", "parse"]

SPORT = "baseball_mlb"
# Exchanges send it along with h2h, unasked: prices at which one lays.
_UNASKED = frozenset({"h2h_lay"})


class _Outcome(Shape):
    name: str
    price: float
    point: float | None = None


class _Market(Shape):
    key: str
    last_update: Micros | None = None
    outcomes: list[_Outcome]


class _Bookmaker(Shape):
    key: Annotated[str, Field(min_length=1, max_length=64)]
    last_update: Micros | None = None
    markets: list[Raw]


class _Event(Shape):
    sport_key: str
    commence_time: Micros
    home_team: str
    away_team: str
    bookmakers: list[Raw]


class _Snapshot(Shape):
    timestamp: Micros
    data: list[Raw]


def _format(payload: Payload) -> OddsFormat:
    """As asked for; the API's default is decimal."""
    asked = parse_qs(urlsplit(payload.url).query).get("oddsFormat", [])
    return OddsFormat.AMERICAN if asked == ["american"] else OddsFormat.DECIMAL


def _market(
    meeting: Meeting, event: _Event, book: _Bookmaker, raw: Raw, odds_format: OddsFormat
) -> Fact | Refusal | None:
    market = shaped(_Market, raw, "market")
    if isinstance(market, Refusal):
        return market
    if market.key in _UNASKED:
        return None
    kind = MARKETS.get(market.key)
    if kind is None:
        return Refusal("unknown_market", f"{market.key!r} is none that we know", as_bytes(raw))
    said_at_us = market.last_update or book.last_update
    if said_at_us is None:
        return changed("market.last_update: missing, of the bookmaker too", raw)
    names = ("Over", "Under") if kind is Market.TOTAL else (event.home_team, event.away_team)
    quotes = {one.name: facts.Quote(one.price, one.point) for one in market.outcomes}
    if len(market.outcomes) != 2 or set(quotes) != set(names):
        detail = f"{book.key} {market.key}: outcomes {sorted(quotes)} where {names} are expected"
        return Refusal("incomplete_market", detail, as_bytes(raw))
    first, second = (quotes[name] for name in names)
    return facts.line(
        meeting,
        book.key,
        kind,
        first,
        second,
        raw,
        odds_format=odds_format,
        said_at_us=said_at_us,
    )


def _event(
    raw: Raw, now_us: int, said_at_us: int | None, odds_format: OddsFormat
) -> Iterator[Fact | Refusal]:
    event = shaped(_Event, raw, "event")
    if isinstance(event, Refusal):
        yield event
        return
    if event.sport_key != SPORT:
        yield Refusal("unknown_league", f"{event.sport_key!r} is not {SPORT}", as_bytes(raw))
        return
    try:
        home, away = code_of(event.home_team), code_of(event.away_team)
    except RejectedEvent as bad:
        yield Refusal(bad.reason, bad.detail, as_bytes(raw))
        return
    meeting = Meeting(home, away, start_us=event.commence_time)
    lines: list[Fact | Refusal] = []
    for raw_book in event.bookmakers:
        book = shaped(_Bookmaker, raw_book, "bookmaker")
        if isinstance(book, Refusal):
            lines.append(book)
            continue
        made = (_market(meeting, event, book, one, odds_format) for one in book.markets)
        lines += [one for one in made if one is not None]
    yield facts.game(
        meeting,
        event.commence_time,
        GameStatus.SCHEDULED if now_us < event.commence_time else GameStatus.LIVE,
        {name: value for name, value in raw.items() if name != "bookmakers"},
        quotes_stand=any(isinstance(one, Fact) for one in lines),
        said_at_us=said_at_us,
    )
    yield from lines


def snapshot_us(payload: Payload) -> int | None:
    """When the odds of a past snapshot were what it says; none where it does not tell."""
    document = read_json(payload)
    snapshot = document if isinstance(document, Refusal) else shaped(_Snapshot, document, "")
    return None if isinstance(snapshot, Refusal) else snapshot.timestamp


def parse(payload: Payload) -> Sequence[Fact | Refusal]:
    """Of each game: its schedule, then every book's lines."""
    document = read_json(payload)
    if isinstance(document, Refusal):
        return [document]
    said_at_us = None
    if payload.endpoint == "historical":
        snapshot = shaped(_Snapshot, document, "snapshot")
        if isinstance(snapshot, Refusal):
            return [snapshot]
        document, said_at_us = snapshot.data, snapshot.timestamp
    if not isinstance(document, list):
        return [changed("no list of events", payload.body)]
    now_us = said_at_us or payload.said_at_us or payload.fetched_at_us
    made: list[Fact | Refusal] = []
    for raw in document:
        if isinstance(raw, dict):
            made += _event(raw, now_us, said_at_us, _format(payload))
        else:
            made.append(changed("an event that is no object", raw))
    return list(facts.said_once(made))
