"""Input records to events, or to dead letters that say what is wrong with them."""

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from pydantic import BaseModel, ValidationError

from flows.steps.records import Outgoing, Record
from schemas.decisions import DeadLetter
from schemas.errors import RejectedEvent
from schemas.events import BettingSplits, Event, LineMovement, day_of
from schemas.sections.scoring import SPLIT_POOLS
from schemas.settings import Settings
from schemas.time import US_PER_DAY, US_PER_SECOND
from schemas.topics import CONTRACTS, Topic
from schemas.wire import SCHEMA_VERSION

DAYS_BEFORE_GAME = 400
DAYS_AFTER_GAME = 3
"""Futures open long before a game, nothing follows it for long: outside, a clock is wrong."""

_DETAIL_CHARACTERS = 500
_EPOCH_DAY = date(1970, 1, 1).toordinal()


class Decoded(NamedTuple):
    event: Event
    record: Record
    """Kept for the dead letter, should the fold refuse the event."""
    number: int = 0
    """In the order of reading: a batch is taken apart by game, and bankrolls join games again."""


@dataclass(frozen=True)
class DecodeRules:
    books: frozenset[str] | None
    """None takes any book."""
    future_us: int
    max_bytes: int

    @classmethod
    def of(cls, settings: Settings) -> "DecodeRules":
        return cls(
            books=frozenset(settings.books),
            future_us=int(settings.score.future_seconds * US_PER_SECOND),
            max_bytes=settings.score.max_event_bytes,
        )


def parse(record: Record) -> BaseModel:
    """A record of any topic, by the topic's model alone. Raises RejectedEvent."""
    if record.version is not None and record.version != SCHEMA_VERSION:
        raise RejectedEvent("wrong_schema", f"version {record.version!r}, not {SCHEMA_VERSION!r}")
    try:
        return CONTRACTS[record.topic].model.model_validate_json(record.value)
    except ValidationError as bad:
        raise explain(bad) from None


def decode(record: Record, rules: DecodeRules) -> Event:
    """One event. Raises RejectedEvent with a reason code."""
    fits(record, rules)
    event = parse(record)
    assert isinstance(event, Event)
    is_of_game(record, event.game_id)
    if rules.books is not None and (book := strange_book(event, rules.books)) is not None:
        raise RejectedEvent("unknown_book", f"{book!r} is not in STEAMLINE_BOOKS")
    plausible(record, event.game_id, event.occurred_at_us, rules)
    return event


def fits(record: Record, rules: DecodeRules) -> None:
    """Raises RejectedEvent for one that is too long."""
    if len(record.value) > rules.max_bytes:
        raise RejectedEvent("oversized", f"{len(record.value)} bytes, at most {rules.max_bytes}")


def is_of_game(record: Record, game_id: str) -> None:
    """Raises RejectedEvent for another key: it may be in another partition than the game."""
    if record.key is None or record.key != game_id.encode():
        raise RejectedEvent("wrong_key", f"key {record.key!r} is not the game id {game_id}")


def plausible(record: Record, game_id: str, moment_us: int, rules: DecodeRules) -> None:
    """Raises RejectedEvent where the time fits neither the record's own nor the game."""
    not_ahead(moment_us, record, rules)
    try:
        played = day_of(game_id)
    except ValueError as bad:
        raise RejectedEvent("invalid", f"game_id: {game_id!r}: {bad}") from None
    days = moment_us // US_PER_DAY + _EPOCH_DAY - played.toordinal()
    if not -DAYS_BEFORE_GAME <= days <= DAYS_AFTER_GAME:
        raise RejectedEvent("implausible_time", f"{days} days from the day of the game")


def not_ahead(moment_us: int, record: Record, rules: DecodeRules) -> None:
    """Raises RejectedEvent for what is dated after its own record."""
    ahead = moment_us - record.timestamp_us
    if ahead > rules.future_us:
        raise RejectedEvent(
            "future", f"dated {ahead / US_PER_SECOND:.0f} s after its own record timestamp"
        )


def strange_book(event: Event, books: frozenset[str]) -> str | None:
    """The event's book where it is none of ours; of splits, a pool is as good as a book."""
    if not isinstance(event, LineMovement | BettingSplits) or event.book in books:
        return None
    if isinstance(event, BettingSplits) and event.book in SPLIT_POOLS:
        return None
    return event.book


def explain(bad: ValidationError) -> RejectedEvent:
    """Field, rule and value of the first thing that is wrong."""
    first = bad.errors(include_url=False)[0]
    if first["type"] == "json_invalid":
        return RejectedEvent("malformed_json", first["msg"])
    field = ".".join(str(part) for part in first["loc"])
    if first["type"] == "value_error":
        # Our own validators name field and value themselves where the field is not one alone.
        text = f"{field}: {first['msg']}" if field else first["msg"]
        return RejectedEvent("invalid", text.replace("Value error, ", "")[:_DETAIL_CHARACTERS])
    shown = repr(first["input"])[:100]
    return RejectedEvent("invalid", f"{field}: {first['msg']}, got {shown}"[:_DETAIL_CHARACTERS])


def dead_letter(record: Record, rejected: RejectedEvent, reader: str | None = None) -> Outgoing:
    """The whole record with the reason, as it goes to the dead-letter topic.

    reader: who refused it, where others may refuse the same record for reasons of their own.
    """
    source = f"{record.topic.value}-{record.partition}-{record.offset}"
    if reader is not None:
        source = f"{reader}-{source}"
    letter = DeadLetter(
        letter_id=source,
        reason=rejected.reason,
        detail=rejected.detail,
        source=source,
        topic=record.topic.value,
        partition=record.partition,
        offset=record.offset,
        timestamp_us=record.timestamp_us,
        key_base64=None if record.key is None else b64encode(record.key).decode(),
        value_base64=b64encode(record.value).decode(),
    )
    return Outgoing.of(Topic.DEAD_LETTERS, source, letter.letter_id, record.timestamp_us, letter)


def decode_batch(
    records: Iterable[Record], rules: DecodeRules, first: int = 0
) -> list[tuple[str, Decoded] | Outgoing]:
    """Every record as (game id, event) or as a dead letter, in order.

    first: number of the first record.
    """
    out: list[tuple[str, Decoded] | Outgoing] = []
    for number, record in enumerate(records, first):
        try:
            event = decode(record, rules)
        except RejectedEvent as rejected:
            out.append(dead_letter(record, rejected))
        else:
            out.append((event.game_id, Decoded(event, record, number)))
    return out
