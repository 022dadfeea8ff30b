"""Input events: what sources say about a game. Prices are decimal once validated."""

from datetime import date
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.markets import GameStatus, Market
from schemas.odds import OddsFormat, american_to_decimal
from schemas.time import Micros

GameId = Annotated[
    str,
    Field(
        pattern=r"^[a-z]{2,8}-\d{4}-\d{2}-\d{2}-[A-Z0-9]{2,4}-[A-Z0-9]{2,4}-\d$",
        examples=["mlb-2026-07-20-BOS-NYY-1"],
    ),
]
"""league, local date, away, home, game number of the day: doubleheaders stay apart."""


@lru_cache(maxsize=4096)
def day_of(game_id: str) -> date:
    """The local date in a game id. Raises ValueError for a day that does not exist.

    >>> day_of("mlb-2026-07-20-BOS-NYY-1")
    datetime.date(2026, 7, 20)
    """
    return date.fromisoformat(game_id.split("-", 1)[1][:10])


Name = Annotated[str, Field(min_length=1, max_length=64)]
EventId = Annotated[str, Field(min_length=1, max_length=128)]
Percentage = Annotated[float, Field(ge=0.0, le=100.0)]

MIN_OVERROUND = 0.9
MAX_OVERROUND = 1.5
MAX_DECIMAL_ODDS = 1_001.0


class Event(BaseModel):
    """What every input event carries."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    event_id: EventId
    """Deterministic from the source's own identity of the fact; a re-read gives the same id."""
    game_id: GameId
    source: Name
    occurred_at_us: Micros
    """When the fact became knowable, microseconds UTC: the only clock that decisions use."""
    simulated: bool = False
    settles: bool = True
    """False on all but the last event of one game in one payload: score once they are all in.
    That one must be new: a repeat scores nothing."""


class QuoteStatus(StrEnum):
    OPEN = "open"
    WITHDRAWN = "withdrawn"


class LineMovement(Event):
    """One book's new two-sided price in one market."""

    book: Name
    market: Market
    status: QuoteStatus = QuoteStatus.OPEN
    odds_format: OddsFormat = OddsFormat.DECIMAL
    price_home_over: float | None = None
    price_away_under: float | None = None
    line: float | None = Field(default=None, ge=-50.0, le=100.0)
    """Home handicap (run line) or total runs; none for the moneyline."""

    @model_validator(mode="after")
    def _to_decimal(self) -> Self:
        # After the fields: one before them has the JSON made a dict first, at half a parse's cost.
        if self.odds_format is OddsFormat.AMERICAN:
            for name in ("price_home_over", "price_away_under"):
                price = getattr(self, name)
                if price is not None:
                    try:
                        object.__setattr__(self, name, american_to_decimal(price))
                    except ValueError as bad:
                        raise ValueError(f"{name}: {bad}") from None
            object.__setattr__(self, "odds_format", OddsFormat.DECIMAL)
        return self

    @model_validator(mode="after")
    def _possible(self) -> Self:
        first, second = self.price_home_over, self.price_away_under
        if self.status is QuoteStatus.WITHDRAWN:
            if first is not None or second is not None:
                raise ValueError("price_home_over/price_away_under: a withdrawn quote has no price")
            return self
        if first is None or second is None:
            name = "price_home_over" if first is None else "price_away_under"
            raise ValueError(f"{name}: an open quote needs both prices")
        for name, price in (("price_home_over", first), ("price_away_under", second)):
            if not 1.0 < price <= MAX_DECIMAL_ODDS:
                raise ValueError(
                    f"{name}: decimal odds {price:g} outside (1, {MAX_DECIMAL_ODDS:g}]"
                )
        no_total = self.market is Market.TOTAL and self.line is not None and self.line <= 0.0
        if (self.line is None) is not (self.market is Market.MONEYLINE) or no_total:
            raise ValueError(f"line: {self.line} does not fit market {self.market.value}")
        overround = 1.0 / first + 1.0 / second
        if not MIN_OVERROUND <= overround <= MAX_OVERROUND:
            raise ValueError(
                f"overround: {overround:.4f} of {first:g}/{second:g} outside "
                f"[{MIN_OVERROUND}, {MAX_OVERROUND}]"
            )
        return self


class BettingSplits(Event):
    """Share of tickets and of handle (money) on the home or over side, percent 0..100."""

    book: Name
    market: Market
    tickets_home_over_pct: Percentage | None = None
    handle_home_over_pct: Percentage | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.tickets_home_over_pct is None and self.handle_home_over_pct is None:
            raise ValueError("tickets_home_over_pct/handle_home_over_pct: both missing")
        return self


class Ending(StrEnum):
    """How a game came to its final score, where the source says so."""

    PLAYED_OUT = "played_out"
    CALLED = "called"
    """Ended before its scheduled innings, and official."""
    FORFEITED = "forfeited"


Runs = Annotated[int, Field(ge=0, le=60)]


class Played(Event):
    """How far a game got: what decides whether a book counts it. All of it may be unknown."""

    scheduled_innings: int | None = Field(default=None, ge=1, le=9)
    half_innings: int | None = Field(default=None, ge=0, le=100)
    """Half innings that are over: 17 is eight and a half innings. A home half that ends with the
    winning run, or is cut off, is not."""
    full_home_score: Runs | None = None
    full_away_score: Runs | None = None
    """Runs at the end of the last full inning."""
    postseason: bool | None = None


class GameUpdate(Played):
    """Schedule and status of a game as the source knew them at `occurred_at_us`."""

    home: Name
    away: Name
    start_time_us: Micros
    status: GameStatus = GameStatus.SCHEDULED
    mlb_game_pk: int | None = Field(default=None, gt=0)
    home_starter: Name | None = None
    away_starter: Name | None = None
    context: dict[str, float] | None = None
    """Team features by catalogue name; a name that is absent is not known."""
    context_as_of_us: Micros | None = None
    """Newest fact that the context rests on: it must not be later than the event itself."""
    quotes_stand: bool = False
    """True when the source looked and its quotes of this game, as last sent, still stand."""
    home_score: Runs | None = None
    away_score: Runs | None = None
    """Of a game that is suspended: when it was."""

    @model_validator(mode="after")
    def _context_known_by_then(self) -> Self:
        if (self.context is None) is not (self.context_as_of_us is None):
            raise ValueError("context/context_as_of_us: one without the other")
        if self.context_as_of_us is not None and self.context_as_of_us > self.occurred_at_us:
            raise ValueError(
                f"context_as_of_us: {self.context_as_of_us} is after occurred_at_us "
                f"{self.occurred_at_us}: the context knows the future"
            )
        return self


class GameResult(Played):
    """Final score. How it came about may be missing: archives know the score alone."""

    home_score: Runs
    away_score: Runs
    ending: Ending | None = None
    played_on: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")] | None = None
    """The local day it was played on, or begun; a game keeps its id when it is moved."""
    started_at_us: Micros | None = None
    """First pitch as it is listed in the end."""
    resumed_at_us: Micros | None = None
    """Of a game that was suspended and went on another day."""
    home_starter: Name | None = None
    away_starter: Name | None = None
    """Who threw the first pitch for them."""
    venue_changed: bool | None = None
    """True when it was not played where the home side plays."""
