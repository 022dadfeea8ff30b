"""What the feed says besides the topics' messages, and which event carries which message."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from schemas.bets import Settlement
from schemas.decisions import Alert, Prediction, Stake
from schemas.events import GameResult, GameUpdate, LineMovement
from schemas.time import US_PER_MINUTE

RETAIN_US = 12 * 60 * US_PER_MINUTE
"""How long a game stays on the board after its start, in event time."""


class Kind(StrEnum):
    """Names of the feed events that carry a message, each as the topic's contract has it."""

    GAME = "game"
    LINE = "line"
    RESULT = "result"
    PREDICTION = "prediction"
    STAKE = "stake"
    ALERT = "alert"
    LOCKED = "locked"
    UNLOCKED = "unlocked"
    SETTLEMENT = "settlement"


class Rules(BaseModel):
    """What turns times into states, in microseconds of event time."""

    model_config = ConfigDict(frozen=True)

    cutoff_us: int
    """The cutoff is this much before the start."""
    stale_us: int
    """A quote not confirmed for longer is out of the reckoning."""
    retain_us: int = RETAIN_US
    """A game leaves the board this much after its start."""
    heartbeat_ms: int
    bankroll: str = "main"
    """The one whose stakes the board shows."""


class GameState(BaseModel):
    """One game; each part is a message as its own feed event carries it."""

    game_id: str
    schedule: GameUpdate | None
    lines: list[LineMovement]
    confirmed_us: dict[str, int]
    """When each source last confirmed that its quotes still stand."""
    predictions: list[Prediction]
    stakes: list[Stake]
    lock: Alert | None
    signals: list[Alert]
    """Alerts of all other kinds, the newest of the game, oldest first."""
    result: GameResult | None
    settlements: list[Settlement]
    """The newest of each fill."""


class Snapshot(BaseModel):
    """The whole state that passes a client's filter: it takes the place of all that it had."""

    newest_us: int | None
    """Newest event time of all messages: the clock to count ages against."""
    stale: bool
    """It may not be the newest: the broker does not answer, or is still being read."""
    rules: Rules
    games: list[GameState]


class Heartbeat(BaseModel):
    server_us: int
    newest_us: int | None
    stale: bool
    broker: bool
    """Whether it answers."""


class Gap(BaseModel):
    """Something was missed; a snapshot follows at once."""

    reason: str
