"""Records of the settle flow to what they say, or to dead letters."""

from collections.abc import Iterable
from typing import NamedTuple

from flows.steps.decode import (
    DecodeRules,
    dead_letter,
    decode,
    fits,
    is_of_game,
    not_ahead,
    parse,
    plausible,
)
from flows.steps.records import Outgoing, Record
from schemas.bets import BY_HAND, Fill, Settlement
from schemas.decisions import Stake
from schemas.errors import RejectedEvent
from schemas.events import GameResult, GameUpdate, LineMovement
from schemas.topics import Topic

SETTLE_INPUTS: tuple[Topic, ...] = (
    Topic.GAMES,
    Topic.LINES,
    Topic.STAKES,
    Topic.FILLS,
    Topic.RESULTS,
    Topic.SETTLEMENTS,
)
"""What the settle flow reads; at equal times in this order, as the one follows from the other. Of
settlements those that a person has decided: the others are its own."""

Said = GameUpdate | LineMovement | Stake | Fill | GameResult | Settlement


class Taken(NamedTuple):
    said: Said
    record: Record
    """Kept for the dead letter, should nothing come of it."""
    moment_us: int
    """Event time; 0 where a person speaks, by no game's clock."""


def take(record: Record, rules: DecodeRules) -> Taken:
    """Raises RejectedEvent with a reason code."""
    if record.topic not in (Topic.STAKES, Topic.FILLS, Topic.SETTLEMENTS):
        event = decode(record, rules)
        assert isinstance(event, GameUpdate | LineMovement | GameResult)
        return Taken(event, record, event.occurred_at_us)
    fits(record, rules)
    said = parse(record)
    assert isinstance(said, Stake | Fill | Settlement)
    is_of_game(record, said.game_id)
    if isinstance(said, Settlement):
        not_ahead(said.settled_at_us, record, rules)
        return Taken(said, record, 0)
    moment_us = said.filled_at_us if isinstance(said, Fill) else said.decided_us or said.as_of_us
    plausible(record, said.game_id, moment_us, rules)
    return Taken(said, record, moment_us)


def take_batch(records: Iterable[Record], rules: DecodeRules) -> list[tuple[str, Taken] | Outgoing]:
    """Every record as (game id, what it says) or as a dead letter, in order."""
    out: list[tuple[str, Taken] | Outgoing] = []
    for record in records:
        try:
            taken = take(record, rules)
        except RejectedEvent as rejected:
            out.append(dead_letter(record, rejected))
        else:
            if isinstance(taken.said, Settlement) and taken.said.rule != BY_HAND:
                continue
            out.append((taken.said.game_id, taken))
    return out
