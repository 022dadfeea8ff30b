"""Facts in the words of our events, each checked by its event's own model.

What a model refuses (impossible prices, a line that does not fit its market) is refused here, so
that one bad row does not stop the others.
"""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from pydantic import ValidationError

from flows.sources.payload import Fact, Meeting, Refusal
from flows.sources.shape import as_bytes
from flows.sources.tally import reason_of
from flows.sources.teams import CLUBS
from schemas.events import BettingSplits, GameResult, GameUpdate, LineMovement, QuoteStatus
from schemas.markets import GameStatus, Market
from schemas.odds import OddsFormat

SPLITS_SUM_TOLERANCE = 1.0
"""Percent: both sides are rounded, each by up to a half."""

_NOTHING: Mapping[str, object] = MappingProxyType({})

# What only the ingesting flow knows, so that a model can be asked about the rest.
_COMMON: dict[str, object] = {
    "event_id": "unknown",
    "game_id": "mlb-2000-01-01-AAA-BBB-1",
    "source": "unknown",
    "occurred_at_us": 2_000_000_000_000_000,
}


class Quote(NamedTuple):
    """One side of a book's market."""

    price: float
    point: float | None = None


class Sides(NamedTuple):
    """Percent on both sides of a market, home or over first; none where the source says none."""

    first: float | None
    second: float | None


def _checked(fact: Fact, original: object) -> Fact | Refusal:
    try:
        fact.model.model_validate(_COMMON | fact.fields)
    except ValidationError as bad:
        first = bad.errors(include_url=False, include_input=False)[0]
        detail = f"{fact.about}: {first['msg']}"
        return Refusal(reason_of(bad), detail, as_bytes(original))
    return fact


def game(
    meeting: Meeting,
    start_us: int,
    status: GameStatus,
    original: object,
    *,
    quotes_stand: bool = False,
    starters: tuple[str | None, str | None] = (None, None),
    said_at_us: int | None = None,
    progress: Mapping[str, object] = _NOTHING,
) -> Fact | Refusal:
    """starters: home, away. progress: further fields of GameUpdate, of a suspended game."""
    fields: dict[str, object] = {
        **progress,
        "home": CLUBS[meeting.home],
        "away": CLUBS[meeting.away],
        "start_time_us": start_us,
        "status": status,
        "mlb_game_pk": meeting.mlb_game_pk,
        "home_starter": starters[0],
        "away_starter": starters[1],
        "quotes_stand": quotes_stand,
    }
    return _checked(Fact(meeting, GameUpdate, ("game",), fields, said_at_us), original)


def result(
    meeting: Meeting,
    home: int,
    away: int,
    original: object,
    *,
    progress: Mapping[str, object] = _NOTHING,
) -> Fact | Refusal:
    """progress: further fields of GameResult."""
    fields: dict[str, object] = {**progress, "home_score": home, "away_score": away}
    return _checked(Fact(meeting, GameResult, ("result",), fields), original)


def line(
    meeting: Meeting,
    book: str,
    market: Market,
    first: Quote,
    second: Quote,
    original: object,
    *,
    odds_format: OddsFormat = OddsFormat.AMERICAN,
    said_at_us: int | None = None,
) -> Fact | Refusal:
    """first: home or over. Each side names its own point; two that contradict are refused."""
    point = None if market is Market.MONEYLINE else first.point
    if point is not None:
        opposite = -point if market is Market.RUN_LINE else point
        if second.point != opposite:
            detail = f"{book} {market}: points {first.point} and {second.point} are not one line"
            return Refusal("sides_disagree", detail, as_bytes(original))
    fields: dict[str, object] = {
        "book": book,
        "market": market,
        "odds_format": odds_format,
        "price_home_over": first.price,
        "price_away_under": second.price,
        "line": point,
    }
    return _checked(Fact(meeting, LineMovement, (book, market), fields, said_at_us), original)


def withdrawn(
    meeting: Meeting, book: str, market: Market, original: object, *, said_at_us: int
) -> Fact | Refusal:
    """The source itself says that the book takes no bets."""
    fields: dict[str, object] = {"book": book, "market": market, "status": QuoteStatus.WITHDRAWN}
    return _checked(Fact(meeting, LineMovement, (book, market), fields, said_at_us), original)


def _share(name: str, sides: Sides) -> float | None:
    """Of the first side. Both missing, or both 0, is how sources say that there are no bets yet.

    Raises ValueError where the sides do not add up.
    """
    if sides in (Sides(None, None), Sides(0, 0)):
        return None
    if sides.first is None or sides.second is None:
        raise ValueError(f"{name}: one side only: {sides.first} and {sides.second}")
    if abs(sides.first + sides.second - 100.0) > SPLITS_SUM_TOLERANCE:
        raise ValueError(f"{name}: {sides.first:g} % and {sides.second:g} % do not add up to 100")
    return sides.first


def splits(
    meeting: Meeting,
    book: str,
    market: Market,
    tickets: Sides,
    handle: Sides,
    original: object,
    *,
    said_at_us: int | None = None,
) -> list[Fact | Refusal]:
    """Nothing where there are no bets yet."""
    try:
        shares = _share("tickets", tickets), _share("handle", handle)
    except ValueError as bad:
        return [Refusal("splits_sum", f"{book} {market} {bad}", as_bytes(original))]
    if shares == (None, None):
        return []
    fields: dict[str, object] = {
        "book": book,
        "market": market,
        "tickets_home_over_pct": shares[0],
        "handle_home_over_pct": shares[1],
    }
    about = (book, market, "splits")
    return [_checked(Fact(meeting, BettingSplits, about, fields, said_at_us), original)]


def said_once(facts: Iterable[Fact | Refusal]) -> Iterator[Fact | Refusal]:
    """A second fact about the same in one payload is refused: which of the two holds?"""
    seen: set[tuple[Meeting, tuple[str, ...]]] = set()
    for one in facts:
        if isinstance(one, Fact):
            if (one.meeting, one.about) in seen:
                detail = f"{one.about} of {one.meeting}"
                yield Refusal("said_twice", detail, repr(one.fields).encode())
                continue
            seen.add((one.meeting, one.about))
        yield one
