"""Bets that a person grades: what the topics say of one, and the settlement that he makes of it."""

from dataclasses import dataclass, field
from typing import TypeVar

from flows.connectors.topic_reader import TopicReader
from flows.steps.records import Outgoing
from models.settlement.case import Grade
from models.settlement.record import settlement
from models.settlement.score import payout
from schemas.bets import BY_HAND, Fill, Outcome, Settlement
from schemas.errors import DataMissing
from schemas.events import GameResult, GameUpdate
from schemas.settings import Settings
from schemas.topics import Topic

E = TypeVar("E", GameResult, GameUpdate)

GROUP = "steamline-settlement-grade"
_BATCH = 20_000


@dataclass
class Known:
    """Of one bet."""

    fill: Fill
    settlements: dict[str, Settlement] = field(default_factory=dict)
    """By what they supersede, none being the empty text; the first one said counts."""
    result: GameResult | None = None
    status: GameUpdate | None = None

    @property
    def last(self) -> Settlement | None:
        """Of the chain of settlements."""
        found = self.settlements.get("")
        while found is not None and (later := self.settlements.get(found.settlement_id)):
            found = later
        return found


def known(settings: Settings, fill_id: str) -> Known:
    """What the topics say. Raises DataMissing where no such bet was told."""
    fills: dict[str, Fill] = {}
    settled: list[Settlement] = []
    results: dict[str, GameResult] = {}
    statuses: dict[str, GameUpdate] = {}
    topics = (Topic.FILLS, Topic.SETTLEMENTS, Topic.RESULTS, Topic.GAMES)
    reader = TopicReader(settings.kafka, topics, GROUP)
    try:
        reader.begin({})
        while not reader.at_end():
            for record in reader.read(_BATCH, 1.0):
                try:
                    if record.topic is Topic.FILLS:
                        fill = Fill.model_validate_json(record.value)
                        fills.setdefault(fill.fill_id, fill)
                    elif record.topic is Topic.SETTLEMENTS:
                        settled.append(Settlement.model_validate_json(record.value))
                    elif record.topic is Topic.RESULTS:
                        _hear(results, GameResult.model_validate_json(record.value))
                    else:
                        _hear(statuses, GameUpdate.model_validate_json(record.value))
                except ValueError:
                    continue  # the flows have made a dead letter of it
    finally:
        reader.close()
    if fill_id not in fills:
        raise DataMissing(
            f"no bet {fill_id} on the topic {Topic.FILLS.full(settings.kafka.prefix)}"
        )
    found = Known(fills[fill_id])
    for one in settled:
        if one.fill_id == fill_id:
            found.settlements.setdefault(one.supersedes or "", one)
    found.result = results.get(found.fill.game_id)
    found.status = statuses.get(found.fill.game_id)
    return found


def _hear(words: dict[str, E], event: E) -> None:
    before = words.get(event.game_id)
    if before is None or before.occurred_at_us <= event.occurred_at_us:
        words[event.game_id] = event


def graded(known: Known, outcome: Outcome, reason: str, now_us: int) -> Outgoing | None:
    """None where the last settlement says the same of the money.

    Raises DataMissing where nothing at all is known of the game.
    """
    fill = known.fill
    rests_on = known.result or known.status
    if rests_on is None:
        raise DataMissing(f"{fill.game_id}: neither a result nor a status is on the topics")
    grade = Grade(outcome, payout(fill.amount, fill.price, outcome), BY_HAND, reason)
    made = settlement(fill, grade, rests_on, now_us, closing_missing=BY_HAND, previous=known.last)
    if made is None:
        return None
    return Outgoing.of(
        Topic.SETTLEMENTS, fill.game_id, made.settlement_id, made.settled_at_us, made
    )
