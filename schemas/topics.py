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
    max_message_bytes: int = 1_048_576


CONTRACTS: dict[Topic, Contract] = {
    Topic.LINES: Contract(LineMovement),
    Topic.SPLITS: Contract(BettingSplits),
    # Not compacted: every update is part of a game's event sequence, and a replay needs them all.
    Topic.GAMES: Contract(GameUpdate),
    Topic.RESULTS: Contract(GameResult),
    Topic.PREDICTIONS: Contract(Prediction),
    Topic.STAKES: Contract(Stake),
    Topic.ALERTS: Contract(Alert),
    Topic.FILLS: Contract(Fill),
    Topic.SETTLEMENTS: Contract(Settlement),
    # Keyed by bankroll, all others by game.
    Topic.BANKROLLS: Contract(BankrollUpdate),
    # A dead letter carries the original bytes in base64, so it outgrows what it reports.
    Topic.DEAD_LETTERS: Contract(DeadLetter, max_message_bytes=4_194_304),
}

TOPIC_OF: dict[type[BaseModel], Topic] = {
    contract.model: topic for topic, contract in CONTRACTS.items()
}

INPUTS: tuple[Topic, ...] = (Topic.GAMES, Topic.SPLITS, Topic.LINES)
"""What games are scored on; at equal times in this order, so context comes before prices."""

SCORE_INPUTS: tuple[Topic, ...] = (Topic.BANKROLLS, *INPUTS)
"""What the score flow reads, in the same sense: a stop comes before the prices it stops."""
