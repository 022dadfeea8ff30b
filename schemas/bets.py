"""What was bet and what came of it: fills, settlements, and the state of a bankroll.

Money is exact: decimal text on the wire, never a float.
"""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.decisions import Probability
from schemas.events import MAX_DECIMAL_ODDS, EventId, GameId, Name
from schemas.markets import SIDES, Market, Side
from schemas.time import Micros

Cash = Annotated[Decimal, Field(max_digits=20, decimal_places=8)]
"""In the bankroll's currency; text on the wire."""

ALL_BANKROLLS = "*"

BY_HAND = "by_hand"
"""Rule of a settlement that a person has decided."""


class Terms(StrEnum):
    """What a moneyline bet asks of the starting pitchers; where one it asks for does not start,
    it is void."""

    ACTION = "action"
    LISTED = "listed"
    LISTED_HOME = "listed_home"
    LISTED_AWAY = "listed_away"


class Outcome(StrEnum):
    WIN = "win"
    HALF_WIN = "half_win"
    PUSH = "push"
    HALF_LOSS = "half_loss"
    LOSS = "loss"
    VOID = "void"


class Bet(BaseModel):
    """One bet at one book, as both of its messages tell it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    fill_id: EventId
    """Deterministic from who recorded it and his own number of the bet: told twice, booked once."""
    game_id: GameId
    bankroll: Name
    market: Market
    side: Side
    book: Name
    line: float | None = Field(default=None, ge=-50.0, le=100.0)
    """Total runs, or the home handicap whichever side was taken; none for the moneyline."""
    price: float = Field(gt=1.0, le=MAX_DECIMAL_ODDS)
    """Decimal, as taken."""
    amount: Cash = Field(gt=0)
    paper: bool = False
    """Nobody has bet it: what it would have come to."""
    simulated: bool = False

    @model_validator(mode="after")
    def _fits_its_market(self) -> Self:
        if self.side not in SIDES[self.market]:
            raise ValueError(f"side: {self.side.value} is no side of {self.market.value}")
        if (self.line is None) is not (self.market is Market.MONEYLINE):
            raise ValueError(f"line: {self.line} does not fit market {self.market.value}")
        return self


class Fill(Bet):
    """A bet that was made, at the price that was really got."""

    stake_id: str | None = None
    """The advice that it follows; none where somebody bet on his own."""
    filled_at_us: Micros
    terms: Terms = Terms.ACTION
    home_starter: Name | None = None
    away_starter: Name | None = None
    """Pitchers listed when the bet was made, for terms that ask for them."""
    source: Name
    """Who recorded it."""


class ClosingValue(BaseModel):
    """A bet against the no-vig close of its market, and where that close is from."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    reference: Name
    """The book, or `consensus`."""
    quoted_at_us: Micros
    """Of the newest closing quote: before first pitch, always."""
    seconds_before_start: float = Field(ge=0.0)
    line: float | None
    """At the close; none for the moneyline."""
    probability: Probability
    """No-vig, of the side that was bet, at the closing line, given no push."""
    probability_points: float
    """Above the implied probability of the price taken, where the lines are the same: `price_part`
    plus `line_part`."""
    price_part: float
    line_part: float
    """What the line's move is worth; 0 where it did not move."""
    expected_value: float
    """Expected return per unit staked at the price taken, if the close is right."""


class Settlement(Bet):
    """How a bet was graded; a corrected result grades anew and names what it takes the place of."""

    settlement_id: EventId
    """Deterministic from the fill and the result it rests on."""
    stake_id: str | None = None
    outcome: Outcome
    payout: Cash = Field(ge=0)
    """Comes back, the stake included."""
    rule: str
    """Of the book's rule table that decided; `by_hand` where a person did."""
    detail: str
    """What was found; of a person, the reason."""
    result_id: EventId | None
    """Event id of the result; none where there is none, and then the bet is void."""
    settled_at_us: Micros
    supersedes: EventId | None = None
    closing: ClosingValue | None = None
    closing_missing: str | None = None
    """Why there is no closing value; exactly one of both is there."""

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        whole = {
            Outcome.LOSS: self.payout == 0,
            Outcome.HALF_LOSS: 0 < self.payout < self.amount,
            Outcome.PUSH: self.payout == self.amount,
            Outcome.VOID: self.payout == self.amount,
        }
        if not whole.get(self.outcome, self.payout >= self.amount):
            raise ValueError(
                f"payout: {self.payout} of {self.amount} does not fit {self.outcome.value}"
            )
        if self.result_id is None and self.outcome is not Outcome.VOID:
            raise ValueError("result_id: without a result nothing is won or lost")
        if (self.closing is None) is (self.closing_missing is None):
            raise ValueError("closing/closing_missing: exactly one of both must be there")
        return self

    @property
    def profit(self) -> Decimal:
        return self.payout - self.amount


class BankrollUpdate(BaseModel):
    """What a bankroll holds, or whether it may bet at all; what is none stays as it was."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    update_id: EventId
    bankroll: Name
    """`*` means all of them, and then says nothing of a balance."""
    occurred_at_us: Micros
    balance: Cash | None = Field(default=None, ge=0)
    """Free money and what lies on open bets, at cost: what stakes are shares of."""
    stopped: bool | None = None
    """True: nothing is staked until somebody says false."""
    reason: str | None = Field(default=None, min_length=1, max_length=500)
    source: Name

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.balance is None and self.stopped is None:
            raise ValueError("balance/stopped: both missing")
        if self.bankroll == ALL_BANKROLLS and self.balance is not None:
            raise ValueError("balance: not of all bankrolls at once")
        if self.stopped and self.reason is None:
            raise ValueError("reason: a stop must say why")
        return self
