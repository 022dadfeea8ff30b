"""Kafka topics: the one place that names them, their model and their size limit."""

from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel

from schemas.bets import BankrollUpdate, Fill, Settlement
from schemas.decisions import Alert, DeadLetter, Prediction, Stake
from schemas.events import BettingSplits, GameResult, GameUpdate, LineMovement


class Topic(StrEnum):
    LINES = "lines"
    SPLITS = "splits"
    GAMES = "games"
    RESULTS = "results"
    PREDICTIONS = "predictions"
    STAKES = "stakes"
    ALERTS = "alerts"
    FILLS = "fills"
    SETTLEMENTS = "settlements"
    BANKROLLS = "bankrolls"
    DEAD_LETTERS = "dead-letters"

    def full(self, prefix: str) -> str:
        """The name on the broker."""
        return f"{prefix}{self.value}"


@dataclass(frozen=True)
class Contract:
    """What a topic carries."""

    model: type[BaseModel]
    identity: str
    """Field that holds a message's id."""
    time: str
    """Field that dates it."""
    key: str | None = "game_id"
    """Field that is the record's key; none where the id is."""
    max_message_bytes: int = 1_048_576


CONTRACTS: dict[Topic, Contract] = {
    Topic.LINES: Contract(LineMovement, "event_id", "occurred_at_us"),
    Topic.SPLITS: Contract(BettingSplits, "event_id", "occurred_at_us"),
    # Not compacted: every update is part of a game's event sequence, and a replay needs them all.
    Topic.GAMES: Contract(GameUpdate, "event_id", "occurred_at_us"),
    Topic.RESULTS: Contract(GameResult, "event_id", "occurred_at_us"),
    Topic.PREDICTIONS: Contract(Prediction, "prediction_id", "as_of_us"),
    Topic.STAKES: Contract(Stake, "stake_id", "as_of_us"),
    Topic.ALERTS: Contract(Alert, "alert_id", "as_of_us"),
    Topic.FILLS: Contract(Fill, "fill_id", "filled_at_us"),
    Topic.SETTLEMENTS: Contract(Settlement, "settlement_id", "settled_at_us"),
    Topic.BANKROLLS: Contract(BankrollUpdate, "update_id", "occurred_at_us", key="bankroll"),
    # A dead letter carries the original bytes in base64, so it outgrows what it reports.
    Topic.DEAD_LETTERS: Contract(
        DeadLetter, "letter_id", "timestamp_us", key=None, max_message_bytes=4_194_304
    ),
}

TOPIC_OF: dict[type[BaseModel], Topic] = {
    contract.model: topic for topic, contract in CONTRACTS.items()
}

INPUTS: tuple[Topic, ...] = (Topic.GAMES, Topic.SPLITS, Topic.LINES)
"""What games are scored on; at equal times in this order, so context comes before prices."""

SCORE_INPUTS: tuple[Topic, ...] = (Topic.BANKROLLS, *INPUTS)
"""What the score flow reads, in the same sense: a stop comes before the prices it stops."""
