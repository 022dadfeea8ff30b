"""Output messages: features, predictions, stakes, alerts, dead letters."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.events import GameId, Name
from schemas.markets import Market, Side, Target
from schemas.time import Micros

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
ExperimentName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]


class Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    game_id: GameId
    position: int = Field(ge=1)
    """How many of the game's events had been folded in: with the game, the as-of of the message."""
    as_of_us: Micros
    """Latest event time among those events."""
    simulated: bool = False


class Decided(Message):
    """What rests on events before the game's cutoff alone, or is refused."""

    cutoff_us: Micros
    """Latest event time that features may use."""

    @model_validator(mode="after")
    def _before_cutoff(self) -> Self:
        if self.as_of_us > self.cutoff_us:
            raise ValueError(
                f"as_of_us: {self.as_of_us} is after cutoff_us {self.cutoff_us}: "
                "features have used an event that they must not see"
            )
        return self


class Role(StrEnum):
    """What a model was when it spoke."""

    CHAMPION = "champion"
    CHALLENGER = "challenger"


class Tried(Message):
    """Which part a model has in an experiment; outside of one, champions alone speak."""

    role: Role = Role.CHAMPION
    experiment: ExperimentName | None = None
    """Whose games or predictions are compared; none outside of one."""
    share: float | None = Field(default=None, gt=0.0, lt=1.0)
    """Of games that the challenger has, where the experiment deals them out: then a game has one
    model. None in a shadow: there the challenger speaks beside the champion, and nothing is to be
    bet on what it says."""

    @property
    def shadow(self) -> bool:
        """Said beside the model that counts: to be compared, never to be bet on or shown as the
        price."""
        return self.role is Role.CHALLENGER and self.share is None

    @model_validator(mode="after")
    def _in_an_experiment(self) -> Self:
        if self.experiment is None and (self.role is Role.CHALLENGER or self.share is not None):
            raise ValueError("experiment: is missing, and champions alone speak outside of one")
        return self


class FeatureHeader(Decided):
    """What stands before the float32 bytes of a stored vector."""

    feature_set: str
    """Hash of names, order, units and formulas: model and vector must agree on it."""
    count: int = Field(gt=0)
    completeness: Probability
    """Share of features that are not missing."""
    completeness_by: dict[str, Probability]
    """The same of each category of the catalogue."""
    source_age_ms: dict[str, int]
    """Age at `as_of_us` of the newest event of each source; of context, of the newest fact that
    it rests on. A source that was never heard of is absent."""


