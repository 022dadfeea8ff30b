"""Stakes, bets on paper, settlement and the ledger."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from schemas.events import Name
from schemas.kelly import Drawdown, Share
from schemas.sections.base import Measured, Section

CONSENSUS = "consensus"
"""Stands where a book's name can: the median of the fresh books."""


class StakingSettings(Section):
    """How much to bet, out of one bankroll."""

    name: str = Field(default="main", pattern=r"^[A-Za-z0-9._-]{1,64}$")
    """Of the bankroll, in the ledger."""
    bankroll: float = Field(default=10_000.0, gt=0.0)
    """What it holds until the ledger says otherwise."""
    fraction: float = Field(default=0.25, gt=0.0, le=1.0)
    """Share of full Kelly."""
    min_edge: float = Field(default=0.02, ge=0.0)
    """Expected return per unit below which nothing is staked."""
    by: Literal["scaling", "utility"] = "scaling"
    """Full Kelly of the slate times the fraction, or the optimum of power utility with risk
    aversion 1 / fraction, which spreads more evenly on busy days."""
    max_fraction: float = Field(default=0.05, gt=0.0, le=1.0)
    """Cap of one bet, share of the balance."""
    max_game: Share = 1.0
    """Cap of one game."""
    max_book: Share = 1.0
    """Cap of one book."""
    max_day: Share = 1.0
    """Cap of the games of one day."""
    max_total: Share = 1.0
    """Cap of everything."""
    drawdown: Drawdown | None = None
    """As JSON: `{"level": 0.7, "probability": 0.1}` keeps the chance that wealth ever falls to 70 %
    below 10 %."""
    min_move: float = Field(default=0.001, ge=0.0, lt=1.0)
    """A stake is said again when it has moved by more than this share of the balance."""
    round_to: float = Field(default=0.01, gt=0.0)
    """Amounts are rounded down to multiples of it."""
    min_stake: float = Field(default=0.0, ge=0.0)
    """A smaller amount is not staked: no book takes it."""
    book_limits: dict[str, Annotated[float, Field(ge=0.0)]] = Field(default_factory=dict)
    """As JSON, book: largest amount that it takes on one bet."""
    ledger_minutes: float | None = Field(default=None, gt=0.0)
    """Nothing is staked when the newest balance from the ledger is older, in event time, or there
    is none; without it, `bankroll` counts until a balance comes."""
    min_completeness: float = Field(default=0.4, ge=0.0, le=1.0)
    """Share of known features below which nothing is staked."""
    paper: bool = False
    """Size stakes of models that have not passed the gate too, marked `paper`: to be watched, not
    bet. Without it they are refused as `unpromoted_model`."""


class PaperSettings(Section):
    """Bets that nobody makes: what the stakes of a bankroll would have come to."""

    bankrolls: tuple[Name, ...] = ()
    """As a JSON list: their stakes are filled on paper by `steamline run settle`."""
    delay_seconds: float = Field(default=5.0, ge=0.0)
    """From a stake to its fill, in event time: the price is the one that the book quotes then."""


class SettlementSettings(Measured):
    """By which rules bets are graded (docs/settlement.md), and what close they are held against."""

    default: str | None = None
    """Rule table that answers what is not known of a book: `conservative`, or another book's.
    Without it such bets wait for a person."""
    tables: Path | None = None
    """Folder of your own rule tables (TOML); each takes the place of ours for its book."""
    close: Name = CONSENSUS
    """Whose closing price a bet is held against: a book, or `consensus`."""
    correction_days: float = Field(default=7.0, gt=0.0)
    """A finished game is forgotten after so long without news; a result that is corrected later
    settles nothing."""
    give_up_days: float = Field(default=60.0, gt=0.0)
    """A bet that nothing has settled so long after the last news of its game goes to the dead
    letters."""


class LedgerSettings(Measured):
    """How `steamline run ledger` speaks of the bankrolls that it keeps."""

    heartbeat_seconds: float = Field(default=60.0, ge=1.0)
    """Balances are said again this often while Postgres answers and everything read is booked; for
    bankrolls with `ledger_minutes`."""