class SideQuote(BaseModel):
    """The best fresh price on one side."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    side: Side
    book: Name
    price: float = Field(gt=1.0)
    age_ms: int = Field(ge=0)
    edge: float | None
    """Expected return per unit staked, given no push; none where no model priced the side."""


class Prediction(Decided, Tried):
    """One target of one game at one position."""

    prediction_id: str
    target: Target
    model_version: str
    feature_set: str
    start_time_us: Micros
    line: float | None = None
    """Total runs, or for `margin` the home handicap, that `probability` refers to; none for the
    moneyline."""
    probability: Probability
    """Home wins (moneyline), over (total, runs) or home covers (margin), given no push."""
    market_probability: Probability
    """The same from the no-vig consensus."""
    mean_runs: float | None = None
    """Expected total runs (target `runs` only)."""
    mean_margin: float | None = None
    """Expected home minus away runs (target `margin` only)."""
    fair_price: float = Field(gt=1.0)
    best: list[SideQuote]
    odds_age_ms: int = Field(ge=0)
    """Age of the newest quote in the consensus."""
    books: int = Field(ge=1)
    """How many books made the consensus."""
    completeness: Probability
    read_to: dict[str, int]
    """Newest offset folded in, per input topic: with it a replay finds just these events."""


class Refusal(StrEnum):
    """Why nothing is staked."""

    LOCKED = "locked"
    STALE_ODDS = "stale_odds"
    NO_PRICE = "no_price"
    NO_PREDICTION = "no_prediction"
    EDGE_TOO_SMALL = "edge_too_small"
    INCOMPLETE = "incomplete"
    UNPROMOTED_MODEL = "unpromoted_model"
    STOPPED = "stopped"
    NO_BALANCE = "no_balance"
    LEDGER_SILENT = "ledger_silent"
    LIMIT = "limit"
    BOOK_LIMIT = "book_limit"
    OUTWEIGHED = "outweighed"
    BELOW_MINIMUM = "below_minimum"
    UNPROVEN = "unproven"


PAPER_STAKE = ":paper"
"""How ids of stakes end that must not be bet for real. The id tells, whether the stake itself is
read before the bet, after it, or never."""


class Stake(Tried):
    """The whole position wanted in one market of one game, or why none.

    As a share of the bankroll's balance, which counts open bets at cost: what is on already is part
    of it. It stands until another message about the same market and bankroll; one comes when it has
    moved by more than a threshold, and when the reasons for nothing are others. At one position the
    larger `decided_us` is the later word. `locked` ends what can still be bet, not what has been.

    Games of a slate are sized together, so a stake rests on more than its own game: `slate`,
    `balance` and `held` say on what, and with them and the settings the amount can be computed
    again (`models.staking.allocation`).
    """

    stake_id: str
    market: Market
    model_version: str
    bankroll: Name
    side: Side | None = None
    book: Name | None = None
    line: float | None = None
    price: float | None = Field(default=None, gt=1.0)
    probability: Probability | None = None
    edge: float | None = None
    kelly_full: float | None = Field(default=None, ge=0.0, le=1.0)
    """Growth-optimal fraction of the bankroll, before scaling and caps."""
    fraction: float = Field(ge=0.0, le=1.0)
    amount: float = Field(ge=0.0)
    """`fraction` of the balance in the bankroll's currency, rounded down to what a book takes."""
    refusals: list[Refusal]
    """Empty exactly when `fraction` is above zero."""
    paper: bool = False
    """From a model that has not passed the gate: to be watched, never to be bet. Above zero only
    where the operator asked for such stakes."""
    push: Probability | None = None
    """Chance that the stake comes back; `probability` is given that it does not."""
    decided_us: Micros | None = None
    """Event time of what led to it: news of this game, of another one, or of the bankroll."""
    balance: float | None = Field(default=None, ge=0.0)
    """Of the bankroll, when this was decided."""
    slate: dict[str, int] | None = None
    """Game -> position, of every other game that was sized together with this one."""
    held: dict[str, float] | None = None
    """`day book` -> share of the balance on games closed for betting, which counts against caps."""
    growth: float | None = None
    """Expected log of wealth after the slate."""
    kkt_residual: float | None = Field(default=None, ge=0.0)
    """How far the slate's stakes are from proven; none where nothing was sized."""

    @model_validator(mode="after")
    def _never_of_a_shadow(self) -> Self:
        if self.shadow:
            raise ValueError("role: nothing is staked on what a shadow says")
        return self


class AlertKind(StrEnum):
    LOCKED = "locked"
    UNLOCKED = "unlocked"
    STEAM = "steam"
    REVERSE_LINE = "reverse_line"
    LINE_FREEZE = "line_freeze"
    ARBITRAGE = "arbitrage"
    LEADER_MOVE = "leader_move"
    MODEL_REFUSED = "model_refused"
    MODEL_DRIFT = "model_drift"


LOCKS = frozenset((AlertKind.LOCKED, AlertKind.UNLOCKED))
"""Kinds about the whole game: betting has closed, or is open again."""


class Alert(Message):
    """Betting has closed or reopened, a signal has begun in one market, a model was refused, or
    models, features and results part.

    A signal is told once, at the position where it begins, and again only after it has ended. A
    refused model is told once, with the next game that is scored, by the one that stays. A drift
    begins and ends with nights, and is told with the last prediction before the end of one.
    """

    alert_id: str
    kind: AlertKind
    detail: str
    market: Market | None = None
    """Of a signal; none for a lock."""
    side: Side | None = None
    """What the signal speaks for: prices move there, or stand against the public on the other
    side. None for an arbitrage, which takes both."""
    values: dict[str, float] = Field(default_factory=dict)
    """What triggered it: features by catalogue name; of a drift, the numbers above their
    thresholds."""


class DeadLetter(BaseModel):
    """An input that could not be used, whole: a record of a topic, or a part of a payload."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    letter_id: str
    reason: str
    detail: str
    source: str
    """Topic, partition and offset the record was read from; or the polled source and its
    endpoint, and then the next three are none."""
    topic: str | None
    partition: int | None = Field(ge=0)
    offset: int | None = Field(ge=0)
    timestamp_us: int
    """The record's own Kafka timestamp; or when the payload was fetched."""
    key_base64: str | None
    value_base64: str
